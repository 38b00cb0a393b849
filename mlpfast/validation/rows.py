"""Rows as the loops take them, dense or CSR, and some of them."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["CSR", "Features", "Index", "dense_rows", "is_sparse", "n_rows", "stored_in", "take_rows"]


class CSR(NamedTuple):
    """Sparse rows: row i has ``values[offsets[i]:offsets[i+1]]`` in ``columns[...]``, which ascend; none repeats."""

    values: NDArray[Any]  # (stored,) float32, float64, uint8 or int16
    columns: NDArray[Any]  # (stored,) int32 or int64
    offsets: NDArray[Any]  # (n + 1,) of the same dtype as columns


Features: TypeAlias = "NDArray[Any] | CSR"

#: Rows of an array: some in a row, or their numbers.
Index: TypeAlias = "slice | NDArray[np.int64]"


def n_rows(X: Features) -> int:
    """The number of rows of what `as_features` returned."""
    return len(X.offsets) - 1 if isinstance(X, CSR) else int(X.shape[0])


def take_rows(X: Features, rows: Index) -> Features:
    """Some rows; a copy, unless they are a slice."""
    if not isinstance(X, CSR):
        return X[rows]
    stored, lengths = stored_in(X, rows)
    offsets = np.append(0, np.cumsum(lengths)).astype(X.offsets.dtype)
    return CSR(X.values[stored], X.columns[stored], offsets)


def stored_in(X: CSR, rows: Index) -> tuple[slice | NDArray[np.int64], NDArray[Any]]:
    """Which entries some rows have, and how many each; of a slice, which is not empty, a slice."""
    begins, ends = X.offsets[:-1][rows], X.offsets[1:][rows]
    lengths = ends - begins
    if isinstance(rows, slice):
        return slice(begins[0], ends[-1]), lengths
    places = np.cumsum(lengths) - lengths  # of each row's first entry among those taken
    return np.repeat(begins - places, lengths) + np.arange(lengths.sum()), lengths


def dense_rows(X: Features, n_features: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows as an array of this dtype, where they are stored; a copy of sparse ones."""
    if not isinstance(X, CSR):
        return X.astype(dtype, copy=False)
    rows = np.zeros((n_rows(X), n_features), dtype)
    rows[np.repeat(np.arange(len(rows)), np.diff(X.offsets)), X.columns] = X.values
    return rows


def is_sparse(value: object) -> bool:
    """Whether `value` is a SciPy sparse matrix or array; told by its methods, so that SciPy need not be installed."""
    return type(value) is not np.ndarray and hasattr(value, "tocsr") and hasattr(value, "nnz")
