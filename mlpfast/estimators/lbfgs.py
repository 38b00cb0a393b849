"""`solver="lbfgs"`: SciPy's L-BFGS-B on the native loss and gradient of the whole training set."""

from __future__ import annotations

import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..model import Model
from ..trainer import Trainer
from ..validation import as_features
from .data import Data
from .reporting import Reporter

if TYPE_CHECKING:
    from .base import BaseMLP


class _Stop(Exception):
    """Ends the minimisation from within: the time budget, or a callback."""


class _OneBlasThread:
    """Limits BLAS to one thread while any fit runs.

    The limit is the whole process's: of fits in several threads, the first sets it and the last lifts it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fits = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._fits == 0:
                self._limits = threadpool_limits(1, user_api="blas")
            self._fits += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._fits -= 1
            if self._fits == 0:
                self._limits.restore_original_limits()


_one_blas_thread = _OneBlasThread()


def fit_lbfgs(mlp: BaseMLP, train: Data) -> None:
    """Minimise the mean loss and the penalty.

    The line search needs more digits than a float32 loss has, so a float32 network is trained as a float64 one and
    rounded at the end.
    """
    deadline = np.inf if mlp.max_seconds is None else time.monotonic() + mlp.max_seconds
    model = Model(mlp.model_.inputs, mlp.model_.layers, dtype="float64")
    model.parameters[:] = mlp.model_.parameters
    trainer = Trainer(model, loss=mlp._make_loss(), n_threads=mlp.n_threads)
    X = as_features(train.X, model.inputs, model.dtype)
    targets = train.y if train.y.ndim == 1 else train.y.astype(np.float64, copy=False)
    total_weight = len(train) if train.weights is None else train.weights.sum()
    l2 = train.penalty(mlp.alpha, model.dtype) / total_weight
    best_loss, best = np.inf, model.parameters.copy()
    reporter = Reporter(mlp, trainer, epochs=mlp.max_iter)
    started = time.perf_counter()

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal best_loss
        if time.monotonic() > deadline and np.isfinite(best_loss):
            raise _Stop
        model.parameters[:] = parameters
        loss, gradient = trainer.loss_and_gradient(X, targets, train.weights, l2=l2)
        if loss < best_loss:
            best_loss = loss
            best[:] = parameters
        return loss, gradient

    def end_iteration(_: NDArray[np.float64]) -> None:
        nonlocal started
        mlp.n_iter_ += 1
        if reporter.silent:
            return
        now = time.perf_counter()
        loss = _reported(mlp, best_loss, best, model, l2)
        if reporter.end_epoch(loss, None, now - started, len(train)) or reporter.begin_epoch():
            raise _Stop
        started = now

    mlp.n_iter_ = 0
    try:
        # SciPy's part of an iteration is a few dot products. Sharing them among BLAS threads costs more than it saves,
        # and many times more on a busy machine.
        with reporter, _one_blas_thread:
            if reporter.begin_epoch():
                objective(model.parameters)  # for `loss_`
                raise _Stop
            result = scipy.optimize.minimize(
                objective,
                model.parameters.copy(),
                method="L-BFGS-B",
                jac=True,
                callback=end_iteration,
                options={"maxfun": mlp.max_fun, "maxiter": mlp.max_iter, "gtol": mlp.tol},
            )
        best, best_loss = result.x, result.fun
        mlp.n_iter_ = min(result.nit, mlp.max_iter)
        if result.status != 0:
            _warn_not_converged(mlp, result)
    except KeyboardInterrupt:
        if not np.isfinite(best_loss):  # nothing has been learnt yet
            raise
        warnings.warn("Training interrupted by user; the estimator keeps what it has learnt so far.", stacklevel=4)
    except _Stop:
        if time.monotonic() > deadline:
            why = f"lbfgs: the time budget of {mlp.max_seconds:g} seconds was used up before it converged."
            warnings.warn(why, ConvergenceWarning, stacklevel=4)
    if not np.isfinite(best).all() or not np.isfinite(best_loss):
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
            "preprocessed. (Or the loss is not finite.)"
        )
    mlp.loss_ = _reported(mlp, best_loss, best, model, l2)
    mlp.model_.parameters[:] = best


def _reported(mlp: BaseMLP, loss: float, parameters: NDArray[np.float64], model: Model, l2: float) -> float:
    model.parameters[:] = parameters
    penalty = 0.5 * l2 * sum(float(np.vdot(weights, weights)) for weights in model.weights)
    return mlp._reported_loss(loss - penalty, penalty)


def _warn_not_converged(mlp: BaseMLP, result: Any) -> None:
    hint = "; a larger max_iter may help" if result.nit >= mlp.max_iter else ""
    warnings.warn(
        f"lbfgs failed to converge after {mlp.n_iter_} iterations (status {result.status}: {result.message}){hint}. "
        "Scaling the features to a common range often helps as well",
        ConvergenceWarning,
        stacklevel=5,
    )
