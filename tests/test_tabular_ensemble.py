"""Several networks of one estimator: folds, out-of-fold predictions, the same bits on any number of threads, files."""

import os
import pickle
import signal

import numpy as np
import pytest
from small_table import LABELS, RNG, SIGNAL, N, X

import mlpfast as mf
from mlpfast import TabularClassifier, TabularRegressor
from mlpfast.tabular import members
from mlpfast.tabular.splitting import splits_of

QUICK = {"epochs": 6, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def classifier():
    return TabularClassifier(n_ensemble=3, **QUICK).fit(X, LABELS)


def test_predictions_are_means(classifier):
    Z = classifier.encoder_.transform(X)
    each = [model.predict(Z).astype(np.float64) for model in classifier.models_]
    expected = np.mean([p / p.sum(axis=1, keepdims=True) for p in each], axis=0)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, rtol=1e-12)
    assert len(each) == len(classifier.best_epochs_) == 3
    assert classifier.model_ is classifier.models_[0] and classifier.best_epoch_ == classifier.best_epochs_[0]
    assert classifier.predict_one(X.iloc[0].to_dict()) == classifier.predict(X)[0]


def test_each_row_is_predicted_by_the_network_that_held_it_out(classifier):
    oof = classifier.oof_
    assert oof.shape == (N, 3) and np.isfinite(oof).all()
    Z = classifier.encoder_.transform(X)
    each = np.stack([model.predict(Z).astype(np.float64) for model in classifier.models_])
    each /= each.sum(axis=2, keepdims=True)
    holder = np.abs(each - oof).max(axis=2).argmin(axis=0)
    np.testing.assert_allclose(each[holder, np.arange(N)], oof, rtol=1e-6)
    assert np.bincount(holder).tolist() == [80, 80, 80]
    for label in classifier.classes_:  # dealt class by class
        counts = np.bincount(holder[label == LABELS], minlength=3)
        assert counts.max() - counts.min() <= 1
    assert classifier.best_score_ == np.mean(classifier.classes_[oof.argmax(axis=1)] == LABELS)


def test_the_same_bits_on_any_number_of_threads():
    one, two = (TabularRegressor(n_ensemble=3, n_threads=n, **QUICK).fit(X, SIGNAL) for n in (1, 2))
    for a, b in zip(one.models_, two.models_, strict=True):
        np.testing.assert_array_equal(a.state, b.state)
    np.testing.assert_array_equal(one.oof_, two.oof_)
    assert (one.models_[0].state != one.models_[1].state).any()


@pytest.mark.parametrize("settings", [{}, {"quantiles": [0.1, 0.9]}, {"loss": "gaussian"}])
def test_regressors(settings, tmp_path):
    model = TabularRegressor(n_ensemble=2, **QUICK, **settings).fit(X, SIGNAL)
    assert model.oof_.shape == (N,) and np.isfinite(model.oof_).all()
    if settings.get("loss") == "gaussian":  # the moments of a mixture
        Z = model.encoder_.transform(X)
        parts = [model._family.finish(each.predict(Z), vars(model)) for each in model.models_]
        mean, deviation = model.predict(X, return_std=True)
        np.testing.assert_allclose(mean, (parts[0][:, 0] + parts[1][:, 0]) / 2)
        second = sum(part[:, 0] ** 2 + part[:, 1] ** 2 for part in parts) / 2
        np.testing.assert_allclose(deviation, np.sqrt(second - mean**2))
    model.save(tmp_path / "model.mlp")
    for other in (TabularRegressor.load(tmp_path / "model.mlp"), pickle.loads(pickle.dumps(model))):
        assert other.best_epochs_ == model.best_epochs_
        np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_rows_that_others_hold_out():
    model = TabularRegressor(n_ensemble=2, **QUICK).fit(X[:160], SIGNAL[:160], X_val=X[160:], y_val=SIGNAL[160:])
    assert not hasattr(model, "oof_")
    error = model.predict(X[160:]) - SIGNAL[160:]
    assert model.best_score_ == pytest.approx(np.sqrt(np.mean(error**2)))
    model = TabularRegressor(n_ensemble=2, validation="time", **QUICK).fit(X, SIGNAL)
    assert np.isnan(model.oof_[:192]).all() and np.isfinite(model.oof_[192:]).all()


def test_weights_of_an_ensemble():
    weights = (np.arange(N) % 2).astype(float)
    y = np.where(weights > 0, SIGNAL, -SIGNAL)
    model = TabularRegressor(n_ensemble=2, **QUICK | {"epochs": 16}).fit(X, y, sample_weight=weights)
    assert np.corrcoef(model.predict(X), SIGNAL)[0, 1] > 0.5
    assert np.isnan(model.oof_[weights == 0]).all() and np.isfinite(model.oof_[weights > 0]).all()


def test_groups_stay_together():
    groups = RNG.integers(0, 9, N)
    splits = splits_of("group", 4, N, None, groups, np.random.RandomState(0))
    held = np.concatenate([rows for _, rows in splits])
    assert sorted(held) == list(range(N))
    for train, rows in splits:
        assert not set(groups[train]) & set(groups[rows]) and len(train) + len(rows) == N


def test_best_is_eight_networks():
    model = TabularClassifier(preset="best", epochs=1, random_state=0).fit(X, LABELS)
    assert len(model.models_) == 8
    assert len(TabularClassifier(preset="best", n_ensemble=2, epochs=1).fit(X, LABELS).models_) == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_ensemble": 0}, "n_ensemble"),
        ({"n_ensemble": 2, "validation": 0.3}, "2 networks, each of which holds out a fold, got 0.3"),
        ({"n_ensemble": N + 1}, f"at least {N + 1} rows"),
        ({"preset": "good"}, "unknown preset"),
    ],
)
def test_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        TabularClassifier(**QUICK | settings).fit(X, LABELS)


def test_the_progress_bar_has_the_metric(capsys):
    TabularClassifier(n_ensemble=3, verbose=1, eval_metric="log_loss", **QUICK).fit(X, LABELS)
    shown = capsys.readouterr().err
    assert "3/3" in shown and "val_log_loss=" in shown


@pytest.mark.usefixtures("ctrl_c_after")  # which has SIGINT heard in background jobs
def test_ctrl_c_keeps_networks_that_have_an_epoch():
    calls = []

    def metric(y, p):
        calls.append(0)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return float(np.mean(y == p))

    model = TabularClassifier(n_ensemble=4, n_threads=1, epochs=400, batch_size=32, eval_metric=metric, random_state=0)
    with pytest.warns(UserWarning, match=r"interrupted; \d of 4 networks are kept"):
        model.fit(X, LABELS)
    assert 1 <= len(model.models_) < 4 and min(model.best_epochs_) >= 1
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert np.isnan(model.oof_).any() and np.isfinite(model.oof_).any()


@pytest.mark.usefixtures("ctrl_c_after")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_is_heard_within_an_epoch(n_threads):
    rows = np.arange(30_000) % N
    settings = {"preset": "fast", "n_ensemble": 3, "n_threads": n_threads, "warm_start": True, "random_state": 0}
    model = TabularClassifier(epochs=1, batch_size=1024, **settings).fit(X.iloc[rows], LABELS[rows])
    before, states = model.predict_proba(X), [each.state.copy() for each in model.models_]
    calls = []

    def better_and_better(y, p):
        calls.append(0)
        if len(calls) == 1:  # of the network that goes on, before its first epoch
            os.kill(os.getpid(), signal.SIGINT)
        return float(len(calls))

    model.set_params(batch_size=1, eval_metric=better_and_better)  # an epoch takes some seconds
    with pytest.warns(UserWarning, match="interrupted; 3 of 3 networks are kept"):
        model.fit(X.iloc[rows], LABELS[rows])
    assert model.best_epochs_ == [0, 0, 0] and "No epoch was finished" in str(model.report_)
    for each, state in zip(model.models_, states, strict=True):
        np.testing.assert_array_equal(each.state, state)
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("settings", [{}, {"n_ensemble": 2}, {"n_refit": 1}])
def test_divergence_keeps_the_best_epoch(monkeypatch, settings):
    """The warning names the user's line, though networks of several are trained in threads of their own."""
    made = members.make_trainer

    def diverging(*args, **kwargs):
        trainer = made(*args, **kwargs)
        fit = trainer.fit

        def two_epochs(X, y, epochs, **kwargs):
            fit(X, y, 2, **kwargs)
            raise mf.DivergenceError("the loss is NaN")

        trainer.fit = two_epochs
        return trainer

    monkeypatch.setattr(members, "make_trainer", diverging)
    with pytest.warns(UserWarning, match="diverged after 2 epochs") as warned:
        model = TabularRegressor(**QUICK | settings).fit(X, SIGNAL)
    assert {each.filename for each in warned} == {__file__}
    assert model.best_epoch_ in (1, 2) and np.isfinite(model.predict(X)).all()
