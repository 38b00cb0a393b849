"""`solver="lbfgs"`: SciPy's L-BFGS-B on the native loss and gradient of the whole training set."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..model import Model
from ..trainer import Trainer
from ..validation import as_features
from .blas import OneBlasThread
from .reporting import Reporter
from .rows import Rows
from .settings import LbfgsSettings
from .state import FitState

#: SciPy's part of an iteration is a few dot products. Sharing them among BLAS threads costs more than it saves, and
#: many times more on a busy machine.
_one_blas_thread = OneBlasThread()


class _Stop(Exception):
    """Ends the minimisation from within: the time budget, or a callback."""


class _Rewritten(Exception):
    """Ends one minimisation so that another begins: SciPy can't be told of parameters that a callback has written."""


def fit_lbfgs(settings: LbfgsSettings, model: Model, train: Rows, state: FitState, reporter: Reporter) -> None:
    """Minimise the mean loss and the penalty, from the model's parameters on; `state` is brought along.

    Callbacks are given this model, with the best parameters so far. Where they write others, the minimisation begins
    anew from there, with the iterations and evaluations that are left.
    """
    search = _Search(settings, model, train.blanked())
    trainer = Trainer(
        model,
        loss=settings.loss,
        batch_size=None,
        l2=train.penalty(settings.alpha, np.dtype(np.float64)),
        penalty_over_weights=True,
        n_threads=settings.n_threads,
    )
    started = time.perf_counter()

    def end_iteration(_: NDArray[np.float64]) -> None:
        nonlocal started
        state.n_iter += 1
        if reporter.silent:
            return
        seconds = time.perf_counter() - started
        loss = state.loss = search.show()
        trainer.epochs += 1
        if reporter.end_epoch(loss, None, seconds, len(train)) or reporter.begin_epoch():
            raise _Stop
        # At its limits SciPy stops by itself.
        if search.take_over() and state.n_iter < settings.max_iter and search.evaluations <= settings.max_fun:
            raise _Rewritten
        started = time.perf_counter()

    state.n_iter = 0
    with reporter.follow(trainer), _one_blas_thread():
        try:
            if reporter.begin_epoch():
                raise _Stop
            search.take_over()
            result = _minimise(settings, search, state, end_iteration)
            if search.is_evaluated:
                search.best, search.best_loss = result.x, result.fun
            if result.status == 0:
                reporter.ended = "convergence"
            else:
                _warn_not_converged(settings, state, result)
        except KeyboardInterrupt:
            if not search.is_evaluated and state.n_iter == 0:  # nothing has been learnt yet
                raise
            reporter.ended = "interrupt"
            warnings.warn("Training interrupted by user; the estimator keeps what it has learnt so far.", stacklevel=4)
        except _Stop:
            if time.monotonic() > search.deadline:
                reporter.ended = "max_seconds"
                why = f"lbfgs: the time budget of {settings.max_seconds:g} seconds was used up before it converged."
                warnings.warn(why, ConvergenceWarning, stacklevel=4)
        # Before on_train_end, so that callbacks find the weights that stay.
        search.take_over()
        state.loss = search.show()


def _minimise(
    settings: LbfgsSettings, search: _Search, state: FitState, end_iteration: Callable[[NDArray[np.float64]], None]
) -> Any:
    """SciPy's result, from as many minimisations as callbacks make of it."""
    while True:
        iterations = state.n_iter
        try:
            result = scipy.optimize.minimize(
                search.objective,
                search.best.copy(),
                method="L-BFGS-B",
                jac=True,
                callback=end_iteration,
                options={
                    "maxfun": settings.max_fun - search.evaluations,
                    "maxiter": settings.max_iter - iterations,
                    "gtol": settings.tol,
                },
            )
        except _Rewritten:
            continue
        state.n_iter = min(iterations + result.nit, settings.max_iter)
        return result


class _Search:
    """The objective and the best parameters that it has met, beside the model that callbacks see.

    The line search needs more digits than a float32 loss has, so a float32 network is trained as a float64 one and
    rounded where it is shown.
    """

    def __init__(self, settings: LbfgsSettings, shown: Model, train: Rows) -> None:
        self.deadline = np.inf if settings.max_seconds is None else time.monotonic() + settings.max_seconds
        self.evaluations = 0
        self._reported_loss = settings.reported_loss
        self._shown = shown
        self._model = Model(shown.inputs, shown.layers, dtype="float64")
        self._trainer = Trainer(self._model, loss=settings.loss, n_threads=settings.n_threads)
        self._X = as_features(train.X, self._model.inputs, self._model.dtype)
        self._y = train.y if train.y.ndim == 1 else train.y.astype(np.float64, copy=False)
        self._weights = train.weights
        total_weight = len(train) if train.weights is None else train.weights.sum()
        self._l2 = train.penalty(settings.alpha, self._model.dtype) / total_weight
        self._shown_parameters = shown.parameters.copy()
        self.best: NDArray[np.float64] = self._shown_parameters.astype(np.float64)
        self.best_loss = np.inf

    @property
    def is_evaluated(self) -> bool:
        """Whether a finite loss belongs to the best parameters."""
        return bool(np.isfinite(self.best_loss))

    def objective(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The loss with its penalty, and its gradient."""
        if time.monotonic() > self.deadline and self.is_evaluated:
            raise _Stop
        self.evaluations += 1
        self._model.parameters[:] = parameters
        loss, gradient = self._trainer.loss_and_gradient(self._X, self._y, self._weights, l2=self._l2)
        if loss < self.best_loss:
            self.best_loss = loss
            self.best[:] = parameters
        return loss, gradient

    def show(self) -> float:
        """Give the model the best parameters, and return their loss; a ValueError, and nothing given, if not finite."""
        if not self.is_evaluated:
            self.objective(self.best)
        with np.errstate(over="ignore", under="ignore"):
            shown = self.best.astype(self._shown.dtype)
        if not np.isfinite(shown).all() or not self.is_evaluated:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed. (Or the loss is not finite.)"
            )
        self._model.parameters[:] = self.best
        penalty = 0.5 * self._l2 * sum(float(np.vdot(weights, weights)) for weights in self._model.weights)
        self._shown.parameters[:] = self._shown_parameters = shown
        return self._reported_loss(self.best_loss - penalty, penalty)

    def take_over(self) -> bool:
        """Make the best parameters what callbacks have written since they were shown; False if they have not."""
        given = self._shown.parameters
        written = given != self._shown_parameters
        if not written.any():
            return False
        self.best[written] = given[written]  # what was not written keeps the digits that a float32 model has not
        self.best_loss = np.inf
        return True


def _warn_not_converged(settings: LbfgsSettings, state: FitState, result: Any) -> None:
    hint = "; a larger max_iter may help" if state.n_iter >= settings.max_iter else ""
    warnings.warn(
        f"lbfgs failed to converge after {state.n_iter} iterations (status {result.status}: {result.message}){hint}. "
        "Scaling the features to a common range often helps as well",
        ConvergenceWarning,
        stacklevel=5,
    )
