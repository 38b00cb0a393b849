"""From chunks to pieces: rows of whole batches, whatever the chunks' borders are.

A batch's rows are copied together, so that pieces are bounded in size, and nobody else writes into them. Where pieces
end shows in no bit: the engine goes on after each as within one array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .chunks import Wanted
from .order import Order
from .rows import Gathered, Rows

__all__ = ["Feed", "Source"]

PIECE_BYTES = 1 << 24


class Source(Protocol):
    """What gives checked chunks."""

    @property
    def steps(self) -> int | None:
        """Steps of an epoch; None: until there are no more rows."""

    @property
    def rows(self) -> int | None:
        """Rows of an epoch; None where nobody knows."""

    @property
    def goes_on(self) -> bool:
        """Whether an epoch begins where the last one ended."""

    def epoch(self, wanted: Wanted, order: Order | None) -> Iterator[tuple[int, Rows]]:
        """Chunks with their numbers; `order` is None where rows are not shuffled."""


class Feed:
    """The pieces of each epoch.

    Parameters
    ----------
    source : Source
    wanted : Wanted
    """

    def __init__(self, source: Source, wanted: Wanted) -> None:
        self.source, self._wanted = source, wanted
        self._left: tuple[Rows, NDArray[np.int64] | None, int] | None = None  # of a chunk: where an epoch goes on

    def epoch(
        self, batch_rows: int, order: Order | None, drops_last: bool, awaited: Callable[[], bool]
    ) -> Iterator[Rows]:
        """Pieces of whole batches, but for the last one, which has what is left, unless the epoch `drops_last`.

        They are large, as the engine has some work with each; smaller after a chunk at whose end one is `awaited`.
        Where something is wrong with a chunk, all batches that are whole without it come before the error.
        """
        steps = self.source.steps
        most = None if steps is None else steps * batch_rows
        # Of the last batches, engines that take statistics join one of a single row to the one before.
        held = batch_rows if self._wanted.over_batch else 0
        gathered: Gathered | None = None
        total, weighs = 0, False
        failure: Exception | None = None
        try:
            for rows, numbers, at in self._chunks(order):
                if rows.n == 0:
                    continue
                weighs = weighs or rows.sample_weight is None or bool(rows.sample_weight.any())
                if gathered is None:
                    piece = max(1, int(PIECE_BYTES / (rows.row_bytes * batch_rows + 1))) * batch_rows
                    gathered = Gathered(rows, piece + held, self._wanted.dtype)
                while at < rows.n:
                    n = min(rows.n - at, piece + held - gathered.n, rows.n if most is None else most - total)
                    gathered.add(rows, slice(at, at + n) if numbers is None else numbers[at : at + n], n)
                    at, total = at + n, total + n
                    if total == most:
                        self._left = (rows, numbers, at) if self.source.goes_on else None
                        yield gathered.take(gathered.n)
                        return
                    if gathered.n == piece + held:
                        yield gathered.take(piece)
                del rows, numbers  # before the next chunk is made
                if (n := (gathered.n - held) // batch_rows * batch_rows) > 0 and awaited():
                    yield gathered.take(n)
        except Exception as error:
            failure = error
        if failure is None:
            failure = self._ended_early(total, batch_rows, drops_last, weighs)
        if gathered is not None:
            whole = gathered.n // batch_rows * batch_rows
            n = whole if failure or (drops_last and total >= batch_rows) else gathered.n
            if n:
                yield gathered.take(n)
        if failure is not None:
            raise failure

    def _chunks(self, order: Order | None) -> Iterator[tuple[Rows, NDArray[np.int64] | None, int]]:
        """Rows, their order, and where in it to begin."""
        left, self._left = self._left, None
        if left is not None:
            yield left
            del left
        for number, rows in self.source.epoch(self._wanted, order):
            numbers = None if order is None else order.of_chunk(number, rows.n)
            yield rows, numbers, 0
            del rows, numbers

    def _ended_early(self, total: int, batch_rows: int, drops_last: bool, weighs: bool) -> Exception | None:
        """What is wrong, if anything is, with so many rows before the chunks ended."""
        steps = self.source.steps
        if total == 0:
            return ValueError("expected chunks of rows, got none: what was given had ended before the epoch began")
        if steps is not None and (total < steps * batch_rows if drops_last else total <= (steps - 1) * batch_rows):
            return ValueError(
                f"expected steps_per_epoch={steps} steps of {batch_rows} rows, got chunks that ended after {total} rows"
            )
        if not weighs:
            return ValueError("expected a positive sum of sample_weight, got zeros only")
        return None
