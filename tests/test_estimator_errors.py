"""Errors of the estimators say what was wrong, where, and what to do; scikit-learn's own words stay in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

pytest.importorskip("sklearn")

import sklearn.neural_network

import mlpfast
from mlpfast import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:overflow encountered in cast"),  # scikit-learn's, on the way to its error
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
Y = np.where(X[:, 0] > 0, 1.0, 0.0)
ESTIMATORS = [MLPClassifier, MLPRegressor]


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"age": X[:, 0], "height": X[:, 1]} | columns)


def with_cell(value: Any, row: int = 4, column: int = 1) -> np.ndarray:
    cells = X.astype(object)
    cells[row, column] = value
    return cells


def text(n: int = 30) -> list[str]:
    return ["red", "blue"] * (n // 2)


def error_of(action: Any) -> Exception:
    with pytest.raises((TypeError, ValueError)) as caught:
        action()
    return caught.value


BAD_FEATURES = {
    "text": (frame(colour=text()), "Column 'colour' of X holds text, 'red' in row 0: encode it first", "OneHotEncoder"),
    "two columns": (
        frame(colour=text(), kind=text()),
        "Columns 'colour', 'kind' of X hold text, the first 'red' in row 0",
        "OrdinalEncoder",
    ),
    "categories": (frame(colour=pd.Categorical(text())), "Column 'colour' of X holds text, 'red' in row 0", "Encoder"),
    "string dtype": (frame(colour=pd.array(text(), dtype="string")), "Column 'colour' of X holds text", "Encoder"),
    "pandas NA": (
        frame(income=pd.Series([1.5, pd.NA] * 15, dtype=object)),
        "Column 'income' of X holds a missing value, <NA> in row 1",
        "SimpleImputer",
    ),
    "nullable integers": (
        frame(income=pd.array([1, 2, pd.NA] * 10, dtype="Int64")),
        "Column 'income' of X holds a missing value, ",
        "SimpleImputer",
    ),
    "NaN": (frame(income=[1.0, 2.0, np.nan] * 10), "Column 'income' of X holds a missing value", "SimpleImputer"),
    "dates": (
        frame(born=pd.date_range("2020-01-01", periods=30)),
        "Column 'born' of X holds something else than numbers",
        "make numbers of it first",
    ),
    "polars text": (
        pl.DataFrame({"age": X[:, 0], "colour": text()}),
        "Column 'colour' of X holds text, 'red' in row 0",
        "Encoder",
    ),
    "same names": (
        pd.DataFrame([["red", 1.0]] * 30, columns=["a", "a"]),
        "Column 'a' of X holds text, 'red' in row 0",
        "Encoder",
    ),
    "array of objects": (with_cell("red"), "Column 1 of X holds text, 'red' in row 4", "Encoder"),
    "None": (with_cell(None), "Column 1 of X holds a missing value, None in row 4", "SimpleImputer"),
    "list": (with_cell("red").tolist(), "Column 1 of X holds text, 'red' in row 4", "Encoder"),
    "infinity": (with_cell(np.inf).astype(float), "Column 1 of X holds a number that is too large", "drop the row"),
}


@pytest.mark.parametrize("MLP", ESTIMATORS)
@pytest.mark.parametrize("case", BAD_FEATURES)
def test_the_column_and_row_of_a_bad_cell_are_named(MLP: Any, case: str) -> None:
    features, where, advice = BAD_FEATURES[case]
    error = error_of(lambda: MLP().fit(features, Y))
    theirs = error_of(lambda: getattr(sklearn.neural_network, MLP.__name__)().fit(features, Y))
    assert str(error).startswith(str(theirs))
    assert isinstance(error, TypeError) == isinstance(theirs, TypeError)
    assert where in str(error)
    assert advice in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("MLP", ESTIMATORS)
def test_bad_cells_are_named_wherever_features_go(MLP: Any) -> None:
    mlp = MLP(max_iter=2).fit(X, Y)
    for bad in (with_cell("red"), with_cell(np.nan).astype(float)):
        assert "Column 1 of X holds" in str(error_of(lambda bad=bad: mlp.predict(bad)))
        assert "Column 1 of X holds" in str(error_of(lambda bad=bad: mlp.partial_fit(bad, Y)))
        assert "Column 1 of X_val holds" in str(error_of(lambda bad=bad: mlp.fit(X, Y, X_val=bad, y_val=Y)))


def test_a_number_beyond_float32_is_named() -> None:
    error = error_of(lambda: MLPRegressor(dtype="float32").fit(with_cell(1e39).astype(float), Y))
    assert "Column 1 of X holds a number that is too large, " in str(error)


@pytest.mark.parametrize(
    ("MLP", "targets", "where"),
    [
        (MLPRegressor, text(), "y holds text, 'red' in row 0: MLPClassifier takes labels"),
        (MLPRegressor, pd.Series([1.0, pd.NA] * 15, dtype=object), "y holds a missing value, <NA> in row 1: drop"),
        (MLPRegressor, [1.0, np.nan] * 15, "y holds a missing value, "),
        (MLPRegressor, pd.DataFrame({"a": Y, "b": [1.0, np.nan] * 15}), "Column 'b' of y holds a missing value, "),
        (MLPClassifier, pd.Series(["a", pd.NA] * 15, dtype="string"), "y holds a missing value, <NA> in row 1"),
        (MLPClassifier, np.array(["a", None] * 15, dtype=object), "y holds a missing value, None in row 1"),
        (MLPClassifier, [1.0, np.nan] * 15, "y holds a missing value, "),
    ],
)
def test_the_row_of_a_bad_target_is_named(MLP: Any, targets: Any, where: str) -> None:
    assert where in str(error_of(lambda: MLP().fit(X, targets)))


def test_other_errors_stay_as_they_are() -> None:
    ragged: list[list[float]] = [[1.0], [1.0, 2.0]]
    for action in (
        lambda: MLPRegressor().fit(X[:, 0], Y),
        lambda: MLPRegressor().fit(X, Y[:7]),
        lambda: MLPClassifier().fit(X, X[:, 0]),
        lambda: MLPClassifier().fit(ragged, [0, 1]),
        lambda: MLPRegressor().fit(X * 1j, Y),
    ):
        assert "\nColumn" not in str(error_of(action))


# --- numbers that the network's dtype cannot hold ---


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("columns", [1, 2])
def test_targets_beyond_float32_are_named(solver: str, columns: int) -> None:
    targets = np.ones((30, columns))
    targets[7, -1] = -1e39
    place = "row 7" if columns == 1 else "row 7, column 1"
    mlp = MLPRegressor(solver=solver, dtype="float32")
    with pytest.raises(
        ValueError, match=rf"finite values in y, got -1e\+39, too large for float32, at {place} .*float64"
    ):
        mlp.fit(X, targets.squeeze())
    assert not hasattr(mlp, "model_")


def test_validation_data_and_later_calls_beyond_float32_change_nothing() -> None:
    mlp = MLPRegressor(max_iter=3, random_state=0).fit(X.astype(np.float32), Y)
    before = mlp.model_.parameters.copy(), mlp.n_iter_
    large_X, large_Y = X.copy(), Y.copy()
    large_X[7, 1] = large_Y[7] = 1e39
    with pytest.raises(ValueError, match="in X_val, got 1e\\+39, too large for float32, at row 7, column 1"):
        mlp.partial_fit(X, Y, X_val=large_X, y_val=Y)
    with pytest.raises(ValueError, match="in y_val, got 1e\\+39, too large for float32, at row 7"):
        mlp.partial_fit(X, Y, X_val=X, y_val=large_Y)
    with pytest.raises(ValueError, match="in X, got 1e\\+39, too large for float32, at row 7, column 1"):
        mlp.partial_fit(large_X, Y)
    assert (mlp.model_.parameters == before[0]).all()
    assert mlp.n_iter_ == before[1]


def test_targets_within_float32_are_taken() -> None:
    assert np.isfinite(MLPRegressor(dtype="float32", max_iter=2).fit(X, Y * 1e10).loss_)


# --- hyperparameters and labels ---


@pytest.mark.parametrize("MLP", ESTIMATORS)
def test_hidden_layer_sizes_of_no_dimension(MLP: Any) -> None:
    with pytest.raises(ValueError, match=r"hidden_layer_sizes .* 0-dimensional array\(5\); write 5 or \(5,\)"):
        MLP(hidden_layer_sizes=np.array(5)).fit(X, Y)
    assert MLP(hidden_layer_sizes=np.array([5, 4]), max_iter=1).fit(X, Y).model_.sizes[1:3] == (5, 4)
    assert MLP(hidden_layer_sizes=np.int32(5), max_iter=1).fit(X, Y).model_.sizes[1] == 5


@pytest.mark.parametrize("verbose", ["auto", None, 0.5, -1])
def test_verbose_is_a_number(verbose: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="verbose"):
        MLPRegressor(verbose=verbose).fit(X, Y)
    trainer = mlpfast.Trainer(mlpfast.mlp([3, 1]), loss="mse")
    with pytest.raises((TypeError, ValueError), match="expected verbose to be"):
        trainer.fit(X, Y, verbose=verbose)
    assert trainer.epochs == 0


@pytest.mark.parametrize("verbose", [False, 0, np.bool_(False), np.int64(0)])
def test_silence_has_several_names(verbose: Any, capsys: pytest.CaptureFixture[str]) -> None:
    mlpfast.Trainer(mlpfast.mlp([3, 1]), loss="mse").fit(X, Y, verbose=verbose)
    assert capsys.readouterr().err == ""


def test_partial_fit_of_some_classes_has_nothing_to_do_with_warm_starts() -> None:
    labels = np.arange(30) % 3
    few = labels < 2
    warm, cold = (MLPClassifier(5, random_state=0, warm_start=warm) for warm in (True, False))
    for mlp in (warm, cold):
        mlp.partial_fit(X[few], labels[few], classes=[0, 1, 2]).partial_fit(X, labels).partial_fit(X[few], labels[few])
    assert (warm.model_.parameters == cold.model_.parameters).all()
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        warm.fit(X[few], labels[few])
    with pytest.raises(ValueError, match="`y` has classes not in `self.classes_`"):
        warm.partial_fit(X, labels + 1)


@pytest.mark.parametrize("labels", [["no", "yes"], [3, 7], [False, True]])
def test_a_rare_class_is_called_by_its_name(labels: list[Any]) -> None:
    rare = np.array([labels[0]] * 29 + [labels[1]])
    meaning = f"True is class {labels[1]}, False is class {labels[0]}"
    with pytest.raises(ValueError, match="only 1 member") as caught:
        MLPClassifier(early_stopping=True).fit(X, rare)
    assert str(caught.value).endswith(f": {meaning}") == ("True" in str(caught.value))  # not all versions name classes


def test_validation_rows_are_those_that_booleans_give() -> None:
    settings = {"hidden_layer_sizes": 4, "early_stopping": True, "random_state": 0, "max_iter": 3}
    names = np.where(Y > 0, "yes", "no")
    ours = MLPClassifier(**settings).fit(X, names)
    # of the same rows: with names, some versions of scikit-learn raise
    theirs = sklearn.neural_network.MLPClassifier(**settings).fit(X, Y > 0)
    assert ours.validation_scores_ == pytest.approx(theirs.validation_scores_)
