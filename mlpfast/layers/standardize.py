"""Standardisation of the data within the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation
from ..errors import known_name, real
from ..hints import STANDARDIZE_ARGUMENTS, explain_constructor
from ..program import Program
from .base import Layer

__all__ = ["Standardize"]

_METHODS = ("standard", "robust")


@explain_constructor(STANDARDIZE_ARGUMENTS)
@dataclass(frozen=True, repr=False)
class Standardize(Layer):
    """Centre and scale each column by what `Model.adapt` learns from data, once: a saved model then takes raw inputs.

    ``h = (x + offset) * factor``; `offset` and `factor` (columns,) are buffers of the model, and gradients do not reach
    them. Columns that do not vary become zero.

    Parameters
    ----------
    method : {"standard", "robust"}, default "standard"
        "standard": by mean and standard deviation. "robust": by the median and the distance of the quartiles, or, where
        that is zero, half of the range (RealMLP, Holzmüller et al., 2024).
    clip : float > 0, optional
        Limits values smoothly to (-clip, clip): h / sqrt(1 + (h / clip)^2). RealMLP takes 3 with "robust".
    trainable, learning_rate_scale, weight_decay_scale
        Without effect: it has no parameters.

    Raises
    ------
    ValueError
        If an argument is out of range; by the model, if `Model.adapt` was not called before.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Standardize()], dtype="float64")
    >>> model.adapt([[1.0], [3.0]])
    >>> model([[1.0], [2.0], [3.0]])
    array([[-1.],
           [ 0.],
           [ 1.]])
    """

    method: Literal["standard", "robust"] = "standard"
    clip: float | None = None
    name: ClassVar[str] = "standardize"

    def __post_init__(self) -> None:
        super().__post_init__()
        known_name("method", self.method, _METHODS)
        object.__setattr__(self, "clip", None if self.clip is None else real("clip", self.clip, above=0.0))

    def lower(self, program: Program, reads: int, place: str) -> int:
        columns = program.values[reads].columns
        buffers = tuple(program.buffer(f"{what}{place}", (columns,), np.nan) for what in ("offset", "factor"))
        clip = Activation("identity") if self.clip is None else Activation("smooth_clip", self.clip)
        made = program.value(columns, clip)
        program.layer("standardize", reads, made, buffers=buffers)
        return made

    @property
    def adapts(self) -> bool:
        return True

    def adapt(self, X: NDArray[Any], place: str) -> Mapping[str, NDArray[Any]]:
        X = X.astype(np.float64)
        if self.method == "standard":
            centre, width = X.mean(axis=0), X.std(axis=0)
        else:
            low, centre, high = np.quantile(X, (0.25, 0.5, 0.75), axis=0)
            width = high - low
            width = np.where(width == 0, (X.max(axis=0) - X.min(axis=0)) / 2, width)
        varies = (X[0] != X).any(axis=0)  # rounding may leave a deviation where nothing varies
        return {
            f"offset{place}": -centre,
            f"factor{place}": np.divide(1.0, width, out=np.zeros_like(width), where=varies & (width > 0)),
        }

    def transform(self, X: NDArray[Any], learnt: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """What it makes of its input, having learnt offset and factor."""
        offset, factor = learnt
        made: NDArray[Any] = (X + offset) * factor
        if self.clip is not None:
            made = made / np.sqrt(1 + (made / self.clip) ** 2)
        return made.astype(X.dtype)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 7, cls()
        yield 33, cls("robust", clip=3.0)
