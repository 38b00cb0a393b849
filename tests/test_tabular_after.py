"""What comes after a table's fit: calibration, the decision threshold, intervals, importances, the report."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mlpfast import TabularClassifier, TabularRegressor
from mlpfast.tabular.calibrating import calibrated, fit_temperature
from mlpfast.tabular.conformal import half_widths, residuals_of
from mlpfast.tabular.held import Held
from mlpfast.tabular.thresholding import choose_threshold

RNG = np.random.default_rng(0)
N = 400
X = pd.DataFrame(
    {
        "signal": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
        "noise": RNG.normal(size=N),
        "few": RNG.choice(["a", "b", "c", "d"], N),
        "empty": [None] * N,
    }
)
SIGNAL = X["signal"].fillna(2) + (X["few"] == "a")
NUMBERS = 1e6 * (SIGNAL + RNG.normal(size=N) / 4)
RARE = np.where(SIGNAL + RNG.normal(size=N) > 2.2, "yes", "no")
QUICK = {"epochs": 6, "batch_size": 32, "random_state": 0}
VALIDATION = {"X_val": X[250:], "y_val": RARE[250:]}


def held(found, targets, weights=None, metric="log_loss"):
    """Validation rows without a network."""
    return Held(
        Z=np.zeros((len(found), 1)),
        targets=targets,
        weights=weights,
        found=found,
        predict=lambda Z, rows: found,
        metric=metric,
        score=lambda y, p, w: 0.0,
        more_is_better=True,
        trained=100,
        epochs=1,
        seed=0,
    )


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def drawn(p, rng):
    """A class of each row, by its probabilities."""
    return (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(0, p.shape[1] - 1)


def log_loss(p, y, w=None):
    return float(np.average(-np.log(p[np.arange(len(y)), y]), weights=w))


# --- probabilities ---


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(true):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(10_000, 4)) * 2
    y = drawn(softmax(logits / true), rng)
    assert fit_temperature(held(softmax(logits), y)) == pytest.approx(true, rel=0.05)


def test_calibration_never_makes_the_log_loss_of_the_validation_rows_worse():
    rng = np.random.default_rng(2)
    for _ in range(50):
        n, classes = rng.integers(1, 30), rng.integers(2, 5)
        p = softmax(rng.normal(size=(n, classes)) * rng.choice([0.1, 1, 30]))
        p[rng.random(n) < 0.1] = np.eye(classes)[0]  # zeros, as float32 gives them
        y, w = drawn(p, rng), rng.choice([None, "some"])
        weights = None if w is None else rng.exponential(size=n)
        temperature = fit_temperature(held(p, y, weights))
        tempered = np.maximum(calibrated(p, temperature), 1e-300)
        assert log_loss(tempered, y, weights) <= log_loss(np.maximum(p, np.finfo(np.float32).tiny), y, weights)
        np.testing.assert_array_equal(tempered.argmax(axis=1), p.argmax(axis=1))


def test_a_few_rows_that_are_right_do_not_promise_certainty():
    p = np.array([[0.9, 0.1]] * 5)
    worst = calibrated(p, fit_temperature(held(p, np.zeros(5, dtype=int))))[0, 1]
    assert 0.02 < worst < 0.1


def test_a_weight_of_two_is_a_row_twice():
    rng = np.random.default_rng(3)
    p = softmax(rng.normal(size=(2000, 3)))
    y, w = drawn(softmax(np.log(p) / 2), rng), rng.integers(1, 4, 2000)
    repeated = fit_temperature(held(p.repeat(w, axis=0), y.repeat(w)))
    assert fit_temperature(held(p, y, w.astype(float))) == pytest.approx(repeated, rel=0.01)


def test_probabilities_are_calibrated_where_the_metric_is_one_of_them():
    settings = QUICK | {"epochs": 10}
    plain = TabularClassifier(**settings, eval_metric="log_loss", calibration=None).fit(X, RARE, **VALIDATION)
    model = TabularClassifier(**settings, eval_metric="log_loss").fit(X, RARE, **VALIDATION)
    y = (RARE[250:] == "yes").astype(int)
    before, after = plain.predict_proba(X[250:]), model.predict_proba(X[250:])
    assert plain.temperature_ == 1 and model.temperature_ != 1
    assert log_loss(after, y) < log_loss(before, y) == pytest.approx(model.best_score_)
    np.testing.assert_allclose(after, softmax(np.log(before) / model.temperature_), rtol=1e-6)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert TabularClassifier(**QUICK).fit(X, RARE).temperature_ == 1
    with pytest.raises(ValueError, match="calibration"):
        TabularClassifier(**QUICK, calibration="isotonic").fit(X, RARE)


# --- decisions ---


@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy"])
def test_the_threshold_is_the_best_one(metric):
    rng = np.random.default_rng(4)
    function = metrics.f1_score if metric == "f1" else metrics.balanced_accuracy_score
    for n in (2, 5, 60):
        p, w = rng.random(n).round(2), rng.exponential(size=n)
        y = (rng.random(n) < p / 3).astype(int)
        y[0], y[-1] = 0, 1
        threshold = choose_threshold(held(np.c_[1 - p, p], y, w, metric), p)

        def score(t, y=y, p=p, w=w):
            return function(y, p > t, sample_weight=w)

        tried = [0.5, *((a + b) / 2 for a, b in zip(np.unique(p), np.unique(p)[1:], strict=False))]
        scores = [score(t) for t in tried]
        assert score(threshold) == pytest.approx(max(scores))
        best = [t for t, s in zip(tried, scores, strict=True) if s > max(scores) - 1e-12]
        assert abs(threshold - 0.5) <= min(abs(t - 0.5) for t in best) + 1e-12


def test_rare_classes_are_decided_by_the_threshold():
    model = TabularClassifier(**QUICK, eval_metric="f1").fit(X, RARE, **VALIDATION)
    p = model.predict_proba(X)[:, 1]
    assert 0 < model.decision_threshold_ < 1 and model.decision_threshold_ != 0.5
    np.testing.assert_array_equal(model.predict(X), np.where(p > model.decision_threshold_, "yes", "no"))
    assert [model.predict_one(row) for row in X[:20].to_dict("records")] == model.predict(X[:20]).tolist()
    for_accuracy = TabularClassifier(**QUICK).fit(X, RARE)
    assert for_accuracy.decision_threshold_ == 0.5
    for_accuracy.decision_threshold_ = 0.0
    assert set(for_accuracy.predict(X)) == {"yes"}
    assert not hasattr(for_accuracy.fit(X, X["few"]), "decision_threshold_")


# --- intervals ---


@pytest.mark.parametrize("n", [9, 99, 2500])
def test_half_widths_are_order_statistics(n):
    residuals = np.random.default_rng(5).exponential(size=(n, 2))
    kept = residuals_of(held(residuals, np.zeros((n, 2))))
    assert kept[0].shape == kept[1].shape == (min(n, 1000), 2)
    for coverage in (0.1, 0.5, 0.9):
        rank = int(np.ceil(round((n + 1) * coverage, 9)))
        most = min(rank + n // 1000, n) - 1  # of more than a thousand, the next one that is kept
        expected = np.sort(residuals, axis=0)
        half = half_widths(*kept, coverage)
        assert (half >= expected[rank - 1]).all() and (half <= expected[most]).all()


def test_weights_of_residuals():
    residuals, w = np.array([[3.0], [1.0], [2.0], [4.0]]), np.array([1.0, 5.0, 1.0, 1.0])
    kept = residuals_of(held(residuals, np.zeros((4, 1)), w))
    np.testing.assert_allclose(kept[1][:, 0], [2.5, 3, 3.5, 4])
    assert [half_widths(*kept, c)[0] for c in (0.5, 0.55, 0.65, 0.8)] == [1, 2, 3, 4]


def test_intervals_hold_their_share_of_new_rows():
    rng = np.random.default_rng(6)
    hits = []
    for _ in range(1000):
        residuals = rng.normal(size=(20, 1)) ** 3
        hits.append(abs(rng.normal() ** 3) <= half_widths(*residuals_of(held(residuals, np.zeros((20, 1)))), 0.8)[0])
    assert np.mean(hits) == pytest.approx(np.ceil(21 * 0.8) / 21, abs=0.04)


def test_predict_interval():
    model = TabularRegressor(**QUICK).fit(X, NUMBERS)
    low, high = model.predict_interval(X, coverage=0.8).T
    np.testing.assert_allclose((low + high) / 2, model.predict(X), rtol=1e-9)
    assert np.mean((low <= NUMBERS) & (high >= NUMBERS)) > 0.7
    assert (np.diff(model.predict_interval(X, 0.95)) > np.diff(model.predict_interval(X))).all()
    with pytest.raises(ValueError, match="at least 999 validation rows for coverage=0.999, got 80"):
        model.predict_interval(X, 0.999)
    with pytest.raises(ValueError, match="coverage"):
        model.predict_interval(X, 1)
    two = TabularRegressor(**QUICK).fit(X, np.c_[NUMBERS, -NUMBERS])
    assert two.predict_interval(X[:3]).shape == (3, 2, 2)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_intervals_of_positive_targets_begin_at_zero(loss):
    model = TabularRegressor(**QUICK, loss=loss).fit(X, np.abs(NUMBERS) + 1e-3)
    half = model.predict_interval(X)[:, 1] - model.predict(X)
    low = model.predict_interval(X)[:, 0]
    np.testing.assert_allclose(low, np.maximum(model.predict(X) - half, 0), atol=1e-9)
    assert low.min() == 0


# --- importances ---


def test_importances():
    model = TabularRegressor(**QUICK | {"epochs": 16}).fit(X, NUMBERS)
    means, deviations = (dict(zip(X, a, strict=True)) for a in (model.feature_importances_,
                                                                model.feature_importances_std_))  # fmt: skip
    assert means["signal"] > means["few"] > 10 * abs(means["noise"]) and means["empty"] == deviations["empty"] == 0
    assert 0 < deviations["few"] < means["few"]
    # Independent targets have, when one of them is shuffled, an error of twice the variance
    assert means["signal"] == pytest.approx(np.sqrt(2) * 1e6 * SIGNAL.std(), rel=0.4)


def test_a_column_is_shuffled_with_its_indicator():
    gone = pd.DataFrame({"x": np.where(RNG.random(N) < 0.5, np.nan, 1.0), "noise": X["noise"]})
    model = TabularClassifier(**QUICK).fit(gone, gone["x"].isna())
    assert model.score(gone, gone["x"].isna()) == 1
    assert model.feature_importances_[0] == pytest.approx(0.5, abs=0.1)


def test_importances_have_a_seed_and_a_metric_of_their_own():
    one, two = (TabularClassifier(**QUICK, n_threads=n, eval_metric="auc").fit(X, X["few"]) for n in (1, 2))
    np.testing.assert_array_equal(one.feature_importances_, two.feature_importances_)
    calls = []
    own = TabularClassifier(**QUICK, eval_metric=lambda y, p: float(calls.append(0) or np.mean(y == p)))
    accuracy = TabularClassifier(**QUICK, eval_metric="accuracy").fit(X, RARE)
    np.testing.assert_array_equal(own.fit(X, RARE).feature_importances_, accuracy.feature_importances_)
    assert len(calls) == 7 and np.isnan(own.baseline_score_)  # an epoch each, and the one that is kept


def test_an_auc_of_more_classes_than_rows_of_a_repeat():
    y = np.arange(200) % 25
    table = pd.DataFrame(RNG.normal(size=(200, 60)) + y[:, None])
    model = TabularClassifier(epochs=1, batch_size=32, eval_metric="auc", random_state=0).fit(table, y)
    assert np.isfinite(model.feature_importances_).all()


def test_without_time_or_rows_importances_are_nan():
    with pytest.warns(UserWarning, match="max_seconds=1e-06 was enough for 0 of 256 epochs"):
        hurried = TabularClassifier(max_seconds=1e-6, random_state=0).fit(X, RARE)
    assert np.isnan(hurried.feature_importances_).all() and "not measured" in str(hurried.report_)
    wide = TabularClassifier(epochs=1, random_state=0).fit(RNG.normal(size=(120, 300)), RNG.random(120) < 0.5)
    assert np.isnan(wide.feature_importances_).all()


# --- the report ---


def test_the_report_says_what_was_done():
    table = X.assign(same=3, name=[f"row {i}" for i in range(N)])
    model = TabularClassifier(**QUICK, eval_metric="f1").fit(table, RARE)
    report = model.report_
    text = str(report)
    assert "320 rows were trained on, 80 chose the epoch" in text and "Always 0" in text and "'empty'" in text
    assert f"Columns with missing values: 1, most of all 'signal' ({table['signal'].isna().mean():.0%})" in text
    assert "80 rows" in report.advice[0] and any("'name'" in said for said in report.advice)
    assert "Ignored, as every category is rare: 'name'." in text
    decided = f"yes is predicted where its probability is above {model.decision_threshold_:.3g}."
    assert (decided in report.predictions) == (model.decision_threshold_ != 0.5)
    assert f"Epoch {model.best_epoch_} of 6" in report.curve[0]
    assert report._repr_html_().startswith("<h4>Data</h4><ul><li>320 rows") and "'" not in report._repr_html_()
    with pytest.raises(AttributeError, match="call fit first"):
        _ = TabularClassifier().report_


@pytest.mark.parametrize(
    "settings", [{}, {"n_ensemble": 2}, {"n_refit": 1}, {"validation": "time", "n_refit": 1, "n_ensemble": 2}]
)
def test_the_report_tells_the_share_of_what_is_missing(settings):
    model = TabularRegressor(**QUICK, **settings).fit(X.assign(signal=None, empty=[1, None] * (N // 2)), NUMBERS)
    assert "most of all 'empty' (5" in str(model.report_)


def test_the_report_says_what_to_try():
    useless = TabularRegressor(**QUICK).fit(X[["noise"]], NUMBERS[::-1].to_numpy())
    assert any("no better than one answer" in said for said in useless.report_.advice) == (
        useless.best_score_ >= useless.baseline_score_
    )
    for scores in ([0.1, 0.3, 0.2], [0.1, 0.2, 0.3], [0.1, 0.3, 0.3]):  # more epochs would have nothing to add to those
        told = iter(scores + scores[-1:])
        model = TabularClassifier(**QUICK | {"epochs": 3}, eval_metric=lambda y, found, told=told: next(told))
        said = any("more epochs may be better" in line for line in model.fit(X, RARE).report_.advice)
        assert said == (scores == [0.1, 0.2, 0.3])
    leak = TabularRegressor(**QUICK).fit(X[["noise"]].assign(leak=NUMBERS), NUMBERS)
    assert any("decides nearly alone" in said for said in leak.report_.advice)
    assert any("'noise'" in said and "changes little" in said for said in leak.report_.advice)


def test_the_report_finds_strings_of_numbers_and_dates():
    price = [f"${i % 40 + 1},{i % 7:03d}.5" for i in range(N)]
    day = [f"2020-0{i % 5 + 1}-1{i % 5}" for i in range(N)]
    place = ["Bonn", "Graz", "12", "Linz"] * (N // 4)
    yes = ["1", "2"] * (N // 2)
    table = X.assign(price=price, day=day, place=place, yes=yes)
    report = TabularRegressor(**QUICK).fit(table, NUMBERS).report_
    found = [line for line in report.advice if line.startswith("Strings of ")]
    assert [line.split(" are ")[0].split()[-1] for line in found] == ["numbers", "dates"]
    assert found[0].endswith("tells something: 'price'.") and found[1].endswith("tells something: 'day'.")


def test_nothing_of_an_earlier_fit_is_left():
    model = TabularClassifier(**QUICK, eval_metric="f1").fit(X, RARE)
    model.fit(X, X["few"])
    assert not hasattr(model, "decision_threshold_") and len(model.feature_importances_) == 4
