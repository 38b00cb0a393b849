"""What the best epoch is chosen by: functions of targets, predictions and weights, and whether more is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from ..errors import unknown_name
from ..scores import Task, balanced_accuracy, f1, roc_auc

__all__ = ["Scorer", "scorer"]

#: f(targets, outputs, weights): class numbers and probabilities, or targets and predictions (n, targets).
Scorer: TypeAlias = Callable[[NDArray[Any], NDArray[Any], Any], float]

_CLASSES, _YES_NO = Task("classes"), Task("yes_no")


def _accuracy(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    return float(np.average(p.argmax(axis=1) == y, weights=w))


def _log_loss(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    chances = p[np.arange(len(y)), y].astype(np.float64)
    return float(np.average(-np.log(np.maximum(chances, np.finfo(np.float64).tiny)), weights=w))


def _auc(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
    if len(np.unique(y)) < p.shape[1]:
        raise ValueError("eval_metric='auc' needs every class among the validation rows")
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


_CLASSIFIER: dict[str, tuple[Scorer, bool]] = {
    "accuracy": (_accuracy, True),
    "log_loss": (_log_loss, False),
    "auc": (_auc, True),
    "f1": (_f1, True),
    "balanced_accuracy": (_balanced_accuracy, True),
}
_REGRESSOR: dict[str, tuple[Scorer, bool]] = {"rmse": (_rmse, False), "mae": (_mae, False), "r2": (_r2, True)}


def scorer(metric: Any, classifier: bool, classes: NDArray[Any] | None) -> tuple[str, Scorer, bool]:
    """The name of a metric, its function, and whether more is better, which it is of a function of the user's."""
    if callable(metric):

        def of_user(y: NDArray[Any], p: NDArray[Any], w: Any) -> float:
            if classes is not None:
                return float(metric(classes[y], classes[p.argmax(axis=1)]))
            return float(metric(*(a[:, 0] if a.shape[1] == 1 else a for a in (y, p))))

        return getattr(metric, "__name__", "score"), of_user, True
    known = _CLASSIFIER if classifier else _REGRESSOR
    name = metric or next(iter(known))
    if name not in known:
        raise unknown_name("eval_metric", name, known)
    return (name, *known[name])
