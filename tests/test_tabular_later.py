"""Later data: partial_fit and warm_start go on from the weights, and keep what columns and targets are."""

import numpy as np
import pandas as pd
import pytest

from mlpfast import TabularClassifier, TabularRegressor

RNG = np.random.default_rng(5)
N = 400
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.choice(["x", "y", "z"], N)})
BEFORE = 1e3 * (X["a"] + (X["b"] == "x")).to_numpy()
AFTER = 1e3 * (-X["a"] + (X["b"] == "x")).to_numpy()
OLD, NEW = slice(0, 200), slice(200, N)
QUICK = {"epochs": 12, "batch_size": 32, "random_state": 0}


def regressor(**settings):
    return TabularRegressor(**QUICK | settings).fit(X[OLD], BEFORE[OLD])


def classifier(**settings):
    return TabularClassifier(**QUICK | settings).fit(X[OLD], np.where(BEFORE[OLD] > 0, "up", "down"))


def test_partial_fit_follows_a_drift():
    number, label = regressor(), classifier(n_ensemble=2)
    units, columns = number.scale_.copy(), str(number.columns_)
    labels = np.where(AFTER > 0, "up", "down")
    first = number.score(X, AFTER), label.score(X, labels)
    for _ in range(6):
        number.partial_fit(X[NEW], AFTER[NEW])
        label.partial_fit(X[NEW], labels[NEW])
    assert number.score(X, AFTER) > first[0] + 0.5 and label.score(X, labels) > first[1] + 0.1
    np.testing.assert_array_equal(number.scale_, units)
    assert str(number.columns_) == columns and number.high_ >= AFTER[NEW].max() - 1e-9


def test_partial_fit_of_the_same_kind_does_no_harm():
    model = regressor()
    before = model.score(X, BEFORE)
    for _ in range(3):
        model.partial_fit(X[NEW], BEFORE[NEW])
    assert model.score(X, BEFORE) > before - 0.05


def test_the_same_bits():
    one, two = (regressor(n_threads=n).partial_fit(X[NEW], AFTER[NEW]) for n in (1, 2))
    np.testing.assert_array_equal(one.model_.state, two.model_.state)


def test_the_first_call_is_fit():
    y = np.where(BEFORE > 0, "up", "down")
    first = TabularClassifier(**QUICK).partial_fit(X, y, classes=["down", "up"])
    np.testing.assert_array_equal(first.model_.state, TabularClassifier(**QUICK).fit(X, y).model_.state)


@pytest.mark.parametrize(
    ("classes", "words"), [(["down", "never", "up"], "got 'never' as well"), (["up"], "got them without 'down'")]
)
def test_classes_are_those_of_the_first_call(classes, words):
    y = np.where(BEFORE > 0, "up", "down")
    with pytest.raises(ValueError, match=f"the labels in y of the first call, {words}"):
        TabularClassifier(**QUICK).partial_fit(X, y, classes=classes)
    model = classifier(epochs=1)
    with pytest.raises(ValueError, match=f"those of the first call, {words}"):
        model.partial_fit(X, y, classes=classes)
    model.partial_fit(X, y, classes=["up", "down"])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "poisson"}, r"expected loss=MeanSquaredError\(\), as in the fit .*, got Poisson"),
        ({"quantiles": [0.1, 0.9]}, r"got Quantile\(q=\(0.1, 0.9\)\)"),
        ({"preset": "fast"}, "expected preset='default', .*, got 'fast'"),
        ({"batch_size": 0}, "expected batch_size to be >= 1, got 0"),
        ({"n_threads": 0}, "expected n_threads to be >= 1, got 0"),
        ({"max_seconds": -1}, "expected max_seconds to be > 0, got -1"),
        ({"categorical_features": ["a"]}, "expected categorical_features='auto', .*, got .'a'"),
    ],
)
def test_what_networks_cannot_follow_is_refused(method, settings, words):
    model = regressor(warm_start=True, epochs=1)
    model.set_params(**settings)
    before, state = dict(vars(model)), model.model_.state.copy()
    with pytest.raises(ValueError, match=words):
        getattr(model, method)(X[NEW], AFTER[NEW])
    assert vars(model) == before
    np.testing.assert_array_equal(model.model_.state, state)


def test_settings_that_mean_the_same_go_on():
    model = TabularRegressor(loss="mse", categorical_features=["b"], warm_start=True, **QUICK | {"epochs": 1})
    model.fit(X[OLD], BEFORE[OLD])
    model.set_params(loss="squared_error", categorical_features=np.array(["b"]), eval_metric="mae").fit(X, AFTER)
    assert list(model.history_) == ["loss", "val_mae"]
    with pytest.raises(ValueError, match="expected class_weight=None"):
        labels = np.c_[BEFORE > 0, AFTER > 0][OLD]
        TabularClassifier(**QUICK).partial_fit(X[OLD], labels).set_params(class_weight="balanced").partial_fit(
            X[OLD], labels
        )


def test_weights_of_later_rows():
    model = regressor()
    halves = np.arange(200) % 2
    y = np.where(halves == 0, AFTER[NEW], BEFORE[NEW])
    for _ in range(6):
        model.partial_fit(X[NEW], y, sample_weight=1.0 - halves)
    assert model.score(X, AFTER) > model.score(X, BEFORE)


def test_warm_start_goes_on_and_keeps_what_is_better():
    model = regressor(warm_start=True)
    state, encoder = model.model_.state.copy(), model.encoder_
    model.fit(X[NEW], AFTER[NEW])
    assert model.encoder_ is encoder and model.best_epoch_ >= 1
    assert (model.model_.state != state).any() and model.score(X, AFTER) > model.score(X, BEFORE)
    model = regressor(warm_start=True)
    calls = []

    def worse(y, p):
        calls.append(0)
        return -float(len(calls))

    state = model.model_.state.copy()
    model.set_params(eval_metric=worse).fit(X[NEW], BEFORE[NEW])
    assert model.best_epoch_ == 0 and "None of 12 epochs was better" in str(model.report_)
    np.testing.assert_array_equal(model.model_.state, state)


def test_warm_start_of_several_networks():
    model = TabularClassifier(n_ensemble=2, warm_start=True, **QUICK).fit(X[OLD], BEFORE[OLD] > 0)
    first = model.models_
    model.fit(X[NEW], AFTER[NEW] > 0)
    assert len(model.models_) == 2 and model.oof_.shape == (200, 2) and model.models_[0] is not first[0]
    with pytest.raises(ValueError, match="expected 2 networks, as there are, got n_ensemble=3"):
        model.set_params(n_ensemble=3).fit(X[NEW], AFTER[NEW] > 0)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": X[NEW].rename(columns={"a": "c"})}, "missing columns: 'a'"),
        ({"y": np.full(200, "side")}, "there in training in y, got 'side' in row 0"),
        ({"y": ["up"] * 3}, "inconsistent numbers of samples"),
        ({"sample_weight": np.zeros(200)}, "at least one non-zero|zeros only"),  # as scikit-learn, or we, say it
        ({"sample_weight": np.ones(2)}, "sample_weight"),
    ],
)
def test_refused_rows_change_nothing(method, change, words):
    model = classifier(warm_start=True, epochs=1)
    before, state = dict(vars(model)), model.model_.state.copy()
    given = {"X": X[NEW], "y": np.where(AFTER[NEW] > 0, "up", "down")} | change
    with pytest.raises(ValueError, match=words):
        getattr(model, method)(**given)
    assert vars(model) == before
    np.testing.assert_array_equal(model.model_.state, state)
