"""Tables of all libraries are read alike: strings by their levels, dates of any zone, and rows that errors name."""

import ctypes
import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mlpfast.tabular import TableEncoder

STRINGS = ["b", None, "a", "c", "b", "d", None]
UTC = [datetime.datetime(2020, 3, day, 12, tzinfo=datetime.timezone.utc) for day in (1, 2, 28, 29, 30, 31, 31)]


def polars_in_berlin():
    naive = pl.Series([time.replace(tzinfo=None) for time in UTC])
    return naive.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")


TABLES = {
    "pandas": lambda: pd.DataFrame({"s": STRINGS, "t": pd.Series(UTC).dt.tz_convert("Europe/Berlin")}),
    "pandas objects": lambda: pd.DataFrame({"s": np.array(STRINGS, dtype=object), "t": np.array(UTC, dtype=object)}),
    "pandas NaN": lambda: pd.DataFrame({"s": pd.Series([s or np.nan for s in STRINGS], dtype=object), "t": UTC}),
    "pandas string": lambda: pd.DataFrame({"s": pd.array(STRINGS, dtype="string"), "t": UTC}),
    "pandas categorical": lambda: pd.DataFrame({"s": pd.Categorical(STRINGS, [*"zdcba"]), "t": UTC}),
    "polars": lambda: pl.DataFrame({"s": STRINGS, "t": polars_in_berlin()}),
    "polars categorical": lambda: pl.DataFrame({"s": pl.Series(STRINGS, dtype=pl.Categorical), "t": UTC}),
    "polars enum": lambda: pl.DataFrame({"s": pl.Series(STRINGS, dtype=pl.Enum([*"zdcba"])), "t": UTC}),
    "rows": lambda: list(zip(STRINGS, UTC, strict=True)),
}


def table_of(library):
    if library != "arrow":
        return TABLES[library]()
    pa = pytest.importorskip("pyarrow")
    half = pa.table({"s": STRINGS[:4], "t": UTC[:4]}), pa.table({"s": STRINGS[4:], "t": UTC[4:]})
    return pa.concat_tables(half)


@pytest.mark.parametrize("library", [*TABLES, "arrow"])
def test_strings_and_dates_of_each_library(library):
    table = table_of(library)
    encoder = TableEncoder().fit(table)
    strings, times = encoder.columns_
    assert strings.levels == ("a", "b", "c", "d") and strings.missing == 2 and times.kind == "date"
    assert times.centre == UTC[3].timestamp()
    expected = TableEncoder().fit_transform(list(zip(STRINGS, UTC, strict=True)))
    got = encoder.transform(table)
    np.testing.assert_array_equal(got, expected)
    assert got[:, 0].tolist() == [2, 0, 1, 3, 2, 4, 0]


def test_many_strings_of_which_some_are_new():
    rng = np.random.default_rng(0)
    levels = np.array([f"level {i}" for i in range(2_000)], dtype=object)
    train, later = rng.choice(levels[:1_500], 20_000), rng.choice(levels, 20_000)
    encoder = TableEncoder().fit(pd.DataFrame({"s": train}))
    known = {level: code for code, level in enumerate(sorted(set(train)), start=1)}
    got = encoder.transform(pd.DataFrame({"s": later}))[:, 0]
    np.testing.assert_array_equal(got, [known.get(value, 0) for value in later])


def test_objects_that_nobody_has_set_are_missing():
    """Arrays made in C may hold NULL, which NumPy shows as None; what comes after it is read as before."""
    strings = [f"level {i}" * (1 + i % 60) for i in range(20_000)]
    string = next(s for s in strings if (id(s) >> 4) % 256 == 0)  # whose place in the cache is that of NULL
    column = np.array([string, string, None, string, string], dtype=object)
    ctypes.c_size_t.from_address(column.ctypes.data + 2 * column.itemsize).value = 0
    codes = TableEncoder().fit_transform(column[:, None])[:, 0]
    np.testing.assert_array_equal(codes == codes[0], [True, True, False, True, True])


def test_categories_that_are_numbers():
    X = pd.DataFrame({"c": pd.Categorical([30, 10, None, 20], [10, 20, 30, 40])})
    encoder = TableEncoder().fit(X)
    assert encoder.columns_["c"].levels == (10.0, 20.0, 30.0)
    assert encoder.transform(X)[:, 0].tolist() == [3, 1, 0, 2]


def test_a_category_of_another_kind_is_named_by_its_row():
    X = pd.DataFrame({"c": pd.Categorical(["a", "a", "b", 7])})
    with pytest.raises(TypeError, match=r"'c' of X, got strings \(row 0\) and numbers \(row 3\)"):
        TableEncoder().fit(X)


@pytest.mark.parametrize("X", [lambda: iter([[1]]), iter([[1]]), {1, 2}, "table.csv"])
def test_what_is_no_table_is_named(X):
    with pytest.raises(TypeError, match=f"expected X to be a table, or a sequence of rows, got {type(X).__name__}$"):
        TableEncoder().fit(X)


MASKED = [[1], [2], [99]], [["a"], ["b"], ["c"]], [[True], [False], [True]], [["2020"], ["2021"], ["9999"]]


@pytest.mark.parametrize("values", [*map(np.array, MASKED), np.array(MASKED[3], dtype="datetime64[s]")])
def test_what_is_masked_is_missing(values):
    given, mask = np.ma.masked_array(values, mask=[[0], [0], [1]]), values.astype(object)
    mask[2, 0] = None
    np.testing.assert_array_equal(TableEncoder().fit_transform(given), TableEncoder().fit_transform(mask))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_is_an_array():
    X = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(TableEncoder().fit_transform(np.matrix(X)), TableEncoder().fit_transform(X))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "D"])
def test_dates_that_nanoseconds_cannot_hold(unit):
    days = ["1600-01-01", "2020-01-01", "9999-12-31", "NaT"]
    X = np.array(days, dtype=f"datetime64[{unit}]")[:, None]
    encoder = TableEncoder().fit(X)
    got = encoder.transform(X)
    assert got[0, 0] < got[1, 0] < got[2, 0] and got[3].tolist() == [0, 1]
    objects = [[datetime.date.fromisoformat(day)] for day in days[:3]]
    np.testing.assert_allclose(encoder.transform(objects), got[:3], atol=1e-6)
    if unit != "D":
        np.testing.assert_array_equal(TableEncoder().fit_transform(pd.DataFrame({"t": X[:, 0]})), got)
    for row, numbers in zip(X, got, strict=True):
        np.testing.assert_allclose(encoder.transform_one(row)[0], numbers, atol=1e-6)


def test_intervals_are_strings_and_periods_dates():
    cut = pd.cut([1, 4, 7, 20, np.nan], [0, 3, 5, 10, 30])
    X = pd.DataFrame({"cut": cut, "month": pd.period_range("2020", periods=5, freq="M")})
    encoder = TableEncoder().fit(X)
    assert [(plan.kind, plan.missing) for plan in encoder.columns_] == [("string", 1), ("date", 0)]
    assert encoder.columns_["cut"].levels == ("(0, 3]", "(10, 30]", "(3, 5]", "(5, 10]")
    starts = X.assign(month=X["month"].dt.to_timestamp())
    np.testing.assert_array_equal(encoder.transform(starts), encoder.transform(X))
    np.testing.assert_array_equal(encoder.transform_one(dict(X.iloc[1])), encoder.transform(X)[1:2])


def test_signalling_decimals_are_missing():
    got = TableEncoder().fit_transform([[decimal.Decimal("sNaN")], [decimal.Decimal(1)], [decimal.Decimal(3)]])
    assert got[:, 1].tolist() == [1, 0, 0]


@pytest.mark.parametrize("values", [[3, None, 5, 7], ["c", None, "e", "g"]])
def test_dictionaries_of_arrow_are_categorical_in_pandas_too(values):
    pa = pytest.importorskip("pyarrow")
    column = pa.array(values).dictionary_encode()
    X = pd.DataFrame({"d": pd.Series(column, dtype=pd.ArrowDtype(column.type))})
    for table in (X, pa.table({"d": column})):
        encoder = TableEncoder().fit(table)
        assert encoder.columns_["d"].encoding == "category"
        np.testing.assert_array_equal(encoder.transform(table)[:, 0], [1, 0, 2, 3])


def test_batches_of_arrow_and_its_dates_in_pandas():
    pa = pytest.importorskip("pyarrow")
    batch = pa.RecordBatch.from_pydict({"s": ["a", None, "b", "c"], "n": [1, 2, None, 3]})
    table = pa.Table.from_batches([batch])
    np.testing.assert_array_equal(TableEncoder().fit_transform(batch), TableEncoder().fit_transform(table))
    days = [datetime.date(2020, 1, 1), None, datetime.date(9999, 1, 1)]
    for unit in (pa.date32(), pa.date64()):
        X = pd.DataFrame({"d": pd.array(days, dtype=pd.ArrowDtype(unit))})
        np.testing.assert_array_equal(
            TableEncoder().fit_transform(X), TableEncoder().fit_transform([[d] for d in days])
        )


def test_integers_of_arrow_that_no_float_holds():
    pa = pytest.importorskip("pyarrow")
    values = [2**60 + 1, None, 5, -(2**61)]
    got = TableEncoder().fit_transform(pa.table({"n": pa.array(values, pa.int64())}))
    np.testing.assert_array_equal(got, TableEncoder().fit_transform([[value] for value in values]))


@pytest.mark.parametrize("dtype", ["str", "string[python]", "string[pyarrow]", "category", object])
def test_strings_are_the_same_whatever_holds_them(dtype):
    if "pyarrow" in str(dtype):
        pytest.importorskip("pyarrow")
    values = pd.Series(["b", "a", None, "c", "a"] * 3, dtype=object)
    column = TableEncoder().fit(pd.DataFrame({"c": values})).transform(pd.DataFrame({"c": values.astype(dtype)}))
    assert column[:, 0].tolist() == [2, 1, 0, 3, 1] * 3
    nothing = pd.Series([None] * 4, dtype=dtype)
    assert TableEncoder().fit(pd.DataFrame({"c": nothing, "x": 1.0})).columns_[0].kind == "missing"
