"""Outputs in ascending order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..activations import Activation
from ..errors import integer
from ..hints import explain_constructor
from ..program import Program
from .base import Layer

__all__ = ["Ascending"]


@explain_constructor({})
@dataclass(frozen=True, repr=False)
class Ascending(Layer):
    """Columns in ascending order: the first as it is, each other one above the one before it.

    ``h_0 = x_0, h_j = h_(j-1) + softplus(x_j)``: smooth, and one to one with all columns that ascend. As the last layer
    it keeps the quantiles of `losses.Quantile` from crossing, as increments do in Park et al., "Learning quantile
    functions without quantile crossing for distribution-free time series forecasting" (2022).

    Parameters
    ----------
    group : int, optional
        Each so many columns are in order by themselves, as the quantiles of each target are; by default all columns.
    trainable, learning_rate_scale, weight_decay_scale
        Without effect: it has no parameters.

    Raises
    ------
    TypeError, ValueError
        If `group` is no positive integer; when a model is made of it, if it does not divide the number of columns.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(4, [mf.Dense(8, "tanh"), mf.Dense(3), mf.Ascending()], seed=0)
    >>> trainer = mf.Trainer(model, mf.losses.Quantile([0.1, 0.5, 0.9]))
    >>> low, median, high = model.predict([1.0, 2.0, 3.0, 4.0])[0]
    >>> bool(low < median < high)
    True
    """

    group: int | None = None
    name: ClassVar[str] = "ascending"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group is not None:
            object.__setattr__(self, "group", integer("group", self.group))

    def lower(self, program: Program, reads: int, place: str) -> int:
        columns = program.values[reads].columns
        group = self.group or columns
        if columns % group:
            raise ValueError(
                f"Ascending: expected groups of {group} columns, got {columns} columns in all (layer {place})"
            )
        made = program.value(columns, Activation("identity"))
        program.layer("ascending", reads, made, activation=Activation("softplus"), numbers=(float(group),))
        return made

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 1, cls()
        yield 9, cls(3)
        yield 33, cls()
        yield 130, cls(5)
