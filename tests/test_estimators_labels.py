"""Labels of another kind than those learnt, and labels that are all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.neural_network
from scipy.sparse import csr_array
from sklearn.model_selection import cross_val_predict

from mlpfast import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(60, 3))
MANY = np.arange(60) % 15  # NumPy compares few labels in another way than many
SETTINGS = {"hidden_layer_sizes": 4, "max_iter": 3, "random_state": 0}
COLUMNS = (X > 0).astype(int)
KINDS = {
    "strings for two numbers": (MANY % 2, (MANY % 2).astype(str), "one column of numbers, got one column of strings"),
    "strings for numbers": (MANY, MANY.astype(str), "one column of numbers, got one column of strings"),
    "objects for numbers": (MANY, MANY.astype(str).astype(object), "one column of numbers, got one column of strings"),
    "strings for booleans": (MANY > 5, (MANY > 5).astype(str), "one column of numbers, got one column of strings"),
    "numbers for strings": (MANY.astype(str), MANY, "one column of strings, got one column of numbers"),
    "dates for strings": (
        MANY.astype(str),
        MANY.astype("M8[D]"),
        "one column of strings, got one column of datetime",
    ),
    "columns for one": (MANY % 3, COLUMNS, "one column of numbers, got 3 columns of numbers"),
    "one for columns": (COLUMNS, MANY % 3, "3 columns of numbers, got one column of numbers"),
    "fewer columns": (COLUMNS, COLUMNS[:, :2], "3 columns of numbers, got 2 columns of numbers"),
    "sparse columns": (COLUMNS, csr_array(COLUMNS[:, :2]), "3 columns of numbers, got 2 columns of numbers"),
}


def parameters(mlp: Any) -> np.ndarray:
    return mlp.model_.parameters.copy()


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_another_kind_are_refused_everywhere(kind: str) -> None:
    learnt, other, difference = KINDS[kind]
    mlp = MLPClassifier(**SETTINGS).fit(X, learnt)
    before, weights = dict(vars(mlp)), parameters(mlp)
    difference = f"; expected {difference}"
    with pytest.raises(ValueError, match=f"y_val has classes that y has not: (?s:.*){difference}"):
        mlp.fit(X, learnt, X_val=X, y_val=other)
    with pytest.raises(ValueError, match=rf"`y` has classes not in `self\.classes_`(?s:.*){difference}"):
        mlp.partial_fit(X, other)
    with pytest.raises(ValueError, match=f"y_val has classes that y has not: (?s:.*){difference}"):
        mlp.partial_fit(X, learnt, X_val=X, y_val=other)
    with pytest.raises(ValueError, match=f"warm_start can only be used where (?s:.*){difference}"):
        mlp.set_params(warm_start=True).fit(X, other)
    mlp.set_params(warm_start=False)
    # scikit-learn's own words, where it refuses them itself
    own_words = r"Mix|mix|same type|different numbers|inconsistent shapes"
    with pytest.raises(ValueError, match=f"{own_words}|Labels in y are of another kind(?s:.*){difference}"):
        mlp.score(X, other)
    assert all(vars(mlp)[name] is value for name, value in before.items())
    assert (parameters(mlp) == weights).all()


@pytest.mark.parametrize("kind", ["strings for numbers", "numbers for strings"])
def test_classes_of_another_kind_are_refused(kind: str) -> None:
    learnt, other, difference = KINDS[kind]
    mlp = MLPClassifier(**SETTINGS)
    with pytest.raises(ValueError, match=rf"`y` has classes not in `self\.classes_`(?s:.*); expected {difference}"):
        mlp.partial_fit(X, other, classes=np.unique(learnt))
    assert not hasattr(mlp, "classes_")
    mlp.partial_fit(X, learnt, classes=np.unique(learnt))
    with pytest.raises(ValueError, match=r"is not the same as on last call to partial_fit, was: array\("):
        mlp.partial_fit(X, learnt, classes=np.unique(other))


def test_the_columns_of_multilabel_are_numbered() -> None:
    with pytest.raises(ValueError, match="expected 3 columns of strings, got 3 columns of numbers"):
        MLPClassifier(**SETTINGS).partial_fit(X, COLUMNS, classes=["0", "1", "2"])


@pytest.mark.parametrize("labels", [["a", 1], [1, "a"], ["a", None], [1, 2], [b"a", b"b"]])
def test_object_arrays_hold_strings_only(labels: list[Any]) -> None:
    objects = np.array(labels * 30, dtype=object)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=r"Unknown label type: expected y with strings only.* at row [01]\b"):
            getattr(MLPClassifier(**SETTINGS).fit(X, MANY.astype(str)), method)(X, objects)
    with pytest.raises(ValueError, match=r"Unknown label type: expected y_val with strings only.* at row [01]\b"):
        MLPClassifier(**SETTINGS).fit(X, MANY.astype(str), X_val=X, y_val=objects)


def test_classes_are_of_one_kind() -> None:
    with pytest.raises(ValueError, match="Mix of label input types"):
        MLPClassifier(**SETTINGS).partial_fit(X, MANY % 2, classes=[0, "a"])


@pytest.mark.parametrize("learnt", [bool, int, float])
@pytest.mark.parametrize("other", [bool, int, float, np.uint8])
def test_equal_numbers_are_the_same_label(learnt: Any, other: Any) -> None:
    """As in scikit-learn: True == 1 == 1.0."""
    y = MANY % 2
    mlp = MLPClassifier(**SETTINGS).fit(X, y.astype(learnt), X_val=X, y_val=y.astype(other))
    assert mlp.validation_scores_[-1] == pytest.approx(mlp.score(X, y.astype(other)))
    same = MLPClassifier(**SETTINGS).fit(X, y.astype(learnt))
    assert (parameters(mlp.partial_fit(X, y.astype(other))) == parameters(same.partial_fit(X, y.astype(learnt)))).all()
    mlp.set_params(warm_start=True).fit(X, y.astype(other))


# --- one class ---


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("label", [0, 1, 7, True, "only"])
def test_one_class_is_certain(label: Any, solver: str) -> None:
    y = np.full(60, label)
    mlp = MLPClassifier(**SETTINGS, solver=solver).fit(X, y)
    assert mlp.classes_.tolist() == [label]
    probabilities = mlp.predict_proba(X)
    assert probabilities.shape == (60, 1)
    assert (probabilities == 1.0).all()
    assert (mlp.predict_log_proba(X) == np.zeros((60, 1))).all()
    assert (mlp.predict(X) == y).all()
    assert mlp.score(X, y) == 1.0
    assert MLPClassifier(**SETTINGS, dtype="float32").fit(X, y).predict_proba(X).dtype == np.float32


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_validation_scores_of_one_class(solver: str) -> None:
    y = np.full(60, "only")
    settings = SETTINGS | {"solver": solver, "early_stopping": True, "max_iter": 30, "random_state": 3}
    mlp = MLPClassifier(**settings).fit(X, y)
    theirs = sklearn.neural_network.MLPClassifier(**settings).fit(X, MANY * 0)
    assert mlp.validation_scores_ == theirs.validation_scores_ == [1.0] * mlp.n_iter_
    assert mlp.stopped_early_
    for given, theirs_given in zip(mlp.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(given, theirs_given, rtol=1e-9)
    own = MLPClassifier(**settings).fit(X, y, X_val=X[:10], y_val=y[:10], sample_weight_val=np.arange(10))
    assert own.best_validation_score_ == own.score(X, y) == 1.0
    with pytest.raises(ValueError, match="y_val has classes that y has not"):
        MLPClassifier(**settings).fit(X, y, X_val=X, y_val=np.full(60, "other"))


def test_one_class_may_go_on() -> None:
    y = np.full(60, 3)
    mlp = MLPClassifier(**SETTINGS, warm_start=True).fit(X, y).fit(X, y)
    assert len(mlp.loss_curve_) == 6
    assert mlp.partial_fit(X, y).predict_proba(X).tolist() == [[1.0]] * 60
    first = MLPClassifier(**SETTINGS).partial_fit(X, y, classes=[3]).partial_fit(X, y)
    assert first.predict_proba(X).shape == (60, 1)
    balanced = MLPClassifier(**SETTINGS, class_weight="balanced", early_stopping=True).fit(X, y, sample_weight=y)
    assert balanced.validation_scores_ == [1.0] * 3
    of_two = MLPClassifier(**SETTINGS).partial_fit(X, y, classes=[3, 4])  # the other may come later
    assert of_two.predict_proba(X).shape == (60, 2)


@pytest.mark.filterwarnings("ignore:Number of classes in training fold:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
def test_folds_of_one_class() -> None:
    y = np.r_[np.zeros(30), 1, np.zeros(29)].astype(int)
    folds = [(np.arange(30, 60), np.arange(30)), (np.arange(30), np.arange(30, 60))]  # one of them has no 1 to learn
    probabilities = cross_val_predict(MLPClassifier(**SETTINGS), X, y, cv=folds, method="predict_proba")
    assert probabilities[30:].tolist() == [[1.0, 0.0]] * 30
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_constant_columns_of_multilabel_are_no_single_class() -> None:
    y = np.c_[np.zeros(60, int), np.ones(60, int)]
    mlp = MLPClassifier(**SETTINGS | {"max_iter": 100, "learning_rate_init": 0.05}).fit(X, y, X_val=X, y_val=y)
    probabilities = mlp.predict_proba(X)
    assert probabilities.shape == (60, 2)
    assert (probabilities[:, 0] < 0.5).all()
    assert (probabilities[:, 1] > 0.5).all()
    assert mlp.validation_scores_[-1] == mlp.score(X, y) == 1.0
