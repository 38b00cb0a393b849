"""Newton's method in a trust region, by conjugate gradients, over flat vectors: nothing here knows of models.

The quadratic model of the loss is minimised within a radius by Steihaug's conjugate gradients, which need products with
the Hessian alone and follow its negative curvature to the edge (Steihaug, 1983; Nocedal and Wright, 2006, algorithm
7.2); the radius follows how far the model was right (algorithm 4.1). As in `lbfgs`, inner products have a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .core.memory import dot
from .lbfgs import Point

__all__ = ["Radius", "Step", "steihaug", "within_radius"]

_Vector = NDArray[np.float64]


class Radius(NamedTuple):
    """What is remembered of the last iterations."""

    radius: float


class Step(NamedTuple):
    """A minimum of the model, or of a part of it."""

    step: _Vector
    product: _Vector  # the Hessian times it
    at_edge: bool


def steihaug(gradient: _Vector, product: Callable[[_Vector], _Vector], radius: float, most: int) -> Step:
    """The model's minimum within the radius, to a tolerance that makes Newton's method converge superlinearly.

    Parameters
    ----------
    gradient : ndarray (n,)
        Not zero.
    product : callable
        The Hessian times a vector.
    radius : float > 0
    most : int
        Products.

    Returns
    -------
    Step

    Examples
    --------
    >>> curvature = np.array([1.0, 4.0])
    >>> steihaug(np.array([3e-6, 8e-6]), lambda v: curvature * v, 10.0, 2).step.round(12)
    array([-3.e-06, -2.e-06])
    """
    step, change = np.zeros_like(gradient), np.zeros_like(gradient)
    residual, direction = gradient, -gradient
    square = dot(residual, residual)
    size = math.sqrt(square)
    tolerance = min(0.5, math.sqrt(size)) * size
    for _ in range(most):
        bend = product(direction)
        curvature = dot(direction, bend)
        length = square / curvature if curvature > 0 else math.inf
        ahead = step + length * direction if math.isfinite(length) else None
        if ahead is None or not math.sqrt(dot(ahead, ahead)) < radius:
            length = _to_edge(step, direction, radius, square, curvature)
            return Step(step + length * direction, change + length * bend, True)
        step, change = ahead, change + length * bend
        residual = residual + length * bend
        before, square = square, dot(residual, residual)
        if math.sqrt(square) < tolerance:
            break
        direction = square / before * direction - residual
    return Step(step, change, False)


def _to_edge(step: _Vector, direction: _Vector, radius: float, square: float, curvature: float) -> float:
    """How far along the direction the edge is: on the side where the model, of slope -square, is lower."""
    a, b, c = dot(direction, direction), dot(step, direction), dot(step, step) - radius * radius
    root = math.sqrt(max(b * b - a * c, 0.0))
    ends = (-b + root) / a, (-b - root) / a
    return min(ends, key=lambda length: length * (0.5 * length * curvature - square))


def within_radius(
    evaluate: Callable[[NDArray[Any]], Point],
    product: Callable[[_Vector], _Vector],
    start: Point,
    radius: Radius,
    *,
    rate: float,
    most_products: int,
    largest: float,
    eta: float,
) -> tuple[Point, Radius]:
    """One iteration: steps within smaller and smaller radii, until one lowers the loss.

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
        A factor of the step.
    most_products : int
        Of one step.
    largest : float
        The radius may grow so far.
    eta : float in [0, 0.25)
        A step is taken that lowers the loss by more than this times what the model promises.

    Returns
    -------
    Point
        `start` itself, where no radius leads to a lower loss.
    Radius
    """
    gradient, size = start.gradient, radius.radius
    while True:
        step, change, at_edge = steihaug(gradient, product, size, most_products)
        at = (start.at + rate * step).astype(start.at.dtype)
        if not np.isfinite(at).all() or (at == start.at).all():
            return start, radius  # of what is not finite nothing can be made, and of the rest rounding has taken all
        promised = -rate * (dot(gradient, step) + 0.5 * rate * dot(step, change))
        end = evaluate(at)
        fine = end.loss < start.loss and np.isfinite(end.gradient).all()
        gain = (start.loss - end.loss) / promised if fine and promised > 0 else 0.0
        if gain < 0.25:
            size = 0.25 * math.sqrt(dot(step, step))
        elif gain > 0.75 and at_edge:
            size = min(2 * size, largest)
        if gain > eta:
            return end, Radius(size)
