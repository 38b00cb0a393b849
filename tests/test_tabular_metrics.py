"""Metrics of the user's, which the epoch is chosen by: what they are given, and that a name is not what they are."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.metrics import accuracy_score

from mlpfast import TabularClassifier, TabularRegressor

RNG = np.random.default_rng(0)
N = 120
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.choice(["x", "y", "z"], N)})
NUMBERS = X["a"].to_numpy() * 3
LABELS = np.where(X["a"] > 0.8, "rare", "usual")
WEIGHTS = np.linspace(0.5, 2, N)
QUICK = {"epochs": 2, "batch_size": 16, "validation": "time", "random_state": 0}
HELD = np.arange(96, N)


def test_functions_that_take_weights_are_given_those_of_the_rows_held_out():
    given = {}

    def third(y, found, weights):
        given["third"] = weights
        return 0.0

    def named(y, found, *, sample_weight=None):
        given["named"] = sample_weight
        return 0.0

    for metric in (third, named):
        TabularRegressor(**QUICK, eval_metric=metric).fit(X, NUMBERS, sample_weight=WEIGHTS)
        np.testing.assert_array_equal(given[metric.__name__], WEIGHTS[HELD])
    named_so = TabularClassifier(**QUICK, eval_metric=accuracy_score).fit(X, LABELS, sample_weight=WEIGHTS)
    known = TabularClassifier(**QUICK, eval_metric="accuracy").fit(X, LABELS, sample_weight=WEIGHTS)
    assert named_so.best_score_ == pytest.approx(known.best_score_, rel=1e-12)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_functions_cannot_change_targets(kind):
    seen = []

    def sorts(y, found):
        seen.append(y.copy())
        y.sort()
        found.sort()
        return 0.0

    kind(**QUICK, eval_metric=sorts).fit(X, NUMBERS if kind is TabularRegressor else LABELS)
    np.testing.assert_array_equal(seen[0], seen[-1])


@pytest.mark.parametrize(
    ("column", "y", "function"),
    [
        ("b", LABELS, metrics.roc_auc_score),
        ("a", X["b"], partial(metrics.roc_auc_score, multi_class="ovr")),
        ("b", np.stack([X["a"] > 0, X["b"] == "x"], axis=1), metrics.roc_auc_score),
    ],
)
def test_functions_that_take_probabilities_are_given_them(column, y, function):
    model = TabularClassifier(**QUICK, eval_metric=function).fit(X[[column]], y)
    named = TabularClassifier(**QUICK, eval_metric="auc").fit(X[[column]], y)
    assert model.best_score_ == pytest.approx(named.best_score_, rel=1e-12) and 0 < model.best_score_ < 1
    p = model.predict_proba(X[[column]])[96:]
    assert function(y[96:], p[:, 1] if y is LABELS else p) == pytest.approx(model.best_score_)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (metrics.mean_squared_error, "larger values are better as eval_metric, got mean_squared_error"),
        (partial(metrics.mean_pinball_loss, alpha=0.1), "better as eval_metric, got mean_pinball_loss; give one"),
        (metrics.make_scorer(metrics.r2_score), r"function f\(y_true, y_pred\) as eval_metric, got a scorer, make_sc"),
    ],
)
def test_functions_of_which_less_is_better_are_refused(function, words):
    with pytest.raises((ValueError, TypeError), match=words):
        TabularRegressor(**QUICK, eval_metric=function).fit(X, NUMBERS)
    fine = TabularRegressor(**QUICK, eval_metric=lambda y, found: -metrics.mean_squared_error(y, found))
    assert fine.fit(X, NUMBERS).best_score_ < 0


def test_the_report_says_of_which_class_f1_is():
    for y, said in ((LABELS, "f1 of class 'usual' "), (X["b"], "kept: f1 "), (NUMBERS > 0, "f1 of class True ")):
        assert said in str(TabularClassifier(**QUICK, eval_metric="f1").fit(X, y).report_)

    def f1(y, found):
        return 0.5

    assert "kept: f1 0.5" in str(TabularClassifier(**QUICK, eval_metric=f1).fit(X, LABELS).report_)


def test_a_function_is_not_the_metric_of_its_name():
    def named(name):
        def function(y, found):
            return -float(np.mean(y == found))

        function.__name__ = name
        return function

    for name in ("f1", "log_loss"):
        model = TabularClassifier(**QUICK, eval_metric=named(name)).fit(X, LABELS)
        assert model.decision_threshold_ == 0.5 and model.temperature_ == 1
    one_class = {"X_val": X[:4], "y_val": ["usual"] * 4}
    assert TabularClassifier(**QUICK, eval_metric=named("auc")).fit(X, LABELS, **one_class).best_score_ <= 0


@pytest.mark.parametrize("settings", [{}, {"n_ensemble": 2}, {"loss": "gaussian", "n_refit": 1}])
def test_numpys_errors_are_the_users(settings):
    """Whatever is set, nothing is raised, nor changed; but in functions of theirs it holds."""
    table = X.assign(c=np.where(X["a"] > 0, 1e308, 5e-324), d=1e-320 * np.arange(N))
    y = np.where(X["b"] == "x", 1e308, -1e-320)
    seen = []

    def metric(y, found):
        seen.append(np.geterr()["under"])
        return 0.0

    found = []
    for state in ("ignore", "raise"):
        with np.errstate(all=state):
            model = TabularRegressor(**QUICK, **settings).fit(table, y).partial_fit(table, y)
            found.append((model.predict(table), model.predict_interval(table, 0.5), model.encoder_.transform(table)))
            model.predict_one(table.iloc[0].to_dict())
            TabularRegressor(**QUICK, **settings, eval_metric=metric).fit(X, NUMBERS)
            assert set(seen) == {state}
            seen.clear()
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scale", [1e308, 5e-324])
def test_weights_of_any_size(scale):
    plain = TabularRegressor(**QUICK).fit(X, NUMBERS, sample_weight=np.ones(N))
    model = TabularRegressor(**QUICK).fit(X, NUMBERS, sample_weight=np.full(N, scale))
    np.testing.assert_array_equal(model.model_.state, plain.model_.state)
    classes = TabularClassifier(**QUICK, class_weight={"rare": scale, "usual": scale})
    classes.fit(X, LABELS, sample_weight=np.full(N, max(scale, 1.0)))
    plain = TabularClassifier(**QUICK).fit(X, LABELS)
    np.testing.assert_array_equal(classes.model_.state, plain.model_.state)


def test_the_baseline_is_the_best_answer_for_all_rows():
    y = np.stack([X["a"] > 0.8, X["a"] > -0.3, X["b"] == "x"], axis=1).astype(int)
    _, counts = np.unique(y, axis=0, return_counts=True)
    everywhere = {"X_val": X, "y_val": LABELS}
    assert TabularClassifier(**QUICK, eval_metric="f1").fit(X, LABELS, **everywhere).baseline_score_ == pytest.approx(
        metrics.f1_score(LABELS, ["usual"] * N, pos_label="usual")
    )
    best = {"f1": metrics.f1_score(y, np.ones_like(y), average="macro"), "accuracy": counts.max() / N, "auc": 0.5}
    for metric, expected in best.items():
        model = TabularClassifier(**QUICK, eval_metric=metric).fit(X, y, X_val=X, y_val=y)
        assert model.baseline_score_ == pytest.approx(expected), metric
    rare = np.where(LABELS == "rare", "z", "a")  # one that is rare, and the second
    model = TabularClassifier(**QUICK, eval_metric="f1").fit(X, rare, X_val=X, y_val=rare)
    assert model.baseline_score_ == pytest.approx(metrics.f1_score(rare, ["z"] * N, pos_label="z"))


@pytest.mark.parametrize("metric", ["rmse", "mae", "pinball", None])
@pytest.mark.parametrize("settings", [{}, {"loss": "poisson"}, {"loss": "gaussian"}, {"quantiles": [0.2, 0.8]}])
def test_the_baseline_of_numbers_with_weights(metric, settings):
    """No other answer is better: neither a target, nor what lies between."""
    y = np.exp(NUMBERS)
    model = TabularRegressor(**QUICK, eval_metric=metric, **settings).fit(X, y, sample_weight=WEIGHTS)
    held, weights = y[HELD], WEIGHTS[HELD]
    name, score, _ = model._scorer(metric, vars(model))
    mean = np.average(held, weights=weights)
    tried = [*held, mean, *np.linspace(held.min(), held.max(), 31)]
    if "quantiles" in settings and name == "pinball":  # each by itself
        answers = [[low, high] for low in tried for high in tried]
    elif "loss" in settings and settings["loss"] == "gaussian":
        answers = [[centre, np.sqrt(np.average((held - mean) ** 2, weights=weights))] for centre in tried]
    else:
        answers = [[centre] * model._family.each for centre in tried]
    best = min(score(held[:, None], np.tile(answer, (len(held), 1)), weights) for answer in answers)
    assert model.baseline_score_ == pytest.approx(best, rel=1e-9)
