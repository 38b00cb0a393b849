"""Layers in any order: random stacks, with blocks in blocks, and whatever else the rest of the tests did not think of.

The stacks are the same in each run: a failure names a number, and `stack(random.Random(number))` makes it again.
"""

import random

import numpy as np
import pytest
import scipy.sparse as sp

import mlpfast as mf
from mlpfast.core.engine import Engine
from mlpfast.losses import as_loss

ACTIVATIONS = ["tanh", "gelu", "silu", "softplus", "sigmoid", "softmax", "mish", "identity"]
STACKS = 100

pytestmark = [
    pytest.mark.usefixtures("as_many_threads_as_asked_for"),
    pytest.mark.filterwarnings("ignore:the last of the batches of 23 rows would have a single one"),
]


def random_layer(rng, width, depth):
    """A layer for a value of some columns, none of which has kinks."""
    rule = {"trainable": False} if rng.random() < 0.2 else {}
    activation = rng.choice(ACTIVATIONS)
    if depth < 3 and rng.random() < 0.2:
        return mf.Residual(random_layers(rng, width, depth + 1, (0, 1, 2), width), **rule)
    makers = [
        *[lambda: mf.Dense(rng.choice((1, 3, 8, 33, width)), activation, use_bias=rng.random() < 0.7, **rule)] * 2,
        lambda: mf.Dense(rng.choice((2, 17, width)), activation, dropout=0.3, **rule),
        lambda: mf.Dropout(rng.choice((0.25, 0.5))),
        lambda: mf.Activate(activation),
        lambda: mf.Parametric(rng.choice(ACTIVATIONS[:5]), 0.7, **rule),
        lambda: mf.Scale(1.5, **rule),
        lambda: mf.LayerNorm(0.1, **rule) if width > 1 else mf.Scale(),
        lambda: mf.RMSNorm(0.1, **rule) if width > 1 else mf.Scale(),
        *[lambda: mf.BatchNorm(epsilon=0.1, **rule)] * 2,
    ]
    return rng.choice(makers)()


def random_layers(rng, width, depth, lengths, last):
    """Some layers, and a dense one behind them that makes a value of `last` columns."""
    layers = []
    for _ in range(rng.choice(lengths)):
        layers.append(random_layer(rng, width, depth))
        width = getattr(layers[-1], "units", width)
    return [*layers, mf.Dense(last, rng.choice(ACTIVATIONS))]


def stack(rng):
    inputs = rng.choice((2, 3, 7, 17, 33))
    layers = random_layers(rng, inputs, 0, (1, 2, 3, 4, 5), rng.choice((1, 3)))
    model = mf.Model(inputs, layers, dtype="float64", seed=rng.randrange(1000))
    numbers = np.random.default_rng(rng.randrange(1000))
    model.parameters = model.parameters + numbers.normal(size=model.n_parameters) * 0.2
    for buffer in model.buffers.values():
        buffer[:] = numbers.uniform(0.5, 1.5, buffer.shape)
    X = numbers.normal(size=(70, inputs))
    X[numbers.random(X.shape) < 0.3] = 0
    return model, X, numbers.normal(size=(70, model.outputs))


@pytest.mark.parametrize("number", range(STACKS))
def test_a_stack(number):
    model, X, y = stack(random.Random(number))
    sparse = sp.csr_matrix(X)
    for training in (False, True):
        report = mf.gradcheck(model, X[:9], y[:9], "mse", training=training, max_parameters=6, l2=0.01)
        assert report.ok, f"\n{model.program}\n{report}"
        one, other = (model.loss_and_gradient(given, y, "mse", training=training) for given in (X, sparse))
        assert one[0] == other[0] and (one[1] == other[1]).all()
    check_gradient_beside_masks(model, X[:16], y[:16])
    every = model.predict(X)
    for rows in (1, 2, 48, 49, 70):
        np.testing.assert_array_equal(model.predict(X[:rows]), every[:rows])
        np.testing.assert_array_equal(model.predict(sparse[:rows]), every[:rows])
    states = set()
    for given, n_threads in ((X, 1), (X, 3), (sparse, 8)):
        twin = model.copy()
        mf.Trainer(twin, "mse", batch_size=23, n_threads=n_threads, seed=1).fit(given, y, epochs=2, verbose=0)
        states.add(twin.state.tobytes())
    assert len(states) == 1, f"\n{model.program}"


def check_gradient_beside_masks(model, X, y):
    """The gradient of a training step, with its masks of dropout, against differences."""
    engine = Engine(model.network, as_loss("mse"), batch_rows=len(X), seed=3)

    def loss_and_gradient():
        return engine.loss_and_gradient(X, y, dropout_step=2)

    gradient = loss_and_gradient()[1].copy()
    trained = np.concatenate([np.full(tensor.size, tensor.rule.trainable) for tensor in model.program.tensors])
    for i in np.random.default_rng(0).permutation(np.flatnonzero(trained))[:12]:
        p, losses = model.parameters[i], []
        for h in (1e-5, -1e-5):
            model.parameters[i] = p + h
            losses.append(loss_and_gradient()[0])
        model.parameters[i] = p
        difference = (losses[0] - losses[1]) / 2e-5
        assert difference == pytest.approx(gradient[i], rel=1e-6, abs=1e-6), f"\n{model.program}\nparameter {i}"
