"""The fully connected layer."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..activations import ACTIVATIONS, Activation, as_activation
from ..errors import boolean, integer, known_name, real
from ..hints import DENSE_ARGUMENTS, explain_arguments
from ..initializers import Initializer, Normal, as_initializer, default_initializer
from ..parts import Rule
from ..program import Program
from .base import Layer

__all__ = ["Dense"]

_PARAMETRIZATIONS = ("standard", "ntp")


@dataclass(frozen=True, init=False, repr=False)
class Dense(Layer):
    """A fully connected layer: ``h = activation(x W + b)``, x (n, fan_in), W (fan_in, units), b (units,).

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str or Activation, default "identity"
        See `mlpfast.activations`.
    kernel_initializer : str or Initializer, optional
        Initial weights; by default the one that suits the activation (see `mlpfast.initializers`). With "data_driven",
        they follow what `Model.adapt` is given, as biases do with "he_plus".
    bias_initializer : str or Initializer, default "zeros"
        Initial biases.
    dropout : float in [0, 1), default 0.0
        In training, each output is zeroed with this probability and the others are divided by ``1 - dropout`` (inverted
        dropout, Srivastava et al., 2014): the same as a `Dropout` layer after it. Not for the last layer of a model.
    use_bias : bool, default True
        Whether there is a b; beside a normalisation that follows, it would have no effect.
    l1, l2 : float >= 0, optional
        Penalties on its weights, ``l1 sum|W| + l2/2 sum W^2``, in place of the trainer's.
    max_norm : float > 0, optional
        After each step, the weights of a unit whose Euclidean norm is above it are scaled down to it (Srebro and
        Shraibman, 2005).
    parametrization : {"standard", "ntp"}, default "standard"
        "ntp" is the neural tangent parametrization (Jacot et al., 2018): optimizers take their steps in V, where
        ``W = V / sqrt(fan_in)``. Of Adam and RMSprop, W then has the steps times ``1 / sqrt(fan_in)``, of SGD times
        ``1 / fan_in``; weight decay is the same. W remains what the layer has: initial values, penalties, `max_norm`
        and clipped gradients are its own, and a V of variance 1 is drawn by "lecun_normal".
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`.

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
    use_bias: bool = True  # defaults, for what was pickled before there was one
    l1: float | None = None
    l2: float | None = None
    max_norm: float | None = None
    parametrization: Literal["standard", "ntp"] = "standard"

    @explain_arguments(DENSE_ARGUMENTS)
    def __init__(
        self,
        units: int,
        activation: str | Activation = "identity",
        kernel_initializer: str | Initializer | None = None,
        bias_initializer: str | Initializer = "zeros",
        dropout: float = 0.0,
        *,
        use_bias: bool = True,
        l1: float | None = None,
        l2: float | None = None,
        max_norm: float | None = None,
        parametrization: Literal["standard", "ntp"] = "standard",
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        activation = as_activation(activation)
        kernel = default_initializer(activation) if kernel_initializer is None else as_initializer(kernel_initializer)
        object.__setattr__(self, "units", integer("units", units))
        object.__setattr__(self, "activation", activation)
        object.__setattr__(self, "kernel_initializer", kernel)
        object.__setattr__(self, "bias_initializer", as_initializer(bias_initializer))
        object.__setattr__(self, "dropout", real("dropout", dropout, at_least=0.0, below=1.0))
        object.__setattr__(self, "use_bias", boolean("use_bias", use_bias))
        object.__setattr__(self, "l1", None if l1 is None else real("l1", l1, at_least=0.0))
        object.__setattr__(self, "l2", None if l2 is None else real("l2", l2, at_least=0.0))
        object.__setattr__(self, "max_norm", None if max_norm is None else real("max_norm", max_norm, above=0.0))
        known_name("parametrization", parametrization, _PARAMETRIZATIONS)
        object.__setattr__(self, "parametrization", sys.intern(str(parametrization)))  # equal layers have equal pickles
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    def lower(self, program: Program, reads: int, place: str) -> int:
        fan_in = program.values[reads].columns
        fans, stream = (fan_in, self.units), 2 * program.n_dense
        multiplier = 1.0 / math.sqrt(fan_in) if self.parametrization == "ntp" else 1.0
        rule = Rule(multiplier=multiplier, l1=self.l1, l2=self.l2, max_norm=self.max_norm)
        tensors = [program.tensor(f"W{place}", fans, "weight", self.kernel_initializer, fans, stream=stream, rule=rule)]
        if self.use_bias:
            shape, initializer = (self.units,), self.bias_initializer
            tensors.append(program.tensor(f"b{place}", shape, "bias", initializer, fans, stream=stream + 1))
        made = program.value(self.units, self.activation)
        program.layer("dense", reads, made, tensors=tuple(tensors), packs=True)
        return program.dropout(made, self.dropout) if self.dropout else made

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        for i, activation in enumerate(ACTIVATIONS):
            inputs, units = ((1, 3), (7, 33), (65, 2), (130, 131))[i % 4]
            yield inputs, cls(units, activation, bias_initializer=Normal(0.3), dropout=0.25 * (i % 2))
        yield 9, cls(37, "tanh", use_bias=False, l2=0.5, learning_rate_scale=2.0, weight_decay_scale=0.5)
        yield 9, cls(5, "relu", trainable=False)
        yield 40, cls(70, "tanh", max_norm=0.5)
        yield 65, cls(33, "gelu", parametrization="ntp", dropout=0.25)
        yield 9, cls(40, "mish", "data_driven", "he_plus")

    def __repr__(self) -> str:
        parts = [str(self.units), f"activation={self._shown(self.activation)}"]
        if self.kernel_initializer != default_initializer(self.activation):
            parts.append(f"kernel_initializer={self.kernel_initializer!r}")
        if self.bias_initializer != as_initializer("zeros"):
            parts.append(f"bias_initializer={self.bias_initializer!r}")
        if self.dropout:
            parts.append(f"dropout={self.dropout:g}")
        if not self.use_bias:
            parts.append("use_bias=False")
        limits = {"l1": self.l1, "l2": self.l2, "max_norm": self.max_norm}
        parts += [f"{name}={value:g}" for name, value in limits.items() if value is not None]
        if self.parametrization != "standard":
            parts.append(f"parametrization={self.parametrization!r}")
        parts += self._shown_training()
        return f"Dense({', '.join(parts)})"
