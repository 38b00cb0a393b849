"""Losses of yes and no, each output by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..activations import Activation
from ..errors import real_field
from ..schedules.plain import Scheduled, scheduled_field
from .base import Loss, Targets, check_length, one_or_several

__all__ = ["BinaryCrossEntropy", "BinaryFocal", "Hinge", "SquaredHinge"]


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Cross-entropy of independent yes/no outputs, for targets in [0, 1].

    `label_smoothing` s in [0, 1), a number or a schedule, trains against ``(1 - s) y + s / 2``. `pos_weight` > 0, one
    for all outputs or one for each, multiplies the part of what is there, -y log p: above 1 it makes up for rare
    labels.

    Examples
    --------
    >>> import mlpfast as mf
    >>> loss = mf.losses.BinaryCrossEntropy(pos_weight=[1, 20, 3])
    >>> trainer = mf.Trainer(mf.mlp([4, 8, 3], "relu", "sigmoid"), loss)
    """

    label_smoothing: Scheduled = 0.0
    pos_weight: float | tuple[float, ...] | None = None
    name: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[Targets] = Targets(0.0, 1.0)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("sigmoid", "identity")
    accuracy: ClassVar[str | None] = "binary_accuracy"

    def __post_init__(self) -> None:
        scheduled_field(self, "label_smoothing", at_least=0.0, below=1.0)
        if self.pos_weight is not None:
            object.__setattr__(self, "pos_weight", one_or_several("pos_weight", self.pos_weight, above=0.0))

    @property
    def smoothing(self) -> float:
        return self.label_smoothing if isinstance(self.label_smoothing, float) else 0.0

    def of_outputs(self, outputs: int) -> tuple[float, ...] | None:
        return (self.pos_weight,) * outputs if isinstance(self.pos_weight, float) else self.pos_weight

    def check_output(self, activation: Activation, outputs: int) -> None:
        super().check_output(activation, outputs)
        check_length("pos_weight", self.pos_weight, outputs)


@dataclass(frozen=True)
class BinaryFocal(Loss):
    """The focal loss of independent yes/no outputs, for targets in [0, 1] (Lin et al., 2017).

    What is well classified counts less, the more so the larger `gamma` >= 0 is. `alpha` in (0, 1) is the weight of yes,
    1 - alpha that of no; None weighs neither. A target in between is both, as far as it goes.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("sigmoid")])  # of logits
    >>> [round(model.loss_and_gradient([[0.0]], [1.0], mf.losses.BinaryFocal(gamma))[0], 4) for gamma in (0, 2)]
    [0.6931, 0.1733]
    """

    gamma: float = 2.0
    alpha: float | None = None
    name: ClassVar[str] = "binary_focal"
    targets: ClassVar[Targets] = Targets(0.0, 1.0)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("sigmoid", "identity")
    accuracy: ClassVar[str | None] = "binary_accuracy"

    def __post_init__(self) -> None:
        real_field(self, "gamma", at_least=0.0)
        if self.alpha is not None:
            real_field(self, "alpha", above=0.0, below=1.0)

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.gamma, 1.0, 1.0) if self.alpha is None else (self.gamma, self.alpha, 1.0 - self.alpha)


@dataclass(frozen=True)
class Hinge(Loss):
    """The hinge loss, max(0, 1 - y z), of a score z, for targets -1 and 1; 0 and 1 stand for these.

    For several classes, targets are one-hot rows: each output tells its class from the others.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("identity")])  # its outputs are its inputs
    >>> [model.loss_and_gradient([[score]], [1], "hinge")[0] for score in (-1.0, 0.5, 2.0)]
    [2.0, 0.5, 0.0]
    """

    name: ClassVar[str] = "hinge"
    targets: ClassVar[Targets] = Targets(-1.0, 1.0, signs=True)
    reads: ClassVar[str] = "scores"
    output_activations: ClassVar[tuple[str, ...]] = ("identity",)
    accuracy: ClassVar[str | None] = "binary_accuracy"


@dataclass(frozen=True)
class SquaredHinge(Hinge):
    """The square of the hinge loss, which has a derivative everywhere; targets as for `Hinge`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("identity")])  # its outputs are its inputs
    >>> [model.loss_and_gradient([[score]], [1], "squared_hinge")[0] for score in (-1.0, 0.5, 2.0)]
    [4.0, 0.25, 0.0]
    """

    name: ClassVar[str] = "squared_hinge"
