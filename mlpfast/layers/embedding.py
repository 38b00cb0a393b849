"""Categories as rows of a table that is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import integer
from ..hints import EMBEDDING_ARGUMENTS, explain_arguments
from ..initializers import Initializer, Normal, as_initializer
from ..program import Program
from .base import Layer
from .encoder import Encoder, check_categories, code_for_unknown

__all__ = ["Embedding"]


@dataclass(frozen=True, init=False, repr=False)
class Embedding(Encoder):
    """Each code of a category as its row of a table, for columns of many categories.

    Codes are whole numbers from 0 to ``categories - 1``, as scikit-learn's `OrdinalEncoder` and pandas' ``cat.codes``
    give them. Each column has a table of its own, (categories, units).

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
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`. The tensor ``table`` (columns * categories, units), a column's table after the other's, has the
        role "table": penalties and decay reach it.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; when a model is made of it, if it is not the first layer, or
        a float32 model cannot hold that many whole numbers; by the model, for codes of no category.

    Notes
    -----
    Every entry of a table is updated in every step, those of categories that a batch does not have with a gradient of
    zero: momentum and decay go on.

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
    name: ClassVar[str] = "embedding"
    reads_codes: ClassVar[bool] = True

    @explain_arguments(EMBEDDING_ARGUMENTS)
    def __init__(
        self,
        categories: int,
        units: int,
        unknown: str | int = "error",
        initializer: str | Initializer = Normal(1.0),  # noqa: B008 - it is constant
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        object.__setattr__(self, "categories", integer("categories", categories))
        object.__setattr__(self, "units", integer("units", units))
        code_for_unknown(unknown, self.categories, may_ignore=False)
        object.__setattr__(self, "unknown", unknown)
        object.__setattr__(self, "initializer", as_initializer(initializer))
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    def width(self, n_columns: int) -> int:
        return n_columns * self.units

    def encode(
        self, program: Program, reads: int, makes: int, part: tuple[int, int], columns: tuple[int, ...], place: str
    ) -> None:
        n = len(columns) or program.values[reads].columns
        shape = (n * self.categories, self.units)
        table = program.tensor(f"table{place}", shape, "table", self.initializer, (self.categories, self.units))
        unknown = code_for_unknown(self.unknown, self.categories, may_ignore=False)
        program.layer(
            "embedding", reads, makes, columns=columns, part=part, tensors=(table,), numbers=(self.categories, unknown),
            codes=self.categories if self.unknown == "error" else 0,
        )  # fmt: skip

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        check_categories(self, self.categories, dtype)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 1, cls(3, 1)
        yield 3, cls(33, 7)
        yield 2, cls(700, 33, unknown=0, initializer="glorot_uniform")
        yield 1, cls(5, 2, trainable=False)

    def __repr__(self) -> str:
        parts = [f"{self.categories}, {self.units}"]
        if self.unknown != "error":
            parts.append(f"unknown={self.unknown!r}")
        if self.initializer != Normal(1.0):
            parts.append(f"initializer={self.initializer!r}")
        return f"Embedding({', '.join([*parts, *self._shown_training()])})"
