"""Losses that users write: where a C function lies, what a Python one has to return, whether gradients are right.

`mlpfast.losses.Custom` is what users see of it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["address_of", "check_gradient", "checked_result"]

_C_LOSS = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 4)
_ROWS, _COLUMNS = 16, 64  # that are compared with differences, at most
_STEP, _TOLERANCE = 1e-5, 1e-3


def address_of(function: Any) -> int:
    """Of a C function by ctypes, numba.cfunc or a PyCapsule named "mlpfast.loss"; 0 of anything else."""
    if type(function).__name__ == "PyCapsule":
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        return int(get(function, b"mlpfast.loss"))  # raises a ValueError of its own
    if isinstance(function, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    address = getattr(function, "address", None)
    return address if isinstance(address, int) else 0


def checked_result(result: Any, shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Values and gradient, as a Python function returned them for outputs of this shape; an error if they are not."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise TypeError(f"custom loss: expected (values, gradient) to be returned, got {type(result).__name__}")
    values, gradient = np.asarray(result[0], np.float64), np.asarray(result[1], np.float64)
    if values.shape != shape[:1]:
        raise ValueError(f"custom loss: expected a value for each of {shape[0]} rows, got shape {values.shape}")
    if gradient.shape != shape:
        raise ValueError(f"custom loss: expected a gradient of shape {shape}, as the outputs, got {gradient.shape}")
    return values, gradient


def check_gradient(loss: Any, y: NDArray[Any], outputs: NDArray[Any]) -> None:
    """Compare the gradient at some outputs with central differences; a ValueError if it is another one.

    Beside a kink, where the differences to both sides are not the same, either is right.
    """
    y, outputs = y[:_ROWS], np.ascontiguousarray(outputs[:_ROWS])
    y = y if y.dtype == np.int32 else y.astype(np.float64)
    values, gradient = _evaluated(loss, y, outputs)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise ValueError(
            f"custom loss: expected finite values, got {values[row]} (of targets {y[row]} and outputs {outputs[row]})"
        )
    columns = range(outputs.shape[1])
    if len(columns) > _COLUMNS:
        columns = range(0, len(columns), len(columns) // _COLUMNS)
    for c in columns:
        step = _STEP * np.maximum(1, np.abs(outputs[:, c]))
        moved = [outputs.copy(), outputs.copy()]
        moved[0][:, c] += step
        moved[1][:, c] -= step
        above, below = (_evaluated(loss, y, each)[0] for each in moved)
        right, left = (above - values) / step, (values - below) / step
        low, high = np.minimum(left, right), np.maximum(left, right)
        size = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-3 * (1 + np.abs(values)))
        off = np.maximum(low - gradient[:, c], gradient[:, c] - high) / size
        if not (off < _TOLERANCE).all():
            row = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
            raise ValueError(
                f"custom loss: expected the derivative by output {c}, as differences of the values have it, to be "
                f"{(above[row] - below[row]) / (2 * step[row]):.6g}, got {gradient[row, c]:.6g} (of targets {y[row]} "
                f"and outputs {outputs[row]})"
            )


def _evaluated(
    loss: Any, y: NDArray[Any], outputs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if loss.called is not None:
        values, gradient = loss.called(y.copy(), outputs.copy())
        return values, gradient
    n, columns = outputs.shape
    values, gradient = np.full(n, np.nan), np.full((n, columns), np.nan)
    y = np.ascontiguousarray(y, np.float64)
    _C_LOSS(loss.address)(n, columns, y.size // n, *(each.ctypes.data for each in (y, outputs, values, gradient)))
    return values, gradient
