"""Rows of files, that is of `numpy.memmap`, read where the system may say that there are none, and not through the map.

A page of a map that can't be read, as its file was cut short, ends the process; and pages that were read count as
memory until the system takes them back. What is read here stays within two buffers.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..maps import begin_in_file
from .chunks import Wanted
from .order import Order
from .rows import Gathered, Rows

__all__ = ["FileRows", "Mapped", "is_mapped"]

#: Rows that lie together are read together, as a run; a window is shuffled as a whole.
RUN_BYTES, WINDOW_BYTES = 1 << 18, 1 << 26


def is_mapped(array: object) -> bool:
    """Whether its rows can be read from its file, one after the other; not where writes do not reach the file."""
    return (
        isinstance(array, np.memmap)
        and array.ndim > 0
        and array.size > 0
        and array.dtype.kind in "biuf"
        and array.mode != "c"
        and array.filename is not None
        and getattr(array, "_mmap", None) is not None
        and array[:1].flags.c_contiguous
        and array.strides[0] >= array[0].nbytes
    )


class FileRows:
    """The rows of a memmap, which `is_mapped`, from its file. The array itself is never looked into.

    Raises
    ------
    OSError
        If there is no file of that name any more, or it can't be read.
    """

    def __init__(self, array: np.memmap[Any, Any], name: str) -> None:
        self.shape, self.dtype, self.name = array.shape, array.dtype, name
        self.row_bytes, self._stride = array[:1].nbytes, array.strides[0]
        self._begin = begin_in_file(array, array)
        self._path = os.fspath(array.filename)  # type: ignore[arg-type]
        self._file = os.open(self._path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Some rows in a row, in memory of their own."""
        first, end, _ = rows.indices(len(self))
        n = end - first
        buffer = np.empty((n - 1) * self._stride + self.row_bytes, np.uint8)
        view, done = buffer.data, 0
        while done < len(buffer):
            read = os.preadv(self._file, [view[done:]], self._begin + first * self._stride + done)
            if read == 0:
                row = first + done // self._stride
                raise ValueError(
                    f"expected {self.row_bytes:,} bytes of row {row:,} of {self.name}, got the end of "
                    f"{self._path!r}: it was cut short"
                )
            done += read
        shape = (n, *self.shape[1:])
        within = np.empty(shape[1:], self.dtype).strides
        return np.ndarray(shape, self.dtype, buffer, 0, (self._stride, *within))


class Mapped:
    """Rows of a memmap as chunks, which are windows over it.

    Not shuffled, windows are one behind the other. Shuffled, a window consists of many runs of rows from random places
    of the file, and its rows are shuffled with each other: near to a shuffle of all rows, at the speed of reading them
    in their order (CorgiPile, Xu et al., SIGMOD 2022). A file of a single window is shuffled as an array is.

    Parameters
    ----------
    X : numpy.memmap of shape (n, inputs)
        Which `is_mapped`.
    y : numpy.memmap, which `is_mapped`, or ndarray, of n rows
    sample_weight : the same, or None

    Raises
    ------
    ValueError
        If they are not of the same length, or X is no matrix of `inputs` columns.
    """

    steps: int | None = None
    goes_on = False

    def __init__(self, X: Any, y: Any, sample_weight: Any, inputs: int) -> None:
        if X.ndim != 2 or X.shape[1] != inputs:
            raise ValueError(f"expected X to be 2-D (rows, {inputs}), got shape {X.shape}")
        self._n = len(X)
        self.rows: int | None = len(X)
        self._X = FileRows(X, "X")
        self._y = _rows(y, self._n, "y")
        self._weights = None if sample_weight is None else _rows(sample_weight, self._n, "sample_weight")

    def epoch(self, wanted: Wanted, order: Order | None) -> Iterator[tuple[int, Rows]]:
        """The windows of an epoch, with their numbers."""
        run = max(1, RUN_BYTES // self._X.row_bytes)
        runs: Any = range(-(-self._n // run))
        in_window = max(1, WINDOW_BYTES // (run * self._X.row_bytes))
        if order is not None and len(runs) > in_window:
            runs = order.of_runs(len(runs))
        for number, begin in enumerate(range(0, len(runs), in_window)):
            window: Gathered | None = None
            for i in runs[begin : begin + in_window]:
                rows = self._read(int(i) * run, min((int(i) + 1) * run, self._n), wanted)
                if window is None:
                    window = Gathered(rows, run * in_window, wanted.dtype)
                window.add(rows, slice(0, rows.n), rows.n)
            assert window is not None
            yield number, window.take(window.n)

    def _read(self, first: int, end: int, wanted: Wanted) -> Rows:
        rows = slice(first, end)
        weights = None if self._weights is None else self._weights[rows]
        return wanted.check(self._X[rows], self._y[rows], weights, f"[{first}:{end}]")


def _rows(given: Any, n: int, name: str) -> Any:
    rows = FileRows(given, name) if is_mapped(given) else np.asarray(given)
    if rows.shape[:1] != (n,):
        raise ValueError(f"expected {name} to be as long as X, {n} rows, got shape {rows.shape}")
    return rows
