"""Tensors that several layers use: the plan allows for them, though no layer of the package has any yet."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.layers import Layer

pytestmark = pytest.mark.usefixtures("as_many_threads_as_asked_for")


@dataclass(frozen=True)
class Twice(Layer):
    """A dense layer as wide as its input, applied twice."""

    max_norm: float | None = None
    name: ClassVar[str] = "twice"

    def lower(self, program, reads, place):
        first = mf.Dense(program.values[reads].columns, "tanh", max_norm=self.max_norm).lower(program, reads, place)
        second = program.value(program.values[reads].columns, mf.Activation("tanh"))
        program.layer("dense", first, second, tensors=program.layers[-1].tensors, packs=True)
        return second


def net(columns=40, **keywords):
    layers = [mf.Dense(columns, "relu"), Twice(**keywords), mf.Dense(3)]
    return mf.Model(5, layers, dtype="float64", seed=1)


def data(rows):
    rng = np.random.default_rng(rows)
    return rng.normal(size=(rows, 5)), rng.normal(size=(rows, 3))


def test_gradients_add():
    report = mf.gradcheck(net(), *data(9), "mse", l2=0.1)
    assert report.ok, report
    assert [tensor.name for tensor in report.tensors] == ["W0", "b0", "W1", "b1", "W2", "b2"]


@pytest.mark.parametrize("max_norm", [None, 0.5])
@pytest.mark.parametrize("rows", [20, 2500])
def test_steps_by_hand(rows, max_norm):
    """With many rows, the gradient is summed over chunks."""
    X, Y = data(rows)
    model, twin = net(max_norm=max_norm), net()
    mf.Trainer(model, "mse", mf.SGD(0.1), batch_size=None).fit(X, Y, epochs=3, verbose=0)
    for _ in range(3):
        twin.parameters -= 0.1 * twin.loss_and_gradient(X, Y, "mse")[1]
        if max_norm:
            twin.weights[1][...] /= np.maximum(1, np.linalg.norm(twin.weights[1], axis=0) / max_norm)
    np.testing.assert_allclose(model.parameters, twin.parameters, rtol=1e-10)


def test_prediction():
    model, (X, _) = net(), data(200)
    W, b = model.tensors["W1"], model.tensors["b1"]
    h = np.maximum(0, X @ model.tensors["W0"])
    expected = np.tanh(np.tanh(h @ W + b) @ W + b) @ model.tensors["W2"]
    for rows in (1, 20, 200):
        np.testing.assert_allclose(model.predict(X[:rows]), expected[:rows], rtol=1e-12)


def test_threads_give_the_same_bits():
    found = set()
    for n_threads in (1, 2, 8):
        model = net(150)
        mf.Trainer(model, "mse", batch_size=128, n_threads=n_threads).fit(*data(300), epochs=2, verbose=0)
        found.add(model.parameters.tobytes())
    assert len(found) == 1


def test_second_derivatives_add():
    X, Y = data(20)
    model, twin, step = net(), net(), 1e-6
    v = np.random.default_rng(0).normal(size=model.n_parameters)
    found = []
    for sign in (1, -1):
        twin.parameters = model.parameters + sign * step * v
        found.append(twin.loss_and_gradient(X, Y, "mse")[1])
    expected = (found[0] - found[1]) / (2 * step)
    product = model.hvp(X, Y, v, "mse")
    assert np.linalg.norm(product - expected) < 1e-7 * np.linalg.norm(expected)
    assert {model.hvp(X, Y, v, "mse", n_threads=n).tobytes() for n in (1, 2, 3)} == {product.tobytes()}


def test_second_derivatives_of_many_rows():
    """They are summed over chunks."""
    X, Y = data(2500)
    model = net()
    v = np.random.default_rng(0).normal(size=model.n_parameters)
    parts = [slice(0, 900), slice(900, 1700), slice(1700, 2500)]
    expected = sum(len(X[part]) * model.hvp(X[part], Y[part], v, "mse") for part in parts) / 2500
    np.testing.assert_allclose(model.hvp(X, Y, v, "mse"), expected, rtol=1e-10, atol=1e-12)
