"""Estimators of tables among scikit-learn's: clones, pipelines, searches, routed metadata, tags, pickles."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.feature_selection import SelectFromModel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_html_repr, get_tags

from mlpfast import TabularClassifier, TabularRegressor
from mlpfast.tabular import TableEncoder

RNG = np.random.default_rng(0)
N = 150
X = pd.DataFrame(
    {
        "number": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
        "few": RNG.choice(["a", "b", "c"], N),
        "flag": RNG.random(N) < 0.5,
    }
)
LABELS = np.where((X["few"] == "a") | (X["number"] > 1), "yes", "no")
NUMBERS = X["number"].fillna(0) + X["flag"]
QUICK = {"epochs": 2, "batch_size": 32, "random_state": 0}
KINDS = [(TabularClassifier, LABELS), (TabularRegressor, NUMBERS)]


@pytest.mark.parametrize(("kind", "y"), KINDS)
def test_clones_fit_alike_and_know_nothing(kind, y):
    model = kind(**QUICK).fit(X, y)
    other = clone(model)
    assert not [name for name in vars(other) if name.endswith("_")] and other.get_params() == model.get_params()
    np.testing.assert_array_equal(other.fit(X, y).predict(X), model.predict(X))


def test_in_pipelines_and_searches():
    dates = FunctionTransformer(lambda table: table.assign(half=table["number"] / 2))
    search = GridSearchCV(
        make_pipeline(dates, TabularClassifier(**QUICK)),
        {"tabularclassifier__epochs": [1, 2], "tabularclassifier__calibration": ["temperature"]},
        cv=2,
        scoring=["accuracy", "neg_log_loss", "roc_auc"],
        refit="neg_log_loss",
    ).fit(X, LABELS)
    best = search.best_estimator_[-1]
    assert best.columns_["half"].kind == "number" and best.temperature_ > 0
    assert search.predict(X).shape == (N,) and set(search.predict(X)) <= {"yes", "no"}


def test_in_other_estimators():
    p = cross_val_predict(TabularClassifier(**QUICK), X, LABELS, cv=2, method="predict_proba")
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert CalibratedClassifierCV(TabularClassifier(**QUICK), cv=2).fit(X, LABELS).predict(X).shape == (N,)
    several = MultiOutputRegressor(TabularRegressor(**QUICK)).fit(X, np.c_[NUMBERS, -NUMBERS])
    assert several.predict(X).shape == (N, 2)
    chosen = SelectFromModel(TabularRegressor(**QUICK | {"epochs": 24}), threshold=0.05).fit(X, NUMBERS)
    assert list(chosen.get_feature_names_out()) == ["number", "flag"]


@pytest.mark.parametrize(("kind", "y"), KINDS)
def test_weights_and_groups_are_routed(kind, y):
    groups = np.arange(N) // 10
    with sklearn.config_context(enable_metadata_routing=True):
        model = kind(**QUICK, validation="group").set_fit_request(groups=True, sample_weight=True)
        model.set_score_request(sample_weight=True)
        route = model.get_metadata_routing()
        assert route.fit.requests["groups"] is route.fit.requests["sample_weight"] is True
        assert route.fit.requests["X_val"] is None
        params = {"groups": groups, "sample_weight": np.linspace(0.5, 2, N)}
        pipeline = make_pipeline(FunctionTransformer(), model)
        if hasattr(pipeline, "set_score_request"):  # up to scikit-learn 1.7 it takes weights for itself
            pipeline.set_score_request(sample_weight=True)
        found = cross_validate(pipeline, X, y, cv=GroupKFold(3), params=params, return_estimator=True)
        assert len(found["estimator"]) == 3 and np.isfinite(found["test_score"]).all()
        search = GridSearchCV(model, {"epochs": [1, 2]}, cv=GroupKFold(3)).fit(X, y, **params)
        assert search.best_estimator_.n_validation_rows_ % 10 == 0  # of whole groups


def test_groups_that_were_not_asked_for_are_refused():
    refused = pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="groups")
    with sklearn.config_context(enable_metadata_routing=True), refused:
        make_pipeline(TabularClassifier(**QUICK)).fit(X, LABELS, groups=np.arange(N) // 10)


@pytest.mark.parametrize(("kind", "y"), [*KINDS, (TableEncoder, None)])
def test_tags(kind, y):
    tags = get_tags(kind())
    assert (
        tags.input_tags.allow_nan and tags.input_tags.categorical and tags.input_tags.string and tags.input_tags.sparse
    )
    assert tags.target_tags.required == (y is not None)
    if kind is TabularClassifier:
        assert tags.classifier_tags.multi_class and tags.estimator_type == "classifier"
    if kind is TabularRegressor:
        assert tags.target_tags.multi_output and tags.estimator_type == "regressor"


@pytest.mark.parametrize(("kind", "y"), [*KINDS, (TableEncoder, None)])
def test_html(kind, y):
    model = kind() if y is None else kind(**QUICK)
    for estimator in (model, clone(model).fit(X, y)):
        html = estimator_html_repr(estimator)
        assert kind.__name__ in html and "text/html" in estimator._repr_mimebundle_()


@pytest.mark.parametrize(("kind", "y"), KINDS)
def test_pickles_hold_no_rows(kind, y):
    few, many = ({"X": X.iloc[rows], "y": np.asarray(y)[rows]} for rows in (np.arange(N), np.arange(20 * N) % N))
    sizes = [len(pickle.dumps(kind(**QUICK).fit(**data))) for data in (few, many)]
    model = kind(**QUICK).fit(**few)
    assert sizes[0] < model.model_.state.nbytes + 20_000
    assert sizes[1] - sizes[0] < 16 * 1000 + 2_000  # a thousand residuals and their ranks


def test_the_encoder_as_a_transformer():
    encoder = TableEncoder().set_output(transform="pandas")
    found = encoder.fit_transform(X)
    assert list(found) == list(encoder.get_feature_names_out()) == ["number", "number_missing", "few", "flag"]
    parts = ColumnTransformer(
        [
            ("table", TableEncoder(), ["number", "few"]),
            ("rest", SimpleImputer(), make_column_selector(dtype_include=bool)),
        ]
    )
    pipeline = make_pipeline(parts, LogisticRegression()).fit(X.astype({"flag": float}), LABELS)
    assert pipeline.score(X.astype({"flag": float}), LABELS) > 0.7
    names = parts.fit(X, LABELS).get_feature_names_out()
    assert list(names) == ["table__number", "table__number_missing", "table__few", "rest__flag"]
    polars = pytest.importorskip("polars")
    assert isinstance(TableEncoder().set_output(transform="polars").fit_transform(X), polars.DataFrame)
