"""Columns of a table, plain: float64 numbers with NaN, or strings as numbers of their levels, where one is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "Kind", "Table", "numeric", "plural"]

Kind: TypeAlias = Literal["number", "boolean", "date", "duration", "string", "missing"]

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
        float64, NaN where missing (dates and durations in seconds, dates from 1970 on in UTC); of strings integers, the
        numbers of `levels`, -1 where missing.
    categorical : bool
        Whether its library calls it categorical.
    levels : tuple of str
        Of strings, in any order; some may not occur.
    """

    name: str
    kind: Kind
    values: NDArray[Any]
    categorical: bool = False
    levels: tuple[str, ...] = ()

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where it has no value, (n,)."""
        found: NDArray[np.bool_] = self.values < 0 if self.kind == "string" else np.isnan(self.values)
        return found

    def taken(self, rows: NDArray[np.int64]) -> Column:
        """Some of its rows; of kind "missing" if these have no value."""
        column = replace(self, values=self.values[rows])
        return column.emptied() if column.missing.all() else column

    def emptied(self) -> Column:
        """As many rows, all of them missing."""
        return replace(self, kind="missing", values=np.full(len(self.values), np.nan), levels=())


@dataclass(frozen=True)
class Table:
    """Columns of the same length, and whether the table had names for them."""

    columns: tuple[Column, ...]
    named: bool
    rows: int

    def taken(self, rows: NDArray[np.int64]) -> Table:
        """Some of its rows."""
        return Table(tuple(column.taken(rows) for column in self.columns), self.named, len(rows))


def numeric(name: str, kind: Kind, values: NDArray[np.float64]) -> Column:
    """A column of numbers; of kind "missing" if all are NaN."""
    empty = len(values) > 0 and values[0] != values[0] and np.isnan(values).all()  # the first one mostly tells
    return Column(name, "missing" if empty else kind, values)


def plural(kind: str) -> str:
    """What a column of a kind holds, for errors."""
    return _PLURALS[kind]
