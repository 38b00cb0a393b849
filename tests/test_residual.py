"""Residual: sums, what flows back through them, blocks in blocks, and what can't be a block."""

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.layers import LAYERS
from mlpfast.layers.encoder import Encoder

X = np.random.default_rng(0).normal(size=(40, 6))
Y = X[:, :2] ** 2


def nested(depth, innermost):
    for _ in range(depth):
        innermost = mf.Residual([innermost])
    return innermost


def test_the_sum():
    layers = [mf.Dense(4, "tanh"), mf.Residual([mf.Dense(7, "relu"), mf.Dense(4)]), mf.Dense(2)]
    model = mf.Model(6, layers, dtype="float64", seed=1)
    W, V, U, T = (W.astype(np.float64) for W in model.weights)
    h = np.tanh(X @ W)
    expected = (h + np.maximum(h @ V, 0) @ U) @ T
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-12, atol=1e-13)
    assert list(model.tensors) == ["W0", "b0", "W1.0", "b1.0", "W1.1", "b1.1", "W2", "b2"]


def test_blocks_in_blocks():
    """x + f(x), f(x) = (x + g(x)) + tanh((x + g(x)) V), in any way of predicting."""
    block = mf.Residual([mf.Residual([mf.Dense(6, "relu")]), mf.Residual([mf.Dense(6, "tanh")])])
    model = mf.Model(6, [block], dtype="float64", seed=1)
    W, V = model.weights
    inner = X + np.maximum(X @ W, 0)
    expected = X + inner + np.tanh(inner @ V)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-12, atol=1e-13)
    many = model.predict(np.tile(X, (5, 1)))
    for rows in (1, 2, 47, 200):
        np.testing.assert_array_equal(model.predict(np.tile(X, (5, 1))[:rows]), many[:rows])
    assert list(model.tensors) == ["W0.0.0", "b0.0.0", "W0.1.0", "b0.1.0"]
    assert mf.gradcheck(model, X, X, "mse").ok


@pytest.mark.parametrize("activation", ["tanh", "gelu", "softmax"])
@pytest.mark.parametrize(
    "block",
    [
        [mf.Dense(5)],
        [mf.Activate("tanh")],
        [mf.Activate("softmax"), mf.Dense(5, "mish")],
        [mf.Scale(), mf.Residual([mf.Scale(), mf.Residual([mf.PReLU()])])],
        [mf.Residual([mf.Activate("gelu")]), mf.Activate("tanh")],
        [mf.Dropout(0.5)],
        [mf.Dropout(0.5), mf.Dense(5, "relu", dropout=0.5), mf.Dropout(0.1)],
        [mf.LayerNorm(), mf.Residual([mf.RMSNorm(), mf.Dense(5)]), mf.BatchNorm()],
    ],
    ids=repr,
)
def test_what_flows_back(activation, block):
    """The value that several read has an activation; the sum gets one."""
    layers = [mf.Dense(5, activation), mf.Residual(block), mf.Activate(activation), mf.Residual(block), mf.Dense(2)]
    model = mf.Model(6, layers, dtype="float64", seed=1)
    for training in (False, True):
        report = mf.gradcheck(model, X[:9], Y[:9], "mse", training=training)
        assert report.ok, f"\n{model.program}\n{report}"


def test_of_dropout():
    """x + dropout(x): between x and x + x / (1 - rate) in training, 2x elsewhere."""
    n = 2000
    model = mf.Model(n, [mf.Scale(), mf.Residual([mf.Dropout(0.75)]), mf.Scale(trainable=False)], dtype="float64")
    x = np.ones((1, n))
    np.testing.assert_array_equal(model.predict(x), 2 * x)
    mf.Trainer(model, "mse", mf.SGD(0.01), seed=1).train_on_batch(x, 0 * x)
    steps, counts = np.unique(np.round((1 - model.tensors["scale0"]) / 0.01, 9), return_counts=True)
    np.testing.assert_array_equal(steps, [1, 25])  # h = 1 or 5, dL/dscale = h dh/dscale
    assert counts[1] / n == pytest.approx(0.25, abs=0.04)


def test_a_block_is_not_changed_by_what_stands_in_its_place():
    """An activation in a block is not put into the value that the sum adds."""
    model = mf.Model(6, [mf.Residual([mf.Activate("relu"), mf.Dense(6)])])
    assert [layer.kind for layer in model.program.layers] == ["activate", "dense", "add"]
    model = mf.Model(6, [mf.Dense(6), mf.Residual([mf.Activate("relu"), mf.Dense(6)]), mf.Activate("relu")])
    assert [layer.kind for layer in model.program.layers] == ["dense", "activate", "dense", "add"]
    assert [value.activation.name for value in model.program.values] == [*["identity"] * 2, "relu", "identity", "relu"]


def test_its_rules_are_on_top_of_those_of_its_layers():
    block = [mf.Dense(6, learning_rate_scale=2.0), mf.Residual([mf.Dense(6, weight_decay_scale=0.5)], trainable=False)]
    model = mf.Model(6, [mf.Residual(block, learning_rate_scale=3.0, weight_decay_scale=0.25), mf.Dense(2)])
    rules = {tensor.name: tensor.rule for tensor in model.program.tensors}
    assert [(r.learning_rate_scale, r.weight_decay_scale, r.trainable) for r in rules.values()] == [
        *[(6.0, 0.25, True)] * 2,
        *[(3.0, 0.125, False)] * 2,
        *[(1.0, None, True)] * 2,
    ]


def test_the_deepest(tmp_path):
    model = mf.Model(6, [nested(16, mf.Dense(6, "tanh")), mf.Dense(2)], seed=1)
    mf.Trainer(model, "mse").fit(X, Y, verbose=0)
    model.save(tmp_path / "model.npz")
    loaded = mf.load(tmp_path / "model.npz")
    assert loaded.layers == model.layers and hash(loaded.layers) == hash(model.layers)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert eval(repr(model.layers[0]), vars(mf)) == model.layers[0]
    with pytest.raises(ValueError, match="Residual: expected blocks nested at most 16 deep, got 17"):
        mf.Residual([model.layers[0]])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], ValueError, "Residual: expected at least one layer, got none"),
        (
            mf.Dense(3),
            TypeError,
            r"Residual: expected layers to be a .* got a single one; write \[Dense",
        ),
        ([mf.Dense], TypeError, r"Residual: expected layer 0 to be .*, got the class Dense; write Dense\(...\)"),
        (
            [mf.Dense(3), [mf.Dense(3)]],
            TypeError,
            r"layer 1 .* \(list\); a block of layers is a Residual",
        ),
        ([mf.Dense(3), "relu"], TypeError, r"Residual: expected layer 1 to be .*, got 'relu' \(str\)"),
        (3, TypeError, r"Residual: expected layers to be a sequence of layers, got 3 \(int\)"),
        (None, TypeError, r"Residual: expected layers to be a sequence of layers, got None \(NoneType\)"),
        ([mf.Standardize()], ValueError, r"Residual: expected layers that learn by gradients, got Standardize\(\)"),
        ([mf.Residual([mf.Dense(3)]), mf.Standardize()], ValueError, "which `adapt` teaches"),
    ],
)
def test_what_is_no_block(given, error, message):
    with pytest.raises(error, match=message):
        mf.Residual(given)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ([mf.Dense(5)], r"expected a block whose output is as wide as its input, 6, got 5 \(layer 0\)"),
        ([mf.Dense(6), mf.Residual([mf.Dense(7)])], r"as wide as its input, 6, got 7 \(layer 0\.1\)"),
        ([mf.Dropout(0.0)], r"Residual: expected layers that make something of their input, got \[Dropout\(0.0\)\]"),
    ],
)
def test_blocks_that_do_not_fit(block, message):
    with pytest.raises(ValueError, match=message):
        mf.Model(6, [mf.Residual(block), mf.Dense(2)])


def test_every_layer_that_keeps_the_width_may_be_in_one():
    for cls in LAYERS.values():
        if issubclass(cls, (Encoder, mf.Columns)):  # gradients end there
            continue
        for columns, layer in cls.examples():
            if not layer.adapts and mf.Model(columns, [mf.Scale(), layer, mf.Scale()]).outputs == columns:
                model = mf.Model(columns, [mf.Residual([layer]), mf.Dense(2)], dtype="float64", seed=1)
                x = np.random.default_rng(1).normal(size=(9, columns))
                report = mf.gradcheck(model, x, x[:, :1] * [1, 2], "mse", max_parameters=8, training=True)
                assert report.ok, f"\n{model.program}\n{report}"
