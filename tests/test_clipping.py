"""Clipping the gradient: by its elements in the update's pass, by its norm between two phases along tiles."""

import pickle

import numpy as np
import pytest
from test_trainer import Reference

import mlpfast as mf

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 5)), RNG.normal(size=(60, 3))
PENALTIES = {"l1": 0.01, "l2": 0.05}


def net(dtype="float64", seed=1):
    return mf.mlp([5, 40, 30, 3], "tanh", dtype=dtype, seed=seed)


def clipped(g, clip_norm=None, clip_value=None):
    """The formula."""
    norm = np.linalg.norm(g)
    if clip_norm is not None and norm > clip_norm:
        g = g * (clip_norm / norm)
    return g if clip_value is None else np.clip(g, -clip_value, clip_value)


@pytest.mark.parametrize("clips", [{"clip_norm": 0.3}, {"clip_value": 0.02}, {"clip_norm": 0.3, "clip_value": 0.05}])
@pytest.mark.parametrize("penalties", [{}, PENALTIES, {"l2": 0.05}], ids=["", "l1, l2", "l2"])
@pytest.mark.parametrize("optimizer", [mf.SGD(0.1), mf.SGD(0.1, momentum=0.9, weight_decay=0.1), mf.NAdam()], ids=repr)
def test_clipping_is_its_formula(optimizer, penalties, clips):
    """The penalties are in the gradient that is clipped; the decay of an optimizer is not."""
    model = net()
    reference, gradients_of = Reference(optimizer, model), model.copy()
    trainer = mf.Trainer(model, "mse", optimizer, batch_size=20, shuffle=False, **penalties, **clips)
    trainer.fit(X, Y, epochs=2, verbose=0)
    changed = 0
    for first in (0, 20, 40) * 2:
        gradients_of.parameters = reference.p
        _, g = gradients_of.loss_and_gradient(X[first : first + 20], Y[first : first + 20], "mse", **penalties)
        changed += (clipped(g, **clips) != g).any()
        reference.step(clipped(g, **clips))
    assert changed == 6
    np.testing.assert_allclose(model.parameters, reference.p, rtol=1e-9, atol=1e-13)


def test_a_norm_is_clipped_between_two_phases():
    trainer = mf.Trainer(net(), "mse", clip_norm=1.0, groups={"W1": {"max_norm": 1.0}})
    assert str(trainer.program) == (
        "step:\n  rows     gather, forward 0-2, compare, back 2-0\n  tiles    gradient 0-2\n  spans    clip\n"
        "  tiles    update\n  units    limit 1"
    )
    assert str(mf.Trainer(net(), "mse", clip_value=1.0).program) == str(mf.Trainer(net(), "mse").program)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [60, 1500, 5000])
@pytest.mark.parametrize("penalties", [{}, PENALTIES])
def test_a_large_limit_changes_no_bit(penalties, rows, dtype):
    """One chunk and several, and the sums in float64 of more than 4,096 rows."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(rows, 5)), rng.normal(size=(rows, 3))
    found = set()
    for clips in ({}, {"clip_norm": 1e30}, {"clip_value": 1e30}, {"clip_norm": 1e30, "clip_value": 1e30}):
        model = net(dtype)
        mf.Trainer(model, "mse", batch_size=rows, **penalties, **clips).fit(X, y, epochs=2, verbose=0)
        found.add(model.parameters.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("clips", [{"clip_norm": 0.3}, {"clip_value": 0.02}])
@pytest.mark.parametrize("rows", [1500, 5000])
def test_of_many_rows_the_whole_gradient_is_clipped(rows, clips):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(rows, 5)), rng.normal(size=(rows, 3))
    model = net("float32")
    expected = model.parameters - 0.1 * clipped(model.loss_and_gradient(X, y, "mse", l2=0.1)[1], **clips)
    mf.Trainer(model, "mse", mf.SGD(0.1), batch_size=None, l2=0.1, shuffle=False, **clips).fit(X, y, verbose=0)
    np.testing.assert_allclose(model.parameters, expected, rtol=2e-5, atol=1e-7)


@pytest.mark.usefixtures("as_many_threads_as_asked_for")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads(dtype):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(300, 60)), rng.normal(size=(300, 3))
    found = set()
    for n_threads in (1, 2, 3, 8):
        model = mf.mlp([60, 257, 131, 3], "gelu", dtype=dtype, seed=0)
        trainer = mf.Trainer(model, "mse", batch_size=150, n_threads=n_threads, clip_norm=0.1, **PENALTIES)
        trainer.fit(X, y, epochs=2, verbose=0)
        found.add(model.parameters.tobytes())
    assert len(found) == 1


def test_what_is_frozen_is_not_in_the_norm():
    model = net()
    _, g = model.loss_and_gradient(X, Y, "mse")
    start = model.parameters.copy()
    trained = np.zeros(g.size, bool)
    for tensor in model.program.tensors:
        trained[tensor.offset : tensor.offset + tensor.size] = tensor.name in ("W1", "b2")
    groups = {"weights": {"trainable": False}, "biases": {"trainable": False}}
    groups |= {"W1": {"trainable": True}, "b2": {"trainable": True}}
    mf.Trainer(model, "mse", mf.SGD(0.1), batch_size=None, groups=groups, clip_norm=0.01).fit(X, Y, verbose=0)
    g = np.where(trained, g, 0)
    np.testing.assert_allclose(model.parameters, start - 0.1 * clipped(g, 0.01), rtol=1e-12)


def test_sparse_rows_give_the_bits_of_dense_ones():
    sparse = pytest.importorskip("scipy.sparse")
    thin = X * (X > 0.5)
    found = set()
    for rows in (thin, sparse.csr_array(thin)):
        model = net("float32")
        mf.Trainer(model, "mse", batch_size=20, clip_norm=0.1).fit(rows, Y, epochs=2, verbose=0)
        found.add(model.parameters.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_is_not_finite_is_divergence_in_its_step(dtype):
    """Beside finite rows, parameters and loss; there is no norm to divide by."""
    model = mf.mlp([2, 4, 1], "tanh", dtype=dtype, seed=0)
    large = np.finfo(dtype).max
    model.weights[0][:], model.weights[1][:], model.biases[1][:] = 0, large / 4, 8
    before = model.parameters.copy()
    trainer = mf.Trainer(model, "mse", batch_size=8, clip_norm=1.0)
    X, y = np.full((8, 2), 8.0), np.zeros(8)
    with pytest.raises(mf.DivergenceError):
        trainer.fit(X, y, verbose=0)
    np.testing.assert_array_equal(model.parameters, before)
    assert trainer.steps == 0


def test_assigned_and_pickled():
    made, assigned = (mf.Trainer(net(), "mse", batch_size=20, **clips) for clips in ({"clip_norm": 0.1}, {}))
    assigned.clip_norm = 0.1
    for trainer in (made, assigned):
        trainer.fit(X, Y, verbose=0)
    again = pickle.loads(pickle.dumps(made))
    assert (again.clip_norm, again.clip_value, str(again.program)) == (0.1, None, str(made.program))
    for trainer in (made, assigned, again):
        trainer.clip_norm, trainer.clip_value = None, 0.01
        trainer.fit(X, Y, verbose=0)
        trainer.groups = {"biases": {"trainable": False}}
        trainer.clip_norm = 0.2
        trainer.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(made.model.parameters, assigned.model.parameters)
    np.testing.assert_array_equal(made.model.parameters, again.model.parameters)


@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "1", True])
def test_limits_are_positive_numbers(name, value):
    with pytest.raises((TypeError, ValueError), match=f"expected {name} to be"):
        mf.Trainer(net(), "mse", **{name: value})
    trainer = mf.Trainer(net(), "mse", **{name: 2.0})
    with pytest.raises((TypeError, ValueError), match=f"expected {name} to be"):
        setattr(trainer, name, value)
    assert getattr(trainer, name) == 2.0


@pytest.mark.parametrize("make", [lambda **keywords: mf.Trainer(net(), "mse", **keywords), mf.Adam])
@pytest.mark.parametrize("theirs", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_names_of_others(make, theirs):
    with pytest.raises(TypeError, match="clip_norm is for the norm of the whole gradient, clip_value for its elements"):
        make(**{theirs: 1.0})
