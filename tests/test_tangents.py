"""Forward mode and second order of every registered layer, activation and loss, against differences of first order.

Run as a script, this file prints a hash of tangents and products.
"""

import hashlib
import sys

import numpy as np
import pytest
from isas import OTHER_ISAS, run_under
from layer_checks import DTYPES, data, models
from test_gradcheck import CASES, network
from test_gradcheck import data as data_for

import mlpfast as mf
from mlpfast.activations import ACTIVATIONS
from mlpfast.layers import LAYERS
from mlpfast.losses import BinaryCrossEntropy, BinaryFocal, CrossEntropy, Focal, Huber, Quantile, TweedieDeviance

pytestmark = pytest.mark.usefixtures("as_many_threads_as_asked_for")
STEPS = (1e-4, 1e-5, 1e-6)


def differences(f, x, v):
    """The derivative of f at x along v, by central differences with each step."""
    return [(f(x + step * v) - f(x - step * v)) / (2 * step) for step in STEPS]


def assert_one_is_close(got, found, tolerance=1e-6):
    """As close as the best step comes, relative to the norm."""
    errors = [np.linalg.norm(got - each) / max(np.linalg.norm(each), 1e-8) for each in found]
    assert min(errors) < tolerance, errors


def gradient_at(model, *arguments, **settings):
    twin = model.copy()

    def gradient(parameters):
        twin.parameters = parameters
        return twin.loss_and_gradient(*arguments, **settings)[1]

    return gradient


def direction(model, seed=0):
    """Of the parameters; zero for those that are not trained."""
    v = np.random.default_rng(seed).normal(size=model.n_parameters)
    for tensor in model.program.tensors:
        v[tensor.offset : tensor.offset + tensor.size] *= tensor.rule.trainable
    return v


def some(layer_class, dtype="float64"):
    """Some of the examples of a layer, each between others, first or last in turn."""
    found = list(models(layer_class, dtype))
    return found[::5] if len(found) > 20 else found[::2]


def directions_of_data(model, X):
    V = np.random.default_rng(1).normal(size=X.shape)
    V[:, [column for column, _ in model.program.codes]] = 0
    return V


@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=LAYERS)
def test_layers(layer_class):
    for model in some(layer_class):
        X, y = data(model, 35)
        V, v = directions_of_data(model, X), direction(model)
        assert_one_is_close(model.jvp(X, V), differences(model.predict, X, V))
        gradient = gradient_at(model, X, y, "mse", l2=0.1)
        assert_one_is_close(model.hvp(X, y, v, "mse", l2=0.1), differences(gradient, model.parameters, v))


@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=LAYERS)
def test_forward_mode_and_reverse_mode_agree(layer_class):
    """u (J v) is (u J) v, in first order; in second order, both being in a product, u (H v) is (u H) v."""
    rng = np.random.default_rng(5)
    for model in some(layer_class):
        X, y = data(model, 35)
        V, U = directions_of_data(model, X), rng.normal(size=(35, model.outputs))
        J_v, u_J = model.jvp(X, V), model.vjp(X, U)
        scale = np.linalg.norm(U, axis=1) * np.linalg.norm(J_v, axis=1) + 1e-12
        assert (abs((U * J_v).sum(axis=1) - (u_J * V).sum(axis=1)) < 1e-12 * scale).all()
        u, v = direction(model, 1), direction(model, 2)
        for product in (model.hvp, model.gauss_newton_product):
            H_v, u_H = product(X, y, v, "mse"), product(X, y, u, "mse")
            assert abs(u @ H_v - u_H @ v) < 1e-11 * (np.linalg.norm(u) * np.linalg.norm(H_v) + 1e-12)


@pytest.mark.parametrize(
    ("number", "names", "deeper"), CASES[::2], ids=["-".join(names) + f"-{deeper}" for _, names, deeper in CASES[::2]]
)
def test_activations_and_losses(number, names, deeper):
    model = network(number, *names, "float64", deeper)
    rows, loss = (3, 9)[number % 2], names[2]
    X, y = data_for(model, loss, rows, soft=number % 2 == 0)
    weights = {"sample_weight": np.random.default_rng(number).uniform(0.1, 2, rows)} if number % 3 else {}
    v = direction(model)
    gradient = gradient_at(model, X, y, loss, **weights)
    assert_one_is_close(model.hvp(X, y, v, loss, **weights), differences(gradient, model.parameters, v))


def test_every_activation_and_loss_is_there():
    names = [names for _, names, deeper in CASES[::2] if deeper or _ % 5]
    assert {hidden for hidden, _, _ in names} == {*ACTIVATIONS}
    assert {loss for _, _, loss in names} == {*mf.losses.LOSSES}


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        (Huber(0.3), "identity"),
        (Quantile([0.1, 0.5, 0.9]), "tanh"),
        (CrossEntropy(label_smoothing=0.2), "softmax"),
        (BinaryCrossEntropy(0.1, pos_weight=[1, 20, 0.3]), "sigmoid"),
        (TweedieDeviance(1.9), "identity"),
        (BinaryFocal(0.5, alpha=0.25), "identity"),
        (Focal(0.0), "softmax"),
        (Focal(0.5, alpha=[1, 2, 5]), "identity"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
@pytest.mark.parametrize("soft", [False, True])
def test_parameters_of_losses(loss, output, soft):
    model = mf.mlp([5, 9, 3], "tanh", output, dtype="float64")
    X, y = data_for(model, loss, 11, soft=soft)
    v = direction(model)
    found = differences(gradient_at(model, X, y, loss), model.parameters, v)
    assert_one_is_close(model.hvp(X, y, v, loss), found)


def test_wide_outputs():
    """Rows that are wider than a strip, and wider than a vector."""
    for units, loss in ((700, "mse"), (700, "log_cosh"), (130, "focal"), (130, "cross_entropy")):
        model = mf.mlp([3, 5, units], "tanh", dtype="float64", seed=1)
        X, y = data_for(model, loss, 4)
        v = direction(model)
        found = differences(gradient_at(model, X, y, loss), model.parameters, v)
        assert_one_is_close(model.hvp(X, y, v, loss), found)


def everything(model, n_threads=1):
    """Tangents, Jacobians and both products, as bytes."""
    X, y = data(model, 70)
    V, v = directions_of_data(model, X), direction(model)
    found = [
        model.jvp(X, V, n_threads=n_threads),
        model.jacobian(X, n_threads=n_threads),
        model.hvp(X, y, v, "mse", l2=0.1, n_threads=n_threads),
        model.gauss_newton_product(X, y, v, "mse", n_threads=n_threads),
    ]
    return b"".join(each.tobytes() for each in found)


def losses_and_activations(dtype):
    """Products of every loss and every hidden activation, as bytes."""
    found = []
    for number, names, deeper in CASES[::7]:
        model = network(number, *names, dtype, deeper)
        X, y = data_for(model, names[2], 37, soft=number % 2 == 0)
        found.append(model.hvp(X, y, direction(model), names[2]).tobytes())
    return b"".join(found)


def digest():
    found = hashlib.sha256()
    for dtype in DTYPES:
        for layer_class in LAYERS.values():
            for model in some(layer_class, dtype):
                found.update(everything(model))
        found.update(losses_and_activations(dtype))
    return found.hexdigest()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=LAYERS)
def test_every_number_of_threads_gives_the_same_bits(layer_class, dtype):
    for model in some(layer_class, dtype):
        assert len({everything(model, n_threads) for n_threads in (1, 2, 3)}) == 1


@pytest.mark.parametrize("isa", OTHER_ISAS)
def test_every_isa_gives_the_same_bits(isa):
    assert run_under(isa, __file__).strip() == digest()


@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=LAYERS)
def test_float32_is_close_to_float64(layer_class):
    for model in some(layer_class, "float32"):
        wide = mf.Model(model.inputs, model.layers, dtype="float64")
        wide.state = model.state
        X, y = data(model, 35)
        V, v = directions_of_data(model, X).astype("float32"), direction(model).astype("float32")
        assert_one_is_close(model.jvp(X, V), [wide.jvp(X, V)], 3e-5)
        assert_one_is_close(model.hvp(X, y, v, "mse"), [wide.hvp(X, y, v, "mse")], 3e-5)


if __name__ == "__main__":
    sys.stdout.write(digest() + "\n")
