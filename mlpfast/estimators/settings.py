"""What a solver is told: the parameters of an estimator that concern it, as they are when a fit begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ..losses import Loss
from ..optimizers import SGD, Adam, Optimizer
from .scores import Weights


@dataclass(frozen=True, kw_only=True)
class Settings:
    """For every solver."""

    loss: Loss
    reported_loss: Callable[[float, float], float]  # what is shown for a loss, summed over outputs, and a penalty
    alpha: float
    tol: float
    max_iter: int
    max_seconds: float | None
    n_threads: int | None


@dataclass(frozen=True, kw_only=True)
class LbfgsSettings(Settings):
    """For "lbfgs"."""

    max_fun: int


@dataclass(frozen=True, kw_only=True)
class StochasticSettings(Settings):
    """For "sgd" and "adam"."""

    optimizer: Optimizer
    schedule: str  # of the learning rate: "constant", "invscaling", "adaptive"
    learning_rate_init: float
    power_t: float
    batch_size: int | None  # None for scikit-learn's choice
    shuffle: bool
    early_stopping: bool
    n_iter_no_change: float
    score: Callable[[NDArray[Any], NDArray[Any], Weights], float]  # of outputs, given targets and weights
    incremental: bool  # one epoch, that goes on with the trainer of the call before

    @property
    def epochs(self) -> int:
        """How many there are at most."""
        return 1 if self.incremental else self.max_iter


def lbfgs_settings(mlp: BaseEstimator, *, loss: Loss, reported_loss: Callable[[float, float], float]) -> LbfgsSettings:
    """The settings of an estimator with ``solver="lbfgs"``."""
    return LbfgsSettings(
        loss=loss,
        reported_loss=reported_loss,
        alpha=mlp.alpha,
        tol=mlp.tol,
        max_iter=mlp.max_iter,
        max_fun=mlp.max_fun,
        max_seconds=mlp.max_seconds,
        n_threads=mlp.n_threads,
    )


def stochastic_settings(
    mlp: BaseEstimator,
    *,
    loss: Loss,
    reported_loss: Callable[[float, float], float],
    score: Callable[[NDArray[Any], NDArray[Any], Weights], float],
    incremental: bool,
) -> StochasticSettings:
    """The settings of an estimator with ``solver="sgd"`` or "adam"."""
    return StochasticSettings(
        loss=loss,
        reported_loss=reported_loss,
        alpha=mlp.alpha,
        tol=mlp.tol,
        max_iter=mlp.max_iter,
        max_seconds=mlp.max_seconds,
        n_threads=mlp.n_threads,
        optimizer=optimizer_of(mlp),
        schedule=mlp.learning_rate if mlp.solver == "sgd" else "constant",
        learning_rate_init=mlp.learning_rate_init,
        power_t=mlp.power_t,
        batch_size=None if mlp.batch_size == "auto" else int(mlp.batch_size),
        shuffle=mlp.shuffle,
        early_stopping=mlp.early_stopping,
        n_iter_no_change=mlp.n_iter_no_change,
        score=score,
        incremental=incremental,
    )


def optimizer_of(mlp: BaseEstimator) -> Optimizer:
    """The optimizer of an estimator with ``solver="sgd"`` or "adam"."""
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
