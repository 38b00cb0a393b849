"""Rows to train on or to validate with, validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Data:
    """Validated features, and targets as the native loops take them."""

    X: Any  # (n, n_features): an array, or a SciPy CSR matrix
    y: NDArray[Any]  # (n,) int32 class indices, or (n, outputs)
    weights: NDArray[np.float64] | None  # (n,); None for ones

    def __len__(self) -> int:
        return len(self.y)
