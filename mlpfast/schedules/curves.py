"""The functions that schedules are made of: the same bits on every machine, where a library's differ in the last place.

Nothing but sums, products and quotients of float64, each rounded by itself, in one order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cosine", "exp2", "log2", "power"]

_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
_SINE = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(11))
_EXP = tuple(1 / math.factorial(k) for k in range(15))
_LOG = tuple(2 / (2 * k + 1) for k in range(12))

_Array = NDArray[np.float64]


def _polynomial(coefficients: tuple[float, ...], x: _Array) -> _Array:
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def cosine(x: Any) -> _Array:
    """cos(pi x)."""
    x = np.abs(np.asarray(x, np.float64)) % 2.0
    angle = (0.5 - np.where(x > 1.0, 2.0 - x, x)) * np.pi
    return np.asarray(angle * _polynomial(_SINE, angle * angle))


def exp2(x: Any) -> _Array:
    """2 to the power of x."""
    x = np.clip(np.asarray(x, np.float64), -1100.0, 1100.0)
    whole = np.rint(x)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.ldexp(_polynomial(_EXP, (x - whole) * _LN2), whole.astype(np.int32)))


def log2(x: Any) -> _Array:
    """The logarithm to base 2 of x > 0."""
    part, exponent = np.frexp(np.asarray(x, np.float64))
    small = part < _SQRT_HALF
    part, exponent = np.where(small, 2 * part, part), exponent - small
    ratio = (part - 1) / (part + 1)
    return np.asarray(exponent + ratio * _polynomial(_LOG, ratio * ratio) / _LN2)


def power(x: Any, exponent: Any) -> _Array:
    """The power of x >= 0; 1 where both are 0."""
    x, exponent = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(exponent, np.float64))
    positive = x > 0
    found = exp2(exponent * log2(np.where(positive, x, 1.0)))
    return np.where(positive, found, np.where(exponent == 0, 1.0, 0.0))
