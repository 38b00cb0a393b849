"""A block of layers beside the identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..activations import Activation
from ..hints import TOO_MANY, explain_arguments
from ..program import Program
from .activate import Activate
from .base import Layer, as_layers, lower_all
from .batch_norm import BatchNorm
from .dense import Dense
from .dropout import Dropout
from .row_norms import LayerNorm

__all__ = ["Residual"]

_DEEPEST = 16  # a model file is refused beyond, too


@dataclass(frozen=True, repr=False)
class Residual(Layer):
    """A block of layers beside the identity: h = x + block(x), all of them (n, columns) (He et al., 2016).

    Parameters
    ----------
    layers : sequence of Layer
        The block. Its output is as wide as its input; it may have residuals in it, to a depth of 16.
    trainable, learning_rate_scale, weight_decay_scale
        Of all layers in it: see `Layer`. Scales multiply those that they have themselves.

    Raises
    ------
    ValueError
        If there is no layer, or, when a model is made of it, the block changes the width.

    Examples
    --------
    >>> import mlpfast as mf
    >>> block = mf.Residual([mf.LayerNorm(), mf.Dense(16, "relu"), mf.Dense(8)])
    >>> list(mf.Model(4, [mf.Dense(8), block, mf.Dense(3)]).tensors)
    ['W0', 'b0', 'scale1.0', 'shift1.0', 'W1.1', 'b1.1', 'W1.2', 'b1.2', 'W2', 'b2']
    """

    layers: tuple[Layer, ...]
    name: ClassVar[str] = "residual"

    @explain_arguments({TOO_MANY: "the layers are one sequence: Residual([...])"})
    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        layers = as_layers(layers, "Residual: ")
        for layer in layers:
            if layer.adapts:
                raise ValueError(
                    f"Residual: expected layers that learn by gradients, got {layer!r}, which `adapt` teaches"
                )
        object.__setattr__(self, "layers", layers)
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)
        if (depth := _depth(self)) > _DEEPEST:
            raise ValueError(f"Residual: expected blocks nested at most {_DEEPEST} deep, got {depth}")

    def lower(self, program: Program, reads: int, place: str) -> int:
        program.kept.add(reads)
        before = len(program.layers)
        *_, made = lower_all(program, reads, self.layers, f"{place}.")
        width, block = program.values[reads].columns, program.values[made].columns
        if block != width:
            raise ValueError(
                f"Residual: expected a block whose output is as wide as its input, {width}, got {block} (layer {place})"
            )
        if len(program.layers) == before:
            raise ValueError(
                f"Residual: expected layers that make something of their input, got {list(self.layers)} (layer {place})"
            )
        total = program.value(width, Activation("identity"))
        program.layer("add", made, total, also=reads, passes_on=True)
        return total

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        for layer in self.layers:
            layer.check_dtype(dtype)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 7, cls([Dense(7, "tanh")])
        yield 33, cls([LayerNorm(), Dense(65, "relu"), Dropout(0.25), Dense(33)])
        yield 9, cls([Activate("relu"), Dense(9), cls([Dropout(0.5), Dense(9, "gelu")])])
        yield 16, cls([Dense(16, use_bias=False), BatchNorm(0.5), Activate("silu"), Dropout(0.25)])

    def __repr__(self) -> str:
        return f"Residual({', '.join([repr(list(self.layers)), *self._shown_training()])})"


def _depth(layer: Layer) -> int:
    return 1 + max(map(_depth, layer.layers)) if isinstance(layer, Residual) else 0
