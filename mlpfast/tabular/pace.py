"""What fits into a time: epochs, so that a schedule comes to its end in it, and networks that have enough of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ..trainer import Trainer

__all__ = ["Pace", "Times", "epochs_that_fit", "times_of"]

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


class Times(NamedTuple):
    """Seconds until the first step of a training is over, of an epoch's steps, and of the score that follows it."""

    start: float
    epoch: float
    score: float


def times_of(
    trainer: Trainer, X: NDArray[Any], y: NDArray[Any], weights: Any, deadline: float, score: Callable[[], Any]
) -> Times:
    """By steps of a copy, after one that pays for what is made once; infinite, where there is no time for more."""
    began = time.monotonic()
    score()
    scored = time.monotonic()
    if scored >= deadline:
        return Times(math.inf, math.inf, scored - began)
    copy = trainer.copy()
    copy.callbacks = ()
    train = partial(copy.fit, X, y, sample_weight=weights, verbose=0)
    train(steps=1)
    ready = time.monotonic()
    if ready >= deadline:
        return Times(ready - scored, math.inf, scored - began)
    train(epochs=1, max_seconds=_TRIED * (deadline - ready))
    if copy.steps == 1:  # what a call costs took all of that
        train(steps=1)
    steps = max(len(X) // copy.batch_size, 1) if copy.batch_size else 1
    each = (time.monotonic() - ready) / (copy.steps - 1)
    return Times(ready - scored, each * steps, scored - began)


def epochs_that_fit(
    trainer: Trainer, X: NDArray[Any], y: NDArray[Any], weights: Any, most: int, deadline: float,
    score: Callable[[], Any],
) -> float:  # fmt: skip
    """The number of whole epochs, `most` at most, or the part of one, that is over by the deadline.

    Some steps of a copy tell how long an epoch takes, and `score` how long what follows it.
    """
    times = times_of(trainer, X, y, weights, deadline, score)
    if times.epoch == math.inf:
        return 1.0
    left = _USED * (deadline - time.monotonic()) - times.start
    fitting = left / (times.epoch + times.score)
    return float(min(math.floor(fitting), most)) if fitting >= 1 else max(fitting, 1e-3)
