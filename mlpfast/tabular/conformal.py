"""Intervals that hold a given share of new targets: split-conformal prediction, from the validation rows' residuals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import real
from .held import Held

__all__ = ["half_widths", "residuals_of"]

_MOST_KEPT = 1000  # residuals of a target; with more rows, coverage is at most a thousandth too high


def residuals_of(held: Held) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Absolute residuals, ascending, and the weight of the rows up to each; (kept, targets) both.

    Weights are relative, so that the last of their sums is the number of rows.
    """
    residuals = np.abs(held.targets - held.found)
    order = np.argsort(residuals, axis=0, kind="stable")
    ranks = np.cumsum(held.relative_weights[order], axis=0)
    n = len(residuals)
    ranks[-1] = n  # what it is, but for rounding
    kept = np.ceil(np.arange(1, min(n, _MOST_KEPT) + 1) * (n / min(n, _MOST_KEPT))).astype(np.int64).clip(1, n) - 1
    return np.take_along_axis(residuals, order, axis=0)[kept], ranks[kept]


def half_widths(residuals: NDArray[np.float64], ranks: NDArray[np.float64], coverage: Any) -> NDArray[np.float64]:
    """Half the width (targets,) of intervals with that coverage: the residual of rank ceil((n + 1) * coverage).

    With weights, the least one up to which rows have that share of n + 1 rows' weight. (Vovk et al., 2005; Lei et al.,
    "Distribution-free predictive inference for regression", 2018.)
    """
    coverage = real("coverage", coverage, above=0.0, below=1.0)
    n = round(ranks[-1, 0])
    if math.ceil((n + 1) * coverage - 1e-9) > n:  # such a residual may be larger than all that are known
        least = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise ValueError(f"expected at least {least} validation rows for coverage={coverage:g}, got {n}")
    places = (ranks < (n + 1) * coverage - 1e-9).sum(axis=0)
    found: NDArray[np.float64] = residuals[places, np.arange(residuals.shape[1])]
    return found
