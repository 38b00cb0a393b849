"""Further views of a number: its rank among the training values, and its tail."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLIP", "Views"]

CLIP = 3.0  # of numbers, smooth

_KNOTS = 256
_BEYOND = 0.01  # the share of values outside of the clip from which a tail is heavy
_FARTHEST = 20.0  # standard deviations
_LARGEST = 1e30  # its square is finite, and so it is in float32


@dataclass(frozen=True)
class Views:
    """What a robustly scaled number z becomes beside itself.

    Its rank, from -2 to 2, by straight lines between knots: to a network, as to boosted trees, a number and any
    ascending function of it then look alike. And, where more than one in a hundred training values is beyond the clip
    at 3, z in units of its standard deviation, cut at 20 of them: what the clip hides of a heavy tail.

    Attributes
    ----------
    knots : tuple of float
        Ascending, at most 256.
    ranks : tuple of float
        Those of the knots; of values that occur several times, the mean.
    tail : float
        One over the standard deviation, or 0 if the tail is not heavy.
    bends : ndarray (3, n)
        Knots, slopes behind them, ranks, as compiled loops read them: n is a power of two, and knots that there are not
        are infinite.
    """

    knots: tuple[float, ...]
    ranks: tuple[float, ...]
    tail: float
    bends: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bends", _bends(self.knots, self.ranks))

    def __reduce__(self) -> Any:
        return Views, (self.knots, self.ranks, self.tail)

    @classmethod
    def learn(cls, z: NDArray[np.float64]) -> Views:
        """From training values (n,), none of them missing."""
        knots, counts = np.unique(_single(z), return_counts=True)
        ranks = 4 * (np.cumsum(counts) - counts / 2) / len(z) - 2
        if len(knots) > _KNOTS:
            chosen = np.searchsorted(ranks, np.linspace(ranks[0], ranks[-1], _KNOTS))
            knots, ranks = (values[np.unique(chosen)] for values in (knots, ranks))
        heavy = np.mean(np.abs(z) > CLIP) > _BEYOND
        tail = 1 / float(np.clip(z, -_LARGEST, _LARGEST).std()) if heavy else 0.0
        return cls(tuple(knots.tolist()), tuple(ranks.tolist()), tail)

    def names(self, name: str) -> list[str]:
        """Names of the columns that a number becomes beside its own."""
        return [f"{name}_rank", f"{name}_tail"] if self.tail else [f"{name}_rank"]

    def of_one(self, z: float) -> list[float]:
        """Those of a single number, in Python's floats: the bits are those of csrc/runtime/encode.c."""
        z = min(max(z, -_LARGEST), _LARGEST)
        single, knots, ranks = float(np.float32(z)), self.knots, self.ranks
        after = bisect_right(knots, single)
        if after in (0, len(knots)):
            rank = ranks[max(after - 1, 0)]
        else:
            slope = (ranks[after] - ranks[after - 1]) / (knots[after] - knots[after - 1])
            rank = slope * (single - knots[after - 1]) + ranks[after - 1]
        return [rank, min(max(z * self.tail, -_FARTHEST), _FARTHEST)] if self.tail else [rank]


def _single(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to float32, so that slopes between knots are finite, and limited to what that can hold."""
    rounded: NDArray[np.float64] = np.clip(z, -_LARGEST, _LARGEST).astype(np.float32).astype(np.float64)
    return rounded


def _bends(knots: Sequence[float], ranks: Sequence[float]) -> NDArray[np.float64]:
    found = np.zeros((3, 1 << (len(knots) - 1).bit_length()))
    found[0] = np.inf
    found[0, : len(knots)], found[2, : len(knots)] = knots, ranks
    found[1, : len(knots) - 1] = np.diff(ranks) / np.diff(knots)
    return found
