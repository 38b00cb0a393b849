"""The epochs of rows that come in pieces: what the loop of `fit` goes through in place of those of one array."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from ..core.results import EpochResult
from .ahead import Ahead
from .epochs import Place, result_of
from .feed import Feed
from .order import Order
from .rows import Rows

__all__ = ["FeedEpochs", "Pieces"]


class Pieces(Protocol):
    """What `FeedEpochs` needs of a trainer, and users do not."""

    _place: Place

    def _batches_of(self, batch_rows: int, rows: int) -> int:
        """How many batches so many rows are."""

    def _piece(self, piece: Rows, batch_rows: int, first: int, begins: bool, most: int, deadline: float) -> EpochResult:
        """Make at most so many steps of an epoch, from batch `first` of the piece on."""


class FeedEpochs:
    """The epochs of a feed.

    An epoch that was left goes on where it was: its rows are read again up to there. Those of an iterator can't be.

    Parameters
    ----------
    trainer : Pieces
    feed : Feed
    kind : dict
        See `Place`; "steps" is how many steps an epoch has, or None where nobody knows before its end.
    """

    def __init__(self, trainer: Pieces, feed: Feed, kind: dict[str, Any]) -> None:
        self._trainer, self._feed, self._kind = trainer, feed, kind | {"data": "chunks"}
        self._place = trainer._place
        self._ahead: Ahead[Rows] | None = None
        self._pieces: Iterator[Rows] = iter(())
        self._piece: Rows | None = None
        self._first = self._batches = self._batch_rows = 0  # of the piece: its next batch, how many it has
        self._ended = False
        if self._place.open and (feed.source.goes_on or self._place.kind != self._kind):
            self._place.close()

    @property
    def known(self) -> bool:
        """Whether it is known how many steps an epoch has."""
        return self._kind["steps"] is not None

    @property
    def steps(self) -> int:
        """Of an epoch; more than any has, until it is known."""
        if self.known:
            return int(self._kind["steps"])
        return self._place.done if self._ended and self._place.open else sys.maxsize

    @property
    def position(self) -> tuple[int, int]:
        """The number of the epoch at hand, from 0, and of the step in it."""
        return int(self._place.counts[1]) - self._place.open, self._place.done

    def run(self, most: int, deadline: float) -> EpochResult:
        """Steps of the open epoch, or of a new one: at most so many, or -1 for all."""
        place, made = self._place, 0
        result: EpochResult | None = None
        if self._ahead is not None and self._ahead.lost:
            if self._feed.source.goes_on:
                raise RuntimeError(
                    "a forked child can't go on with its parent's iterator of chunks; give fit() what makes one"
                )
            self.close()
        if self._ahead is None:
            self._begin()
        while self._piece is not None or self._next():
            piece, begins = self._piece, not place.open
            assert piece is not None
            left = self._batches - self._first
            take = left if most < 0 else min(left, most - made)
            result = self._trainer._piece(piece, self._batch_rows, self._first, begins, take, deadline)
            made, self._first = made + result.steps, self._first + result.steps
            if self._first == self._batches:
                self._piece = piece = None
            if result.status != "ok" or made == most or place.done >= self.steps:
                break
        # Where nobody knows, whether there are more is seen by asking.
        if not (self._ended or self.known) and self._piece is None and result is not None and result.status == "ok":
            self._next()
        if self._ended or place.done >= self.steps:
            self.close()
        return result_of(place.totals, self._kind) if result is None else result._replace(steps=made)

    def remember(self) -> None:
        """Nothing: the kind that was noted when the epoch began says it."""

    def close(self) -> None:
        """End the thread that reads; another `run` begins again."""
        ahead, self._ahead, self._piece = self._ahead, None, None
        if ahead is not None:
            ahead.close()

    def _begin(self) -> None:
        """Read the rows of a new epoch, or of the open one up to where it was."""
        place = self._place
        self._ended, self._batch_rows, self._first = False, 0, place.done
        if not place.open:
            place.kind, place.seconds = self._kind, 0.0
        seed, batch_size = self._kind["seed"], self._kind["batch_rows"]
        order = None if seed is None else Order(seed, self.position[0])
        drops_last = self._kind["last_batch"] == "drop"
        self._ahead = Ahead(partial(self._feed.epoch, batch_size, order, drops_last))
        self._pieces = iter(self._ahead)

    def _next(self) -> bool:
        """Take the next piece that has steps to make, if there is one."""
        skipped = self._first if self._batch_rows == 0 else 0
        for piece in self._pieces:
            # A piece of less than a batch is all that there is.
            self._batch_rows = self._batch_rows or min(self._kind["batch_rows"], piece.n)
            batches = self._trainer._batches_of(self._batch_rows, piece.n)
            if skipped < batches:
                self._piece, self._first, self._batches = piece, skipped, batches
                return True
            skipped -= batches
        self._ended = True
        return False
