"""What is frozen, and rates, decay and penalties of a layer alone."""

import numpy as np
import pytest
import scipy.sparse as sp

import mlpfast as mf
from mlpfast.parts import Phase

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6))
X[X < 0] = 0
Y = X[:, :2] ** 2


# --- frozen ---


@pytest.mark.parametrize("optimizer", [mf.SGD(0.1, momentum=0.9), mf.AdamW(0.1, weight_decay=0.5), mf.RMSprop(0.1)])
@pytest.mark.parametrize("given", [X, sp.csr_matrix(X)], ids=["dense", "sparse"])
def test_what_is_frozen_keeps_its_bits(optimizer, given):
    layers = [
        *(mf.Dense(8, "relu", trainable=False), mf.LayerNorm(trainable=False), mf.Dense(8, "tanh")),
        *(mf.PReLU(trainable=False), mf.Residual([mf.Dense(8, "relu"), mf.Scale()], trainable=False), mf.Dense(2)),
    ]
    model = mf.Model(6, layers, seed=1)
    before = {name: tensor.copy() for name, tensor in model.tensors.items()}
    mf.Trainer(model, "mse", optimizer, l1=0.1, l2=0.1, batch_size=32).fit(given, Y, epochs=2, verbose=0)
    changed = [name for name, tensor in model.tensors.items() if (tensor != before[name]).any()]
    assert changed == ["W2", "b2", "W5", "b5"]


def test_no_gradient_flows_below_the_lowest_that_is_trained():
    layers = [mf.Dense(8, "relu", trainable=False), mf.BatchNorm(trainable=False), mf.Dense(8), mf.Dense(2)]
    schedule = mf.Model(6, layers).program.schedule("step")
    assert schedule.phases == (
        Phase("rows", forward=(0, 1, 2, 3), back=(3, 2), gathers=True, compares=True),
        Phase("tiles", back=(2, 3), updates=True),
    )
    assert schedule.wanted == (False, False, False, True, True)


def test_a_gradient_flows_through_what_is_frozen():
    """It is the one that all would have, with zeros for what is frozen."""
    layers = [mf.Dense(8, "relu"), mf.Dense(8, "tanh"), mf.Scale(), mf.Dense(2)]
    every = mf.Model(6, layers, dtype="float64", seed=1)
    layers[1], layers[3] = mf.Dense(8, "tanh", trainable=False), mf.Dense(2, trainable=False)
    some = mf.Model(6, layers, dtype="float64", seed=1)
    expected = every.loss_and_gradient(X, Y, "mse", l2=0.1)[1]
    for tensor in some.program.tensors:
        if not tensor.rule.trainable:
            expected[tensor.offset : tensor.offset + tensor.size] = 0
    loss, gradient = some.loss_and_gradient(X, Y, "mse", l2=0.1)
    np.testing.assert_array_equal(gradient, expected)
    assert loss == every.loss_and_gradient(X, Y, "mse", l2=0.1)[0]  # a penalty that nobody can change is one, too
    assert mf.gradcheck(some, X, Y, "mse", l2=0.1).ok


def test_something_has_to_be_trained():
    model = mf.Model(6, [mf.Dense(3, trainable=False), mf.BatchNorm(trainable=False), mf.Activate("tanh")])
    with pytest.raises(
        ValueError, match="expected parameters that are trained, got a model, or groups, that leave none"
    ):
        mf.Trainer(model, "mse")
    with pytest.raises(ValueError, match="leave none trainable"):
        mf.Trainer(mf.Model(6, [mf.Activate("tanh")]), "mse")
    loss, gradient = model.loss_and_gradient(X, X[:, :3], "mse")
    assert loss > 0 and (gradient == 0).all()


# --- rates, decay, penalties ---


def test_two_steps_of_adamw_by_hand():
    layers = [
        mf.Dense(4, "tanh", learning_rate_scale=0.25),
        mf.LayerNorm(weight_decay_scale=2.0),
        mf.Dense(2, learning_rate_scale=3.0, weight_decay_scale=0.5),
        mf.Scale(learning_rate_scale=0.0),
    ]
    model = mf.Model(6, layers, dtype="float64", seed=1)
    scales = {  # of rate and decay: by default, decay reaches weights alone, and a number all tensors of its layer
        "W0": (0.25, 1.0),
        "b0": (0.25, 0.0),
        "scale1": (1.0, 2.0),
        "shift1": (1.0, 2.0),
        "W2": (3.0, 0.5),
        "b2": (3.0, 0.5),
        "scale3": (0.0, 0.0),
    }
    trainer = mf.Trainer(model, "mse", mf.AdamW(0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-3, weight_decay=0.2))
    m = v = 0
    for t in (1, 2):
        start, g = model.parameters.copy(), model.loss_and_gradient(X, Y, "mse")[1]
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        step = m / (1 - 0.8**t) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)
        trainer.train_on_batch(X, Y)
        for tensor in model.program.tensors:
            span = slice(tensor.offset, tensor.offset + tensor.size)
            rate, decay = scales[tensor.name]
            expected = start[span] * (1 - 0.01 * rate * 0.2 * decay) - 0.01 * rate * step[span]
            np.testing.assert_allclose(model.parameters[span], expected, rtol=1e-11, atol=1e-15, err_msg=tensor.name)


def test_penalties_of_a_layer_in_place_of_the_trainers():
    """In the gradient, and in every loss that is reported."""
    layers = [mf.Dense(4, "tanh", l1=0.5), mf.Residual([mf.Dense(4, l1=0.0, l2=0.25)]), mf.Dense(2), mf.Scale()]
    model = mf.Model(6, layers, dtype="float64", seed=1)
    W0, W1, W2 = (W.copy() for W in model.weights)
    data = model.loss_and_gradient(X, Y, "mse")[0]
    own = 0.5 * np.abs(W0).sum() + 0.125 * (W1**2).sum()
    pure = mf.Model(6, [mf.Dense(4, "tanh"), mf.Residual([mf.Dense(4)]), mf.Dense(2), mf.Scale()], dtype="float64")
    pure.parameters = model.parameters
    bare, bare_g = pure.loss_and_gradient(X, Y, "mse")
    assert data == pytest.approx(bare + own, rel=1e-14)
    whole = bare + own + 0.1 * np.abs(W2).sum() + 0.1 * (W0**2).sum() + 0.1 * (W2**2).sum()
    settings = {"l1": 0.1, "l2": 0.2, "batch_size": None}
    assert model.loss_and_gradient(X, Y, "mse", l1=0.1, l2=0.2)[0] == pytest.approx(whole, rel=1e-14)
    assert mf.Trainer(model, "mse", **settings).evaluate(X, Y)["loss"] == pytest.approx(whole, rel=1e-14)
    assert mf.Trainer(model.copy(), "mse", **settings).train_on_batch(X, Y) == pytest.approx(whole, rel=1e-14)
    history = mf.Trainer(model, "mse", mf.SGD(0.1), **settings).fit(X, Y, verbose=0)
    assert history["loss"][0] == pytest.approx(whole, rel=1e-14)
    added = {"W0": 0.5 * np.sign(W0) + 0.2 * W0, "W1.0": 0.25 * W1, "W2": 0.1 * np.sign(W2) + 0.2 * W2}
    for tensor in model.program.tensors:
        span = slice(tensor.offset, tensor.offset + tensor.size)
        step = bare_g[span] + added.get(tensor.name, np.zeros(tensor.size)).ravel()
        np.testing.assert_allclose(model.parameters[span], pure.parameters[span] - 0.1 * step, rtol=1e-12, atol=1e-15)
