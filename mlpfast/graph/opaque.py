"""What the engine computes for a graph: a loss, and a layer that is no formula here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..activations import Activation
from ..core.engine import Engine
from ..core.memory import aligned_zeros
from ..core.network import Network
from ..initializers import Constant
from ..losses import Custom, Loss
from ..model import Model
from ..parts import Layer, Rule
from ..program import Program
from ..validation import CSR, code_error
from .nodes import Array

__all__ = ["Rows"]


class Rows:
    """A layer, or nothing, behind rows that the engine takes for parameters.

    The rows are the weights of a dense layer whose input is the rows' numbers, one-hot. So the gradient by these
    weights is the derivative by the rows.

    Parameters
    ----------
    model : Model, optional
        Whose layer it is.
    layer : Layer, optional
        One of the model's program.

    Raises
    ------
    ValueError
        If the layer reads two values.
    """

    def __init__(self, model: Model | None = None, layer: Layer | None = None) -> None:
        if layer is not None and layer.also is not None:
            raise ValueError(f"graph.of: expected layers that read one value, got {layer.kind!r}, which reads two")
        self.model, self.layer = model, layer

    @property
    def functions(self) -> tuple[Callable[..., Array], Callable[..., tuple[Array, ...]]]:
        """`forward` and `backward` of the layer, as of an `Operation`."""
        return self._forward, self._backward

    def loss(self, outputs: Array, y: Array, loss: Loss) -> tuple[float, Array]:
        """The mean loss of rows of outputs, and its derivative by them."""
        value, gradient = self._gradient(outputs, (), y, loss)
        return value, gradient[: outputs.size].reshape(outputs.shape)

    def _forward(self, x: Array, *tensors: Array) -> Array:
        assert self.layer is not None
        columns = self.layer.columns or range(x.shape[1])
        error = code_error(x, [(column, self.layer.codes) for column in columns if self.layer.codes])
        if error is not None:
            raise error
        return Network(*self._network(x, tensors)).predict_csr(_one_hot(len(x), x.dtype))

    def _backward(self, delta: Array, h: Array, x: Array, *tensors: Array) -> tuple[Array, ...]:
        # The sum of h times delta has the derivative delta by h; of the rows, the engine takes the mean.
        product = Custom(lambda weights, h: ((weights * h).sum(axis=1), weights))
        _, gradient = self._gradient(x, tensors, np.ascontiguousarray(delta), product)
        ends = np.cumsum([x.size, *(tensor.size for tensor in tensors)])
        parts = np.split(gradient[: ends[-1]] * len(x), ends[:-1])
        return tuple(part.reshape(of.shape) for part, of in zip(parts, (x, *tensors), strict=True))

    def _gradient(self, x: Array, tensors: tuple[Array, ...], y: Array, loss: Loss) -> tuple[float, Array]:
        engine = Engine(Network(*self._network(x, tensors)), loss, batch_rows=len(x))
        value, gradient = engine.loss_and_gradient(_one_hot(len(x), x.dtype), y)
        return float(value), gradient

    def _network(self, x: Array, tensors: tuple[Array, ...]) -> tuple[Program, Array]:
        n, columns = x.shape
        program = Program()
        data, rows = program.value(n, Activation("identity")), program.value(columns, Activation("identity"))
        W = program.tensor("rows", x.shape, "weight", Constant(0.0), x.shape)
        program.layer("dense", data, rows, tensors=(W,), packs=True)
        filled = [np.ravel(x), *map(np.ravel, tensors)]
        if self.layer is not None:
            filled += self._add(program, self.layer)
        state = aligned_zeros(sum(part.size for part in filled), x.dtype)
        np.concatenate(filled, out=state, casting="same_kind")
        return program, state

    def _add(self, program: Program, layer: Layer) -> list[Array]:
        """Append the layer to a program that makes the rows; returns the values of its buffers."""
        assert self.model is not None
        theirs = self.model.program
        columns = theirs.values[layer.makes].columns if layer.part is None else layer.part[1]
        made = program.value(columns, Activation("identity"))
        first, buffers = len(program.tensors), []
        for t in layer.tensors:
            program.tensors.append(theirs.tensors[t]._replace(offset=program.n_parameters, rule=Rule()))
        for buffer in (theirs.buffers[b] for b in layer.buffers):
            program.buffers.append(buffer._replace(offset=program.n_buffered))
            buffers.append(np.ravel(self.model.buffers[buffer.name]))
        program.layers.append(
            layer._replace(
                reads=1,
                makes=made,
                tensors=tuple(range(first, len(program.tensors))),
                buffers=tuple(range(len(program.buffers))),
                part=None if layer.part is None else (0, columns),
                codes=0,  # the engine would look for them in the data, which are the rows' numbers
            )
        )
        return buffers


def _one_hot(n: int, dtype: np.dtype[Any]) -> CSR:
    return CSR(np.ones(n, dtype), np.arange(n), np.arange(n + 1))
