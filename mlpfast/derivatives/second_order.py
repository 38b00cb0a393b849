"""Second order: products with the Hessian of a loss by the parameters, and with its Gauss-Newton part, without either.

Both take some five products of a layer in place of the three of a gradient. The Hessian's is the tangent of
backpropagation along a direction of the parameters (the R-operator; Pearlmutter, "Fast exact multiplication by the
Hessian", 1994); that of Gauss and Newton goes forward along the direction, through the loss's own Hessian, and back
(Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent", 2002).
"""

from __future__ import annotations

import math
import os
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..core.tangents import Tangents
from ..errors import real
from ..losses import Loss, as_loss
from .net import CHUNK_ROWS, Net, check_tangents, explained, result_array, returned

__all__ = ["Products", "hessian", "product"]

_Mode: TypeAlias = Literal["hessian", "gauss_newton"]


class Products:
    """A loss over data, checked once, whose Hessian or Gauss-Newton matrix is multiplied by vectors.

    Parameters
    ----------
    net : Net
    name : str
        Of the method, for errors.
    mode : {"hessian", "gauss_newton"}
    """

    def __init__(
        self,
        net: Net,
        name: str,
        mode: _Mode,
        X: Any,
        y: Any,
        loss: str | Loss,
        sample_weight: Any,
        l2: float,
        n_threads: int | None,
    ) -> None:
        loss = as_loss(loss)
        loss.check_output(net.output_activation, net.outputs)
        if loss.called is not None or loss.address:
            raise ValueError(
                f"{name}: expected a loss with second derivatives, got {loss!r}, which has first ones only"
            )
        check_tangents(name, net.program, back=mode == "hessian")
        self.net, self.given, self.l2 = net, X, real("l2", l2, at_least=0.0)
        self.X = validation.as_features(X, net.inputs, net.dtype, finite=False)  # the loops look
        n = validation.n_rows(self.X)
        self.y = validation.as_targets(y, loss, net.outputs, net.dtype, n)
        self.sample_weight = validation.as_sample_weight(sample_weight, n)
        self.X, self.y = validation.blank_weightless(self.X, self.y, self.sample_weight)
        self.settings = mode, loss, n_threads
        self.frozen = [
            slice(tensor.offset, tensor.offset + tensor.size)
            for tensor in net.program.tensors
            if not tensor.rule.trainable
        ]
        self.engine = self._engine(mode, loss, min(n, CHUNK_ROWS), n_threads)

    def _engine(self, mode: _Mode, loss: Loss, rows: int, n_threads: int | None) -> Tangents:
        """The model's last one if it fits and nobody has it at the moment; else a new one."""
        try:
            settings, engine = self.net._products.pop()  # who comes now makes another
        except IndexError:
            settings = engine = None
        if engine is not None and settings == self.settings and rows <= engine.batch_rows:
            return engine
        return Tangents(self.net.network, loss, mode, batch_rows=rows, n_threads=n_threads)

    def close(self) -> None:
        """Leave the engine to the next product."""
        self.net._products[:] = [(self.settings, self.engine)]

    def multiply(self, v: NDArray[Any], out: NDArray[Any]) -> None:
        """The product with a checked v, into an array that shares no memory with what is read."""
        direction = self.engine.direction
        direction[:] = v
        for span in self.frozen:
            direction[span] = 0
        with explained(self.net, self.X, self.given):
            self.engine.product(self.X, self.y, self.sample_weight, self.l2, out)


def product(
    net: Net,
    name: str,
    mode: _Mode,
    X: Any,
    y: Any,
    v: Any,
    loss: str | Loss,
    sample_weight: Any,
    l2: float,
    out: NDArray[Any] | None,
    n_threads: int | None,
) -> NDArray[Any]:
    """The Hessian of the loss, or its Gauss-Newton part, times v: `mlpfast.Model.hvp` and `gauss_newton_product`."""
    products = Products(net, name, mode, X, y, loss, sample_weight, l2, n_threads)
    direction = validation.as_array(v, (net.n_parameters,), net.dtype, "v")
    result = result_array(net, out, direction.shape, products.X, products.y, products.sample_weight)
    products.multiply(direction, result)
    products.close()
    return returned(result, out)


def hessian(
    net: Net,
    X: Any,
    y: Any,
    loss: str | Loss,
    sample_weight: Any,
    l2: float,
    out: NDArray[Any] | None,
    n_threads: int | None,
) -> NDArray[Any]:
    """The Hessian (n_parameters, n_parameters), column by column: see `mlpfast.Model.hessian`."""
    n = net.n_parameters
    if out is None:
        check_fits("hessian", (n, n), net.dtype)
    products = Products(net, "hessian", "hessian", X, y, loss, sample_weight, l2, n_threads)
    result = result_array(net, out, (n, n), products.X, products.y, products.sample_weight)
    unit = np.zeros(n, net.dtype)
    for i in range(n):
        unit[i] = 1
        products.multiply(unit, result[i])  # a row in place of a column: it is symmetric, but for rounding
        unit[i] = 0
    products.close()
    return returned(result, out)


def check_fits(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise a MemoryError that says what the array would take, where that is more than the machine has."""
    size = math.prod(shape) * dtype.itemsize
    if size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise MemoryError(f"{name}: an array of shape {shape} takes {size:,} bytes, more than this machine has")
