"""What becomes of each column of a table: learnt from training rows, and applied to others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..tables import html_table, text_table
from .columns import Column, Kind, plural
from .objects import is_missing, kind_of, number_of
from .views import CLIP, Views

__all__ = ["ColumnPlan", "ColumnTable", "plan_of"]

LARGE = 1e100  # its square is finite
FEW = 8  # categories, of which rare ones are kept


@dataclass(frozen=True)
class ColumnPlan:
    """What becomes of a column.

    Attributes
    ----------
    name : str
    kind : str
        Of its values: "number", "boolean", "date", "duration", "string" or "missing".
    encoding : {"number", "binary", "category", "ignored"}
        "number": centred, scaled and clipped. "binary": of two categories, as the number 0 or 1, and then the same.
        "category": a code from 1 on; 0 for what is missing, or not among `levels`. "ignored": all was missing, or each
        category rare.
    missing : int
        How many training values were.
    levels : tuple of str or float
        Categories, ascending.
    centre, factor : float
        A number x becomes ``z = (x - centre) * factor``, and ``z / sqrt(1 + (z / 3)^2)``.
    views : Views, optional
        What z becomes beside that.

    Examples
    --------
    >>> from mlpfast.tabular import TableEncoder
    >>> plan = TableEncoder().fit([[1, "a"], [2, "b"], [3, "c"]]).columns_[1]
    >>> plan.name, plan.kind, plan.encoding, plan.levels
    ('x1', 'string', 'category', ('a', 'b', 'c'))
    """

    name: str
    kind: Kind
    encoding: Literal["number", "binary", "category", "ignored"]
    missing: int = 0
    levels: tuple[str | float, ...] = ()
    centre: float = 0.0
    factor: float = 0.0
    views: Views | None = None
    _codes: dict[Any, int] = field(init=False, repr=False, compare=False)
    _rows: NDArray[np.float32] = field(init=False, repr=False, compare=False)  # what each code becomes

    def __post_init__(self) -> None:
        object.__setattr__(self, "_codes", {level: code for code, level in enumerate(self.levels, start=1)})
        rows: Any = np.arange(len(self.levels) + 1)[:, None]
        if self.encoding != "category":
            rows = [self._numbers(number) for number in (None, *map(float, range(len(self.levels))))]
        object.__setattr__(self, "_rows", np.array(rows, np.float32))

    @property
    def coded(self) -> bool:
        """Whether it becomes what `codes_of` says."""
        return self.encoding == "category" or bool(self.levels)

    @property
    def indicator(self) -> bool:
        """Whether a column of 0 and 1 tells what is missing."""
        return self.missing > 0 and self.encoding in ("number", "binary")

    @property
    def outputs(self) -> list[str]:
        """Names of the columns that it becomes."""
        if self.encoding == "ignored":
            return []
        names = [self.name, *(self.views.names(self.name) if self.views else [])]
        return [*names, f"{self.name}_missing"] if self.indicator else names

    def check(self, column: Column, what: str) -> None:
        """A TypeError for values of another kind than in training."""
        if column.kind not in (self.kind, "missing") and self.encoding != "ignored":
            rows = np.flatnonzero(~column.missing)
            raise TypeError(
                f"expected {plural(self.kind)} in column {self.name!r} of {what}, as in training, got "
                f"{plural(column.kind)} (row {rows[0]})"
            )

    def codes_of(self, column: Column) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers (n,) of the categories of a column, each of which is looked up once, and what each of them becomes:
        (categories + 1, outputs), the last one being what is missing."""
        if column.kind == "missing":
            return np.full(len(column.values), -1), self._rows[:1]
        different: Sequence[Any] = column.levels
        places = column.values
        if column.kind != "string":
            values, places = np.unique(column.values, return_inverse=True)
            different = values.tolist()
        codes = [*(self._codes.get(value, 0) for value in different), 0]
        return np.ascontiguousarray(places, np.int64), self._rows[codes]

    def encode_one(self, value: Any) -> list[float]:
        """The numbers that a single value becomes."""
        if self.encoding == "ignored":
            return []
        number: Any = None
        if not is_missing(value):
            kind = kind_of(type(value))
            if kind != self.kind:
                got = plural(kind) if kind else type(value).__name__
                raise TypeError(f"expected {plural(self.kind)} for column {self.name!r}, got {got}: {value!r:.60}")
            number = str(value) if kind == "string" else number_of(value)
            if kind != "string" and math.isinf(number):
                raise ValueError(f"expected a finite number for column {self.name!r}, got {value!r}")
        if self.encoding == "category":
            return [float(self._codes.get(number, 0))]
        if self.levels:
            code = self._codes.get(number, 0)
            number = None if code == 0 else float(code - 1)
        return self._numbers(number)

    def _numbers(self, number: float | None) -> list[float]:
        """What a number becomes, or one that is missing, in Python's floats: the bits of csrc/runtime/encode.c."""
        given = self.centre if number is None else number
        z = min(max((given / 2 - self.centre / 2) * self.factor * 2, -LARGE), LARGE)
        encoded = [z / math.sqrt(1 + (z / CLIP) * (z / CLIP)), *(self.views.of_one(z) if self.views else [])]
        return [*encoded, float(number is None)] if self.indicator else encoded

    def cells(self) -> tuple[str, ...]:
        """Its line in the table of `ColumnTable`."""
        notes = []
        if self.encoding == "ignored":
            notes.append("every value is missing" if self.kind == "missing" else "every category is rare")
        elif self.encoding == "number" and self.factor == 0:
            notes.append("constant: 0 always")
        elif self.encoding in ("number", "binary"):
            notes.append(f"centre {self.centre:.4g}, scale {1 / self.factor if self.factor else 0:.4g}, clipped at 3")
        if self.views:
            notes.append("rank and tail" if self.views.tail else "rank")
        if self.indicator:
            notes.append("missing: 0 and an indicator")
        levels = f"{len(self.levels):,}" if self.levels else ""
        return self.name, self.kind, self.encoding, f"{self.missing:,}", levels, "; ".join(notes)


class ColumnTable(Sequence[ColumnPlan]):
    """A `ColumnPlan` for each column of a table; it prints as a table. Index it by number or by name.

    Examples
    --------
    >>> from mlpfast.tabular import TableEncoder
    >>> columns = TableEncoder().fit([[1, "a"], [2, "b"], [3, "c"]]).columns_
    >>> len(columns), [plan.encoding for plan in columns]
    (2, ['number', 'category'])
    """

    def __init__(self, plans: Sequence[ColumnPlan]) -> None:
        self._plans = tuple(plans)

    def __len__(self) -> int:
        return len(self._plans)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            for plan in self._plans:
                if plan.name == key:
                    return plan
            raise KeyError(key)
        return self._plans[key]

    def __iter__(self) -> Iterator[ColumnPlan]:
        return iter(self._plans)

    def _rows(self) -> list[tuple[str, ...]]:
        return [("column", "kind", "encoding", "missing", "levels", ""), *(plan.cells() for plan in self._plans)]

    def __repr__(self) -> str:
        return text_table(self._rows())

    def _repr_html_(self) -> str:
        return html_table(f"{len(self)} columns", self._rows())


def plan_of(column: Column, categorical: bool, views: bool = False, min_frequency: int = 1) -> ColumnPlan:
    """Learn from the training rows what becomes of a column."""
    missing = int(column.missing.sum())
    if column.kind == "missing":
        return ColumnPlan(column.name, "missing", "ignored", missing)
    if not categorical:
        centre, factor = _scale(column.values)
        encoding = _encoding(column.kind)
        seen = None
        if views and encoding == "number" and factor > 0:
            seen = Views.learn(unclipped(column.values[~column.missing], centre, factor))
        return ColumnPlan(column.name, column.kind, encoding, missing, (), centre, factor, seen)
    present, counts = np.unique(column.values[~column.missing], return_counts=True)
    many = len(present) > FEW
    present = (present[counts >= min_frequency] if many else present).tolist()
    levels = tuple(sorted(column.levels[code] for code in present) if column.kind == "string" else present)
    if many:
        return ColumnPlan(column.name, column.kind, "category" if levels else "ignored", missing, levels)
    if len(levels) != 2:
        return ColumnPlan(column.name, column.kind, "category", missing, levels)
    second = column.levels.index(levels[1]) if column.kind == "string" else levels[1]
    codes = np.where(column.missing, np.nan, (column.values == second).astype(np.float64))
    return ColumnPlan(column.name, column.kind, "binary", missing, levels, *_scale(codes))


def _encoding(kind: Kind) -> Literal["number", "binary"]:
    return "binary" if kind == "boolean" else "number"


def _scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Median, and one over the distance of the quartiles or, where that is zero, half of the range."""
    halves = values[~np.isnan(values)] / 2  # the difference of two of them is finite
    low, centre, high = (float(q) for q in np.quantile(halves, (0.25, 0.5, 0.75)))
    width = high - low if high > low else (float(halves.max()) - float(halves.min())) / 2
    with np.errstate(over="ignore"):
        factor = float(np.minimum(np.float64(0.5) / np.float64(width), 1e300)) if width > 0 else 0.0
    return 2 * centre, factor


def unclipped(x: Any, centre: float, factor: float) -> Any:
    """Numbers without their centre, times the factor."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.clip((x / 2 - centre / 2) * factor * 2, -LARGE, LARGE)
