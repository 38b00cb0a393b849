"""`solver="sgd"` and `solver="adam"`: scikit-learn's epochs, rates and ends of training, on native epochs."""

from __future__ import annotations

import dataclasses
import time
import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..errors import DivergenceError
from ..model import Model
from ..trainer import Trainer
from ..validation import as_features
from .convergence import count_improvement, has_converged
from .reporting import Reporter
from .rows import Rows
from .settings import StochasticSettings
from .state import StochasticState


def fit_stochastic(
    settings: StochasticSettings,
    model: Model,
    train: Rows,
    kept: NDArray[np.int64] | None,
    validation: Rows | None,
    random_state: np.random.RandomState,
    state: StochasticState,
    reporter: Reporter,
) -> None:
    """Train the model on the `kept` rows of `train` (None for all), and bring `state` along.

    What an earlier call has left in it goes on: the trainer in partial_fit, the best score and its count in any case.
    """
    if settings.incremental and settings.early_stopping and state.stopped_early:
        return
    state.stopped_early = False
    deadline = 0.0 if settings.max_seconds is None else time.monotonic() + settings.max_seconds
    n_rows = len(train) if kept is None else len(kept)
    order = kept if kept is not None or not settings.shuffle else np.arange(n_rows, dtype=np.int64)

    trainer = state.trainer = _trainer(settings, model, train, n_rows, random_state, state)
    if validation is not None and state.validation_scores is None:
        state.validation_scores = []
        state.best_validation_score = -np.inf
    if settings.early_stopping and state.best_parameters is None:
        state.best_validation_score = -np.inf  # there are no weights to go back to for an earlier score

    train, validation = train.blanked(), None if validation is None else validation.blanked()
    X = as_features(train.X, model.inputs, model.dtype)
    state.n_iter = 0
    with reporter.follow(trainer):
        try:
            for _ in range(settings.epochs):
                if reporter.begin_epoch():
                    break
                if settings.shuffle and order is not None:
                    random_state.shuffle(order)
                started = time.perf_counter()
                result = trainer.run_epoch(X, train.y, train.weights, order=order, deadline=deadline)
                seconds = time.perf_counter() - started
                if result.rows > 0:
                    state.n_iter += 1
                    state.t += result.rows
                    loss = state.loss = settings.reported_loss(result.data_loss, result.penalty)
                    state.loss_curve.append(loss)
                    score = None if validation is None else _score(settings, model, validation)
                    count_improvement(state, settings, loss, score, model.state)
                    if settings.schedule == "invscaling":
                        trainer.learning_rate = settings.learning_rate_init / (state.t + 1) ** settings.power_t
                    if reporter.end_epoch(loss, score, seconds, result.rows):
                        break
                if has_converged(state, settings, trainer, reporter.say):
                    state.stopped_early = settings.early_stopping
                    reporter.ended = "convergence"
                    break
                if deadline and time.monotonic() >= deadline:
                    reporter.ended = "max_seconds"
                    _warn_not_converged(f"the time budget of {settings.max_seconds:g} seconds was used up")
                    break
                if not settings.incremental and state.n_iter == settings.max_iter:
                    _warn_not_converged(f"Maximum iterations ({settings.max_iter}) reached")
        except KeyboardInterrupt:
            reporter.ended = "interrupt"
            warnings.warn("Training interrupted by user; the estimator keeps what it has learnt so far.", stacklevel=4)
        except DivergenceError as error:
            reporter.ended = "divergence"
            _diverged(state, settings, error)
        # Before on_train_end, so that callbacks find the weights that stay.
        ends = state.stopped_early or not settings.incremental
        if settings.early_stopping and state.best_parameters is not None and ends:
            model.state[:] = state.best_parameters


def _trainer(
    settings: StochasticSettings,
    model: Model,
    train: Rows,
    n_rows: int,
    random_state: np.random.RandomState,
    state: StochasticState,
) -> Trainer:
    """A new trainer, or, for partial_fit, the one of the previous call with its optimizer state.

    The latter takes over what `set_params` may have changed, except for the optimizer's own numbers: those stay, as in
    scikit-learn, unless there is another solver, which begins anew.
    """
    batch_size = 200 if settings.batch_size is None else settings.batch_size
    if batch_size > n_rows and settings.batch_size is not None:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped: "
            f"{batch_size} to {n_rows} rows",
            stacklevel=5,
        )
    loss, optimizer, trainer = settings.loss, settings.optimizer, state.trainer
    if not settings.incremental or trainer is None or trainer.optimizer.name != optimizer.name:
        stochastic = any(layer.trains_only for layer in model.program.layers)
        trainer = Trainer(
            model,
            loss=loss,
            optimizer=optimizer,
            penalty_over_weights=True,
            n_threads=settings.n_threads,
            seed=int(random_state.randint(np.iinfo(np.int32).max)) if stochastic else 0,
        )
    trainer.loss, trainer.n_threads = loss, settings.n_threads
    trainer.optimizer = dataclasses.replace(trainer.optimizer, weight_decay=optimizer.weight_decay)
    trainer.batch_size = min(batch_size, n_rows)
    trainer.l2 = train.penalty(settings.alpha, model.dtype)
    return trainer


def _score(settings: StochasticSettings, model: Model, validation: Rows) -> float:
    outputs = model.predict(validation.X, n_threads=settings.n_threads)
    if not np.isfinite(outputs).all():
        return float("nan")
    return settings.score(outputs, validation.y, validation.weights)


def _warn_not_converged(why: str) -> None:
    warnings.warn(
        f"Stochastic Optimizer: {why} and the optimization hasn't converged yet.", ConvergenceWarning, stacklevel=5
    )


def _diverged(state: StochasticState, settings: StochasticSettings, error: DivergenceError) -> None:
    """With early stopping, the epoch counts with a loss and score of NaN, and the best weights will come back.

    Without, there is nothing of use to return.
    """
    if not settings.early_stopping:
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
            f"preprocessed. What happened: {error}"
        ) from error
    state.n_iter += 1
    state.loss = float("nan")
    state.loss_curve.append(state.loss)
    assert state.validation_scores is not None
    state.validation_scores.append(float("nan"))
    warnings.warn(f"{error}. The best weights so far are kept.", ConvergenceWarning, stacklevel=4)
