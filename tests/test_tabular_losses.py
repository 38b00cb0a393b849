"""Losses of TabularRegressor: what each predicts, of targets of any scale, and how the epoch is chosen."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

import mlpfast as mf
from mlpfast import TabularRegressor

RNG = np.random.default_rng(1)
N = 240
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.choice(["x", "y", "z"], N), "c": RNG.normal(size=N)})
MEAN = X["a"].to_numpy() + (X["b"] == "x").to_numpy()
POSITIVE = np.exp(MEAN)
QUICK = {"epochs": 16, "batch_size": 32, "random_state": 0}
HELD = slice(160, N)


def fitted(y, **settings):
    return TabularRegressor(**QUICK | settings).fit(X, y)


def held_out(y, **settings):
    """Trained on the first rows, with the last ones to choose by."""
    model = TabularRegressor(**{"epochs": 4, "batch_size": 32, "random_state": 0} | settings)
    return model.fit(X[:160], y[:160], X_val=X[HELD], y_val=y[HELD])


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "log_cosh", mf.losses.Huber(0.3)])
def test_heavy_tails_do_not_matter_to_robust_losses(loss):
    y = MEAN + np.where(np.arange(N) % 12 == 0, 1e15, 0.0)
    model = fitted(1e6 * y, loss=loss)
    error = np.abs(model.predict(X) / 1e6 - MEAN)[np.arange(N) % 12 != 0]
    assert np.median(error) < 0.25 and model.scale_[0] < 1e7
    assert "val_mae" in model.history_


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie", mf.losses.TweedieDeviance(1.2)])
@pytest.mark.parametrize("scale", [1e-9, 1e12])
def test_means_that_are_positive(loss, scale):
    y = POSITIVE * scale
    model = fitted(y, loss=loss)
    found = model.predict(X)
    assert (found > 0).all() and found.max() <= y.max()
    assert np.corrcoef(np.log(found), MEAN)[0, 1] > 0.85


@pytest.mark.parametrize(("loss", "power"), [("poisson", 1), ("gamma", 2), (mf.losses.TweedieDeviance(1.3), 1.3)])
def test_the_epoch_is_chosen_by_the_deviance(loss, power):
    model = held_out(POSITIVE, loss=loss)
    expected = metrics.mean_tweedie_deviance(POSITIVE[HELD], model.predict(X[HELD]), power=power)
    assert model.best_score_ == min(model.history_["val_deviance"]) == pytest.approx(expected, rel=1e-9)


def test_quantiles_ascend_and_cover():
    rng = np.random.default_rng(0)
    y = MEAN + rng.normal(size=N) * 0.3
    model = fitted(y, quantiles=[0.1, 0.5, 0.9])
    found = model.predict_quantiles(X)
    assert found.shape == (N, 3) and (np.diff(found, axis=1) >= 0).all()
    shares = (y[:, None] < found).mean(axis=0)
    assert shares[0] < 0.3 < shares[1] < 0.7 < shares[2]
    np.testing.assert_array_equal(model.predict(X), found[:, 1])
    assert model.predict_one(X.iloc[3].to_dict()) == found[3, 1]


def test_the_epoch_is_chosen_by_the_pinball_loss():
    model = held_out(MEAN, quantiles=[0.2, 0.7])
    found = model.predict_quantiles(X[HELD])
    terms = [metrics.mean_pinball_loss(MEAN[HELD], found[:, i], alpha=q) for i, q in enumerate((0.2, 0.7))]
    assert model.best_score_ == pytest.approx(np.mean(terms), rel=1e-9)
    np.testing.assert_array_equal(model.predict(X), model.predict_quantiles(X)[:, 1])  # 0.7 is nearer to 0.5
    other = held_out(MEAN, eval_metric="pinball")
    assert other.best_score_ == pytest.approx(metrics.mean_absolute_error(MEAN[HELD], other.predict(X[HELD])) / 2)


def test_quantiles_of_several_targets():
    model = fitted(np.stack([MEAN, -1000 * MEAN], axis=1), loss="quantile", quantiles=(0.25, 0.75))
    found = model.predict_quantiles(X)
    assert found.shape == (N, 2, 2) and (found[..., 0] <= found[..., 1]).all()
    assert model.predict(X).shape == (N, 2) and np.corrcoef(found[:, 1, 0], -MEAN)[0, 1] > 0.9


def test_means_and_spreads():
    rng = np.random.default_rng(0)
    spread = np.exp(X["c"].to_numpy())
    y = 1e5 * spread * rng.normal(size=N)
    model = fitted(y, loss="gaussian", epochs=40)
    mean, deviation = model.predict(X, return_std=True)
    np.testing.assert_array_equal(mean, model.predict(X))
    assert (deviation > 0).all() and np.corrcoef(np.log(deviation), np.log(spread))[0, 1] > 0.5
    model = held_out(y, loss="gaussian")
    mean, deviation = model.predict(X[HELD], return_std=True)
    terms = np.log(2 * np.pi * deviation**2) / 2 + (y[HELD] - mean) ** 2 / (2 * deviation**2)
    assert model.best_score_ == pytest.approx(terms.mean(), rel=1e-9)


def test_spreads_stay_within_the_range_of_the_targets():
    y = 10 * MEAN
    _, deviation = fitted(y, loss="gaussian", epochs=2).predict(X.assign(a=1e3 * X["a"]), return_std=True)
    assert deviation.max() <= np.ptp(y)


def test_functions_are_given_what_predict_gives():
    shapes = []

    def metric(y, p):
        shapes.append(p.shape)
        return -float(np.abs(y - p).mean())

    model = held_out(MEAN, quantiles=[0.1, 0.5, 0.9], eval_metric=metric)
    assert set(shapes) == {(80,)} and len(model.history_["val_metric"]) == 4


@pytest.mark.parametrize(
    "settings", [{"quantiles": [0.1, 0.9]}, {"loss": "gaussian"}, {"loss": "poisson"}, {"loss": "absolute_error"}]
)
def test_files_and_pickles(settings, tmp_path):
    model = fitted(POSITIVE, **settings | {"epochs": 1})
    model.save(tmp_path / "model.mlp")
    for other in (TabularRegressor.load(tmp_path / "model.mlp"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        if "quantiles" in settings:
            np.testing.assert_array_equal(other.predict_quantiles(X), model.predict_quantiles(X))
        if settings.get("loss") == "gaussian":
            np.testing.assert_array_equal(other.predict(X, return_std=True), model.predict(X, return_std=True))


@pytest.mark.parametrize(
    ("settings", "y", "words"),
    [
        ({"loss": "poisson"}, POSITIVE - 1e3, r"expected numbers >= 0 in y for loss 'poisson', got -\d.* in row 0"),
        ({"loss": "gamma"}, np.where(np.arange(N) == 7, 0, POSITIVE), "numbers > 0 .* got 0 in row 7"),
        ({"loss": "tweedie"}, np.zeros(N), "zeros only"),
        ({"loss": "quantile"}, MEAN, "expected quantiles with"),
        ({"loss": "poisson", "quantiles": [0.5]}, MEAN, "loss='quantile' with quantiles"),
        ({"quantiles": [0.5, 0.1]}, MEAN, "ascending order"),
        ({"quantiles": []}, MEAN, "ascending order"),
        ({"quantiles": [0.5, 1.0]}, MEAN, r"quantiles\[1\] .* got 1.0"),
        ({"quantiles": [0.5, "most"]}, MEAN, r"quantiles\[1\] to be a number, got 'most'"),
        ({"loss": "hinge"}, MEAN, "unknown loss 'hinge'"),
        (
            {"loss": "squared"},
            MEAN,
            "unknown loss 'squared'; did you mean 'squared_error'.*of absolute_error, gamma, gaussian",
        ),
        ({"loss": None}, MEAN, "loss to be one of absolute_error, gamma, gaussian"),
        ({"eval_metric": "deviance"}, MEAN, "unknown eval_metric"),
    ],
)
def test_refused_fits(settings, y, words):
    with pytest.raises((TypeError, ValueError), match=words):
        fitted(y, **settings)


def test_what_only_some_losses_have():
    model = fitted(MEAN, epochs=1)
    with pytest.raises(ValueError, match="loss='gaussian' for return_std"):
        model.predict(X, return_std=True)
    with pytest.raises(ValueError, match="expected quantiles"):
        model.predict_quantiles(X)
