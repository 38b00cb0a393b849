"""Tensors by name from one model into another: all or, on request, those that fit; nothing half changed."""

from collections import OrderedDict

import numpy as np
import pytest

import mlpfast as mf


@pytest.fixture
def model():
    return mf.mlp([4, 8, 3], seed=1)


def test_all_tensors_of_a_model_alike(model):
    other = mf.mlp([4, 8, 3], "tanh", "softmax", seed=2)  # activations do not matter
    vector = model.parameters
    assert model.load_tensors(other) == {}
    assert model.parameters is vector
    np.testing.assert_array_equal(model.parameters, other.parameters)
    other.parameters[:] = 0
    assert model.weights[0].all()


@pytest.mark.parametrize("make", [dict, OrderedDict, lambda tensors: {k: v.tolist() for k, v in tensors.items()}])
def test_from_a_mapping(model, make):
    other = mf.mlp([4, 8, 3], seed=2)
    assert model.load_tensors(make(other.tensors)) == {}
    np.testing.assert_array_equal(model.parameters, other.parameters)


def test_from_the_arrays_of_a_file(model, tmp_path):
    other = mf.mlp([4, 8, 3], seed=2)
    other.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as arrays:
        assert model.load_tensors(arrays, strict=False) == {"header.json": "is not in this model"}
    np.testing.assert_array_equal(model.parameters, other.parameters)


@pytest.mark.parametrize(("ours", "theirs"), [("float32", "float64"), ("float64", "float32")])
def test_values_are_rounded_to_the_dtype(ours, theirs):
    model, other = mf.mlp([4, 8, 3], dtype=ours), mf.mlp([4, 8, 3], dtype=theirs, seed=2)
    with np.errstate(all="raise"):
        model.load_tensors(other)
    np.testing.assert_array_equal(model.parameters, other.parameters.astype(ours))


def test_what_fits_is_copied(model):
    deeper = mf.mlp([4, 8, 5, 3], seed=2)
    before = model.copy()
    left_out = model.load_tensors(deeper, strict=False)
    assert left_out == {
        "W1": "has shape (8, 5), expected (8, 3)",
        "b1": "has shape (5,), expected (3,)",
        "W2": "is not in this model",
        "b2": "is not in this model",
    }
    for name, tensor in model.tensors.items():
        np.testing.assert_array_equal(tensor, (before if name in left_out else deeper).tensors[name])
    back = deeper.load_tensors(model, strict=False)
    assert list(back) == ["W1", "b1", "W2", "b2"]
    assert back["W2"] == back["b2"] == "is missing"


def test_nothing_fits(model):
    assert set(model.load_tensors({"W9": [1.0]}, strict=False)) == {"W0", "b0", "W1", "b1", "W9"}
    assert set(model.load_tensors({}, strict=False)) == {"W0", "b0", "W1", "b1"}


def test_a_model_into_itself(model):
    before = model.parameters.copy()
    assert model.load_tensors(model) == {}
    np.testing.assert_array_equal(model.parameters, before)


def test_views_of_what_is_written():
    model = mf.mlp([5, 5, 5, 5], seed=1)
    expected = {name: tensor.copy() for name, tensor in model.tensors.items()}
    tensors = model.tensors
    swapped = {"W0": tensors["W1"], "W1": tensors["W0"].T, "W2": tensors["W0"][::-1], "b0": tensors["W0"][1]}
    assert set(model.load_tensors(swapped, strict=False)) == {"b1", "b2"}
    np.testing.assert_array_equal(tensors["W0"], expected["W1"])
    np.testing.assert_array_equal(tensors["W1"], expected["W0"].T)
    np.testing.assert_array_equal(tensors["W2"], expected["W0"][::-1])
    np.testing.assert_array_equal(tensors["b0"], expected["W0"][1])


@pytest.mark.parametrize(
    ("change", "strict", "error", "message"),
    [
        (lambda t: t.pop("b1"), True, ValueError, "expected tensors of .*: b1 is missing; strict=False copies"),
        (lambda t: t.update(b2=[0]), True, ValueError, "b2 is not in this model; strict=False"),
        (lambda t: t.update(W1=t["W1"].T), True, ValueError, r"W1 has shape \(3, 8\), expected \(8, 3\)"),
        (lambda t: t.update({f"x{i}": 0 for i in range(9)}), True, ValueError, "x4 is not .*, and 4 more; strict"),
        (lambda t: t["b1"].fill(np.nan), True, ValueError, "expected finite values in b1, got NaN at row 0"),
        (lambda t: t["b1"].fill(np.inf), False, ValueError, "expected finite values in b1, got infinity at row 0"),
        (lambda t: t.update(b1=[0, 1e39, 0]), False, ValueError, r"b1, got 1e\+39, too large for float32"),
        (lambda t: t.update(b1=["a", "b", "c"]), False, TypeError, "expected b1 to be numeric"),
        (lambda t: t.update(b1=[[1], [2, 3]]), False, TypeError, "expected b1 to be an array of numbers"),
        (lambda t: t.update(b1=[1j, 0, 0]), False, TypeError, "expected b1 to be numeric"),
    ],
)
def test_nothing_half_changed(model, change, strict, error, message):
    tensors = {name: tensor.copy() for name, tensor in mf.mlp([4, 8, 3], seed=2).tensors.items()}
    change(tensors)
    before = model.parameters.copy()
    with pytest.raises(error, match=message):
        model.load_tensors(tensors, strict=strict)
    np.testing.assert_array_equal(model.parameters, before)


def test_what_is_left_out_may_be_anything(model):
    other = dict(mf.mlp([4, 8, 3], seed=2).tensors) | {"b1": np.full(7, np.nan), "other": object()}
    assert set(model.load_tensors(other, strict=False)) == {"b1", "other"}


@pytest.mark.parametrize("other", [None, 3, [1, 2], np.zeros(59), mf.Dense(3)])
def test_what_has_no_names(model, other):
    with pytest.raises(TypeError, match=r"expected other to be a Model or a mapping from names to arrays, got"):
        model.load_tensors(other)


def test_paths_and_switches(model, tmp_path):
    for path in ("model.npz", tmp_path):
        with pytest.raises(TypeError, match=r"write load_tensors\(mlpfast\.load\(path\)\)"):
            model.load_tensors(path)
    with pytest.raises(TypeError, match="expected strict to be True or False"):
        model.load_tensors(model, strict="no")


def test_training_goes_on_from_them(model):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(64, 4)), rng.normal(size=(64, 3))
    start, wide = mf.mlp([4, 8, 3], seed=5), mf.mlp([4, 8, 3])
    trainer = mf.Trainer(wide, "mse", mf.SGD(0.01))
    wide.load_tensors(start)
    trainer.fit(X, y, epochs=1, verbose=0)
    mf.Trainer(start, "mse", mf.SGD(0.01)).fit(X, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(wide.parameters, start.parameters)
