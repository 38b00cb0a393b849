"""What fits into a time: epochs, so that a schedule comes to its end in it, and networks that have enough of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..trainer import Trainer

__all__ = ["Pace", "epochs_that_fit", "times_of"]

_TRIED = 0.05  # of the time, for steps that measure
_USED = 0.95  # of what is left
_LEAST = 0.5  # of the epochs; errors of more networks with fewer were larger, 1.02 with a quarter, 1.09 with an eighth


@dataclass(frozen=True)
class Pace:
    """Seconds that a network takes: until it can be trained, for an epoch and its score, and for that score alone."""

    start: float
    epoch: float
    score: float

    def networks_that_fit(self, wanted: int, epochs: int, seconds: float, workers: int) -> int:
        """How many of the networks, so many at a time, have half of the epochs within the time; one at least.

        One score's time of each is left, in which all workers predict what was held out.
        """
        turn = self.start + max(math.ceil(_LEAST * epochs), 1) * self.epoch + self.score
        return min(wanted, max(math.floor(seconds / turn) * workers, 1))


def times_of(
    trainer: Trainer, X: NDArray[Any], y: NDArray[Any], weights: Any, deadline: float, score: Callable[[], Any]
) -> tuple[float, float]:
    """Seconds of an epoch's training, by some steps of a copy, and of `score`; infinity, where that one took all."""
    began = time.monotonic()
    score()
    scored = time.monotonic()
    if scored >= deadline:
        return math.inf, scored - began
    copy = trainer.copy()
    copy.callbacks = ()
    copy.fit(X, y, 1, sample_weight=weights, verbose=0, max_seconds=_TRIED * (deadline - scored))
    steps = max(len(X) // copy.batch_size, 1) if copy.batch_size else 1
    return (time.monotonic() - scored) * steps / max(copy.steps, 1), scored - began


def epochs_that_fit(
    trainer: Trainer, X: NDArray[Any], y: NDArray[Any], weights: Any, most: int, deadline: float,
    score: Callable[[], Any],
) -> float:  # fmt: skip
    """The number of whole epochs, `most` at most, or the part of one, that is over by the deadline.

    Some steps of a copy tell how long an epoch takes, and `score` how long what follows it.
    """
    epoch, scoring = times_of(trainer, X, y, weights, deadline, score)
    if epoch == math.inf:
        return 1.0
    fitting = _USED * (deadline - time.monotonic()) / (epoch + scoring)
    return float(min(math.floor(fitting), most)) if fitting >= 1 else max(fitting, 1e-3)
