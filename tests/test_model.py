"""The model: its parameters and their views, its predictions and gradients, its text, its copies."""

import copy
import pickle
import re
from string import ascii_letters
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpfast as mf

DTYPES = ["float32", "float64"]


def test_the_two_ways_to_make_a_model():
    layers = [mf.Dense(128, activation="relu"), mf.Dense(10, activation="softmax")]
    model = mf.Model(784, layers, dtype="float32", seed=0)
    twin = mf.mlp([784, 128, 10], activation="relu", output_activation="softmax", seed=0)
    assert model.layers == twin.layers == tuple(layers)
    assert model.sizes == (784, 128, 10) and (model.inputs, model.outputs) == (784, 10)
    assert model.n_parameters == 784 * 128 + 128 + 128 * 10 + 10
    assert model.parameters.tobytes() == twin.parameters.tobytes()


def test_mlp_passes_everything_on():
    model = mf.mlp([3, 4, 5, 2], "tanh", "sigmoid", dropout=0.2, kernel_initializer="normal", dtype="float64", seed=7)
    assert model.layers == (
        mf.Dense(4, "tanh", "normal", dropout=0.2),
        mf.Dense(5, "tanh", "normal", dropout=0.2),
        mf.Dense(2, "sigmoid", "normal"),
    )
    assert (model.dtype, model.seed) == (np.float64, 7)


@pytest.mark.parametrize("dtype", DTYPES)
@given(sizes=st.lists(st.integers(1, 20), min_size=2, max_size=6))
def test_weights_and_biases_are_views_of_one_vector(dtype, sizes):
    model = mf.mlp(sizes, dtype=dtype)
    flat = model.parameters
    assert flat.ndim == 1 and flat.dtype == dtype and flat.flags.writeable and flat.flags.c_contiguous
    flat[:] = np.arange(flat.size)
    expected = 0
    for fan_in, fan_out, W, b in zip(sizes[:-1], sizes[1:], model.weights, model.biases, strict=True):
        assert W.shape == (fan_in, fan_out) and b.shape == (fan_out,)
        for tensor in (W, b):
            np.testing.assert_array_equal(tensor.ravel(), np.arange(expected, expected + tensor.size))
            expected += tensor.size
    assert expected == flat.size
    model.biases[-1][:] = -1
    assert flat[-1] == -1


@pytest.mark.parametrize("dtype", DTYPES)
@given(sizes=st.lists(st.integers(1, 20), min_size=2, max_size=6))
def test_tensors_are_named_views_in_the_order_of_the_parameters(dtype, sizes):
    model = mf.mlp(sizes, dtype=dtype)
    layers = range(len(sizes) - 1)
    assert list(model.tensors) == [f"{kind}{i}" for i in layers for kind in "Wb"]
    for i in layers:
        assert model.tensors[f"W{i}"] is model.weights[i] and model.tensors[f"b{i}"] is model.biases[i]
    model.parameters[:] = np.arange(model.n_parameters)
    flat = np.concatenate([tensor.ravel() for tensor in model.tensors.values()])
    np.testing.assert_array_equal(flat, np.arange(model.n_parameters))
    for number, tensor in enumerate(model.tensors.values()):
        tensor[...] = number
    np.testing.assert_array_equal(np.unique(model.parameters), np.arange(2.0 * len(layers)))


def test_the_mapping_of_tensors_is_read_only():
    model = mf.mlp([3, 4, 2])
    before = dict(model.tensors)
    with pytest.raises(TypeError):
        model.tensors["W0"] = np.zeros((3, 4))
    with pytest.raises(KeyError):
        model.tensors["W2"]
    assert dict(model.tensors) == before


def test_assignment_copies_into_the_vector():
    model = mf.mlp([3, 4, 2])
    vector, values = model.parameters, np.arange(model.n_parameters)
    model.parameters = values
    assert model.parameters is vector
    np.testing.assert_array_equal(model.weights[0], np.arange(12.0).reshape(3, 4))
    model.parameters *= 2
    assert model.parameters is vector and vector[1] == 2
    assert values[1] == 1


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (np.zeros(25), ValueError),
        (np.zeros((26, 1)), ValueError),
        (np.full(26, np.nan), ValueError),
        (["a"] * 26, TypeError),
    ],
)
def test_bad_assignments_change_nothing(values, error):
    model = mf.mlp([3, 4, 2])
    before = model.parameters.copy()
    with pytest.raises(error, match="parameters"):
        model.parameters = values
    np.testing.assert_array_equal(model.parameters, before)


def test_views_are_fixed():
    model = mf.mlp([3, 4, 2])
    with pytest.raises(TypeError):
        model.weights[0] = np.zeros((3, 4))


# --- initial values ---


def test_the_seed_decides_the_parameters():
    first, same, other = (mf.mlp([20, 30, 5], seed=seed).parameters for seed in (3, 3, 4))
    assert first.tobytes() == same.tobytes()
    assert (first != other).sum() > 700


def test_a_tensor_depends_on_the_seed_and_its_place_only():
    wide = mf.Model(20, [mf.Dense(30, "tanh"), mf.Dense(5)], seed=1)
    deep = mf.Model(20, [mf.Dense(30, "tanh"), mf.Dense(5), mf.Dense(7)], seed=1)
    for i in range(2):
        np.testing.assert_array_equal(wide.weights[i], deep.weights[i])
    assert not np.array_equal(wide.weights[0].ravel()[:150], wide.weights[1].ravel())


def test_both_dtypes_start_alike():
    single, double = (mf.mlp([20, 30, 5], dtype=dtype, seed=1).parameters for dtype in DTYPES)
    np.testing.assert_array_equal(single, double.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("normal", 0.05**2),
        ("uniform", 0.05**2 / 3),
        ("glorot_uniform", 2 / 700),
        ("glorot_normal", 2 / 700),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_normal", 1 / 300),
    ],
)
def test_initial_weights_have_their_distribution(name, variance):
    W = mf.Model(300, [mf.Dense(400, kernel_initializer=name)], dtype="float64").weights[0]
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)
    assert W.var() == pytest.approx(variance, rel=0.02)
    largest = np.abs(W).max() / np.sqrt(variance)
    assert 1.7 < largest <= np.sqrt(3) if "uniform" in name else 4 < largest < 7


def test_constant_values():
    model = mf.Model(3, [mf.Dense(4, kernel_initializer=mf.initializers.Constant(0.5), bias_initializer="zeros")])
    assert (model.weights[0] == 0.5).all() and not model.biases[0].any()


# --- predict ---


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 2, 17, 130])
def test_predictions_are_those_of_the_formula(dtype, rows):
    model = mf.mlp([7, 33, 5, 3], activation="tanh", output_activation="softmax", dtype=dtype, seed=2)
    X = np.random.default_rng(0).normal(size=(rows, 7))
    h = X
    for W, b in zip(model.weights[:-1], model.biases[:-1], strict=True):
        h = np.tanh(h @ W + b)
    z = h @ model.weights[-1] + model.biases[-1]
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(X.astype(dtype)), expected, rtol=1e-5 if dtype == "float32" else 1e-12)


def test_out_receives_the_predictions():
    model = mf.mlp([4, 3])
    X, out = np.ones((5, 4), dtype=np.float32), np.empty((5, 3), dtype=np.float32)
    assert model.predict(X, out=out) is out
    np.testing.assert_array_equal(out, model.predict(X))
    row = np.empty((1, 3), dtype=np.float32)
    assert model.predict(X[0], out=row) is row
    np.testing.assert_array_equal(row[0], out[0])
    other = np.empty((5, 3), dtype=np.float32)
    assert model.predict(X.tolist(), out=other) is other
    np.testing.assert_array_equal(other, out)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((5, 2), dtype=np.float32),
        np.empty((4, 3), dtype=np.float32),
        np.empty(15, dtype=np.float32),
        np.empty((5, 3)),
        np.empty((5, 3), dtype=np.float32, order="F"),
        np.empty((5, 6), dtype=np.float32)[:, ::2],
        np.broadcast_to(np.float32(0), (5, 3)),
        [[0.0] * 3] * 5,
    ],
)
@pytest.mark.parametrize("as_list", [False, True])
def test_out_that_does_not_fit(out, as_list):
    X = np.ones((5, 4), dtype=np.float32)
    with pytest.raises((ValueError, TypeError), match="out"):
        mf.mlp([4, 3]).predict(X.tolist() if as_list else X, out=out)


def test_predict_sees_changed_parameters():
    model = mf.mlp([2, 40, 1], activation="identity")
    X = np.ones((100, 2), dtype=np.float32)
    for fill in (0.0, 0.5, 1.0):
        model.parameters.fill(fill)
        np.testing.assert_allclose(model.predict(X), 40 * fill * 3 * fill + fill)
        np.testing.assert_allclose(model.predict(X[0]), 40 * fill * 3 * fill + fill)


@settings(max_examples=30)
@given(rows=st.integers(1, 200), n_threads=st.integers(1, 4), seed=st.integers(0, 10))
def test_a_row_does_not_depend_on_its_batch(rows, n_threads, seed):
    model = mf.mlp([9, 33, 4], activation="gelu", output_activation="softmax", seed=seed)
    X = np.random.default_rng(seed).normal(size=(rows, 9)).astype(np.float32)
    together = model.predict(X, n_threads=n_threads)
    for i in {0, rows // 2, rows - 1}:
        assert model.predict(X[i]).tobytes() == together[i].tobytes()


@pytest.mark.parametrize("n_threads", [0, -1])
def test_bad_number_of_threads(n_threads):
    model = mf.mlp([4, 3])
    with pytest.raises(ValueError, match="n_threads"):
        model.predict(np.ones((100, 4), dtype=np.float32), n_threads=n_threads)
    with pytest.raises(ValueError, match="n_threads"):
        model.loss_and_gradient(np.ones((5, 4)), np.ones((5, 3)), "mse", n_threads=n_threads)


# --- loss and gradient ---


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient_of_linear_regression(weighted):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    w = rng.uniform(size=50) if weighted else np.ones(50)
    model = mf.mlp([3, 2], dtype="float64")
    W, b = model.weights[0], model.biases[0]
    residual = X @ W + b - y
    loss, gradient = model.loss_and_gradient(X, y, "mse", sample_weight=w if weighted else None, l1=0.1, l2=0.2)
    expected = (w @ (residual**2).sum(axis=1)) / (2 * w.sum()) + 0.1 * np.abs(W).sum() + 0.1 * (W**2).sum()
    assert isinstance(loss, float) and loss == pytest.approx(expected, rel=1e-12)
    dW = (X * w[:, None]).T @ residual / w.sum() + 0.1 * np.sign(W) + 0.2 * W
    np.testing.assert_allclose(gradient, np.concatenate([dW.ravel(), w @ residual / w.sum()]), rtol=1e-10, atol=1e-14)


def test_gradient_into_out():
    model = mf.mlp([3, 2])
    X, y = np.ones((4, 3)), np.zeros((4, 2))
    out = np.empty_like(model.parameters)
    _, gradient = model.loss_and_gradient(X, y, "mse", out=out)
    assert gradient is out
    np.testing.assert_array_equal(out, model.loss_and_gradient(X, y, "mse")[1])
    for bad in (np.empty(3, dtype=np.float32), np.empty(8), [0.0] * 8):
        with pytest.raises((TypeError, ValueError), match="expected out"):
            model.loss_and_gradient(X, y, "mse", out=bad)


def test_many_rows_are_summed_block_by_block():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9001, 3)), rng.normal(size=(9001, 1))
    model = mf.mlp([3, 4, 1], activation="tanh", dtype="float64")
    parts = [model.loss_and_gradient(X[s], y[s], "mse") for s in (slice(0, 3000), slice(3000, 9001))]
    loss, gradient = model.loss_and_gradient(X, y, "mse")
    share = 3000 / 9001
    assert loss == pytest.approx(share * parts[0][0] + (1 - share) * parts[1][0], rel=1e-12)
    np.testing.assert_allclose(gradient, share * parts[0][1] + (1 - share) * parts[1][1], rtol=1e-10, atol=1e-14)


def test_dropout_takes_no_part_in_the_gradient():
    with_dropout, without = (mf.mlp([3, 8, 1], dropout=rate, seed=1) for rate in (0.5, 0.0))
    X, y = np.ones((4, 3)), np.zeros(4)
    np.testing.assert_array_equal(
        with_dropout.loss_and_gradient(X, y, "mse")[1], without.loss_and_gradient(X, y, "mse")[1]
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"loss": "msse"}, ValueError, "did you mean 'mse'"),
        ({"loss": "cross_entropy"}, ValueError, "softmax or identity .*'tanh'"),
        ({"loss": "mse", "l2": -1}, ValueError, "l2"),
        ({"loss": "mse", "l1": float("nan")}, ValueError, "l1"),
        ({"loss": "mse", "l2": "0"}, TypeError, "l2"),
    ],
)
def test_bad_arguments_of_loss_and_gradient(arguments, error, message):
    model = mf.mlp([3, 2], output_activation="tanh")
    with pytest.raises(error, match=message):
        model.loss_and_gradient(np.ones((4, 3)), np.zeros((4, 2)), **arguments)


# --- bad models ---


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: mf.Model(0, [mf.Dense(1)]), ValueError, "inputs"),
        (lambda: mf.Model(2.5, [mf.Dense(1)]), TypeError, "inputs"),
        (lambda: mf.Model(2, []), ValueError, "at least one layer"),
        (lambda: mf.Model(2, [3]), TypeError, "layer 0 to be a layer such as Dense"),
        (lambda: mf.Model(2, mf.Dense(3)), TypeError, "sequence of layers"),
        (lambda: mf.Model(2, [mf.Dense(1, dropout=0.5)]), ValueError, "dropout after the last layer"),
        (lambda: mf.Model(2, [mf.Dense(1)], dtype="float16"), ValueError, "float32 or float64, got float16"),
        (lambda: mf.Model(2, [mf.Dense(1)], dtype=int), ValueError, "float32 or float64, got int"),
        (lambda: mf.Model(2, [mf.Dense(1)], dtype="flaot32"), ValueError, "did you mean 'float32'"),
        (lambda: mf.Model(2, [mf.Dense(1)], seed=-1), ValueError, "seed"),
        (lambda: mf.Model(2, [mf.Dense(1)], seed=2**64), ValueError, "seed"),
        (lambda: mf.Model(2, [mf.Dense(1)], seed=None), TypeError, "seed"),
        (lambda: mf.mlp([3]), ValueError, "at least two sizes"),
        (lambda: mf.mlp([3, 0, 1]), ValueError, "units"),
        (lambda: mf.Model(10**12, [mf.Dense(10**12)]), MemoryError, "parameters"),
    ],
)
def test_bad_models(make, error, message):
    with pytest.raises(error, match=message):
        make()


# --- text and copies ---


def test_the_table():
    text = str(mf.mlp([784, 128, 10], output_activation="softmax"))
    assert text.splitlines()[0] == "Model: 784 inputs, 10 outputs, float32"
    for part in ("relu", "softmax", "(784, 128)", "(128,)", "100,480", "1,290", "101,770 parameters"):
        assert part in text
    assert "dropout" not in text
    assert "dropout" in str(mf.mlp([4, 3, 2], dropout=0.5))
    assert len({len(line) for line in text.splitlines()[1:]}) == 1


def test_the_table_tells_weights_from_biases_of_any_layer():
    bins = mf.PiecewiseLinear(units=5, edges=[0, 1, 2])
    model = mf.Model(3, [mf.Columns([(0, mf.Periodic(4, 2)), (1, bins)]), mf.LayerNorm(), mf.Dense(1, use_bias=False)])
    rows = [re.split(" {2,}", line) for line in str(model).splitlines()[3:-2]]
    assert rows == [
        ["0 copy_columns", "identity", "-", "-", "0"],
        ["0.0 copy_columns", "identity", "-", "-", "0"],
        ["0.0 periodic", "identity", "(4, 2)", "(1, 4), (1, 2)", "18"],
        ["0.1 piecewise_linear", "identity", "(2, 5), (1, 5)", "(1, 5)", "20"],
        ["1 layer_norm", "identity", "-", "-", "18"],
        ["2", "identity", "(9, 1)", "-", "9"],
    ]


def test_the_table_numbers_layers_as_the_names_of_tensors_do():
    """And dropout is a column of a dense layer alone, where nobody else reads what that makes."""
    blocks = [mf.Residual([mf.Dropout(0.5), mf.Dense(4, "relu", dropout=0.25), mf.LayerNorm()]), mf.PReLU()]
    model = mf.Model(3, [mf.Dropout(0.1), mf.Dense(4), *blocks, mf.Residual([mf.Dropout(0.75)]), mf.Dense(1)])
    rows = [re.split(" {2,}", line) for line in str(model).splitlines()[3:-2]]
    assert [(row[0], row[4]) for row in rows] == [
        ("0 dropout", "0.1"), ("1", "-"), ("2.0 dropout", "0.5"), ("2.1", "0.25"), ("2.2 layer_norm", "-"),
        ("2 add", "-"), ("3 prelu", "-"), ("4.0 dropout", "0.75"), ("4 add", "-"), ("5", "-"),
    ]  # fmt: skip
    places = {name.lstrip(ascii_letters) for name in model.tensors}
    assert places == {"1", "2.1", "2.2", "3", "5"}
    first = mf.Columns([([0, 1], mf.Embedding(3, 2)), (2, [mf.OneHot(4), mf.Standardize()])])
    table = mf.Model(3, [first, mf.Dense(1)])
    assert table.program.places == ["0.1.0", "0.1.1", "0.0", "0.1.1", "1"]
    assert "(6, 2)" in str(table)


def test_its_table_in_a_notebook():
    model = mf.mlp([784, 128, 10], output_activation="softmax", dropout=0.5)
    table = ElementTree.fromstring(model._repr_html_())  # which checks that it is well-formed
    rows = [[cell.text for cell in row] for row in table.iter("tr")]
    assert rows == [
        ["layer", "activation", "weights", "biases", "dropout", "parameters"],
        ["0", "relu", "(784, 128)", "(128,)", "0.5", "100,480"],
        ["1", "softmax", "(128, 10)", "(10,)", "-", "1,290"],
    ]
    assert table.findtext("caption") == ("Model: 784 inputs, 10 outputs, float32; 101,770 parameters, 397.5 KiB")


def test_repr_makes_the_model_again():
    model = mf.mlp([4, 3, 2], mf.Activation("elu", 0.5), "sigmoid", dropout=0.5, dtype="float64", seed=9)
    twin = eval(repr(model), vars(mf))
    assert (twin.layers, twin.dtype, twin.seed) == (model.layers, model.dtype, model.seed)
    assert twin.parameters.tobytes() == model.parameters.tobytes()


@pytest.mark.parametrize(
    "make_copy",
    [mf.Model.copy, copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["method", "copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_are_equal_and_independent(make_copy, dtype):
    model = mf.mlp([4, 5, 2], dtype=dtype, seed=1)
    model.label = "mine"
    twin = make_copy(model)
    assert (twin.sizes, twin.layers, twin.dtype, twin.seed) == (model.sizes, model.layers, model.dtype, model.seed)
    assert twin.label == "mine"
    assert twin.parameters.tobytes() == model.parameters.tobytes()
    X = np.ones((3, 4), dtype=dtype)
    before = model.predict(X)
    twin.tensors["W0"].fill(0)
    assert not twin.parameters[:20].any() and not twin.weights[0].any()
    np.testing.assert_array_equal(model.predict(X), before)
    assert not np.array_equal(twin.predict(X), before)


def test_a_deep_copy_keeps_what_is_shared():
    model = mf.mlp([4, 2])
    first, second = copy.deepcopy([model, model])
    assert first is second


@pytest.mark.parametrize(
    "name", ["layers", "sizes", "dtype", "seed", "tensors", "weights", "biases", "program", "network"]
)
def test_what_a_model_consists_of_is_read_only(name):
    model, other = mf.mlp([2, 3, 1], seed=0), mf.mlp([2, 4, 1], dtype="float64", seed=1)
    expected = model.predict([[1.0, 2.0]])
    for changed in (model, pickle.loads(pickle.dumps(model)), model.copy()):
        with pytest.raises(AttributeError, match=f"'{name}' of a model is read-only"):
            setattr(changed, name, getattr(other, name))
        np.testing.assert_array_equal(changed.predict([[1.0, 2.0]]), expected)
    model.note = "of the user's own"
    assert model.copy().note == "of the user's own"
