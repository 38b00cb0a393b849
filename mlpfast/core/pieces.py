"""Long work in pieces, between which Python hears signals; and wide rows in chunks, which fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["pieces", "rows_at_once"]

_WORK = 1 << 30  # multiply-adds, which take 0.1 s or less
_MULTIPLE = 240  # of rows: whole register tiles
_MOST_ROWS, _BYTES = 1024, 1 << 26  # that an engine of tangents holds, at most


def pieces(rows: int, work: int) -> Iterator[slice]:
    """The rows in pieces, where `work` is what a row takes, in multiply-adds."""
    size = max(_WORK // max(work, 1) // _MULTIPLE, 1) * _MULTIPLE
    for first in range(0, rows, size):
        yield slice(first, min(first + size, rows))


def rows_at_once(rows: int, columns: Sequence[int], itemsize: int) -> int:
    """How many of the rows an engine of tangents should hold, for values of so many columns."""
    size = 4 * itemsize * sum(columns)  # of a row: value and delta, and the tangents of both
    return min(rows, _MOST_ROWS, max(_BYTES // size, 1))
