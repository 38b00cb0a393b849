"""Tables of all libraries are read alike: strings by their levels, dates of any zone, and rows that errors name."""

import datetime

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


def test_categories_that_are_numbers():
    X = pd.DataFrame({"c": pd.Categorical([30, 10, None, 20], [10, 20, 30, 40])})
    encoder = TableEncoder().fit(X)
    assert encoder.columns_["c"].levels == (10.0, 20.0, 30.0)
    assert encoder.transform(X)[:, 0].tolist() == [3, 1, 0, 2]


def test_a_category_of_another_kind_is_named_by_its_row():
    X = pd.DataFrame({"c": pd.Categorical(["a", "a", "b", 7])})
    with pytest.raises(TypeError, match=r"'c' of X, got strings \(row 0\) and numbers \(row 3\)"):
        TableEncoder().fit(X)
