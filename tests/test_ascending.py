"""Outputs in ascending order, and quantiles that can't cross."""

import numpy as np
import pytest

import mlpfast as mf


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("group", [None, 1, 3, 6])
def test_each_group_climbs_by_softplus(group, dtype):
    X = np.random.default_rng(0).normal(0, 3, (150, 6)).astype(dtype)
    rises = np.logaddexp(0, X.astype(np.float64)).reshape(150, -1, group or 6)
    rises[..., 0] = X.reshape(rises.shape)[..., 0]
    model = mf.Model(6, [mf.Ascending(group)], dtype=dtype)
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(model.predict(X), rises.cumsum(axis=2).reshape(150, 6), rtol=tolerance, atol=tolerance)


def test_quantiles_that_would_cross_do_not():
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, (40, 1))
    y = (0.2 + np.abs(X)) * rng.standard_normal((40, 2))  # two targets
    q = (0.2, 0.4, 0.5, 0.6, 0.8)
    far = np.linspace(-4, 4, 200)[:, None]
    crossing = []
    for last in ([], [mf.Ascending(5)]):
        model = mf.Model(1, [mf.Dense(32, "tanh"), mf.Dense(10), *last], seed=0)
        mf.Trainer(model, mf.losses.Quantile(q), mf.Adam(0.02), batch_size=None).fit(X, y, epochs=300, verbose=0)
        crossing.append((np.diff(model.predict(far).reshape(200, 2, 5)) < 0).any())
    assert crossing == [True, False]


def test_the_quantiles_are_found():
    """Of a distribution that no input tells anything about."""
    y = np.random.default_rng(2).exponential(size=4000)
    model = mf.Model(1, [mf.Dense(3), mf.Ascending()], dtype="float64")
    trainer = mf.Trainer(model, mf.losses.Quantile((0.1, 0.5, 0.9)), mf.Adam(0.02, ema=0.99), batch_size=500)
    trainer.fit(np.zeros((4000, 1)), y, epochs=80, verbose=0)
    np.testing.assert_allclose(model.predict([0.0])[0], np.quantile(y, [0.1, 0.5, 0.9]), rtol=0.05)


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Ascending: expected groups of 3 columns, got 4 columns in all"):
        mf.Model(2, [mf.Dense(4), mf.Ascending(3)])
    with pytest.raises(ValueError, match="expected group to be >= 1, got 0"):
        mf.Ascending(0)
