"""The estimators against scikit-learn's own, from the same `random_state`.

The same seed draws the same initial weights, validation rows and shuffles, so that not only the first steps but whole
fits agree to rounding; and over several seeds the test scores agree statistically.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")  # the version whose estimators these equal

import sklearn.neural_network
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mlpfast

ROWS = 53  # a prime: the last batch is short whatever the batch size
RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(ROWS, 6))
X[RANDOM.random(X.shape) < 0.3] = 0.0
LATENT = X @ RANDOM.normal(size=(6, 4)) + RANDOM.normal(scale=0.3, size=(ROWS, 4))
WEIGHTS = RANDOM.uniform(0.0, 3.0, size=ROWS)
TARGETS = {
    "binary": (LATENT[:, 0] > 0).astype(int),
    "multiclass": LATENT.argmax(axis=1),
    "strings": np.array(["ash", "beech", "cedar", "date"])[LATENT.argmax(axis=1)],
    "multilabel": (LATENT > 0).astype(int),
    "one": LATENT[:, 0],
    "several": LATENT[:, :3],
    "counts": np.floor(np.exp(LATENT[:, 0].clip(None, 2.5))),
}
REGRESSION = ("one", "several", "counts")

# (targets, hyper-parameters): what differs from CLOSE_UP below. "weights" and "sparse" are the test's own.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("multiclass", {}),
    ("multiclass", {"activation": "identity"}),
    ("multiclass", {"activation": "logistic"}),
    ("multiclass", {"activation": "tanh", "alpha": 0.5}),
    ("multiclass", {"solver": "sgd"}),
    ("multiclass", {"solver": "sgd", "nesterovs_momentum": False, "activation": "tanh"}),
    ("multiclass", {"solver": "sgd", "momentum": 0.0, "batch_size": 1}),
    ("multiclass", {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5}),
    ("multiclass", {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5, "n_iter_no_change": 1}),
    ("multiclass", {"solver": "lbfgs"}),
    ("multiclass", {"weights": True, "alpha": 0.3}),
    ("multiclass", {"weights": True, "solver": "lbfgs", "alpha": 0.3}),
    ("multiclass", {"sparse": "csr"}),
    ("multiclass", {"sparse": "csc", "solver": "lbfgs"}),
    ("multiclass", {"early_stopping": True, "validation_fraction": 0.3}),
    ("multiclass", {"hidden_layer_sizes": ()}),
    ("multiclass", {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    ("strings", {"early_stopping": True, "weights": True, "solver": "sgd"}),
    ("binary", {}),
    ("binary", {"solver": "lbfgs", "activation": "logistic"}),
    ("binary", {"early_stopping": True, "weights": True}),
    ("binary", {"sparse": "csr", "solver": "sgd", "weights": True}),
    ("multilabel", {"activation": "tanh"}),
    ("multilabel", {"solver": "sgd", "weights": True}),
    ("multilabel", {"solver": "lbfgs", "sparse": "csr"}),
    ("multilabel", {"early_stopping": True}),
    ("one", {}),
    ("one", {"solver": "sgd", "activation": "logistic", "weights": True}),
    ("one", {"solver": "lbfgs", "alpha": 0.1}),
    ("one", {"early_stopping": True, "weights": True}),
    ("one", {"sparse": "csc", "batch_size": 10}),
    ("several", {"activation": "tanh"}),
    ("several", {"weights": True, "alpha": 1.0}),
    ("several", {"early_stopping": True, "solver": "sgd"}),
    ("counts", {"loss": "poisson"}),
    ("counts", {"loss": "poisson", "solver": "lbfgs", "weights": True}),
]

#: One epoch of three batches, or three iterations of L-BFGS; the rows as they come.
CLOSE_UP = {"hidden_layer_sizes": (9, 5), "batch_size": 20, "max_iter": 3, "shuffle": False, "random_state": 3}


def both(targets: str, **settings: Any) -> tuple[Any, Any, Any]:
    """The two estimators, fitted to the same data, and that data."""
    weights = WEIGHTS if settings.pop("weights", False) else None
    sparse = settings.pop("sparse", None)
    features = X if sparse is None else pytest.importorskip("scipy.sparse").csr_array(X).asformat(sparse)
    name = "MLPRegressor" if targets in REGRESSION else "MLPClassifier"
    pair = [getattr(module, name)(**settings) for module in (mlpfast, sklearn.neural_network)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for estimator in pair:
            estimator.fit(features, TARGETS[targets], sample_weight=weights)
    return *pair, features


def assert_equal_fits(ours: Any, theirs: Any, features: Any, tolerance: float) -> None:
    for mine, other in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance)
    for name in ("n_iter_", "n_layers_", "n_outputs_", "out_activation_", "t_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=tolerance)
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_"):
        assert hasattr(ours, name) == hasattr(theirs, name), name
        if getattr(theirs, name, None) is None:
            assert getattr(ours, name, None) is None, name
        else:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=tolerance, err_msg=name)
    if hasattr(theirs, "classes_"):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(features), rtol=0, atol=tolerance)
        assert (ours.predict(features) == theirs.predict(features)).all()
    else:
        np.testing.assert_allclose(ours.predict(features), theirs.predict(features), rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize(("targets", "settings"), CASES)
def test_steps_are_equal(targets: str, settings: dict[str, Any]) -> None:
    ours, theirs, features = both(targets, **(CLOSE_UP | {"max_iter": 3} | settings))
    assert_equal_fits(ours, theirs, features, 1e-10)


@pytest.mark.parametrize(("targets", "settings"), CASES)
def test_whole_fits_are_equal(targets: str, settings: dict[str, Any]) -> None:
    """With shuffling, to convergence. Rounding errors grow on the way, most with L-BFGS, whose path is cut short."""
    epochs = 15 if settings.get("solver") == "lbfgs" else 120
    ours, theirs, features = both(targets, **(CLOSE_UP | {"max_iter": epochs, "shuffle": True} | settings))
    assert_equal_fits(ours, theirs, features, 1e-6)


def test_several_outputs_with_lbfgs_reach_no_higher_loss() -> None:
    """scikit-learn gives L-BFGS a mean over the outputs as the loss, but the gradient of their sum; the line search
    needs a consistent pair, and gets it here. The sum that both gradients belong to must not come out higher."""
    ours, theirs, _ = both("several", hidden_layer_sizes=(8,), solver="lbfgs", max_iter=200, random_state=0, alpha=0.1)

    def objective(estimator: Any) -> float:
        squares = sum((coefs**2).sum() for coefs in estimator.coefs_)
        return float((0.5 * (estimator.predict(X) - TARGETS["several"]) ** 2).sum() + 0.05 * squares)

    assert objective(ours) <= 1.02 * objective(theirs)


def test_partial_fit_steps_are_equal() -> None:
    settings = {"hidden_layer_sizes": 7, "random_state": 5, "alpha": 0.2}
    pair = [module.MLPClassifier(**settings) for module in (mlpfast, sklearn.neural_network)]
    for estimator in pair:
        for rows in (slice(0, 20), slice(20, 29), slice(29, ROWS)):
            estimator.partial_fit(
                X[rows], TARGETS["multiclass"][rows], classes=[0, 1, 2, 3], sample_weight=WEIGHTS[rows]
            )
    assert_equal_fits(*pair, X, 1e-10)


DATASETS = {
    "digits": lambda: load_digits(return_X_y=True),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "diabetes": lambda: load_diabetes(return_X_y=True),
    "multilabel": lambda: make_multilabel_classification(600, 20, random_state=0),
}


@pytest.mark.parametrize("name", DATASETS)
def test_scores_are_no_worse(name: str) -> None:
    """Mean test scores over 5 seeds, in float32 here and float64 there, so that they differ in more than name."""
    features, y = DATASETS[name]()
    estimator, settings = "MLPClassifier", {"hidden_layer_sizes": (32,), "max_iter": 60}
    if name == "diabetes":
        estimator, y, settings["solver"] = "MLPRegressor", y / y.std(), "sgd"
    scores: dict[str, list[float]] = {"mlpfast": [], "sklearn.neural_network": []}
    for seed in range(5):
        train, test, y_train, y_test = train_test_split(features, y, random_state=seed, test_size=0.3)
        for module in (mlpfast, sklearn.neural_network):
            extra = {"dtype": "float32"} if module is mlpfast else {}
            model = make_pipeline(StandardScaler(), getattr(module, estimator)(random_state=seed, **settings, **extra))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(train, y_train)
            scores[module.__name__].append(model.score(test, y_test))
    ours, theirs = scores.values()
    standard_error = np.std(theirs, ddof=1) / np.sqrt(len(theirs))
    assert np.mean(ours) >= np.mean(theirs) - standard_error
