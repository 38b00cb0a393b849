"""How many epochs fit into a time, so that a schedule comes to its end in it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ..trainer import Trainer

__all__ = ["epochs_that_fit"]

_TRIED = 0.05  # of the time, for steps that measure
_USED = 0.95  # of what is left


def epochs_that_fit(
    trainer: Trainer, X: NDArray[Any], y: NDArray[Any], weights: Any, most: int, deadline: float,
    score: Callable[[], Any],
) -> float:  # fmt: skip
    """The number of whole epochs, `most` at most, or the part of one, that is over by the deadline.

    Some steps of a copy tell how long an epoch takes, and `score` how long what follows it.
    """
    began = time.monotonic()
    score()
    scored = time.monotonic()
    if scored >= deadline:
        return 1.0
    copy = trainer.copy()
    copy.callbacks = ()
    copy.fit(X, y, 1, sample_weight=weights, verbose=0, max_seconds=_TRIED * (deadline - scored))
    now = time.monotonic()
    steps = max(len(X) // copy.batch_size, 1) if copy.batch_size else 1
    epoch = (now - scored) * steps / max(copy.steps, 1) + scored - began
    fitting = _USED * (deadline - now) / epoch
    return float(min(math.floor(fitting), most)) if fitting >= 1 else max(fitting, 1e-3)
