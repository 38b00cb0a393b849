"""The epochs of one array: what the loop of `fit` goes through, in pieces where it has to stop within one."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.engine import N_TOTALS
from ..core.results import EpochResult
from ..validation import CSR, take_rows
from .data import Data

__all__ = ["ArrayEpochs", "Place", "Steps", "result_of"]


class Place:
    """Where training is in its latest epoch.

    `counts` and `totals` change within a crossing, together with the parameters; the rest says of what epoch.

    Attributes
    ----------
    counts : ndarray of int64 (5,)
        Of `Engine.run_epoch`. The last is the number of the epoch, from 1, that `totals` are of; 0 if it is closed.
    totals : ndarray of float64 (N_TOTALS,)
    kind : dict
        What has to be the same for an epoch to go on.
    seconds : float
        What it has taken so far.
    aim : (float, int, int)
        Where the latest `fit` of some epochs was to end, and the position that this meant. If it did end there, the
        next one goes on from the former, between two steps: so two halves of an odd number of steps are a whole.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(5, np.int64)
        self.totals = np.zeros(N_TOTALS)
        self.kind: dict[str, Any] = {}
        self.seconds = 0.0
        self.aim = 0.0, 0, 0

    @property
    def open(self) -> bool:
        """Whether an epoch was begun and not closed."""
        counts = self.counts  # by `item`, as this is asked often beside short epochs
        return bool(counts.item(4) == counts.item(1) > 0)

    @property
    def done(self) -> int:
        """Steps of the open epoch; 0 if there is none."""
        return int(self.totals.item(0)) if self.open else 0

    def close(self) -> None:
        """The next steps begin an epoch."""
        self.counts[4] = 0


class Steps(Protocol):
    """What `ArrayEpochs` needs of a trainer, and users do not."""

    _place: Place

    def _order(self, epoch: int, data: Data) -> NDArray[np.int64] | None:
        """The rows of an epoch, in their order."""

    def _part(
        self, data: Data, order: NDArray[np.int64] | None, begins: bool, most: int, deadline: float
    ) -> EpochResult:
        """Make some steps of an epoch."""


class ArrayEpochs:
    """The epochs of one array.

    Parameters
    ----------
    trainer : Steps
    data : Data
    kind : dict
        See `Place`; "steps" is how many steps an epoch has.
    """

    def __init__(self, trainer: Steps, data: Data, kind: dict[str, Any]) -> None:
        self._trainer, self.data, self._kind = trainer, data, kind
        self._place = trainer._place
        self._order: tuple[int, NDArray[np.int64] | None] = (-1, None)
        if self._place.open and self._place.kind != kind | {"data": fingerprint(data)}:
            self._place.close()  # of other rows, or other batches: that epoch can't go on

    known = True  # is how many steps an epoch has

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return int(self._kind["steps"])

    @property
    def position(self) -> tuple[int, int]:
        """The number of the epoch at hand, from 0, and of the step in it."""
        counts, totals = self._place.counts, self._place.totals
        begun = counts.item(1)
        return (begun - 1, int(totals.item(0))) if counts.item(4) == begun > 0 else (begun, 0)

    def run(self, most: int, deadline: float) -> EpochResult:
        """Steps of the open epoch, or of a new one: at most so many, or -1 for all."""
        place, begins = self._place, not self._place.open
        if not begins and place.done >= self.steps:  # all were made, but a signal came before that was noted
            return result_of(place.totals, self._kind)
        epoch = self.position[0]
        if self._order[0] != epoch:
            self._order = epoch, self._trainer._order(epoch, self.data)
        if begins:
            place.kind, place.seconds = self._kind, 0.0
        return self._trainer._part(self.data, self._order[1], begins, most, deadline)

    def close(self) -> None:
        """Nothing is held open."""

    def remember(self) -> None:
        """If an epoch is open, note of what rows it is."""
        if self._place.open:
            self._place.kind = self._kind | {"data": fingerprint(self.data)}


def fingerprint(data: Data) -> int:
    """A checksum of some rows: to tell other data, not to prove that they are the same."""
    n = len(data.y)
    rows = np.unique(np.linspace(0, n - 1, 64).astype(np.int64))
    X = take_rows(data.X, rows)
    arrays = [data.y[rows], *([] if data.sample_weight is None else [data.sample_weight[rows]])]
    arrays += [X.values, X.columns] if isinstance(X, CSR) else [X]
    arrays += [] if data.term is None else [data.term.jacobian[rows]]
    found = zlib.crc32(str(n).encode())
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return found


def result_of(totals: NDArray[np.float64], kind: dict[str, Any]) -> EpochResult:
    """What the engine would report of an epoch with these totals, and no further step."""
    _, rows, weight, loss, batch_losses, penalty, *metrics = totals.tolist()
    weight = weight if weight > 0 else 1.0
    data = batch_losses / rows if kind["penalty_over_weights"] else loss / weight
    named = {(name, number): metrics[m] / weight for m, (name, number) in enumerate(kind["metrics"])}
    return EpochResult("ok", 0, int(rows), data + penalty / rows, data, penalty / rows, named, None, 0.0)
