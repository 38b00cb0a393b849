"""Groups of parameters: rules of their own, by layer, by role and by name."""

from dataclasses import replace

import numpy as np
import pytest

import mlpfast as mf

RNG = np.random.default_rng(0)
FROZEN = {"trainable": False}
X, Y = RNG.normal(size=(30, 5)), RNG.normal(size=(30, 2))


def net(**keywords):
    return mf.Model(5, [mf.Scale(), mf.Dense(4, "tanh", **keywords), mf.Dense(2)], dtype="float64", seed=1)


def steps(model, optimizer, groups=None, **keywords):
    """The parameters by name after two steps, as what they were and what they are."""
    before = {name: tensor.copy() for name, tensor in model.tensors.items()}
    mf.Trainer(model, "mse", optimizer, batch_size=None, groups=groups, **keywords).fit(X, Y, epochs=2, verbose=0)
    return before, dict(model.tensors)


def test_one_sgd_step_by_hand():
    model = net()
    _, gradient = model.loss_and_gradient(X, Y, "mse")
    start = model.parameters.copy()
    groups = {"biases": {"learning_rate_scale": 0.5}, "scales": {"learning_rate_scale": 6}, "W2": mf.Group(l2=0.25)}
    mf.Trainer(model, "mse", mf.SGD(0.1), batch_size=None, groups=groups).fit(X, Y, verbose=0)
    rate = {"scale0": 0.6, "W1": 0.1, "b1": 0.05, "W2": 0.1, "b2": 0.05}
    for tensor in model.program.tensors:
        span = slice(tensor.offset, tensor.offset + tensor.size)
        g = gradient[span] + (0.25 * start[span] if tensor.name == "W2" else 0)
        np.testing.assert_allclose(model.parameters[span], start[span] - rate[tensor.name] * g, rtol=1e-13)


def test_decay_reaches_weights_unless_a_group_says_otherwise():
    optimizer = mf.SGD(0.1, weight_decay=0.5)
    model, plain = net(), net()
    _, gradient = model.loss_and_gradient(X, Y, "mse")
    start = model.parameters.copy()
    groups = {"scales": {"weight_decay_scale": 2.0}, "W1": {"weight_decay_scale": 0}}
    mf.Trainer(model, "mse", optimizer, batch_size=None, groups=groups).fit(X, Y, verbose=0)
    mf.Trainer(plain, "mse", optimizer, batch_size=None).fit(X, Y, verbose=0)
    factor = {"scale0": 0.9, "W2": 0.95}
    for tensor in model.program.tensors:
        span = slice(tensor.offset, tensor.offset + tensor.size)
        kept = factor.get(tensor.name, 1.0) * start[span]
        np.testing.assert_allclose(model.parameters[span], kept - 0.1 * gradient[span], rtol=1e-13)
    np.testing.assert_array_equal(plain.tensors["W2"], model.tensors["W2"])
    assert (plain.tensors["W1"] != model.tensors["W1"]).any()


def test_decay_comes_before_adam_and_may_have_squared_factors():
    """As RealMLP's: p (1 - wd lr f_lr^2 f_wd^2), and from there Adam's step by lr f_lr."""
    model = net()
    _, gradient = model.loss_and_gradient(X, Y, "mse")
    start = model.parameters.copy()
    f_lr, f_wd = 6.0, 0.5
    rule = mf.Group(learning_rate_scale=f_lr, weight_decay_scale=f_lr * f_wd**2)
    optimizer = mf.AdamW(0.04, beta_2=0.95, weight_decay=0.02)
    trainer = mf.Trainer(model, "mse", optimizer, batch_size=None, groups={"scales": rule})
    trainer.fit(X, Y, verbose=0)
    decayed = start[:5] * (1 - 0.02 * 0.04 * f_lr**2 * f_wd**2)
    step = 0.04 * f_lr * gradient[:5] / (np.abs(gradient[:5]) + 1e-8)
    np.testing.assert_allclose(model.parameters[:5], decayed - step, rtol=1e-12)


def test_the_scale_of_epsilon_is_adams_own():
    model, other = net(), net()
    steps(model, mf.Adam(0.1, epsilon=0.5), {"weights": {"epsilon_scale": 0.5}, "biases": {"epsilon_scale": 0.5}})
    steps(other, mf.Adam(0.1, epsilon=0.25), {"scales": mf.Group(epsilon_scale=2)})
    np.testing.assert_array_equal(model.parameters, other.parameters)


def test_a_layer_and_a_group_say_the_same():
    by_layer, by_group = net(learning_rate_scale=0.25, weight_decay_scale=0.5, l1=0.01), net()
    rule = {"learning_rate_scale": 0.25, "weight_decay_scale": 0.5}
    steps(by_layer, mf.AdamW(0.1))
    steps(by_group, mf.AdamW(0.1), {"W1": {**rule, "l1": 0.01}, "b1": rule})
    np.testing.assert_array_equal(by_layer.parameters, by_group.parameters)


def test_what_is_frozen_stays_and_nothing_flows_below():
    model = net()
    trainer = mf.Trainer(
        model, "mse", groups={"W1": {"trainable": False}, "b1": {"trainable": False}, "scales": {"trainable": False}}
    )
    assert str(trainer.program) == (
        "step:\n  rows     gather, forward 0-2, compare, back 2\n  tiles    gradient 2, update"
    )
    before = model.parameters.copy()
    trainer.fit(X, Y, epochs=3, verbose=0)
    changed = before != model.parameters
    assert changed.reshape(-1)[-10:].all() and not changed[:-10].any()
    trainer.groups = None
    trainer.fit(X, Y, verbose=0)
    assert (before != model.parameters).all()


def test_name_counts_more_than_role():
    model = net()
    before, after = steps(model, "adam", {"W1": {"trainable": True}, "weights": {"trainable": False}})
    assert (before["W1"] != after["W1"]).all() and (before["W2"] == after["W2"]).all()


def test_penalty_of_a_layer_is_in_the_loss():
    model, plain = net(l2=0.5), net()
    loss, gradient = model.loss_and_gradient(X, Y, "mse", l2=0.1)
    expected, g = plain.loss_and_gradient(X, Y, "mse")
    W1, W2 = plain.weights
    assert loss == pytest.approx(expected + 0.25 * (W1**2).sum() + 0.05 * (W2**2).sum(), rel=1e-13)
    start = model.program.tensors[1].offset
    np.testing.assert_allclose(gradient[start : start + 20], g[start : start + 20] + 0.5 * W1.ravel(), rtol=1e-12)


@pytest.mark.parametrize(
    ("groups", "kind", "message"),
    [
        ({"wights": {}}, ValueError, "unknown group 'wights'; did you mean 'weights'"),
        (
            {"W0": {}},
            ValueError,
            "expected one of W1, W2, b1, b2, biases, scale0, scales, weights",
        ),
        ({"embeddings": {}}, ValueError, "unknown group 'embeddings'"),
        ({"weights": 3}, TypeError, r"groups\['weights'\]: expected a Group, or a dict of its arguments, got 3"),
        ({"weights": {"lr": 3}}, ValueError, "unknown argument of a group 'lr'"),
        ({"weights": {"l2": -1}}, ValueError, "expected l2 to be >= 0"),
        ({"weights": {"trainable": 3}}, TypeError, "trainable"),
        ("weights", TypeError, "expected groups to be a mapping"),
        (dict.fromkeys(("weights", "biases", "scales"), FROZEN), ValueError, "leave none trainable"),
    ],
)
def test_bad_groups(groups, kind, message):
    trainer = mf.Trainer(net(), "mse", groups={"weights": {"l2": 0.5}})
    for assign in (lambda: mf.Trainer(net(), "mse", groups=groups), lambda: setattr(trainer, "groups", groups)):
        with pytest.raises(kind, match=message):
            assign()
    assert dict(trainer.groups) == {"weights": mf.Group(l2=0.5)}


def test_too_many_rules_are_refused():
    model = mf.Model(1, [mf.Dense(1, learning_rate_scale=i + 1) for i in range(20)])
    with pytest.raises(ValueError, match="expected at most 32 different rules for groups of parameters, got 40"):
        model.loss_and_gradient([[1.0]], [1.0], "mse")


def test_groups_are_pickled_and_bits_do_not_depend_on_threads():
    import pickle

    found = set()
    for n_threads in (1, 2, 8):
        model = mf.mlp([20, 150, 150, 3], seed=3)
        trainer = mf.Trainer(model, "mse", groups={"biases": {"learning_rate_scale": 0.5}}, n_threads=n_threads)
        data = np.random.default_rng(0).normal(size=(300, 20)), np.ones((300, 3))
        trainer.fit(*data, verbose=0)
        again = pickle.loads(pickle.dumps(trainer))
        assert again.groups == trainer.groups and again.program == trainer.program
        again.fit(*data, verbose=0)
        found.add(again.model.parameters.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("batch_size", [None, 7])
def test_norms_are_limited_after_each_step(batch_size):
    model = mf.Model(5, [mf.Dense(40, "tanh", max_norm=0.4), mf.Dense(2)], dtype="float64", seed=1)
    free = mf.Model(5, [mf.Dense(40, "tanh"), mf.Dense(2)], dtype="float64", seed=1)
    limits = []
    for each in (model, free):
        trainer = mf.Trainer(each, "mse", mf.SGD(0.5), batch_size=batch_size, shuffle=False)
        limits.append(str(trainer.program).endswith("tiles    gradient 0-1, update\n  units    limit 0"))
        if each is model:
            trainer.fit(X, Y, epochs=2, verbose=0)
    for _ in range(2):  # the same by hand
        for first in range(0, 30, batch_size or 30):
            rows = slice(first, first + (batch_size or 30))
            free.parameters -= 0.5 * free.loss_and_gradient(X[rows], Y[rows], "mse")[1]
            free.weights[0][...] /= np.maximum(1, np.linalg.norm(free.weights[0], axis=0) / 0.4)
    assert limits == [True, False]
    np.testing.assert_allclose(model.parameters, free.parameters, rtol=1e-11)
    norms = np.linalg.norm(model.weights[0], axis=0)
    assert norms.max() == pytest.approx(0.4, rel=1e-14) and norms.min() < 0.39


@pytest.mark.parametrize(
    "optimizer", [mf.Adagrad(0.1), mf.NAdam(0.1), mf.Lion(0.1), mf.ScheduleFreeAdamW(0.1)], ids=repr
)
def test_every_optimizer_knows_rates_decays_and_epsilons(optimizer):
    """Of a group, and of the optimizer: the same parameters."""
    scaled = {"learning_rate": 0.05, "weight_decay": 0.6}
    rule = {"learning_rate_scale": 0.5, "weight_decay_scale": 3.0}
    if hasattr(optimizer, "epsilon"):
        scaled["epsilon"], rule["epsilon_scale"] = 0.2, 2.0
        optimizer = replace(optimizer, epsilon=0.1)
    by_group, by_optimizer = net(), net()
    every = dict.fromkeys(["weights", "biases", "scales"], mf.Group(**rule))
    steps(by_group, replace(optimizer, weight_decay=0.2), every)
    steps(by_optimizer, replace(optimizer, **scaled), dict.fromkeys(every, mf.Group(weight_decay_scale=1.0)))
    np.testing.assert_allclose(by_group.parameters, by_optimizer.parameters, rtol=1e-13)
