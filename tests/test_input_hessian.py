"""Second derivatives by the data: of every registered layer, activation and loss, and what users meet."""

import numpy as np
import pytest
import scipy.sparse as sp
from derivative_checks import differences
from layer_checks import DTYPES, Shift, data, models, register_toy
from test_gradcheck import CASES, network
from test_gradcheck import data as data_for
from test_tangents import some

import mlpfast as mf
from mlpfast.layers import LAYERS

pytestmark = pytest.mark.usefixtures("as_many_threads_as_asked_for")
X = np.random.default_rng(0).normal(size=(9, 4))
LABELS = np.arange(9) % 3


def net(dtype="float64", hidden="tanh", output="softmax"):
    return mf.mlp([4, 6, 3], hidden, output, dtype=dtype, seed=1)


def assert_close(found, expected, tolerance=1e-6):
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) <= tolerance * max(np.linalg.norm(expected), 1e-3)


def check(model, rows, y, loss):
    """Both against differences of first derivatives, by some of the inputs."""
    columns = list(range(model.inputs))[:: max(1, model.inputs // 4)]
    found = model.input_hessian(rows, y, loss)
    assert_close(found[..., columns], differences(lambda Z: model.input_gradient(Z, y, loss), rows, columns))
    assert_close(found, found.transpose(0, 2, 1), 1e-12)
    found = model.input_hessian(rows)
    assert_close(found[..., columns], differences(model.jacobian, rows, columns))


@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=LAYERS)
def test_layers(layer_class):
    for model in some(layer_class):
        rows, y = data(model, 5)
        if any(layer.part is not None for layer in model.program.layers):
            with pytest.raises(ValueError, match=r"input_hessian: expected layers .* got '\w+' \(layer \d+ of model"):
                model.input_hessian(rows, y, "mse")
        elif model.inputs < 100:
            check(model, rows, y, "mse")


@pytest.mark.parametrize(
    ("number", "names", "deeper"), CASES[::2], ids=["-".join(names) + f"-{deeper}" for _, names, deeper in CASES[::2]]
)
def test_activations_and_losses(number, names, deeper):
    model = network(number, *names, "float64", deeper)
    if model.inputs <= 17:
        rows, y = data_for(model, names[2], 3)
        found = model.input_hessian(rows, y, names[2])[..., :3]
        columns = range(found.shape[-1])
        assert_close(found, differences(lambda Z: model.input_gradient(Z, y, names[2]), rows, columns))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_depends_on_no_other_and_threads_do_not_matter(dtype):
    model, rng = net(dtype, "gelu"), np.random.default_rng(1)
    rows, y = rng.normal(size=(1100, 4)), rng.integers(3, size=1100)
    for given in ((y, "cross_entropy"), ()):
        found = model.input_hessian(rows, *given)
        assert found.dtype == dtype
        np.testing.assert_array_equal(model.input_hessian(rows, *given, n_threads=1), found)
        for part in (slice(0, 1), slice(1020, 1029), slice(300, 1100)):
            of_part = [each[part] if isinstance(each, np.ndarray) else each for each in given]
            np.testing.assert_array_equal(model.input_hessian(rows[part], *of_part), found[part])


def test_of_a_quadratic_it_is_the_matrix():
    model = mf.mlp([4, 2], dtype="float64", seed=1)
    W = model.weights[0]
    np.testing.assert_allclose(model.input_hessian(X, X[:, :2], "mse"), np.broadcast_to(W @ W.T, (9, 4, 4)), rtol=1e-12)
    assert not model.input_hessian(X).any()


def test_a_kink_has_no_curvature():
    model = mf.Model(1, [mf.Dense(1, "relu")], dtype="float64")
    model.parameters[:] = [1, 0]
    assert not model.input_hessian([[0.0], [1.0]]).any()
    np.testing.assert_array_equal(model.input_hessian([[0.0], [1.0]], [0.0, 0.0], "mse").ravel(), [0, 1])


def test_sparse_rows_frozen_layers_and_penalties():
    rows = X * (X > 0)
    model = mf.Model(4, [mf.Dense(6, "tanh", l2=0.3), mf.Dense(3, trainable=False)], dtype="float64", seed=1)
    before = model.state.copy()
    found = model.input_hessian(rows, X[:, :3], "mse")
    np.testing.assert_array_equal(model.input_hessian(sp.csr_matrix(rows), X[:, :3], "mse"), found)
    assert_close(found, differences(lambda Z: model.input_gradient(Z, X[:, :3], "mse"), rows, range(4)))
    np.testing.assert_array_equal(model.state, before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_are_written_where_asked_for(dtype):
    model = net(dtype)
    for given, shape in (((LABELS, "cross_entropy"), (9, 4, 4)), ((), (9, 3, 4, 4))):
        expected, out = model.input_hessian(X, *given), np.empty(shape, dtype)
        assert expected.shape == shape
        assert model.input_hessian(X, *given, out=out) is out
        np.testing.assert_array_equal(out, expected)
        rows = out.reshape(-1)[:36].reshape(9, 4)
        rows[:] = X
        np.testing.assert_array_equal(model.input_hessian(rows, *given, out=out), expected)
        with pytest.raises(ValueError, match="expected out of shape"):
            model.input_hessian(X, *given, out=np.empty((*shape, 1), dtype))


def squares(y, h):
    return 0.5 * ((h - y) ** 2).sum(axis=1), h - y


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, LABELS), "input_hessian: expected y and a loss, or neither; got targets and no loss"),
        ((X, None, "mse"), "input_hessian: expected y and a loss, or neither; got a loss and no y"),
        ((X[:, :3],), "expected 4 features, got 3"),
        ((X * np.nan,), "expected finite values in X, got NaN at row 0, column 0"),
        ((X, LABELS[:8], "cross_entropy"), "expected y to be as long as X, 9 rows, got 8"),
        ((X, LABELS, "binary_cross_entropy"), "expected output activation sigmoid or identity"),
        ((X, X[:, :3], mf.losses.Custom(squares)), "input_hessian: expected a loss with second derivatives"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        net().input_hessian(*arguments)
    for n_threads in (0, 1.5, "two"):
        with pytest.raises((TypeError, ValueError), match="expected n_threads"):
            net().input_hessian(X, n_threads=n_threads)


def test_kinds_without_second_derivatives_are_named():
    if not register_toy():
        pytest.skip("needs a C compiler")
    model = next(models(Shift))
    with pytest.raises(ValueError, match="input_hessian: expected layers that have second derivatives, got 'shift'"):
        model.input_hessian(data(model, 3)[0])


def test_what_does_not_fit_says_its_bytes():
    model = mf.mlp([100_000, 1], seed=1)
    with pytest.raises(MemoryError, match=r"shape \(50, 1, 100000, 100000\) takes 2,000,000,000,000 bytes"):
        model.input_hessian(np.zeros((50, 100_000)))
