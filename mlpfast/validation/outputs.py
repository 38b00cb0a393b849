"""Where results may be written."""

from __future__ import annotations

from typing import Any

import numpy as np

from .rows import CSR, is_sparse

__all__ = ["check_out", "shares_memory"]


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
        elif is_sparse(each):
            arrays += [getattr(each, name) for name in ("data", "indices", "indptr") if hasattr(each, name)]
        elif each is not None:
            arrays.append(np.asarray(each))
    return any(isinstance(array, np.ndarray) and np.may_share_memory(out, array) for array in arrays)
