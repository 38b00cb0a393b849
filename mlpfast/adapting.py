"""Initial values that follow data: what `Model.adapt` draws anew. The same on every machine.

Products are the package's own, and sums of rows are NumPy's along columns, which go from row to row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .core.elementary import elementary
from .core.random import INITIALIZE, uniform
from .drawing import fill
from .initializers import DataDriven, HePlus
from .parts import Tensor

__all__ = ["draw_from"]

Floats: TypeAlias = NDArray[np.float64]


def draw_from(X: NDArray[Any], arrays: Sequence[NDArray[Any]], tensors: Sequence[Tensor], seed: int) -> None:
    """Draw those of a dense layer's tensors anew that follow data.

    Parameters
    ----------
    X : ndarray (n, fan_in), C-contiguous
        What reaches the layer, in the dtype of its tensors.
    arrays : sequence of ndarray
        What is drawn: W (fan_in, units) and, if there is one, b (units,).
    tensors : sequence of Tensor
        What these are.
    seed : int
        Of the model.
    """
    W = arrays[0]
    for array, tensor in zip(arrays, tensors, strict=True):
        if isinstance(tensor.initializer, DataDriven):
            fill(W, tensor.initializer.distribution(*tensor.fans), seed, tensor.stream)
            _divide_by_deviations(W, _product(X, W))
        elif isinstance(tensor.initializer, HePlus):
            array[...] = _through_rows(_product(X, W), tensor.initializer.points, seed, tensor.stream)


def _divide_by_deviations(W: NDArray[Any], z: Floats) -> None:
    """Columns that would not be finite, or of a unit that does not vary, stay."""
    varies = (z != z[0]).any(axis=0)  # rounding may leave a deviation where nothing varies
    centred = z - np.add.reduce(z, axis=0) / len(z)
    deviations = np.sqrt(np.add.reduce(centred * centred, axis=0) / len(z))
    divided = (W / deviations).astype(W.dtype)
    np.copyto(W, divided, where=varies & np.isfinite(deviations) & np.isfinite(divided).all(axis=0))


def _through_rows(z: Floats, points: int, seed: int, stream: int) -> Floats:
    """Minus a random convex combination of some rows for each column."""
    n, units = z.shape
    drawn = uniform(seed, INITIALIZE, stream, 2 * points * units)
    rows = np.minimum((drawn[: points * units] * n).astype(np.int64), n - 1).reshape(points, units)
    shares = 1.0 - drawn[points * units :]
    shares = -elementary("log", shares, shares).reshape(points, units)  # exponential
    total, combined = np.zeros(units), np.zeros(units)
    for row, share in zip(rows, shares, strict=True):
        total += share
        combined += share * z[row, np.arange(units)]
    return -combined / np.maximum(total, np.finfo(np.float64).tiny)


def _product(X: NDArray[Any], W: NDArray[Any]) -> Floats:
    return kernels.matmul_bias(X, W, np.zeros(W.shape[1], W.dtype)).astype(np.float64)
