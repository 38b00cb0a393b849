"""`solver="sgd"` and `solver="adam"`: scikit-learn's rules for convergence, rates and stopping, on native epochs."""

from __future__ import annotations

import dataclasses
import time
import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from ..errors import DivergenceError
from ..optimizers import SGD, Adam, Optimizer
from ..trainer import Trainer
from ..validation import as_features, scale_weights
from .reporting import Reporter
from .rows import Rows

if TYPE_CHECKING:
    from .base import BaseMLP

STOCHASTIC_SOLVERS = ("sgd", "adam")

_SMALLEST_RATE = 1e-6  # an adaptive learning rate stops training when it is as small as this


def fit_stochastic(
    mlp: BaseMLP,
    train: Rows,
    rows: NDArray[np.int64] | None,
    validation: Rows | None,
    random_state: np.random.RandomState,
    incremental: bool,
) -> None:
    """Train on `rows` (None for all) for at most ``max_iter`` epochs, or for one if `incremental`."""
    if not hasattr(mlp, "loss_curve_"):  # warm start from lbfgs
        mlp._forget_progress()
    if incremental and mlp.early_stopping and mlp.stopped_early_:
        return
    mlp.stopped_early_ = False
    deadline = 0.0 if mlp.max_seconds is None else time.monotonic() + mlp.max_seconds
    n_rows = len(train) if rows is None else len(rows)
    order = rows if rows is not None or not mlp.shuffle else np.arange(n_rows, dtype=np.int64)

    trainer = _trainer(mlp, train, n_rows, random_state, incremental)
    if validation is not None and mlp.validation_scores_ is None:
        mlp.validation_scores_ = []
        mlp.best_validation_score_ = -np.inf
    if mlp.early_stopping and mlp._best_parameters is None:
        mlp.best_validation_score_ = -np.inf  # there are no weights to go back to for an earlier score

    train, validation = train.blanked(), None if validation is None else validation.blanked()
    X = as_features(train.X, mlp.model_.inputs, mlp.model_.dtype)
    reporter = Reporter(mlp, trainer, epochs=1 if incremental else mlp.max_iter)
    mlp.n_iter_ = 0
    with reporter:
        try:
            for _ in range(1 if incremental else mlp.max_iter):
                if reporter.begin_epoch():
                    break
                if mlp.shuffle and order is not None:
                    random_state.shuffle(order)
                started = time.perf_counter()
                result = trainer.run_epoch(X, train.y, train.weights, order=order, deadline=deadline)
                seconds = time.perf_counter() - started
                if result.rows > 0:
                    mlp.n_iter_ += 1
                    mlp.t_ += result.rows
                    mlp.loss_ = mlp._reported_loss(result.data_loss, result.penalty)
                    mlp.loss_curve_.append(mlp.loss_)
                    score = None if validation is None else _score(mlp, validation)
                    _count_improvement(mlp, score)
                    if mlp.learning_rate == "invscaling" and mlp.solver == "sgd":
                        trainer.learning_rate = mlp.learning_rate_init / (mlp.t_ + 1) ** mlp.power_t
                    if reporter.end_epoch(mlp.loss_, score, seconds, result.rows):
                        break
                if mlp._no_improvement_count > mlp.n_iter_no_change and _stops(mlp, trainer, reporter):
                    mlp.stopped_early_ = mlp.early_stopping
                    reporter.ended = "convergence"
                    break
                if deadline and time.monotonic() >= deadline:
                    reporter.ended = "max_seconds"
                    _warn_not_converged(f"the time budget of {mlp.max_seconds:g} seconds was used up")
                    break
                if not incremental and mlp.n_iter_ == mlp.max_iter:
                    _warn_not_converged(f"Maximum iterations ({mlp.max_iter}) reached")
        except KeyboardInterrupt:
            reporter.ended = "interrupt"
            warnings.warn("Training interrupted by user; the estimator keeps what it has learnt so far.", stacklevel=4)
        except DivergenceError as error:
            reporter.ended = "divergence"
            _diverged(mlp, error)
        # Before on_train_end, so that callbacks find the weights that stay.
        if mlp.early_stopping and mlp._best_parameters is not None and (mlp.stopped_early_ or not incremental):
            mlp.model_.parameters[:] = mlp._best_parameters


def hold_out(
    mlp: BaseMLP, train: Rows, user_weights: NDArray[np.float64] | None, random_state: np.random.RandomState
) -> tuple[NDArray[np.int64], Rows]:
    """Rows to train on and data to validate with: the ones that scikit-learn takes for the same `random_state`.

    `user_weights` are the sample weights as given, for validation: `train` has the class weights in them.
    """
    try:
        rows, held_out = train_test_split(
            np.arange(len(train), dtype=np.int64),
            random_state=random_state,
            test_size=mlp.validation_fraction,
            stratify=mlp._stratify(train.y),
        )
    except ValueError as error:
        raise ValueError(f"{error}{mlp._strata()}") from None
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset. Early "
            f"stopping needs at least 2 rows, got {len(held_out)} of {len(train)}; or give X_val and y_val"
        )
    for what, weights, some in (("holds out", user_weights, held_out), ("leaves to train on", train.weights, rows)):
        if weights is not None and not weights[some].any():
            raise ValueError(
                f"expected rows with weights above 0 on both sides of the split, but the {len(some)} rows that early "
                f"stopping {what} weigh 0. Leave out rows without weight, or give X_val and y_val"
            )
    weights, _ = scale_weights(None if user_weights is None else user_weights[held_out])
    return rows, Rows(train.X[held_out], train.y[held_out], weights)


def _trainer(mlp: BaseMLP, train: Rows, n_rows: int, random_state: np.random.RandomState, incremental: bool) -> Trainer:
    """A new trainer, or, for partial_fit, the one of the previous call with its optimizer state.

    The latter takes over what `set_params` may have changed, except for the optimizer's own numbers: those stay, as in
    scikit-learn, unless there is another solver, which begins anew.
    """
    batch_size = 200 if mlp.batch_size == "auto" else int(mlp.batch_size)
    if batch_size > n_rows and mlp.batch_size != "auto":
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped: "
            f"{batch_size} to {n_rows} rows",
            stacklevel=5,
        )
    loss, optimizer, trainer = mlp._make_loss(), _optimizer(mlp), mlp._trainer
    if not incremental or trainer is None or trainer.optimizer.name != optimizer.name:
        stochastic = any(layer.dropout > 0.0 for layer in mlp.model_.layers)
        trainer = mlp._trainer = Trainer(
            mlp.model_,
            loss=loss,
            optimizer=optimizer,
            penalty_over_weights=True,
            n_threads=mlp.n_threads,
            seed=int(random_state.randint(np.iinfo(np.int32).max)) if stochastic else 0,
        )
    trainer.loss, trainer.n_threads = loss, mlp.n_threads
    trainer.optimizer = dataclasses.replace(trainer.optimizer, weight_decay=optimizer.weight_decay)
    trainer.batch_size = min(batch_size, n_rows)
    trainer.l2 = train.penalty(mlp.alpha, mlp.model_.dtype)
    return trainer


def _optimizer(mlp: BaseMLP) -> Optimizer:
    rate, decay = float(mlp.learning_rate_init), float(mlp.weight_decay)
    if mlp.solver == "sgd":
        return SGD(rate, momentum=float(mlp.momentum), nesterov=bool(mlp.nesterovs_momentum), weight_decay=decay)
    return Adam(
        rate,
        beta_1=float(mlp.beta_1),
        beta_2=float(mlp.beta_2),
        epsilon=float(mlp.epsilon),
        epsilon_hat=True,
        weight_decay=decay,
    )


def _score(mlp: BaseMLP, validation: Rows) -> float:
    outputs = mlp._predict_outputs(validation.X)
    if not np.isfinite(outputs).all():
        return float("nan")
    return mlp._score_outputs(outputs, validation.y, validation.weights)


def _count_improvement(mlp: BaseMLP, score: float | None) -> None:
    """Keep the best score (with early stopping, also its parameters) or the best loss, and count epochs without one."""
    if score is not None:
        assert mlp.validation_scores_ is not None and mlp.best_validation_score_ is not None
        mlp.validation_scores_.append(score)
        improved = not score < mlp.best_validation_score_ + mlp.tol  # so that a NaN does not count as a failure
        if score > mlp.best_validation_score_:
            mlp.best_validation_score_ = score
            if mlp.early_stopping:
                mlp._best_parameters = mlp.model_.parameters.copy()
    if not mlp.early_stopping:
        if mlp.best_loss_ is None:  # early stopping was on in an earlier call
            mlp.best_loss_ = np.inf
        improved = not mlp.loss_ > mlp.best_loss_ - mlp.tol
        mlp.best_loss_ = min(mlp.best_loss_, mlp.loss_)
    mlp._no_improvement_count = 0 if improved else mlp._no_improvement_count + 1


def _stops(mlp: BaseMLP, trainer: Trainer, reporter: Reporter) -> bool:
    """Whether a lack of improvement ends training; an adaptive learning rate is lowered first, as long as it can be."""
    what = "Validation score" if mlp.early_stopping else "Training loss"
    message = f"{what} did not improve by more than tol={mlp.tol:f} for {mlp.n_iter_no_change} consecutive epochs."
    if mlp.solver != "sgd" or mlp.learning_rate != "adaptive":
        reporter.say(message + " Stopping.")
        return True
    if trainer.learning_rate <= _SMALLEST_RATE:
        reporter.say(message + " Learning rate too small. Stopping.")
        return True
    trainer.learning_rate /= 5.0
    mlp._no_improvement_count = 0
    reporter.say(message + f" Setting learning rate to {trainer.learning_rate:f}")
    return False


def _warn_not_converged(why: str) -> None:
    warnings.warn(
        f"Stochastic Optimizer: {why} and the optimization hasn't converged yet.", ConvergenceWarning, stacklevel=5
    )


def _diverged(mlp: BaseMLP, error: DivergenceError) -> None:
    """With early stopping, the epoch counts with a loss and score of NaN, and the best weights will come back.

    Without, there is nothing of use to return.
    """
    if not mlp.early_stopping:
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
            f"preprocessed. What happened: {error}"
        ) from error
    mlp.n_iter_ += 1
    mlp.loss_ = float("nan")
    mlp.loss_curve_.append(mlp.loss_)
    assert mlp.validation_scores_ is not None
    mlp.validation_scores_.append(float("nan"))
    warnings.warn(f"{error}. The best weights so far are kept.", ConvergenceWarning, stacklevel=4)
