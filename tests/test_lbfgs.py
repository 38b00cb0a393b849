"""`solver="lbfgs"`: what callbacks see and may write, as with the other solvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.exceptions import ConvergenceWarning

import mlpfast
from mlpfast import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = np.sin(X[:, 0]) + 0.5 * X[:, 1]
SOLVERS = ["lbfgs", "adam"]
DTYPES = ["float64", "float32"]
HOOKS = ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"]


class Hook(mlpfast.callbacks.Callback):
    """Calls `action` with the trainer, in one hook, from its call number `first` to `last`."""

    def __init__(self, hook: str, action: Callable[[Any], Any], first: int = 1, last: int = 10**6) -> None:
        self.action, self.first, self.last = action, first, last
        self.calls = 0
        setattr(self, hook, self.called)

    def called(self, trainer: Any, logs: Any) -> Any:
        self.calls += 1
        return self.action(trainer) if self.first <= self.calls <= self.last else None


def regressor(solver: str = "lbfgs", dtype: str = "float64", *callbacks: Any, **settings: Any) -> Any:
    defaults = {"hidden_layer_sizes": 6, "activation": "tanh", "max_iter": 12, "random_state": 0, "tol": 1e-7}
    return MLPRegressor(solver=solver, dtype=dtype, callbacks=list(callbacks), **defaults | settings)


def fill(value: float) -> Callable[[Any], None]:
    return lambda trainer: trainer.model.parameters.fill(value)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_callbacks_are_given_the_estimators_own_model(solver: str, dtype: str) -> None:
    seen = []

    def look(trainer: Any) -> None:
        assert trainer.model is mlp.model_
        seen.append((mlp.loss_, mlp.score(X, Y), trainer.evaluate(X, Y)["loss"], trainer.epochs))

    mlp = regressor(solver, dtype, Hook("on_epoch_end", look))
    mlp.fit(X, Y)
    losses, scores, evaluated, epochs = (list(each) for each in zip(*seen, strict=True))
    assert epochs == list(range(1, mlp.n_iter_ + 1))
    assert losses == sorted(losses, reverse=True)
    assert scores == sorted(scores)
    if solver == "lbfgs":  # the loss of "adam" is that of the batches, before their steps
        assert evaluated == pytest.approx(losses, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hook", HOOKS)
def test_parameters_that_a_callback_writes_count(solver: str, dtype: str, hook: str) -> None:
    mlp = regressor(solver, dtype, Hook(hook, fill(0.0)), alpha=0.0).fit(X, Y)
    # From zero, tanh units learn nothing: the output bias alone moves.
    assert (mlp.coefs_[0] == 0).all()
    assert (mlp.coefs_[1] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_optimisation_goes_on_from_what_is_written(dtype: str) -> None:
    start = regressor("adam", dtype, max_iter=1, random_state=7).fit(X, Y).model_.parameters.copy()

    def write(trainer: Any) -> None:
        trainer.model.parameters = start

    expected = regressor("lbfgs", dtype, Hook("on_train_begin", write), max_iter=8).fit(X, Y)
    mlp = regressor("lbfgs", dtype, Hook("on_epoch_end", write, 4, 4), max_iter=12).fit(X, Y)
    assert (mlp.n_iter_, expected.n_iter_) == (12, 8)
    assert (mlp.model_.parameters == expected.model_.parameters).all()
    assert mlp.loss_ == expected.loss_


def test_what_is_not_written_keeps_its_digits() -> None:
    def nudge(trainer: Any) -> None:
        trainer.model.biases[-1][0] += 1e-3

    nudged = regressor("lbfgs", "float32", Hook("on_epoch_end", nudge, 3, 3)).fit(X, Y)
    exact = regressor("lbfgs", "float64", Hook("on_epoch_end", nudge, 3, 3)).fit(X, Y)
    np.testing.assert_allclose(nudged.model_.parameters, exact.model_.parameters, rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stops", [True, False])
def test_what_is_written_at_the_very_end_stays(dtype: str, stops: bool) -> None:
    def write(trainer: Any) -> bool:
        trainer.model.parameters.fill(0.25)
        return stops

    mlp = regressor("lbfgs", dtype, Hook("on_epoch_end", write, 12, 12)).fit(X, Y)
    assert mlp.n_iter_ == 12
    assert (mlp.model_.parameters == 0.25).all()
    trainer = mlpfast.Trainer(mlp.model_, loss="mse", l2=mlp.alpha, penalty_over_weights=True)
    assert mlp.loss_ == pytest.approx(trainer.evaluate(X, Y)["loss"], rel=1e-5)


def test_weights_may_be_clipped_in_each_iteration() -> None:
    def clip(trainer: Any) -> None:
        np.clip(trainer.model.parameters, -0.3, 0.3, out=trainer.model.parameters)

    with pytest.warns(ConvergenceWarning, match="after 30 iterations"):
        mlp = regressor("lbfgs", "float64", Hook("on_epoch_end", clip), max_iter=30).fit(X, Y)
    assert mlp.n_iter_ == 30
    assert np.abs(mlp.model_.parameters).max() == 0.3
    assert mlp.score(X, Y) > 0.5


def test_restarts_share_one_budget_of_evaluations() -> None:
    def shrink(trainer: Any) -> None:
        trainer.model.parameters *= 0.99

    calls = Hook("on_epoch_end", shrink)
    with pytest.warns(ConvergenceWarning, match="status 1"):
        regressor("lbfgs", "float64", calls, max_iter=1000, max_fun=20).fit(X, Y)
    assert 0 < calls.calls <= 20


@pytest.mark.parametrize("dtype", DTYPES)
def test_early_stopping_on_the_loss_keeps_the_best_iteration(dtype: str) -> None:
    stop = mlpfast.callbacks.EarlyStopping("loss", patience=3, min_delta=0.01)
    mlp = regressor("lbfgs", dtype, stop, max_iter=200).fit(X, Y)
    assert mlp.n_iter_ == stop.best_epoch + 1 + 3
    expected = regressor("lbfgs", dtype, max_iter=stop.best_epoch + 1).fit(X, Y)
    assert (mlp.model_.parameters == expected.model_.parameters).all()


def test_callbacks_that_only_look_change_no_bit() -> None:
    watched = regressor("lbfgs", "float32", Hook("on_epoch_end", lambda trainer: None)).fit(X, Y)
    assert (watched.model_.parameters == regressor("lbfgs", "float32").fit(X, Y).model_.parameters).all()


def test_written_nan_is_an_error() -> None:
    with pytest.raises(ValueError, match="non-finite"):
        regressor("lbfgs", "float64", Hook("on_epoch_end", fill(np.nan), 2, 2)).fit(X, Y)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_error_of_a_callback_leaves_the_weights_that_it_saw(solver: str) -> None:
    seen = []

    def fail(trainer: Any) -> None:
        seen.append(trainer.model.parameters.copy())
        raise RuntimeError("from the callback")

    mlp = regressor(solver, "float64", Hook("on_epoch_end", fail, 3))
    with pytest.raises(RuntimeError, match="from the callback"):
        mlp.fit(X, Y)
    assert mlp.n_iter_ == 3
    assert (mlp.model_.parameters == seen[0]).all()


def test_a_classifier_predicts_in_its_callbacks() -> None:
    labels = (Y > 0).astype(int)
    scores = []
    watch = Hook("on_epoch_end", lambda trainer: scores.append(mlp.score(X, labels)))
    mlp = MLPClassifier(6, solver="lbfgs", random_state=0, callbacks=[watch])
    mlp.fit(X, labels)
    assert len(scores) == mlp.n_iter_
    assert scores[-1] == 1.0
    assert scores[0] < 1.0
