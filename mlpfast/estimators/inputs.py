"""What users give to an estimator, by scikit-learn's checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, validate_data

from ..validation import check_sample_weight
from .cells import explained


def features(estimator: BaseEstimator, X: Any, name: str = "X") -> Any:
    """X, like that of the fit, as a C-contiguous array or CSR matrix of float32 or float64."""
    with explained(**{name: (X, np.float64)}):
        return validate_data(estimator, X, reset=False, accept_sparse="csr", order="C", dtype=(np.float64, np.float32))


def features_and_targets(
    estimator: BaseEstimator, X: Any, y: Any, dtype: Any, *, numeric: bool, reset: bool
) -> tuple[Any, Any]:
    """X as a C-contiguous array or CSR matrix of float32 or float64, y as an array.

    Parameters
    ----------
    dtype : "auto", or a dtype
        The estimator's parameter.
    numeric : bool
        Whether y is numbers, rather than labels.
    reset : bool
        Whether to learn from X how many features there are, and their names, or to check that it has them.
    """
    with explained(X=(X, np.float64 if dtype == "auto" else dtype), y=(y, np.float64 if numeric else None)):
        return validate_data(  # type: ignore[no-any-return]
            estimator,
            X,
            y,
            reset=reset,
            accept_sparse="csr",
            order="C",
            dtype=(np.float64, np.float32) if dtype == "auto" else np.dtype(dtype),
            multi_output=True,
            y_numeric=numeric,
        )


def sample_weights(weights: Any, X: Any, name: str) -> NDArray[np.float64] | None:
    """Weights of the rows (n,), or None where none are given."""
    if weights is None:
        return None
    array = _check_sample_weight(weights, X, dtype=np.float64)  # one number stands for all rows
    return check_sample_weight(array, len(array), name=name)
