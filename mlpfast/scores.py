"""Metrics that are no means over rows: scores of all predictions together, weighted, in NumPy.

Each is a function of a `Task`, which says how outputs tell classes, of targets as `mlpfast.validation` returns them, of
predictions (n, outputs), and of the rows' weights or None. Where there are several classes, or outputs for yes or no,
precision, recall, F1 and the ROC AUC are plain means over them ("macro").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCORES", "Score", "Task"]

_BINS = 15


class Task(NamedTuple):
    """What outputs are: numbers; of classes the largest; yes or no; yes or no to "above", of classes in an order.

    Examples
    --------
    >>> import numpy as np
    >>> from mlpfast.scores import SCORES, Task
    >>> SCORES["recall"](Task("yes_no", threshold=0.5), np.array([1, 1, 0]), np.array([[0.9], [0.2], [0.4]]), None)
    0.5
    """

    kind: Literal["numbers", "classes", "yes_no", "ordered"]
    threshold: float = 0.5  # of yes
    logits: bool = False


Score: TypeAlias = Callable[[Task, NDArray[Any], NDArray[Any], "NDArray[np.float64] | None"], float]


def r2(task: Task, y: NDArray[Any], prediction: NDArray[Any], weights: NDArray[np.float64] | None) -> float:
    """1 - residual / total sum of squares, the mean over outputs; 0 of a constant output that is missed."""
    y, prediction = y.astype(np.float64), prediction.astype(np.float64)
    center = np.average(y, axis=0, weights=weights)
    residual, total = (np.average((y - other) ** 2, axis=0, weights=weights) for other in (prediction, center))
    share = residual / np.where(total > 0, total, 1)
    return float(np.mean(np.where(total > 0, 1 - share, residual == 0)))


def precision(task: Task, y: NDArray[Any], prediction: NDArray[Any], weights: NDArray[np.float64] | None) -> float:
    """Of what is said to be there, the share that is; 0 where nothing is said to be."""
    return _mean(_share(hits, said) for hits, said, _ in _confusions(task, y, prediction, weights))


def recall(task: Task, y: NDArray[Any], prediction: NDArray[Any], weights: NDArray[np.float64] | None) -> float:
    """Of what is there, the share that is found; 0 where nothing is there."""
    return _mean(_share(hits, there) for hits, _, there in _confusions(task, y, prediction, weights))


def f1(task: Task, y: NDArray[Any], prediction: NDArray[Any], weights: NDArray[np.float64] | None) -> float:
    """The harmonic mean of precision and recall."""
    return _mean(_share(2 * hits, said + there) for hits, said, there in _confusions(task, y, prediction, weights))


def balanced_accuracy(
    task: Task, y: NDArray[Any], prediction: NDArray[Any], weights: NDArray[np.float64] | None
) -> float:
    """The mean over the classes in y of their recall; of several outputs for yes or no, the mean over these too."""
    w = np.ones(len(y)) if weights is None else weights

    def of_labels(true: NDArray[Any], found: NDArray[Any]) -> float:
        there, hits = (np.bincount(true, weights=each) for each in (w, w * (true == found)))
        return float(np.mean(hits[there > 0] / there[there > 0]))

    if task.kind != "yes_no":
        return of_labels(_true_classes(y), _found_classes(task, prediction))
    yes, said = (_columns(y) > 0.5).astype(np.intp), prediction > task.threshold
    return _mean(of_labels(yes[:, k], said[:, k]) for k in range(yes.shape[1]))


def roc_auc(task: Task, y: NDArray[Any], prediction: NDArray[Any], weights: NDArray[np.float64] | None) -> float:
    """How often what is there has a larger output than what is not, ties counting half: one class against the rest.

    Classes that all rows have, or none, are left out; NaN if no class is left.
    """
    w = np.ones(len(y)) if weights is None else weights
    if task.kind == "yes_no":
        yes, outputs = _columns(y) > 0.5, prediction
    else:
        yes, outputs = _true_classes(y)[:, None] == np.arange(prediction.shape[1]), _probabilities(task, prediction)
    areas = [_area(yes[:, k], outputs[:, k], w) for k in range(outputs.shape[1])]
    defined = [area for area in areas if area is not None]
    return _mean(iter(defined)) if defined else float("nan")


def calibration_error(
    task: Task, y: NDArray[Any], prediction: NDArray[Any], weights: NDArray[np.float64] | None
) -> float:
    """The expected calibration error: how far confidence is from accuracy, in 15 bins of confidence (Guo et al., 2017).

    Confidence is the probability of what is predicted, for yes or no too; each output for yes or no counts as a row.
    """
    if task.kind == "classes":
        p = _probabilities(task, prediction)
        confidence, right = p.max(axis=1), p.argmax(axis=1) == _true_classes(y)
        w = np.ones(len(y)) if weights is None else weights
    else:
        p, yes = prediction.astype(np.float64), _columns(y) > 0.5
        confidence, right = np.maximum(p, 1 - p).ravel(), ((p > 0.5) == yes).ravel()
        w = np.repeat(np.ones(len(y)) if weights is None else weights, p.shape[1])
    place = np.clip(np.ceil(confidence * _BINS).astype(np.intp) - 1, 0, _BINS - 1)
    off = np.bincount(place, weights=w * (right - confidence), minlength=_BINS)
    return float(np.abs(off).sum() / w.sum())


#: Every score by name.
SCORES: dict[str, Score] = {
    "r2": r2,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "balanced_accuracy": balanced_accuracy,
    "roc_auc": roc_auc,
    "calibration_error": calibration_error,
}


def _columns(y: NDArray[Any]) -> NDArray[Any]:
    return y[:, None] if y.ndim == 1 else y


def _true_classes(y: NDArray[Any]) -> NDArray[Any]:
    return y if y.ndim == 1 else y.argmax(axis=1)


def _found_classes(task: Task, prediction: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any]
    found = (prediction > task.threshold).sum(axis=1) if task.kind == "ordered" else prediction.argmax(axis=1)
    return found


def _probabilities(task: Task, prediction: NDArray[Any]) -> NDArray[np.float64]:
    p = prediction.astype(np.float64)
    if task.logits:
        p = np.exp(p - p.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
    return p


def _confusions(
    task: Task, y: NDArray[Any], prediction: NDArray[Any], weights: NDArray[np.float64] | None
) -> Iterator[tuple[float, float, float]]:
    """The weights of what is there and said to be, of what is said to be, and of what is there, for each class."""
    w = np.ones(len(y)) if weights is None else weights
    if task.kind == "yes_no":
        there, said = _columns(y) > 0.5, prediction > task.threshold
        classes = range(there.shape[1])
        pairs = ((there[:, k], said[:, k]) for k in classes)
    else:
        true, found = _true_classes(y), _found_classes(task, prediction)
        pairs = ((true == k, found == k) for k in np.union1d(true, found))
    for of_class, said_class in pairs:
        yield w[of_class & said_class].sum(), w[said_class].sum(), w[of_class].sum()


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def _mean(values: Iterator[float]) -> float:
    return float(np.mean(list(values)))


def _area(yes: NDArray[Any], output: NDArray[Any], w: NDArray[np.float64]) -> float | None:
    order = np.argsort(output, kind="stable")
    output, positive, negative = output[order], (w * yes)[order], (w * ~yes)[order]
    if not (positive.any() and negative.any()):
        return None
    begins = np.flatnonzero(np.append(True, output[1:] != output[:-1]))  # of rows that tie
    positive, negative = np.add.reduceat(positive, begins), np.add.reduceat(negative, begins)
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / (positive.sum() * negative.sum()))
