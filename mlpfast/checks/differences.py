"""Derivatives along directions by central differences at many steps, and which of them counts.

The error of the formula falls with the square of the step, that of rounding grows as the step gets shorter (Press et
al., "Numerical Recipes", 5.7). What neither has is where differences agree: for each element, the difference counts
that the next longer and the next shorter step confirm best, and how far these are from it is how exact it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEPS", "Compared", "Curve", "Ladder", "climb", "compare", "settle"]

#: Relative to the size of what is changed.
STEPS = np.logspace(-2, -10, 13)

_EPS = float(np.finfo(np.float64).eps)


class Curve(NamedTuple):
    """A function of the way along a direction, whose derivative at its beginning is a part of a product."""

    at: Callable[[float], NDArray[Any]]
    where: Any  # the part: an index of the product's array
    scale: float  # of the way that a relative step goes
    finish: Callable[[NDArray[Any]], NDArray[Any]] | None = None  # from derivatives, stacked by steps, to the part


class Ladder(NamedTuple):
    """Differences at each of some steps, as the first axis."""

    central: NDArray[Any]
    asymmetry: NDArray[Any]  # forward less backward difference
    noise: NDArray[Any]  # what rounding of the function makes of a difference, at each step


class Compared(NamedTuple):
    """A product's array by differences, where it was looked at."""

    checked: NDArray[np.bool_]
    numeric: NDArray[Any]
    uncertain: NDArray[Any]  # how far differences of neighbouring steps are apart
    explained: NDArray[Any]  # what rounding and kinks make of them
    forward: NDArray[Any]  # the norm of the error of all forward differences, at each step
    central: NDArray[Any]

    def part(self, where: Any) -> Compared:
        """The same of a part of the array."""
        checked, numeric, uncertain, explained, forward, central = self
        return Compared(checked[where], numeric[where], uncertain[where], explained[where], forward, central)


def climb(curve: Curve, steps: NDArray[Any]) -> Ladder:
    """The differences of a curve at each step."""
    here = np.asarray(curve.at(0.0), np.float64)
    central, asymmetry = np.zeros((2, len(steps), *here.shape))
    ways = steps * curve.scale
    for i, way in enumerate(ways):
        above, below = np.asarray(curve.at(way)), np.asarray(curve.at(-way))
        central[i] = (above - below) / (2 * way)
        asymmetry[i] = (above - here - (here - below)) / way
    size = float(np.max(np.abs(here), initial=0.0))
    return Ladder(central, asymmetry, 2 * _EPS * size / ways)


def settle(central: NDArray[Any], noise: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Of each element, the difference that its neighbours confirm best; how well they do; the noise at its step."""
    gaps = np.abs(np.diff(central, axis=0))
    apart = np.maximum(gaps[:-1], gaps[1:])
    noise = np.broadcast_to(noise[1:-1].reshape(-1, *(1,) * (central.ndim - 1)), apart.shape)
    unclear = apart + noise
    best = np.where(np.isfinite(unclear), unclear, np.inf).argmin(axis=0)[None]
    of_best = (np.take_along_axis(array, best, axis=0)[0] for array in (central[1:-1], apart, noise))
    return next(of_best), next(of_best), next(of_best)


def _kink(ladder: Ladder) -> NDArray[Any]:
    """How far one-sided derivatives are apart, where they are at every step; what curvature makes of it vanishes."""
    noise = 4 * ladder.noise.reshape(-1, *(1,) * (ladder.asymmetry.ndim - 1))
    apart = np.abs(ladder.asymmetry)
    least = (apart - noise).min(axis=0)
    middle = np.median(apart[len(apart) // 2 :], axis=0)
    result: NDArray[Any] = np.where((least > 0) & (apart[-1] < 2 * least + noise[-1]), 1.01 * middle, 0.0)
    return result


def compare(product: NDArray[Any], curves: Iterable[Curve], steps: NDArray[Any] = STEPS) -> Compared:
    """A product's array beside the derivatives of these curves."""
    checked, (numeric, uncertain, explained) = (
        np.zeros(product.shape, bool),
        (np.zeros(product.shape) for _ in range(3)),
    )
    forward, central = np.zeros((2, len(steps)))
    for curve in curves:
        ladder, exact = climb(curve, steps), product[curve.where]
        found, one_sided = ladder.central, ladder.central + ladder.asymmetry / 2
        kink = _kink(ladder) / 2 if curve.finish is None else 0.0
        if curve.finish is not None:
            found, one_sided = curve.finish(found), curve.finish(one_sided)
        checked[curve.where] = True
        numeric[curve.where], uncertain[curve.where], noise = settle(found, ladder.noise)
        explained[curve.where] = noise + kink
        forward += ((one_sided - exact) ** 2).reshape(len(steps), -1).sum(axis=1)
        central += ((found - exact) ** 2).reshape(len(steps), -1).sum(axis=1)
    return Compared(checked, numeric, uncertain, explained, np.sqrt(forward), np.sqrt(central))
