"""An activation by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..activations import ACTIVATIONS, Activation, as_activation
from ..hints import explain_arguments
from ..program import Program
from .base import Layer

__all__ = ["Activate"]


@dataclass(frozen=True, repr=False)
class Activate(Layer):
    """An activation by itself, h = g(x), both (n, columns): behind layers that have none, such as a norm before g.

    It costs no pass of its own where whoever makes x can apply g.

    Parameters
    ----------
    activation : str or Activation
        See `mlpfast.activations`. Unlike ``Dense(activation=)`` it does not change how the weights before it are drawn:
        with ``relu`` and its relatives, give these ``kernel_initializer="he_uniform"``, unless a norm is between.
    trainable, learning_rate_scale, weight_decay_scale
        Without effect: it has no parameters.

    Raises
    ------
    ValueError
        If the activation is unknown.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(4, [mf.Dense(8, use_bias=False), mf.BatchNorm(), mf.Activate("relu"), mf.Dense(3)])
    >>> model.layers[2]
    Activate('relu')
    """

    activation: Activation
    name: ClassVar[str] = "activate"

    @explain_arguments({})
    def __init__(
        self,
        activation: str | Activation,
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        object.__setattr__(self, "activation", as_activation(activation))
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    def lower(self, program: Program, reads: int, place: str) -> int:
        if program.may_activate(reads):
            program.values[reads] = program.values[reads]._replace(activation=self.activation)
            return reads
        made = program.value(program.values[reads].columns, self.activation)
        program.layer("activate", reads, made)
        return made

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        for i, activation in enumerate(ACTIVATIONS):
            yield (1, 7, 33, 130)[i % 4], cls(activation)

    def __repr__(self) -> str:
        return f"Activate({', '.join([self._shown(self.activation), *self._shown_training()])})"
