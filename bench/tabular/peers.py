"""The peers, with their defaults and categories as each takes them best; each imports its library when asked."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd


class Fitted(Protocol):
    """Something that predicts from a table of strings and numbers."""

    def predict(self, X: pd.DataFrame) -> Any: ...


class Peer(NamedTuple):
    """`make(task, threads, seed, columns)` gives an estimator, `prepare` what it takes of the training table."""

    name: str
    package: str
    make: Callable[[str, int, int], Any]
    prepare: Callable[[pd.DataFrame], Callable[[pd.DataFrame], pd.DataFrame]]
    colour: str

    def version(self) -> str:
        module = import_module(self.package)  # mlpfast may be built in place, without metadata
        return str(module.__version__) if hasattr(module, "__version__") else version(self.package)


def _as_it_is(X: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table


def _texts(X: pd.DataFrame) -> list[str]:
    return [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]


def _categories(X: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Strings as pandas categories, those of training."""
    dtypes = {name: pd.CategoricalDtype(sorted(X[name].dropna().astype(str).unique())) for name in _texts(X)}
    return lambda table: table.astype(dtypes)


def _filled_texts(X: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Strings without missing values, which CatBoost refuses among categories."""
    texts = _texts(X)
    return lambda table: table.assign(**{name: table[name].fillna("missing").astype(str) for name in texts})


def _no_holes(X: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Means in place of missing numbers, which RealMLP refuses, beside a category that tells; TabArena does so, too."""
    numbers = [name for name in X if name not in _texts(X)]
    means = {name: X[name].mean() if X[name].notna().any() else 0.0 for name in numbers}
    holes = [name for name in numbers if X[name].isna().any()]
    strings = _categories(X)

    def prepared(table: pd.DataFrame) -> pd.DataFrame:
        told = {f"{name}_missing": pd.Categorical(table[name].isna().astype(str), ["False", "True"]) for name in holes}
        return strings(table).fillna(means).assign(**told)

    return prepared


def mlpfast(preset: str) -> Callable[[str, int, int], Any]:
    def make(task: str, threads: int, seed: int) -> Any:
        from mlpfast import tabular

        kind = tabular.TabularClassifier if task == "classification" else tabular.TabularRegressor
        return kind(preset=preset, n_threads=threads, random_state=seed)

    return make


def lightgbm(task: str, threads: int, seed: int) -> Any:
    import lightgbm

    kind = lightgbm.LGBMClassifier if task == "classification" else lightgbm.LGBMRegressor
    return kind(n_jobs=threads, random_state=seed, verbose=-1)


class _Labels:
    """XGBoost wants classes as numbers from 0 on."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> _Labels:
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.estimator.fit(X, codes)
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return self.classes_[self.estimator.predict(X)]

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.estimator.predict_proba(X)


def xgboost(task: str, threads: int, seed: int) -> Any:
    import xgboost

    kind = xgboost.XGBClassifier if task == "classification" else xgboost.XGBRegressor
    made = kind(n_jobs=threads, random_state=seed, enable_categorical=True)
    return _Labels(made) if task == "classification" else made


class _CatBoost:
    """CatBoost is told which columns are categories when it is made, which is before it has seen them; and how many
    threads it may use once more when it predicts, where it would take all of them."""

    def __init__(self, make: Callable[[list[str]], Any], threads: int) -> None:
        self.make, self.threads = make, threads

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> _CatBoost:
        self.fitted = self.make(_texts(X)).fit(X, y)
        self.classes_ = self.fitted.classes_
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return self.fitted.predict(X, thread_count=self.threads)

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.fitted.predict_proba(X, thread_count=self.threads)


def catboost(task: str, threads: int, seed: int) -> Any:
    import catboost

    kind = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
    settings = {"thread_count": threads, "random_seed": seed, "verbose": False, "allow_writing_files": False}
    return _CatBoost(lambda texts: kind(cat_features=texts, **settings), threads)


def histogram(task: str, threads: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    return kind(random_state=seed)


def _few_categories(X: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """HistGradientBoosting takes no more than 255 categories: columns of more become their codes."""
    strings = _categories(X)
    many = [name for name in _texts(X) if X[name].nunique() > 255]

    def prepared(table: pd.DataFrame) -> pd.DataFrame:
        table = strings(table)
        codes = {name: table[name].cat.codes.replace(-1, np.nan).astype(float) for name in many}
        return table.assign(**codes)

    return prepared


def sklearn_mlp(task: str, threads: int, seed: int) -> Any:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, (MLPClassifier if task == "classification" else MLPRegressor)(random_state=seed))


def pytabkit(name: str) -> Callable[[str, int, int], Any]:
    def make(task: str, threads: int, seed: int) -> Any:
        import pytabkit

        kind = getattr(pytabkit, f"{name}_{'Classifier' if task == 'classification' else 'Regressor'}")
        return kind(device="cpu", n_threads=threads, random_state=seed, verbosity=0)

    return make


PEERS = {
    "mlpfast": Peer("mlpfast", "mlpfast", mlpfast("default"), _as_it_is, "#d1495b"),
    "mlpfast-fast": Peer("mlpfast, fast", "mlpfast", mlpfast("fast"), _as_it_is, "#f0a3ad"),
    "mlpfast-best": Peer("mlpfast, best", "mlpfast", mlpfast("best"), _as_it_is, "#8b1e3f"),
    "realmlp-td": Peer("RealMLP-TD", "pytabkit", pytabkit("RealMLP_TD"), _no_holes, "#00798c"),
    "realmlp-td-s": Peer("RealMLP-TD-S", "pytabkit", pytabkit("RealMLP_TD_S"), _no_holes, "#66b2bf"),
    "tabm": Peer("TabM", "pytabkit", pytabkit("TabM_D"), _no_holes, "#5f4b8b"),
    "lightgbm": Peer("LightGBM", "lightgbm", lightgbm, _categories, "#5b8e7d"),
    "xgboost": Peer("XGBoost", "xgboost", xgboost, _categories, "#b8860b"),
    "catboost": Peer("CatBoost", "catboost", catboost, _filled_texts, "#edae49"),
    "histogram": Peer("HistGradientBoosting", "sklearn", histogram, _few_categories, "#8d99ae"),
    "sklearn-mlp": Peer("scikit-learn's MLP", "sklearn", sklearn_mlp, _as_it_is, "#30638e"),
}
