"""Initial values that follow data: `data_driven` weights and `he_plus` biases, against NumPy."""

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.core.random import INITIALIZE, normal, uniform
from mlpfast.initializers import HePlus

DTYPES = {"float32": 2e-5, "float64": 1e-12}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 6)) * [0.1, 1, 1, 10, 3, 1] + 2


def dense(units, activation="identity", **keywords):
    return mf.Dense(units, activation, "data_driven", "he_plus", **keywords)


def adapted(layers, X=X, **keywords):
    model = mf.Model(X.shape[1], layers, **{"dtype": "float64", "seed": 3} | keywords)
    model.adapt(X)
    return model


@pytest.mark.parametrize("dtype", DTYPES)
def test_layer_after_layer_as_in_numpy(dtype):
    model = adapted([dense(9, "mish"), dense(7, "tanh", dropout=0.5), dense(2)], dtype=dtype)
    h = X
    for i, (W, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        fan_in, units = W.shape
        V = normal(3, INITIALIZE, 2 * i, fan_in * units).reshape(fan_in, units)
        V /= (h @ V).std(axis=0)
        drawn = uniform(3, INITIALIZE, 2 * i + 1, 10 * units).reshape(2, 5, units)
        rows, shares = (drawn[0] * len(X)).astype(int), -np.log(1 - drawn[1])
        z = h @ V
        expected = -(shares / shares.sum(axis=0) * np.take_along_axis(z, rows, axis=0)).sum(axis=0)
        np.testing.assert_allclose(W, V, rtol=DTYPES[dtype])
        np.testing.assert_allclose(b, expected, rtol=DTYPES[dtype], atol=10 * DTYPES[dtype])
        z += expected
        h = [z * np.tanh(np.logaddexp(0, z)), np.tanh(z), z][i]


def test_each_unit_varies_and_has_data_on_both_sides():
    model = adapted([dense(200)])
    z = model(X)
    np.testing.assert_allclose(z.std(axis=0), 1.0, rtol=1e-12)
    assert ((z > 0).any(axis=0) & (z < 0).any(axis=0)).all()


def test_a_single_point_is_a_row():
    z = adapted([mf.Dense(50, "identity", "data_driven", HePlus(points=1))])(X)
    np.testing.assert_allclose(np.abs(z).min(axis=0), 0.0, atol=1e-12)


def test_before_data_they_are_distributions():
    model = mf.Model(40, [dense(50)], seed=2)
    plain = mf.Model(40, [mf.Dense(50, kernel_initializer="lecun_normal")], seed=2)
    np.testing.assert_array_equal(model.parameters, plain.parameters)
    other = mf.Model(6, [dense(5), mf.Standardize(), mf.Dense(2)])
    rest = other.tensors["W2"].copy()
    other.adapt(X)
    np.testing.assert_array_equal(other.tensors["W2"], rest)  # is not drawn anew


def test_what_each_layer_reads_is_found():
    """Within blocks, behind dropout, norms, and what learns from data itself, before and after."""
    block = mf.Residual([mf.Dropout(0.5), dense(8, use_bias=False), mf.LayerNorm(), mf.Activate("relu"), dense(8)])
    model = adapted([mf.Dropout(0.1), mf.Standardize(), dense(8, "gelu"), block, mf.Standardize(), dense(3)])
    np.testing.assert_allclose(model(X).std(axis=0), 1.0, rtol=1e-12)
    h = mf.Model(6, model.layers[:3], dtype="float64")
    h.load_tensors(model, strict=False)
    h = h(X)
    np.testing.assert_allclose((h @ model.tensors["W3.1"]).std(axis=0), 1.0, rtol=1e-12)
    inside = mf.Model(8, [mf.Dense(8, use_bias=False), mf.LayerNorm(), mf.Activate("relu")], dtype="float64")
    inside.load_tensors({"W0": model.tensors["W3.1"], "scale1": np.ones(8), "shift1": np.zeros(8)})
    np.testing.assert_allclose((inside(h) @ model.tensors["W3.4"]).std(axis=0), 1.0, rtol=1e-12)
    through = h + inside(h) @ model.tensors["W3.4"] + model.tensors["b3.4"]
    np.testing.assert_allclose(model.buffers["offset4"], -through.mean(axis=0), rtol=1e-9, atol=1e-12)


def test_the_same_data_give_the_same_values():
    model = adapted([dense(4, "relu"), dense(2)])
    once = model.parameters.copy()
    mf.Trainer(model, "mse").fit(X, X[:, :2], verbose=0)
    model.adapt(X)
    np.testing.assert_array_equal(model.parameters, once)
    assert (adapted(model.layers, seed=4).parameters != once).all()
    assert (adapted(model.layers, X=X[:100]).parameters != once).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_does_not_vary_stays_as_drawn(dtype):
    rows = np.full((30, 3), 0.1)
    model = mf.Model(3, [dense(4, "relu"), dense(2)], dtype=dtype)
    drawn = [W.copy() for W in model.weights]
    model.adapt(rows)
    for W, before in zip(model.weights, drawn, strict=True):
        np.testing.assert_array_equal(W, before)
    assert np.isfinite(model.parameters).all()
    np.testing.assert_allclose(model(rows), 0.0, atol=1e-6)  # all rows are on the hyperplane


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30])
def test_extreme_scales_leave_numbers(scale):
    with np.errstate(all="raise"):
        model = adapted([dense(3, "tanh"), dense(2)], X=X * scale, dtype="float32")
    assert np.isfinite(model.parameters).all()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            mf.Dense(3, "tanh", "he+5"),
            r"W0: expected an initializer for a weight, got HePlus\(points=5\), .* for a bias",
        ),
        (mf.Dense(3, bias_initializer="data_driven"), r"b0: .* for a bias, got DataDriven\(\), which is for a weight"),
        (mf.Columns([(0, mf.Embedding(3, 2, initializer="data_driven"))]), "expected an initializer for a table, got"),
    ],
)
def test_only_where_it_belongs(layer, message):
    with pytest.raises(ValueError, match=message):
        mf.Model(2, [layer, mf.Dense(1)])


def test_points_are_a_number():
    with pytest.raises(ValueError, match="expected points to be >= 1, got 0"):
        HePlus(0)


def test_codes_out_of_range_are_named_and_change_nothing():
    model = mf.Model(2, [mf.Columns([(1, mf.Embedding(3, 2)), (0, mf.Standardize())]), dense(2)])
    before = model.state.copy()
    with pytest.raises(ValueError, match="row 2, column 1"):
        model.adapt([[0.0, 1], [2, 2], [3, 7]])
    np.testing.assert_array_equal(model.state, before)
