"""Several labels of a row: probabilities each by itself, metrics, files, what is refused."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn import metrics

from mlpfast import TabularClassifier

RNG = np.random.default_rng(4)
N = 300
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.choice(["x", "y", "z"], N)})
Y = np.stack([X["a"] > 0, X["b"] == "x", (X["a"] > 1) & (X["b"] != "y")], axis=1).astype(int)
QUICK = {"epochs": 16, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def model():
    return TabularClassifier(**QUICK).fit(X, Y)


def test_each_label_is_learnt(model):
    p, found = model.predict_proba(X), model.predict(X)
    assert p.shape == found.shape == (N, 3) and found.dtype.kind == "i"
    np.testing.assert_array_equal(found, p > 0.5)
    assert (found == Y).mean() > 0.9 and model.score(X, Y) == metrics.accuracy_score(Y, found) > 0.8
    np.testing.assert_array_equal(model.predict_one(X.iloc[5].to_dict()), found[5])
    assert model.multilabel_ and model.classes_.tolist() == [0, 1, 2] and "val_log_loss" in model.history_
    assert np.isfinite(model.feature_importances_).all() and model.best_score_ < model.baseline_score_


@pytest.mark.parametrize(
    "make", [pd.DataFrame, scipy.sparse.csr_matrix, lambda y: y.astype(bool), lambda y: y.tolist()]
)
def test_labels_of_any_container(make, model):
    other = TabularClassifier(**QUICK).fit(X, make(Y))
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def true_score(metric, y, p):
    if metric == "log_loss":
        return np.mean([metrics.log_loss(y[:, k], p[:, k]) for k in range(3)])
    if metric == "auc":
        return metrics.roc_auc_score(y, p)
    return metrics.f1_score(y, p > 0.5, average="macro") if metric == "f1" else metrics.accuracy_score(y, p > 0.5)


@pytest.mark.parametrize("metric", ["log_loss", "auc", "f1", "accuracy"])
def test_metrics(metric):
    model = TabularClassifier(epochs=3, batch_size=32, random_state=0, eval_metric=metric)
    model.fit(X[:200], Y[:200], X_val=X[200:], y_val=Y[200:])
    assert model.best_score_ == pytest.approx(true_score(metric, Y[200:], model.predict_proba(X[200:])), rel=1e-5)


def test_functions_and_ensembles_and_files(tmp_path):
    seen = []

    def metric(y, found):
        seen.append((y.shape == found.shape, set(np.unique(found)) <= {0, 1}))
        return float((y == found).mean())

    model = TabularClassifier(epochs=2, batch_size=32, random_state=0, eval_metric=metric, n_ensemble=2).fit(X, Y)
    assert all(all(pair) for pair in seen) and model.oof_.shape == (N, 3)
    model.save(tmp_path / "model.mlp")
    other = TabularClassifier.load(tmp_path / "model.mlp")
    assert other.multilabel_
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_labels_that_nobody_has():
    model = TabularClassifier(epochs=2, batch_size=32, random_state=0, eval_metric="auc").fit(X, 0 * Y)
    assert model.best_score_ == 0.5 and np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("settings", "y", "words"),
    [
        ({}, np.where(np.arange(N)[:, None] == 7, 2, Y), "got 2 in row 7, column 0"),
        ({}, np.where(np.arange(N)[:, None] == 7, np.nan, Y), "missing values in y, got 1 .* row 7"),
        ({}, Y[1:], "inconsistent numbers of samples"),
        ({"class_weight": "balanced"}, Y, "class_weight=None"),
        ({"calibration": "temperature"}, Y, "calibration='auto' or None"),
        ({"eval_metric": "balanced_accuracy"}, Y, "unknown eval_metric"),
    ],
)
def test_refused(settings, y, words):
    with pytest.raises(ValueError, match=words):
        TabularClassifier(**QUICK | settings).fit(X, y)


def test_validation_labels_of_another_shape():
    with pytest.raises(ValueError, match=r"y_val of shape \(50, 3\), as y had in training, got \(50, 2\)"):
        TabularClassifier(**QUICK).fit(X, Y, X_val=X[:50], y_val=Y[:50, :2])
