"""What docs/gradients.md says of the error of each derivative in float32, measured against float64."""

import re
from pathlib import Path

import numpy as np
import pytest

import mlpfast as mf

TABLE = re.compile(r"^\| `(\w+)` \| ([\d.e-]+) \| ([\d.e-]+) \|$", re.MULTILINE)
STATED = {
    name: (float(untrained), float(trained))
    for name, untrained, trained in TABLE.findall(
        (Path(__file__).parent.parent / "docs" / "gradients.md").read_text(encoding="utf-8")
    )
}
PRODUCTS = {
    "loss_and_gradient": lambda m, X, y, V, U, v: m.loss_and_gradient(X, y, "cross_entropy")[1],
    "jvp": lambda m, X, y, V, U, v: m.jvp(X, V),
    "vjp": lambda m, X, y, V, U, v: m.vjp(X, U),
    "jacobian": lambda m, X, y, V, U, v: m.jacobian(X),
    "input_gradient": lambda m, X, y, V, U, v: m.input_gradient(X, y, "cross_entropy"),
    "per_sample_gradients": lambda m, X, y, V, U, v: m.per_sample_gradients(X, y, "cross_entropy"),
    "per_sample_gradient_norms": lambda m, X, y, V, U, v: m.per_sample_gradient_norms(X, y, "cross_entropy"),
    "fisher_diagonal": lambda m, X, y, V, U, v: m.fisher_diagonal(X, y, loss="cross_entropy"),
    "input_hessian": lambda m, X, y, V, U, v: m.input_hessian(X, y, "cross_entropy"),
    "hvp": lambda m, X, y, V, U, v: m.hvp(X, y, v, "cross_entropy"),
    "gauss_newton_product": lambda m, X, y, V, U, v: m.gauss_newton_product(X, y, v, "cross_entropy"),
}


@pytest.fixture(scope="module")
def nets():
    """A net as it is drawn, and the same one trained on the digits, each with its twin in float64."""
    X, y = mf.datasets.load_digits()
    X = (X / 16).astype("float32")
    found = []
    for epochs in (0, 20):
        model = mf.mlp([64, 64, 64, 10], "tanh", "softmax", seed=0)
        if epochs:
            mf.Trainer(model, optimizer=mf.Adam(0.003), seed=0).fit(X, y, epochs=epochs, verbose=0)
        twin = mf.Model(64, model.layers, dtype="float64")
        twin.state = model.state
        found.append((model, twin))
    rng = np.random.default_rng(0)
    shapes = ((256, 64), (256, 10), (model.n_parameters,))
    return found, (X[:256], y[:256], *(rng.normal(size=shape).astype("float32") for shape in shapes))


def test_every_derivative_is_in_the_table():
    assert set(STATED) == set(PRODUCTS)


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_error_is_what_the_page_says(nets, name):
    pairs, data = nets
    for (model, twin), stated in zip(pairs, STATED[name], strict=True):
        found, expected = (PRODUCTS[name](each, *data) for each in (model, twin))
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        assert error <= stated < 2 * error, f"{name}: {error:.2e}"
