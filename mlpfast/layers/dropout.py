"""Dropout by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..errors import real_field
from ..hints import DROPOUT_ARGUMENTS, explain_constructor
from ..program import Program
from .base import Layer

__all__ = ["Dropout"]


@explain_constructor(DROPOUT_ARGUMENTS)
@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """In training, zero each element with probability `rate` and divide the others by ``1 - rate``.

    That is ``h = x * mask / (1 - rate)``, all of them (n, columns), a mask of zeros and ones being drawn for each step:
    inverted dropout (Srivastava et al., 2014). A prediction, an evaluation and `Model.loss_and_gradient` pass over it.
    Right after a `Dense` it is the same as that layer's ``dropout=``, mask for mask; any other has masks of its own. It
    can't be the last layer of a model.

    Parameters
    ----------
    rate : float in [0, 1)
        With 0 the layer does nothing.
    trainable, learning_rate_scale, weight_decay_scale
        Without effect: it has no parameters.

    Raises
    ------
    ValueError
        If `rate` is out of range.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.Model(4, [mf.Dropout(0.1), mf.Dense(8, "relu"), mf.Dropout(0.5), mf.Dense(3)]).sizes
    (4, 8, 3)
    """

    rate: float
    name: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        super().__post_init__()
        real_field(self, "rate", at_least=0.0, below=1.0)

    def lower(self, program: Program, reads: int, place: str) -> int:
        return program.dropout(reads, self.rate) if self.rate else reads

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 7, cls(0.25)
        yield 65, cls(0.5)
