"""Derivatives of each row by itself, by reverse mode: of every registered layer, activation and loss."""

import itertools

import derivative_checks
import layer_checks
import numpy as np
import pytest
import scipy.sparse as sp
from derivative_checks import differences, everything, numeric, row_losses, some
from isas import OTHER_ISAS, run_under
from layer_checks import DTYPES, Shift, data, models
from loss_targets import fitting_outputs, targets_of
from test_shared_tensors import net as net_of_shared_tensors

import mlpfast as mf
from mlpfast.activations import ACTIVATIONS
from mlpfast.layers import LAYERS
from mlpfast.losses import LOSSES, Custom, as_loss

pytestmark = pytest.mark.usefixtures("as_many_threads_as_asked_for")
RNG = np.random.default_rng(0)


@pytest.fixture(params=[*LAYERS.values(), Shift], ids=lambda cls: cls.name)
def layer_class(request):
    if request.param is Shift and not layer_checks.register_toy():
        pytest.skip("needs a C compiler")
    return request.param


def assert_close(found, expected, tolerance=1e-6):
    """Relative to the norm of the whole."""
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) <= tolerance * max(np.linalg.norm(expected), 1e-3)


def check(model, X, y, loss, U):
    """All of it against predictions, differences, and the gradients of single rows."""
    found = everything(model, X, y, loss, U) if loss == "mse" else without_true_fisher(model, X, y, loss, U)
    columns = numeric(model)
    codes = sorted({*range(model.inputs)} - {*columns})
    columns = columns[:: max(1, len(columns) // 8)]
    assert_close(found["jacobian"][..., columns], differences(model.predict, X, columns))
    assert not found["jacobian"][..., codes].any() and not found["input_gradient"][:, codes].any()
    assert_close(found["vjp"], np.einsum("no,noj->nj", U, found["jacobian"]), 1e-12)
    losses = differences(lambda Z: row_losses(model, Z, y, loss), X, columns)
    assert_close(found["input_gradient"][:, columns], losses)
    alone = np.array([model.loss_and_gradient(X[i : i + 1], y[i : i + 1], loss)[1] for i in range(len(X))])
    alone -= penalty(model)
    assert_close(found["gradients"], alone, 1e-12)
    assert_close(found["gradients"].mean(axis=0), model.loss_and_gradient(X, y, loss)[1] - penalty(model), 1e-12)
    assert_close(found["norms"], np.linalg.norm(alone, axis=1), 1e-12)
    assert_close(found["fisher"], (alone**2).mean(axis=0), 1e-12)
    deltas = dict(zip(model.program.made, model.deltas(X, y, loss), strict=True))
    uses = [number for layer in model.program.layers for number in layer.tensors]
    for layer in model.program.layers:  # a bias moves each row's pre-activation as much as itself
        if layer.kind != "dense" or len(layer.tensors) < 2 or uses.count(layer.tensors[1]) > 1:
            continue
        bias = model.program.tensors[layer.tensors[1]]
        if bias.rule.trainable:
            gradients = found["gradients"][:, bias.offset : bias.offset + bias.size]
            assert_close(deltas[layer.makes], gradients, 1e-12)
    z, h = model.activations(X)
    np.testing.assert_array_equal(h[-1], model.predict(X))
    assert [len(array) for array in (*z, *h)] == [len(X)] * 2 * len(z)
    return found


def penalty(model):
    """What penalties of the layers' own have in the gradient."""
    found = np.zeros(model.n_parameters)
    for tensor in model.program.tensors:
        where = slice(tensor.offset, tensor.offset + tensor.size)
        p = model.parameters[where]
        found[where] = (tensor.rule.l1 or 0) * np.sign(p) + (tensor.rule.l2 or 0) * p
    return found


def without_true_fisher(model, X, y, loss, U):
    return {
        "jacobian": model.jacobian(X),
        "vjp": model.vjp(X, U),
        "input_gradient": model.input_gradient(X, y, loss),
        "gradients": model.per_sample_gradients(X, y, loss),
        "norms": model.per_sample_gradient_norms(X, y, loss),
        "fisher": model.fisher_diagonal(X, y, loss=loss),
    }


def test_layers(layer_class):
    for model in models(layer_class):
        X, y = data(model, 5)
        found = check(model, X, y, "mse", RNG.normal(size=(5, model.outputs)))
        expected = 0
        for output in range(model.outputs):  # a residual of one output at a time
            unit = np.eye(model.outputs)[output]
            expected = expected + model.per_sample_gradients(X, model.predict(X) - unit, "mse") ** 2
        assert_close(found["true_fisher"], expected.mean(axis=0), 1e-10)


PAIRS = [
    (hidden, output, loss)
    for loss in LOSSES
    for hidden, output in zip(
        itertools.cycle(ACTIVATIONS), as_loss(loss).output_activations or tuple(ACTIVATIONS), strict=False
    )
]


@pytest.mark.parametrize(("hidden", "output", "loss"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_activations_and_losses(hidden, output, loss):
    model = mf.mlp(
        [4, 7, fitting_outputs(as_loss(loss), 2)],
        hidden,
        output,
        bias_initializer=mf.initializers.Normal(0.3),
        dtype="float64",
    )
    X, rng = RNG.normal(size=(6, 4)), np.random.default_rng(3)
    y = targets_of(as_loss(loss), model.outputs, 6, rng)
    check(model, X, y, loss, rng.normal(size=(6, model.outputs)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_of_every_activation(activation):
    model = mf.mlp([3, 5, 4], activation, activation, dtype="float64", seed=1)
    X = RNG.normal(size=(70, 3))
    z, h = model.activations(X)
    before = X
    for W, b, z_of_layer, h_of_layer in zip(model.weights, model.biases, z, h, strict=True):
        np.testing.assert_allclose(z_of_layer, before @ W + b, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(h_of_layer, mf.kernels.activation(z_of_layer, activation))
        before = h_of_layer


def test_deltas_are_the_derivatives_by_the_pre_activations():
    model = mf.mlp([3, 5, 4, 2], "gelu", "sigmoid", dtype="float64", seed=1)
    X, y = RNG.normal(size=(40, 3)), RNG.integers(2, size=(40, 2))
    deltas, (_, h) = model.deltas(X, y, "binary_cross_entropy"), model.activations(X)
    _, gradient = model.loss_and_gradient(X, y, "binary_cross_entropy")
    products = [
        np.vstack([x.T @ delta, delta.sum(axis=0)]).ravel() / 40 for x, delta in zip([X, *h[:-1]], deltas, strict=True)
    ]
    np.testing.assert_allclose(np.concatenate(products), gradient, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("logits", [False, True])
def test_the_fisher_information_is_the_mean_over_the_models_own_labels(loss, logits):
    several = loss == "cross_entropy"
    activation = "identity" if logits else "softmax" if several else "sigmoid"
    model = mf.mlp([3, 6, 3], "tanh", activation, dtype="float64", seed=1)
    X, n = RNG.normal(size=(50, 3)), 50
    z = model.activations(X).z[-1]
    p, expected = mf.kernels.activation(z, "softmax" if several else "sigmoid"), 0
    for labels in range(3) if several else itertools.product([0, 1], repeat=3):
        y = np.full(n, labels) if several else np.tile(labels, (n, 1))
        weight = p[:, labels] if several else np.prod(np.where(labels, p, 1 - p), axis=1)
        expected = expected + weight[:, None] * model.per_sample_gradients(X, y, loss) ** 2
    found = model.fisher_diagonal(X, labels="model", loss=loss)
    np.testing.assert_allclose(found, expected.mean(axis=0), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_of_threads_and_any_company_give_the_same_bits(layer_class, dtype):
    for model in some(models(layer_class, dtype)):
        X, y = data(model, 150)
        given = X, y, "mse", y
        expected = everything(model, *given, n_threads=1)
        for name, array in everything(model, *given, n_threads=3).items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
        part = slice(37, 70)
        for name, array in everything(model, X[part], y[part], "mse", y[part]).items():
            if "fisher" not in name:
                np.testing.assert_array_equal(array, expected[name][part], err_msg=name)


@pytest.mark.parametrize("isa", OTHER_ISAS)
def test_every_isa_gives_the_same_bits(isa):
    if not layer_checks.register_toy():
        pytest.skip("needs a C compiler")
    assert run_under(isa, derivative_checks.__file__).strip() == derivative_checks.digest()


def test_sparse_rows_are_as_dense_ones(layer_class):
    for model in some(models(layer_class)):
        X, y = data(model, 40)
        X[X < 0.5] = 0
        dense, sparse = (everything(model, given, y, "mse", y) for given in (X, sp.csr_matrix(X)))
        for name, array in sparse.items():
            np.testing.assert_array_equal(array, dense[name], err_msg=name)


def test_tensors_that_several_layers_use():
    model = net_of_shared_tensors(7)
    check(model, RNG.normal(size=(9, 5)), RNG.normal(size=(9, 3)), "mse", RNG.normal(size=(9, 3)))


def test_what_is_frozen_has_no_gradient_and_is_gone_through():
    layers = [mf.Dense(6, "tanh", trainable=False), mf.LayerNorm(), mf.Dense(2)]
    model = mf.Model(4, layers, dtype="float64", seed=1)
    X, y = RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2))
    found = check(model, X, y, "mse", y)
    assert not found["gradients"][:, :30].any() and found["gradients"][:, 30:].all() and found["jacobian"].all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_that_no_cache_keeps(dtype):
    """They are written past the caches, from any place in memory on; each row by itself is small and is not."""
    model = mf.mlp([101, 97, 33, 1], "relu", dtype=dtype, seed=1)
    rows = 1 + 2**22 // (model.n_parameters * model.dtype.itemsize)
    X, y = RNG.normal(size=(rows, 101)), RNG.normal(size=(rows, 1))
    space = np.full(rows * model.n_parameters + 20, 7, dtype)
    for start in (0, 3, 16):
        out = space[start : start + rows * model.n_parameters].reshape(rows, -1)
        assert model.per_sample_gradients(X, y, "mse", out=out) is out
        for i in range(0, rows, 9):
            np.testing.assert_array_equal(out[i], model.per_sample_gradients(X[i : i + 1], y[i : i + 1], "mse")[0])
        assert (space[rows * model.n_parameters + start :] == 7).all()


def test_custom_losses():
    def half_squares(y, h):
        return 0.5 * ((h - y) ** 2).sum(axis=1), h - y

    model = mf.mlp([4, 6, 2], "tanh", "tanh", dtype="float64", seed=1)
    X, y = RNG.normal(size=(80, 4)), RNG.normal(size=(80, 2))
    expected, custom = (without_true_fisher(model, X, y, loss, y) for loss in ("mse", Custom(half_squares)))
    for name, array in custom.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)

    def fails(y, h):
        raise RuntimeError("no loss today")

    with pytest.raises(RuntimeError, match="no loss today"):
        model.input_gradient(X, y, Custom(fails))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inputs", [8, 16, 64, 80])
def test_jacobians_touch_their_own_memory_alone(inputs, dtype):
    """The first layer's product goes straight there, where the widths are whole panels and the rows whole tiles."""
    for n, hidden in itertools.product((1, 8, 48, 54), (5, 300)):
        model = mf.mlp((inputs, hidden, 3), "tanh", dtype=dtype, seed=0)
        X, size = RNG.normal(size=(n, inputs)).astype(dtype), n * 3 * inputs
        memory = np.full(size + 40, 7.0, dtype)
        found = model.jacobian(X, out=memory[19 : 19 + size].reshape(n, 3, inputs))
        W, V = model.weights
        expected = np.einsum("nh,ih,ho->noi", 1 - np.tanh(X @ W + model.biases[0]) ** 2, W, V)
        assert_close(found, expected, 1e-5 if dtype == "float32" else 1e-12)
        assert (memory[:19] == 7).all() and (memory[19 + size :] == 7).all()
        np.testing.assert_array_equal(np.concatenate([model.jacobian(X[i : i + 1]) for i in range(n)]), found)


def test_gradients_of_rows_that_are_large():
    """Of a net with many parameters, blocks have fewer rows."""
    rng = np.random.default_rng(0)
    model = mf.mlp([1000, 800], seed=0)
    X, y = rng.normal(size=(11, 1000)).astype(np.float32), rng.normal(size=(11, 800)).astype(np.float32)
    delta = model.predict(X) - y
    found = model.per_sample_gradients(X, y, "mse")
    for row in range(11):
        W, b = np.split(found[row], [800_000])
        np.testing.assert_array_equal(W.reshape(1000, 800), np.outer(X[row], b))
        np.testing.assert_allclose(b, delta[row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(64, 64, 64, 10), (5, 7, 9, 3), (33, 40, 50, 65, 4), (6, 300, 300, 2)])
def test_jacobians_of_deep_nets(sizes, dtype):
    """The last two layers may go back at once, by weights of their own for each output."""
    model = mf.mlp(sizes, "tanh", dtype=dtype, seed=0)
    X, unit = RNG.normal(size=(51, sizes[0])).astype(dtype), np.eye(sizes[-1])
    found = model.jacobian(X)
    for o in range(sizes[-1]):
        assert_close(found[:, o], model.vjp(X, np.tile(unit[o], (51, 1))), 1e-5 if dtype == "float32" else 1e-12)
    np.testing.assert_array_equal(np.concatenate([model.jacobian(X[i : i + 1]) for i in range(51)]), found)


def test_jacobians_where_products_of_weights_overflow():
    """Where a unit is saturated, what is behind it plays no part, whatever its size."""
    model = mf.mlp((4, 5, 6, 3), "tanh", seed=0)
    model.parameters = model.parameters * 1e25
    assert not model.jacobian(RNG.normal(size=(9, 4))).any()
