"""Every kernel against NumPy in float64, at sizes around the edges of vectors and tiles, on every instruction set."""

import itertools
import math

import numpy as np
import pytest
from isas import OTHER_ISAS, run_under

from mlpfast import kernels
from mlpfast.activations import ACTIVATIONS, Activation

EDGES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 129)
# (rows, inputs, outputs) of the products: all edges, and sizes beyond a block of k.
PRODUCTS = {n: list(itertools.product((n,), EDGES, EDGES)) for n in (1, 3, 8, 17, 65)}
PRODUCTS["blocks"] = [(3, 600, 513), (513, 40, 33), (300, 257, 7)]
DTYPES = ("float32", "float64")

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
GELU_C = math.sqrt(2 / math.pi)

erf = np.vectorize(math.erf)


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def normal_cdf(z):
    return 0.5 * np.vectorize(math.erfc)(-z / math.sqrt(2))


def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


# name -> (g, g'), both as functions of z in float64 and of alpha.
REFERENCES = {
    "identity": (lambda z, a: z, lambda z, a: np.ones_like(z)),
    "sigmoid": (lambda z, a: sigmoid(z), lambda z, a: sigmoid(z) * sigmoid(-z)),
    "tanh": (lambda z, a: np.tanh(z), lambda z, a: 1 - np.tanh(z) ** 2),
    "relu": (lambda z, a: np.maximum(z, 0), lambda z, a: (z > 0).astype(float)),
    "smooth_clip": (lambda z, a: z / np.sqrt(1 + (z / a) ** 2), lambda z, a: (1 + (z / a) ** 2) ** -1.5),
    "leaky_relu": (lambda z, a: np.where(z > 0, z, a * z), lambda z, a: np.where(z > 0, 1, a)),
    "elu": (lambda z, a: np.where(z > 0, z, a * np.expm1(z)), lambda z, a: np.where(z > 0, 1, a * np.exp(z))),
    "selu": (
        lambda z, a: SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(z)),
        lambda z, a: SELU_SCALE * np.where(z > 0, 1, SELU_ALPHA * np.exp(z)),
    ),
    "softplus": (lambda z, a: softplus(z), lambda z, a: sigmoid(z)),
    "gelu": (
        lambda z, a: z * normal_cdf(z),
        lambda z, a: normal_cdf(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
    ),
    "gelu_tanh": (
        lambda z, a: 0.5 * z * (1 + np.tanh(GELU_C * (z + 0.044715 * z**3))),
        lambda z, a: (
            0.5 * (1 + np.tanh(GELU_C * (z + 0.044715 * z**3)))
            + 0.5 * z * (1 - np.tanh(GELU_C * (z + 0.044715 * z**3)) ** 2) * GELU_C * (1 + 3 * 0.044715 * z**2)
        ),
    ),
    "silu": (lambda z, a: z * sigmoid(z), lambda z, a: sigmoid(z) * (1 + z * sigmoid(-z))),
    "mish": (
        lambda z, a: z * np.tanh(softplus(z)),
        lambda z, a: np.tanh(softplus(z)) + z * sigmoid(z) * (1 - np.tanh(softplus(z)) ** 2),
    ),
    "exponential": (lambda z, a: np.exp(z), lambda z, a: np.exp(z)),
}
ELEMENTWISE = sorted(REFERENCES)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def random(*shape, dtype="float64", seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(dtype)


def eps(dtype):
    return float(np.finfo(dtype).eps)


def test_every_activation_has_a_reference():
    assert {*REFERENCES, "softmax"} == {*ACTIVATIONS}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", PRODUCTS)
def test_matmul_bias(sizes, dtype):
    for n, k, m in PRODUCTS[sizes]:
        X, W, b = (random(*shape, dtype=dtype) for shape in ((n, k), (k, m), (m,)))
        got = kernels.matmul_bias(X, W, b)
        X, W, b = (array.astype(np.float64) for array in (X, W, b))
        bound = (k + 1) * eps(dtype) * (np.abs(X) @ np.abs(W) + np.abs(b))  # of k + 1 roundings in a row
        assert got.dtype == dtype
        assert (np.abs(got - (X @ W + b)) <= bound).all(), (n, k, m)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", PRODUCTS)
def test_matmul_bias_backward(sizes, dtype):
    for n, k, m in PRODUCTS[sizes]:
        X, W, delta = (random(*shape, dtype=dtype) for shape in ((n, k), (k, m), (n, m)))
        dX, dW, db = kernels.matmul_bias_backward(X, W, delta)
        X, W, delta = (array.astype(np.float64) for array in (X, W, delta))
        e = eps(dtype)
        assert (np.abs(dX - delta @ W.T) <= (m + 1) * e * (np.abs(delta) @ np.abs(W.T))).all(), (n, k, m)
        assert (np.abs(dW - X.T @ delta) <= (n + 1) * e * (np.abs(X.T) @ np.abs(delta))).all(), (n, k, m)
        assert (np.abs(db - delta.sum(axis=0)) <= (n + 1) * e * np.abs(delta).sum(axis=0)).all(), (n, k, m)


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_times_infinity_is_not_skipped(dtype):
    """Not even where zeros are many, and the layer wide: as in NumPy."""
    X, W, delta = np.zeros((64, 70), dtype), random(70, 150, dtype=dtype), random(64, 150, dtype=dtype)
    W[3, 5], delta[7, 9] = np.inf, np.nan
    assert np.isnan(kernels.matmul_bias(X, W, np.zeros(150, dtype))).sum() == 64
    dX, dW, _ = kernels.matmul_bias_backward(X, W, delta)
    assert np.isnan(dW[:, 9]).all() and np.isnan(dW).sum() == 70
    assert np.isnan(dX[7]).all() and np.isinf(dX[:, 3]).sum() == 63


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*ELEMENTWISE, "softmax"])
def test_matmul_bias_applies_the_activation(name, dtype):
    for n, k, m in [(1, 1, 1), (3, 5, 17), (9, 33, 8)]:
        X, W, b = (random(*shape, dtype=dtype) for shape in ((n, k), (k, m), (m,)))
        z = kernels.matmul_bias(X, W, b)
        np.testing.assert_array_equal(kernels.matmul_bias(X, W, b, activation=name), kernels.activation(z, name))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activation(name, dtype):
    g = REFERENCES[name][0]
    for cols in EDGES:
        z = 3 * random(5, cols, dtype=dtype)
        np.testing.assert_allclose(
            kernels.activation(z, name),
            g(z.astype(np.float64), ACTIVATIONS[name]),
            rtol=8 * eps(dtype),
            atol=2 * eps(dtype),
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_hadamard_delta(name, dtype):
    g, derivative = REFERENCES[name]
    for cols in EDGES:
        z = 2 * random(5, cols, dtype=dtype)
        dh = random(5, cols, dtype=dtype, seed=1)
        exact = z.astype(np.float64)
        saved = z if kernels.saves(name) == "z" else g(exact, ACTIVATIONS[name]).astype(dtype)
        np.testing.assert_allclose(
            kernels.hadamard_delta(dh, saved, name),
            dh * derivative(exact, ACTIVATIONS[name]),
            rtol=32 * eps(dtype),
            atol=16 * eps(dtype),
        )


@pytest.mark.parametrize(("name", "alpha"), [("leaky_relu", 0.25), ("elu", 0.5)])
def test_alpha(name, alpha):
    g, derivative = REFERENCES[name]
    z = random(4, 9)
    activation = Activation(name, alpha)
    h = kernels.activation(z, activation)
    np.testing.assert_allclose(h, g(z, alpha), rtol=1e-14)
    saved = z if kernels.saves(activation) == "z" else h
    np.testing.assert_allclose(
        kernels.hadamard_delta(np.ones_like(z), saved, activation), derivative(z, alpha), rtol=1e-14
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax(dtype):
    for cols in EDGES:
        z = 5 * random(7, cols, dtype=dtype)
        exact = softmax(z.astype(np.float64))
        tolerance = {"rtol": (8 + cols) * eps(dtype), "atol": 0}
        np.testing.assert_allclose(kernels.softmax(z), exact, **tolerance)
        np.testing.assert_allclose(kernels.activation(z, "softmax"), exact, **tolerance)
        np.testing.assert_allclose(
            kernels.log_softmax(z), np.log(exact), rtol=(8 + cols) * eps(dtype), atol=32 * eps(dtype)
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_far_out(dtype):
    z = np.array([[1e4, 0, -1e4], [-1e30, -1e30, -1e30], [0, -np.inf, 0]], dtype)
    third = 1 / 3
    np.testing.assert_allclose(
        kernels.softmax(z), [[1, 0, 0], [third, third, third], [0.5, 0, 0.5]], rtol=4 * eps(dtype)
    )
    log = kernels.log_softmax(z[:2])
    np.testing.assert_allclose(log, [[0, -1e4, -2e4], [-np.log(3)] * 3], rtol=4 * eps(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_jvp_is_the_jacobian_times_a_vector(dtype):
    for cols in EDGES:
        s = softmax(random(7, cols)).astype(dtype)
        v = random(7, cols, dtype=dtype, seed=1)
        jacobian = kernels.softmax_jacobian(s.astype(np.float64))
        assert jacobian.shape == (7, cols, cols)
        expected = np.einsum("nij,nj->ni", jacobian, v.astype(np.float64))
        np.testing.assert_allclose(kernels.softmax_jvp(s, v), expected, atol=(8 + cols) * eps(dtype), rtol=0)


def test_softmax_jacobian_by_differences():
    z, h = random(5), 1e-6
    differences = [(kernels.softmax(z + h * e) - kernels.softmax(z - h * e)) / (2 * h) for e in np.eye(5)]
    np.testing.assert_allclose(kernels.softmax_jacobian(kernels.softmax(z)), differences, atol=1e-9)


def test_one_row_may_be_one_dimensional():
    x, W, b = random(4), random(4, 3), random(3)
    np.testing.assert_array_equal(kernels.matmul_bias(x, W, b), kernels.matmul_bias(x[None], W, b)[0])
    for function in (kernels.softmax, kernels.log_softmax, lambda z: kernels.activation(z, "tanh")):
        np.testing.assert_array_equal(function(x), function(x[None])[0])


def test_any_layout_and_dtype_gives_the_same():
    X, W, b = random(6, 4), random(4, 3), random(3)
    expected = kernels.matmul_bias(X, W, b)
    np.testing.assert_array_equal(kernels.matmul_bias(np.asfortranarray(X), np.asfortranarray(W), b), expected)
    np.testing.assert_array_equal(kernels.matmul_bias(np.repeat(X, 2, axis=0)[::2], W, b.tolist()), expected)
    assert kernels.matmul_bias(X.astype(np.float32), W, b).dtype == np.float64
    assert kernels.softmax([[1, 2]]).dtype == np.float64


@pytest.mark.parametrize("dtype", DTYPES)
def test_out(dtype):
    X, W, b, dh = (random(*shape, dtype=dtype) for shape in ((6, 4), (4, 3), (3,), (6, 3)))
    out = np.empty((6, 3), dtype)
    calls = [
        lambda out: kernels.matmul_bias(X, W, b, "relu", out=out),
        lambda out: kernels.matmul_bias(X, W, b, "softmax", out=out),
        lambda out: kernels.activation(dh, "gelu", out=out),
        lambda out: kernels.hadamard_delta(dh, np.tanh(dh), "tanh", out=out),
        lambda out: kernels.softmax(dh, out=out),
        lambda out: kernels.log_softmax(dh, out=out),
        lambda out: kernels.softmax_jvp(softmax(dh).astype(dtype), dh, out=out),
    ]
    for call in calls:
        expected = call(None)
        assert call(out) is out
        np.testing.assert_array_equal(out, expected)
        for wrong in (
            np.empty((6, 4), dtype),
            np.empty((6, 3), "float32" if dtype == "float64" else "float64"),
            np.empty((6, 6), dtype)[:, ::2],
            [0.0],
        ):
            with pytest.raises(ValueError, match="expected out"):
                call(wrong)


def test_in_place():
    z, v = random(5, 17), random(5, 17, seed=1)
    s = kernels.softmax(z)
    jvp, h = kernels.softmax_jvp(s, v), kernels.activation(z, "tanh")
    delta = kernels.hadamard_delta(v, h, "tanh")
    assert kernels.softmax_jvp(s, v.copy(), out=(w := v.copy())) is w
    for function, array, expected in [
        (lambda a: kernels.softmax(a, out=a), z, s),
        (lambda a: kernels.activation(a, "tanh", out=a), z, h),
        (lambda a: kernels.softmax_jvp(s, a, out=a), v, jvp),
        (lambda a: kernels.hadamard_delta(a, h, "tanh", out=a), v, delta),
    ]:
        np.testing.assert_array_equal(function(array.copy()), expected)


def test_no_rows_give_no_rows():
    assert kernels.softmax(np.empty((0, 3))).shape == (0, 3)
    assert kernels.matmul_bias(np.empty((0, 3)), np.ones((3, 2)), np.ones(2)).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.matmul_bias(np.ones((2, 3)), np.ones((4, 5)), np.ones(5)), r"W to have shape \(3, any\)"),
        (lambda: kernels.matmul_bias(np.ones((2, 3)), np.ones((3, 5)), np.ones(4)), r"b to have shape \(5\)"),
        (lambda: kernels.matmul_bias(np.ones((2, 3, 4)), np.ones((4, 5)), np.ones(5)), "X to be one row"),
        (lambda: kernels.matmul_bias_backward(np.ones(3), np.ones((3, 5)), np.ones(5)), "X to have shape"),
        (
            lambda: kernels.matmul_bias_backward(np.ones((2, 3)), np.ones((3, 5)), np.ones((3, 5))),
            "delta to have shape",
        ),
        (lambda: kernels.hadamard_delta(np.ones((2, 3)), np.ones((2, 4)), "relu"), "z_or_h to have shape"),
        (lambda: kernels.hadamard_delta(np.ones(3), np.ones(3), "softmax"), "softmax_jvp"),
        (lambda: kernels.activation(np.ones(3), "rleu"), "did you mean 'relu'"),
        (lambda: kernels.softmax(np.ones(())), "one row"),
        (lambda: kernels.softmax(np.ones((3, 0))), "not empty"),
        (lambda: kernels.softmax_jvp(np.ones(3), np.ones(4)), "v to have shape"),
    ],
)
def test_bad_input_is_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_not_numbers():
    with pytest.raises(TypeError, match="expected z to be real numbers"):
        kernels.softmax(["a"])


@pytest.mark.parametrize("isa", OTHER_ISAS)
def test_all_of_this_on(isa):
    run_under(isa, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__, "-k", "not test_all_of_this_on")
