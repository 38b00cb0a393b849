"""Weights of rows and classes that vanish or overflow: they train what their ratios say, or are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.ensemble import BaggingClassifier, BaggingRegressor

from mlpfast import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
ORDER = np.arange(150).reshape(3, 50).T.ravel()  # all classes everywhere
X, Y = X[ORDER], Y[ORDER]
SETTINGS = {"hidden_layer_sizes": 5, "max_iter": 5, "random_state": 0, "batch_size": 40}


@pytest.fixture(params=[MLPClassifier, MLPRegressor])
def MLP(request: pytest.FixtureRequest) -> Any:
    return request.param


def parameters(mlp: Any) -> np.ndarray:
    return mlp.model_.parameters.copy()


def assert_refused(mlp: Any, match: str, X: Any = X, y: Any = Y, method: str = "fit", **data: Any) -> None:
    """`method` raises a ValueError, and neither a new estimator nor a fitted one is changed by it."""
    wrong = mlp.get_params()
    for fitted in (False, True):
        if fitted:
            harmless = {"early_stopping": False, "alpha": 0.0, "class_weight": None}
            mlp.set_params(**{name: value for name, value in harmless.items() if name in wrong})
            mlp.fit(X, y).set_params(**wrong)
        before, weights = dict(vars(mlp)), parameters(mlp) if fitted else None
        with pytest.raises(ValueError, match=match):
            getattr(mlp, method)(X, y, **data)
        assert vars(mlp).keys() == before.keys()
        assert all(vars(mlp)[name] is value for name, value in before.items())
        assert not fitted or (parameters(mlp) == weights).all()


# --- refused ---


BAD = {
    "negative": (np.r_[-1.0, np.ones(149)], "sample_weight to be >= 0, got -1 at row 0"),
    "zeros": (np.zeros(150), "non-zero|positive sum of sample_weight"),
    "nan": (np.r_[np.ones(149), np.nan], "sample_weight contains NaN"),
    "infinite": (np.r_[np.ones(149), np.inf], "sample_weight contains infinity"),
}


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("bad", BAD)
def test_bad_sample_weights_are_refused(MLP: Any, bad: str, solver: str) -> None:
    weights, match = BAD[bad]
    mlp = MLP(**SETTINGS, solver=solver)
    assert_refused(mlp, match, sample_weight=weights)
    of_validation = match.replace("sample_weight to", "sample_weight_val to")
    assert_refused(MLP(**SETTINGS, solver=solver), of_validation, X_val=X, y_val=Y, sample_weight_val=weights)
    if solver == "adam":
        classes = {"classes": [0, 1, 2]} if MLP is MLPClassifier else {}
        assert_refused(MLP(**SETTINGS), match, method="partial_fit", sample_weight=weights, **classes)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, "much"])
def test_bad_class_weights_are_refused(bad: Any, solver: str) -> None:
    mlp = MLPClassifier(**SETTINGS, solver=solver, class_weight={0: 1.0, 1: bad, 2: 1.0})
    assert_refused(mlp, f"expected class_weight to be finite numbers >= 0, got {bad!r} for class 1")


def test_bad_class_weights_of_multilabel_are_refused() -> None:
    features, labels = make_multilabel_classification(60, n_classes=2, random_state=0)
    for bad in (np.nan, -1.0):
        mlp = MLPClassifier(**SETTINGS, class_weight=[{0: 1, 1: 1}, {0: 1, 1: bad}])
        assert_refused(mlp, "expected class_weight to be finite numbers >= 0", features, labels)
    for other in ([{0: 1, 1: 1}], {0: 1, 1: 1}):
        mlp = MLPClassifier(**SETTINGS, class_weight=other)
        assert_refused(mlp, "For multi-output, class_weight should be", features, labels)


def test_class_weights_must_leave_some_rows() -> None:
    zeros = "expected a positive sum of the rows' weights, class_weight times sample_weight, got zeros only"
    assert_refused(MLPClassifier(**SETTINGS, class_weight={0: 0, 1: 0, 2: 0}), zeros)
    first = MLPClassifier(**SETTINGS, class_weight={0: 1, 1: 0, 2: 0})
    assert_refused(first, zeros, sample_weight=(Y != 0).astype(float))
    first.fit(X, Y)  # as long as some rows count
    assert (parameters(first) == parameters(MLPClassifier(**SETTINGS).fit(X, Y, sample_weight=Y == 0))).all()


def test_rows_without_weight_may_not_be_all_that_is_held_out(MLP: Any) -> None:
    """A ZeroDivisionError came in mid-fit."""
    settings = SETTINGS | {"early_stopping": True, "validation_fraction": 0.2}
    seen = []

    class Spy(MLP):  # sees which rows are held out, by their weights
        def _score_outputs(self, outputs: Any, targets: Any, weights: Any) -> float:
            seen.append(weights)
            return super()._score_outputs(outputs, targets, weights)

    Spy(**settings).fit(X, Y, sample_weight=np.arange(1.0, 151.0))
    held_out = np.isin(np.arange(1.0, 151.0), seen[0]).astype(float)
    assert held_out.sum() == 30
    mlp = MLP(**settings)
    assert_refused(mlp, "the 30 rows that early stopping holds out weigh 0", sample_weight=1.0 - held_out)
    mlp = MLP(**settings)
    assert_refused(mlp, "the 120 rows that early stopping leaves to train on weigh 0", sample_weight=held_out)
    some = np.maximum(held_out, np.arange(150) % 2)
    assert np.isfinite(MLP(**settings).fit(X, Y, sample_weight=some).validation_scores_).all()
    own = MLP(**settings).fit(X, Y, sample_weight=1.0 - held_out, X_val=X, y_val=Y)
    assert len(own.validation_scores_) == own.n_iter_


@pytest.mark.parametrize(("Bagging", "MLP"), [(BaggingClassifier, MLPClassifier), (BaggingRegressor, MLPRegressor)])
def test_bagging_over_early_stopping(Bagging: Any, MLP: Any) -> None:
    """The rows that a bag leaves out have no weight: it works, or says that none with weight was held out."""
    member = MLP(hidden_layer_sizes=3, early_stopping=True, max_iter=3, random_state=0)
    bagging = Bagging(member, n_estimators=20, random_state=0)
    assert np.isfinite(bagging.fit(X, Y).predict(X)).all()
    with pytest.raises(ValueError, match="the 2 rows that early stopping holds out weigh 0"):
        bagging.set_params(n_estimators=100).fit(X[:20], (Y[:20] == 0).astype(int))


# --- of any size ---


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("size", [5e-324, 1e-308, 1e-200, 1e200, 4.5e307, 1e308])
def test_weights_of_any_size_train(MLP: Any, size: float, solver: str) -> None:
    settings = SETTINGS | {"alpha": 0.0, "solver": solver, "early_stopping": solver == "adam"}
    expected = MLP(**settings).fit(X, Y, sample_weight=np.ones(150))
    got = MLP(**settings).fit(X, Y, sample_weight=np.full(150, size))
    np.testing.assert_allclose(parameters(got), parameters(expected), rtol=1e-6)
    assert got.loss_ == pytest.approx(expected.loss_)
    if solver == "adam":
        assert got.validation_scores_ == pytest.approx(expected.validation_scores_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("power", [-960, 560, 1000])
def test_the_penalty_keeps_its_part(MLP: Any, power: int, solver: str) -> None:
    """alpha is divided by the sum of the weights: with the same power of two in both, everything is the same."""
    settings = SETTINGS | {"solver": solver}
    weights = 1.0 + np.arange(150) % 4
    expected = MLP(**settings, alpha=2.0).fit(X, Y, sample_weight=weights)
    got = MLP(**settings, alpha=2.0 * 2.0**power).fit(X, Y, sample_weight=np.ldexp(weights, power))
    assert (parameters(got) == parameters(expected)).all()
    assert got.loss_ == expected.loss_
    free = MLP(**settings, alpha=0.0).fit(X, Y, sample_weight=weights)
    assert (parameters(free) != parameters(expected)).any()


@pytest.mark.parametrize(("dtype", "size"), [("float64", 1e-308), ("float64", 1e-200), ("float32", 1e-30)])
def test_a_penalty_that_drowns_the_loss_is_refused(MLP: Any, dtype: str, size: float) -> None:
    mlp = MLP(**SETTINGS, dtype=dtype)
    assert_refused(mlp, "expected alpha / sum of the sample weights to be at most", sample_weight=np.full(150, size))
    without = MLP(**SETTINGS, dtype=dtype, alpha=0.0)
    got = parameters(without.fit(X, Y, sample_weight=np.full(150, size)))
    np.testing.assert_allclose(got, parameters(without.fit(X, Y)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("of_class", "of_row"), [(1e300, 1e300), (1e-300, 1e-300), (1e300, 1e-300), (1e-10, 1e-308)])
def test_products_of_class_and_sample_weights_of_any_size(of_class: float, of_row: float) -> None:
    settings = SETTINGS | {"alpha": 0.0, "solver": "sgd"}
    rows = 1.0 + X[:, 0] ** 2
    expected = MLPClassifier(**settings, class_weight={0: 1, 1: 2, 2: 4}).fit(X, Y, sample_weight=rows)
    classes = {0: of_class, 1: 2 * of_class, 2: 4 * of_class}
    got = MLPClassifier(**settings, class_weight=classes).fit(X, Y, sample_weight=of_row * rows)
    np.testing.assert_allclose(parameters(got), parameters(expected), rtol=1e-9)


def test_products_of_opposite_weights() -> None:
    settings = SETTINGS | {"alpha": 0.0, "solver": "sgd"}
    opposite = {0: 1e300, 1: 1e-300, 2: 1.0}  # each product is 1
    got = MLPClassifier(**settings, class_weight=opposite).fit(X, Y, sample_weight=[1 / opposite[y] for y in Y])
    np.testing.assert_allclose(parameters(got), parameters(MLPClassifier(**settings).fit(X, Y)), rtol=1e-9)


def test_products_of_the_columns_class_weights() -> None:
    features, labels = make_multilabel_classification(60, n_classes=3, random_state=0)
    settings = SETTINGS | {"alpha": 0.0}
    expected = MLPClassifier(**settings, class_weight=[{0: 1, 1: 2}] * 3).fit(features, labels)
    for size in (1e200, 1e-200):
        got = MLPClassifier(**settings, class_weight=[{0: size, 1: 2 * size}] * 3).fit(features, labels)
        np.testing.assert_allclose(parameters(got), parameters(expected), rtol=1e-9)


@pytest.mark.parametrize("tiny", [5e-324, 1e-308])
def test_a_tiny_weight_counts_in_a_batch_of_its_own(MLP: Any, tiny: float) -> None:
    settings = SETTINGS | {"alpha": 0.0, "batch_size": 1, "shuffle": False, "max_iter": 1}
    got = MLP(**settings).fit(X, Y, sample_weight=np.r_[np.full(149, 1e308), tiny])
    np.testing.assert_allclose(parameters(got), parameters(MLP(**settings).fit(X, Y)), rtol=1e-9)


def test_one_number_is_the_weight_of_all_rows(MLP: Any) -> None:
    one, all_rows = (MLP(**SETTINGS).fit(X, Y, sample_weight=weight) for weight in (2.0, np.full(150, 2.0)))
    assert (parameters(one) == parameters(all_rows)).all()
