"""Many rows of a table: the numbers of a single one, whatever the library, the block of rows, the number of threads."""

import enum

import numpy as np
import pandas as pd
import pytest

from mlpfast.tabular import TableEncoder, TabularRegressor


def made_table(n, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "number": rng.normal(5, 2, n),
            "tail": rng.standard_cauchy(n),
            "whole": rng.integers(0, 9, n),
            "flag": rng.random(n) < 0.3,
            "two": rng.choice(["yes", "no"], n),
            "few": rng.choice(list("abcd"), n),
            "many": rng.choice([f"level {i}" for i in range(300)], n),
            "code": pd.Categorical(rng.choice([10, 20, 30], n)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
        }
    )
    for name in ("number", "tail", "two", "few", "code", "since"):
        table.loc[rng.random(n) < 0.1, name] = None
    return table


@pytest.mark.parametrize("n", [1, 255, 256, 257, 700])
def test_rows_of_a_table_have_the_bits_of_single_ones(n):
    encoder = TableEncoder(views=True, min_frequency=3).fit(made_table(1000))
    table = made_table(n, seed=1)
    table.loc[table.index[::7], "few"] = "never seen"
    expected = np.concatenate([encoder.transform_one(row) for row in table.to_dict("records")])
    np.testing.assert_array_equal(encoder.transform(table), expected)


@pytest.mark.parametrize("different", [1, 8, 64, 1000])
def test_numbers_that_come_again_have_the_same_bits(different):
    seen = np.tile([0.0, 1.0, 1.0, 2.0, 3.0, 5.0, 8.0, np.nan], 20)
    encoder = TableEncoder(views=True).fit(seen[:, None])
    rng = np.random.default_rng(different)
    values = rng.choice([-0.0, 0.0, np.nan, *rng.normal(3, 3, different)], 600)
    expected = np.concatenate([encoder.transform_one([value]) for value in values])
    np.testing.assert_array_equal(encoder.transform(values[:, None]), expected)


def test_numbers_are_as_numpy_says():
    X = made_table(2000)[["number", "tail"]]
    encoder = TableEncoder(views=True).fit(X)
    got = dict(zip(encoder.get_feature_names_out(), encoder.transform(X).T, strict=True))
    for name, plan in zip(X, encoder.columns_, strict=True):
        absent = X[name].isna().to_numpy()
        z = (X[name].fillna(plan.centre).to_numpy() - plan.centre) * plan.factor
        np.testing.assert_allclose(got[name], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6, atol=1e-6)
        ranks = np.interp(z, plan.views.knots, plan.views.ranks)
        np.testing.assert_allclose(got[f"{name}_rank"], ranks, atol=1e-5)
        np.testing.assert_array_equal(got[f"{name}_missing"], absent)
    tail = (X["tail"].fillna(encoder.columns_[1].centre) - encoder.columns_[1].centre) / X["tail"].std()
    np.testing.assert_allclose(got["tail_tail"], np.clip(tail, -20, 20), rtol=0.01, atol=0.01)


def test_columns_need_not_lie_side_by_side():
    table = made_table(300)
    encoder = TableEncoder(views=True).fit(table)
    apart = pd.concat([table, table]).iloc[::2].iloc[::-1]
    np.testing.assert_array_equal(encoder.transform(apart), np.tile(encoder.transform(table), (2, 1))[::2][::-1])
    numbers = np.random.default_rng(0).normal(size=(300, 3))
    of_numbers = TableEncoder().fit(numbers)
    np.testing.assert_array_equal(of_numbers.transform(np.asfortranarray(numbers)), of_numbers.transform(numbers))


def test_any_number_of_threads_gives_the_same_predictions():
    table = made_table(6000)
    y = np.random.default_rng(0).normal(size=len(table))
    model = TabularRegressor(epochs=1, batch_size=500, random_state=0).fit(table, y)
    found = [model.set_params(n_threads=n).predict(table) for n in (1, 2, 3)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


class Colour(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "c", "a"] * 3,
        ["a\0b", "a\0c", "a", "\udc80", "'\\udc80'"] * 3,
        [f"{i % 5}-{i // 5 % 2}" for i in range(600)],  # equal ones that are other objects
        [f"different {i}" for i in range(600)],  # more than are kept at hand
        ["a", None, float("nan"), np.nan, "b", "c"] * 2,
        ["a", pd.NA, pd.NaT, "b", "c", np.float64("nan")] * 2,
        [np.str_("a"), "a", "b", "c", Colour.RED],
    ],
)
def test_strings_are_told_apart_as_python_does(values):
    objects = np.array([*values, None], dtype=object)[:-1, None]
    encoder = TableEncoder().fit(objects)
    missing = [not isinstance(value, str) for value in values]
    levels = sorted({str(value) for value, absent in zip(values, missing, strict=True) if not absent})
    assert list(encoder.columns_[0].levels) == levels
    codes = [0 if a else 1 + levels.index(str(v)) for v, a in zip(values, missing, strict=True)]
    np.testing.assert_array_equal(encoder.transform(objects)[:, 0], codes)
    np.testing.assert_array_equal(encoder.transform(objects[::-1])[:, 0], codes[::-1])


def test_elements_that_nobody_has_set_are_missing():
    values = np.empty(5, dtype=object)
    values[:3] = "a", "b", "c"
    encoder = TableEncoder().fit(values[:, None])
    assert encoder.transform(values[:, None])[:, 0].tolist() == [1, 2, 3, 0, 0]
    strange = np.array(["a", "b", 3, None], dtype=object)
    with pytest.raises(TypeError, match="expected values of one kind in column 'x0'"):
        encoder.transform(strange[:, None])
