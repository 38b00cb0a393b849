"""Presets of the tabular estimators: what they stand for, and what may be given in their place."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from mlpfast.layers import Dense
from mlpfast.tabular import TabularClassifier, TabularRegressor
from mlpfast.tabular.presets import PRESETS, Recipe, recipe_of


def waves(n=300):
    x = np.random.default_rng(0).uniform(-2, 2, (n, 2))
    return x, np.sin(2 * x[:, 0]) + x[:, 1]


def units(model):
    return [layer.units for layer in model.model_.layers if isinstance(layer, Dense)]


def test_few_rows_have_more_epochs_and_many_have_fewer():
    recipe = Recipe(epochs=64)
    assert [recipe.epochs_for(n) for n in (1, 500, 1000, 2000, 19_999, 20_000)] == [256, 256, 128, 64, 64, 32]
    assert [Recipe(min_frequency=5).frequency_for(n) for n in (1, 249, 250, 999, 1000, 10**6)] == [1, 1, 2, 4, 5, 5]


def test_fast_is_a_smaller_network_of_fewer_epochs():
    X, y = waves()
    fast = TabularRegressor(preset="fast", random_state=0).fit(X, y)
    assert units(fast) == [128, 128, 1]
    assert len(fast.history_["loss"]) == PRESETS["fast"].epochs_for(240) == 128
    assert fast.score(X, y) > 0.95


def test_what_is_given_takes_the_place_of_the_preset():
    X, y = waves()
    model = TabularClassifier(epochs=2, batch_size=60, random_state=0).fit(X, y > 0)
    assert units(model) == [256, 256, 256, 2]
    assert len(model.history_["loss"]) == 2
    assert model.get_params()["epochs"] == 2 and TabularClassifier().get_params()["epochs"] is None


def test_what_cannot_be_is_refused_by_name():
    X, y = waves(20)
    with pytest.raises(ValueError, match="unknown preset 'fastest'"):
        TabularRegressor(preset="fastest").fit(X, y)
    with pytest.raises(TypeError, match="expected preset to be one of best, default, fast"):
        recipe_of(None)
    for name in ("epochs", "batch_size"):
        with pytest.raises(ValueError, match=name):
            TabularRegressor(**{name: 0}).fit(X, y)


def test_columns_have_ranks_and_rare_categories_are_merged():
    rng = np.random.default_rng(0)
    levels = rng.choice([f"often {i}" for i in range(9)], 1300).astype(object)
    levels[:4] = "seldom"
    rows = np.c_[rng.normal(size=1300).astype(object), levels]
    model = TabularRegressor(epochs=1, random_state=0).fit(rows, rng.normal(size=1300))
    assert list(model.encoder_.get_feature_names_out()) == ["x0", "x0_rank", "x1"]
    assert "seldom" not in model.columns_["x1"].levels and len(model.columns_["x1"].levels) == 9
