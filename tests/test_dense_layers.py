"""Dense without a bias, as it is drawn among other layers, and with an activation that is a layer."""

import numpy as np
import pytest
import scipy.sparse as sp

import mlpfast as mf

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6))
X[X < 0] = 0
Y = X[:, :2] ** 2


# --- no bias ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("before", [[], [mf.Scale()]], ids=["first", "second"])
@pytest.mark.parametrize("units", [1, 40])
def test_without_bias_it_is_as_with_one_of_zero(dtype, before, units):
    """In all ways of predicting: one row, few, many, sparse ones; and in training."""
    models = [
        mf.Model(6, [*before, mf.Dense(units, "tanh", use_bias=bias), mf.Dense(2, use_bias=bias)], dtype=dtype, seed=1)
        for bias in (False, True)
    ]
    model, plain = models
    assert all(name.startswith(("W", "scale")) for name in model.tensors) and model.biases == ()
    for rows in (1, 2, 16, 47, 48, 49, 65, 200):
        for given in (X[:rows], sp.csr_matrix(X[:rows])):
            np.testing.assert_array_equal(model.predict(given), plain.predict(given))
    np.testing.assert_array_equal(model.predict(X[5]), plain.predict(X[5]))
    np.testing.assert_array_equal(model.predict(X, n_threads=2), plain.predict(X))
    for given in (X, sp.csr_matrix(X)):
        mf.Trainer(model, "mse", batch_size=64, seed=1).fit(given, Y, epochs=2, verbose=0)
        frozen = {"biases": mf.Group(trainable=False)}
        mf.Trainer(plain, "mse", batch_size=64, seed=1, groups=frozen).fit(given, Y, epochs=2, verbose=0)
        for W, V in zip(model.weights, plain.weights, strict=True):
            np.testing.assert_array_equal(W, V)


# --- initial values ---


def test_layers_between_do_not_change_how_dense_ones_are_drawn():
    plain = mf.Model(6, [mf.Dense(8, "relu"), mf.Dense(8, bias_initializer="normal"), mf.Dense(2)], seed=4)
    among = mf.Model(
        6,
        [
            *(mf.Scale(), mf.Dropout(0.5), mf.Dense(8, "relu"), mf.BatchNorm(), mf.PReLU(), mf.Dropout(0.1)),
            *(mf.Residual([mf.LayerNorm(), mf.Dense(8, bias_initializer="normal"), mf.Dropout(0.5)]), mf.RMSNorm()),
            *(mf.Dense(2), mf.Scale()),
        ],
        seed=4,
    )
    for one, other in zip(plain.weights + plain.biases, among.weights + among.biases, strict=True):
        np.testing.assert_array_equal(one, other)


# --- an activation by itself ---


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "softmax"])
def test_activate_is_denses_own(activation):
    kernel = mf.initializers.HeUniform()
    one = mf.Model(6, [mf.Dense(9, activation, kernel), mf.Dense(2)], seed=1)
    other = mf.Model(6, [mf.Dense(9, kernel_initializer=kernel), mf.Activate(activation), mf.Dense(2)], seed=1)
    assert one.program.layers == other.program.layers and one.program.values == other.program.values
    for model in (one, other):
        mf.Trainer(model, "mse", seed=1).fit(X, Y, verbose=0)
    np.testing.assert_array_equal(one.parameters, other.parameters)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


@pytest.mark.parametrize(
    ("layers", "kinds"),
    [
        ([mf.Activate("tanh"), mf.Dense(2)], ["activate", "dense"]),
        ([mf.Dense(6, "relu"), mf.Activate("tanh"), mf.Dense(2)], ["dense", "activate", "dense"]),
        ([mf.Dense(6), mf.Activate("tanh"), mf.Activate("relu"), mf.Dense(2)], ["dense", "activate", "dense"]),
        ([mf.Dense(6), mf.Dropout(0.1), mf.Activate("tanh"), mf.Dense(2)], ["dense", "dropout", "activate", "dense"]),
        ([mf.BatchNorm(), mf.Activate("tanh"), mf.Dense(2)], ["batch_norm", "dense"]),
        ([mf.Residual([mf.Activate("tanh")]), mf.Dense(2)], ["activate", "add", "dense"]),
        ([mf.Standardize(clip=3), mf.Activate("tanh"), mf.Dense(2)], ["standardize", "activate", "dense"]),
        ([mf.Dense(6), mf.Activate("identity"), mf.Activate("tanh"), mf.Dense(2)], ["dense", "dense"]),
    ],
    ids=lambda layers: ", ".join(layer.name for layer in layers) if isinstance(layers[0], mf.layers.Layer) else "",
)
def test_activate_has_no_layer_where_the_maker_can_apply_it(layers, kinds):
    assert [layer.kind for layer in mf.Model(6, layers).program.layers] == kinds
