"""Numbers far from 1: a warning that says so, and what to do."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import scipy.sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlpfast import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = np.sin(X[:, 0]) + 0.5 * X[:, 1]
LABELS = (Y > 0).astype(int)
SCALE = "is far from 1"


def scale_warnings(action: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [str(each.message) for each in caught if SCALE in str(each.message)]


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_small_targets_are_told_and_the_advice_helps(solver: str) -> None:
    mlp = MLPRegressor(solver=solver, random_state=0, max_iter=300)
    (warning,) = scale_warnings(lambda: mlp.fit(X, 1e-3 * Y))
    assert warning.startswith("The scale of y (standard deviation about 0.001) is far from 1")
    assert "TransformedTargetRegressor(MLPRegressor(...), transformer=StandardScaler())" in warning
    assert mlp.score(X, 1e-3 * Y) < 0
    advised = TransformedTargetRegressor(mlp, transformer=StandardScaler())
    assert scale_warnings(lambda: advised.fit(X, 1e-3 * Y)) == []
    assert advised.score(X, 1e-3 * Y) > 0.8


def test_large_features_are_told_and_the_advice_helps() -> None:
    features = X * [1.0, 1.0, 1e5, 1.0]
    mlp = MLPRegressor(random_state=0)
    (warning,) = scale_warnings(lambda: mlp.fit(features, Y))
    assert warning.startswith("The scale of X (column 2 reaches about 1e+0")
    assert "make_pipeline(StandardScaler(), MLPRegressor(...))" in warning
    advised = make_pipeline(StandardScaler(), mlp)
    assert scale_warnings(lambda: advised.fit(features, Y)) == []
    assert advised.score(features, Y) > 0.8 > mlp.score(features, Y)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csr_array])
@pytest.mark.parametrize("scale", [1e-5, 1e5])
def test_features_of_a_classifier_dense_or_sparse(container: Any, scale: float) -> None:
    (warning,) = scale_warnings(lambda: MLPClassifier(max_iter=2).fit(container(scale * X), LABELS))
    assert warning.startswith("The scale of X (")
    assert "MLPClassifier" in warning


@pytest.mark.parametrize("targets", [1e5 * Y, 1000.0 + Y, np.stack([Y, 1e-4 * Y], axis=1)])
def test_targets_may_be_large_or_far_from_zero_or_several(targets: np.ndarray) -> None:
    (warning,) = scale_warnings(lambda: MLPRegressor(max_iter=2).fit(X, targets))
    assert warning.startswith("The scale of y (")


def test_x_and_y_share_one_sentence() -> None:
    (warning,) = scale_warnings(lambda: MLPRegressor(max_iter=2).fit(1e5 * X, 1e5 * Y))
    assert warning.startswith("The scale of X (column ")
    assert " and y (it reaches about " in warning
    assert "\n" not in warning


@pytest.mark.parametrize(
    ("mlp", "features", "targets"),
    [
        (MLPRegressor(), X, Y),
        (MLPRegressor(), X, 30.0 * Y),
        (MLPRegressor(), X, np.zeros(200)),
        (MLPRegressor(), X, np.full(200, 5.0)),
        (MLPRegressor(), np.zeros((200, 4)), Y),
        (MLPRegressor(), X[:1], Y[:1]),
        (MLPRegressor(solver="lbfgs"), X, 1e5 * Y),  # which it fits well
        (MLPRegressor(loss="poisson"), X, np.round(1e4 * np.exp(Y))),  # predicted through an exponential
        (MLPClassifier(), X, LABELS * 100_000),
        (MLPRegressor(), *load_diabetes(return_X_y=True)),
        (MLPClassifier(), *load_iris(return_X_y=True)),
        (MLPClassifier(), *load_digits(return_X_y=True)),
    ],
)
def test_usual_data_are_passed_in_silence(mlp: Any, features: np.ndarray, targets: np.ndarray) -> None:
    assert scale_warnings(lambda: mlp.set_params(max_iter=2).fit(features, targets)) == []


def test_it_is_said_once() -> None:
    mlp = MLPRegressor(max_iter=2, warm_start=True)
    said = scale_warnings(lambda: [mlp.fit(X, 1e-3 * Y) for _ in range(3)])
    said += scale_warnings(lambda: [mlp.partial_fit(X, 1e-3 * Y) for _ in range(3)])
    assert len(said) == 1
    # The same words in each fold, so that Python's filter shows one of them.
    folds = scale_warnings(
        lambda: cross_val_score(MLPClassifier(max_iter=2), *load_breast_cancer(return_X_y=True), cv=4)
    )
    assert len(folds) == 4
    assert len(set(folds)) == 1


def test_rows_of_weight_zero_have_no_scale() -> None:
    weights = np.ones(200)
    weights[::7] = 0.0
    features, targets = X.copy(), Y.copy()
    features[::7] = targets[::7] = np.finfo(np.float64).min
    assert scale_warnings(lambda: MLPRegressor(max_iter=2).fit(features, targets, weights)) == []
