"""Losses that users write: where a C function lies, what a Python one has to return, whether gradients are right."""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import boolean, integer
from .base import NUMBERS, Loss, Targets

__all__ = ["Custom", "check_gradient"]

_C_LOSS = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 4)
_ROWS, _COLUMNS = 16, 64  # that are compared with differences, at most
_STEP, _TOLERANCE = 1e-5, 1e-3


class Custom(Loss):
    """A loss of the user's own, as a function that gives values and derivatives: in Python, or in C.

    A Python function ``f(y, outputs) -> (values, gradient)`` is called with many rows at once, once or more for a
    batch, between the way forward and the way back: `outputs` (n, outputs) are the model's, behind the output
    activation, and `y` are the targets, (n, targets) or, with `classes`, class indices (n,). It returns the loss of
    each row (n,), without its weight, and the derivative of that by the row's outputs (n, outputs).

    A C function is called for some rows at once by any thread, without the GIL, and must neither raise nor keep what it
    is given::

        void f(int64_t rows, int64_t outputs, int64_t targets,
               const double *y, const double *h,       // (rows, targets), (rows, outputs)
               double *values, double *gradient);      // (rows,), (rows, outputs), to write

    Everything is row-major double, class indices too, whatever the model's dtype. It may be a function of ctypes, what
    ``numba.cfunc`` gives, or a PyCapsule named "mlpfast.loss". NaN among the values ends the training as a divergence.

    The first time that a trainer or a model is given targets, the gradient is compared with central differences; a
    wrong one is an error.

    Parameters
    ----------
    function : callable, ctypes function, numba.cfunc or PyCapsule
    outputs_per_target : int, default 1
        Outputs that a target takes; they stand side by side.
    classes : bool, default False
        Targets are class indices, not numbers. One-hot rows and probabilities are numbers: they go without `classes`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> def quartic(y, h):
    ...     return ((h - y) ** 4).sum(axis=1), 4 * (h - y) ** 3
    >>> trainer = mf.Trainer(mf.mlp([2, 1]), mf.losses.Custom(quartic))
    >>> print(trainer.program)
    step:
      rows     gather, forward 0
      call     loss
      rows     compare, back 0
      tiles    gradient 0, update
    """

    name: ClassVar[str] = "custom"

    def __init__(self, function: Any, *, outputs_per_target: int = 1, classes: bool = False) -> None:
        self.function = function
        self.address = _address_of(function)  # type: ignore[misc]
        if not self.address and not callable(function):
            raise TypeError(f"expected a function of Python or C, got {function!r} ({type(function).__name__})")
        self.targets = Targets(classes=True, indices=True) if boolean("classes", classes) else NUMBERS  # type: ignore[misc]
        self._each = integer("outputs_per_target", outputs_per_target)
        self.checked = False  # type: ignore[misc]
        if not self.address:
            self.called = self._call  # type: ignore[misc]

    @property
    def outputs_per_target(self) -> int:
        return self._each

    def __repr__(self) -> str:
        return f"Custom({self.function!r})"

    def _call(self, y: Any, outputs: Any) -> tuple[Any, Any]:
        """What the function returns, in shape."""
        return _checked_result(self.function(y, outputs), outputs.shape)


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


def _address_of(function: Any) -> int:
    """Of a C function by ctypes, numba.cfunc or a PyCapsule named "mlpfast.loss"; 0 of anything else."""
    if type(function).__name__ == "PyCapsule":
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        return int(get(function, b"mlpfast.loss"))  # raises a ValueError of its own
    if isinstance(function, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    address = getattr(function, "address", None)
    return address if isinstance(address, int) else 0


def _checked_result(result: Any, shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Values and gradient, as a Python function returned them for outputs of this shape; an error if they are not."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise TypeError(f"custom loss: expected (values, gradient) to be returned, got {type(result).__name__}")
    values, gradient = np.asarray(result[0], np.float64), np.asarray(result[1], np.float64)
    if values.shape != shape[:1]:
        raise ValueError(f"custom loss: expected a value for each of {shape[0]} rows, got shape {values.shape}")
    if gradient.shape != shape:
        raise ValueError(f"custom loss: expected a gradient of shape {shape}, as the outputs, got {gradient.shape}")
    return values, gradient


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
