"""Python objects as columns: of what kind each is, which are missing, and their numbers."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections import defaultdict
from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.memory import codes_of_strings
from .columns import Column, Kind, plural

__all__ = [
    "array_of",
    "as_given",
    "column_of",
    "is_missing",
    "kind_of",
    "number_of",
    "plain_date",
    "seconds_of",
    "strings",
]

_EPOCH = datetime.datetime(1970, 1, 1)
#: Of values that are missing, or may be.
_TYPES_OF_MISSING = (NoneType, float, np.floating, decimal.Decimal, np.datetime64, np.timedelta64)
_NAMES_OF_MISSING = ("NAType", "NaTType")


def column_of(name: str, values: NDArray[Any], what: str) -> Column:
    """A column of Python objects of one kind, some of them missing; a TypeError that names the row otherwise."""
    plain = codes_of_strings(values)
    if plain is not None and plain[0]:
        return Column(name, "string", plain[1], levels=plain[0])
    absent = _absent(values)
    present = values[~absent]
    types = set(map(type, present.tolist()))
    kinds = {kind_of(t) for t in types}
    if len(kinds) > 1 or None in kinds:
        raise _unlike(name, values, absent, what)
    kind: Kind = next((kind for kind in kinds if kind is not None), "missing")
    if kind == "string":
        levels, codes = strings(present.tolist() if types == {str} else map(str, present.tolist()), len(present))
        places = np.full(len(values), -1)
        places[~absent] = codes
        return Column(name, kind, places, levels=levels)
    found = np.full(len(values), np.nan)
    found[~absent] = _numbers(present, kind)
    return Column(name, kind, found)


def strings(values: Iterable[str], n: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The strings that occur among n, and which of them each is."""
    numbered: defaultdict[str, int] = defaultdict()
    numbered.default_factory = numbered.__len__
    codes = np.fromiter(map(numbered.__getitem__, values), np.int64, n)
    return tuple(numbered), codes


def array_of(values: Sequence[Any]) -> NDArray[Any]:
    """Objects (n,), without the guesses of `numpy.array`."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def as_given(values: Any, what: str) -> NDArray[Any]:
    """An array of what is given, in which what is masked is missing; a ValueError for rows of several lengths.

    Beside strings, numbers and NaN stay what they are, of which NumPy would make strings.
    """
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values)
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"expected the rows of {what} to have one length") from None
    return np.asarray(values, dtype=object) if array.dtype.kind in "US" and not hasattr(values, "dtype") else array


def _unmasked(values: Any) -> NDArray[Any]:
    """A masked array with missing values in place of what is masked."""
    kind, masked = values.dtype.kind, np.ma.getmaskarray(values)
    if not masked.any():  # integers stay what they are
        return np.ma.getdata(values)
    filled = np.ma.getdata(values).astype(values.dtype if kind in "fMm" else np.float64 if kind in "iu" else object)
    filled[masked] = "NaT" if kind in "Mm" else np.nan if kind in "fiu" else None
    found: NDArray[Any] = filled
    return found


def is_missing(value: Any) -> bool:
    """None, NaN, and pandas' NA and NaT."""
    if value is None or type(value).__name__ in _NAMES_OF_MISSING:
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    if isinstance(value, decimal.Decimal):
        return value.is_nan()  # signalling ones can't be compared
    return isinstance(value, (float, np.floating)) and bool(value != value)


def kind_of(t: type) -> Kind | None:
    """What values of a type are; None for none of what columns hold."""
    if issubclass(t, (bool, np.bool_)):
        return "boolean"
    if issubclass(t, str) or t.__name__ == "Interval":  # of pandas.cut, whose categories have these as names
        return "string"
    if issubclass(t, (datetime.date, np.datetime64)) or t.__name__ == "Period":
        return "date"
    if issubclass(t, (datetime.timedelta, datetime.time, np.timedelta64)):
        return "duration"
    return "number" if issubclass(t, (numbers.Real, decimal.Decimal)) else None


def plain_date(value: Any) -> Any:
    """A date without a time zone, in UTC; of a period its start; anything else as it is."""
    if type(value).__name__ == "Period":
        value = value.start_time
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return value


def number_of(value: Any) -> float:
    """A number, boolean, date or duration as a float."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return float(seconds_of(np.asarray(value)))
    value = plain_date(value)
    if isinstance(value, datetime.datetime):
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


def seconds_of(values: NDArray[Any]) -> NDArray[np.float64]:
    """NumPy's dates or durations in seconds, NaN for NaT."""
    kind = "datetime64" if values.dtype.kind == "M" else "timedelta64"
    fine = np.datetime_data(values.dtype)[0] in ("ns", "ps", "fs", "as")
    unit, each = ("ns", 1e9) if fine else ("us", 1e6)  # in nanoseconds the year 9999 would wrap round
    whole = values.astype(f"{kind}[{unit}]").astype(np.int64)
    return np.where(np.isnat(values), np.nan, whole / each)


def _absent(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which are missing; only those are looked at whose types can be."""
    objects = values.tolist()
    types = set(map(type, objects))
    may_be = {t for t in types if issubclass(t, _TYPES_OF_MISSING) or t.__name__ in _NAMES_OF_MISSING}
    if not may_be:
        return np.zeros(len(objects), dtype=bool)
    return np.fromiter((type(value) in may_be and is_missing(value) for value in objects), bool, len(objects))


def _numbers(present: NDArray[Any], kind: Kind) -> Any:
    if kind in ("number", "boolean"):
        try:
            return present.astype(np.float64)
        except OverflowError:
            pass  # an integer that no float holds: infinite, as others are
    return [number_of(value) for value in present]


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
