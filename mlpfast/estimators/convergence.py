"""scikit-learn's rules for "sgd" and "adam": what counts as an improvement, and when its lack ends the training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..trainer import Trainer
from .settings import StochasticSettings
from .state import StochasticState

_SMALLEST_RATE = 1e-6  # an adaptive learning rate stops training when it is as small as this


def count_improvement(
    state: StochasticState, settings: StochasticSettings, loss: float, score: float | None, parameters: NDArray[Any]
) -> None:
    """Keep the best score (with early stopping, also its parameters) or the best loss, and count epochs without one."""
    if score is not None:
        assert state.validation_scores is not None and state.best_validation_score is not None
        state.validation_scores.append(score)
        improved = not score < state.best_validation_score + settings.tol  # so that a NaN does not count as a failure
        if score > state.best_validation_score:
            state.best_validation_score = score
            if settings.early_stopping:
                state.best_parameters = parameters.copy()
    if not settings.early_stopping:
        if state.best_loss is None:  # early stopping was on in an earlier call
            state.best_loss = np.inf
        improved = not loss > state.best_loss - settings.tol
        state.best_loss = min(state.best_loss, loss)
    state.no_improvement_count = 0 if improved else state.no_improvement_count + 1


def has_converged(
    state: StochasticState, settings: StochasticSettings, trainer: Trainer, say: Callable[[str], None]
) -> bool:
    """Whether a lack of improvement ends training; an adaptive learning rate is lowered first, as long as it can be."""
    if state.no_improvement_count <= settings.n_iter_no_change:
        return False
    what = "Validation score" if settings.early_stopping else "Training loss"
    epochs = f"{settings.n_iter_no_change} consecutive epochs"
    message = f"{what} did not improve by more than tol={settings.tol:f} for {epochs}."
    if settings.schedule != "adaptive":
        say(message + " Stopping.")
        return True
    if trainer.learning_rate <= _SMALLEST_RATE:
        say(message + " Learning rate too small. Stopping.")
        return True
    trainer.learning_rate /= 5.0
    state.no_improvement_count = 0
    say(message + f" Setting learning rate to {trainer.learning_rate:f}")
    return False
