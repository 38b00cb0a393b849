"""User input to what the compiled loops take. The only place that copies or casts, and it copies only where it must.

Features become a C-contiguous (n, d) array of float32, float64, uint8 or int16 (the loops cast on the way in), or `CSR`
rows; targets become (n,) int32 class indices or an (n, outputs) array of the model's dtype; weights (n,) float64.
"""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Iterable, Mapping, Set
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .core.memory import all_finite
from .errors import unknown_name
from .frames import column_names, rows_of_frame
from .losses import NUMBERS, Loss, Targets
from .maps import check_length
from .parts import Buffer

__all__ = [
    "CSR",
    "Features",
    "Index",
    "as_dtype",
    "as_features",
    "as_sample_weight",
    "as_targets",
    "as_they_are",
    "check_finite",
    "check_sample_weight",
    "may_give_chunks",
    "n_rows",
    "scale_penalty",
    "scale_weights",
    "shares_memory",
    "stored_in",
    "take_rows",
]


class CSR(NamedTuple):
    """Sparse rows: row i has ``values[offsets[i]:offsets[i+1]]`` in ``columns[...]``, which ascend; none repeats."""

    values: NDArray[Any]  # (stored,) float32, float64, uint8 or int16
    columns: NDArray[Any]  # (stored,) int32 or int64
    offsets: NDArray[Any]  # (n + 1,) of the same dtype as columns


Features: TypeAlias = "NDArray[Any] | CSR"
#: Rows of an array: some in a row, or their numbers.
Index: TypeAlias = "slice | NDArray[np.int64]"

_LABELS = (np.dtype(np.int32), np.dtype(np.int64))
_WHOLE_FLOAT32 = 2**24  # up to here, float32 has every whole number
_NATIVE = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8), np.dtype(np.int16))

#: Our own casts round to 0 and to infinity as they do by themselves, whatever `np.seterr` the user has set.
_QUIET = partial(np.errstate, all="ignore")

_MISSING = "fill in missing values or drop their rows first"
_ENCODE_FEATURES = "encode strings first, by sklearn.preprocessing.OneHotEncoder or pandas.get_dummies for example"
_ENCODE_LABELS = (
    "turn labels into class indices by classes, y = np.unique(y, return_inverse=True), or use MLPClassifier, which does"
)


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
        Integers are cast to `dtype`; float32, float64, uint8, int16 and bool are kept as they are.
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
        If X is not numeric; a data frame's column is named.
    ValueError
        If X is empty, has the wrong rank or width, or holds NaN, infinity or missing values.
    """
    if _is_sparse(X):
        return _as_csr(X, n_features, dtype, name, cast)
    array = _numeric(X, name, _ENCODE_FEATURES)
    shape = array.shape
    if len(shape) != 2 and not (one_row and len(shape) == 1):
        hint = "; use X.reshape(1, -1) for one row, X.reshape(-1, 1) for one feature" if len(shape) == 1 else ""
        raise ValueError(
            f"expected {name} to be 2-D (rows, {n_features}), got {len(shape)}-D ({name} has shape {shape}{hint})"
        )
    if shape[-1] != n_features:
        raise ValueError(f"expected {n_features} features, got {shape[-1]} ({name} has shape {shape})")
    if shape[0] == 0:
        raise ValueError(f"expected at least one row, got none ({name} has shape {shape})")
    if finite:
        check_finite(array, dtype, name, given=X)
    return _native(array, dtype, cast)


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
    if n == 0 or y.shape[0] != n or X.dtype not in _NATIVE or not (X.flags.carray and y.flags.carray):
        return None
    if labels:
        return X, y
    targets = outputs // loss.outputs_per_target
    if y.dtype != dtype or loss.targets is not NUMBERS or y.shape not in ((n, targets), (n,)) or y.size != n * targets:
        return None
    return X, y.reshape(n, targets)


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
    array = _numeric(y, name, _ENCODE_LABELS if loss.accuracy else "")
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
    array = _native(array, dtype, cast=True)
    _check_range(array, takes, name, "probabilities" if classes else f"targets of {loss.name!r}")
    if classes:
        total = array.sum(axis=1, dtype=np.float64)
        row = int(np.argmax(np.abs(total - 1.0)))
        if abs(total[row] - 1.0) > 1e-3:
            raise ValueError(f"expected each row of {name} to sum to 1, got {total[row]:g} in row {row} ({shape})")
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
    if sample_weight is None:
        return None
    return scale_weights(check_sample_weight(sample_weight, n, name=name, features=features))[0]


def check_sample_weight(
    sample_weight: object, n: int, *, name: str = "sample_weight", features: str = "X", some: bool = True
) -> NDArray[np.float64] | None:
    """As `as_sample_weight`, but for the scaling. `some`: not all may be zero."""
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
    if some and not weights.any():
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
    with _QUIET():  # the smallest may vanish beside a large one
        scaled = np.ldexp(mantissa, exponent + shift)
    np.maximum(scaled, 2.0**_SMALLEST_WEIGHT, out=scaled, where=counts)
    return scaled, shift


def scale_penalty(
    penalty: float, weights: NDArray[np.float64] | None, exponent: int, n: int, dtype: np.dtype[Any], *, name: str
) -> float:
    """A penalty that will be divided by the sum of `weights` (by n without any), times the power of two in these.

    Any quotient that `dtype` holds together with its square works, whatever the size of either: the loss then has no
    part in what is learnt, or the penalty has none, but nothing overflows.

    Raises
    ------
    ValueError
        If the quotient is above the root of what `dtype` holds: the square of the penalty's gradient overflows.
    """
    total = n if weights is None else float(weights.sum())
    limit = math.sqrt(float(np.finfo(dtype).max))
    with np.errstate(over="ignore", under="ignore"):
        scaled = float(np.ldexp(float(penalty), exponent))
        total_given = float(np.ldexp(float(total), -exponent))
    if scaled > limit * total:
        raise ValueError(
            f"expected {name} / sum of the sample weights to be at most {limit:.3g}, as {dtype} has to hold its "
            f"square, got {name}={penalty:g} and a sum of {total_given:.3g}, so {_size(penalty / total_given)}. "
            f"Multiply the weights by a constant, or set {name}=0"
        )
    return scaled


def _size(quotient: float) -> str:
    return f"{quotient:.3g}" if math.isfinite(quotient) else "more than float64 holds"


def as_parameters(values: ArrayLike, n: int, dtype: np.dtype[Any], *, name: str = "parameters") -> NDArray[Any]:
    """`values` as an (n,) array of `dtype`, finite; for assignment to a model."""
    return as_array(values, (n,), dtype, name)


def as_array(values: object, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """`values` as a C-contiguous array of this shape and dtype, finite."""
    array = _numeric(values, name)
    if array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, got {array.shape}")
    check_finite(array, dtype, name)
    return _native(array, dtype, cast=True)


def as_tensors(
    other: object, ours: Mapping[str, NDArray[Any]], dtype: np.dtype[Any], *, strict: bool
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Copies of those arrays in `other` that fit ours by name and shape, finite and of `dtype`; and why others do not.

    An error if there are others and `strict`. They are copies since `other` may have views of what is written next.
    """
    if not isinstance(other, Mapping):
        hint = "; write load_tensors(mlpfast.load(path))" if isinstance(other, (str, os.PathLike)) else ""
        got = f"{reprlib.repr(other)} ({type(other).__name__})"
        raise TypeError(f"expected other to be a Model or a mapping from names to arrays, got {got}{hint}")
    given = {name: _numeric(other[name], name) for name in ours if name in other}
    left_out = {}
    for name, array in ours.items():
        if name not in given:
            left_out[name] = "is missing"
        elif given[name].shape != array.shape:
            left_out[name] = f"has shape {given.pop(name).shape}, expected {array.shape}"
    left_out |= {name: "is not in this model" for name in other if name not in ours}
    if left_out and strict:
        reasons = [f"{name} {reason}" for name, reason in left_out.items()]
        some = ", ".join(reasons[:5]) + (f", and {len(reasons) - 5:,} more" if len(reasons) > 5 else "")
        raise ValueError(
            f"expected tensors of this model's names and shapes: {some}; strict=False copies those that fit"
        )
    for name, array in given.items():
        check_finite(array, dtype, name)
    return {name: np.array(_native(array, dtype, cast=True)) for name, array in given.items()}, left_out


def check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any], *, name: str = "out") -> None:
    """Raise an error if compiled code can't write a result of this shape and dtype into `out`."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"expected {name} to be an array, got {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"expected {name} of shape {shape}, {dtype.name}; got {out.shape}, {out.dtype}")
    if not out.flags.carray:
        raise ValueError(f"expected {name} to be C-contiguous, aligned and writable, got an array that is not")


def shares_memory(out: object, *inputs: object) -> bool:
    """Whether a result written into `out` could change what is still to be read of the inputs."""
    if not isinstance(out, np.ndarray):
        return False
    arrays: list[object] = []
    for each in inputs:
        if type(each) is np.ndarray:
            arrays.append(each)
        elif isinstance(each, CSR):
            arrays += each
        elif _is_sparse(each):
            arrays += [getattr(each, name) for name in ("data", "indices", "indptr") if hasattr(each, name)]
        elif each is not None:
            arrays.append(np.asarray(each))
    return any(isinstance(array, np.ndarray) and np.may_share_memory(out, array) for array in arrays)


def blank_weightless(
    X: Features, y: NDArray[Any], weights: NDArray[np.float64] | None
) -> tuple[Features, NDArray[Any]]:
    """X and y with zeros in the rows of weight zero: copies, if there is anything else in them.

    The loops multiply what comes of a row by its weight, and zero times an infinity on the way is NaN. Class indices
    stay: they can't be large.
    """
    if weights is None or weights.all():
        return X, y
    out = weights == 0.0
    if isinstance(X, CSR):
        X = X._replace(values=_zeroed(X.values, np.repeat(out, np.diff(X.offsets))))
    else:
        X = _zeroed(X, out)
    return X, _zeroed(y, out) if y.dtype.kind == "f" else y


def without_weightless(
    X: Features, y: NDArray[Any], weights: NDArray[np.float64] | None
) -> tuple[Features, NDArray[Any], NDArray[np.float64] | None]:
    """The rows that have a weight, where statistics are taken over all that there are."""
    if weights is None or weights.all():
        return X, y, weights
    kept = np.flatnonzero(weights)
    return take_rows(X, kept), y[kept], weights[kept]


def take_rows(X: Features, rows: Index) -> Features:
    """Some rows; a copy, unless they are a slice."""
    if not isinstance(X, CSR):
        return X[rows]
    stored, lengths = stored_in(X, rows)
    offsets = np.append(0, np.cumsum(lengths)).astype(X.offsets.dtype)
    return CSR(X.values[stored], X.columns[stored], offsets)


def stored_in(X: CSR, rows: Index) -> tuple[slice | NDArray[np.int64], NDArray[Any]]:
    """Which entries some rows have, and how many each; of a slice, which is not empty, a slice."""
    begins, ends = X.offsets[:-1][rows], X.offsets[1:][rows]
    lengths = ends - begins
    if isinstance(rows, slice):
        return slice(begins[0], ends[-1]), lengths
    places = np.cumsum(lengths) - lengths  # of each row's first entry among those taken
    return np.repeat(begins - places, lengths) + np.arange(lengths.sum()), lengths


def _zeroed(array: NDArray[Any], rows: NDArray[np.bool_]) -> NDArray[Any]:
    """The array with zeros in these rows: a copy, if there is anything else in them."""
    if not array[rows].any():
        return array
    array = array.copy()
    array[rows] = 0
    return array


def n_rows(X: Features) -> int:
    """The number of rows of what `as_features` returned."""
    return len(X.offsets) - 1 if isinstance(X, CSR) else int(X.shape[0])


def dense_rows(X: Features, n_features: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows as an array of this dtype, where they are stored; a copy of sparse ones."""
    if not isinstance(X, CSR):
        return X.astype(dtype, copy=False)
    rows = np.zeros((n_rows(X), n_features), dtype)
    rows[np.repeat(np.arange(len(rows)), np.diff(X.offsets)), X.columns] = X.values
    return rows


def check_finite(array: NDArray[Any], dtype: np.dtype[Any], name: str, given: object = None) -> None:
    """Raise a ValueError that names the first NaN, infinity or number too large for `dtype`, if there is one."""
    error = finite_error(array, dtype, name, given)
    if error is not None:
        raise error


def finite_error(array: NDArray[Any], dtype: np.dtype[Any], name: str, given: object = None) -> ValueError | None:
    """The error that names the first value not finite in `dtype`, or None.

    `given` is the user's data that the array was made from; where it is a data frame, the column is named.
    """
    first = _first_not_finite(array, dtype)
    if first is None:
        return None
    remedy = "" if given is None else _MISSING
    where = _place(first, array.shape, given)
    return _not_finite(array.flat[first], dtype, where, f"{name} has shape {array.shape}", name, remedy)


def check_buffers(arrays: Mapping[str, NDArray[Any]], buffers: Iterable[Buffer]) -> None:
    """Raise an error that names the first value below what can be learnt, as a negative variance; NaN is none."""
    for buffer in buffers:
        if buffer.name in arrays and (low := np.flatnonzero(arrays[buffer.name] < buffer.at_least)).size:
            raise ValueError(
                f"expected {buffer.name} to be at least {buffer.at_least:g}, "
                f"got {arrays[buffer.name].flat[low[0]]} at element {low[0]}"
            )


def code_error(X: Features, codes: list[tuple[int, int]], given: object = None, name: str = "X") -> ValueError | None:
    """The error that names the first code of no category, or None. `codes`: columns, and the categories of each."""
    found: tuple[int, int, float, int] | None = None  # row, column, value, categories
    for column, categories in codes:
        if isinstance(X, CSR):
            stored = np.flatnonzero(X.columns == column)  # what is not stored is category 0
            rows, values = np.searchsorted(X.offsets, stored, side="right") - 1, X.values[stored]
        else:
            values = np.atleast_2d(X)[:, column]
            rows = np.arange(len(values))
        with _QUIET():
            bad = np.flatnonzero(~((values >= 0) & (values < categories) & (values == np.floor(values))))
        if len(bad) and (found is None or rows[bad[0]] < found[0]):
            found = int(rows[bad[0]]), column, values[bad[0]], categories
    if found is None:
        return None
    row, column, value, categories = found
    width = column + 1 if isinstance(X, CSR) else X.shape[-1]
    where = _place(row * width + column, (row + 1, width), given)
    return ValueError(
        f"expected a category's code in {name}, a whole number from 0 to {categories - 1}, got {value:g} at {where}"
    )


def _place(flat: int, shape: tuple[int, ...], given: object) -> str:
    """Row and column of an element; with the column's name, where what was given is a data frame that has names."""
    index = [int(i) for i in np.unravel_index(flat, shape)]
    where = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), index, strict=False))
    names = column_names(given)
    if names is None or len(index) != 2 or len(names) != shape[1] or names[index[1]] == index[1]:
        return where
    return f"{where} ({names[index[1]]!r})"


def _first_not_finite(array: NDArray[Any], dtype: np.dtype[Any]) -> int | None:
    """The flat index of the first value that is not finite in `dtype`."""
    if array.dtype.kind != "f" or array.size == 0:
        return None
    narrows = array.dtype.itemsize > dtype.itemsize
    as_it_is = array.dtype in _NATIVE[:2] and array.flags.c_contiguous and array.flags.aligned
    if as_it_is and not narrows and all_finite(array):
        return None
    with _QUIET():
        if not narrows and math.isfinite(np.add.reduce(array, axis=None)):  # one pass; else the sum may have overflowed
            return None
        limit = np.finfo(dtype if narrows else array.dtype).max
        if array.min() >= -limit and array.max() <= limit:  # no temporary; both are NaN where a value is
            return None
        return int(np.argmin(np.abs(array) <= limit))


def _not_finite(value: float, dtype: np.dtype[Any], where: str, shape: str, name: str, remedy: str = "") -> ValueError:
    what = f"{value:g}, too large for {dtype.name}," if np.isfinite(value) else "NaN" if np.isnan(value) else "infinity"
    hint = f"; {remedy}" if remedy and np.isnan(value) else ""
    return ValueError(f"expected finite values in {name}, got {what} at {where} ({shape}){hint}")


def _numeric(value: object, name: str, encode: str = "") -> NDArray[Any]:
    """`value` as an array of bool, integers or floats, without a copy where it is one; `encode` helps with strings."""
    if type(value) is np.ndarray and value.dtype.kind in "biuf":  # as most are: nothing else need be asked
        check_length(value, name)
        return value
    if _is_sparse(value):
        raise TypeError(f"expected {name} to be dense, got a sparse {type(value).__name__}")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        where = _place(int(np.argmax(np.ma.getmaskarray(value))), value.shape, value)
        raise ValueError(f"expected {name} without missing values, got a masked one at {where}; {_MISSING}")
    try:
        array = rows if (rows := rows_of_frame(value)) is not None else np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"expected {name} to be an array of numbers, got {type(value).__name__} that does not convert"
            f"{_in_chunks(value, name) or f': {error}'}"
        ) from None
    check_length(array, name)
    if array.dtype == object:
        if array.ndim == 0 and may_give_chunks(value):
            raise TypeError(
                f"expected {name} to be an array of numbers, got {type(value).__name__}{_in_chunks(value, name)}"
            )
        try:
            with _QUIET():
                return array.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise _not_numbers(array, value, name, encode) or error from None
    if array.dtype.kind not in "biuf":
        hint = f"; {encode}" if encode and array.dtype.kind in "SUT" else ""
        shape = f"{name} has shape {array.shape}"
        raise TypeError(f"expected {name} to be numeric, got dtype {array.dtype} ({shape}){hint}")
    return array


def may_give_chunks(X: object) -> bool:
    """Whether it is iterable, or callable, and no array or table, which are iterable too."""
    array_like = any(hasattr(X, name) for name in ("__array__", "__array_interface__", "__dataframe__", "tocsr"))
    return (callable(X) or isinstance(X, Iterable)) and not array_like and not isinstance(X, (str, bytes))


def _in_chunks(value: object, name: str) -> str:
    """A hint where what was given for X, and is no array, may be chunks (X, y)."""
    if isinstance(value, (list, tuple)):
        chunk = value[0] if value else None
        chunks = isinstance(chunk, (list, tuple)) and len(chunk) in (2, 3) and hasattr(chunk[0], "shape")
    else:
        chunks = may_give_chunks(value) and not isinstance(value, (Mapping, Set))
    where = "; chunks (X, y) are taken by Trainer.fit and Trainer.evaluate alone, and without y"
    return where if chunks and name.split()[0] == "X" else ""


def is_missing(element: object) -> bool:
    """Whether it is None, or pandas' NA or NaT; that need not be installed."""
    return element is None or type(element).__name__ in ("NAType", "NaTType")


def _not_numbers(array: NDArray[Any], given: object, name: str, encode: str) -> Exception | None:
    """The error for the first element of an array of objects that is no number."""
    for flat, element in enumerate(array.flat):
        where = _place(flat, array.shape, given)
        if is_missing(element):
            return ValueError(f"expected {name} without missing values, got {element!r} at {where}; {_MISSING}")
        try:
            float(element)
        except OverflowError:
            return ValueError(f"expected finite values in {name}, got an integer too large for float64 at {where}")
        except (TypeError, ValueError):
            hint = f"; {encode}" if encode and isinstance(element, (str, bytes)) else ""
            got = f"{reprlib.repr(element)} ({type(element).__name__})"
            return TypeError(f"expected {name} to be numeric, got {got}{where and f' at {where}'}{hint}")
    return None


def _native(array: NDArray[Any], dtype: np.dtype[Any], cast: bool) -> NDArray[Any]:
    """`array`, C-contiguous, aligned and of a dtype that the loops read: `dtype` if `cast`."""
    if array.dtype == dtype and array.flags.carray:
        return array
    if array.dtype == np.bool_ and not cast:
        array = np.ascontiguousarray(array).view(np.uint8)
    if array.dtype != dtype and (cast or array.dtype not in _NATIVE):
        with _QUIET():
            return np.require(array, dtype, ("C", "ALIGNED"))
    return np.require(array, requirements=("C", "ALIGNED"))


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
    return _native(array, _LABELS[0], cast=True)


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


def _is_sparse(value: object) -> bool:
    """Whether `value` is a SciPy sparse matrix or array; told by its methods, so that SciPy need not be installed."""
    return type(value) is not np.ndarray and hasattr(value, "tocsr") and hasattr(value, "nnz")


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
    columns, offsets = (np.require(array, index, ("C", "ALIGNED")) for array in (csr.indices, csr.indptr))
    stored, columns = stored[: offsets[-1]], columns[: offsets[-1]]  # there may be unused room behind the entries
    # The compiled loops index by these without further checks, and SciPy lets its users write into them.
    inside = (
        offsets[0] == 0 and offsets[-1] == len(stored) == len(columns) and bool((offsets[1:] >= offsets[:-1]).all())
    )
    if inside and len(columns):
        inside = columns.min() >= 0 and columns.max() < n_features
    if not inside or len(offsets) != X.shape[0] + 1:
        raise ValueError(f"expected {name} to be a well-formed CSR matrix, got indices outside its shape {X.shape}")
    first = _first_not_finite(stored, dtype)
    if first is not None:
        row = int(np.searchsorted(offsets, first, side="right")) - 1
        raise _not_finite(stored[first], dtype, f"row {row}, column {columns[first]}", shape, name, _MISSING)
    rows = CSR(_native(stored, dtype, cast), columns, offsets)
    return rows if _ascends(rows) else _sorted(rows, dtype, name, shape)


def _ascends(X: CSR) -> bool:
    """Whether the columns ascend within each row, without repetition."""
    ascends = X.columns[1:] > X.columns[:-1]
    begins = X.offsets[1:-1]  # of all rows but the first: the column before is of another row
    ascends[begins[(begins > 0) & (begins < len(X.columns))] - 1] = True
    return bool(ascends.all())


def _sorted(X: CSR, dtype: np.dtype[Any], name: str, shape: str) -> CSR:
    """A copy whose columns ascend; repeated ones are added up in `dtype`, in their order."""
    row_of = np.repeat(np.arange(n_rows(X)), np.diff(X.offsets))
    order = np.lexsort((X.columns, row_of))
    columns, row_of = X.columns[order], row_of[order]
    new = np.append(True, (columns[1:] != columns[:-1]) | (row_of[1:] != row_of[:-1]))
    columns, row_of = columns[new], row_of[new]
    values = np.zeros(len(columns), dtype)
    with _QUIET():
        np.add.at(values, np.cumsum(new) - 1, X.values[order].astype(dtype))
    first = _first_not_finite(values, dtype)
    if first is not None:
        place = f"row {row_of[first]}, column {columns[first]}, where repeated entries add up"
        raise _not_finite(values[first], dtype, place, shape, name)
    offsets = np.append(0, np.cumsum(np.bincount(row_of, minlength=n_rows(X)))).astype(X.offsets.dtype)
    return CSR(values, columns, offsets)
