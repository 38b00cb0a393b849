"""max_seconds of the tabular estimators: what fits into it is planned, and enough of it changes nothing."""

import math
import time

import numpy as np
import pytest

import mlpfast as mf
from mlpfast import TabularClassifier, TabularRegressor
from mlpfast.tabular import ensemble
from mlpfast.tabular.pace import Pace, epochs_that_fit

X = np.random.default_rng(3).normal(size=(200, 3))
Y = X[:, 0] + X[:, 1] ** 2


def planned(seconds, score=lambda: 0.0, most=40, loss="mse"):
    trainer = mf.Trainer(mf.mlp([3, 8, 1], "relu", seed=0), loss, batch_size=20, seed=0)
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


def test_what_the_first_step_pays_for_is_not_of_each():
    calls = iter([0.4])

    def loss(y, h):
        time.sleep(next(calls, 0.0))
        return 0.5 * ((h - y) ** 2).sum(axis=1), h - y

    assert (
        planned(4.0, loss=mf.losses.Custom(loss)) > 4
    )  # as if each of the steps took 0.4 seconds, one epoch would fit


def test_enough_time_changes_nothing():
    settings = {"epochs": 3, "batch_size": 32, "random_state": 0}
    plain, limited = (TabularRegressor(**settings, max_seconds=s).fit(X, Y) for s in (None, 1e4))
    np.testing.assert_array_equal(plain.model_.state, limited.model_.state)


@pytest.mark.parametrize("n_ensemble", [1, 3])
def test_a_schedule_comes_to_its_end_in_little_time(n_ensemble):
    model = TabularClassifier(epochs=100_000, n_ensemble=n_ensemble, max_seconds=1.0, random_state=0)
    model.fit(X, Y > 1)
    assert len(model.history_["loss"]) < 100_000
    assert np.isfinite(model.predict_proba(X)).all() and 1 <= len(model.models_) <= n_ensemble


def paced(monkeypatch, epoch):
    """Let networks take so many seconds for an epoch, or so it seems."""
    measured = ensemble.pace_of
    monkeypatch.setattr(ensemble, "pace_of", lambda *args: (measured(*args)[0], Pace(0.0, epoch, 0.0)))


@pytest.mark.parametrize(("epoch", "kept"), [(1e-3, 3), (1200.0, 2), (2000.0, 1), (1e9, 1)])
def test_as_many_networks_as_have_half_of_their_epochs(monkeypatch, tmp_path, epoch, kept):
    settings = {"epochs": 6, "batch_size": 32, "n_ensemble": 3, "n_threads": 1, "random_state": 0}
    whole = TabularRegressor(**settings).fit(X, Y)
    paced(monkeypatch, epoch)
    model = TabularRegressor(**settings, max_seconds=1e4).fit(X, Y)
    assert len(model.models_) == len(model.best_epochs_) == kept
    for one, other in zip(model.models_, whole.models_, strict=False):
        np.testing.assert_array_equal(one.state, other.state)  # they had all their epochs, in fact
    known = ~np.isnan(model.oof_)
    np.testing.assert_array_equal(model.oof_[known], whole.oof_[known])
    assert abs(known.sum() - kept * len(X) / 3) <= 1
    model.save(tmp_path / "model.mlp")
    for each in (model, TabularRegressor.load(tmp_path / "model.mlp")):
        assert (f"{kept} of 3 networks" in str(each.report_)) == (kept < 3)


def test_one_that_goes_on_keeps_all_its_networks(monkeypatch):
    model = TabularRegressor(epochs=2, batch_size=32, n_ensemble=2, warm_start=True, random_state=0).fit(X, Y)
    paced(monkeypatch, 1e9)
    assert len(model.set_params(max_seconds=1e4).fit(X, Y).models_) == 2


def test_one_that_goes_on_has_the_networks_that_there_was_time_for(monkeypatch):
    paced(monkeypatch, 1e9)
    model = TabularRegressor(epochs=2, batch_size=32, n_ensemble=3, warm_start=True, random_state=0, max_seconds=1e4)
    held = [np.isfinite(model.fit(X, Y).oof_) for _ in range(2)]
    assert len(model.models_) == 1
    np.testing.assert_array_equal(*held)  # and holds out the same rows
    with pytest.raises(ValueError, match="expected 1 networks, as there are, got n_ensemble=2"):
        model.set_params(n_ensemble=2).fit(X, Y)


def test_what_half_of_the_epochs_is():
    pace = Pace(start=1.0, epoch=0.5, score=0.25)  # a network with 4 of 8 epochs takes 3.25 seconds
    plans = [pace.networks_that_fit(8, 8, seconds, workers=2) for seconds in (-1.0, 1.0, 3.0, 3.5, 6.4, 6.5, 1e3)]
    assert plans == [1, 1, 1, 2, 2, 4, 8]
    assert Pace(0.0, math.inf, 0.1).networks_that_fit(8, 8, 1e3, workers=2) == 1
    assert Pace(0.0, 1.0, 0.0).networks_that_fit(8, 1, 1.0, workers=1) == 1
