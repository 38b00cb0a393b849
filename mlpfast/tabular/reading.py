"""Tables of any library as plain columns: float64 numbers with NaN, or strings with None, where one is missing."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "Kind", "Table", "column_of", "is_missing", "kind_of", "number_of", "plural", "read_table"]

Kind: TypeAlias = Literal["number", "boolean", "date", "duration", "string", "missing"]

_EPOCH = datetime.datetime(1970, 1, 1)
_PLURALS = {
    "number": "numbers",
    "boolean": "booleans",
    "date": "dates",
    "duration": "durations",
    "string": "strings",
    "missing": "nothing but missing values",
}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : Kind
        "missing" if every value is.
    values : ndarray (n,)
        float64, NaN where missing (dates and durations in seconds, dates from 1970 on in UTC); of strings object, None
        where missing.
    categorical : bool
        Whether its library calls it categorical.
    """

    name: str
    kind: Kind
    values: NDArray[Any]
    categorical: bool = False

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where it has no value, (n,)."""
        if self.kind == "string":
            return np.fromiter((value is None for value in self.values), bool, len(self.values))
        found: NDArray[np.bool_] = np.isnan(self.values)
        return found


@dataclass(frozen=True)
class Table:
    """Columns of the same length, and whether the table had names for them."""

    columns: tuple[Column, ...]
    named: bool
    rows: int

    def taken(self, rows: NDArray[np.int64]) -> Table:
        """Some of its rows."""
        columns = []
        for column in self.columns:
            values = column.values[rows]
            empty = column.kind != "missing" and replace(column, values=values).missing.all()
            kind: Kind = "missing" if empty else column.kind
            values = np.full(len(rows), np.nan) if empty else values
            columns.append(replace(column, values=values, kind=kind))
        return Table(tuple(columns), self.named, len(rows))


def plural(kind: str) -> str:
    """What a column of a kind holds, for errors."""
    return _PLURALS[kind]


def read_table(X: Any, what: str = "X", owner: str = "TableEncoder") -> Table:
    """The columns of a pandas, polars or Arrow table, a NumPy array, sparse rows, or a sequence of rows."""
    if X is None:
        raise ValueError(f"expected {what} to be a table, got None")
    if type(X).__name__ in ("LazyFrame",):
        raise TypeError(f"expected {what} to be a table in memory, got a LazyFrame; call .collect()")
    if hasattr(X, "dtypes") and hasattr(X, "iloc") and hasattr(X, "columns"):
        table = _from_pandas(X, what)
    elif hasattr(X, "get_columns") and hasattr(X, "schema"):
        table = _named([(c.name, c) for c in X.get_columns()], _polars_column, X.height, what)
    elif hasattr(X, "column_names") and hasattr(X, "to_pydict"):
        pairs = list(zip(X.column_names, X.columns, strict=True))
        table = _named(pairs, _arrow_column, X.num_rows, what)
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
        check_no_infinity(column, what)
    return table


def check_no_infinity(column: Column, what: str) -> None:
    """A ValueError that names the row, for a column with an infinite number."""
    if column.kind != "string":
        infinite = np.isinf(column.values)
        if infinite.any():
            row = int(np.argmax(infinite))
            raise ValueError(
                f"expected finite numbers or missing values in column {column.name!r} of {what}, got infinity "
                f"({column.values[row]:g}) in row {row}"
            )


# --- the libraries ---


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
    check_unique(shown, what)
    series = [X.iloc[:, i] for i in range(len(names))]
    columns = tuple(_pandas_column(name, column, what) for name, column in zip(shown, series, strict=True))
    return Table(columns, named, len(X))


def _pandas_column(name: str, series: Any, what: str) -> Column:
    dtype = series.dtype
    if type(dtype).__name__ == "CategoricalDtype":
        levels = column_of(name, np.asarray(dtype.categories, dtype=object), what)
        codes = np.asarray(series.cat.codes)
        return _taken(levels, codes)
    kind = getattr(dtype, "kind", "O")
    if kind in "iufb" and type(dtype).__name__ != "PeriodDtype":
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return Column(name, _or_missing("boolean" if kind == "b" else "number", values), values)
    if kind == "M":
        if getattr(dtype, "tz", None) is not None:
            series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return _from_numpy(name, series.to_numpy(dtype="datetime64[ns]"), what)
    if kind == "m":
        return _from_numpy(name, series.to_numpy(dtype="timedelta64[ns]"), what)
    if kind == "c":
        raise ValueError(f"Complex data not supported: column {name!r} of {what} has complex numbers")
    return column_of(name, series.to_numpy(dtype=object), what)


def _polars_column(name: str, series: Any, what: str) -> Column:
    dtype = series.dtype
    if dtype.is_numeric() and not dtype.is_decimal():
        values = series.cast(float).to_numpy().astype(np.float64)
        return Column(name, _or_missing("number", values), values)
    found = column_of(name, _objects(series.to_list()), what)
    return Column(name, found.kind, found.values, str(dtype).startswith(("Categorical", "Enum")))


def _arrow_column(name: str, array: Any, what: str) -> Column:
    kind = str(array.type)
    if kind.startswith(("int", "uint", "float", "double", "halffloat")):
        values = np.asarray(array.to_pandas() if array.null_count == 0 else array.to_pylist(), dtype=np.float64)
        return Column(name, _or_missing("number", values), values)
    found = column_of(name, _objects(array.to_pylist()), what)
    return Column(name, found.kind, found.values, kind.startswith("dictionary"))


def _named(pairs: Sequence[tuple[str, Any]], reader: Any, rows: int, what: str) -> Table:
    check_unique([name for name, _ in pairs], what)
    return Table(tuple(reader(name, column, what) for name, column in pairs), True, rows)


def _from_array(X: Any, what: str) -> Table:
    if hasattr(X, "tocsr") and hasattr(X, "toarray"):
        if X.dtype.kind == "c":
            raise ValueError(f"Complex data not supported\n{what}: expected real numbers, got sparse complex ones")
        X = X.toarray()
    elif not isinstance(X, np.ndarray):
        X = _as_array(X, what)
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{what}: expected real numbers, got complex ones")
    if X.dtype.kind == "V":
        raise TypeError(f"expected {what} to be a table or an array, got a structured array; give a DataFrame of it")
    if X.ndim != 2:  # in scikit-learn's words
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead (shape {X.shape}).\nReshape your data either using "
            "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it contains a single "
            "sample."
        )
    return Table(tuple(_from_numpy(f"x{i}", X[:, i], what) for i in range(X.shape[1])), False, len(X))


def _as_array(X: Any, what: str) -> NDArray[Any]:
    try:
        array = np.asarray(X)
    except ValueError:
        raise ValueError(f"expected the rows of {what} to have one length") from None
    if array.dtype.kind in "US" and not hasattr(X, "dtype"):  # NumPy makes strings of the numbers beside these
        array = np.asarray(X, dtype=object)
    return array


def _from_numpy(name: str, values: NDArray[Any], what: str) -> Column:
    kind = values.dtype.kind
    if kind in "iufb":
        found = values.astype(np.float64)
        return Column(name, _or_missing("boolean" if kind == "b" else "number", found), found)
    if kind in "Mm":
        unit = "datetime64[ns]" if kind == "M" else "timedelta64[ns]"
        whole = values.astype(unit).astype(np.int64)
        seconds = np.where(np.isnat(values), np.nan, whole / 1e9)
        return Column(name, _or_missing("date" if kind == "M" else "duration", seconds), seconds)
    return column_of(name, values.astype(object), what)


# --- Python objects ---


def column_of(name: str, values: NDArray[Any], what: str) -> Column:
    """A column of Python objects of one kind, some of them missing; a TypeError that names the row otherwise."""
    absent = np.fromiter((is_missing(value) for value in values), bool, len(values))
    kinds = {t: kind_of(t) for t in set(map(type, values[~absent]))}
    if len(set(kinds.values())) > 1 or None in kinds.values():
        raise _unlike(name, values, absent, what)
    kind: Kind = next((kind for kind in kinds.values() if kind is not None), "missing")
    if kind == "missing":
        return Column(name, kind, np.full(len(values), np.nan))
    if kind == "string":
        strings = _objects([None if gone else str(value) for value, gone in zip(values, absent, strict=True)])
        return Column(name, kind, strings)
    found = np.full(len(values), np.nan)
    found[~absent] = [number_of(value) for value in values[~absent]]
    return Column(name, kind, found)


def is_missing(value: Any) -> bool:
    """None, NaN, and pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return isinstance(value, (float, np.floating, decimal.Decimal)) and bool(value != value)


def kind_of(t: type) -> Kind | None:
    """What values of a type are; None for none of what columns hold."""
    if issubclass(t, (bool, np.bool_)):
        return "boolean"
    if issubclass(t, str):
        return "string"
    if issubclass(t, (datetime.date, np.datetime64)):
        return "date"
    if issubclass(t, (datetime.timedelta, datetime.time, np.timedelta64)):
        return "duration"
    return "number" if issubclass(t, (numbers.Real, decimal.Decimal)) else None


def number_of(value: Any) -> float:
    """A number, boolean, date or duration as a float."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        unit = "datetime64[ns]" if isinstance(value, np.datetime64) else "timedelta64[ns]"
        return float(value.astype(unit).astype(np.int64)) / 1e9
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return float((value - _EPOCH).total_seconds())
    if isinstance(value, datetime.date):
        return (value - _EPOCH.date()).total_seconds()
    if isinstance(value, datetime.time):
        return value.hour * 3600.0 + value.minute * 60 + value.second + value.microsecond / 1e6
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def check_unique(names: Sequence[str], what: str) -> None:
    """A ValueError for a name that two columns have."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in places:
            raise ValueError(
                f"expected column names of {what} that differ, got {name!r} for columns {places[name]} and {place}"
            )
        places[name] = place


def _unlike(name: str, values: NDArray[Any], absent: NDArray[np.bool_], what: str) -> TypeError:
    first: tuple[int, Kind] | None = None
    for row, value in enumerate(values):
        if absent[row]:
            continue
        kind = kind_of(type(value))
        if kind is None:
            return TypeError(
                f"expected numbers, strings, booleans or dates in column {name!r} of {what} (an argument must be a "
                f"string or a number), got {type(value).__name__} in row {row}"
            )
        if first is None:
            first = row, kind
        elif first[1] != kind:
            return TypeError(
                f"expected values of one kind in column {name!r} of {what}, got {plural(first[1])} (row {first[0]}) "
                f"and {plural(kind)} (row {row})"
            )
    raise AssertionError(name)


def _taken(levels: Column, codes: NDArray[Any]) -> Column:
    """The values of a categorical column, of its levels."""
    nothing: Any = None if levels.kind == "string" else np.nan
    if len(levels.values) == 0:
        return Column(levels.name, "missing", np.full(len(codes), np.nan), True)
    values = levels.values[codes]
    values[codes < 0] = nothing
    if (codes < 0).all():
        return Column(levels.name, "missing", np.full(len(codes), np.nan), True)
    return Column(levels.name, levels.kind, values, True)


def _or_missing(kind: Kind, values: NDArray[np.float64]) -> Kind:
    return "missing" if len(values) and np.isnan(values).all() else kind


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    """Without the guesses of `numpy.array`."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
