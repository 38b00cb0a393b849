"""How much each row counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import native, numeric
from .finite import QUIET, check_finite
from .rows import CSR, Features, take_rows

__all__ = [
    "as_sample_weight",
    "blank_weightless",
    "check_sample_weight",
    "scale_penalty",
    "scale_weights",
    "without_weightless",
]


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
    array = numeric(sample_weight, name)
    if array.shape != (n,):
        raise ValueError(f"expected {name} of shape ({n},), one weight for each row of {features}, got {array.shape}")
    float64 = np.dtype(np.float64)
    check_finite(array, float64, name)
    weights = native(array, float64, cast=True)
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
    with QUIET():  # the smallest may vanish beside a large one
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


def _zeroed(array: NDArray[Any], rows: NDArray[np.bool_]) -> NDArray[Any]:
    """The array with zeros in these rows: a copy, if there is anything else in them."""
    if not array[rows].any():
        return array
    array = array.copy()
    array[rows] = 0
    return array
