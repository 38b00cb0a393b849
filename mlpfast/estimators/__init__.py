"""Scikit-learn estimators on top of `mlpfast.Model` and `mlpfast.Trainer`: the `mlpfast[sklearn]` extra."""

from __future__ import annotations

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "mlpfast.MLPClassifier and mlpfast.MLPRegressor need scikit-learn; install it with: "
        'python -m pip install "mlpfast[sklearn]"'
    ) from error

from .classifier import MLPClassifier
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
