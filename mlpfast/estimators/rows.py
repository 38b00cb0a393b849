"""Rows to train on or to validate with, validated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..validation import CSR, blank_weightless, scale_penalty


@dataclass(frozen=True)
class Rows:
    """Validated features, and targets as the native loops take them."""

    X: Any  # (n, n_features): an array, or a SciPy CSR matrix
    y: NDArray[Any]  # (n,) int32 class indices, or (n, outputs)
    weights: NDArray[np.float64] | None  # (n,); None for ones
    weight_exponent: int = 0  # of the power of two that is in them, see `scale_weights`

    def penalty(self, alpha: float, dtype: np.dtype[Any]) -> float:
        """`alpha` times the power of two that is in the weights; a ValueError where it drowns the loss."""
        return scale_penalty(alpha, self.weights, self.weight_exponent, len(self), dtype, name="alpha")

    def __len__(self) -> int:
        return len(self.y)

    def blanked(self) -> Rows:
        """The same with zeros in the rows of weight zero, so that no number in them can reach the loss or the score."""
        if self.weights is None or self.weights.all():
            return self
        is_sparse = hasattr(self.X, "indptr")
        given = CSR(self.X.data, self.X.indices, self.X.indptr) if is_sparse else self.X
        X, y = blank_weightless(given, self.y, self.weights)
        return replace(self, X=type(self.X)(tuple(X), shape=self.X.shape) if is_sparse else X, y=y)
