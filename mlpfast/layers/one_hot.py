"""Categories as ones among zeros."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import integer
from ..hints import ONE_HOT_ARGUMENTS, explain_arguments
from ..program import Program
from .base import Layer
from .encoder import Encoder, check_categories, checked_unknown, number_of_unknown

__all__ = ["OneHot"]


@dataclass(frozen=True, init=False, repr=False)
class OneHot(Encoder):
    """Each code of a category as a row of zeros with a one in its place, for columns of few categories.

    Of codes x (n, columns) it makes h (n, columns * categories): ``h[i, c * categories + x[i, c]]`` is 1, everything
    else 0. Codes are whole numbers from 0 to ``categories - 1``, as scikit-learn's `OrdinalEncoder` and pandas'
    ``cat.codes`` give them. Of sparse rows it reads the stored entries; what is not stored is code 0.

    Parameters
    ----------
    categories : int
        Of each column, which becomes as many columns.
    unknown : "error", "ignore" or int, default "error"
        What to do with anything else: raise an error that names row and column, leave all at zero, or take it for
        the code that is given.
    trainable, learning_rate_scale, weight_decay_scale
        Without effect: it has no parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; when a model is made of it, if it is not the first layer, or
        a float32 model cannot hold that many whole numbers; by the model, for codes of no category.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.OneHot(3)])
    >>> model([[0, 2], [1, 1]])
    array([[1., 0., 0., 0., 0., 1.],
           [0., 1., 0., 0., 1., 0.]], dtype=float32)
    """

    categories: int
    unknown: str | int = "error"
    name: ClassVar[str] = "one_hot"
    reads_codes: ClassVar[bool] = True

    @explain_arguments(ONE_HOT_ARGUMENTS)
    def __init__(
        self,
        categories: int,
        unknown: str | int = "error",
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        object.__setattr__(self, "categories", integer("categories", categories))
        object.__setattr__(self, "unknown", checked_unknown(unknown, self.categories, may_ignore=True))
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    def width(self, n_columns: int) -> int:
        return n_columns * self.categories

    def encode(
        self, program: Program, reads: int, makes: int, part: tuple[int, int], columns: tuple[int, ...], place: str
    ) -> None:
        unknown = number_of_unknown(self.unknown)
        codes = self.categories if self.unknown == "error" else 0
        program.layer("one_hot", reads, makes, columns=columns, part=part, codes=codes, numbers=(unknown,))

    def transform(self, X: NDArray[Any], learnt: object) -> NDArray[Any]:
        """What it makes of codes (n, columns)."""
        instead = self.unknown if isinstance(self.unknown, int) else -1
        codes = np.where(np.isin(X, np.arange(self.categories)), X, instead)
        encoded: NDArray[Any] = (codes[:, :, None] == np.arange(self.categories)).astype(X.dtype)
        return encoded.reshape(len(X), -1)

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        check_categories(self, self.categories, dtype)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 1, cls(2)
        yield 4, cls(33)
        yield 2, cls(5, unknown="ignore")
        yield 3, cls(7, unknown=0)
