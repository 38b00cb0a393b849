"""User input to what the compiled loops take. The only place that copies or casts, and it copies only where it must.

Features become a C-contiguous (n, d) array of float32, float64 or uint8 (the loops cast on the way in), or `CSR` rows;
targets become (n,) int32 class indices or an (n, outputs) array of the model's dtype; weights become (n,) float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .errors import unknown_name
from .losses import Loss

__all__ = [
    "CSR",
    "Features",
    "as_dtype",
    "as_features",
    "as_sample_weight",
    "as_targets",
    "check_finite",
    "check_sample_weight",
    "n_rows",
    "scale_penalty",
    "scale_weights",
]


class CSR(NamedTuple):
    """Sparse rows: row i has ``values[offsets[i]:offsets[i+1]]`` at ``columns[...]``; repeated columns add up."""

    values: NDArray[Any]  # (stored,) float32, float64 or uint8
    columns: NDArray[Any]  # (stored,) int32 or int64
    offsets: NDArray[Any]  # (n + 1,) of the same dtype as columns


Features: TypeAlias = "NDArray[Any] | CSR"

_NATIVE = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8))


def as_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The NumPy dtype float32 or float64; anything else is a ValueError."""
    try:
        result = np.dtype(dtype)
    except TypeError:
        raise unknown_name("dtype", dtype, ("float32", "float64")) from None
    if result not in _NATIVE[:2]:
        raise ValueError(f"expected dtype to be float32 or float64, got {result}")
    return np.dtype(result.name)


def as_features(
    X: object,
    n_features: int,
    dtype: np.dtype[Any],
    *,
    name: str = "X",
    one_row: bool = False,
    cast: bool = False,
    finite: bool = True,
) -> Features:
    """Features for the compiled loops.

    Parameters
    ----------
    X : array-like (n, n_features) or SciPy sparse
        Integers are cast to `dtype`; float32, float64, uint8 and bool are kept as they are.
    n_features : int
        The width that the model expects.
    dtype : numpy.dtype
        The model's dtype.
    name : str
        The argument's name, for errors.
    one_row : bool
        Accept a 1-D X (n_features,) as one row, and return it 1-D.
    cast : bool
        Cast everything to `dtype`.
    finite : bool
        Look for NaN and infinity in a dense X. The training loop does so too, as it reads the rows, at no cost: see
        `check_finite`.

    Raises
    ------
    TypeError
        If X is not numeric.
    ValueError
        If X is empty, has the wrong rank or width, or holds NaN or infinity.
    """
    if _is_sparse(X):
        return _as_csr(X, n_features, dtype, name, cast)
    array = _numeric(X, name)
    shape = f"{name} has shape {array.shape}"
    if array.ndim != 2 and not (one_row and array.ndim == 1):
        hint = "; use X.reshape(1, -1) for one row, X.reshape(-1, 1) for one feature" if array.ndim == 1 else ""
        raise ValueError(f"expected {name} to be 2-D (rows, {n_features}), got {array.ndim}-D ({shape}{hint})")
    if array.shape[-1] != n_features:
        raise ValueError(f"expected {n_features} features, got {array.shape[-1]} ({shape})")
    if array.shape[0] == 0:
        raise ValueError(f"expected at least one row, got none ({shape})")
    if finite:
        check_finite(array, dtype, name)
    return _native(array, dtype, cast)


def as_targets(
    y: object, loss: Loss, outputs: int, dtype: np.dtype[Any], n: int, *, name: str = "y", features: str = "X"
) -> NDArray[Any]:
    """Targets for the compiled loops: (n,) int32 class indices, or (n, outputs) of `dtype`.

    ``cross_entropy`` takes class indices (n,) or (n, 1) of any integer dtype (or whole floats), or rows of
    probabilities (n, outputs), one-hot included. The other losses take (n, outputs), and (n,) where there is one
    output; ``binary_cross_entropy`` wants values in [0, 1], ``poisson`` values >= 0.

    Raises
    ------
    TypeError
        If y is not numeric.
    ValueError
        If y has the wrong length, rank or width, holds NaN or infinity, or values that the loss does not take.
    """
    array = _numeric(y, name)
    classes = loss.name == "cross_entropy"
    expected = f"(n,) with class indices, or (n, {outputs}) with probabilities" if classes else f"(n, {outputs})"
    if not classes and outputs == 1:
        expected = "(n,) or (n, 1)"
    shape = f"{name} has shape {array.shape}"
    if array.ndim not in (1, 2):
        raise ValueError(f"expected {name} of shape {expected} for loss {loss.name!r}, got {array.ndim}-D ({shape})")
    if array.shape[0] != n:
        raise ValueError(f"expected {name} to be as long as {features}, {n} rows, got {array.shape[0]} ({shape})")
    if classes and (array.ndim == 1 or (array.shape[1] == 1 and outputs > 1)):
        return _as_labels(array.reshape(n), outputs, name)
    if array.ndim == 1 and outputs == 1:
        array = array.reshape(n, 1)
    if array.ndim == 1 or array.shape[1] != outputs:
        raise ValueError(f"expected {name} of shape {expected} for loss {loss.name!r}, got {array.shape}")
    check_finite(array, dtype, name)
    array = _native(array, dtype, cast=True)
    if classes:
        _check_range(array, 0.0, 1.0, name, "probabilities")
        total = array.sum(axis=1, dtype=np.float64)
        row = int(np.argmax(np.abs(total - 1.0)))
        if abs(total[row] - 1.0) > 1e-3:
            raise ValueError(f"expected each row of {name} to sum to 1, got {total[row]:g} in row {row} ({shape})")
    elif loss.name == "binary_cross_entropy":
        _check_range(array, 0.0, 1.0, name, f"targets of {loss.name!r}")
    elif loss.name == "poisson":
        _check_range(array, 0.0, np.inf, name, f"targets of {loss.name!r}")
    return array


def as_sample_weight(
    sample_weight: object, n: int, *, name: str = "sample_weight", features: str = "X"
) -> NDArray[np.float64] | None:
    """Sample weights as (n,) float64, or None where none are given.

    They are what was given, or, if sums of them could overflow or vanish, a power of two times that (`scale_weights`):
    a weighted mean is the same.

    Raises
    ------
    TypeError
        If the weights are not numeric.
    ValueError
        If the shape is not (n,), a weight is negative, NaN or infinite, or all are zero.
    """
    return scale_weights(check_sample_weight(sample_weight, n, name=name, features=features))[0]


def check_sample_weight(
    sample_weight: object, n: int, *, name: str = "sample_weight", features: str = "X"
) -> NDArray[np.float64] | None:
    """As `as_sample_weight`, but for the scaling."""
    if sample_weight is None:
        return None
    array = _numeric(sample_weight, name)
    if array.shape != (n,):
        raise ValueError(f"expected {name} of shape ({n},), one weight for each row of {features}, got {array.shape}")
    float64 = np.dtype(np.float64)
    check_finite(array, float64, name)
    weights = _native(array, float64, cast=True)
    row = int(np.argmin(weights))
    if weights[row] < 0.0:
        raise ValueError(f"expected {name} to be >= 0, got {weights[row]:g} at row {row}")
    if not weights.any():
        raise ValueError(f"expected a positive sum of {name}, got zeros only")
    return weights


# Between these, sums of weights, their inverses, and their products with losses are normal float64 numbers.
_LARGEST_SUM, _SMALLEST_WEIGHT = 500, -900  # powers of two


def scale_weights(*factors: NDArray[np.float64] | None) -> tuple[NDArray[np.float64] | None, int]:
    """The product of weights (n,) >= 0, of any size, so that the compiled loops can add them up; None stands for ones.

    They are multiplied by a power of two only where their sum would be above 2**500, or one of them below 2**-900;
    where both are, the smallest are raised to 2**-900, which no sum with a large one shows.

    Returns
    -------
    weights : ndarray of shape (n,), or None
        What was given, if there is only one factor and it needs no scaling.
    exponent : int
        Of the power of two; 0 for none.
    """
    given = [factor for factor in factors if factor is not None]
    if not given:
        return None, 0
    weights, *others = given
    mantissa, exponent = np.frexp(weights)
    for factor in others:
        mantissa_of_factor, exponent_of_factor = np.frexp(factor)
        mantissa, carried = np.frexp(mantissa * mantissa_of_factor)
        exponent = exponent + exponent_of_factor + carried
    counts = mantissa > 0.0
    if not counts.any():
        return np.zeros_like(weights), 0
    above_sum = int(exponent.max(where=counts, initial=-(2**30))) + len(weights).bit_length()
    shift = 0
    if above_sum > _LARGEST_SUM or exponent.min(where=counts, initial=2**30) <= _SMALLEST_WEIGHT:
        shift = _LARGEST_SUM - above_sum
    elif not others:
        return weights, 0
    scaled = np.ldexp(mantissa, exponent + shift)
    np.maximum(scaled, 2.0**_SMALLEST_WEIGHT, out=scaled, where=counts)
    return scaled, shift


def scale_penalty(
    penalty: float, weights: NDArray[np.float64] | None, exponent: int, n: int, dtype: np.dtype[Any], *, name: str
) -> float:
    """A penalty that will be divided by the sum of `weights` (by n without any), times the power of two in these.

    Raises
    ------
    ValueError
        If the quotient is above the root of what `dtype` holds: the square of its gradient overflows.
    """
    total = n if weights is None else float(weights.sum())
    limit = float(np.sqrt(np.finfo(dtype).max))
    with np.errstate(over="ignore", under="ignore"):
        scaled = float(np.ldexp(float(penalty), exponent))
        total_given = float(np.ldexp(float(total), -exponent))
    if scaled > limit * total:
        raise ValueError(
            f"expected {name} / sum of the sample weights to be at most {limit:.3g}, as {dtype} has to hold its "
            f"square, got {name}={penalty:g} and a sum of {total_given:.3g}. Multiply the weights by a constant, or "
            f"set {name}=0"
        )
    return scaled


def as_parameters(values: ArrayLike, n: int, dtype: np.dtype[Any], *, name: str = "parameters") -> NDArray[Any]:
    """`values` as an (n,) array of `dtype`, finite; for assignment to a model."""
    array = _numeric(values, name)
    if array.shape != (n,):
        raise ValueError(f"expected {name} of shape ({n},), got {array.shape}")
    check_finite(array, dtype, name)
    return _native(array, dtype, cast=True)


def check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any], *, name: str = "out") -> None:
    """Raise an error if compiled code can't write a result of this shape and dtype into `out`."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"expected {name} to be an array, got {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"expected {name} of shape {shape}, {dtype.name}; got {out.shape}, {out.dtype}")
    if not out.flags.carray:
        raise ValueError(f"expected {name} to be C-contiguous, aligned and writable, got an array that is not")


def n_rows(X: Features) -> int:
    """The number of rows of what `as_features` returned."""
    return len(X.offsets) - 1 if isinstance(X, CSR) else int(X.shape[0])


def check_finite(array: NDArray[Any], dtype: np.dtype[Any], name: str) -> None:
    """Raise a ValueError that names the first NaN, infinity or number too large for `dtype`, if there is one."""
    first = _first_not_finite(array, dtype)
    if first is not None:
        place = np.unravel_index(first, array.shape)
        where = ", ".join(f"{axis} {index}" for axis, index in zip(("row", "column"), place, strict=False))
        raise _not_finite(array.flat[first], dtype, where, f"{name} has shape {array.shape}", name)


def _first_not_finite(array: NDArray[Any], dtype: np.dtype[Any]) -> int | None:
    """The flat index of the first value that is not finite in `dtype`."""
    if array.dtype.kind != "f" or array.size == 0:
        return None
    limit = np.finfo(dtype).max if array.dtype.itemsize > dtype.itemsize else np.finfo(array.dtype).max
    with np.errstate(invalid="ignore"):
        if array.min() >= -limit and array.max() <= limit:  # no temporary; both are NaN where a value is
            return None
        return int(np.argmin(np.abs(array) <= limit))


def _not_finite(value: float, dtype: np.dtype[Any], where: str, shape: str, name: str) -> ValueError:
    what = f"{value:g}, too large for {dtype.name}," if np.isfinite(value) else "NaN" if np.isnan(value) else "infinity"
    return ValueError(f"expected finite values in {name}, got {what} at {where} ({shape})")


def _numeric(value: object, name: str) -> NDArray[Any]:
    """`value` as an array of bool, integers or floats, without a copy where it is one."""
    if _is_sparse(value):
        raise TypeError(f"expected {name} to be dense, got a sparse {type(value).__name__}")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"expected {name} without missing values, got a masked array; fill or drop them first")
    try:
        array = np.asarray(value)
        if array.dtype == object:
            array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"expected {name} to be an array of numbers, got {type(value).__name__} that does not convert: {error}"
        ) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected {name} to be numeric, got dtype {array.dtype} ({name} has shape {array.shape})")
    return array


def _native(array: NDArray[Any], dtype: np.dtype[Any], cast: bool) -> NDArray[Any]:
    """`array`, C-contiguous, aligned and of a dtype that the loops read: `dtype` if `cast`."""
    if array.dtype == np.bool_ and not cast:
        array = np.ascontiguousarray(array).view(np.uint8)
    if cast or array.dtype not in _NATIVE:
        return np.require(array, dtype, ("C", "ALIGNED"))
    return np.require(array, requirements=("C", "ALIGNED"))


def _as_labels(array: NDArray[Any], classes: int, name: str) -> NDArray[np.int32]:
    check_finite(array, array.dtype, name)
    if array.dtype.kind == "f":
        fractional = np.flatnonzero(array != np.floor(array))
        if fractional.size:
            row = fractional[0]
            raise ValueError(f"expected class indices in {name}, whole numbers, got {array[row]:g} at row {row}")
    for row in (int(np.argmin(array)), int(np.argmax(array))):
        if not 0 <= array[row] < classes:
            label = int(array[row])
            raise ValueError(f"expected class indices in {name} from 0 to {classes - 1}, got {label} at row {row}")
    return np.ascontiguousarray(array, dtype=np.int32)


def _check_range(array: NDArray[Any], low: float, high: float, name: str, what: str) -> None:
    for index in (int(np.argmin(array)), int(np.argmax(array))):
        value = array.flat[index]
        if not low <= value <= high:
            expected = f">= {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
            row = index // array.shape[1]
            raise ValueError(f"expected {what} in {name} to be {expected}, got {value:g} in row {row}")


def _is_sparse(value: object) -> bool:
    """Whether `value` is a SciPy sparse matrix or array; told by its methods, so that SciPy need not be installed."""
    return hasattr(value, "tocsr") and hasattr(value, "nnz")


def _as_csr(X: Any, n_features: int, dtype: np.dtype[Any], name: str, cast: bool) -> CSR:
    shape = f"{name} has shape {X.shape}"
    if len(X.shape) != 2:
        raise ValueError(f"expected {name} to be 2-D (rows, {n_features}), got {len(X.shape)}-D ({shape})")
    if X.shape[1] != n_features:
        raise ValueError(f"expected {n_features} features, got {X.shape[1]} ({shape})")
    if X.shape[0] == 0:
        raise ValueError(f"expected at least one row, got none ({shape})")
    csr = X.tocsr()
    stored = _numeric(csr.data, name)
    index = np.dtype(np.int32 if csr.indices.dtype == csr.indptr.dtype == np.int32 else np.int64)
    columns = np.ascontiguousarray(csr.indices, dtype=index)
    offsets = np.ascontiguousarray(csr.indptr, dtype=index)
    # The compiled loops index by these without further checks, and SciPy lets its users write into them.
    inside = (
        offsets[0] == 0 and offsets[-1] <= min(len(stored), len(columns)) and bool((offsets[1:] >= offsets[:-1]).all())
    )
    if inside and len(columns):
        inside = columns.min() >= 0 and columns.max() < n_features
    if not inside or len(offsets) != X.shape[0] + 1:
        raise ValueError(f"expected {name} to be a well-formed CSR matrix, got indices outside its shape {X.shape}")
    stored, columns = stored[: offsets[-1]], columns[: offsets[-1]]
    first = _first_not_finite(stored, dtype)
    if first is not None:
        row = int(np.searchsorted(offsets, first, side="right")) - 1
        raise _not_finite(stored[first], dtype, f"row {row}, column {columns[first]}", shape, name)
    return CSR(_native(stored, dtype, cast), columns, offsets)
