"""In which order an epoch's rows are taken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.random import RUNS, SHUFFLE, permutation

__all__ = ["Order"]

#: Chunks of an epoch that have orders of their own: what the generator's counter has room for (csrc/runtime/rng.h).
_ORDERS = 1 << 24


class Order(NamedTuple):
    """How the rows of an epoch are shuffled.

    Attributes
    ----------
    seed, epoch : int
    """

    seed: int
    epoch: int

    def of_chunk(self, number: int, n: int) -> NDArray[np.int64]:
        """The order of a chunk's n rows; that of chunk 0 is the one that the rows of an array would have."""
        return permutation(self.seed, SHUFFLE | number % _ORDERS << 8, self.epoch, n)

    def of_runs(self, n: int) -> NDArray[np.int64]:
        """The order of n runs of rows."""
        return permutation(self.seed, RUNS, self.epoch, n)
