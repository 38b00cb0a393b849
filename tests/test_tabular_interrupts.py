"""Ctrl-C in what follows the training of a table's networks: what they have learnt is kept."""

import os
import signal
import time
import warnings

import numpy as np
import pandas as pd
import pytest

from mlpfast import TabularClassifier, TabularRegressor, Trainer
from mlpfast.tabular import ensemble, finishing, importances
from mlpfast.tabular.best import BestEpoch

RNG = np.random.default_rng(2)
N = 240
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.choice(["x", "y", "z"], N)})
SIGNAL = X["a"].to_numpy() + (X["b"] == "x").to_numpy()
LABELS = np.where(SIGNAL > 0, "high", "low")
QUICK = {"epochs": 6, "batch_size": 32, "random_state": 0}
SAID = ("best_score_", "feature_importances_", "decision_threshold_", "temperature_", "history_")

pytestmark = pytest.mark.usefixtures("ctrl_c_after")  # which has SIGINT heard in background jobs


def accuracy_with_ctrl_c(*at):
    """A metric whose calls of these numbers, from 1, are interrupted: each epoch has one, and what follows another."""
    calls = []

    def metric(y, p):
        calls.append(0)
        if len(calls) in at:
            signal.raise_signal(signal.SIGINT)
        return float(np.mean(y == p))

    return metric


@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_one_that_comes_twice_is_one(n_ensemble, monkeypatch):
    """As when whoever has started us passes on what the terminal has sent to us as well."""
    monkeypatch.setattr(finishing, "_SAME", 60.0)
    restore = BestEpoch.restore

    def interrupted(best, model):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)  # until the main thread has heard it
        restore(best, model)

    monkeypatch.setattr(BestEpoch, "restore", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.warns(UserWarning, match="interrupted"):
        model = TabularClassifier(n_ensemble=n_ensemble, eval_metric=accuracy_with_ctrl_c(3), **QUICK).fit(X, LABELS)
    assert model.best_epoch_ >= 1 and model.predict(X).shape == (N,)
    assert signal.getsignal(signal.SIGINT) is handler


def test_handlers_of_the_users_are_theirs():
    heard, before = [], signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TabularClassifier(eval_metric=accuracy_with_ctrl_c(2, 3), **QUICK).fit(X, LABELS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT] * 2


def test_a_second_ctrl_c_does_not_lose_the_fit(monkeypatch):
    monkeypatch.setattr(finishing, "_SAME", 0.0)
    model = TabularClassifier(eval_metric=accuracy_with_ctrl_c(3, 4), **QUICK)
    with pytest.warns(UserWarning) as warned:
        model.fit(X, LABELS)
    assert [str(each.message).split(";")[0] for each in warned] == [
        "interrupted after 2 epochs",
        "interrupted after training",
    ]
    assert {each.filename for each in warned} == {__file__}
    assert model.best_epoch_ in (1, 2) and model.predict(X).shape == (N,)


@pytest.mark.parametrize("n_refit", [0, 1])
def test_one_after_training_changes_nothing(n_refit):
    """But that nothing is trained again."""
    whole = TabularClassifier(eval_metric=accuracy_with_ctrl_c(), **QUICK).fit(X, LABELS)
    model = TabularClassifier(eval_metric=accuracy_with_ctrl_c(7), n_refit=n_refit, **QUICK)
    with pytest.warns(UserWarning, match="interrupted after training; networks that had rows held out are kept"):
        model.fit(X, LABELS)
    for name in SAID:
        np.testing.assert_array_equal(getattr(model, name), getattr(whole, name))
    np.testing.assert_array_equal(model.predict_proba(X), whole.predict_proba(X))
    assert model.refit_epoch_ == 0


def test_who_insists_gets_out(monkeypatch):
    monkeypatch.setattr(finishing, "_SAME", 0.0)
    model = TabularClassifier(**QUICK).fit(X, LABELS)
    before = dict(vars(model))
    model.eval_metric = accuracy_with_ctrl_c(3, 4, 5)
    with pytest.warns(UserWarning, match="interrupted after 2 epochs"), pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS)
    assert vars(model) == before | {"eval_metric": model.eval_metric}


def test_importances_that_are_interrupted(monkeypatch):
    calls, sample = [], importances._sample

    def interrupted(*args):
        calls.append(0)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return sample(*args)

    whole = TabularRegressor(n_refit=1, **QUICK).fit(X, SIGNAL)
    monkeypatch.setattr(importances, "_sample", interrupted)
    with pytest.warns(UserWarning, match="interrupted after training"):
        model = TabularRegressor(n_refit=1, **QUICK).fit(X, SIGNAL)
    assert (model.feature_importances_ > 0).all() and model.best_score_ == whole.best_score_
    assert model.refit_epoch_ == 0 < whole.refit_epoch_


def test_a_second_ctrl_c_while_others_stop():
    calls = []

    def metric(y, p):  # in a thread of its own
        calls.append(0)
        if len(calls) == 5:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.3)  # until the main thread has heard it
        return float(np.mean(y == p))

    model = TabularClassifier(n_ensemble=3, n_threads=1, eval_metric=metric, **QUICK | {"epochs": 400})
    with pytest.warns(UserWarning, match=r"interrupted; \d of 3 networks are kept"):
        model.fit(X, LABELS)
    assert len(model.models_) == 1 and model.best_epochs_[0] >= 1


@pytest.mark.parametrize(
    ("threshold", "error", "message"),
    [
        (np.nan, ValueError, "expected decision_threshold_ to be finite and >= 0 and <= 1, got nan"),
        (1.5, ValueError, "expected decision_threshold_ to be >= 0 and <= 1, got 1.5"),
        (-0.1, ValueError, "expected decision_threshold_ to be >= 0 and <= 1, got -0.1"),
        ("0.3", TypeError, "expected decision_threshold_ to be a number, got '0.3'"),
        (None, TypeError, "expected decision_threshold_ to be a number, got None"),
    ],
)
def test_a_threshold_that_is_none(threshold, error, message, tmp_path):
    model = TabularClassifier(**QUICK | {"epochs": 1}).fit(X, LABELS)
    model.decision_threshold_ = threshold
    for use in (
        lambda: model.predict(X),
        lambda: model.predict_one(X.iloc[0].to_dict()),
        lambda: str(model.report_),
        lambda: model.save(tmp_path / "model.npz"),
    ):
        with pytest.raises(error, match=message):
            use()
    assert not any(tmp_path.iterdir())
    for fine in (0, 1, np.float32(0.25)):
        model.decision_threshold_ = fine
        second = model.predict_proba(X)[:, 1] > fine
        np.testing.assert_array_equal(model.predict(X), model.classes_[second.astype(int)])


def test_a_threshold_of_other_than_two_classes():
    three = TabularClassifier(**QUICK | {"epochs": 1}).fit(X, X["b"])
    several = TabularClassifier(**QUICK | {"epochs": 1}).fit(X, np.c_[SIGNAL > 0, SIGNAL > 1])
    for model, what in ((three, "3 classes"), (several, "2 labels of a row")):
        model.decision_threshold_ = 0.3
        with pytest.raises(ValueError, match=f"expected decision_threshold_ for two classes alone, got {what}"):
            model.predict(X)
        del model.decision_threshold_
        assert len(model.predict(X)) == N


def test_one_within_the_first_epoch(monkeypatch):
    """What was learnt is kept; of a network that goes on, what it was."""

    def interrupted(trainer, *args, **kwargs):
        raise KeyboardInterrupt

    model = TabularClassifier(**QUICK, warm_start=True)
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "fit", interrupted)
        with pytest.warns(UserWarning, match="interrupted within the first epoch; what it has learnt so far is kept"):
            model.fit(X, LABELS)
    before = model.fit(X, LABELS).model_.state.copy()
    monkeypatch.setattr(Trainer, "fit", interrupted)
    with pytest.warns(UserWarning, match="interrupted within the first epoch; the network before it is kept"):
        model.fit(X, LABELS)
    np.testing.assert_array_equal(model.model_.state, before)


def test_one_while_networks_are_begun(monkeypatch):
    """Those that are trained already stop, too; what goes on is kept as it was."""
    model = TabularClassifier(**QUICK, n_ensemble=3, n_threads=2, warm_start=True).fit(X, LABELS)
    states, begun = [each.state.copy() for each in model.models_], []

    def submit(pool, *args):
        begun.append(0)
        if len(begun) == 2:
            signal.raise_signal(signal.SIGINT)
        return made(pool, *args)

    made = ensemble.ThreadPoolExecutor.submit
    monkeypatch.setattr(ensemble.ThreadPoolExecutor, "submit", submit)
    model.set_params(epochs=100_000)
    with pytest.warns(UserWarning, match="interrupted; 3 of 3 networks are kept"):
        model.fit(X, LABELS)
    for each, state in zip(model.models_[1:], states[1:], strict=True):
        np.testing.assert_array_equal(each.state, state)
