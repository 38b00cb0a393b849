"""Rows of `fit` that are held out for validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.random import SPLIT, permutation

__all__ = ["hold_out"]

_Index = NDArray[np.int64]


def hold_out(n: int, fraction: float, seed: int, strata: NDArray[Any] | None = None) -> tuple[_Index, _Index]:
    """The rows to train on and those held out, ascending: the same for the same seed, number of rows and strata.

    Parameters
    ----------
    n : int
        Rows in all.
    fraction : float in (0, 1)
        Share of the rows to hold out, rounded up as scikit-learn does.
    seed : int
    strata : ndarray (n,), optional
        Of each value, the same share is held out, but for one row.

    Raises
    ------
    ValueError
        If there are no rows for one of the two, or fewer than two of a stratum.
    """
    held = int(np.ceil(fraction * n))
    if not 0 < held < n:
        raise ValueError(f"expected validation_fraction to leave rows on both sides, got {fraction:g} of {n} rows")
    order = permutation(seed, SPLIT, 0, n)
    chosen = order[:held] if strata is None else _by_strata(order, held, strata)
    out = np.zeros(n, bool)
    out[chosen] = True
    return np.flatnonzero(~out), np.flatnonzero(out)


def _by_strata(order: _Index, held: int, strata: NDArray[Any]) -> _Index:
    values, of_row, counts = np.unique(strata, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError(f"stratify: expected at least 2 rows of each value, got 1 of {values[counts.argmin()]!r}")
    share = held * counts / len(order)
    most = np.floor(share).astype(np.int64)
    missing = held - int(most.sum())
    most[np.argsort(-(share - most), kind="stable")[:missing]] += 1  # the largest remainders, of equal ones the first
    shuffled = of_row[order]
    return np.concatenate([order[shuffled == k][: most[k]] for k in range(len(values))])
