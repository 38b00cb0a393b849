"""Sample weights of any size: only their ratios count, in a mean."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlpfast as mf
from mlpfast.validation import scale_weights

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 4))
Y = RANDOM.integers(0, 3, 30)
WEIGHTS = RANDOM.uniform(0.5, 2.0, 30) * (RANDOM.random(30) > 0.2)
POWERS = [-1074, -1060, -1022, -950, -600, 600, 1000, 1019]  # of two: the smallest number to the largest


def model(dtype: str = "float64") -> mf.Model:
    return mf.mlp([4, 6, 3], activation="tanh", output_activation="softmax", dtype=dtype, seed=0)


def trained(weights: Any, dtype: str = "float64", l2: float = 0.01, **settings: Any) -> tuple[mf.Model, mf.Trainer]:
    net = model(dtype)
    trainer = mf.Trainer(net, batch_size=7, l2=l2, metrics=["accuracy"], **settings)
    trainer.fit(X, Y, epochs=3, sample_weight=weights, validation_data=(X, Y, weights), verbose=0)
    return net, trainer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("power", POWERS)
def test_a_mean_is_the_same_for_weights_of_any_size(power: int, dtype: str) -> None:
    weights = np.round(8 * WEIGHTS)  # few digits, so that they are exact even where they are denormal
    scaled = np.ldexp(weights, power)
    assert (np.ldexp(scaled, -power) == weights).all()
    expected, plain = trained(weights, dtype)
    got, trainer = trained(scaled, dtype)
    assert (got.parameters == expected.parameters).all()
    assert dict(trainer.history) == dict(plain.history)
    loss, gradient = got.loss_and_gradient(X, Y, "cross_entropy", sample_weight=scaled, l2=0.01)
    expected_loss, expected_gradient = expected.loss_and_gradient(X, Y, "cross_entropy", sample_weight=weights, l2=0.01)
    assert loss == expected_loss
    assert (gradient == expected_gradient).all()
    assert trainer.evaluate(X, Y, scaled) == plain.evaluate(X, Y, weights)
    assert trainer.train_on_batch(X, Y, scaled) == plain.train_on_batch(X, Y, weights)


@pytest.mark.parametrize("power", [-940, 600])
def test_a_penalty_over_the_weights_is_scaled_with_them(power: int) -> None:
    settings: dict[str, Any] = {"penalty_over_weights": True, "optimizer": mf.SGD(0.1)}
    weights = np.round(8 * WEIGHTS)
    expected, plain = trained(weights, l1=2.0**-9, l2=2.0**-6, **settings)
    got, trainer = trained(np.ldexp(weights, power), l1=2.0 ** (power - 9), l2=2.0 ** (power - 6), **settings)
    assert (got.parameters == expected.parameters).all()
    assert dict(trainer.history) == dict(plain.history)
    assert trainer.evaluate(X, Y, np.ldexp(weights, power)) == plain.evaluate(X, Y, weights)


def test_a_penalty_that_drowns_the_loss_is_refused() -> None:
    net = model()
    before = net.parameters.copy()
    trainer = mf.Trainer(net, l2=0.01, penalty_over_weights=True)
    with pytest.raises(
        ValueError, match=r"expected l2 / sum of the sample weights .* at most 1.34e\+154.*so 3.33e\+304"
    ):
        trainer.fit(X, Y, sample_weight=np.full(30, 1e-308), verbose=0)
    with pytest.raises(ValueError, match="expected l2 / sum of the sample weights"):
        trainer.fit(X, Y, validation_data=(X, Y, np.full(30, 1e-308)), verbose=0)
    assert (net.parameters == before).all()
    assert trainer.steps == 0


@pytest.mark.parametrize("power", [-1040, -800, 0, 400])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_penalty_over_the_weights(dtype: str, power: int) -> None:
    """As large as the quotient may be, nothing overflows, and all weights go to zero; a bit more is refused."""
    weights = np.full(30, np.ldexp(1.0, power))
    l2 = float(np.ldexp(30 * float(np.finfo(dtype).max) ** 0.5, power))
    net = model(dtype)
    before = abs(net.weights[0]).sum()
    trainer = mf.Trainer(net, optimizer=mf.Adam(1e-3), batch_size=None, penalty_over_weights=True, l2=l2 * (1 - 1e-9))
    trainer.fit(X, Y, epochs=3, sample_weight=weights, verbose=0)
    assert np.isfinite(trainer._state).all()
    assert abs(net.weights[0]).sum() < before
    trainer.l2 = l2 * (1 + 1e-6)
    with pytest.raises(ValueError, match="expected l2 / sum of the sample weights to be at most"):
        trainer.fit(X, Y, sample_weight=weights, verbose=0)


def test_a_penalty_over_weights_that_no_number_holds_is_refused() -> None:
    trainer = mf.Trainer(model(), l2=1e6, penalty_over_weights=True)
    with pytest.raises(ValueError, match=r"got l2=1e\+06 and a sum of 3e-307, so more than float64 holds"):
        trainer.fit(X, Y, sample_weight=np.full(30, 1e-308), verbose=0)


@pytest.mark.parametrize("tiny", [5e-324, 1e-308, 1e-200])
def test_a_tiny_weight_counts_in_a_batch_of_its_own(tiny: float) -> None:
    def train(weights: Any) -> Any:
        net = model()
        mf.Trainer(net, batch_size=1, shuffle=False).fit(X, Y, sample_weight=weights, verbose=0)
        return net.parameters

    np.testing.assert_allclose(train(np.r_[np.full(29, 1e308), tiny]), train(np.ones(30)), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("size", [1e308, 1e-308])
def test_gradcheck_takes_weights_of_any_size(size: float) -> None:
    assert mf.gradcheck(model(), X, Y, loss="cross_entropy", sample_weight=np.full(30, size)).ok


positive = st.floats(min_value=5e-324, max_value=float(np.finfo(float).max))


@given(st.lists(st.one_of(st.just(0.0), positive), min_size=1, max_size=20), st.booleans())
def test_scaling_keeps_ratios_and_leaves_room(values: list[float], twice: bool) -> None:
    weights = np.array(values)
    factors = [weights, weights[::-1].copy()] if twice else [weights]
    scaled, exponent = scale_weights(*factors)
    assert scaled is not None
    exact = [Fraction(value) for value in values]
    if twice:
        exact = [one * other for one, other in zip(exact, reversed(exact), strict=True)]
    assert [value > 0 for value in scaled] == [value > 0 for value in exact]
    if not scaled.any():
        return
    assert scaled[scaled > 0].min() >= 2.0**-900
    assert scaled.sum() <= 2.0**500
    for value, expected in zip(scaled, exact, strict=True):
        if expected * 2**1390 >= max(exact):  # smaller ones may be raised
            assert abs(Fraction(value) - expected * Fraction(2) ** exponent) <= Fraction(value) / 2**53
    if not twice and weights.sum() <= 2.0**480 and weights[weights > 0].min() > 2.0**-900:
        assert scaled is weights and exponent == 0


def test_ordinary_weights_are_left_as_they_are() -> None:
    assert scale_weights(WEIGHTS)[0] is WEIGHTS
    product, exponent = scale_weights(WEIGHTS, None, WEIGHTS)
    assert exponent == 0
    assert (product == WEIGHTS * WEIGHTS).all()
    assert scale_weights(None) == (None, 0)
