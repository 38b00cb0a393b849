"""Networks of all rows, in place of those that had rows held out (`n_refit`)."""

import os
import pickle
import signal
import time

import numpy as np
import pytest
from small_table import LABELS, SIGNAL, N, X

from mlpfast import TabularClassifier, TabularRegressor, load
from mlpfast.callbacks import LambdaCallback
from mlpfast.tabular import ensemble, members
from mlpfast.tabular.best import Until
from mlpfast.tabular.pace import Pace

QUICK = {"epochs": 8, "batch_size": 32, "random_state": 0}
KINDS = [(TabularClassifier, LABELS), (TabularRegressor, SIGNAL)]
HELD = ("oof_", "best_score_", "history_", "best_epochs_", "feature_importances_", "baseline_score_")


@pytest.mark.parametrize(("kind", "y"), KINDS)
@pytest.mark.parametrize("n_refit", [1, 2])
def test_what_is_held_out_says_when_to_end(kind, y, n_refit, tmp_path):
    folds, model = (kind(n_ensemble=3, n_refit=n, **QUICK).fit(X, y) for n in (0, n_refit))
    for name in HELD:
        np.testing.assert_array_equal(getattr(model, name), getattr(folds, name))
    assert folds.refit_epoch_ == 0 and model.refit_epoch_ == max(round(np.mean(folds.best_epochs_)), 1)
    assert len(model.models_) == n_refit and len(model.best_epochs_) == 3
    assert f"Trained again on all rows: {n_refit} network" in str(model.report_)
    model.save(tmp_path / "model.mlp")
    for other in (load(tmp_path / "model.mlp"), pickle.loads(pickle.dumps(model))):
        assert str(other.report_) == str(model.report_)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
    again = kind(n_ensemble=3, n_refit=n_refit, n_threads=1, **QUICK).fit(X, y)
    for one, other in zip(again.models_, model.models_, strict=True):
        np.testing.assert_array_equal(one.state, other.state)


def test_rows_that_were_held_out_are_trained_on():
    late = np.arange(N) >= 192  # what the last fifth has, no other row has
    y = np.where(late, 10.0 + SIGNAL, SIGNAL)
    settings = {**QUICK, "epochs": 32, "validation": "time"}
    for n_refit, close in ((0, False), (1, True)):
        model = TabularRegressor(n_refit=n_refit, **settings).fit(X.assign(late=late * 1.0), y)
        found = model.predict(X.assign(late=1.0))
        assert (found.mean() > 6) == close and (model.high_[0] > 10) == close
    assert model.n_training_rows_ == 192 and model.refit_epoch_ == model.best_epoch_
    assert model.columns_["late"].factor > 0


def test_rows_of_weight_zero_are_left_out():
    weights = (np.arange(N) % 2).astype(float)
    y = np.where(weights > 0, SIGNAL, 1e6)
    model = TabularRegressor(n_refit=1, **QUICK).fit(X, y, sample_weight=weights)
    assert model.refit_epoch_ > 0 and model.high_[0] == SIGNAL[weights > 0].max()


def test_later_rows():
    model = TabularClassifier(n_ensemble=2, n_refit=1, **QUICK).fit(X, LABELS)
    state = model.model_.state.copy()
    assert (model.partial_fit(X, LABELS).model_.state != state).any() and len(model.models_) == 1
    with pytest.raises(ValueError, match="expected networks that have rows held out"):
        model.set_params(warm_start=True, n_refit=0).fit(X, LABELS)


def test_enough_time_changes_nothing_and_too_little_keeps_the_folds():
    settings = {"n_ensemble": 2, "n_refit": 1, **QUICK}
    plain, limited = (TabularRegressor(**settings, max_seconds=s).fit(X, SIGNAL) for s in (None, 1e4))
    np.testing.assert_array_equal(plain.model_.state, limited.model_.state)
    with pytest.warns(UserWarning, match="max_seconds=0.001 was enough for 0 of 8 epochs"):
        hurried = TabularRegressor(**settings, max_seconds=1e-3).fit(X, SIGNAL)
    assert "Not trained again on all rows" in str(hurried.report_)
    assert hurried.refit_epoch_ == 0 and len(hurried.models_) == len(hurried.best_epochs_)
    np.testing.assert_array_equal(np.isfinite(hurried.predict(X)), True)


@pytest.mark.usefixtures("ctrl_c_after")
@pytest.mark.parametrize("n_ensemble", [1, 4])
def test_after_ctrl_c_nothing_is_trained_again(n_ensemble):
    calls = []

    def metric(y, found):
        calls.append(0)
        if len(calls) == 8 + 5 * (n_ensemble > 1):  # the first network of four has had its eight epochs
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        return 0.0

    settings = {**QUICK, "n_ensemble": n_ensemble, "n_threads": 1, "eval_metric": metric, "n_refit": 1}
    with pytest.warns(UserWarning, match="interrupted"):
        model = TabularRegressor(**settings).fit(X, SIGNAL)
    assert model.refit_epoch_ == 0 and len(model.models_) == min(n_ensemble, 2)


def test_fewer_networks_than_wanted_are_trained_again(monkeypatch):
    measured = ensemble.pace_of
    monkeypatch.setattr(ensemble, "pace_of", lambda *args: (measured(*args)[0], Pace(0.0, 1e9, 0.0)))
    model = TabularRegressor(n_ensemble=3, n_refit=1, max_seconds=1e4, **QUICK).fit(X, SIGNAL)
    assert len(model.best_epochs_) == 1 and model.refit_epoch_ == model.best_epoch_


@pytest.mark.usefixtures("ctrl_c_after")
@pytest.mark.parametrize("n_refit", [1, 2])
def test_ctrl_c_keeps_the_networks_before(n_refit, monkeypatch):
    folds = TabularRegressor(n_ensemble=2, **QUICK).fit(X, SIGNAL)
    made = members.make_trainer

    def ctrl_c(trainer, logs):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)  # until the main thread has heard it

    def with_ctrl_c(model, goal, batch_size, seed, n_threads, callbacks=(), later=False):
        more = [LambdaCallback(on_epoch_begin=ctrl_c)] if any(isinstance(each, Until) for each in callbacks) else []
        return made(model, goal, batch_size, seed, n_threads, [*callbacks, *more], later)

    monkeypatch.setattr(members, "make_trainer", with_ctrl_c)
    with pytest.warns(UserWarning, match="interrupted") as warned:
        model = TabularRegressor(n_ensemble=2, n_refit=n_refit, **QUICK).fit(X, SIGNAL)
    assert {each.filename for each in warned} == {__file__}
    assert model.refit_epoch_ == 0
    np.testing.assert_array_equal(model.predict(X), folds.predict(X))


@pytest.mark.parametrize(
    ("settings", "change", "words"),
    [
        ({"n_refit": -1}, {}, "n_refit"),
        ({"n_refit": True}, {}, "expected n_refit to be an integer"),
        ({"n_refit": 1}, {"X_val": X, "y_val": LABELS}, "expected n_refit=0 with X_val, or with warm_start"),
        ({"n_refit": 1, "warm_start": True}, {}, "expected n_refit=0 with X_val, or with warm_start"),
    ],
)
def test_refused(settings, change, words):
    with pytest.raises((ValueError, TypeError), match=words):
        TabularClassifier(**QUICK | settings).fit(X, LABELS, **change)
