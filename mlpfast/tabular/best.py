"""The callbacks by which training has an epoch whose parameters are kept: the best one, or one that is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..callbacks import Callback

__all__ = ["BestEpoch", "Until"]


class Until(Callback):
    """Ends training with the epoch of a given number, from 1, whatever its score."""

    scores: tuple[float, ...] = ()
    stop_reason = "the epoch that was the best one of rows held out"

    def __init__(self) -> None:
        self.last = 1
        self.losses: list[float] = []

    @property
    def best_epoch(self) -> int:
        """That number, or 0 before it was reached."""
        return self.last if len(self.losses) >= self.last else 0

    def on_epoch_end(self, trainer: Any, logs: dict[str, float]) -> bool:
        self.losses.append(logs["loss"])
        return len(self.losses) >= self.last


class BestEpoch(Callback):
    """Keeps the state of the epoch whose score is best, the last one of several: RealMLP's rule."""

    def __init__(self, score: Callable[[], float], more_is_better: bool, name: str) -> None:
        self._score, self._sign, self._name = score, 1.0 if more_is_better else -1.0, name
        self.scores: list[float] = []
        self.losses: list[float] = []
        self.best_epoch = 0
        self._best = -np.inf
        self._state: NDArray[Any] | None = None

    def begin(self, model: Any) -> None:
        """Let the parameters that training starts from be epoch 0, and the best one so far."""
        self._best, self._state = self._sign * self._score(), model.state.copy()

    def on_epoch_end(self, trainer: Any, logs: dict[str, float]) -> None:
        score = self._score()
        if np.isnan(score):
            metric = self._name.removeprefix("val_")
            raise ValueError(f"expected a number of eval_metric {metric!r}, got NaN (epoch {len(self.scores) + 1})")
        others = {name: logs.pop(name) for name in list(logs) if name != "loss"}
        logs |= {self._name: score, **others}  # a progress bar leaves out the last ones
        self.scores.append(score)
        self.losses.append(logs["loss"])
        if self._sign * score >= self._best:
            self._best, self.best_epoch = self._sign * score, len(self.scores)
            if self._state is None:
                self._state = np.empty_like(trainer.model.state)
            np.copyto(self._state, trainer.model.state)

    def restore(self, model: Any) -> None:
        """Give the model the best epoch's parameters, if an epoch was finished."""
        if self._state is not None:
            model.state = self._state
