"""Columns of pandas, polars, Arrow and NumPy, each in its library's own fast way; none of them is imported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Column, numeric
from .objects import array_of, column_of, seconds_of

__all__ = ["from_arrow", "from_numpy", "from_pandas", "from_polars"]


def from_pandas(name: str, series: Any, what: str) -> Column:
    """A pandas series."""
    dtype = series.dtype
    library = type(dtype).__name__
    if library == "CategoricalDtype":
        return _of_levels(name, series, what)
    if library == "ArrowDtype" and str(dtype).startswith("dictionary"):  # Arrow's categorical
        return replace(column_of(name, series.to_numpy(dtype=object), what), categorical=True)
    if library == "StringDtype":
        if dtype.storage == "python":
            return column_of(name, series.to_numpy(dtype=object, na_value=None), what)
        codes, levels = series.factorize()  # by Arrow, where the strings are
        return _strings(name, levels.tolist(), codes)
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, np.dtype) and kind in "iufb":
        return from_numpy(name, series.to_numpy(), what)  # with a value for NA, pandas would take thrice as long
    if kind in "iufb" and library != "PeriodDtype":
        return numeric(name, "boolean" if kind == "b" else "number", series.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind == "M" and not str(dtype).startswith("date"):  # Arrow's days, which it makes no NumPy array of
        if getattr(dtype, "tz", None) is not None:
            series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return from_numpy(name, series.to_numpy(dtype=_plain(series.dtype)), what)
    if kind == "m":
        return from_numpy(name, series.to_numpy(dtype=_plain(dtype)), what)
    if kind == "c":
        raise ValueError(f"Complex data not supported: column {name!r} of {what} has complex numbers")
    return column_of(name, series.to_numpy(dtype=object), what)


def from_polars(name: str, series: Any, what: str) -> Column:
    """A polars series."""
    dtype = series.dtype
    if dtype.is_numeric() and not dtype.is_decimal():
        return numeric(name, "number", series.cast(float).to_numpy().astype(np.float64))
    library = str(dtype)
    if library.startswith(("Datetime", "Duration")) and series.null_count() < len(series):
        if getattr(dtype, "time_zone", None) is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return from_numpy(name, series.to_numpy(), what)
    found = column_of(name, array_of(series.to_list()), what)
    categorical = library.startswith(("Categorical", "Enum"))
    return Column(name, found.kind, found.values, categorical, found.levels)


def from_arrow(name: str, array: Any, what: str) -> Column:
    """An Arrow array, of one chunk or more; a record batch has one that is not called chunked."""
    kind, chunked = str(array.type), hasattr(array, "combine_chunks")
    if kind.startswith(("int", "uint", "float", "double", "halffloat")):
        values = array.to_numpy() if chunked else array.to_numpy(zero_copy_only=False)  # floats, NaN where it has nulls
        return numeric(name, "number", values.astype(np.float64))
    if kind in ("string", "large_string"):
        coded = (array.combine_chunks() if chunked else array).dictionary_encode()
        return _strings(name, coded.dictionary.to_pylist(), coded.indices.fill_null(-1).to_numpy())
    found = column_of(name, array_of(array.to_pylist()), what)
    return Column(name, found.kind, found.values, kind.startswith("dictionary"), found.levels)


def from_numpy(name: str, values: NDArray[Any], what: str) -> Column:
    """A NumPy array (n,)."""
    kind = values.dtype.kind
    if kind in "iufb":
        return numeric(name, "boolean" if kind == "b" else "number", np.ascontiguousarray(values, np.float64))
    if kind in "Mm":
        return numeric(name, "date" if kind == "M" else "duration", seconds_of(values))
    return column_of(name, values.astype(object), what)


def _plain(dtype: Any) -> Any:
    """NumPy's own, of the same unit, for the dates of pandas."""
    return getattr(dtype, "numpy_dtype", dtype)


def _of_levels(name: str, series: Any, what: str) -> Column:
    """A pandas categorical: its categories are read once."""
    codes = np.asarray(series.cat.codes)
    try:
        levels = column_of(name, np.asarray(series.dtype.categories, dtype=object), what)
    except TypeError:  # which names a category's number: here is the row's, if it occurs
        levels, codes = column_of(name, series.to_numpy(dtype=object), what), np.arange(len(codes))
    if (codes < 0).all():
        return Column(name, "missing", np.full(len(codes), np.nan), True)
    absent = -1 if levels.kind == "string" else np.nan
    return Column(name, levels.kind, np.where(codes < 0, absent, levels.values[codes]), True, levels.levels)


def _strings(name: str, levels: Any, codes: NDArray[Any]) -> Column:
    column = Column(name, "string", codes, levels=tuple(levels))
    return column.emptied() if (codes < 0).all() else column
