"""Tables of any library as plain columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Column, Table
from .libraries import from_arrow, from_numpy, from_pandas, from_polars
from .objects import as_given

__all__ = ["read_table"]


def read_table(X: Any, what: str = "X", owner: str = "TableEncoder") -> Table:
    """The columns of a pandas, polars or Arrow table, a NumPy array, sparse rows, or a sequence of rows."""
    if X is None:
        raise ValueError(f"expected {what} to be a table, got None")
    if type(X).__name__ == "LazyFrame":
        raise TypeError(f"expected {what} to be a table in memory, got a LazyFrame; call .collect()")
    if hasattr(X, "dtypes") and hasattr(X, "iloc") and hasattr(X, "columns"):
        table = _from_pandas(X, what)
    elif hasattr(X, "get_columns") and hasattr(X, "schema"):
        table = _named([(c.name, c) for c in X.get_columns()], from_polars, X.height, what)
    elif hasattr(X, "column_names") and hasattr(X, "to_pydict"):
        pairs = list(zip(X.column_names, X.columns, strict=True))
        table = _named(pairs, from_arrow, X.num_rows, what)
    else:
        table = _from_array(X, what)
    n_columns = len(table.columns)
    if table.rows == 0:  # in scikit-learn's words
        raise ValueError(
            f"Found array with 0 sample(s) (shape=(0, {n_columns})) while a minimum of 1 is required by {owner}."
        )
    if n_columns == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape=({table.rows}, 0)) while a minimum of 1 is required by {owner}."
        )
    for column in table.columns:
        _check_no_infinity(column, what)
    return table


def _check_no_infinity(column: Column, what: str) -> None:
    """A ValueError that names the row, for a column with an infinite number."""
    if column.kind != "string":
        infinite = np.isinf(column.values)
        if infinite.any():
            row = int(np.argmax(infinite))
            raise ValueError(
                f"expected finite numbers or missing values in column {column.name!r} of {what}, got infinity "
                f"({column.values[row]:g}) in row {row}"
            )


def _from_pandas(X: Any, what: str) -> Table:
    names = list(X.columns)
    strings = [isinstance(name, str) for name in names]
    if any(strings) and not all(strings):  # in scikit-learn's words
        kinds = sorted({type(name).__name__ for name in names})
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{kinds} as feature name / column name types."
        )
    named = bool(names) and all(strings)
    shown = names if named else [f"x{i}" for i in range(len(names))]
    _check_unique(shown, what)
    columns = tuple(from_pandas(name, series, what) for name, (_, series) in zip(shown, X.items(), strict=True))
    return Table(columns, named, len(X))


def _named(pairs: Sequence[tuple[str, Any]], reader: Any, rows: int, what: str) -> Table:
    _check_unique([name for name, _ in pairs], what)
    return Table(tuple(reader(name, column, what) for name, column in pairs), True, rows)


def _from_array(X: Any, what: str) -> Table:
    if hasattr(X, "tocsr") and hasattr(X, "toarray"):
        if X.dtype.kind == "c":
            raise ValueError(f"Complex data not supported\n{what}: expected real numbers, got sparse complex ones")
        X = X.toarray()
    elif type(X) is not np.ndarray:  # columns of np.matrix would be matrices
        X = _as_array(X, what)
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{what}: expected real numbers, got complex ones")
    if X.dtype.kind == "V":
        raise TypeError(f"expected {what} to be a table or an array, got a structured array; give a DataFrame of it")
    if X.dtype == object and X.ndim < 2 and X.size and isinstance(X.flat[0], Mapping):
        raise TypeError(f"expected {what} to be a table, or a sequence of rows, got dicts; give a DataFrame of them")
    if X.ndim != 2:  # in scikit-learn's words
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead (shape {X.shape}).\nReshape your data either using "
            "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it contains a single "
            "sample."
        )
    return Table(tuple(from_numpy(f"x{i}", X[:, i], what) for i in range(X.shape[1])), False, len(X))


def _as_array(X: Any, what: str) -> NDArray[Any]:
    array = as_given(X, what)
    if array.ndim == 0 and not isinstance(X, Mapping) and (callable(X) or isinstance(X, Iterable)):
        raise TypeError(f"expected {what} to be a table, or a sequence of rows, got {type(X).__name__}")
    return array


def _check_unique(names: Sequence[str], what: str) -> None:
    """A ValueError for a name that two columns have."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in places:
            raise ValueError(
                f"expected column names of {what} that differ, got {name!r} for columns {places[name]} and {place}"
            )
        places[name] = place
