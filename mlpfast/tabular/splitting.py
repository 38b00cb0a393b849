"""Which rows are held out, to choose the epoch by."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import real
from .objects import as_given, is_missing

__all__ = ["Split", "check_validation", "split", "splits_of", "weighed"]

#: Rows to train on, and rows held out, by number.
Split: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]

SHARE = 0.2


def splits_of(
    validation: Any, members: int, n: int, labels: NDArray[Any] | None, groups: Any, rng: np.random.RandomState
) -> list[Split]:
    """For each of the networks, the rows to train on and those held out.

    Of several networks each holds out a fold: rows, or groups, of its own, in the end all of them ("bagging" by cross
    validation); with "time" they share a split.
    """
    if members == 1 or validation == "time":
        return [split(validation, n, labels, groups, rng)] * members
    if validation not in ("random", "group"):
        raise ValueError(
            f"expected validation to be 'random', 'group' or 'time' for {members} networks, each of which holds out a "
            f"fold, got {validation!r}"
        )
    _check_groups(validation, groups)
    folds = _folds(n, members, labels, rng) if groups is None else _folds_of_groups(groups, n, members, rng)
    return [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(members)]


def check_validation(validation: Any) -> None:
    """An error for what is no way to hold rows out."""
    if isinstance(validation, Real) and not isinstance(validation, bool):
        real("validation", validation, above=0.0, below=1.0)
    elif not isinstance(validation, str) or validation not in ("random", "group", "time"):
        kind = ValueError if isinstance(validation, str) else TypeError
        raise kind(f"expected validation to be 'random', 'group', 'time' or a fraction, got {validation!r}")


def weighed(splits: list[Split], weights: NDArray[np.float64] | None) -> list[Split]:
    """Splits without the rows of weight zero, which are as if they weren't there."""
    if weights is None:
        return splits
    found: dict[int, NDArray[np.int64]] = {}  # of shared rows, one
    for rows in (rows for pair in splits for rows in pair):
        found[id(rows)] = rows[weights[rows] > 0] if weights[rows].any() else rows
    for train, _ in splits:
        if not weights[train].any():
            raise ValueError("expected a positive sum of the training rows' weights, got zeros only")
    return [(found[id(train)], found[id(held)]) for train, held in splits]


def split(validation: Any, n: int, labels: NDArray[Any] | None, groups: Any, rng: np.random.RandomState) -> Split:
    """Numbers of the rows to train on and of those held out.

    "random" deals the shuffled rows, sorted by class if there are any, so that every class is trained on; "time" holds
    out the last rows, and "group" whole groups: of those that have no more rows than that, or the smallest one.
    """
    share = SHARE
    if not isinstance(validation, str):
        share, validation = validation, "random"
    _check_groups(validation, groups)
    if n < 2:
        raise ValueError(f"expected at least 2 rows, to hold out one, got n_samples={n}; 1 sample is too few")
    held = min(max(n - math.ceil((1 - share) * n), 1), n - 1)
    if validation == "time":
        return np.arange(n - held), np.arange(n - held, n)
    if validation == "group":
        return _by_group(as_given(groups, "groups"), n, held, rng)
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


def _check_groups(validation: str, groups: Any) -> None:
    if (groups is None) == (validation == "group"):
        raise ValueError(f"expected groups with validation='group', and only then; got validation={validation!r}")


def _by_group(groups: NDArray[Any], n: int, held: int, rng: np.random.RandomState) -> Split:
    numbers, sizes = _grouped(groups, n)
    if len(sizes) < 2:
        raise ValueError(f"expected at least two groups, got {len(sizes)}")
    order = rng.permutation(len(sizes))
    fit = sizes[order] <= held  # a larger one would leave few rows to train on
    order = order[fit] if fit.any() else order[[sizes[order].argmin()]]
    count = min(int(np.searchsorted(np.cumsum(sizes[order]), held)) + 1, len(sizes) - 1)
    mask = np.isin(numbers, order[:count])
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def _folds(n: int, members: int, labels: NDArray[Any] | None, rng: np.random.RandomState) -> NDArray[np.int64]:
    """Rows dealt in turn, those of each class after those of another."""
    if n < members:
        raise ValueError(f"expected at least {members} rows for {members} networks, got n_samples={n}")
    order = rng.permutation(n)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(n, dtype=np.int64)
    folds[order] = np.arange(n) % members
    return folds


def _folds_of_groups(groups: Any, n: int, members: int, rng: np.random.RandomState) -> NDArray[np.int64]:
    """Groups, the largest first, each to the fold that has fewest rows."""
    numbers, sizes = _grouped(as_given(groups, "groups"), n)
    if len(sizes) < members:
        raise ValueError(f"expected at least {members} groups for {members} networks, got {len(sizes)}")
    order = rng.permutation(len(sizes))
    fold_of = np.empty(len(sizes), dtype=np.int64)
    rows = np.zeros(members, dtype=np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = rows.argmin()
        rows[fold_of[group]] += sizes[group]
    return fold_of[numbers]


def _grouped(groups: NDArray[Any], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of each row's group, and how many rows each group has."""
    if groups.shape != (n,):
        raise ValueError(f"expected groups of shape ({n},), got {groups.shape}")
    missing = [is_missing(group) for group in groups.tolist()]
    if any(missing):
        raise ValueError(f"expected no missing values in groups, got {sum(missing)}, the first one in row "
                         f"{missing.index(True)}")  # fmt: skip
    try:
        _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    except TypeError:
        raise TypeError("expected groups of one kind, which can be sorted, got several kinds") from None
    return numbers, sizes
