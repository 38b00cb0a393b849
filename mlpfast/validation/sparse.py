"""SciPy's sparse rows as CSR that the loops may trust."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import native, numeric
from .finite import MISSING, QUIET, first_not_finite, not_finite
from .rows import CSR, n_rows

__all__ = ["as_csr"]


def as_csr(X: Any, n_features: int, dtype: np.dtype[Any], name: str, cast: bool) -> CSR:
    """A sparse matrix as `CSR`, its values of a dtype that the loops read: `dtype` if `cast`."""
    shape = f"{name} has shape {X.shape}"
    if len(X.shape) != 2:
        raise ValueError(f"expected {name} to be 2-D (rows, {n_features}), got {len(X.shape)}-D ({shape})")
    if X.shape[1] != n_features:
        raise ValueError(f"expected {n_features} features, got {X.shape[1]} ({shape})")
    if X.shape[0] == 0:
        raise ValueError(f"expected at least one row, got none ({shape})")
    csr = X.tocsr()
    stored = numeric(csr.data, name)
    index = np.dtype(np.int32 if csr.indices.dtype == csr.indptr.dtype == np.int32 else np.int64)
    columns, offsets = (np.require(array, index, ("C", "ALIGNED")) for array in (csr.indices, csr.indptr))
    stored, columns = stored[: offsets[-1]], columns[: offsets[-1]]  # there may be unused room behind the entries
    # The compiled loops index by these without further checks, and SciPy lets its users write into them.
    inside = (
        offsets[0] == 0 and offsets[-1] == len(stored) == len(columns) and bool((offsets[1:] >= offsets[:-1]).all())
    )
    if inside and len(columns):
        inside = columns.min() >= 0 and columns.max() < n_features
    if not inside or len(offsets) != X.shape[0] + 1:
        raise ValueError(f"expected {name} to be a well-formed CSR matrix, got indices outside its shape {X.shape}")
    first = first_not_finite(stored, dtype)
    if first is not None:
        row = int(np.searchsorted(offsets, first, side="right")) - 1
        raise not_finite(stored[first], dtype, f"row {row}, column {columns[first]}", shape, name, MISSING)
    rows = CSR(native(stored, dtype, cast), columns, offsets)
    return rows if _ascends(rows) else _sorted(rows, dtype, name, shape)


def _ascends(X: CSR) -> bool:
    """Whether the columns ascend within each row, without repetition."""
    ascends = X.columns[1:] > X.columns[:-1]
    begins = X.offsets[1:-1]  # of all rows but the first: the column before is of another row
    ascends[begins[(begins > 0) & (begins < len(X.columns))] - 1] = True
    return bool(ascends.all())


def _sorted(X: CSR, dtype: np.dtype[Any], name: str, shape: str) -> CSR:
    """A copy whose columns ascend; repeated ones are added up in `dtype`, in their order."""
    row_of = np.repeat(np.arange(n_rows(X)), np.diff(X.offsets))
    order = np.lexsort((X.columns, row_of))
    columns, row_of = X.columns[order], row_of[order]
    new = np.append(True, (columns[1:] != columns[:-1]) | (row_of[1:] != row_of[:-1]))
    columns, row_of = columns[new], row_of[new]
    values = np.zeros(len(columns), dtype)
    with QUIET():
        np.add.at(values, np.cumsum(new) - 1, X.values[order].astype(dtype))
    first = first_not_finite(values, dtype)
    if first is not None:
        place = f"row {row_of[first]}, column {columns[first]}, where repeated entries add up"
        raise not_finite(values[first], dtype, place, shape, name)
    offsets = np.append(0, np.cumsum(np.bincount(row_of, minlength=n_rows(X)))).astype(X.offsets.dtype)
    return CSR(values, columns, offsets)
