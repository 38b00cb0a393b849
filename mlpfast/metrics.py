"""Metrics: what training reports beside the loss.

A metric is a name, an instance such as ``TopK(3)``, or a function ``f(y_true, y_pred) -> float``:

=================================== ==================================================================================
accuracy, acc                       share of rows whose class is right: the largest output with cross_entropy and its
                                    kin, and with hinge, where it has several; each output on its side of 1/2, or of 0
                                    where outputs are logits or scores, with binary_cross_entropy and its kin, and
                                    with ordinal, where they add up to a class
top_k, TopK(k)                      share of rows whose class is among the k largest outputs; 5 of them
log_loss                            -log p of the class, or of yes or no, from probabilities
brier                               (p - y)^2: its sum over classes, its mean over outputs for yes or no
mse, mean_squared_error             mean over outputs of (h - y)^2
rmse, root_mean_squared_error       the root of that of all rows
mae, mean_absolute_error            mean over outputs of abs(h - y)
mape                                mean over outputs of abs(h - y) / abs(y), a share, not per cent
pinball, Pinball(q)                 mean over outputs of the pinball loss; of the median
r2                                  share of the variance that is explained, mean over outputs
precision, recall, f1               of yes, or means over the classes, as those that follow
balanced_accuracy                   mean over the classes in y of their recall
roc_auc                             area under the curve of true against false positives
ece, calibration_error              how far confidence is from accuracy
=================================== ==================================================================================

Those down to pinball, up to 32 at once, are means over rows and are computed natively, batch by batch while the epoch
runs: those of training are averages over the epoch, as the loss is. The others (`mlpfast.scores`) and functions are
given all targets, as labels (n,) or an array (n, outputs), and all predictions (n, outputs). In evaluation these are
kept from the pass that gives the loss; of the training rows they cost one more pass after each epoch. All named ones
are weighted by the sample weights. A function is given these, or None, as ``sample_weight`` if it has an argument of
that name, or as a third argument if it takes three.

With several outputs of hinge or squared_hinge, metrics of classes take rows of y that have one class each. Metrics of
numbers, as mse is one, are of the outputs as they are, and refused where these are logits, log-rates or log-means.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activations import Activation
from .errors import add_note, integer, known_name, real_field
from .losses import LOSSES, Loss
from .schedules.series import DRIVEN
from .scores import SCORES, Task

__all__ = ["METRICS", "Metric", "Pinball", "TopK", "as_metrics", "check_one_class"]

#: The names that users may give, and the compiled metric of each; None where that depends on the loss, or is a score.
METRICS: dict[str, str | None] = {
    "accuracy": None,
    "top_k": "top_k",
    "log_loss": "log_loss",
    "brier": "brier",
    "mse": "mean_squared_error",
    "mean_squared_error": "mean_squared_error",
    "rmse": "mean_squared_error",
    "root_mean_squared_error": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mean_absolute_error": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mean_absolute_percentage_error": "mean_absolute_percentage_error",
    "pinball": "pinball",
    "ece": None,
    **dict.fromkeys(SCORES),
}

_DEFAULTS = {"top_k": 5.0, "pinball": 0.5}
#: In place of a compiled metric, that of outputs for yes or no.
_OF_YES_NO = {"log_loss": "binary_log_loss", "brier": "mean_squared_error"}
_OF_NUMBERS = ("mape", "mean_absolute_percentage_error", "pinball", "r2")
_OF_CLASSES = ("accuracy", "top_k", "log_loss", "brier", "ece", *(name for name in SCORES if name != "r2"))
_OF_PROBABILITIES = ("log_loss", "brier")
#: Names in the history, and in files of it, that are not the metrics'.
_TAKEN = ("loss", "epoch", *DRIVEN)


@dataclass(frozen=True)
class TopK:
    """Share of rows whose class is among the `k` largest outputs; of equal ones, the first counts as larger.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> model = mf.mlp([64, 10], output_activation="softmax", seed=0)
    >>> trainer = mf.Trainer(model, metrics=["accuracy", mf.metrics.TopK(3), mf.metrics.TopK(10)])
    >>> found = trainer.evaluate(X, y)
    >>> found["accuracy"] < found["top_3"] < found["top_10"]
    True
    """

    k: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", integer("k", self.k))


@dataclass(frozen=True)
class Pinball:
    """The pinball loss of the quantile `q`, mean over outputs.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1])
    >>> model.parameters = [1.0, 0.0]  # its output is its input
    >>> trainer = mf.Trainer(model, "mse", metrics=[mf.metrics.Pinball(0.75)])
    >>> [trainer.evaluate([[h]], [0.0])["pinball_0.75"] for h in (-2.0, 2.0)]  # too little costs more than too much
    [1.5, 0.5]
    """

    q: float = 0.5

    def __post_init__(self) -> None:
        real_field(self, "q", above=0.0, below=1.0)


@dataclass(frozen=True)
class Metric:
    """A metric made ready: its key in the history, and the compiled metric with its number, or a function.

    Examples
    --------
    >>> import mlpfast as mf
    >>> trainer = mf.Trainer(mf.mlp([2, 1]), "mse", metrics=["rmse"])
    >>> trainer.metrics[0].name, trainer.metrics[0].finished(4.0)
    ('rmse', 2.0)
    """

    name: str
    compiled: tuple[str, float] | None = None
    root: bool = False  # of the compiled one
    function: Callable[..., float] | None = None
    weights: str | None = None  # how it takes them: "third", as "sample_weight", "relative" to the largest; not at all
    one_class: bool = False  # has a meaning where each row of the targets has one class, and they don't tell

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Metric:
        """That of a function ``f(y_true, y_pred)``, which may take weights."""
        name = str(getattr(function, "__name__", type(function).__name__))
        return cls(name, function=function, weights=_takes_weights(function))

    def __call__(self, y: Any, prediction: Any, sample_weight: Any) -> float:
        """The function's value; a TypeError if that is no number."""
        assert self.function is not None
        if self.weights == "relative" and sample_weight is not None:
            sample_weight = sample_weight / sample_weight.max()  # so that products of sums do not overflow
        keywords = {"sample_weight": sample_weight} if self.weights == "sample_weight" else {}
        third = (sample_weight,) if self.weights in ("third", "relative") else ()
        try:
            value = self.function(y, prediction, *third, **keywords)
        except Exception as error:
            add_note(error, f"raised by metric {self.name!r}")
            raise
        shape = getattr(value, "shape", ())
        if not shape and not isinstance(value, str):
            with suppress(TypeError, ValueError):
                return float(value)
        got = type(value).__name__ + (f" of shape {tuple(shape)}" if shape else "")
        raise TypeError(f"metric {self.name!r}: expected a number, got {got}")

    def finished(self, mean: float) -> float:
        """The value, from the compiled metric's mean over rows."""
        return math.sqrt(mean) if self.root else float(mean)


def as_metrics(
    metrics: Iterable[Any], loss: Loss, output_activation: Activation, outputs: int = 1
) -> tuple[Metric, ...]:
    """Resolve what the user gave; ValueError or TypeError for what is not a metric, or has no meaning here.

    Examples
    --------
    >>> import mlpfast as mf
    >>> loss, activation = mf.losses.CrossEntropy(), mf.Activation("softmax")
    >>> [metric.name for metric in mf.metrics.as_metrics(["acc", mf.metrics.TopK(3)], loss, activation, 10)]
    ['acc', 'top_3']
    """
    if isinstance(metrics, str):
        raise TypeError(f"expected metrics to be a list, got the string {metrics!r}; write [{metrics!r}]")
    resolved = tuple(_resolved(metric, loss, output_activation, outputs) for metric in metrics)
    names = [metric.name for metric in resolved]
    for name in names:
        if names.count(name) > 1 or name in _TAKEN or name.startswith("val_"):
            raise ValueError(
                f"expected metrics to have names of their own, got {names}; 'val_...', {', '.join(map(repr, _TAKEN))} "
                "are those of other values in the history"
            )
    return resolved


def check_one_class(metrics: Iterable[Metric], y: NDArray[Any], weights: NDArray[np.float64] | None, name: str) -> None:
    """Raise a ValueError if a metric takes rows of one class each, and one of `y`, of this name, is another.

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> metrics = mf.metrics.as_metrics(["accuracy"], mf.losses.Hinge(), mf.Activation("identity"), outputs=2)
    >>> mf.metrics.check_one_class(metrics, np.array([[1, -1], [1, 1]]), None, "y")
    Traceback (most recent call last):
        ...
    ValueError: metric 'accuracy': expected one class in each row of y, where hinge has several outputs, got 2 in row 1;
    for several labels, write a function f(y_true, y_pred)
    """
    asking = [metric.name for metric in metrics if metric.one_class]
    if not asking:
        return
    classes = np.count_nonzero(y > 0, axis=1)
    wrong = classes != 1 if weights is None else (classes != 1) & (weights > 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"metric {asking[0]!r}: expected one class in each row of {name}, where hinge has several outputs, got "
            f"{classes[row]} in row {row}; for several labels, write a function f(y_true, y_pred)"
        )


def _resolved(metric: Any, loss: Loss, activation: Activation, outputs: int) -> Metric:
    if isinstance(metric, TopK):
        return _named(f"top_{metric.k}", "top_k", metric.k, loss, activation, outputs)
    if isinstance(metric, Pinball):
        return _named(f"pinball_{metric.q:g}", "pinball", metric.q, loss, activation, outputs)
    if callable(metric):
        return Metric.of(metric)
    name = known_name("metric", metric, METRICS)
    return _named(metric, name, _DEFAULTS.get(name, 0.0), loss, activation, outputs)


def _named(given: str, name: str, number: float, loss: Loss, activation: Activation, outputs: int) -> Metric:
    if loss.outputs_per_target > 1:
        raise ValueError(
            f"metric {given!r}: expected one output for each target, got {loss.outputs_per_target} of loss "
            f"{loss.name!r}; write a function f(y_true, y_pred)"
        )
    compiled = METRICS[name]
    if name not in _OF_CLASSES:
        if (name in _OF_NUMBERS and loss.targets.classes) or loss.targets.ordered:
            raise ValueError(f"metric {given!r}: expected a loss of numbers, got {loss.name!r}, of classes")
        if activation.name == "identity" and activation.name in loss.output_activations[1:]:
            raise ValueError(
                f"metric {given!r}: expected outputs that are like y, of output activation "
                f"{loss.output_activations[0]}, got {loss.reads} ('identity' with loss {loss.name!r})"
            )
        if compiled is not None:
            return Metric(given, (compiled, number), root=name in ("rmse", "root_mean_squared_error"))
        return Metric(given, function=partial(SCORES[name], Task("numbers")), weights="relative")
    if loss.targets.signs and outputs > 1:
        return replace(_of_a_classifier(given, name, number, loss, activation, "accuracy"), one_class=True)
    return _of_a_classifier(given, name, number, loss, activation, _accuracy(given, loss, activation))


def _of_a_classifier(given: str, name: str, number: float, loss: Loss, activation: Activation, accuracy: str) -> Metric:
    compiled = METRICS[name]
    if name == "accuracy":
        return Metric(given, (accuracy, 0.0))
    task = _task(accuracy, loss, activation)
    if name in (*_OF_PROBABILITIES, "ece", "calibration_error") and (
        activation.name not in ("softmax", "sigmoid") or task.kind == "ordered"
    ):
        raise ValueError(
            f"metric {given!r}: expected probabilities, output activation softmax or sigmoid, got {activation.name!r} "
            f"with loss {loss.name!r}"
        )
    if (name == "top_k" and task.kind != "classes") or (name == "roc_auc" and task.kind == "ordered"):
        raise ValueError(f"metric {given!r}: expected an output for each of several classes, got loss {loss.name!r}")
    if compiled is not None:
        return Metric(given, (_OF_YES_NO.get(name, compiled) if task.kind == "yes_no" else compiled, number))
    score = SCORES["calibration_error" if name == "ece" else name]
    return Metric(given, function=partial(score, task), weights="relative")


def _task(accuracy: str, loss: Loss, activation: Activation) -> Task:
    threshold = 0.5 if activation.name == "sigmoid" or loss.reads == "outputs" else 0.0
    if accuracy == "accuracy":
        return Task("classes", logits=activation.name == "identity" and loss.targets.classes)
    return Task("ordered" if accuracy == "ordinal_accuracy" else "yes_no", threshold)


def _accuracy(given: str, loss: Loss, output_activation: Activation) -> str:
    by_output: dict[str, str] = {}
    for each in LOSSES.values():
        if each.accuracy and each.output_activations[0] != "identity":
            by_output.setdefault(each.output_activations[0], each.accuracy)
    compiled = loss.accuracy or by_output.get(output_activation.name)
    if compiled is None:
        raise ValueError(
            f"expected a classifier for metric {given!r}: loss cross_entropy or binary_cross_entropy, or output "
            f"activation softmax or sigmoid; got loss {loss.name!r} and output activation {output_activation.name!r}"
        )
    return compiled


def _takes_weights(function: Callable[..., Any]) -> str | None:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some compiled functions have none
        return None
    if "sample_weight" in parameters:
        return "sample_weight"
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters.values() if p.default is p.empty and p.kind in positional]
    return "third" if len(needed) == 3 else None
