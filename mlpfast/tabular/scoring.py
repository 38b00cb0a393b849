"""What the best epoch is chosen by: functions of targets, predictions and weights, and whether more is better."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from ..errors import unknown_name
from ..metrics import Metric
from ..scores import Task, balanced_accuracy, f1, roc_auc
from .families import Family

__all__ = ["Scorer", "check_held", "of_classes", "of_labels", "of_numbers"]

#: f(targets, outputs, weights): class numbers and probabilities, or targets and predictions (n, targets).
Scorer: TypeAlias = Callable[[NDArray[Any], NDArray[Any], Any], float]

_CLASSES, _YES_NO = Task("classes"), Task("yes_no")


def _accuracy(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    return float(np.average(p.argmax(axis=1) == y, weights=w))


def _log_loss(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    chances = p[np.arange(len(y)), y].astype(np.float64)
    return float(np.average(-np.log(np.maximum(chances, np.finfo(np.float64).tiny)), weights=w))


def _auc(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    """Of rows that have every class: see `check_held`."""
    return roc_auc(_YES_NO, y, p[:, 1:], w) if p.shape[1] == 2 else roc_auc(_CLASSES, y, p, w)


def _f1(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    return f1(_YES_NO, y, p[:, 1:], w) if p.shape[1] == 2 else f1(_CLASSES, y, p, w)


def _balanced_accuracy(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    return balanced_accuracy(_CLASSES, y, p, w)


def _rmse(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    error = y - p
    unit = np.abs(error).max() or 1.0  # squares of 1e200 would be infinite
    return float(unit * np.average(np.sqrt(np.average((error / unit) ** 2, axis=0, weights=w))))


def _mae(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    return float(np.average(np.average(np.abs(y - p), axis=0, weights=w)))


def _r2(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    return float(metrics.r2_score(y, p, sample_weight=w)) if len(y) > 1 else -_rmse(y, p, w)


def _pinball(family: Family, y: NDArray[Any], found: NDArray[Any], w: Any) -> float:
    """The mean over the quantiles; where there are none, of the median."""
    quantiles = family.quantiles or (0.5,)
    error = y[:, :, None] - found.reshape(len(y), -1, family.each)[..., : len(quantiles)]
    losses = np.maximum(np.array(quantiles) * error, (np.array(quantiles) - 1) * error)
    return float(np.average(losses.mean(axis=(1, 2)), weights=w))


def _deviance(family: Family, y: NDArray[Any], found: NDArray[Any], w: Any) -> float:
    targets = zip(y.T, found.T, strict=True)
    each = [metrics.mean_tweedie_deviance(t, p, sample_weight=w, power=family.power) for t, p in targets]
    return float(np.mean(each))


def _nll(family: Family, y: NDArray[Any], found: NDArray[Any], w: Any) -> float:
    mean, deviation = found[:, ::2], found[:, 1::2]
    terms = np.log(np.sqrt(2 * np.pi) * deviation) + ((y - mean) / deviation) ** 2 / 2
    return float(np.average(terms.mean(axis=1), weights=w))


def _log_loss_of_labels(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    chances = np.where(y > 0.5, p, 1 - p)
    terms = -np.log(np.maximum(chances, np.finfo(np.float32).eps))
    return float(np.average(terms.mean(axis=1), weights=w))


def _auc_of_labels(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    """One half, if there is no label that some rows have, and some have not."""
    area = roc_auc(_YES_NO, y, p, w)
    return area if np.isfinite(area) else 0.5


def _accuracy_of_labels(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    """Rows of which every label is right, as scikit-learn counts them."""
    return float(np.average(((p > 0.5) == (y > 0.5)).all(axis=1), weights=w))


_OF_LABELS: dict[str, tuple[Scorer, bool]] = {
    "log_loss": (_log_loss_of_labels, False),
    "accuracy": (_accuracy_of_labels, True),
    "auc": (_auc_of_labels, True),
    "f1": (partial(f1, _YES_NO), True),
}
_OF_CLASSES: dict[str, tuple[Scorer, bool]] = {
    "accuracy": (_accuracy, True),
    "log_loss": (_log_loss, False),
    "auc": (_auc, True),
    "f1": (_f1, True),
    "balanced_accuracy": (_balanced_accuracy, True),
}
_OF_NUMBERS: dict[str, tuple[Scorer, bool]] = {"rmse": (_rmse, False), "mae": (_mae, False), "r2": (_r2, True)}


def of_classes(metric: Any, classes: NDArray[Any]) -> tuple[str, Scorer, bool]:
    """The name of a classifier's metric, its function, and whether more is better, as it is of the user's."""
    if callable(metric):
        if _takes_probabilities(metric):
            return _of_user(metric, lambda y, p: (classes[y], np.array(p[:, 1] if p.shape[1] == 2 else p)))
        return _of_user(metric, lambda y, p: (classes[y], classes[p.argmax(axis=1)]))
    return _named(metric or "accuracy", _OF_CLASSES)


def check_held(name: str, targets: NDArray[Any], classes: NDArray[Any]) -> None:
    """A ValueError that names the class, for a metric of classes that these rows held out (n,) do not define."""
    there = np.isin(np.arange(len(classes)), targets)
    if name == "auc" and not there.all():
        raise ValueError(
            f"expected rows of every class among those held out, for eval_metric='auc', got none of "
            f"{classes.tolist()[int(np.argmin(there))]!r:.60} in {len(targets)} rows"
        )


def of_labels(metric: Any) -> tuple[str, Scorer, bool]:
    """As `of_classes`, of several labels; functions are given these, (n, labels) of 0 and 1, and what is predicted."""
    if callable(metric):
        if _takes_probabilities(metric):
            return _of_user(metric, lambda y, p: (y.astype(np.int64), np.array(p)))
        return _of_user(metric, lambda y, p: (y.astype(np.int64), (p > 0.5).astype(np.int64)))
    return _named(metric or "log_loss", _OF_LABELS)


def of_numbers(metric: Any, family: Family) -> tuple[str, Scorer, bool]:
    """As `of_classes`, of a regressor's metric; functions are given what `finish` of the family makes of outputs."""
    if callable(metric):
        name, function, more = _of_user(
            metric, lambda *both: [np.array(a[:, 0] if a.shape[1] == 1 else a) for a in both]
        )
        return name, _of_points(family, function), more
    known = {name: (_of_points(family, function), more) for name, (function, more) in _OF_NUMBERS.items()}
    known["pinball"] = (partial(_pinball, family), False)
    if family.power is not None:
        known["deviance"] = (partial(_deviance, family), False)
    if family.name == "gaussian":
        known["nll"] = (partial(_nll, family), False)
    return _named(metric or family.metric, known)


def _of_user(metric: Callable[..., Any], given: Callable[..., Any]) -> tuple[str, Scorer, bool]:
    """A function of the user's, and what it is given of targets and predictions: arrays of its own."""
    _check_function(metric)
    made = Metric.of(metric)

    def score(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
        true, found = given(y, p)
        return made(true, found, w)

    return made.name, score, True


def _check_function(metric: Callable[..., Any]) -> None:
    """An error for what scikit-learn calls a scorer, or an error, a loss or a deviance: less of these is better."""
    function = metric.func if isinstance(metric, partial) else metric
    module, name = str(getattr(function, "__module__", "")), str(getattr(function, "__name__", ""))
    if module == "sklearn.metrics._scorer":
        raise TypeError(f"expected a function f(y_true, y_pred) as eval_metric, got a scorer, {metric!r:.60}; "
                        "give the function that it was made of")  # fmt: skip
    if module.startswith("sklearn.metrics.") and name.endswith(("_error", "_loss", "_deviance")):
        raise ValueError(f"expected a function whose larger values are better as eval_metric, got {name}; give one "
                         f"that returns -{name}(...), or a name")  # fmt: skip


def _takes_probabilities(metric: Callable[..., Any]) -> bool:
    """Whether the second argument has the name that scikit-learn's functions have for them."""
    try:
        names = list(inspect.signature(metric).parameters)
    except (TypeError, ValueError):  # some built-in functions have none
        return False
    return names[1:2] in (["y_score"], ["y_prob"], ["y_proba"])


def _of_points(family: Family, score: Scorer) -> Scorer:
    return lambda y, found, w: score(y, family.point(found), w)


def _named(name: Any, known: Mapping[str, tuple[Scorer, bool]]) -> tuple[str, Scorer, bool]:
    if not isinstance(name, str) or name not in known:
        raise unknown_name("eval_metric", name, known)
    return (name, *known[name])
