"""Losses of one class out of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..activations import Activation
from ..errors import real_field
from ..schedules.plain import Scheduled, scheduled_field
from .base import Loss, Targets, check_length, one_or_several

__all__ = ["CrossEntropy", "Focal", "KLDivergence", "Ordinal"]


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of one class out of several, for class indices, one-hot rows or soft targets.

    `label_smoothing` s in [0, 1), a number or a schedule, trains against ``(1 - s) y + s / classes`` (Szegedy et al.,
    2016).

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.Activate("softmax")])  # of logits
    >>> round(model.loss_and_gradient([[0.0, 0.0]], [1], "cross_entropy")[0], 4)  # log 2
    0.6931
    >>> trainer = mf.Trainer(mf.mlp([4, 3], output_activation="softmax"), mf.losses.CrossEntropy(label_smoothing=0.1))
    """

    label_smoothing: Scheduled = 0.0
    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[Targets] = Targets(0.0, 1.0, classes=True)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("softmax", "identity")
    accuracy: ClassVar[str | None] = "accuracy"

    def __post_init__(self) -> None:
        scheduled_field(self, "label_smoothing", at_least=0.0, below=1.0)

    @property
    def smoothing(self) -> float:
        return self.label_smoothing if isinstance(self.label_smoothing, float) else 0.0


@dataclass(frozen=True)
class Focal(Loss):
    """The focal loss of one class out of several, for class indices, one-hot rows or soft targets (Lin et al., 2017).

    What is well classified counts less, the more so the larger `gamma` >= 0 is; where p rounds to 1 it counts nothing.
    `alpha` has a weight > 0 for each class; None weighs none.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.Activate("softmax")])  # of logits
    >>> loss = mf.losses.Focal(gamma=2, alpha=[1, 10])
    >>> [round(model.loss_and_gradient([[0.0, 0.0]], [label], loss)[0], 4) for label in (0, 1)]
    [0.1733, 1.7329]
    """

    gamma: float = 2.0
    alpha: tuple[float, ...] | None = None
    name: ClassVar[str] = "focal"
    targets: ClassVar[Targets] = Targets(0.0, 1.0, classes=True)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("softmax", "identity")
    accuracy: ClassVar[str | None] = "accuracy"

    def __post_init__(self) -> None:
        real_field(self, "gamma", at_least=0.0)
        if self.alpha is not None:
            weights = one_or_several("alpha", self.alpha, above=0.0)
            if not isinstance(weights, tuple):
                raise TypeError(f"expected alpha to be a weight for each class, or None, got {self.alpha!r}")
            object.__setattr__(self, "alpha", weights)

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.gamma,)

    def of_outputs(self, outputs: int) -> tuple[float, ...] | None:
        return self.alpha

    def check_output(self, activation: Activation, outputs: int) -> None:
        super().check_output(activation, outputs)
        check_length("alpha", self.alpha, outputs)


@dataclass(frozen=True)
class KLDivergence(Loss):
    """The Kullback-Leibler divergence of the outputs from targets that are probabilities (or class indices).

    Its gradient is that of the cross-entropy; its value is zero where the model gives the targets themselves.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.Activate("softmax")])  # of logits
    >>> [round(model.loss_and_gradient([[0.0, 0.0]], [p], "kl_divergence")[0], 4) for p in ([0.5, 0.5], [0.9, 0.1])]
    [0.0, 0.3681]
    """

    name: ClassVar[str] = "kl_divergence"
    targets: ClassVar[Targets] = Targets(0.0, 1.0, classes=True)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("softmax", "identity")
    accuracy: ClassVar[str | None] = "accuracy"


@dataclass(frozen=True)
class Ordinal(Loss):
    """Classes in an order, as grades are, for class indices from 0 to the number of outputs.

    A model of K - 1 outputs tells K classes: output c is the logit, or with sigmoid the probability, of "above class
    c", and the loss is the sum of their binary cross-entropies (Frank and Hall, 2001; Cao et al., 2020). The class is
    the number of outputs that say yes: ``(model.predict(X) > 0.5).sum(axis=1)``.

    Examples
    --------
    >>> import mlpfast as mf
    >>> stars = mf.mlp([4, 8, 4], "relu", "sigmoid")  # 0 to 4
    >>> trainer = mf.Trainer(stars, "ordinal", metrics=["accuracy"])
    """

    name: ClassVar[str] = "ordinal"
    targets: ClassVar[Targets] = Targets(classes=True, ordered=True)
    reads: ClassVar[str] = "cumulative logits"
    output_activations: ClassVar[tuple[str, ...]] = ("sigmoid", "identity")
    accuracy: ClassVar[str | None] = "ordinal_accuracy"

    def classes(self, outputs: int) -> int:
        return outputs + 1
