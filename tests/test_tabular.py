"""TabularClassifier and TabularRegressor: what they learn, how they choose the epoch, what they refuse, and files."""

import pickle
import signal
import warnings
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import mlpfast
from mlpfast import TabularClassifier, TabularRegressor
from mlpfast.tabular import TableEncoder

RNG = np.random.default_rng(0)
N = 300
X = pd.DataFrame(
    {
        "number": RNG.normal(size=N),
        "hole": np.where(RNG.random(N) < 0.2, np.nan, RNG.lognormal(size=N)),
        "few": RNG.choice(["a", "b", "c"], N),
        "many": RNG.choice([f"level {i}" for i in range(20)], N),
        "flag": RNG.random(N) < 0.3,
        "empty": [None] * N,
    }
)
SIGNAL = X["number"] + (X["few"] == "a") * 2 - X["flag"] * 1.5
LABELS = np.where(SIGNAL > 1, "high", np.where(SIGNAL > -0.5, "middle", "low"))
QUICK = {"epochs": 16, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def classifier():
    return TabularClassifier(**QUICK).fit(X, LABELS)


@pytest.fixture(scope="module")
def regressor():
    return TabularRegressor(**QUICK).fit(X, SIGNAL * 1e12)


def test_it_learns_classes(classifier):
    assert classifier.score(X, LABELS) > 0.85
    assert classifier.classes_.tolist() == ["high", "low", "middle"]
    p = classifier.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert "every value is missing" in str(classifier.columns_)


@pytest.mark.parametrize("scale", [1e-9, 1e12, 1e200])
def test_it_learns_numbers_of_any_scale(scale):
    model = TabularRegressor(**QUICK).fit(X, SIGNAL * scale)
    found = model.predict(X) / scale
    assert np.mean((found - SIGNAL) ** 2) < 0.15 * SIGNAL.var()
    assert SIGNAL.min() - 1e-6 <= found.min() and found.max() <= SIGNAL.max() + 1e-6


def test_several_targets():
    y = np.stack([SIGNAL, -1000 * SIGNAL], axis=1)
    model = TabularRegressor(**QUICK).fit(X, y)
    assert model.predict(X).shape == (N, 2) and model.score(X, y) > 0.8


@pytest.mark.parametrize("pair", [(False, True), (-3, 4), (1.0, 2.0), ("no", "yes")])
def test_labels_of_any_kind(pair, tmp_path):
    y = np.where(SIGNAL > 0, *pair[::-1])
    model = TabularClassifier(**QUICK).fit(X, y)
    assert model.predict(X).dtype == y.dtype and model.score(X, y) > 0.85
    assert model.score(X, y.astype(object)) == model.score(X, y)
    one = model.predict_one(X.iloc[0].to_dict())
    assert type(one) is type(pair[0]) and one == model.predict(X[:1])[0]  # json.dumps takes it
    model.save(tmp_path / "model.mlp")
    assert TabularClassifier.load(tmp_path / "model.mlp").classes_.tolist() == list(pair)


ABROAD = pd.Timestamp("2020-01-01T03", tz="+02:00"), pd.Timestamp("2021-01-01", tz="UTC")


@pytest.mark.parametrize(
    ("pair", "classes"),
    [
        ((Decimal(0), Decimal(2)), [0.0, 2.0]),
        ((date(2020, 1, 1), date(2021, 1, 1)), np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]")),
        ((datetime(2020, 1, 1, 3), datetime(2021, 1, 1)), np.array(["2020-01-01T03", "2021-01-01"], "datetime64[us]")),
        (ABROAD, np.array(["2020-01-01T01", "2021-01-01"], "datetime64[us]")),
        ((pd.Period("2020"), pd.Period("2021")), np.array(["2020-01-01", "2021-01-01"], "datetime64[us]")),
        ((pd.Interval(0, 1), pd.Interval(1, 2)), ["(0, 1]", "(1, 2]"]),
    ],
)
def test_labels_that_are_objects(pair, classes, tmp_path):
    y = [pair[int(s > 0)] for s in SIGNAL]
    model = TabularClassifier(epochs=1, random_state=0).fit(X, y)
    assert model.score(X, y) == np.mean(model.predict(X) == model.classes_[(SIGNAL > 0).astype(int)])
    model.save(tmp_path / "model.mlp")
    for each in (model, TabularClassifier.load(tmp_path / "model.mlp")):
        np.testing.assert_array_equal(each.classes_, np.array(classes))
        assert set(each.predict(X).tolist()) <= set(np.array(classes).tolist())


@pytest.mark.parametrize("pair", [(-3, 4), (1.0, 2.0), ("no", "yes"), (False, True)])
def test_labels_of_a_masked_array(pair):
    y = np.ma.masked_array(np.where(SIGNAL > 0, *pair[::-1]), mask=False)
    assert TabularClassifier(epochs=1).fit(X, y).classes_.tolist() == list(pair)
    y[5] = y[8] = np.ma.masked
    with pytest.raises(ValueError, match=r"missing values in y, got 2 .* row 5"):
        TabularClassifier(epochs=1).fit(X, y)


def test_sparse_targets():
    y = np.stack([SIGNAL, -SIGNAL], axis=1)
    sparse, dense = (TabularRegressor(epochs=1, random_state=0).fit(X, each) for each in (csr_array(y), y))
    np.testing.assert_array_equal(sparse.predict(X), dense.predict(X))
    assert sparse.score(X, csr_array(y)) == dense.score(X, y)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(kind):
    y = LABELS if kind is TabularClassifier else SIGNAL
    one, two = (kind(epochs=3, random_state=4, n_threads=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.model_.state, two.model_.state)
    other = kind(epochs=3, random_state=5).fit(X, y)
    assert (other.model_.state != one.model_.state).any()


def test_the_last_of_the_best_epochs_is_kept(classifier):
    scores = classifier.history_["val_accuracy"]
    assert len(scores) == len(classifier.history_["loss"]) == 16
    assert classifier.best_epoch_ == max(i for i, s in enumerate(scores, start=1) if s == max(scores))
    assert classifier.best_score_ == max(scores)


@pytest.mark.parametrize("metric", ["log_loss", "auc", "f1", lambda y, p: np.mean(y == p)])
def test_metrics_of_classes(metric):
    model = TabularClassifier(epochs=4, batch_size=32, random_state=0, eval_metric=metric).fit(X, LABELS)
    name = next(name for name in model.history_ if name != "loss")
    choose = min if name == "val_log_loss" else max
    assert model.best_score_ == choose(model.history_[name])


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
def test_metrics_of_numbers(metric):
    model = TabularRegressor(epochs=4, batch_size=32, random_state=0, eval_metric=metric)
    model.fit(X[:240], SIGNAL[:240], X_val=X[240:], y_val=SIGNAL[240:])
    error = model.predict(X[240:]) - SIGNAL[240:]
    expected = {
        "rmse": np.sqrt(np.mean(error**2)),
        "mae": np.mean(np.abs(error)),
        "r2": 1 - np.sum(error**2) / np.sum((SIGNAL[240:] - SIGNAL[240:].mean()) ** 2),
    }
    assert model.best_score_ == pytest.approx(expected[metric], rel=1e-9)


def test_only_training_rows_teach_the_columns():
    late = X.assign(number=np.where(np.arange(N) < 240, X["number"], 1e6), few=["z"] * 240 + ["later"] * 60)
    model = TabularRegressor(epochs=1, validation="time", random_state=0).fit(late, SIGNAL)
    assert model.columns_["few"].levels == ("z",) and abs(model.columns_["number"].centre) < 1
    assert model.centre_[0] == pytest.approx(SIGNAL[:240].mean())


def test_whole_groups_are_held_out():
    groups = np.arange(N) // 30
    held = X.assign(number=groups)
    model = TabularRegressor(categorical_features=["number"], epochs=1, validation="group", random_state=0)
    model.fit(held, SIGNAL, groups=groups)
    assert len(model.columns_["number"].levels) == 8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("sizes", "held"), [([250, 30, 20], 50), ([250, 30], 30), ([100, 110], 100)])
def test_groups_of_more_rows_than_are_held_out_are_trained_on(seed, sizes, held):
    """But for the smallest one, where all of them have more."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    model = TabularRegressor(epochs=1, validation="group", random_state=seed)
    model.fit(X[: len(groups)], SIGNAL[: len(groups)], groups=groups)
    assert model.n_validation_rows_ == held


def test_weights():
    y = SIGNAL > 0
    half = np.arange(N) < 150
    weighted = TabularClassifier(**QUICK).fit(X, np.where(half, y, ~y), sample_weight=half.astype(float))
    assert weighted.score(X[:150], y[:150]) > 0.85
    rare = TabularClassifier(class_weight={False: 1, True: 50}, epochs=4, batch_size=32, random_state=0).fit(X, y)
    plain = TabularClassifier(epochs=4, batch_size=32, random_state=0).fit(X, y)
    assert rare.predict(X).mean() > plain.predict(X).mean()


def test_rows_of_weight_zero_teach_nothing_beside_rows_of_the_users_own():
    half = np.arange(N) < 150
    strange = X.assign(number=np.where(half, X["number"], 1e6), few=np.where(half, X["few"], "strange"))
    given = {"X_val": X[:50], "y_val": SIGNAL[:50]}
    weighted = TabularRegressor(epochs=2, random_state=0).fit(strange, SIGNAL, half.astype(float), **given)
    assert weighted.n_training_rows_ == 150 and "strange" not in weighted.columns_["few"].levels
    assert abs(weighted.columns_["number"].centre) < 1


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ({"validation": "time"}, {}),
        ({"validation": "group"}, {"groups": np.arange(N) < 290}),
        ({}, {"sample_weight": np.arange(N) < 290}),
    ],
)
def test_a_class_that_no_row_is_trained_on_is_said(settings, given):
    y = np.where(np.arange(N) < 290, np.where(SIGNAL > 0, "p", "q"), "late")
    with pytest.warns(UserWarning, match="no row of class 'late' is trained on: all of them are held out") as heard:
        model = TabularClassifier(epochs=1, random_state=0, **settings).fit(X, y, **given)
    assert model.classes_.tolist() == ["late", "p", "q"] and heard[0].filename == __file__


def test_one_row_by_names_and_by_order(classifier, regressor):
    for model in (classifier, regressor):
        expected = model.predict(X[:5])
        for i in range(5):
            row = X.iloc[i].to_dict()
            assert model.predict_one(dict(reversed(row.items()))) == expected[i]
            assert model.predict_one(list(row.values())) == expected[i]


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_files_and_pickles(name, request, tmp_path):
    model = request.getfixturevalue(name)
    path = tmp_path / "model.mlp"
    model.save(path)
    for other in (type(model).load(path), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert str(other.columns_) == str(model.columns_) and other.history_ == model.history_
        assert other.feature_names_in_.tolist() == list(X.columns)
    wrong = TabularRegressor if name == "classifier" else TabularClassifier
    with pytest.raises(mlpfast.ModelFileError, match="expected a file of a"):
        wrong.load(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(mlpfast.ModelFileError):
        type(model).load(path)


def test_too_many_columns_for_a_file(tmp_path):
    model = TabularClassifier(epochs=1, random_state=0).fit(np.eye(4, 9_000), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="expected columns that fit"):
        model.save(tmp_path / "model.mlp")


def test_no_time_still_gives_a_model():
    with pytest.warns(UserWarning, match="was enough for 0 of 256 epochs, no better than one answer") as warned:
        model = TabularClassifier(max_seconds=1e-6, random_state=0).fit(X, LABELS)
    assert warned[0].filename == __file__
    assert model.best_epoch_ == 0 and np.isfinite(model.predict_proba(X)).all()


@pytest.mark.usefixtures("ctrl_c_after")  # which has SIGINT heard in background jobs
def test_ctrl_c_keeps_the_best_model():
    calls = []

    def metric(y, p):
        calls.append(0)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return float(np.mean(y == p))

    with pytest.warns(UserWarning, match="interrupted after [23] epochs"):
        model = TabularClassifier(epochs=50, eval_metric=metric, random_state=0).fit(X, LABELS)
    assert 1 <= model.best_epoch_ <= 3 and model.predict(X).shape == (N,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": [None, *LABELS[1:]]}, "missing values in y, got 1 .* row 0"),
        ({"y": ["one"] * N}, "two classes"),
        ({"y": LABELS[1:]}, "inconsistent numbers of samples"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
        ({"X_val": X}, "only one of them"),
        ({"X_val": X[:2], "y_val": ["high", "new"]}, "'new' in row 1"),
        ({"groups": LABELS}, "groups"),
        ({"X": X[["empty"]]}, "all of them are missing"),
        ({"X": X.assign(number=np.inf)}, "'number' of X, got infinity"),
    ],
)
def test_refused_fits_change_nothing(change, words):
    model = TabularClassifier(epochs=1, random_state=0).fit(X, LABELS)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=words):
        model.fit(**({"X": X, "y": LABELS} | change))
    assert vars(model) == before


def test_columns_at_predict(classifier):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shuffled = classifier.predict(X[X.columns[::-1]])
    np.testing.assert_array_equal(shuffled, classifier.predict(X))
    with pytest.raises(ValueError, match="missing columns: 'few'"):
        classifier.predict(X.drop(columns="few"))
    with pytest.raises(TypeError, match="'number' of X"):
        classifier.predict(X.assign(number="1"))


def test_warnings_name_the_users_line(classifier):
    """However deep in the package they are given, and through scikit-learn's wrappers."""
    plain = TabularRegressor(epochs=1, random_state=0)
    encoder = TableEncoder().fit(X)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        classifier.predict(X.to_numpy(object))
        classifier.predict_proba(X.to_numpy(object))
        encoder.transform(X.to_numpy(object))
        plain.fit(X.to_numpy(object), SIGNAL).predict(X)
        make_pipeline(plain).score(X, SIGNAL)
        TabularClassifier(epochs=1).partial_fit(X, LABELS.reshape(-1, 1))
    assert len(warned) == 6 and {each.filename for each in warned} == {__file__}


def unlike(estimator):
    """What mini-batches and a split cannot have."""
    why = "a row twice is not a row of weight 2 in mini-batches, nor beside a validation split"
    return {f"check_sample_weight_equivalence_on_{kind}_data": why for kind in ("dense", "sparse")}


@parametrize_with_checks(
    [kind(epochs=8, batch_size=16) for kind in (TabularClassifier, TabularRegressor)], expected_failed_checks=unlike
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
