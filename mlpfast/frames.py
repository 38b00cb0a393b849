"""Data frames and Arrow tables, told by their methods, so that none of these packages need be installed.

They hold a column beside the other, the loops read a row behind the other: one copy lies between, unless a frame is one
C-contiguous block already, as a single column is. Read where the columns lie, a row out of order would cost a cache
line for each of its numbers, in every epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_names", "rows_of_frame"]

_ROWS = 1024  # copied at once: what is written of them stays in a cache


def rows_of_frame(value: object) -> NDArray[Any] | None:
    """The rows of a frame of numbers, C-contiguous, by one copy at most; None for what is better taken as it is.

    The dtype is that which NumPy finds for all columns together. Frames with missing values in nullable columns, or
    with columns that are no numbers, are left to what names these.

    Raises
    ------
    TypeError
        If a column holds dates or times.
    """
    columns = _columns(value)
    if not columns or any(column.ndim != 1 or column.dtype.kind not in "biufmM" for column in columns):
        return None
    names: Any = column_names(value)
    for name, column in zip(names, columns, strict=True):
        if column.dtype.kind in "mM":  # which would pass for a number beside others
            raise TypeError(f"column {name!r} has dtype {column.dtype}")
    if len(columns) == 1:
        return columns[0].reshape(-1, 1)
    rows = np.empty((len(columns[0]), len(columns)), np.result_type(*columns))
    for begin in range(0, len(rows), _ROWS):
        to = rows[begin : begin + _ROWS]
        for j, column in enumerate(columns):
            to[:, j] = column[begin : begin + _ROWS]
    return rows


def column_names(value: object) -> Sequence[object] | None:
    """The names of a frame's columns, or None for what has none."""
    names = getattr(value, "column_names", getattr(value, "columns", None))
    return names if names is not None and hasattr(names, "__getitem__") and not callable(names) else None


def _columns(value: Any) -> list[NDArray[Any]] | None:
    """The columns as arrays: views, where they are of numbers, in one piece and without missing values."""
    if hasattr(value, "get_columns") and hasattr(value, "to_numpy"):  # polars
        return [column.to_numpy() for column in value.get_columns()]
    if hasattr(value, "itercolumns") and hasattr(value, "column_names"):  # Arrow
        return [column.to_numpy(zero_copy_only=False) for column in value.itercolumns()]
    if not (hasattr(value, "iloc") and hasattr(value, "dtypes") and getattr(value, "ndim", 0) == 2):  # pandas
        return None
    kinds = list(value.dtypes)
    if len(set(kinds)) <= 1 and all(isinstance(kind, np.dtype) for kind in kinds):
        return None  # one block, most often, and then there is a view of it
    if not all(kind.kind in "biuf" and (isinstance(kind, np.dtype) or hasattr(kind, "numpy_dtype")) for kind in kinds):
        return None
    columns = [value.iloc[:, j] for j in range(len(kinds))]
    if any(not isinstance(kind, np.dtype) and column.isna().any() for kind, column in zip(kinds, columns, strict=True)):
        return None
    return [
        column.to_numpy() if isinstance(kind, np.dtype) else column.to_numpy(kind.numpy_dtype)
        for kind, column in zip(kinds, columns, strict=True)
    ]
