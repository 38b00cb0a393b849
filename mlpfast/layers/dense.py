"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..activations import ACTIVATIONS, Activation, as_activation
from ..errors import integer, real
from ..hints import DENSE_ARGUMENTS, explain_arguments
from ..initializers import Initializer, Normal, as_initializer, default_initializer
from ..program import Program
from .base import Layer

__all__ = ["Dense"]


@dataclass(frozen=True, init=False)
class Dense(Layer):
    """A fully connected layer: ``h = activation(x W + b)``, x (n, fan_in), W (fan_in, units), b (units,).

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str or Activation, default "identity"
        See `mlpfast.activations`.
    kernel_initializer : str or Initializer, optional
        Initial weights; by default the one that suits the activation (see `mlpfast.initializers`).
    bias_initializer : str or Initializer, default "zeros"
        Initial biases.
    dropout : float in [0, 1), default 0.0
        In training, each output is zeroed with this probability and the others are divided by ``1 - dropout`` (inverted
        dropout, Srivastava et al., 2014). Not for the last layer of a model.

    Raises
    ------
    ValueError
        For unknown names and for numbers out of range.

    Examples
    --------
    >>> Dense(128, activation="relu", dropout=0.1)
    Dense(128, activation='relu', dropout=0.1)
    """

    name: ClassVar[str] = "dense"

    units: int
    activation: Activation
    kernel_initializer: Initializer
    bias_initializer: Initializer
    dropout: float

    @explain_arguments(DENSE_ARGUMENTS)
    def __init__(
        self,
        units: int,
        activation: str | Activation = "identity",
        kernel_initializer: str | Initializer | None = None,
        bias_initializer: str | Initializer = "zeros",
        dropout: float = 0.0,
    ) -> None:
        activation = as_activation(activation)
        kernel = default_initializer(activation) if kernel_initializer is None else as_initializer(kernel_initializer)
        object.__setattr__(self, "units", integer("units", units))
        object.__setattr__(self, "activation", activation)
        object.__setattr__(self, "kernel_initializer", kernel)
        object.__setattr__(self, "bias_initializer", as_initializer(bias_initializer))
        object.__setattr__(self, "dropout", real("dropout", dropout, at_least=0.0, below=1.0))

    def lower(self, program: Program, reads: int, number: int) -> int:
        fan_in = program.values[reads].columns
        tensors = (
            program.tensor(f"W{number}", (fan_in, self.units), "weight", self.kernel_initializer, (fan_in, self.units)),
            program.tensor(f"b{number}", (self.units,), "bias", self.bias_initializer, (fan_in, self.units)),
        )
        made = program.value(self.units, self.activation)
        program.layer("dense", reads, made, tensors=tensors, packs=True)
        if not self.dropout:
            return made
        fed = program.value(self.units, Activation("identity"))
        program.layer("dropout", made, fed, number=self.dropout, stream=number, trains_only=True, in_place=True)
        return fed

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        for i, activation in enumerate(ACTIVATIONS):
            inputs, units = ((1, 3), (7, 33), (65, 2), (130, 131))[i % 4]
            yield inputs, cls(units, activation, bias_initializer=Normal(0.3), dropout=0.25 * (i % 2))

    def __repr__(self) -> str:
        plain = Activation(self.activation.name) == self.activation
        parts = [str(self.units), f"activation={(self.activation.name if plain else self.activation)!r}"]
        if self.kernel_initializer != default_initializer(self.activation):
            parts.append(f"kernel_initializer={self.kernel_initializer!r}")
        if self.bias_initializer != as_initializer("zeros"):
            parts.append(f"bias_initializer={self.bias_initializer!r}")
        if self.dropout:
            parts.append(f"dropout={self.dropout:g}")
        return f"Dense({', '.join(parts)})"
