"""Normalisation of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..activations import Activation
from ..errors import real
from ..initializers import Constant
from ..program import Program
from .base import Layer

__all__ = ["LayerNorm", "RMSNorm"]


@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """Normalise each row: h = (x - mean) / sqrt(variance + epsilon) * scale + shift (Ba et al., 2016).

    Mean and variance are those of the row, in float64 sums; scale and shift are (columns,), ones and zeros to begin
    with.

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

    epsilon: float = 1e-5
    name: ClassVar[str] = "layer_norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "epsilon", real("epsilon", self.epsilon, above=0.0))

    def lower(self, program: Program, reads: int, place: str) -> int:
        return _lower(self, program, reads, place, self.epsilon, centres=True)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 7, cls(0.01)
        yield 65, cls()
        yield 130, cls(learning_rate_scale=0.5)


@dataclass(frozen=True, repr=False)
class RMSNorm(Layer):
    """Divide each row by its root mean square: h = x / sqrt(mean(x^2) + epsilon) * scale (Zhang and Sennrich, 2019).

    The mean is that of the row, in float64 sums; scale is (columns,), ones to begin with.

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

    epsilon: float = 1e-5
    name: ClassVar[str] = "rms_norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "epsilon", real("epsilon", self.epsilon, above=0.0))

    def lower(self, program: Program, reads: int, place: str) -> int:
        return _lower(self, program, reads, place, self.epsilon, centres=False)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 7, cls(0.01)
        yield 65, cls()


def _lower(layer: Layer, program: Program, reads: int, place: str, epsilon: float, centres: bool) -> int:
    columns = program.values[reads].columns
    if columns == 1:
        raise ValueError(f"{type(layer).__name__}: expected rows of at least two columns, got one")
    fans = columns, columns
    tensors = [program.tensor(f"scale{place}", (columns,), "scale", Constant(1.0), fans)]
    if centres:
        tensors.append(program.tensor(f"shift{place}", (columns,), "shift", Constant(0.0), fans))
    made = program.value(columns, Activation("identity"))
    numbers = epsilon, float(centres)
    program.layer(layer.name, reads, made, tensors=tuple(tensors), numbers=numbers, saves=columns, row_notes=1)
    return made
