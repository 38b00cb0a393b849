"""L-BFGS (Nocedal, 1980; Nocedal and Wright, 2006, algorithm 7.5), over flat vectors: nothing here knows of models.

Vectors are float64 but for the points, which are of the dtype that the objective takes: a step is what it has become
after rounding. Inner products have a fixed order, and everything else is element by element, so that the bits do not
depend on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.memory import dot
from .linesearch import Trial, strong_wolfe

__all__ = ["Pairs", "Point", "descent", "iterate"]

_Vector = NDArray[np.float64]

_ROUNDINGS = 4  # of a loss, which a line search takes for noise


class Point(NamedTuple):
    """Where the objective has been evaluated, its loss there, and its gradient (float64)."""

    at: NDArray[Any]
    loss: float
    gradient: _Vector


class Pairs(NamedTuple):
    """What is remembered of the last iterations, the latest at the end: steps and what they changed of the gradient."""

    steps: tuple[_Vector, ...] = ()
    changes: tuple[_Vector, ...] = ()

    def with_pair(self, step: _Vector, change: _Vector, most: int) -> Pairs:
        """One more, and no more than `most`."""
        return Pairs((*self.steps, step)[-most:], (*self.changes, change)[-most:])


def descent(gradient: _Vector, pairs: Pairs, metric: _Vector | None = None) -> _Vector:
    """The quasi-Newton direction, -H g, by the two-loop recursion (algorithm 7.4).

    Parameters
    ----------
    gradient : ndarray of shape (n,)
    pairs : Pairs
        Each with ``step @ change > 0``.
    metric : ndarray of shape (n,), optional
        The diagonal of the first approximation of H, up to a factor; by default ones.

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    With n pairs of a parabola, it is Newton's:

    >>> curvature = np.array([1.0, 4.0])
    >>> steps = tuple(np.eye(2))
    >>> pairs = Pairs(steps, tuple(curvature * step for step in steps))
    >>> descent(np.array([3.0, 8.0]), pairs)
    array([-3., -2.])
    """
    d, weights = -gradient, []
    remembered = [(s, y, dot(s, y)) for s, y in zip(*pairs, strict=True)]
    for s, y, product in reversed(remembered):
        weights.append(dot(s, d) / product)
        d -= weights[-1] * y
    if metric is not None:
        d *= metric
    if remembered:
        _, y, product = remembered[-1]
        d *= product / dot(y, y if metric is None else metric * y)
    for (s, y, product), weight in zip(remembered, reversed(weights), strict=True):
        d += (weight - dot(y, d) / product) * s
    return d


def iterate(
    evaluate: Callable[[NDArray[Any]], Point],
    start: Point,
    pairs: Pairs,
    *,
    memory: int,
    first: float,
    c1: float,
    c2: float,
    most: int,
    metric: _Vector | None = None,
) -> tuple[Point, Pairs]:
    """One iteration: a direction, and a step along it.

    Parameters
    ----------
    evaluate : callable
        The objective; its loss and gradient may be infinite or NaN.
    start : Point
        With a finite loss and gradient.
    pairs : Pairs
    memory : int
        Pairs to remember.
    first : float > 0
        The first step to try, in relation to the direction's; without pairs, to one of Euclidean length 1 at most.
    c1, c2, most
        See `strong_wolfe`.
    metric
        See `descent`.

    Returns
    -------
    Point
        `start` itself, where neither the direction nor the gradient's leads to a lower loss.
    Pairs
    """
    noise = _ROUNDINGS * float(np.finfo(start.at.dtype).eps)
    for known in (pairs, Pairs()) if pairs.steps else (pairs,):
        d = descent(start.gradient, known, metric)
        slope = dot(start.gradient, d)
        if not -math.inf < slope < 0:
            continue

        def trial(t: float, d: _Vector = d) -> Trial[Point]:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                found = evaluate((start.at + t * d).astype(start.at.dtype))
            return Trial(t, found.loss, dot(found.gradient, d), found)

        length = first if known.steps else first * min(1.0, 1.0 / math.sqrt(dot(d, d)))
        begin = Trial(0.0, start.loss, slope, start)
        end = strong_wolfe(trial, begin, length, c1=c1, c2=c2, noise=noise * abs(start.loss), most=most).found
        if end is start:
            continue
        step, change = end.at.astype(np.float64) - start.at, end.gradient - start.gradient
        product = dot(step, change)
        if product > noise * math.sqrt(dot(step, step)) * math.sqrt(dot(change, change)):
            known = known.with_pair(step, change, memory)
        return end, known
    return start, Pairs()
