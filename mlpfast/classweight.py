"""Weights of classes: what they may be for a loss, and what they make of its rows.

Classes are numbered as the loss's class indices. With one output for yes or no, no is 0 and yes is 1, also where a
loss's targets are -1 and 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import real
from .losses import Custom, Loss

__all__ = ["as_class_weight", "weights_of_rows"]


def as_class_weight(value: Any, loss: Loss, outputs: int) -> str | tuple[float, ...] | None:
    """``"balanced"``, a weight for each class, or None, from what the user gave; an error for anything else."""
    if value is None:
        return None
    classes = _classes(loss, outputs)
    if isinstance(value, str):
        if value != "balanced":
            raise ValueError(
                f"expected class_weight to be 'balanced', a mapping or a sequence of {classes} weights, got {value!r}"
            )
        return value
    if isinstance(value, Mapping):
        weights = [1.0] * classes
        for key, weight in value.items():
            weights[_index(key, loss, classes)] = real(f"class_weight[{key!r}]", weight, at_least=0.0)
    elif isinstance(value, Iterable):
        weights = [real(f"class_weight[{i}]", weight, at_least=0.0) for i, weight in enumerate(value)]
    else:
        raise TypeError(
            f"expected class_weight to be 'balanced', a mapping or a sequence of {classes} weights, got {value!r} "
            f"({type(value).__name__})"
        )
    if len(weights) != classes:
        raise ValueError(f"expected class_weight to have a weight for each of {classes} classes, got {len(weights)}")
    return tuple(weights)


def weights_of_rows(
    class_weight: str | tuple[float, ...], y: NDArray[Any], loss: Loss, name: str = "y"
) -> NDArray[np.float64]:
    """The weight of each row's class; `y` is as `mlpfast.validation.as_targets` returns it."""
    labels = _labels(y, loss, name)
    of_class = _balanced(labels) if isinstance(class_weight, str) else np.array(class_weight)
    weights: NDArray[np.float64] = of_class[labels]
    return weights


def balanced(y: NDArray[Any], loss: Loss, outputs: int) -> tuple[float, ...]:
    """The weight of each class where "balanced" is asked for of the targets `y`, as `weights_of_rows` has them."""
    of_class = _balanced(_labels(y, loss, "y"))
    return (*of_class.tolist(), *[1.0] * (_classes(loss, outputs) - len(of_class)))


def _balanced(labels: NDArray[Any]) -> NDArray[np.float64]:
    counts = np.bincount(labels)
    weights: NDArray[np.float64] = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights


def _classes(loss: Loss, outputs: int) -> int:
    if loss.targets.classes:
        return loss.classes(outputs)
    if loss.accuracy is None:
        instead = "give Custom classes=True, or" if isinstance(loss, Custom) else "give"
        raise ValueError(f"class_weight: expected a loss of classes, got {loss.name!r}; {instead} rows a sample_weight")
    if outputs > 1:
        raise ValueError(
            f"class_weight: expected one class for each row, got {outputs} outputs for yes or no of loss "
            f"{loss.name!r}; with 'binary_cross_entropy' its pos_weight weighs them"
        )
    return 2


def _index(key: object, loss: Loss, classes: int) -> int:
    index = 0 if loss.targets.signs and key == -1 else key
    if isinstance(index, bool) or not isinstance(index, Integral) or not 0 <= int(index) < classes:
        raise ValueError(f"expected class_weight to have class indices from 0 to {classes - 1} for keys, got {key!r}")
    return int(index)


def _labels(y: NDArray[Any], loss: Loss, name: str) -> NDArray[Any]:
    """The class of each row."""
    if y.ndim == 1:
        return y
    between = (y != 0) & (y != 1) & (y != (-1 if loss.targets.signs else 1))
    if between.any():
        row = int(np.argmax(between.any(axis=1)))
        raise ValueError(f"class_weight: expected one class for each row of {name}, got {y[row].max():g} in row {row}")
    return y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > 0).astype(np.intp)
