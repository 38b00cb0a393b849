"""Validation scores from the network's outputs: scikit-learn's `accuracy_score` and `r2_score`, in a few microseconds.

They are computed after every epoch, where the checks of their public versions would cost as much as the epoch itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64] | None


def accuracy(outputs: NDArray[Any], targets: NDArray[Any], weights: Weights) -> float:
    """The (weighted) share of rows whose predicted class, or whose whole set of labels, is right.

    outputs : (n, outputs) probabilities; targets : (n,) class indices, or (n, outputs) of zeros and ones.
    """
    one_of_many = targets.ndim == 1
    right = outputs.argmax(axis=1) == targets if one_of_many else ((outputs > 0.5) == (targets > 0.5)).all(axis=1)
    return float(np.average(right, weights=weights))


def r2(outputs: NDArray[Any], targets: NDArray[Any], weights: Weights) -> float:
    """The coefficient of determination, 1 - u / v, averaged over the outputs; both arguments are (n, outputs).

    u is the sum of squared residuals, v that of squared deviations from the mean target. An output whose targets are
    constant scores 1 where it is met exactly, 0 elsewhere.
    """
    if len(targets) < 2:
        return float("nan")
    targets = targets.astype(np.float64, copy=False)
    w = np.ones(len(targets)) if weights is None else weights
    with np.errstate(all="ignore"):  # huge residuals score minus infinity, whatever the user has set
        u = w @ (targets - outputs) ** 2
        v = w @ (targets - np.average(targets, axis=0, weights=w)) ** 2
        varies = v != 0.0
        return float(np.mean(np.where(varies, 1.0 - u / np.where(varies, v, 1.0), u == 0.0)))
