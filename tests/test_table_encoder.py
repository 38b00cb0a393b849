"""TableEncoder: every kind of column, of every library, with and without missing values; what it refuses."""

import datetime
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlpfast.tabular import TableEncoder

DAYS = [datetime.datetime(2020, 1, day) for day in (1, 2, 4, 9, 10)]
#: (values, one that was not there, kind, encoding)
KINDS = {
    "float": ([1.5, 2.0, -3.0, 8.0, 0.0], 9.0, "number", "number"),
    "int": ([1, 2, 3, 5, 8], 13, "number", "number"),
    "bool": ([True, False, True, True, False], True, "boolean", "binary"),
    "string": (["b", "a", "c", "a", "d"], "new", "string", "category"),
    "two": (["b", "a", "b", "a", "b"], "new", "string", "binary"),
    "date": (DAYS, datetime.datetime(2021, 1, 1), "date", "number"),
    "duration": ([day - DAYS[0] for day in DAYS], datetime.timedelta(seconds=5), "duration", "number"),
    "constant": ([7.0] * 5, 8.0, "number", "number"),
}


def with_missing(values):
    return [None if i == 1 else value for i, value in enumerate(values)]


def nullable(values):
    dtype = {float: "Float64", int: "Int64", bool: "boolean", str: "string"}.get(type(values[0]))
    if dtype is None:
        pytest.skip("pandas has no nullable dtype of this kind")
    return pd.DataFrame({"c": pd.array(values, dtype=dtype)})


LIBRARIES = {
    "pandas": lambda values: pd.DataFrame({"c": values}),
    "nullable": nullable,
    "pandas objects": lambda values: pd.DataFrame({"c": pd.Series(values, dtype=object)}),
    "pandas categorical": lambda values: pd.DataFrame({"c": pd.Categorical(values)}),
    "polars": lambda values: pl.DataFrame({"c": values}),
    "arrow": lambda values: pytest.importorskip("pyarrow").table({"c": values}),
    "objects": lambda values: np.array(values, dtype=object)[:, None],
    "rows": lambda values: [[value] for value in values],
}


def reference(numbers, missing):
    """Section 3 of RealMLP's paper, in NumPy."""
    x = np.array(numbers, dtype=float)
    known = np.delete(x, missing)
    low, centre, high = np.quantile(known, (0.25, 0.5, 0.75))
    width = high - low or (known.max() - known.min()) / 2
    z = (x - centre) / width if width else 0 * x
    z[missing] = 0
    return z / np.sqrt(1 + (z / 3) ** 2)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_column(kind, library, missing):
    values, new, name, encoding = KINDS[kind]
    given, make = (with_missing(values) if missing else values), LIBRARIES[library]
    table, categorical = make(given), library == "pandas categorical"
    encoder = TableEncoder().fit(table)
    plan, got = encoder.columns_[0], encoder.transform(table)
    assert plan.kind == name and plan.missing == int(missing)
    if not categorical:
        assert plan.encoding == encoding
    if plan.encoding == "category":
        levels = sorted({v for v in given if v is not None})
        expected = [[0 if v is None else levels.index(v) + 1] for v in given]
    else:
        levels = sorted(set(values))
        numbers = [levels.index(v) for v in values] if plan.levels or kind == "bool" else values
        if isinstance(numbers[0], datetime.datetime):
            numbers = [v.timestamp() for v in pd.to_datetime(numbers)]
        if isinstance(numbers[0], datetime.timedelta):
            numbers = [v.total_seconds() for v in numbers]
        if plan.levels and len(plan.levels) == 1:
            numbers = [0] * 5
        places = [1] if missing else []
        expected = np.stack([reference(numbers, places)] + [np.isin(range(5), places)] * missing, axis=1)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert len(encoder.get_feature_names_out()) == got.shape[1] and got.dtype == np.float32
    for value, row in zip(given, got, strict=True):
        np.testing.assert_array_equal(encoder.transform_one([value])[0], row)
    unseen = encoder.transform([[new]])
    assert np.isfinite(unseen).all()
    if plan.encoding == "category":
        assert unseen[0, 0] == 0
    empty = encoder.transform(pd.DataFrame({plan.name: [None]}) if hasattr(encoder, "feature_names_in_") else [[None]])
    assert empty[0, 0] == 0


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "float64", "bool", "datetime64[D]", "timedelta64[s]"])
def test_numpy_dtypes(dtype):
    X = np.arange(8).reshape(4, 2).astype(dtype)
    assert TableEncoder().fit_transform(X).shape == (4, 2)


def test_sparse_rows_are_as_dense_ones():
    X = np.random.default_rng(0).normal(size=(20, 5)) * (np.random.default_rng(1).random((20, 5)) < 0.3)
    np.testing.assert_array_equal(
        TableEncoder().fit_transform(scipy.sparse.csr_matrix(X)), TableEncoder().fit_transform(X)
    )


def test_arrow_tables():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"n": [1, None, 3], "s": ["a", "b", "c"], "d": DAYS[:3]})
    encoder = TableEncoder().fit(table)
    assert [plan.kind for plan in encoder.columns_] == ["number", "string", "date"]
    assert encoder.transform(table).shape == (3, 4)


def test_ten_thousand_levels_and_numbers_that_differ_much():
    levels = [f"level {i:05}" for i in range(10_000)]
    encoder = TableEncoder().fit(pd.DataFrame({"c": levels, "x": np.logspace(-300, 300, 10_000)}))
    got = encoder.transform(pd.DataFrame({"c": levels[::-1], "x": np.full(10_000, 1e308)}))
    np.testing.assert_array_equal(got[:, 0], np.arange(10_000, 0, -1))
    assert np.isfinite(got).all() and (got[:, 1] <= 3).all()


@pytest.mark.parametrize("chosen", [["b"], [1], [False, True]])
def test_categorical_features(chosen):
    table = pd.DataFrame({"a": [1, 2, 3], "b": [10, 20, 30]})
    encoder = TableEncoder(categorical_features=chosen).fit(table)
    assert [plan.encoding for plan in encoder.columns_] == ["number", "category"]
    assert encoder.columns_["b"].levels == (10.0, 20.0, 30.0)
    assert encoder.transform(table[["b", "a"]])[:, 1].tolist() == [1, 2, 3]


def test_a_column_without_values_is_ignored_and_said():
    encoder = TableEncoder().fit(pd.DataFrame({"a": [None, None], "b": [1, 2]}))
    assert "every value is missing" in str(encoder.columns_) and "<table>" in encoder.columns_._repr_html_()
    assert list(encoder.get_feature_names_out()) == ["b"]
    assert encoder.transform(pd.DataFrame({"a": ["now", "some"], "b": [1, 2]})).shape == (2, 1)


FITTED = pd.DataFrame({"n": [1.0, 2.0, 3.0], "s": ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (pd.DataFrame({"n": []}), ValueError, "0 sample"),
        (pd.DataFrame([[1, 2]], columns=["n", "n"]), ValueError, "'n' for columns 0 and 1"),
        (pd.DataFrame({"n": [1.0, np.inf]}), ValueError, "'n' of X, got infinity .* row 1"),
        (pd.DataFrame({"n": [1.0, "a"]}, dtype=object), TypeError, r"'n'.*numbers \(row 0\) and strings \(row 1\)"),
        (pd.DataFrame({"n": [1.0, [2]]}, dtype=object), TypeError, "'n'.*got list in row 1"),
        (pd.DataFrame({"n": [10**400, 1]}, dtype=object), ValueError, "'n'.*row 0"),
        (np.zeros(3), ValueError, "Reshape"),
        ([[1, 2], [3]], ValueError, "one length"),
        (None, ValueError, "None"),
        (pl.LazyFrame({"a": [1]}), TypeError, "collect"),
    ],
)
def test_refused_tables(table, error, words):
    encoder = TableEncoder().fit(FITTED)
    before = encoder.columns_
    with pytest.raises(error, match=words):
        encoder.fit(table)
    assert encoder.columns_ is before


def test_a_row_is_a_mapping_or_a_sequence():
    encoder = TableEncoder().fit(FITTED)
    turned = FITTED[list(FITTED)[::-1]]
    tuples = (next(table.itertuples(index=False)) for table in (FITTED, turned))
    for row in (FITTED.iloc[0], turned.iloc[0], FITTED.iloc[0].tolist(), *tuples):
        np.testing.assert_array_equal(encoder.transform_one(row), encoder.transform(FITTED[:1]))
    for row in (5, None, {1.0, "a"}, "ab", iter([1.0, "a"])):
        with pytest.raises(TypeError, match="expected a row, a mapping from names or a sequence of values, got"):
            encoder.transform_one(row)
    for table in (FITTED[:1], FITTED[:1].to_numpy(), pl.DataFrame({"n": [1.0]}), np.array(1.0)):
        with pytest.raises(TypeError, match="expected a row of one dimension, got .* of shape "):
            encoder.transform_one(table)
    with pytest.raises(ValueError, match="row has missing columns: 's'"):
        encoder.transform_one(FITTED.iloc[0][["n"]])


def test_names_differ():
    table = pd.DataFrame({"a": [1, None, 2.0], "a_rank": [1, 2, None], "a_missing": [1, 2, 3]})
    encoder = TableEncoder(views=True).set_output(transform="pandas")
    found = encoder.fit_transform(table)
    expected = ["a", "a_rank_", "a_missing_", "a_rank", "a_rank_rank", "a_rank_missing", "a_missing", "a_missing_rank"]
    assert list(found) == list(encoder.get_feature_names_out()) == expected
    with pytest.raises(TypeError, match="expected views to be True or False, got 'yes'"):
        TableEncoder(views="yes").fit(table)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (FITTED[["n"]], "missing columns: 's'"),
        (
            pd.concat([FITTED, pd.DataFrame(np.ones((3, 1001)), columns=["z" * 99, *map(str, range(1000))])], axis=1),
            "has columns that were not there in training: '" + "z" * 59 + ", '0', '1', '2', '3' and 996 more$",
        ),
        (FITTED.rename(columns={"s": "t"}), "missing columns: 's'; columns that were not there in training: 't'"),
        (FITTED.assign(s=[1, 2, 3]), "strings in column 's' of X, as in training, got numbers"),
        (FITTED.assign(n=["1", "2", "3"]), "numbers in column 'n'"),
        (FITTED.assign(u=0), "not there in training: 'u'"),
    ],
)
def test_other_columns_than_in_training(table, words):
    encoder = TableEncoder().fit(FITTED)
    with pytest.raises((ValueError, TypeError), match=words):
        encoder.transform(table)
    row = {name: values[0] for name, values in table.to_dict("list").items()}
    with pytest.raises((ValueError, TypeError), match=words.split(" of ")[0].replace("in column", "for column")):
        encoder.transform_one(row)


def test_json_and_pickle_and_clone():
    table = pd.DataFrame({"n": [1, None, 3], "s": ["ä", "\U0001f600", ""], "k": pd.Categorical([3, 4, 5])})
    encoder = TableEncoder().fit(table)
    again = TableEncoder.from_json(*encoder.to_json())
    for other in (again, pickle.loads(pickle.dumps(encoder))):
        np.testing.assert_array_equal(other.transform(table), encoder.transform(table))
        assert str(other.columns_) == str(encoder.columns_)
    large = TableEncoder().fit(np.random.default_rng(0).normal(size=(10_000, 3)))
    assert len(pickle.dumps(large)) < 2_000
    assert not hasattr(clone(encoder), "columns_")


CELLS = {
    "number": st.floats(allow_nan=True, allow_infinity=False),
    "whole": st.integers(-(2**70), 2**70),
    "boolean": st.booleans(),
    "string": st.text(max_size=5),
    "date": st.datetimes(),
}


@settings(max_examples=20)
@given(st.data())
def test_random_tables(data):
    rows = data.draw(st.integers(1, 8))
    kinds = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    columns = [data.draw(st.lists(st.none() | CELLS[kind], min_size=rows, max_size=rows)) for kind in kinds]
    table = [list(row) for row in zip(*columns, strict=True)]
    encoder = TableEncoder().fit(table)
    got = encoder.transform(table)
    assert np.isfinite(got).all() and got.shape == (rows, len(encoder.get_feature_names_out()))
    for row, numbers in zip(table, got, strict=True):
        np.testing.assert_array_equal(encoder.transform_one(row)[0], numbers)
    again = TableEncoder.from_json(*encoder.to_json())
    np.testing.assert_array_equal(again.transform(table), got)


@parametrize_with_checks([TableEncoder()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)
