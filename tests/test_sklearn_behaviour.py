"""What users of scikit-learn's MLPClassifier and MLPRegressor rely on.

Each test runs for our estimators and for scikit-learn's own, which shows that it tests the right thing. What only ours
do is in test_estimators_extras.py.
"""

from __future__ import annotations

import copy
import io
import pickle
import re
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
import scipy.sparse
import sklearn
import sklearn.neural_network
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_iris, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.linear_model import PoissonRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr, get_tags

import mlpfast

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CURRENT = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 9)

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
X_TWO, Y_TWO = X[:100], Y[:100]
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
X_REG, Y_REG = make_regression(120, 5, noise=5.0, random_state=7)
Y_REG = Y_REG / Y_REG.std()


@pytest.fixture(params=["mlpfast", "scikit-learn"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "mlpfast":
        return mlpfast
    if not CURRENT:
        pytest.skip("these tests describe scikit-learn 1.9")
    return sklearn.neural_network


@pytest.fixture(params=["MLPClassifier", "MLPRegressor"])
def MLP(library: ModuleType, request: pytest.FixtureRequest) -> Any:
    return getattr(library, request.param)


def learning_rate(mlp: Any) -> float:
    return mlp._optimizer.learning_rate


def parameters(mlp: Any) -> np.ndarray:
    return np.concatenate([array.ravel() for array in mlp.coefs_ + mlp.intercepts_])


# --- convergence ---


@pytest.mark.parametrize("patience", [1, 4, 10])
def test_stops_when_the_loss_no_longer_improves(MLP: Any, patience: int) -> None:
    mlp = MLP(tol=10.0, n_iter_no_change=patience, max_iter=500, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        mlp.fit(X, Y)
    assert mlp.n_iter_ == patience + 2  # the first epoch improves on infinity; then one more than n_iter_no_change
    assert mlp.n_iter_ == len(mlp.loss_curve_)
    assert mlp.loss_ == mlp.loss_curve_[-1]
    assert mlp.best_loss_ == min(mlp.loss_curve_)
    assert mlp.t_ == mlp.n_iter_ * len(X)
    assert mlp.validation_scores_ is None
    assert mlp.best_validation_score_ is None


def test_infinite_patience_goes_on_to_max_iter(MLP: Any) -> None:
    mlp = MLP(tol=1e9, n_iter_no_change=np.inf, max_iter=40, hidden_layer_sizes=4)
    with pytest.warns(ConvergenceWarning, match=r"\(40\) reached|\(40\) was reached"):
        mlp.fit(X, Y)
    assert mlp.n_iter_ == 40


def test_lbfgs_warns_and_obeys_its_limits(MLP: Any) -> None:
    for limit in ({"max_iter": 3}, {"max_fun": 5}):
        mlp = MLP(solver="lbfgs", random_state=0, tol=0.0, **limit)
        with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
            mlp.fit(X, Y)
        assert mlp.n_iter_ <= 5
    assert not hasattr(mlp, "loss_curve_")


def test_lbfgs_fits_tightly(library: ModuleType) -> None:
    settings = {"solver": "lbfgs", "hidden_layer_sizes": 20, "max_iter": 100, "random_state": 0}
    assert library.MLPClassifier(**settings).fit(X, Y).score(X, Y) > 0.97
    assert library.MLPRegressor(**settings).fit(X_REG, Y_REG).score(X_REG, Y_REG) > 0.99


def test_adaptive_rate_falls_until_it_is_too_small(library: ModuleType) -> None:
    mlp = library.MLPClassifier(solver="sgd", learning_rate="adaptive", tol=0.5, max_iter=3000, n_iter_no_change=2)
    mlp.fit(X, Y)
    assert mlp.n_iter_ < mlp.max_iter
    assert 1e-7 < learning_rate(mlp) <= 1e-6
    assert learning_rate(mlp) == pytest.approx(0.001 / 5**5)  # five divisions bring it below 1e-6


def test_inverse_scaling_counts_samples(library: ModuleType) -> None:
    mlp = library.MLPClassifier(solver="sgd", learning_rate="invscaling", power_t=0.25, max_iter=3, warm_start=True)
    for fits in (1, 2):
        mlp.fit(X, Y)
        assert mlp.t_ == 3 * fits * len(X)
        assert learning_rate(mlp) == pytest.approx(0.001 / (mlp.t_ + 1) ** 0.25)


def test_alpha_shrinks_the_weights(library: ModuleType) -> None:
    def norm(alpha: float) -> float:
        mlp = library.MLPClassifier(10, alpha=alpha, random_state=1, solver="lbfgs", max_iter=30).fit(X, Y)
        return sum(np.abs(coefs).sum() for coefs in mlp.coefs_)

    assert norm(5.0) < 0.5 * norm(0.0)


def test_shuffling_matters_and_is_reproducible(library: ModuleType) -> None:
    def fit(**settings: Any) -> np.ndarray:
        mlp = library.MLPRegressor(hidden_layer_sizes=3, max_iter=1, batch_size=1, random_state=0, **settings)
        return parameters(mlp.fit(X_REG, Y_REG))

    assert (fit(shuffle=True) == fit(shuffle=True)).all()
    assert (fit(shuffle=False) == fit(shuffle=False)).all()
    assert (fit(shuffle=True) != fit(shuffle=False)).any()


def test_a_random_state_instance_is_used_up(library: ModuleType) -> None:
    random_state = np.random.RandomState(0)
    one, two = (parameters(library.MLPClassifier(3, max_iter=2, random_state=random_state).fit(X, Y)) for _ in "ab")
    assert (one != two).any()


def test_batch_larger_than_the_data_warns_and_is_clipped(library: ModuleType) -> None:
    with pytest.warns(UserWarning, match="clipped"):
        clipped = library.MLPClassifier(5, batch_size=1000, max_iter=5, random_state=0).fit(X, Y)
    whole = library.MLPClassifier(5, batch_size=len(X), max_iter=5, random_state=0).fit(X, Y)
    assert (parameters(clipped) == parameters(whole)).all()


def test_verbose_prints_a_line_for_each_iteration(library: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (True, 10):
        library.MLPClassifier(2, max_iter=3, verbose=verbose, early_stopping=True).fit(X, Y)
        library.MLPClassifier(2, verbose=verbose).partial_fit(X, Y, classes=[0, 1, 2])
        out = capsys.readouterr().out
        assert re.findall(r"Iteration (\d), loss = \d+\.\d{8}", out) == ["1", "2", "3", "1"]
        assert out.count("Validation score: ") == 3
    library.MLPClassifier(2, max_iter=3).fit(X, Y)
    assert capsys.readouterr().out == ""


# --- early stopping ---


def test_early_stopping_gives_the_best_weights_back(MLP: Any) -> None:
    mlp = MLP(early_stopping=True, tol=0.2, max_iter=3000, solver="sgd", learning_rate_init=0.1, random_state=0)
    mlp.fit(X_TWO, Y_TWO)
    assert mlp.n_iter_ < mlp.max_iter
    assert mlp.best_loss_ is None
    assert isinstance(mlp.validation_scores_, list)
    assert len(mlp.validation_scores_) == mlp.n_iter_
    assert mlp.best_validation_score_ == max(mlp.validation_scores_)
    # Training again for as many epochs as the best one took, without early stopping's way back, gives the same weights.
    best = int(np.argmax(mlp.validation_scores_)) + 1
    again = clone(mlp).set_params(max_iter=best).fit(X_TWO, Y_TWO)
    assert (parameters(again) == parameters(mlp)).all()


def test_early_stopping_with_string_labels(library: ModuleType) -> None:
    for labels in (NAMES, NAMES.astype(object)):
        mlp = library.MLPClassifier(early_stopping=True, max_iter=30, random_state=0).fit(X, labels)
        assert np.isfinite(mlp.validation_scores_).all()
        assert mlp.best_validation_score_ > 0.5
        assert set(mlp.predict(X)) <= set(labels)
    two = library.MLPClassifier(early_stopping=True, max_iter=30, random_state=0).fit(X_TWO, NAMES[:100])
    assert two.best_validation_score_ > 0.5


def test_binary_validation_rows_are_stratified(library: ModuleType) -> None:
    with pytest.raises(ValueError, match="least populated class"):
        library.MLPClassifier(early_stopping=True).fit(X[:4], [0, 0, 0, 1])


def test_too_few_validation_rows_are_an_error(library: ModuleType) -> None:
    with pytest.raises(ValueError, match="validation set is too small"):
        library.MLPRegressor(early_stopping=True).fit(X[:2], Y_REG[:2])


def test_early_stopping_with_unit_weights_changes_nothing(library: ModuleType) -> None:
    settings = {"hidden_layer_sizes": 10, "early_stopping": True, "batch_size": 10, "random_state": 0, "max_iter": 20}
    plain = library.MLPRegressor(**settings).fit(X_REG, Y_REG)
    weighted = library.MLPRegressor(**settings).fit(X_REG, Y_REG, sample_weight=np.ones(len(Y_REG)))
    np.testing.assert_allclose(weighted.predict(X_REG), plain.predict(X_REG), rtol=1e-7)


def test_early_stopping_goes_on_from_a_warm_start(MLP: Any) -> None:
    mlp = MLP(max_iter=5, random_state=0, warm_start=True, early_stopping=True)
    mlp.fit(X, Y)
    scores = list(mlp.validation_scores_)
    mlp.set_params(max_iter=10).fit(X, Y)
    assert mlp.validation_scores_[: len(scores)] == scores
    assert len(mlp.validation_scores_) > len(scores)


def test_early_stopping_keeps_quiet_about_feature_names(MLP: Any) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X_TWO, columns=list("abcd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        MLP(early_stopping=True, max_iter=3).fit(frame, pd.Series(Y_TWO))


def test_early_stopping_for_multilabel_does_not_stratify(library: ModuleType) -> None:
    features, labels = make_multilabel_classification(60, random_state=0)
    mlp = library.MLPClassifier(early_stopping=True, max_iter=5).fit(features, labels)
    assert mlp.predict(features).shape == labels.shape


# --- diverging, non-finite, tiny ---


def test_divergence_under_early_stopping_gives_finite_weights(library: ModuleType) -> None:
    mlp = library.MLPRegressor(
        activation="identity", solver="sgd", learning_rate_init=1.0, max_iter=20, early_stopping=True, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp.fit(X, Y)
    assert np.isnan(mlp.validation_scores_[-1])
    assert isinstance(mlp.validation_scores_[-1], float)
    assert np.isfinite(parameters(mlp)).all()


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_weights_that_are_not_finite_are_an_error(library: ModuleType, solver: str) -> None:
    huge = np.random.default_rng(0).uniform(0.5, 1.0, size=(10, 2)) * np.finfo(float).max
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="non-finite parameter weights"):
            library.MLPRegressor(solver=solver, max_iter=5).fit(huge, np.arange(10.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_input_that_is_not_finite_is_an_error(MLP: Any, bad: float) -> None:
    broken = X.copy()
    broken[3, 1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        MLP().fit(broken, Y)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        MLP(max_iter=1).fit(X, Y).predict(broken)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_tiny_data(MLP: Any, solver: str) -> None:
    for rows, columns in ((1, 4), (2, 1), (3, 2)):
        features, targets = X[:rows, :columns], Y[48 : 48 + rows]  # of one class, or two
        mlp = MLP(solver=solver, max_iter=5, hidden_layer_sizes=1).fit(features, targets)
        assert mlp.predict(features).shape == (rows,)


def test_one_class_is_always_predicted(library: ModuleType) -> None:
    mlp = library.MLPClassifier(max_iter=5).fit(X[:20], ["only"] * 20)
    assert set(mlp.predict(X)) == {"only"}
    assert mlp.classes_.tolist() == ["only"]


def test_bad_hyperparameters_are_named(library: ModuleType) -> None:
    for name, value in {
        "hidden_layer_sizes": (0,), "solver": "newton", "alpha": -1, "batch_size": 0, "learning_rate": "fast",
        "learning_rate_init": 0.0, "max_iter": 0, "momentum": 2, "validation_fraction": 1.0, "beta_1": 1.0,
        "epsilon": 0.0, "n_iter_no_change": 0, "max_fun": 0, "activation": "stairs", "shuffle": "yes", "tol": -0.1,
        "power_t": -1,
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=name):
            library.MLPClassifier(**{name: value}).fit(X, Y)
    with pytest.raises(ValueError, match="loss"):
        library.MLPRegressor(loss="log_loss").fit(X, Y)


# --- warm start and partial fit ---


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_warm_start_goes_on(MLP: Any, solver: str) -> None:
    mlp = MLP(solver=solver, warm_start=True, max_iter=10, n_iter_no_change=np.inf, random_state=0, tol=0.0)
    mlp.fit(X, Y)
    first = mlp.loss_
    assert mlp.n_iter_ == 10
    mlp.set_params(max_iter=20).fit(X, Y)
    assert mlp.n_iter_ == 20
    assert mlp.loss_ < first
    if solver != "lbfgs":
        assert len(mlp.loss_curve_) == 30
    cold = clone(mlp).set_params(warm_start=False).fit(X, Y).fit(X, Y)
    if solver != "lbfgs":
        assert len(cold.loss_curve_) == 20


def test_warm_start_needs_the_same_classes(library: ModuleType) -> None:
    mlp = library.MLPClassifier(2, warm_start=True, max_iter=2).fit(X, Y)
    mlp.fit(X, Y[::-1])
    for labels in (Y.clip(max=1), np.where(Y == 2, 3, Y), np.arange(150) % 4):
        with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
            mlp.fit(X, labels)


def test_partial_fit_equals_epochs_of_fit(MLP: Any) -> None:
    settings = {"solver": "sgd", "random_state": 0, "shuffle": False, "hidden_layer_sizes": 4, "batch_size": 40}
    whole = MLP(max_iter=12, tol=0.0, **settings).fit(X, Y)
    parts = MLP(**settings)
    for _ in range(12):
        parts.partial_fit(X, Y, **({"classes": [0, 1, 2]} if is_classifier(parts) else {}))
    assert (parameters(parts) == parameters(whole)).all()
    assert parts.loss_curve_ == whole.loss_curve_
    assert (parts.n_iter_, parts.t_) == (1, whole.t_)


def test_partial_fit_learns_classes_that_come_later(library: ModuleType) -> None:
    mlp = library.MLPClassifier(10, learning_rate_init=0.01, random_state=0)
    mlp.partial_fit([[1], [2], [3]], ["a", "b", "c"], classes=["a", "b", "c", "d"])
    for _ in range(200):
        mlp.partial_fit([[4]], ["d"])
    assert mlp.predict([[4]]) == ["d"]


def test_partial_fit_checks_classes(library: ModuleType) -> None:
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        library.MLPClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match="classes"):
        library.MLPClassifier().partial_fit(X, Y, classes=[2])
    mlp = library.MLPClassifier().partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="classes"):
        mlp.partial_fit(X, Y, classes=[1, 2])
    with pytest.raises(ValueError, match=r"`y` has classes not in `self\.classes_`"):
        mlp.partial_fit(X, Y + 1)
    mlp.partial_fit(X_TWO, Y_TWO)


def test_partial_fit_for_multilabel(library: ModuleType) -> None:
    features, labels = make_multilabel_classification(50, random_state=0)
    mlp = library.MLPClassifier(20, solver="sgd", learning_rate_init=0.2, activation="logistic", random_state=0)
    for _ in range(100):
        mlp.partial_fit(features, labels, classes=[0, 1, 2, 3, 4])
    assert mlp.score(features, labels) > 0.9


def test_partial_fit_is_for_stochastic_solvers(library: ModuleType) -> None:
    assert not hasattr(library.MLPClassifier(solver="lbfgs"), "partial_fit")
    assert hasattr(library.MLPClassifier(solver="sgd"), "partial_fit")


def test_partial_fit_after_early_stopping_is_an_error(MLP: Any) -> None:
    mlp = MLP(early_stopping=True, max_iter=3).fit(X, Y)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        mlp.partial_fit(X, Y)


def test_partial_fit_checks_the_number_of_features(MLP: Any) -> None:
    mlp = MLP(max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match="3 features"):
        mlp.partial_fit(X[:, :3], Y)


# --- probabilities, labels, outputs ---


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_probabilities(library: ModuleType, kind: str) -> None:
    features, labels = {
        "binary": (X_TWO, NAMES[:100]),
        "multiclass": (X, NAMES),
        "multilabel": make_multilabel_classification(50, random_state=0),
    }[kind]
    mlp = library.MLPClassifier(30, solver="lbfgs", random_state=0).fit(features, labels)
    probabilities = mlp.predict_proba(features)
    assert probabilities.shape == (len(features), len(mlp.classes_))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(mlp.predict_log_proba(features), np.log(mlp.predict_proba(features)))
    predicted = mlp.predict(features)
    assert mlp.score(features, labels) > 0.95
    if kind == "multilabel":
        assert mlp.out_activation_ == "logistic"
        assert (predicted == (probabilities > 0.5)).all()
    else:
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        assert (predicted == mlp.classes_[probabilities.argmax(axis=1)]).all()
        assert mlp.out_activation_ == ("softmax" if kind == "multiclass" else "logistic")


def test_sparse_multilabel_targets(library: ModuleType) -> None:
    features, labels = make_multilabel_classification(50, random_state=0)
    mlp = library.MLPClassifier(5, max_iter=3, random_state=0).fit(features, scipy.sparse.csr_array(labels))
    dense = library.MLPClassifier(5, max_iter=3, random_state=0).fit(features, labels)
    assert scipy.sparse.issparse(mlp.predict(features))
    assert (mlp.predict(features).toarray() == dense.predict(features)).all()


def test_a_column_of_targets_is_taken_as_one_dimensional(MLP: Any) -> None:
    mlp = MLP(max_iter=2, random_state=0)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        mlp.fit(X, Y.reshape(-1, 1))
    assert mlp.predict(X).shape == (150,)


def test_several_regression_outputs(library: ModuleType) -> None:
    features, targets = make_regression(200, n_targets=5, random_state=11)
    targets = targets / targets.std()
    mlp = library.MLPRegressor(hidden_layer_sizes=50, solver="lbfgs", max_iter=200, tol=1e-2, random_state=1)
    mlp.fit(features, targets)
    assert mlp.score(features, targets) > 0.9
    assert mlp.predict(features).shape == targets.shape
    assert mlp.n_outputs_ == 5


def test_unknown_kind_of_labels_is_an_error(library: ModuleType) -> None:
    with pytest.raises(ValueError, match="Unknown label type"):
        library.MLPClassifier().fit(X_REG, Y_REG)


def test_poisson_loss_equals_a_generalised_linear_model(library: ModuleType) -> None:
    features = np.linspace(0, 1, 100).reshape(-1, 1)
    counts = np.random.default_rng(0).poisson(np.exp(features.ravel() + 1))
    settings = {"hidden_layer_sizes": (1,), "activation": "identity", "alpha": 0.0, "solver": "lbfgs", "tol": 1e-7}
    mlp = library.MLPRegressor(loss="poisson", random_state=1, **settings).fit(features, counts)
    linear = PoissonRegressor(alpha=0, tol=1e-7).fit(features, counts)
    np.testing.assert_allclose(mlp.predict(features), linear.predict(features), rtol=1e-4)
    assert mlp.out_activation_ == "exp"


# --- input: dtypes, sparse, frames ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_input_is_kept(MLP: Any, dtype: type) -> None:
    mlp = MLP(hidden_layer_sizes=(5, 3), max_iter=5, random_state=1).fit(X.astype(dtype), Y)
    assert {array.dtype for array in mlp.coefs_ + mlp.intercepts_} == {np.dtype(dtype)}
    if is_regressor(mlp):
        assert mlp.predict(X.astype(dtype)).dtype == dtype
    else:
        assert mlp.predict_proba(X.astype(dtype)).dtype == dtype


def test_float32_predicts_what_float64_does(MLP: Any) -> None:
    single = MLP(hidden_layer_sizes=(5, 3), random_state=1, max_iter=50).fit(X.astype(np.float32), Y)
    double = MLP(hidden_layer_sizes=(5, 3), random_state=1, max_iter=50).fit(X, Y)
    method = "predict_proba" if is_classifier(single) else "predict"
    np.testing.assert_allclose(getattr(single, method)(X.astype(np.float32)), getattr(double, method)(X), atol=2e-3)


@pytest.mark.parametrize("kind", ["int64", "uint8", "bool", "list", "fortran", "strided", "read-only"])
def test_kinds_of_dense_input(MLP: Any, kind: str) -> None:
    whole = np.arange(80).reshape(20, 4) % 7
    targets = np.arange(20) % 2
    given: Any = {"list": whole.tolist(), "fortran": np.asfortranarray(whole, dtype=float)}.get(kind)
    if kind in ("int64", "uint8"):
        given = whole.astype(kind)
    elif kind == "bool":
        whole = whole % 2
        given = whole.astype(bool)
    elif kind == "strided":
        given = np.repeat(whole, 2, axis=1).astype(float)[:, ::2]
    elif kind == "read-only":
        given = whole.astype(float)
        given.flags.writeable = False
    mlp = MLP(hidden_layer_sizes=3, max_iter=3, random_state=0).fit(given, targets)
    expected = clone(mlp).fit(whole.astype(float), targets)
    assert (parameters(mlp) == parameters(expected)).all()
    assert (mlp.predict(given) == expected.predict(whole.astype(float))).all()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("container", ["csr_array", "csr_matrix", "csc_array", "coo_array"])
def test_sparse_input_equals_dense(MLP: Any, container: str, solver: str) -> None:
    dense = np.where(X > 0.3, X, 0.0)
    sparse = getattr(scipy.sparse, container)(dense)
    settings = {"hidden_layer_sizes": 5, "max_iter": 10, "random_state": 0, "solver": solver}
    from_dense, from_sparse = MLP(**settings).fit(dense, Y), MLP(**settings).fit(sparse, Y)
    np.testing.assert_allclose(parameters(from_sparse), parameters(from_dense), atol=1e-9)
    np.testing.assert_allclose(from_sparse.predict(sparse), from_dense.predict(dense), atol=1e-9)
    assert from_sparse.score(sparse, Y) == pytest.approx(from_dense.score(dense, Y))


def test_data_frames_and_their_names(MLP: Any) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    mlp = MLP(max_iter=2, random_state=0).fit(frame, Y)
    assert mlp.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert mlp.n_features_in_ == 4
    mlp.predict(frame)
    with pytest.raises(ValueError, match="feature names"):
        mlp.predict(frame.rename(columns={"a": "z"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        mlp.predict(X)
    with pytest.raises(ValueError, match="4 features"):
        MLP(max_iter=2).fit(X, Y).predict(X[:, :2])


def test_weights_of_zero_leave_rows_out(MLP: Any) -> None:
    settings = {"hidden_layer_sizes": 5, "solver": "lbfgs", "max_iter": 20, "random_state": 0, "alpha": 0.1}
    keep = np.arange(150) % 3 > 0
    weighted = MLP(**settings).fit(X, Y, sample_weight=keep.astype(float))
    without = MLP(**settings).fit(X[keep], Y[keep])
    np.testing.assert_allclose(weighted.predict(X), without.predict(X), atol=1e-6)


def test_predict_before_fit(MLP: Any) -> None:
    with pytest.raises(NotFittedError):
        MLP().predict(X)
    assert not hasattr(MLP(), "coefs_")
    assert not hasattr(MLP(), "intercepts_")


# --- the weights ---


def test_coefs_are_what_predicts(MLP: Any) -> None:
    mlp = MLP(hidden_layer_sizes=(4, 3), activation="tanh", max_iter=3, random_state=0).fit(X, Y)
    assert [coefs.shape for coefs in mlp.coefs_] == [(4, 4), (4, 3), (3, mlp.n_outputs_)]
    assert [intercepts.shape for intercepts in mlp.intercepts_] == [(4,), (3,), (mlp.n_outputs_,)]
    assert isinstance(mlp.coefs_, list)
    assert isinstance(mlp.intercepts_, list)
    before = mlp.predict(X)
    donor = clone(mlp).set_params(random_state=1).fit(X, Y)
    mlp.coefs_ = [coefs.copy() for coefs in donor.coefs_]  # assigning all of them
    mlp.intercepts_ = [intercepts.copy() for intercepts in donor.intercepts_]
    assert (mlp.predict(X) == donor.predict(X)).all()
    assert is_classifier(mlp) or (mlp.predict(X) != before).any()
    mlp.coefs_[0] = np.zeros((4, 4))  # one of them
    mlp.coefs_[1] *= 0.0  # in place
    mlp.intercepts_[2][...] = 0.25
    mlp.coefs_[2][...] = 0.0
    if is_regressor(mlp):
        assert (mlp.predict(X) == 0.25).all()
    else:
        np.testing.assert_allclose(mlp.predict_proba(X), 1 / 3)


# --- copies ---


def by_pickle(mlp: Any) -> Any:
    return pickle.loads(pickle.dumps(mlp))


def by_joblib(mlp: Any) -> Any:
    file = io.BytesIO()
    joblib.dump(mlp, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("copied", [by_pickle, by_joblib, copy.deepcopy])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_copy_goes_on_as_the_original_would(MLP: Any, copied: Any, solver: str) -> None:
    mlp = MLP(hidden_layer_sizes=4, solver=solver, max_iter=5, random_state=0).fit(X, Y)
    twin = copied(mlp)
    assert (twin.predict(X) == mlp.predict(X)).all()
    for estimator in (mlp, twin):
        estimator.partial_fit(X, Y)
    assert (parameters(twin) == parameters(mlp)).all()
    twin.coefs_[0][...] = 0.0
    assert np.abs(mlp.coefs_[0]).max() > 0.0
    if is_regressor(twin):
        assert np.ptp(twin.predict(X)) == 0.0


def test_a_memory_mapped_copy_works(MLP: Any, tmp_path: Any) -> None:
    path = tmp_path / "mlp.joblib"
    mlp = MLP(hidden_layer_sizes=4, max_iter=5, random_state=0).fit(X, Y)
    joblib.dump(mlp, path)
    assert (joblib.load(path, mmap_mode="r").predict(X) == mlp.predict(X)).all()


def test_clone_is_unfitted_and_equal(MLP: Any) -> None:
    mlp = MLP(hidden_layer_sizes=(3, 2), alpha=0.5, max_iter=2).fit(X, Y)
    twin = clone(mlp)
    assert twin.get_params() == mlp.get_params()
    assert not hasattr(twin, "coefs_")


# --- in scikit-learn's company ---


def test_pipeline_cross_validation_and_grid_search(library: ModuleType) -> None:
    model = make_pipeline(StandardScaler(), library.MLPClassifier(8, solver="lbfgs", max_iter=20, random_state=0))
    assert cross_val_score(model, X, NAMES, cv=3).mean() > 0.9
    search = GridSearchCV(
        model, {"mlpclassifier__alpha": [1e-3, 1.0], "mlpclassifier__activation": ["tanh", "relu"]}, cv=2
    )
    assert search.fit(X, NAMES).best_score_ > 0.9


def test_tags_and_html(library: ModuleType) -> None:
    classifier, regressor = library.MLPClassifier(), library.MLPRegressor()
    assert is_classifier(classifier)
    assert is_regressor(regressor)
    assert get_tags(classifier).classifier_tags.multi_label
    assert get_tags(classifier).input_tags.sparse
    assert get_tags(regressor).input_tags.sparse
    assert get_tags(regressor).target_tags.required
    assert "MLPClassifier" in estimator_html_repr(classifier.fit(X, Y))
    assert repr(library.MLPClassifier(alpha=0.5)) == "MLPClassifier(alpha=0.5)"


def test_sample_weight_is_routed(library: ModuleType) -> None:
    weights = np.arange(150) % 2.0
    with sklearn.config_context(enable_metadata_routing=True):
        mlp = library.MLPClassifier(4, solver="lbfgs", max_iter=20, random_state=0).set_fit_request(sample_weight=True)
        routed = make_pipeline("passthrough", mlp).fit(X, Y, sample_weight=weights)
    direct = library.MLPClassifier(4, solver="lbfgs", max_iter=20, random_state=0).fit(X, Y, sample_weight=weights)
    np.testing.assert_allclose(routed.predict_proba(X), direct.predict_proba(X), atol=1e-9)
