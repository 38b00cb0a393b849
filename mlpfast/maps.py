"""Arrays that lie in files, as `numpy.memmap` has them: where in the file, and whether that is still there.

To touch a page of a map that lies behind the end of its file ends the process.
"""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["begin_in_file", "check_length"]


def begin_in_file(array: NDArray[Any], mapped: np.memmap[Any, Any]) -> int:
    """The byte of the file at which an array begins that is a map, or a view of it."""
    # `offset` is that of the map; a slice begins further on. Maps begin at multiples of the granularity.
    start = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
    into_map = array.ctypes.data - np.frombuffer(mapped._mmap, np.uint8).ctypes.data  # type: ignore[attr-defined]
    return int(start + into_map)


def check_length(array: object, name: str) -> None:
    """Raise a ValueError that names the first row which is behind the end of its file; of memory, do nothing.

    The file is the one that was mapped, whatever has its name by now.
    """
    if (mapped := _map_of(array)) is None or not isinstance(array, np.ndarray) or array.size == 0:
        return
    size = mapped._mmap.size()  # type: ignore[attr-defined]
    reach = [(n - 1) * max(stride, 0) for n, stride in zip(array.shape, array.strides, strict=True)]
    end_of_first = begin_in_file(array, mapped) + sum(reach[1:]) + array.itemsize
    if end_of_first + sum(reach[:1]) > size:
        step = max(array.strides[0], 0) if array.ndim else 0
        row = 0 if end_of_first > size or step == 0 else (size - end_of_first) // step + 1
        raise ValueError(
            f"expected {array[:1].nbytes if array.ndim else array.nbytes:,} bytes of row {row:,} of {name}, got the "
            f"end of {os.fspath(mapped.filename or 'its file')!r}: it was cut short"
        )


def _map_of(array: object) -> np.memmap[Any, Any] | None:
    """The map that an array is, or is a view of."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and getattr(array, "_mmap", None) is not None:
            return array
        array = array.base
    return None
