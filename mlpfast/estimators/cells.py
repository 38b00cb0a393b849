"""Errors of scikit-learn's checks, with the cells that are to blame and what to do about them.

scikit-learn says that there is text, or a missing value, but not where. Its own wording stays, and comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..validation import is_missing

TEXT, MISSING, TOO_LARGE, OTHER = "text", "a missing value", "a number that is too large", "something else than numbers"

_OF_FEATURES = {
    TEXT: "encode it first, for example with sklearn.preprocessing.OneHotEncoder or OrdinalEncoder",
    MISSING: "fill it first, for example with sklearn.impute.SimpleImputer, or drop the row",
    TOO_LARGE: "replace it or drop the row",
    OTHER: "make numbers of it first",
}
_OF_TARGETS = {
    TEXT: "MLPClassifier takes labels, MLPRegressor numbers",
    MISSING: "drop the row",
    TOO_LARGE: "scale the targets, or drop the row",
    OTHER: "make numbers of it first",
}
_SHOWN_COLUMNS = 5


@contextmanager
def explained(**tables: tuple[Any, DTypeLike | None]) -> Iterator[None]:
    """Raise a TypeError or ValueError of the block anew, with the cells that may have caused it, where there are any.

    Parameters
    ----------
    **tables : tuple of array-like and dtype
        What is checked, by the arguments' names, with the floating dtype that it has to fit; None for labels, which
        may be anything that is not missing.
    """
    try:
        with np.errstate(all="ignore"):  # scikit-learn's casts round as they do, whatever the user has set
            yield
    except (TypeError, ValueError) as error:
        for name, (table, dtype) in tables.items():
            where = _fault(name, table, dtype)
            if where is not None:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{error}\n{where}") from None
        raise


def _fault(name: str, table: Any, dtype: DTypeLike | None) -> str | None:
    """A sentence about the first fault of the table, and all columns that have it."""
    faults: dict[str, list[tuple[Any, int, Any]]] = {}
    for column, cells in _columns(table):
        row = _first_bad_row(cells, dtype)
        if row is not None:
            faults.setdefault(str(_fault_of(cells[row], dtype)), []).append((column, row, cells[row]))
    if not faults:
        return None
    fault, places = next(iter(faults.items()))
    column, row, cell = places[0]
    cell = cell.item() if isinstance(cell, np.generic) else cell
    advice = (_OF_FEATURES if name.startswith("X") else _OF_TARGETS)[fault]
    if column is None:
        return f"{name} holds {fault}, {cell!r} in row {row}: {advice}."
    names = ", ".join(repr(place[0]) for place in places[:_SHOWN_COLUMNS])
    if len(places) == 1:
        return f"Column {names} of {name} holds {fault}, {cell!r} in row {row}: {advice}."
    names += ", ..." if len(places) > _SHOWN_COLUMNS else ""
    return f"Columns {names} of {name} hold {fault}, the first {cell!r} in row {row}: {advice}."


def _columns(table: Any) -> Iterator[tuple[Any, NDArray[Any]]]:
    """Names and cells of the columns; the name of a single one is None, that of an array's is its index."""
    if hasattr(table, "tocsr"):
        return
    if hasattr(table, "columns") and hasattr(table, "items"):  # pandas
        yield from ((name, np.asarray(column)) for name, column in table.items())
    elif hasattr(table, "iter_columns"):  # polars
        yield from ((column.name, np.asarray(column)) for column in table.iter_columns())
    else:
        try:
            array = np.asarray(table)
        except ValueError:  # rows of several lengths
            return
        if array.ndim == 1:
            yield None, array
        elif array.ndim == 2:
            yield from enumerate(array.T)


def _first_bad_row(cells: NDArray[Any], dtype: DTypeLike | None) -> int | None:
    rows: Iterable[Any] = range(len(cells))
    if cells.dtype.kind in "biuc":
        return None
    if cells.dtype.kind == "f":
        rows = np.flatnonzero(~(np.abs(cells) <= np.finfo(dtype or np.float64).max))
    return next((int(row) for row in rows if _fault_of(cells[row], dtype) is not None), None)


def _fault_of(cell: Any, dtype: DTypeLike | None) -> str | None:
    if is_missing(cell):
        return MISSING
    if isinstance(cell, np.datetime64 | np.timedelta64):  # float() would take those in nanoseconds
        return MISSING if np.isnat(cell) else None if dtype is None else OTHER
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None if dtype is None else TEXT if isinstance(cell, str) else OTHER
    if np.isnan(number):
        return MISSING
    return TOO_LARGE if dtype is not None and abs(number) > np.finfo(dtype).max else None
