"""A factor for each column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..activations import Activation
from ..errors import real_field
from ..hints import explain_constructor
from ..initializers import Constant
from ..program import Program
from .base import Layer

__all__ = ["Scale"]


@explain_constructor({})
@dataclass(frozen=True, repr=False)
class Scale(Layer):
    """A learnt factor for each column: h = x * scale, x (n, columns), scale (columns,).

    In front of a network, it lets training weigh the features: the scaling layer of RealMLP (Holzmüller et al., 2024),
    there with ``learning_rate_scale=6``.

    Parameters
    ----------
    initial : float, default 1.0
        The first factor of all columns.
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`. The tensor ``scale`` has the role "scale".

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.Scale(), mf.Dense(3)])
    >>> model.tensors["scale0"]
    array([1., 1.], dtype=float32)
    """

    initial: float = 1.0
    name: ClassVar[str] = "scale"

    def __post_init__(self) -> None:
        super().__post_init__()
        real_field(self, "initial")

    def lower(self, program: Program, reads: int, place: str) -> int:
        columns = program.values[reads].columns
        scale = program.tensor(f"scale{place}", (columns,), "scale", Constant(self.initial), (columns, columns))
        made = program.value(columns, Activation("identity"))
        program.layer("scale", reads, made, tensors=(scale,))
        return made

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 1, cls()
        yield 33, cls(0.5, learning_rate_scale=6.0)
        yield 130, cls(weight_decay_scale=1.0)
