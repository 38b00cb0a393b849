"""What losses have in common, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any, ClassVar

from ..activations import Activation
from ..errors import real

__all__ = ["LOSSES", "NUMBERS", "Loss", "Targets", "check_length", "one_or_several"]


@dataclass(frozen=True)
class Targets:
    """What a loss is compared with: numbers between `low` and `high`; or `classes`, as indices or as probabilities.

    `positive` numbers are above 0. `signs` are two classes as -1 and 1, or 0 and 1. `ordered` classes come as indices
    only, from 0 to the number of outputs; `indices` are of classes that come as indices only, too.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.losses.Poisson().targets.low, mf.losses.CrossEntropy().targets.classes
    (0.0, True)
    """

    low: float = -inf
    high: float = inf
    classes: bool = False
    positive: bool = False
    signs: bool = False
    ordered: bool = False
    indices: bool = False


#: Any of them.
NUMBERS = Targets()


class Loss:
    """Base of the losses. `name` is what ``loss=`` accepts in place of an instance.

    Examples
    --------
    >>> import mlpfast as mf
    >>> loss = mf.losses.as_loss("gaussian_nll")
    >>> loss.reads, loss.outputs_per_target, loss.output_activations
    ('means and log-variances', 2, ('identity',))
    """

    name: ClassVar[str]
    #: What it takes as targets.
    targets: ClassVar[Targets] = NUMBERS
    #: What it is computed from: the model's "outputs", or, by another name, the pre-activations of its last layer.
    reads: ClassVar[str] = "outputs"
    #: Names of the output activations that the loss takes, first the one that makes its predictions; empty means any.
    output_activations: ClassVar[tuple[str, ...]] = ()
    #: The metric that "accuracy" means with this loss; None where it means nothing.
    accuracy: ClassVar[str | None] = None

    #: A Python function of targets and outputs, or the address of a C function: in place of a compiled loss.
    called: ClassVar[Callable[..., Any] | None] = None
    address: ClassVar[int] = 0
    #: Whether its gradient is known to be right.
    checked: ClassVar[bool] = True

    @property
    def compiled(self) -> str:
        """The name of the compiled loss."""
        return self.name

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers that the compiled loss takes, such as delta of huber."""
        return ()

    @property
    def smoothing(self) -> float:
        """Label smoothing; 0 where there is none, or a schedule, which training steps alone follow."""
        return 0.0

    @property
    def outputs_per_target(self) -> int:
        """Outputs that a target takes; they stand side by side: ``prediction.reshape(n, targets, these)``."""
        return 1

    @property
    def is_called(self) -> bool:
        """Whether it is a function of the user's, in Python or in C, and no compiled loss."""
        return self.called is not None or bool(self.address)

    @property
    def has_second_derivatives(self) -> bool:
        """Whether it is a compiled loss: the user's own have first derivatives only."""
        return not self.is_called

    def classes(self, outputs: int) -> int:
        """How many classes a model of so many outputs tells apart, where targets are class indices."""
        return outputs

    def of_outputs(self, outputs: int) -> tuple[float, ...] | None:
        """A number for each output, such as the weights of their positive rows; None where the loss takes none."""
        return None

    def check_output(self, activation: Activation, outputs: int) -> None:
        """Raise a ValueError if a model of so many outputs, with this activation, can't be trained with the loss."""
        if self.output_activations and activation.name not in self.output_activations:
            expected = " or ".join(self.output_activations)
            fitting = [repr(name) for name, loss in LOSSES.items() if activation.name in loss.output_activations]
            raise ValueError(
                f"expected output activation {expected} for loss {self.name!r} (with identity, the outputs are "
                f"{self.reads}), got {activation.name!r}" + (f"; its loss is {' or '.join(fitting)}" if fitting else "")
            )
        each = self.outputs_per_target
        if outputs % each:
            raise ValueError(f"expected {each} outputs for each target of loss {self.name!r}, got {outputs} in all")


#: Every loss by name, as the package lists them.
LOSSES: dict[str, type[Loss]] = {}


def one_or_several(name: str, value: Any, **bounds: float) -> float | tuple[float, ...]:
    """A number within the bounds, or a tuple of such."""
    if isinstance(value, (str, Real)) or not isinstance(value, Iterable):
        return real(name, value, **bounds)
    numbers = tuple(real(f"{name}[{i}]", each, **bounds) for i, each in enumerate(value))
    if not numbers:
        raise ValueError(f"expected {name} to be a number or several, got none")
    return numbers


def check_length(name: str, value: float | tuple[float, ...] | None, outputs: int) -> None:
    """Raise a ValueError if a setting has numbers, but not one for each output."""
    if isinstance(value, tuple) and len(value) != outputs:
        raise ValueError(f"expected {name} to have a number for each of {outputs} outputs, got {len(value)}")
