"""Newton's method in a trust region, by SciPy's "trust-ncg", an iteration at a time: nothing here knows of models.

SciPy minimises the quadratic model of the loss within a radius by Steihaug's conjugate gradients, which need products
with the Hessian alone and follow its negative curvature to the edge (Steihaug, 1983; Nocedal and Wright, 2006,
algorithm 7.2), and judges the step. The radius of the next step, which is kept from epoch to epoch and in files, it
hands to nobody; so that rule (algorithm 4.1) stands here as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .lbfgs import Point

__all__ = ["Radius", "minimizer", "within_radius"]

_Vector = NDArray[np.float64]


class Radius(NamedTuple):
    """What is remembered of the last iterations."""

    radius: float


def minimizer() -> Any:
    """SciPy's `minimize`; an ImportError that names the extra where that is missing."""
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise ImportError("NewtonCG needs SciPy; install it with: python -m pip install 'mlpfast[scipy]'") from None
    return minimize


def within_radius(
    evaluate: Callable[[NDArray[Any]], Point],
    product: Callable[[_Vector], _Vector],
    start: Point,
    radius: Radius,
    *,
    rate: float,
    largest: float,
    eta: float,
    minimize: Any,
) -> tuple[Point, Radius]:
    """Steps within smaller and smaller radii, until one lowers the loss.

    Parameters
    ----------
    evaluate : callable
        The objective; its loss and gradient may be infinite or NaN.
    product : callable
        The Hessian at `start` times a vector.
    start : Point
        With a finite loss, and a finite gradient that is not zero.
    radius : Radius
    rate : float
        A factor of the radius.
    largest : float
        The radius may grow so far.
    eta : float in [0, 0.25)
        A step is taken that lowers the loss by more than this times what the model promises.
    minimize : callable
        SciPy's.

    Returns
    -------
    Point
        `start` itself, where no radius leads to a lower loss.
    Radius
    """
    end, step, bend = start, start.gradient, start.gradient  # the last proposal, the last product

    def loss_and_gradient(x: _Vector) -> tuple[float, _Vector]:
        nonlocal end
        at = x.astype(start.at.dtype)
        end = start if (at == start.at).all() else evaluate(at)
        fine = np.isfinite(end.gradient).all() and not math.isnan(end.loss)
        return (end.loss if fine else math.inf), end.gradient

    def hessian_product(x: _Vector, v: _Vector) -> _Vector:
        nonlocal step, bend
        step, bend = v, product(v)
        if not np.isfinite(bend).all():
            bend = np.zeros_like(bend)  # then the step goes to the edge
        return bend

    size = radius.radius
    while True:
        # The largest radius is seen to below: SciPy does not begin with it.
        options = {"initial_trust_radius": rate * size, "max_trust_radius": math.inf, "eta": eta, "gtol": 0.0}
        with np.errstate(all="ignore"):
            found = minimize(
                loss_and_gradient, start.at, jac=True, hessp=hessian_product, method="trust-ncg",
                options={**options, "maxiter": 1},
            )  # fmt: skip
        if end is start:
            return start, radius  # the model promises nothing, or rounding has taken it all
        # SciPy's last product is that with the step that it proposes.
        gain = (start.loss - found.fun) / -(start.gradient @ step + 0.5 * (step @ bend))
        if gain < 0.25:
            size *= 0.25
        elif gain > 0.75 and math.isclose(math.sqrt(step @ step), rate * size, rel_tol=1e-9):
            size = min(2 * size, largest)
        if found.fun < start.loss:
            return end, Radius(size)
