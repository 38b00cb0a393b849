"""Which class a row is of, whatever its label looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["class_numbers", "numbers_among", "predicted_classes"]


def class_numbers(name: str, y: ArrayLike) -> NDArray[np.int64]:
    """Classes from 0, of labels that are whole numbers; of the labels -1 and 1 of the hinge losses, 0 and 1."""
    labels = _column(name, y)
    whole = labels.dtype.kind in "biu" or (labels.dtype.kind == "f" and bool((np.floor(labels) == labels).all()))
    if not whole or not np.isfinite(labels).all():
        raise ValueError(f"expected {name} to be classes as whole numbers, got {labels[:5].tolist()}")
    numbers = labels.astype(np.int64)
    if numbers.min() >= 0:
        return numbers
    if not np.isin(numbers, (-1, 1)).all():
        raise ValueError(f"expected {name} to be classes from 0, or -1 and 1, got {np.unique(numbers)[:5].tolist()}")
    return (numbers > 0).astype(np.int64)


def numbers_among(name: str, y: ArrayLike, classes: Any) -> NDArray[np.int64]:
    """The place of each label among an estimator's `classes_`."""
    labels, known = _column(name, y), np.asarray(classes).tolist()
    places = {label: place for place, label in enumerate(known)}
    if strange := [label for label in labels.tolist() if label not in places]:
        raise ValueError(f"expected {name} among the classes {known}, got {strange[0]!r}")
    return np.array([places[label] for label in labels.tolist()], np.int64)


def predicted_classes(predicted: ArrayLike) -> NDArray[np.int64]:
    """The largest of several columns; of one, labels, or probabilities of yes."""
    outputs = np.asarray(predicted)
    if outputs.dtype.kind == "f" and np.isnan(outputs).any():
        raise ValueError("expected predicted to be numbers, got NaN")
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        return np.asarray(outputs.argmax(axis=1), np.int64)
    if outputs.ndim == 2 and outputs.dtype.kind == "f" and bool(((outputs >= 0) & (outputs <= 1)).all()):
        return (_column("predicted", outputs) > 0.5).astype(np.int64)
    return class_numbers("predicted", outputs)


def _column(name: str, y: ArrayLike) -> NDArray[Any]:
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"expected {name} to be one label for each row, got shape {labels.shape}")
    return labels
