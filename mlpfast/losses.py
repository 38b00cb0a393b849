"""Losses, as pure data. Each is a sum over the outputs of a row and a (weighted) mean over rows.

With output ``h``, pre-activation ``z`` and target ``y``, the term of one output is:

- ``mse``: 1/2 (h - y)^2
- ``mae``: abs(h - y)
- ``huber``: 1/2 r^2 where r = abs(h - y) <= delta, delta (r - delta/2) beyond
- ``quantile``: q (y - h) or (1 - q) (h - y), whichever is not negative
- ``poisson``: exp(z) - y z + y log y - y; output activation exponential, or identity (z is then the log-rate)
- ``binary_cross_entropy``: -y log p - (1 - y) log(1 - p); sigmoid, or identity (z is then the logit)
- ``cross_entropy``: -y log p; softmax, or identity (z are then the logits)

The last three are computed from ``z``, whichever of the two output activations the model has: they are exact where a
probability rounds to 0 or 1, and their gradient with respect to ``z`` is ``p - y``.

Names of scikit-learn and Keras are taken too (see `mlpfast.names`), with the formulas above: ``mean_squared_error`` has
its factor 1/2 as a loss, not as a metric, and several outputs add up where Keras and PyTorch take their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from .activations import Activation
from .errors import known_name, real

__all__ = [
    "LOSSES",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "Quantile",
    "Targets",
    "as_loss",
]


@dataclass(frozen=True)
class Targets:
    """What a loss is compared with: numbers between `low` and `high`; or `classes`, as indices or as probabilities."""

    low: float = -inf
    high: float = inf
    classes: bool = False


class Loss:
    """Base of the losses. `name` is what ``loss=`` accepts in place of an instance."""

    name: ClassVar[str]
    #: What it takes as targets.
    targets: ClassVar[Targets] = Targets()
    #: What it is computed from: the model's "outputs", or, by another name, the pre-activations of its last layer.
    reads: ClassVar[str] = "outputs"
    #: Names of the output activations that the loss takes, first the one that makes its predictions; empty means any.
    output_activations: ClassVar[tuple[str, ...]] = ()
    #: The metric that "accuracy" means with this loss; None where it means nothing.
    accuracy: ClassVar[str | None] = None

    @property
    def parameter(self) -> float:
        """The one number that the compiled loss takes (delta of huber, q of quantile); 0 where there is none."""
        return 0.0

    @property
    def smoothing(self) -> float:
        """Label smoothing; 0 where there is none."""
        return 0.0

    def check_output(self, activation: Activation) -> None:
        """Raise a ValueError if a model with this output activation can't be trained with the loss."""
        if self.output_activations and activation.name not in self.output_activations:
            expected = " or ".join(self.output_activations)
            fitting = [name for name, loss in LOSSES.items() if activation.name in loss.output_activations]
            raise ValueError(
                f"expected output activation {expected} for loss {self.name!r} (with identity, the outputs are "
                f"{self.reads}), got {activation.name!r}" + "".join(f"; its loss is {name!r}" for name in fitting)
            )


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """Half the squared error: 1/2 (h - y)^2, so that the mean over rows is 1/(2n) of the sum of squares."""

    name: ClassVar[str] = "mse"


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """The absolute error; its derivative at zero is taken as 0."""

    name: ClassVar[str] = "mae"


@dataclass(frozen=True)
class Huber(Loss):
    """Quadratic up to an error of `delta` > 0, linear beyond (Huber, 1964)."""

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", real("delta", self.delta, above=0.0))

    @property
    def parameter(self) -> float:
        return self.delta


@dataclass(frozen=True)
class Quantile(Loss):
    """The pinball loss, whose minimum is the quantile `q` in (0, 1) (Koenker and Bassett, 1978)."""

    q: float = 0.5
    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        object.__setattr__(self, "q", real("q", self.q, above=0.0, below=1.0))

    @property
    def parameter(self) -> float:
        return self.q


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the unit Poisson deviance, exp(z) - y z + y log y - y, for counts or rates y >= 0."""

    name: ClassVar[str] = "poisson"
    targets: ClassVar[Targets] = Targets(low=0.0)
    reads: ClassVar[str] = "log-rates"
    output_activations: ClassVar[tuple[str, ...]] = ("exponential", "identity")


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Cross-entropy of independent yes/no outputs, for targets in [0, 1].

    `label_smoothing` s in [0, 1) trains against ``(1 - s) y + s / 2``.
    """

    label_smoothing: float = 0.0
    name: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[Targets] = Targets(0.0, 1.0)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("sigmoid", "identity")
    accuracy: ClassVar[str | None] = "binary_accuracy"

    def __post_init__(self) -> None:
        value = real("label_smoothing", self.label_smoothing, at_least=0.0, below=1.0)
        object.__setattr__(self, "label_smoothing", value)

    @property
    def smoothing(self) -> float:
        return self.label_smoothing


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of one class out of several, for class indices, one-hot rows or soft targets.

    `label_smoothing` s in [0, 1) trains against ``(1 - s) y + s / classes`` (Szegedy et al., 2016).
    """

    label_smoothing: float = 0.0
    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[Targets] = Targets(0.0, 1.0, classes=True)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("softmax", "identity")
    accuracy: ClassVar[str | None] = "accuracy"

    def __post_init__(self) -> None:
        value = real("label_smoothing", self.label_smoothing, at_least=0.0, below=1.0)
        object.__setattr__(self, "label_smoothing", value)

    @property
    def smoothing(self) -> float:
        return self.label_smoothing


#: Every loss by name. The compiled ones are listed in csrc/lists.h; tests/test_lists.py holds the two equal.
LOSSES: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (MeanSquaredError, MeanAbsoluteError, Huber, Quantile, Poisson, BinaryCrossEntropy, CrossEntropy)
}


def as_loss(loss: str | Loss) -> Loss:
    """A `Loss` from itself or from its name, or another library's (with its default parameters)."""
    if isinstance(loss, Loss):
        return loss
    return LOSSES[known_name("loss", loss, LOSSES)]()
