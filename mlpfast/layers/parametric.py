"""Activations with a parameter for each unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..activations import Activation, as_activation
from ..errors import real, real_field
from ..hints import PRELU_ARGUMENTS, explain_arguments, explain_constructor
from ..initializers import Constant
from ..program import Program
from .base import Layer, refuse_width

__all__ = ["PReLU", "Parametric"]


@explain_constructor(PRELU_ARGUMENTS)
@dataclass(frozen=True, repr=False)
class PReLU(Layer):
    """The parametric rectifier: h = z for z > 0, alpha z elsewhere, with an alpha for each unit (He et al., 2015).

    z and h are (n, columns), alpha is (columns,).

    Parameters
    ----------
    initial : float, default 0.25
        The first alpha of all units; the tensor ``alpha`` (columns,) has the role "slope".
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.Model(1, [mf.PReLU(0.5)], dtype="float64")([[-2.0], [3.0]])
    array([[-1.],
           [ 3.]])
    """

    initial: float = 0.25
    name: ClassVar[str] = "prelu"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_width(self, "initial", 0.25)
        real_field(self, "initial")

    def lower(self, program: Program, reads: int, place: str) -> int:
        return _lower(program, reads, place, Activation("relu"), self.initial, f_first=True)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 7, cls()
        yield 65, cls(-0.5, learning_rate_scale=0.1)


@dataclass(frozen=True, repr=False)
class Parametric(Layer):
    """Between the identity and an activation f: h = z + alpha (f(z) - z), with an alpha for each unit.

    z and h are (n, columns), alpha is (columns,). Of RealMLP (Holzmüller et al., 2024), with alpha 1 to begin with.

    Parameters
    ----------
    activation : str or Activation
        f; any but softmax.
    initial : float, default 1.0
        The first alpha of all units; the tensor ``alpha`` (columns,) has the role "slope".
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`.

    Raises
    ------
    ValueError
        If the activation is unknown, or softmax.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.Model(1, [mf.Parametric("relu", 0.5)], dtype="float64")([[-2.0], [3.0]])
    array([[-1.],
           [ 3.]])
    """

    activation: Activation
    initial: float
    name: ClassVar[str] = "parametric"

    @explain_arguments({})
    def __init__(
        self,
        activation: str | Activation,
        initial: float = 1.0,
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        activation = as_activation(activation)
        if activation.name == "softmax":
            raise ValueError("expected an activation that goes element by element, got 'softmax'")
        object.__setattr__(self, "activation", activation)
        object.__setattr__(self, "initial", real("initial", initial))
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    def lower(self, program: Program, reads: int, place: str) -> int:
        return _lower(program, reads, place, self.activation, self.initial, f_first=False)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        for i, activation in enumerate(("selu", "mish", "tanh", "gelu")):
            yield (1, 7, 33, 130)[i], cls(activation, 0.75)
        yield 9, cls(Activation("elu", 0.5))

    def __repr__(self) -> str:
        initial = [] if self.initial == 1.0 else [f"initial={self.initial!r}"]
        return f"Parametric({', '.join([self._shown(self.activation), *initial, *self._shown_training()])})"


def _lower(program: Program, reads: int, place: str, f: Activation, initial: float, f_first: bool) -> int:
    columns = program.values[reads].columns
    alpha = program.tensor(f"alpha{place}", (columns,), "slope", Constant(initial), (columns, columns))
    made = program.value(columns, Activation("identity"))
    name = "prelu" if f_first else "parametric"
    program.layer(name, reads, made, tensors=(alpha,), activation=f, numbers=(float(f_first),), saves=columns)
    return made
