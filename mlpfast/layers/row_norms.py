"""Normalisation of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..activations import Activation
from ..errors import real_field
from ..hints import NORM_ARGUMENTS, explain_constructor
from ..initializers import Constant
from ..program import Program
from .base import Layer, refuse_width

__all__ = ["LayerNorm", "RMSNorm"]


@dataclass(frozen=True, repr=False)
class _RowNorm(Layer):
    """What the norms of rows have in common."""

    epsilon: float = 1e-5
    centres: ClassVar[bool]  # whether the mean is taken off, and a shift added

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_width(self, "epsilon", 1e-5)
        real_field(self, "epsilon", above=0.0)

    def lower(self, program: Program, reads: int, place: str) -> int:
        columns = program.values[reads].columns
        if columns == 1:
            raise ValueError(f"{type(self).__name__}: expected rows of at least two columns, got one (layer {place})")
        fans = columns, columns
        tensors = [program.tensor(f"scale{place}", (columns,), "scale", Constant(1.0), fans)]
        if self.centres:
            tensors.append(program.tensor(f"shift{place}", (columns,), "shift", Constant(0.0), fans))
        made = program.value(columns, Activation("identity"))
        numbers = self.epsilon, float(self.centres)
        program.layer(
            self.name,
            reads,
            made,
            tensors=tuple(tensors),
            numbers=numbers,
            saves=columns,
            saves_in_place=True,
            row_notes=1,
        )
        return made


@explain_constructor(NORM_ARGUMENTS)
@dataclass(frozen=True, repr=False)
class LayerNorm(_RowNorm):
    """Normalise each row: h = (x - mean) / sqrt(variance + epsilon) * scale + shift (Ba et al., 2016).

    x and h are (n, columns). Mean and variance are those of the row, in float64 sums; scale and shift are (columns,),
    ones and zeros to begin with.

    Parameters
    ----------
    epsilon : float > 0, default 1e-5
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`.

    Raises
    ------
    ValueError
        If it would normalise rows of one column, which leaves nothing of them.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.Model(2, [mf.LayerNorm()])([[1.0, 5.0]]).round(3)
    array([[-1.,  1.]], dtype=float32)
    """

    name: ClassVar[str] = "layer_norm"
    centres: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 7, cls(0.01)
        yield 65, cls()
        yield 130, cls(learning_rate_scale=0.5)


@explain_constructor(NORM_ARGUMENTS)
@dataclass(frozen=True, repr=False)
class RMSNorm(_RowNorm):
    """Divide each row by its root mean square: h = x / sqrt(mean(x^2) + epsilon) * scale (Zhang and Sennrich, 2019).

    x and h are (n, columns). The mean is that of the row, in float64 sums; scale is (columns,), ones to begin with.

    Parameters
    ----------
    epsilon : float > 0, default 1e-5
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`.

    Raises
    ------
    ValueError
        If it would normalise rows of one column, which leaves only the sign of them.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.Model(2, [mf.RMSNorm()])([[1.0, 7.0]]).round(3)
    array([[0.2, 1.4]], dtype=float32)
    """

    name: ClassVar[str] = "rms_norm"
    centres: ClassVar[bool] = False

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 7, cls(0.01)
        yield 65, cls()
