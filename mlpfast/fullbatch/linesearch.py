"""A step along a line by the strong Wolfe conditions (Nocedal and Wright, 2006, algorithms 3.5 and 3.6).

The loss has to fall by what its slope promises, and the slope to flatten. Near a minimum the first can't be told from
rounding any more: a loss as it was, within `noise`, will do there where the slope says the same (Hager and Zhang,
2005, the approximate Wolfe conditions).

All of it is in Python's floats, and roots: the same bits everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Trial", "strong_wolfe"]

_T = TypeVar("_T")

# Of the way between two ends of an interval, and beyond the second of them: where the next trial may lie.
_WITHIN = (0.01, 0.99)
_BEYOND = (2.1, 5.0)
_SHRINKS = 0.66  # an interval, in the course of two trials; else it is halved (Moré and Thuente, 1994)


@dataclass(frozen=True)
class Trial(Generic[_T]):
    """A place on the line: how far, the loss and its slope there, and what else the caller wants back."""

    at: float
    loss: float
    slope: float
    found: _T


def strong_wolfe(
    evaluate: Callable[[float], Trial[_T]],
    start: Trial[_T],
    first: float,
    *,
    c1: float,
    c2: float,
    noise: float,
    most: int,
) -> Trial[_T]:
    """Search the line from `start`, at 0, where it falls.

    Parameters
    ----------
    evaluate : callable
        The trial at a distance; its numbers may be infinite or NaN.
    first : float > 0
        The first distance.
    c1, c2 : float, 0 < c1 < c2 < 1
        ``loss <= start.loss + c1 at start.slope``, ``abs(slope) <= c2 abs(start.slope)``.
    noise : float >= 0
        What rounding may add to a loss.
    most : int
        Trials.

    Returns
    -------
    Trial
        One that fulfils both; if none did, the lowest that fulfils the first; else `start` itself.

    Examples
    --------
    >>> parabola = lambda at: Trial(at, (at - 3.0) ** 2, 2 * (at - 3.0), None)
    >>> strong_wolfe(parabola, parabola(0.0), 1.0, c1=1e-4, c2=0.1, noise=0.0, most=10).at
    3.0
    """

    def falls(trial: Trial[_T]) -> bool:
        exactly = trial.loss <= start.loss + c1 * trial.at * start.slope
        nearly = abs(trial.loss - start.loss) <= noise and trial.slope <= (2 * c1 - 1) * start.slope
        return math.isfinite(trial.slope) and (exactly or nearly) and trial.loss <= low.loss + noise

    # A minimum lies between low and high, once there is a high; low falls, and goes down towards high.
    before = low = start
    high: Trial[_T] | None = None
    at, widths = first, (math.inf, math.inf)
    for _ in range(most):
        trial = evaluate(at)
        if not falls(trial):
            high = trial
        elif abs(trial.slope) <= -c2 * start.slope:
            return trial
        else:
            if trial.slope * (high.at - low.at if high else 1.0) >= 0:
                high = low
            before, low = low, trial
        if high is None:
            at = _next(before, low, _BEYOND)
        else:
            width = abs(high.at - low.at)
            at = _next(low, high, _WITHIN) if width < _SHRINKS * widths[0] else low.at + 0.5 * (high.at - low.at)
            widths = widths[1], width
    return low


def _next(a: Trial[_T], b: Trial[_T], bounds: tuple[float, float]) -> float:
    """Where the cubic through two trials is least; `bounds` are parts of the way from a to b."""
    least, most = bounds
    width = b.at - a.at
    fraction = _minimum(b.loss - a.loss, a.slope * width, b.slope * width)
    return a.at + width * min(max(fraction, least), most)


def _minimum(rise: float, slope: float, end: float) -> float:
    """Where the cubic with value 0 and a falling `slope` at 0, value `rise` and slope `end` at 1, has its minimum.

    Infinite where it has none beyond 0; near 0 where its numbers are not finite.
    """
    if not (math.isfinite(rise) and math.isfinite(end)):
        return 0.1
    b, c = 3 * rise - 2 * slope - end, slope + end - 2 * rise
    root = b * b - 3 * c * slope
    below = b + math.sqrt(root) if root >= 0 else 0.0
    return -slope / below if below > 0 else math.inf
