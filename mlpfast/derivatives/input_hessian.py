"""Second derivatives of each row by its own inputs, exactly, by products with the Hessian of a loss by parameters.

Data are parameters like any other: in a twin of the model the rows are the entries of a table, which an embedding looks
up by their numbers. Along a direction of the table, each entry meets its own row alone, so that one product is a column
of every row's Hessian. A batch of the twin has a power of two of rows: to divide the loss by their number and to
multiply by it again is exact, and what comes of a row depends on no other one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import validation
from ..layers import Dense, Embedding, Layer
from ..losses import Loss, MeanAbsoluteError, as_loss
from .net import Net, check_tangents, result_array, returned
from .second_order import Products

__all__ = ["Layered", "input_hessian"]

_MOST_ROWS = 1024  # of a twin


class Layered(Net, Protocol):
    """A model that knows its layers, and can predict."""

    layers: tuple[Layer, ...]
    weights: tuple[NDArray[Any], ...]

    @property
    def state(self) -> NDArray[Any]: ...
    @state.setter
    def state(self, values: ArrayLike) -> None: ...
    def predict(self, X: Any) -> NDArray[Any]: ...
    def _of_one_input(self, layers: Sequence[Layer]) -> Layered: ...


def input_hessian(
    net: Layered,
    X: Any,
    y: Any,
    loss: str | Loss | None,
    out: NDArray[Any] | None,
    n_threads: int | None,
) -> NDArray[Any]:
    """As `mlpfast.Model.input_hessian`."""
    if (y is None) != (loss is None):
        missing, given = ("y", "a loss") if y is None else ("loss", "targets")
        raise ValueError(f"input_hessian: expected y and a loss, or neither; got {given} and no {missing}")
    check_tangents("input_hessian", net.program, back=True)
    for number, layer in enumerate(net.program.layers):
        if layer.part is not None:  # an encoder's
            raise ValueError(
                "input_hessian: expected layers that have second derivatives by the data, "
                f"got {layer.kind!r} (layer {number} of model.program)"
            )
    features = validation.as_features(X, net.inputs, net.dtype, cast=True)
    rows, n = validation.dense_rows(features, net.inputs, net.dtype), validation.n_rows(features)
    of_outputs = (net.outputs,) if loss is None else ()
    if loss is not None:
        loss = as_loss(loss)
        loss.check_output(net.output_activation, net.outputs)
        y = validation.as_targets(y, loss, net.outputs, net.dtype, n)
    net.network.check_adapted()  # the twin below would say another layer's number
    result = result_array(net, out, (n, *of_outputs, net.inputs, net.inputs), features, y)
    table = 1 << (min(n, _MOST_ROWS) - 1).bit_length()
    last = [Dense(1, use_bias=False, kernel_initializer="zeros")] if loss is None else []
    twin = net._of_one_input([Embedding(table, net.inputs), *net.layers, *last])
    parameters, buffers = np.split(net.state, [net.n_parameters])
    unused = np.zeros(net.outputs * len(last), net.dtype)
    for first in range(0, n, table):
        part = slice(first, min(first + table, n))
        used = part.stop - first
        padded = np.minimum(np.arange(table), used - 1) + first  # the last row again, where there are no more
        twin.state = np.concatenate([rows[padded].ravel(), parameters, unused, buffers])
        if loss is not None:
            for j, column in _columns(twin, y[padded], loss, net.inputs, n_threads):
                result[part, :, j] = column[:used]
            continue
        # A loss that is the output itself: its distance from what is less.
        outputs = np.asarray(net.predict(rows[padded]))
        for o in range(net.outputs):
            twin.weights[-1][...] = 0
            twin.weights[-1][o] = 1
            below = outputs[:, o] - 1 - np.abs(outputs[:, o])
            for j, column in _columns(twin, below, MeanAbsoluteError(), net.inputs, n_threads):
                result[part, o, :, j] = column[:used]
    return returned(result, out)


def _columns(
    twin: Layered, y: NDArray[Any], loss: Loss, inputs: int, n_threads: int | None
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Number and column, of the Hessian of each of the table's entries."""
    n = len(y)
    codes = np.arange(n, dtype=twin.dtype).reshape(n, 1)
    products = Products(twin, "input_hessian", "hessian", codes, y, loss, None, 0.0, n_threads)
    direction, product = np.zeros((2, twin.n_parameters), twin.dtype)
    along, found = (vector[: n * inputs].reshape(n, inputs) for vector in (direction, product))
    for j in range(inputs):
        along[:, j] = 1
        products.multiply(direction, product)
        along[:, j] = 0
        yield j, found * n
