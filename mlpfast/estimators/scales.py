"""A warning where the numbers are so far from 1 that training hardly gets anywhere."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Where fits of a standardized problem, scaled by powers of ten, came to nothing in 200 epochs. The initial outputs are
# about as large as the inputs, and a change of the loss by less than `tol` does not count.
_SMALL, _LARGE = 0.03, 3000.0
_FAR_FROM_CENTRE = 30.0  # standard deviations


def warn_of_scale(
    estimator: str, X: Any, y: NDArray[Any] | None, weights: NDArray[np.float64] | None, *, steps: bool
) -> None:
    """Warn, in one sentence, if the scale of X or of y is far from 1. Rows of weight zero don't count.

    Parameters
    ----------
    estimator : str
        Its name, for the advice.
    X : ndarray or CSR matrix (n, n_features)
    y : ndarray (n,) or (n, outputs), or None
        Targets of a loss that depends on their scale.
    weights : ndarray (n,), or None
    steps : bool
        Whether steps have a size of their own, as those of "sgd" and "adam", so that large targets are far away.
    """
    if weights is not None and not weights.all():
        X, y = X[weights != 0.0], y if y is None else y[weights != 0.0]
    of_X, of_y = _far_features(X), None if y is None else _far_targets(y, steps)
    advice = []
    if of_X is not None:
        advice.append(f"sklearn.pipeline.make_pipeline(StandardScaler(), {estimator}(...)) for X")
    if of_y is not None:
        advice.append(
            f"sklearn.compose.TransformedTargetRegressor({estimator}(...), transformer=StandardScaler()) for y"
        )
    if advice:
        what = " and ".join(each for each in (of_X, of_y) if each is not None)
        warnings.warn(
            f"The scale of {what} is far from 1, so that training may end, even as converged, with a poor fit: "
            f"standardize, for example by {' and '.join(advice)}.",
            stacklevel=5,
        )


def _far_features(X: Any) -> str | None:
    largest = X.max(axis=0), X.min(axis=0)
    high, low = (each.toarray().ravel() if hasattr(each, "toarray") else each for each in largest)
    reach = np.maximum(np.abs(high), np.abs(low))
    column = int(np.argmax(reach))
    if reach[column] > _LARGE:
        return f"X (column {column} reaches {_magnitude(reach[column])})"
    if 0.0 < reach[column] < _SMALL:
        return f"X (no column reaches more than {_magnitude(reach[column])})"
    return None


def _far_targets(y: NDArray[Any], steps: bool) -> str | None:
    y = y.astype(np.float64, copy=False).reshape(len(y), -1)
    with np.errstate(all="ignore"):  # squares go beyond 1e308, and below 1e-308, whatever the user has set
        for deviation, mean, reach in zip(y.std(axis=0), y.mean(axis=0), np.abs(y).max(axis=0), strict=True):
            if 0.0 < deviation < _SMALL:
                return f"y (standard deviation {_magnitude(deviation)})"
            if steps and reach > _LARGE:
                return f"y (it reaches {_magnitude(reach)})"
            if steps and deviation > 0.0 and abs(mean) > max(1.0, _FAR_FROM_CENTRE * deviation):
                return f"y (mean {_magnitude(abs(mean))}, standard deviation {_magnitude(deviation)})"
    return None


def _magnitude(value: float) -> str:
    """About how large, so that the folds of a cross-validation have one warning in common."""
    return f"about {10.0 ** round(math.log10(value)):g}"
