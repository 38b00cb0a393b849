"""Second order: products with the Hessian of a loss by the parameters, and with its Gauss-Newton part, without either.

Both take some five products of a layer in place of the three of a gradient. The Hessian's is the tangent of
backpropagation along a direction of the parameters (the R-operator; Pearlmutter, "Fast exact multiplication by the
Hessian", 1994); that of Gauss and Newton goes forward along the direction, through the loss's own Hessian, and back
(Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent", 2002).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..core.results import BadCodeError, NotFiniteError
from ..errors import real
from ..losses import Loss, as_loss
from .net import Mode, Net, check_fits, check_tangents, engine, explained, result_array, returned

__all__ = ["Products", "hessian", "product"]


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
        mode: Mode,
        X: Any,
        y: Any,
        loss: str | Loss,
        sample_weight: Any,
        l2: float,
        n_threads: int | None,
    ) -> None:
        loss = as_loss(loss)
        kept = net._tangents.get(mode)
        if kept is None or kept[0][0] is not loss:  # else it was checked when the engine was made
            _check(net, name, mode, loss)
        self.net, self.given, self.l2 = net, X, real("l2", l2, at_least=0.0)
        self.X = validation.as_features(X, net.inputs, net.dtype, finite=sample_weight is not None)  # or the loops look
        n = validation.n_rows(self.X)
        self.y = validation.as_targets(y, loss, net.outputs, net.dtype, n)
        self.sample_weight = validation.as_sample_weight(sample_weight, n)
        self.X, self.y = validation.blank_weightless(self.X, self.y, self.sample_weight)
        self.mode, self.loss, self.rows, self.n_threads = mode, loss, n, n_threads

    def multiply(self, v: NDArray[Any], out: NDArray[Any]) -> None:
        """The product with a checked v, into an array that shares no memory with what is read."""
        kept = engine(self.net, self.mode, self.loss, self.rows, self.n_threads)
        try:
            kept[1].product(self.X, self.y, self.sample_weight, self.l2, v, out)
        except (NotFiniteError, BadCodeError) as error:
            raise explained(error, self.net, self.X, self.given) from None
        self.net._tangents[self.mode] = kept


def _check(net: Net, name: str, mode: Mode, loss: Loss) -> None:
    """Whether the loss and the layers have what the method takes."""
    loss.check_output(net.output_activation, net.outputs)
    if not loss.has_second_derivatives:
        raise ValueError(f"{name}: expected a loss with second derivatives, got {loss!r}, which has first ones only")
    check_tangents(name, net.program, back=mode == "hessian")


def product(
    net: Net,
    name: str,
    mode: Mode,
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
    result = result_array(net, out, direction.shape, products.X, products.y, products.sample_weight, direction)
    products.multiply(direction, result)
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
    return returned(result, out)
