"""Categories as rows of a table that is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..errors import integer, known_name
from ..hints import EMBEDDING_ARGUMENTS, explain_arguments
from ..initializers import Initializer, Normal, as_initializer
from ..parts import Rule
from ..program import Program
from .base import Layer
from .encoder import Encoder, check_categories, checked_unknown, number_of_unknown

__all__ = ["Embedding"]


_UPDATES = ("all", "rows")
_MOST_BY_DEFAULT = 131_072  # categories whose entries are all updated


def _default_update(categories: int) -> Literal["all", "rows"]:
    return "all" if categories <= _MOST_BY_DEFAULT else "rows"


@dataclass(frozen=True, init=False, repr=False)
class Embedding(Encoder):
    """Each code of a category as its row of a table, for columns of many categories (Guo and Berkhahn, 2016).

    Of codes x (n, columns) it makes h (n, columns * units): column c's ``h[i, c * units : (c + 1) * units]`` is
    ``table[c * categories + x[i, c]]``. Codes are whole numbers from 0 to ``categories - 1``, as scikit-learn's
    `OrdinalEncoder` and pandas' ``cat.codes`` give them. Each column has a table of its own, (categories, units).

    Parameters
    ----------
    categories : int
        Of each column.
    units : int
        Columns that each column becomes.
    unknown : "error" or int, default "error"
        What to do with anything else than a code: raise an error that names row and column, or take it for the code
        that is given, which may be one that is reserved for it.
    initializer : str or Initializer, default Normal(1.0)
        Of the tables.
    update : {"all", "rows"}, optional
        "all", the default up to 131,072 categories: each step updates every entry, those of categories that its batch
        does not have with a gradient of zero, as any other parameter: momentum and decay go on. "rows": those of its
        batch's categories alone, with decay and moments as they were when these last had one (lazy Adam, for example);
        a step then costs no more for a larger table, and rows of weight zero are left out of batches. A `Trainer`
        refuses `l1`, `l2`, `max_norm`, `clip_norm`, `ema` and the average of `mlpfast.optimizers.ScheduleFreeAdamW`
        for it, which are of the whole.
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`. The tensor ``table`` (columns * categories, units), a column's table after the other's, has the
        role "table": penalties and decay reach it.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; when a model is made of it, if it is not the first layer, or
        a float32 model cannot hold that many whole numbers; by the model, for codes of no category.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Embedding(5, 2)])
    >>> bool((model([[3]]) == model.tensors["table0"][3]).all())
    True
    """

    categories: int
    units: int
    unknown: str | int
    initializer: Initializer
    update: Literal["all", "rows"]
    name: ClassVar[str] = "embedding"
    reads_codes: ClassVar[bool] = True

    @explain_arguments(EMBEDDING_ARGUMENTS)
    def __init__(
        self,
        categories: int,
        units: int,
        unknown: str | int = "error",
        initializer: str | Initializer = Normal(1.0),  # noqa: B008 - it is constant
        update: Literal["all", "rows"] | None = None,
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        object.__setattr__(self, "categories", integer("categories", categories))
        object.__setattr__(self, "units", integer("units", units))
        object.__setattr__(self, "unknown", checked_unknown(unknown, self.categories, may_ignore=False))
        object.__setattr__(self, "initializer", as_initializer(initializer))
        if update is not None:
            known_name("update", update, _UPDATES)
        object.__setattr__(self, "update", update or _default_update(self.categories))
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    def width(self, n_columns: int) -> int:
        return n_columns * self.units

    def encode(
        self, program: Program, reads: int, makes: int, part: tuple[int, int], columns: tuple[int, ...], place: str
    ) -> None:
        n = len(columns) or program.values[reads].columns
        shape = (n * self.categories, self.units)
        fans, rule = (self.categories, self.units), Rule(by_rows=self.update == "rows")
        table = program.tensor(f"table{place}", shape, "table", self.initializer, fans, rule=rule)
        kept = {"saves": n * self.units, "notes": -(-shape[0] // 2)} if rule.by_rows else {}
        unknown = number_of_unknown(self.unknown)
        program.layer(
            "embedding", reads, makes, columns=columns, part=part, tensors=(table,), numbers=(self.categories, unknown),
            codes=self.categories if self.unknown == "error" else 0, **kept,
        )  # fmt: skip

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        check_categories(self, self.categories, dtype)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 1, cls(3, 1)
        yield 3, cls(33, 7)
        yield 2, cls(700, 33, unknown=0, initializer="glorot_uniform")
        yield 1, cls(5, 2, trainable=False)
        yield 3, cls(50, 20, update="rows", weight_decay_scale=0.5)

    def __repr__(self) -> str:
        parts = [f"{self.categories}, {self.units}"]
        if self.unknown != "error":
            parts.append(f"unknown={self.unknown!r}")
        if self.initializer != Normal(1.0):
            parts.append(f"initializer={self.initializer!r}")
        if self.update != _default_update(self.categories):
            parts.append(f"update={self.update!r}")
        return f"Embedding({', '.join([*parts, *self._shown_training()])})"
