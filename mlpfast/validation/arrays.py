"""Numbers from whatever holds them, without a copy where they are as wanted."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import unknown_name
from ..frames import rows_of_frame
from ..maps import check_length
from ..parts import Buffer
from .finite import MISSING, NATIVE, QUIET, check_finite, place_of
from .rows import is_sparse

__all__ = [
    "as_array",
    "as_dtype",
    "as_parameters",
    "as_tensors",
    "check_buffers",
    "is_missing",
    "may_give_chunks",
    "native",
    "numeric",
]


def as_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The NumPy dtype float32 or float64; anything else is a ValueError."""
    try:
        result = np.dtype(dtype)
    except TypeError:
        raise unknown_name("dtype", dtype, ("float32", "float64")) from None
    if result not in NATIVE[:2]:
        raise ValueError(f"expected dtype to be float32 or float64, got {result}")
    return np.dtype(result.name)


def as_parameters(values: ArrayLike, n: int, dtype: np.dtype[Any], *, name: str = "parameters") -> NDArray[Any]:
    """`values` as an (n,) array of `dtype`, finite; for assignment to a model."""
    return as_array(values, (n,), dtype, name)


def as_array(values: object, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """`values` as a C-contiguous array of this shape and dtype, finite."""
    array = numeric(values, name)
    if array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, got {array.shape}")
    check_finite(array, dtype, name)
    return native(array, dtype, cast=True)


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
    given = {name: numeric(other[name], name) for name in ours if name in other}
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
    return {name: np.array(native(array, dtype, cast=True)) for name, array in given.items()}, left_out


def check_buffers(arrays: Mapping[str, NDArray[Any]], buffers: Iterable[Buffer]) -> None:
    """Raise an error that names the first value that can't have been learnt, as a negative variance; NaN is none."""
    for buffer in buffers:
        if buffer.name not in arrays:
            continue
        array = arrays[buffer.name]
        if (low := np.flatnonzero(array < buffer.at_least)).size:
            got = f"{array.flat[low[0]]} at element {low[0]}"
            raise ValueError(f"expected {buffer.name} to be at least {buffer.at_least:g}, got {got}")
        if buffer.ascends and (falls := np.argwhere(array[..., 1:] < array[..., :-1])).size:
            row, column = falls[0]
            raise ValueError(
                f"expected {buffer.name} to ascend along each row, "
                f"got {array[row, column]} and {array[row, column + 1]} at row {row}, column {column}"
            )


def numeric(value: object, name: str, encode: str = "") -> NDArray[Any]:
    """`value` as an array of bool, integers or floats, without a copy where it is one; `encode` helps with strings."""
    if type(value) is np.ndarray and value.dtype.kind in "biuf":  # as most are: nothing else need be asked
        check_length(value, name)
        return value
    if is_sparse(value):
        raise TypeError(f"expected {name} to be dense, got a sparse {type(value).__name__}")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        where = place_of(int(np.argmax(np.ma.getmaskarray(value))), value.shape, value)
        raise ValueError(f"expected {name} without missing values, got a masked one at {where}; {MISSING}")
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
            with QUIET():
                return array.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise _not_numbers(array, value, name, encode) or error from None
    if array.dtype.kind not in "biuf":
        hint = f"; {encode}" if encode and array.dtype.kind in "SUT" else ""
        shape = f"{name} has shape {array.shape}"
        raise TypeError(f"expected {name} to be numeric, got dtype {array.dtype} ({shape}){hint}")
    return array


def native(array: NDArray[Any], dtype: np.dtype[Any], cast: bool) -> NDArray[Any]:
    """`array`, C-contiguous, aligned and of a dtype that the loops read: `dtype` if `cast`."""
    if array.dtype == dtype and array.flags.carray:
        return array
    if array.dtype == np.bool_ and not cast:
        array = np.ascontiguousarray(array).view(np.uint8)
    if array.dtype != dtype and (cast or array.dtype not in NATIVE):
        with QUIET():
            return np.require(array, dtype, ("C", "ALIGNED"))
    return np.require(array, requirements=("C", "ALIGNED"))


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
        where = place_of(flat, array.shape, given)
        if is_missing(element):
            return ValueError(f"expected {name} without missing values, got {element!r} at {where}; {MISSING}")
        try:
            float(element)
        except OverflowError:
            return ValueError(f"expected finite values in {name}, got an integer too large for float64 at {where}")
        except (TypeError, ValueError):
            hint = f"; {encode}" if encode and isinstance(element, (str, bytes)) else ""
            got = f"{reprlib.repr(element)} ({type(element).__name__})"
            return TypeError(f"expected {name} to be numeric, got {got}{where and f' at {where}'}{hint}")
    return None
