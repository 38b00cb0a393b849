"""Rows as the engine takes them, and rows gathered from several chunks until they make whole batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..validation import CSR, Features, Index, stored_in

__all__ = ["Gathered", "Rows"]

_INTEGERS = (np.dtype(np.uint8), np.dtype(np.int16))


class Rows(NamedTuple):
    """Checked rows, as `mlpfast.validation` returns them."""

    X: Features
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def row_bytes(self) -> float:
        """What a row takes, on average."""
        arrays: list[NDArray[Any]] = [*(self.X if isinstance(self.X, CSR) else [self.X]), self.y]
        arrays += [] if self.sample_weight is None else [self.sample_weight]
        return sum(array.nbytes for array in arrays) / self.n

    @property
    def kind(self) -> str:
        """What has to be the same for all rows of an epoch."""
        X = "sparse" if isinstance(self.X, CSR) else "dense"
        y = "class indices" if self.y.ndim == 1 else f"{self.y.shape[1]} columns of targets"
        return f"{X} X, {y} and {'no' if self.sample_weight is None else 'a'} sample_weight"


class Gathered:
    """Copies of rows, in the order in which they are added.

    Parameters
    ----------
    like : Rows
        Of the kind that will be added.
    room : int
        Most rows that it will hold.
    dtype : numpy.dtype
        The model's. uint8 and int16 are kept as they are while there is nothing else.
    """

    def __init__(self, like: Rows, room: int, dtype: np.dtype[Any]) -> None:
        self.n = 0
        self._X: Any = _Entries() if isinstance(like.X, CSR) else _Stack(like.X, room, dtype)
        self._y = _Stack(like.y, room, like.y.dtype)
        self._weights: Any = None
        if like.sample_weight is not None:
            self._weights = _Stack(like.sample_weight, room, like.sample_weight.dtype)

    def add(self, rows: Rows, index: Index, n: int) -> None:
        """Those n rows that `index` says."""
        self._X.add(rows.X, index, n)
        self._y.add(rows.y, index, n)
        if self._weights is not None:
            self._weights.add(rows.sample_weight, index, n)
        self.n += n

    def take(self, n: int) -> Rows:
        """The first n rows, which then are no longer here."""
        self.n -= n
        return Rows(self._X.take(n), self._y.take(n), None if self._weights is None else self._weights.take(n))


class _Stack:
    """Rows of a dense array."""

    def __init__(self, like: NDArray[Any], room: int, dtype: np.dtype[Any]) -> None:
        self._dtype, self._n = dtype, 0
        self._array = np.empty((room, *like.shape[1:]), like.dtype if like.dtype in _INTEGERS else dtype)

    def add(self, array: NDArray[Any], index: Index, n: int) -> None:
        if array.dtype != self._array.dtype != self._dtype:
            self._array = self._array.astype(self._dtype)
        to = self._array[self._n : self._n + n]
        if isinstance(index, slice) or array.dtype != to.dtype:
            to[...] = array[index]
        else:
            np.take(array, index, axis=0, out=to, mode="clip")  # with "raise" it would copy twice
        self._n += n

    def take(self, n: int) -> NDArray[Any]:
        taken, rest = self._array[:n], self._array[n : self._n]
        self._array, self._n = np.empty_like(self._array), len(rest)
        self._array[: self._n] = rest
        return taken


class _Entries:
    """Rows of CSR matrices."""

    def __init__(self) -> None:
        self._values: list[NDArray[Any]] = []
        self._columns: list[NDArray[Any]] = []
        self._lengths: list[NDArray[Any]] = []

    def add(self, X: CSR, index: Index, n: int) -> None:
        stored, lengths = stored_in(X, index)
        self._lengths.append(lengths)
        self._values.append(X.values[stored].copy())
        self._columns.append(X.columns[stored].copy())

    def take(self, n: int) -> CSR:
        values, columns, lengths = map(np.concatenate, (self._values, self._columns, self._lengths))
        offsets = np.append(0, np.cumsum(lengths)).astype(columns.dtype)
        end = offsets[n]
        self._values, self._columns, self._lengths = [values[end:]], [columns[end:]], [lengths[n:]]
        return CSR(values[:end], columns[:end], offsets[: n + 1])
