"""What the loops read, and where a number is that they could not."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.memory import all_finite
from ..frames import column_names

__all__ = ["MISSING", "NATIVE", "QUIET", "check_finite", "finite_error", "first_not_finite", "not_finite", "place_of"]

NATIVE = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8), np.dtype(np.int16))

#: Our own casts round to 0 and to infinity as they do by themselves, whatever `np.seterr` the user has set.
QUIET = partial(np.errstate, all="ignore")

MISSING = "fill in missing values or drop their rows first"


def check_finite(array: NDArray[Any], dtype: np.dtype[Any], name: str, given: object = None) -> None:
    """Raise a ValueError that names the first NaN, infinity or number too large for `dtype`, if there is one."""
    error = finite_error(array, dtype, name, given)
    if error is not None:
        raise error


def finite_error(array: NDArray[Any], dtype: np.dtype[Any], name: str, given: object = None) -> ValueError | None:
    """The error that names the first value not finite in `dtype`, or None.

    `given` is the user's data that the array was made from; where it is a data frame, the column is named.
    """
    first = first_not_finite(array, dtype)
    if first is None:
        return None
    remedy = "" if given is None else MISSING
    where = place_of(first, array.shape, given)
    return not_finite(array.flat[first], dtype, where, f"{name} has shape {array.shape}", name, remedy)


def place_of(flat: int, shape: tuple[int, ...], given: object) -> str:
    """Row and column of an element; with the column's name, where what was given is a data frame that has names."""
    index = [int(i) for i in np.unravel_index(flat, shape)]
    where = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), index, strict=False))
    names = column_names(given)
    if names is None or len(index) != 2 or len(names) != shape[1] or names[index[1]] == index[1]:
        return where
    return f"{where} ({names[index[1]]!r})"


def first_not_finite(array: NDArray[Any], dtype: np.dtype[Any]) -> int | None:
    """The flat index of the first value that is not finite in `dtype`."""
    if array.dtype.kind != "f" or array.size == 0:
        return None
    narrows = array.dtype.itemsize > dtype.itemsize
    as_it_is = array.dtype in NATIVE[:2] and array.flags.c_contiguous and array.flags.aligned
    if as_it_is and not narrows and all_finite(array):
        return None
    with QUIET():
        if not narrows and math.isfinite(np.add.reduce(array, axis=None)):  # one pass; else the sum may have overflowed
            return None
        limit = np.finfo(dtype if narrows else array.dtype).max
        if array.min() >= -limit and array.max() <= limit:  # no temporary; both are NaN where a value is
            return None
        return int(np.argmin(np.abs(array) <= limit))


def not_finite(value: float, dtype: np.dtype[Any], where: str, shape: str, name: str, remedy: str = "") -> ValueError:
    """The error for a value that is not finite in `dtype`; the `remedy` is one for what is missing."""
    what = f"{value:g}, too large for {dtype.name}," if np.isfinite(value) else "NaN" if np.isnan(value) else "infinity"
    hint = f"; {remedy}" if remedy and np.isnan(value) else ""
    return ValueError(f"expected finite values in {name}, got {what} at {where} ({shape}){hint}")
