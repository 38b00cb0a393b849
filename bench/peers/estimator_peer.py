"""`MLPClassifier().fit` and `MLPRegressor().fit`, of mlpfast or of scikit-learn, with nothing but a seed given."""

from __future__ import annotations

import importlib
import time
import warnings
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.datasets import load_digits, make_friedman1
from sklearn.model_selection import train_test_split

from bench.data import fashion_mnist


@cache
def load(name: str, seed: int) -> tuple[Any, Any, Any, Any]:
    """X_train, X_test, y_train, y_test."""
    match name:
        case "digits":
            X, y = load_digits(return_X_y=True)
            return tuple(train_test_split(X / 16, y, random_state=seed))
        case "fashion-mnist":
            (X, y), (X_test, y_test) = fashion_mnist("train"), fashion_mnist("t10k")
            return X, X_test, y, y_test
        case "regression":
            X, y = make_friedman1(125_000, n_features=50, noise=1.0, random_state=0)
            return tuple(train_test_split(X, y, test_size=25_000, random_state=seed))
        case "sparse":
            X, y = texts()
            return tuple(train_test_split(X, y, test_size=500, random_state=seed))
    raise ValueError(f"unknown dataset {name!r}")


def texts(rows: int = 2500, words: int = 20_000, each: int = 100, topics: int = 10) -> tuple[Any, Any]:
    """CSR rows of word weights, 0.5 % filled; a fifth of a row's words are the topic's."""
    rng = np.random.default_rng(0)
    y = rng.integers(topics, size=rows)
    columns = rng.integers(words, size=(rows, each))
    own = each // 5
    columns[:, :own] = y[:, None] * (words // topics) + rng.integers(words // topics // 5, size=(rows, own))
    weights = rng.uniform(0.1, 1, rows * each)
    X = csr_array((weights, columns.ravel(), np.arange(0, rows * each + 1, each)), shape=(rows, words))
    X.sum_duplicates()
    return X, y


class Estimators:
    module: str
    distribution: str

    def __init__(self) -> None:
        module = importlib.import_module(self.module)
        self.classifier, self.regressor = module.MLPClassifier, module.MLPRegressor

    def do_fit(self, dataset: str, seed: int) -> dict[str, Any]:
        X, X_test, y, y_test = load(dataset, seed)
        estimator = (self.regressor if dataset == "regression" else self.classifier)(random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 200 iterations may not be enough, for both alike
            begin = time.perf_counter()
            estimator.fit(X, y)
            seconds = time.perf_counter() - begin
        return {
            "seconds": seconds,
            "score": float(estimator.score(X_test, y_test)),
            "iterations": int(estimator.n_iter_),
            "loss": float(estimator.loss_),
        }


class SklearnEstimators(Estimators):
    module, distribution = "sklearn.neural_network", "scikit-learn"


class MlpfastEstimators(Estimators):
    module, distribution = "mlpfast", "mlpfast"
