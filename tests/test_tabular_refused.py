"""What fit refuses, by column and row; nothing is changed then."""

import datetime
import decimal
import inspect
import re
import warnings

import numpy as np
import pandas as pd
import pytest

from mlpfast import TabularClassifier, TabularRegressor, hints

N = 40
X = pd.DataFrame({"a": np.arange(N) / 7, "b": ["x", "y"] * 20})
LABELS, NUMBERS = np.where(np.arange(N) % 3 == 0, "p", "q"), np.arange(N) / 3


def put(values, row, value, dtype=object):
    changed = np.array(values, dtype=dtype)
    changed[row] = value
    return changed


TABLES = [
    ({"X": X[:0]}, "0 sample"),
    ({"X": X.to_dict("records")}, "got dicts; give a DataFrame"),
    ({"X": X.to_dict("list")}, "got dicts; give a DataFrame"),
    ({"X": X[[]]}, "0 feature"),
    ({"X": X[["a"]].assign(a=None)}, "none: all of them are missing"),
    ({"X": pd.concat([X, X[["a"]]], axis=1)}, "'a' for columns 0 and 2"),
    ({"X": X.assign(a=put(X["a"], 5, np.inf, float))}, r"'a' of X, got infinity \(inf\) in row 5"),
    ({"X": X.assign(a=put(X["a"], 5, "five"))}, r"'a' of X, got numbers \(row 0\) and strings \(row 5\)"),
    ({"X": X.assign(a=put(X["a"], 5, [1]))}, "'a' of X.*got list in row 5"),
    ({"X_val": X.assign(b=1), "y_val": None}, "'b' of X_val, as in training, got numbers"),
    ({"X_val": X[["a"]], "y_val": None}, "X_val has missing columns: 'b'"),
    ({"X_val": X.assign(a=np.inf), "y_val": None}, "'a' of X_val, got infinity .* row 0"),
    ({"X_val": X[:3], "y_val": None}, "X_val has 3, y_val has 40"),
    ({"sample_weight": np.ones(3)}, r"sample_weight.shape == \(3,\), expected \(40,\)"),
    ({"sample_weight": put(np.ones(N), 6, -2.0, float)}, "sample_weight, got -2 in row 6"),
    ({"sample_weight": put(np.ones(N), 6, np.nan, float)}, "sample_weight, got nan in row 6"),
    ({"sample_weight": put(np.ones(N), 6, "heavy")}, "expected numbers in sample_weight, got 'heavy' in row 6"),
    ({"sample_weight": ["1"] * N}, "expected numbers in sample_weight, got '1' in row 0"),
    ({"sample_weight": put(np.ones(N), 6, None)}, "expected numbers in sample_weight, got None in row 6"),
    ({"sample_weight": pd.date_range("2020", periods=N)}, "expected numbers in sample_weight, got '2020-"),
    ({"sample_weight": "a"}, "expected numbers in sample_weight, got 'a'$"),
    ({"sample_weight": np.ma.masked_equal(np.arange(N), 4)}, "sample_weight, got nan in row 4"),
    ({"sample_weight": [[1, 2], *[[1]] * (N - 1)]}, "the rows of sample_weight to have one length"),
]


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize(("change", "words"), TABLES)
def test_tables_and_weights(kind, change, words):
    y = LABELS if kind is TabularClassifier else NUMBERS
    refused(kind, y, {name: y if name == "y_val" else value for name, value in change.items()}, words)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (["p"] * N, "two classes in y, got 1 class: 'p'"),
        (["p" * 99] * N, "got 1 class: '" + "p" * 59 + "$"),
        (np.array([f"class {i}" for i in range(N)]), "two rows of some class.*40 rows of 40 classes"),
        (put(put(LABELS, 3, None), 9, np.nan), r"missing values in y, got 2 \(NaN or None\), the first one in row 3"),
        (put(LABELS, 4, 1.5), r"strings \(row 0\) and others \(row 4\)"),
        (put(NUMBERS, 4, np.inf, float), "infinity in row 4"),
        (["p", np.nan] * 20, r"missing values in y, got 20 \(NaN or None\), the first one in row 1"),
        ([1, "p"] * 20, r"strings \(row 1\) and others \(row 0\)"),
        (put(LABELS == "p", 4, decimal.Decimal), "numbers, booleans or dates in y, of one kind, got type in row 4"),
        (put([datetime.date(2020, 1, 1)] * N, 4, 1), "of one kind, got int in row 4"),
        (np.arange(N) % 2 * np.timedelta64(1, "D"), "got durations"),
        (NUMBERS, "Unknown label type: continuous. Expected classes in y, got 0.333333 in row 1"),
        (np.stack([LABELS, LABELS], axis=1), r"expected 0 and 1 \(of several labels\) in y, got 'p' in row 0"),
        ([["p"], *[["p", "q"]] * (N - 1)], "expected the rows of y to have one length"),
        (LABELS[:5], "X has 40, y has 5"),
    ],
)
def test_labels(y, words):
    refused(TabularClassifier, LABELS, {"y": y}, words)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (put(put(NUMBERS, 3, np.nan, float), 8, np.nan, float), "missing values in y, got 2 .* row 3"),
        (put(NUMBERS, 8, None), "missing values in y, got 1 .* row 8"),
        (put(NUMBERS, 4, np.inf, float), "infinity .* row 4"),
        (put(NUMBERS, 4, "four"), "expected numbers in y, got 'four' in row 4"),
        (np.ma.masked_equal(np.arange(N), 8), "missing values in y, got 1 .* row 8"),
        ([[1.0], *[[1.0, 2.0]] * (N - 1)], "expected the rows of y to have one length"),
        (NUMBERS[:5], "X has 40, y has 5"),
        (np.zeros((N, 2, 2)), r"got \(40, 2, 2\)"),
        (np.zeros((N, 0)), r"got \(40, 0\)"),
        (pd.date_range("2020", periods=N), "expected numbers in y, got dates"),
        (np.arange(N).astype("timedelta64[D]"), "expected numbers in y, got durations"),
    ],
)
def test_numbers(y, words):
    refused(TabularRegressor, NUMBERS, {"y": y}, words)


def test_numbers_that_hardly_are_classes_are_asked_about():
    y = np.arange(N) // 2 * 2 - (np.arange(N) == 3)
    with pytest.warns(UserWarning, match="y has 21 different numbers in 40 rows; if these are not classes") as heard:
        TabularClassifier(epochs=1).fit(X, y)
    assert heard[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TabularClassifier(epochs=1).fit(X, [f"class {label}" for label in y])


@pytest.mark.parametrize("loss", ["poisson", "tweedie"])
@pytest.mark.parametrize(("y", "where"), [(np.zeros(N), ""), (np.r_[np.zeros(N - 4), 1, 0, 2, 3], "to train on ")])
def test_zeros_only(loss, y, where):
    words = f"a number > 0 {where}for loss '{loss}', got zeros only"
    refused(TabularRegressor, NUMBERS, {"y": y}, words, validation="time", loss=loss)


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ("equal", "class_weight to be 'balanced', a dict or None, got 'equal'"),
        ([1, 2], "class_weight to be 'balanced'"),
        ({"p": -1, "q": 1}, r"class_weight\['p'\] to be .*, got -1"),
        ({"p": 1, "q": np.nan}, r"class_weight\['q'\] to be .*, got nan"),
        ({"p": "1", "q": 1}, r"class_weight\['p'\] to be a number"),
    ],
)
def test_class_weights(class_weight, words):
    refused(TabularClassifier, LABELS, {}, words, class_weight=class_weight)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (np.zeros(N), "at least two groups, got 1"),
        (np.zeros(3), "shape"),
        (put(NUMBERS, 7, None), "missing values in groups, got 1, the first one in row 7"),
        (put(NUMBERS, 7, "a"), "groups of one kind"),
        (["a", "b", np.nan, "c"] * 10, "missing values in groups, got 10, the first one in row 2"),
        (["a", "b", 3, "c"] * 10, "groups of one kind"),
        (np.ma.masked_equal(np.arange(N), 5), "missing values in groups, got 1, the first one in row 5"),
        (None, "expected groups with"),
    ],
)
def test_groups(groups, words):
    refused(TabularRegressor, NUMBERS, {"groups": groups}, words, validation="group")


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, r"expected a number of eval_metric 'strange', got NaN \(epoch 1\)"),
        ("good", "metric 'strange': expected a number, got str"),
        (None, "metric 'strange': expected a number, got NoneType"),
        (np.ones(8), r"metric 'strange': expected a number, got ndarray of shape \(8,\)"),
    ],
)
def test_a_metric_that_gives_no_number(kind, value, words):
    def strange(y, found):
        return value

    refused(kind, LABELS if kind is TabularClassifier else NUMBERS, {}, words, eval_metric=strange)


def test_a_metric_that_raises_is_named():
    with pytest.raises(ZeroDivisionError) as info:
        TabularRegressor(epochs=1, eval_metric=lambda y, found: 1 / 0).fit(X, NUMBERS)
    assert info.value.__notes__ == ["mlpfast: raised by metric '<lambda>'"]


@pytest.mark.parametrize("metric", ["Auc", ["auc"], 3])
def test_a_metric_that_is_none(metric):
    refused(TabularClassifier, LABELS, {}, "expected .*one of accuracy, auc", eval_metric=metric)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": ["fast"]}, "expected preset to be one of best"),
        ({"validation": "kfold"}, "'group', 'time' or a fraction, got 'kfold'"),
        ({"validation": None}, "'group', 'time' or a fraction, got None"),
        ({"validation": 1.0}, "expected validation to be > 0 and < 1"),
        ({"warm_start": "yes"}, "expected warm_start to be True or False"),
        ({"verbose": "x", "n_ensemble": 2}, "expected verbose to be an integer"),
        ({"loss": "cross_entropy"}, "unknown loss 'cross_entropy'; expected one of absolute_error"),
    ],
)
@pytest.mark.parametrize("change", [{}, {"X_val": X, "y_val": NUMBERS}])
def test_settings(change, settings, words):
    refused(TabularRegressor, NUMBERS, change, words, **settings)


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        ({"X_val": X[:8], "y_val": ["p"] * 8}, {}),
        ({"y": put(np.repeat("p", N), 3, "q")}, {}),
        ({"y": put(np.repeat("p", N), [3, 4], "q")}, {"n_ensemble": 3}),
    ],
)
def test_an_auc_without_rows_of_a_class(change, settings):
    model = TabularClassifier(epochs=1, eval_metric="auc", random_state=0, **settings)
    with pytest.raises(ValueError, match="among those held out, for eval_metric='auc', got none of 'q' in .* rows"):
        model.fit(**{"X": X, "y": LABELS} | change)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize("table", [hints.TABULAR_ARGUMENTS, hints.TABULAR_FIT_ARGUMENTS])
def test_arguments_of_other_libraries(kind, table):
    function = kind if table is hints.TABULAR_ARGUMENTS else kind().fit
    for name, hint in table.items():
        assert name not in inspect.signature(function).parameters
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'; {re.escape(hint)}$"):
            function(**{name: 1})


def refused(kind, y, change, words, **settings):
    model = kind(epochs=1, random_state=0).fit(X, y)
    model.set_params(**settings)
    before, state = dict(vars(model)), model.model_.state.copy()
    with pytest.raises((ValueError, TypeError), match=words):
        model.fit(**{"X": X, "y": y} | change)
    assert vars(model) == before
    np.testing.assert_array_equal(model.model_.state, state)
