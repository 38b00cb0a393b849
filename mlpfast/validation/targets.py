"""What a loss compares with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..losses import NUMBERS, Loss, Targets
from .arrays import native, numeric
from .finite import NATIVE, check_finite

__all__ = ["as_targets", "as_they_are"]

_LABELS = (np.dtype(np.int32), np.dtype(np.int64))
_WHOLE_FLOAT32 = 2**24  # up to here, float32 has every whole number
_ENCODE_LABELS = (
    "turn labels into class indices by classes, y = np.unique(y, return_inverse=True), or use MLPClassifier, which does"
)


def as_targets(
    y: object, loss: Loss, outputs: int, dtype: np.dtype[Any], n: int, *, name: str = "y", features: str = "X"
) -> NDArray[Any]:
    """Targets for the compiled loops: (n,) int32 class indices, or (n, targets) of `dtype`.

    ``cross_entropy`` and its kin take class indices (n,) or (n, 1) of any integer dtype (or whole floats), or rows of
    probabilities (n, outputs), one-hot included; ``ordinal`` and `Custom` losses take indices only. The other losses
    take (n, outputs), or a column for each target that has several outputs, and (n,) where there is one;
    ``binary_cross_entropy`` wants values in [0, 1], ``poisson`` values >= 0, and so on: see `Loss.targets`.

    Raises
    ------
    TypeError
        If y is not numeric.
    ValueError
        If y has the wrong length, rank or width, holds NaN, infinity or missing values, or values that the loss does
        not take.
    """
    takes, classes = loss.targets, loss.targets.classes
    indices = takes.ordered or takes.indices
    columns = 1 if indices else outputs // loss.outputs_per_target
    array = numeric(y, name, _ENCODE_LABELS if loss.accuracy else "")
    if classes and array.shape == (n,) and outputs <= _WHOLE_FLOAT32:
        return _as_labels(array, loss.classes(outputs), name)
    expected = f"(n,) with class indices, or (n, {outputs}) with probabilities" if classes else f"(n, {columns})"
    if indices:
        expected = "(n,) with class indices"
    elif not classes and columns == 1:
        expected = "(n,) or (n, 1)"
    shape = f"{name} has shape {array.shape}"
    if array.ndim not in (1, 2):
        raise ValueError(f"expected {name} of shape {expected} for loss {loss.name!r}, got {array.ndim}-D ({shape})")
    if array.shape[0] != n:
        raise ValueError(f"expected {name} to be as long as {features}, {n} rows, got {array.shape[0]} ({shape})")
    if classes and outputs > _WHOLE_FLOAT32 and dtype == np.float32:
        raise ValueError(
            f"expected at most {_WHOLE_FLOAT32:,} classes: float32 has no more whole numbers; got {outputs:,}"
        )
    if classes and (array.ndim == 1 or (array.shape[1] == 1 and (outputs > 1 or indices))):
        return _as_labels(array.reshape(n), loss.classes(outputs), name)
    if array.ndim == 1 and columns == 1:
        array = array.reshape(n, 1)
    if array.ndim == 1 or array.shape[1] != columns or indices:
        hint = "; one-hot rows are turned into indices by y.argmax(axis=1)" if indices else ""
        raise ValueError(f"expected {name} of shape {expected} for loss {loss.name!r}, got {array.shape}{hint}")
    check_finite(array, dtype, name, given=y)
    array = native(array, dtype, cast=True)
    _check_range(array, takes, name, "probabilities" if classes else f"targets of {loss.name!r}")
    if classes:
        total = array.sum(axis=1, dtype=np.float64)
        row = int(np.argmax(np.abs(total - 1.0)))
        if abs(total[row] - 1.0) > 1e-3:
            raise ValueError(f"expected each row of {name} to sum to 1, got {total[row]:g} in row {row} ({shape})")
    return array


def as_they_are(
    X: object, y: object, loss: Loss, inputs: int, outputs: int, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """X and y where the loops can read them as they are; None where something has to be looked at, or converted, first.

    For calls on a few rows, which take less time than the other functions here. What the loops then find to be out of
    range or not finite is for these to explain.
    """
    if not loss.checked or not (
        type(X) is np.ndarray and type(y) is np.ndarray and X.ndim == 2 and X.shape[1] == inputs
    ):
        return None
    n, labels = X.shape[0], y.ndim == 1 and y.dtype in _LABELS and loss.targets.classes
    if n == 0 or y.shape[0] != n or X.dtype not in NATIVE or not (X.flags.carray and y.flags.carray):
        return None
    if labels:
        return X, y
    targets = outputs // loss.outputs_per_target
    if y.dtype != dtype or loss.targets is not NUMBERS or y.shape not in ((n, targets), (n,)) or y.size != n * targets:
        return None
    return X, y.reshape(n, targets)


def _as_labels(array: NDArray[Any], classes: int, name: str) -> NDArray[np.int32]:
    check_finite(array, array.dtype, name, given=array)
    if array.dtype.kind == "f":
        fractional = np.flatnonzero(array != np.floor(array))
        if fractional.size:
            row = fractional[0]
            raise ValueError(f"expected class indices in {name}, whole numbers, got {array[row]:g} at row {row}")
    for row in (int(array.argmin()), int(array.argmax())):
        if not 0 <= array[row] < classes:
            label = int(array[row])
            hint = "; with one output, for yes or no, the loss is 'binary_cross_entropy'" if classes == 1 else ""
            raise ValueError(
                f"expected class indices in {name} from 0 to {classes - 1}, got {label} at row {row}{hint}"
            )
    return native(array, _LABELS[0], cast=True)


def _check_range(array: NDArray[Any], takes: Targets, name: str, what: str) -> None:
    low, high = takes.low, takes.high
    if takes.signs:
        _check_signs(array, name, what)
    elif low > -np.inf or high < np.inf:
        for index in (int(np.argmin(array)), int(np.argmax(array))):
            value = array.flat[index]
            if not low <= value <= high or (takes.positive and value == 0):
                above = f"{'>' if takes.positive else '>='} {low:g}"
                expected = f"between {low:g} and {high:g}" if high < np.inf else above
                row = index // array.shape[1]
                raise ValueError(f"expected {what} in {name} to be {expected}, got {value:g} in row {row}")


def _check_signs(array: NDArray[Any], name: str, what: str) -> None:
    wrong = np.flatnonzero((np.abs(array) != 1) & (array != 0))
    if not wrong.size and (array < 0).any():  # then they are -1 and 1
        wrong = np.flatnonzero(array == 0)
    if wrong.size:
        value, row = array.flat[wrong[0]], wrong[0] // array.shape[1]
        raise ValueError(f"expected {what} in {name} to be -1 and 1, or 0 and 1, got {value:g} in row {row}")
