"""Ranks and tails of numbers, and rare categories."""

import json

import numpy as np
import pytest

pytest.importorskip("sklearn")

from mlpfast.tabular import TableEncoder


def encoded(values, other=None, **settings):
    encoder = TableEncoder(views=True, **settings).fit([[v] for v in values])
    names = list(encoder.get_feature_names_out())
    return dict(zip(names, encoder.transform([[v] for v in (values if other is None else other)]).T, strict=True))


def test_ranks_are_those_of_the_values_and_ties_share_theirs():
    got = encoded([5.0, 1.0, 1.0, 9.0])
    np.testing.assert_allclose(got["x0_rank"], 4 * np.array([2.5, 1.0, 1.0, 3.5]) / 4 - 2)
    assert list(got) == ["x0", "x0_rank"]


def test_ranks_do_not_see_an_ascending_function():
    x = np.random.default_rng(0).normal(size=200)
    np.testing.assert_allclose(encoded(x)["x0_rank"], encoded(np.exp(3 * x))["x0_rank"], atol=1e-6)


def test_between_the_values_ranks_are_straight_and_beyond_them_constant():
    got = encoded([0.0, 10.0, 20.0, 30.0], other=[-5.0, 5.0, 10.0, 99.0])["x0_rank"]
    np.testing.assert_allclose(got, [-1.5, -1.0, -0.5, 1.5], atol=1e-6)


def test_many_values_have_few_knots_and_nearly_their_ranks():
    x = np.random.default_rng(0).lognormal(size=5000)
    encoder = TableEncoder(views=True).fit(x[:, None])
    assert len(encoder.columns_[0].views.knots) <= 256
    ranks = 4 * (np.argsort(np.argsort(x)) + 0.5) / len(x) - 2
    np.testing.assert_allclose(encoder.transform(x[:, None])[:, 1], ranks, atol=0.02)


def test_a_heavy_tail_is_told_in_standard_deviations():
    x = np.random.default_rng(0).standard_t(1.5, size=1000)
    got = encoded(x)
    expected = (x - np.median(x)) / x.std()
    np.testing.assert_allclose(got["x0_tail"], np.clip(expected, -20, 20), rtol=1e-5)
    assert "x0_tail" not in encoded(np.random.default_rng(0).normal(size=1000))


def test_missing_and_constant_numbers_and_those_near_the_limits_are_finite():
    got = encoded([1.0, 2.0, None, 4.0])
    assert list(got) == ["x0", "x0_rank", "x0_missing"]
    assert got["x0_rank"][2] == pytest.approx(got["x0_rank"][1])  # the median's, which is there by chance
    assert list(encoded([3.0, 3.0, 3.0])) == ["x0"]
    for values in ([-1e308, 1e308, 1e-300, 0.0] * 30, [0.0, 1e-320, 1.0] * 20, [0.0] * 98 + [1e300, -1e300]):
        assert all(np.isfinite(column).all() for column in encoded(values).values())


def test_a_single_row_is_as_in_a_table():
    x = np.random.default_rng(0).standard_cauchy(300)
    encoder = TableEncoder(views=True).fit(x[:, None])
    for value in (*x[:5], 1e9, None):
        np.testing.assert_array_equal(encoder.transform_one([value]), encoder.transform([[value]]))


def test_rare_categories_are_as_missing_where_there_are_many():
    many = [f"c{i}" for i in range(12) for _ in range(i + 1)]
    encoder = TableEncoder(min_frequency=5).fit([[v] for v in many])
    assert encoder.columns_[0].levels == tuple(sorted(f"c{i}" for i in range(4, 12)))
    assert encoder.transform([["c0"], ["never"], ["c11"]])[:, 0].tolist() == [0.0, 0.0, 2.0]
    few = TableEncoder(min_frequency=5).fit([["a"], ["b"], ["c"]])
    assert few.columns_[0].levels == ("a", "b", "c")


def test_a_column_of_rare_categories_alone_is_ignored_and_says_so():
    rows = [[f"id {i}", i] for i in range(20)]
    encoder = TableEncoder(min_frequency=2).fit(rows)
    assert list(encoder.get_feature_names_out()) == ["x1"]
    assert "every category is rare" in str(encoder.columns_)


def test_views_come_back_from_json():
    encoder = TableEncoder(views=True).fit(np.random.default_rng(0).standard_cauchy((100, 2)))
    fields, arrays = encoder.to_json()
    other = TableEncoder.from_json(json.loads(json.dumps(fields)), arrays)
    assert str(other.columns_) == str(encoder.columns_) and "rank and tail" in str(other.columns_)
    assert [plan.views for plan in other.columns_] == [plan.views for plan in encoder.columns_]
    for broken in ({"knots/0": arrays["knots/0"][::-1]}, {"ranks/1": arrays["ranks/1"] * np.nan}):
        with pytest.raises(ValueError, match="expected ascending, finite knots"):
            TableEncoder.from_json(fields, arrays | broken)
