"""max_seconds of the tabular estimators: what fits into it is planned, and enough of it changes nothing."""

import time

import numpy as np
import pytest

import mlpfast as mf
from mlpfast import TabularClassifier, TabularRegressor
from mlpfast.tabular.pace import epochs_that_fit

X = np.random.default_rng(3).normal(size=(200, 3))
Y = X[:, 0] + X[:, 1] ** 2


def planned(seconds, score=lambda: 0.0, most=40):
    trainer = mf.Trainer(mf.mlp([3, 8, 1], "relu", seed=0), "mse", batch_size=20, seed=0)
    before = trainer.model.state.copy()
    found = epochs_that_fit(
        trainer, X.astype(np.float32), Y.astype(np.float32)[:, None], None, most, time.monotonic() + seconds, score
    )
    assert trainer.steps == 0
    np.testing.assert_array_equal(trainer.model.state, before)
    return found


def test_epochs_that_fit():
    assert planned(1e4) == 40
    assert 0 < planned(0.05, score=lambda: time.sleep(0.02)) <= 2  # two scores and their epochs are what fits
    assert planned(-1.0) == 1
    assert planned(5.0) % 1 == 0


def test_enough_time_changes_nothing():
    settings = {"epochs": 3, "batch_size": 32, "random_state": 0}
    plain, limited = (TabularRegressor(**settings, max_seconds=s).fit(X, Y) for s in (None, 1e4))
    np.testing.assert_array_equal(plain.model_.state, limited.model_.state)


@pytest.mark.parametrize("n_ensemble", [1, 3])
def test_a_schedule_comes_to_its_end_in_little_time(n_ensemble):
    model = TabularClassifier(epochs=100_000, n_ensemble=n_ensemble, max_seconds=1.0, random_state=0)
    model.fit(X, Y > 1)
    assert len(model.history_["loss"]) < 100_000
    assert np.isfinite(model.predict_proba(X)).all() and len(model.models_) == n_ensemble
