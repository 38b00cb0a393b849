"""Every derivative against torch.func, in float64 to 1e-9 of its norm: of each layer, activation and loss.

What is registered takes part; what `torch_twin` does not know then fails here, and is to be added there.
"""

import functools
import random

import numpy as np
import pytest
from layer_checks import data
from loss_targets import fitting_outputs, targets_of
from test_random_stacks import STACKS, stack
from test_tangents import direction, directions_of_data, some

import mlpfast as mf
from mlpfast.activations import ACTIVATIONS
from mlpfast.layers import LAYERS
from mlpfast.losses import LOSSES, as_loss

torch = pytest.importorskip("torch")
func = pytest.importorskip("torch.func")
import torch_twin  # noqa: E402  (it needs torch)

ENCODERS = {"copy_columns", "one_hot", "embedding", "periodic", "piecewise_linear"}  # no second order by the data


def assert_close(name, found, expected):
    expected = expected.detach().numpy()
    assert found.shape == expected.shape, name
    error = np.linalg.norm(found - expected)
    assert error <= 1e-9 * max(np.linalg.norm(expected), 1e-3), f"{name}: {error / np.linalg.norm(expected):.1e}"


def check(model, X, y, loss):
    twin, loss, rng = torch_twin.Twin(model), as_loss(loss), np.random.default_rng(0)
    V, U, v = directions_of_data(model, X), rng.normal(size=(len(X), model.outputs)), direction(model)
    trained = torch.tensor(direction(model) != 0)
    p, x, t = twin.parameters, torch.tensor(X), torch.tensor(y)

    def over_rows(f, *arguments):
        return func.vmap(f)(*arguments)

    outputs = functools.partial(twin.value, p)
    row_loss = functools.partial(twin.loss, loss)
    by_parameters = func.grad(row_loss)
    assert_close("predict", model.predict(X), over_rows(outputs, x))
    jvp = over_rows(lambda x, v: func.jvp(outputs, (x,), (v,))[1], x, torch.tensor(V))
    assert_close("jvp", model.jvp(X, V), jvp)
    vjp = over_rows(lambda x, u: func.vjp(outputs, x)[1](u)[0], x, torch.tensor(U))
    assert_close("vjp", model.vjp(X, U), vjp)
    assert_close("jacobian", model.jacobian(X), over_rows(func.jacrev(outputs), x))
    by_data = functools.partial(row_loss, p)
    assert_close("input_gradient", model.input_gradient(X, y, loss), over_rows(func.grad(by_data), x, t))
    if not ENCODERS & {layer.kind for layer in model.program.layers}:
        assert_close("input_hessian", model.input_hessian(X, y, loss), over_rows(func.hessian(by_data), x, t))
        assert_close("input_hessian", model.input_hessian(X), over_rows(func.hessian(outputs), x))
    rows = torch.stack([by_parameters(p, *row) for row in zip(x, t, strict=True)]) * trained
    assert_close("per_sample_gradients", model.per_sample_gradients(X, y, loss), rows)
    assert_close("per_sample_gradient_norms", model.per_sample_gradient_norms(X, y, loss), rows.norm(dim=1))
    assert_close("fisher_diagonal", model.fisher_diagonal(X, y, loss=loss), (rows**2).mean(0))
    if loss.name in SLOPES:
        squares = [true_squares(twin, loss, row) for row in x]
        expected = torch.stack(squares).mean(0) * trained
        assert_close("true fisher_diagonal", model.fisher_diagonal(X, labels="model", loss=loss), expected)
    weight = rng.uniform(0.1, 2, len(X))
    share = torch.tensor(weight / weight.sum())

    def whole(p):
        return (share * torch.stack([row_loss(p, *row) for row in zip(x, t, strict=True)])).sum()

    penalty = own_l2(model)
    hvp = func.jvp(func.grad(whole), (p,), (torch.tensor(v),))[1] * trained + penalty * torch.tensor(v)
    assert_close("hvp", model.hvp(X, y, v, loss, sample_weight=weight), hvp)
    if model.n_parameters < 100:
        hessian = func.jacfwd(func.grad(whole))(p) * trained * trained[:, None] + torch.diag(penalty)
        assert_close("hessian", model.hessian(X, y, loss, sample_weight=weight), hessian)
    product = penalty * torch.tensor(v)
    for s, row, target in zip(share, x, t, strict=True):
        read = functools.partial(twin.value, x=row, activated=loss.reads == "outputs")
        z, tangent = func.jvp(read, (p,), (torch.tensor(v),))
        of_outputs = functools.partial(torch_twin.terms, loss, y=target)
        curved = func.jvp(func.grad(of_outputs), (z,), (tangent,))[1]
        product = product + s * func.vjp(read, p)[1](curved)[0] * trained
    assert_close("gauss_newton_product", model.gauss_newton_product(X, y, v, loss, sample_weight=weight), product)


#: dL/dz for each answer, and how likely it is; where outputs vary by themselves, one for each, times a deviation.
SLOPES = {
    "cross_entropy": lambda z: (torch.softmax(z, 0) - torch.eye(len(z)), torch.softmax(z, 0)),
    "binary_cross_entropy": lambda z: (torch.eye(len(z)), torch.sigmoid(z) * torch.sigmoid(-z)),
    "mse": lambda h: (torch.eye(len(h)), torch.ones(len(h))),
}


def true_squares(twin, loss, x):
    """Of a row, the squared derivatives by the parameters, expected over what the model holds for likely."""
    read = functools.partial(twin.value, x=x, activated=loss.reads == "outputs")
    slopes, likely = SLOPES[loss.name](read(twin.parameters))
    return likely.to(x) @ (slopes.to(x) @ func.jacrev(read)(twin.parameters)) ** 2


def own_l2(model):
    """What the layers' own penalties add to the diagonal."""
    found = np.zeros(model.n_parameters)
    for tensor in model.program.tensors:
        found[tensor.offset : tensor.offset + tensor.size] = (tensor.rule.l2 or 0) * tensor.rule.trainable
    return torch.tensor(found)


@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=LAYERS)
def test_layers(layer_class):
    for model in list(some(layer_class))[:2]:
        check(model, *data(model, 3), "mse")


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss):
    rng, loss = np.random.default_rng(1), as_loss(loss)
    output = (loss.output_activations or ("tanh",))[0]
    model = mf.mlp([4, 5, fitting_outputs(loss, 3)], "tanh", output, dtype="float64", seed=1)
    y = targets_of(loss, model.outputs, 5, rng)
    check(model, rng.normal(size=(5, 4)), y if loss.targets.classes else y.astype(float), loss)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation):
    biases = mf.initializers.Normal(0.3)
    model = mf.mlp([4, 6, 5, 3], activation, activation, bias_initializer=biases, dtype="float64", seed=1)
    rng = np.random.default_rng(2)
    check(model, rng.normal(size=(4, 4)), rng.normal(size=(4, 3)), "mse")


@pytest.mark.parametrize("number", range(0, STACKS, 10))
def test_random_stacks(number):
    model, X, y = stack(random.Random(number))
    check(model, X[:3], y[:3], "mse")
