"""Which rows are held out, to choose the epoch by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import real

__all__ = ["split"]

SHARE = 0.2


def split(
    validation: Any, n: int, labels: NDArray[Any] | None, groups: Any, rng: np.random.RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the rows to train on and of those held out.

    "random" deals the shuffled rows, sorted by class if there are any, so that every class is trained on; "time" holds
    out the last rows, and "group" whole groups.
    """
    share = SHARE
    if not isinstance(validation, str):
        share, validation = real("validation", validation, above=0.0, below=1.0), "random"
    if validation not in ("random", "group", "time"):
        raise ValueError(f"expected validation to be 'random', 'group', 'time' or a fraction, got {validation!r}")
    if (groups is None) == (validation == "group"):
        raise ValueError(f"expected groups with validation='group', and only then; got validation={validation!r}")
    if n < 2:
        raise ValueError(f"expected at least 2 rows, to hold out one, got n_samples={n}; 1 sample is too few")
    held = min(max(n - math.ceil((1 - share) * n), 1), n - 1)
    if validation == "time":
        return np.arange(n - held), np.arange(n - held, n)
    if validation == "group":
        return _by_group(np.asarray(groups), n, held, rng)
    order = rng.permutation(n)
    if labels is None:
        return np.sort(order[held:]), np.sort(order[:held])
    order = order[np.argsort(labels[order], kind="stable")]
    first = np.r_[True, labels[order][1:] != labels[order][:-1]]  # of its class: trained on
    candidates = np.flatnonzero(~first)
    if len(candidates) == 0:
        raise ValueError(f"expected two rows of some class, to hold out one, got {n} rows of {n} classes")
    chosen = candidates[np.linspace(0, len(candidates) - 1, min(held, len(candidates))).round().astype(np.int64)]
    mask = np.zeros(n, dtype=bool)
    mask[order[chosen]] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def _by_group(
    groups: NDArray[Any], n: int, held: int, rng: np.random.RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if groups.shape != (n,):
        raise ValueError(f"expected groups of shape ({n},), got {groups.shape}")
    names, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"expected at least two groups, got {len(names)}")
    order = rng.permutation(len(names))
    count = min(int(np.searchsorted(np.cumsum(sizes[order]), held)) + 1, len(names) - 1)
    mask = np.isin(numbers, order[:count])
    return np.flatnonzero(~mask), np.flatnonzero(mask)
