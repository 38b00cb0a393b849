"""Products with the Hessian and with its Gauss-Newton part, the objective for SciPy, tangents: what users meet."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp

import mlpfast as mf
from mlpfast.derivatives.net import check_fits

pytestmark = pytest.mark.usefixtures("as_many_threads_as_asked_for")


def problem(rows=20, output="identity", **keywords):
    rng = np.random.default_rng(rows)
    model = mf.mlp([4, 7, 3], "tanh", output, dtype="float64", seed=1, **keywords)
    return model, rng.normal(size=(rows, 4)), rng.normal(size=(rows, 3)), rng.normal(size=model.n_parameters)


def parameter_jacobian(model, X):
    """Of the outputs by the parameters, (n, outputs, parameters), by central differences."""
    twin, columns, step = model.copy(), [], 1e-5
    for i in range(model.n_parameters):
        twin.parameters = model.parameters + step * (np.arange(model.n_parameters) == i)
        above = twin.predict(X)
        twin.parameters = model.parameters - step * (np.arange(model.n_parameters) == i)
        columns.append((above - twin.predict(X)) / (2 * step))
    return np.stack(columns, axis=-1)


def test_gauss_newton_is_jt_h_j():
    model, X, Y, v = problem(output="tanh")
    J = parameter_jacobian(model, X)
    expected = np.einsum("nop,no->p", J, J @ v) / len(X)
    np.testing.assert_allclose(model.gauss_newton_product(X, Y, v, "mse"), expected, atol=1e-8)


def test_gauss_newton_of_the_cross_entropy_is_the_fisher_matrix():
    model, X, _, v = problem()
    labels = np.random.default_rng(0).integers(3, size=len(X))
    logits = model.predict(X)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    J = parameter_jacobian(model, X)
    Jv = J @ v
    HJv = p * (Jv - (p * Jv).sum(axis=1, keepdims=True))
    expected = np.einsum("nop,no->p", J, HJv) / len(X)
    twin = mf.Model(4, [mf.Dense(7, "tanh"), mf.Dense(3, "softmax")], dtype="float64")
    twin.parameters = model.parameters
    for each in (model, twin):
        np.testing.assert_allclose(each.gauss_newton_product(X, labels, v, "cross_entropy"), expected, atol=1e-8)


def test_gauss_newton_is_the_hessian_of_a_linear_model():
    rng = np.random.default_rng(0)
    model = mf.mlp([4, 3], dtype="float64")
    X, labels, v = rng.normal(size=(9, 4)), rng.integers(3, size=9), rng.normal(size=15)
    for loss, y in (("mse", rng.normal(size=(9, 3))), ("cross_entropy", labels), ("kl_divergence", labels)):
        np.testing.assert_allclose(
            model.gauss_newton_product(X, y, v, loss, l2=0.3), model.hvp(X, y, v, loss, l2=0.3), rtol=1e-12
        )


def test_the_hessian_is_symmetric_and_made_of_products():
    model, X, Y, v = problem()
    H = model.hessian(X, Y, "mse", l2=0.1)
    np.testing.assert_allclose(H, H.T, atol=1e-14)
    np.testing.assert_allclose(H @ v, model.hvp(X, Y, v, "mse", l2=0.1), atol=1e-13)
    out = np.empty_like(H)
    assert model.hessian(X, Y, "mse", l2=0.1, out=out) is out
    np.testing.assert_array_equal(out, H)


def test_the_jacobian_holds_the_jvps():
    model, X, _, _ = problem()
    J = model.jacobian(X)
    assert J.shape == (20, 3, 4)
    V = np.random.default_rng(2).normal(size=X.shape)
    np.testing.assert_allclose(np.einsum("noi,ni->no", J, V), model.jvp(X, V), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_direction_leaves_nothing_behind(dtype):
    """Forward mode keeps its memory from call to call, and a Jacobian of few inputs is made by it, column by column."""
    rng = np.random.default_rng(0)
    for inputs in (2, 20):
        model = mf.mlp([inputs, 4, 30], "tanh", dtype=dtype, seed=0)
        X = rng.normal(size=(150, inputs))
        expected = model.jacobian(X)
        model.jvp(X, rng.normal(size=X.shape))
        np.testing.assert_array_equal(model.jacobian(X), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_rows_in_chunks(dtype):
    """More rows than an arena holds; and in float32, more than one running sum may have."""
    rng = np.random.default_rng(0)
    model = mf.mlp([3, 9, 2], "gelu", dtype=dtype)
    X, Y = rng.normal(size=(5000, 3)).astype(dtype), rng.normal(size=(5000, 2))
    v = rng.normal(size=model.n_parameters).astype(dtype)
    parts = [slice(0, 700), slice(700, 5000)]
    for product in (model.hvp, model.gauss_newton_product):
        weighed = [len(X[part]) * product(X[part], Y[part], v, "mse").astype("float64") for part in parts]
        tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype]
        np.testing.assert_allclose(product(X, Y, v, "mse"), sum(weighed) / 5000, rtol=tolerance, atol=tolerance)
    V = rng.normal(size=X.shape)
    np.testing.assert_array_equal(model.jvp(X, V)[1024:1100], model.jvp(X[1024:1100], V[1024:1100]))


def test_sample_weights():
    model, X, Y, v = problem()
    w = np.random.default_rng(3).uniform(size=20)
    w[:5] = 0
    expected = sum(w[i] * model.hvp(X[i : i + 1], Y[i : i + 1], v, "mse") for i in range(20)) / w.sum()
    np.testing.assert_allclose(model.hvp(X, Y, v, "mse", sample_weight=w), expected, rtol=1e-11)
    X[0], Y[1] = 1e300, 1e300  # of weight zero
    np.testing.assert_allclose(model.hvp(X, Y, v, "mse", sample_weight=w), expected, rtol=1e-11)


def test_what_is_frozen_is_constant():
    layers = [mf.Dense(7, "tanh", trainable=False), mf.Dense(3)]
    model = mf.Model(4, layers, dtype="float64", seed=1)
    _, X, Y, v = problem()
    n = 4 * 7 + 7
    found = model.hvp(X, Y, v, "mse")
    assert not found[:n].any()
    v[:n] = 0
    np.testing.assert_array_equal(model.hvp(X, Y, v, "mse"), found)
    loose = mf.Model(4, [mf.Dense(7, "tanh"), mf.Dense(3)], dtype="float64", seed=1)
    np.testing.assert_allclose(found[n:], loose.hvp(X, Y, v, "mse")[n:], rtol=1e-12)


def test_penalties_are_added():
    model, X, Y, v = problem()
    expected = model.hvp(X, Y, v, "mse")
    for tensor in model.program.tensors:
        span = slice(tensor.offset, tensor.offset + tensor.size)
        expected[span] += 0.3 * v[span] * (tensor.role == "weight")
    np.testing.assert_allclose(model.hvp(X, Y, v, "mse", l2=0.3), expected, rtol=1e-12)


def test_sparse_rows_are_as_dense_ones():
    model, X, Y, v = problem()
    X[X < 0.5] = 0
    np.testing.assert_array_equal(model.hvp(sp.csr_matrix(X), Y, v, "mse"), model.hvp(X, Y, v, "mse"))
    np.testing.assert_array_equal(model.jvp(sp.csr_matrix(X), X), model.jvp(X, X))


def test_results_go_where_they_are_asked_to():
    """Even onto what is read."""
    model, X, Y, v = problem()
    expected, tangents = model.hvp(X, Y, v, "mse"), model.jvp(X, X)
    out = np.empty_like(v)
    assert model.hvp(X, Y, v, "mse", out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert model.hvp(X, Y, v, "mse", out=v) is v
    np.testing.assert_array_equal(v, expected)
    square = mf.mlp([3, 3], dtype="float64")
    V = X[:, :3].copy()
    result = square.jvp(V, V)
    np.testing.assert_array_equal(square.jvp(V, V, out=V), result)
    np.testing.assert_array_equal(model.jvp(X, X, out=np.empty((20, 3))), tangents)


def test_a_kink_has_a_convention():
    model = mf.Model(1, [mf.Dense(1, "relu"), mf.Dense(1)], dtype="float64")
    model.parameters[:] = [1, 0, 1, 0]
    assert model.jvp([[0.0]], [[1.0]]) == 0.0
    assert model.jacobian([[0.0]]) == 0.0
    assert model.vjp([[0.0]], [[1.0]]) == model.input_gradient([[0.0]], [1.0], "mse") == 0.0
    np.testing.assert_array_equal(model.per_sample_gradients([[0.0]], [1.0], "mse"), [[0, 0, 0, -1]])
    np.testing.assert_array_equal(model.gauss_newton_product([[0.0]], [1.0], np.ones(4), "mse"), [0, 0, 0, 1])
    np.testing.assert_array_equal(model.hvp([[0.0]], [1.0], np.ones(4), "mse"), [0, 0, 0, 1])
    for activation in ("elu", "selu", "leaky_relu"):
        model = mf.Model(1, [mf.Dense(1, activation)], dtype="float64")
        model.parameters[:] = [1, 0]
        assert model.hvp([[0.0]], [[2.0]], [0.0, 1.0], "mae")[1] == 0.0
    assert not mf.mlp([1, 1], dtype="float64").hvp([[0.0]], [[0.0]], [1.0, 1.0], "mae").any()


def test_the_next_call_sees_new_parameters():
    model, X, Y, v = problem()
    model.hvp(X, Y, v, "mse")
    model.parameters *= 2
    twin = model.copy()
    np.testing.assert_array_equal(model.hvp(X, Y, v, "mse"), twin.hvp(X, Y, v, "mse"))
    np.testing.assert_array_equal(model.hvp(X[:3], Y[:3], v, "mse"), twin.hvp(X[:3], Y[:3], v, "mse"))
    np.testing.assert_array_equal(model.hvp(X, Y, v, "huber"), twin.hvp(X, Y, v, "huber"))


def test_newton_finds_the_minimum_of_an_objective():
    model, X, Y, v = problem(200)
    f = model.objective(X, Y, "mse", 0.1)
    before = model.parameters.copy()
    found = scipy.optimize.minimize(f, f.parameters, jac=True, hessp=f.hvp, method="trust-ncg", options={"gtol": 1e-8})
    assert np.linalg.norm(found.jac) < 1e-8
    np.testing.assert_array_equal(model.parameters, before)
    assert f.value(found.x) == found.fun
    np.testing.assert_array_equal(f.gradient(found.x), found.jac)
    model.parameters = found.x
    np.testing.assert_array_equal(f.hvp(found.x, v), model.hvp(X, Y, v, "mse", l2=0.1))
    expected = model.gauss_newton_product(X, Y, v, "mse", l2=0.1)
    np.testing.assert_array_equal(f.gauss_newton_product(found.x, v), expected)


def test_an_objective_of_sparse_rows_and_of_float32():
    rng = np.random.default_rng(0)
    X, labels = sp.random(30, 4, 0.5, format="csr", random_state=0), rng.integers(3, size=30)
    model = mf.mlp([4, 3], dtype="float32")
    f = model.objective(X, labels, "cross_entropy")
    value, gradient = f(f.parameters)
    expected = model.loss_and_gradient(X, labels, "cross_entropy")
    assert value == expected[0]
    assert gradient.dtype == f.hvp(f.parameters, gradient).dtype == np.float64
    np.testing.assert_array_equal(gradient, expected[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_objective_writes_where_it_is_asked_to(dtype):
    """Even onto what it reads; in float64, whatever the model's dtype."""
    rng = np.random.default_rng(0)
    model = mf.mlp([4, 3], "tanh", dtype=dtype, seed=1)
    f = model.objective(rng.normal(size=(9, 4)), rng.normal(size=(9, 3)), "mse")
    point, v = f.parameters, rng.normal(size=15)
    for function in (f.hvp, f.gauss_newton_product, lambda p, v, **out: f.gradient(p, **out)):
        expected, out, both = function(point, v), np.empty(15), v.copy()
        assert function(point, v, out=out) is out and function(point, both, out=both) is both
        for found in (out, both):
            np.testing.assert_array_equal(found, expected)
        with pytest.raises(ValueError, match=r"expected out of shape \(15,\), float64; got \(15,\), float32"):
            function(point, v, out=np.empty(15, "float32"))


#: What is multiplied with, by its name in errors, of a float32 model.
VECTORS = {
    "jvp": ("V", (20, 4), lambda m, X, Y, a: m.jvp(X, a)),
    "vjp": ("U", (20, 3), lambda m, X, Y, a: m.vjp(X, a)),
    "hvp": ("v", (59,), lambda m, X, Y, a: m.hvp(X, Y, a, "mse")),
    "gauss_newton_product": ("v", (59,), lambda m, X, Y, a: m.gauss_newton_product(X, Y, a, "mse")),
    "Objective.hvp": ("v", (59,), lambda m, X, Y, a: m.objective(X, Y, "mse").hvp(m.parameters, a)),
    "Objective.gauss_newton_product": (
        *("v", (59,)),
        lambda m, X, Y, a: m.objective(X, Y, "mse").gauss_newton_product(m.parameters, a),
    ),
    "Objective": ("parameters", (59,), lambda m, X, Y, a: m.objective(X, Y, "mse").gradient(a)),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_that_are_none(name):
    named, shape, call = VECTORS[name]
    model, X, Y, _ = problem()
    model = mf.mlp([4, 7, 3], "tanh")
    before, right = model.state.copy(), np.random.default_rng(0).normal(size=shape)
    expected = call(model, X, Y, right)
    for same in (right.astype(">f8"), right.tolist(), np.asfortranarray(right)):
        np.testing.assert_array_equal(call(model, X, Y, same), expected)
    first = re.escape(", column 0" if len(shape) > 1 else "")
    for wrong, error, message in (
        (right[1:], ValueError, f"expected {named} of shape {re.escape(str(shape))}, got "),
        (right[None], ValueError, f"expected {named} of shape {re.escape(str(shape))}, got "),
        (right.astype(complex), TypeError, f"expected {named} to be numeric, got dtype complex128"),
        (right.astype(str), TypeError, f"expected {named} to be numeric, got dtype <U"),
        (right * np.nan, ValueError, f"expected finite values in {named}, got NaN at row 0{first}"),
        (right * 0 + 1e300, ValueError, f"expected finite values in {named}, got .*, too large for float32, at row 0"),
    ):
        with pytest.raises(error, match=message):
            call(model, X, Y, wrong)
    np.testing.assert_array_equal(model.state, before)


def quartic(y, h):
    return ((h - y) ** 4).sum(axis=1), 4 * (h - y) ** 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, X, Y, v: m.jvp(X, X[:, :3]), r"expected V of shape \(20, 4\), got \(20, 3\)"),
        (lambda m, X, Y, v: m.jvp(X, X[:3]), r"expected V of shape \(20, 4\), got \(3, 4\)"),
        (lambda m, X, Y, v: m.jvp(X, X * np.nan), "expected finite values in V, got NaN at row 0"),
        (lambda m, X, Y, v: m.jvp(X * np.inf, X), "expected finite values in X"),
        (lambda m, X, Y, v: m.jacobian(X * np.nan), "expected finite values in X"),
        (lambda m, X, Y, v: m.hvp(X, Y, v[1:], "mse"), r"expected v of shape \(59,\), got \(58,\)"),
        (lambda m, X, Y, v: m.hvp(X, Y, v * np.inf, "mse"), "expected finite values in v"),
        (lambda m, X, Y, v: m.hvp(X * np.nan, Y, v, "mse"), "expected finite values in X"),
        (lambda m, X, Y, v: m.hvp(X, Y[1:], v, "mse"), "y"),
        (lambda m, X, Y, v: m.hvp(X, Y, v, "mse", l2=-1), "l2"),
        (lambda m, X, Y, v: m.hvp(X, Y, v, "mse", n_threads=0), "n_threads"),
        (lambda m, X, Y, v: m.hvp(X, Y, v, "hinge_of_mine"), "hinge_of_mine"),
        (lambda m, X, Y, v: m.hvp(X, Y, v, mf.losses.Custom(quartic)), "hvp: expected a loss with second derivatives"),
        (
            lambda m, X, Y, v: m.gauss_newton_product(X, Y, v, mf.losses.Custom(quartic)),
            "gauss_newton_product: expected a loss with second derivatives, got Custom",
        ),
        (lambda m, X, Y, v: m.hvp(X, Y, v, "mse", out=np.empty(3)), r"expected out of shape \(59,\)"),
        (lambda m, X, Y, v: m.jvp(X, X, out=np.empty((20, 3), "float32")), "expected out of shape"),
        (lambda m, X, Y, v: m.objective(X, Y[1:], "mse"), "y"),
        (lambda m, X, Y, v: m.objective(X, Y, "mse").hvp(v, v[1:]), r"expected v of shape \(59,\)"),
        (lambda m, X, Y, v: m.objective(X, Y, "mse")(v[1:]), r"expected parameters of shape \(59,\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    model, X, Y, v = problem()
    with pytest.raises(ValueError, match=message):
        call(model, X, Y, v)


def test_what_is_no_number_is_refused():
    model, X, Y, _ = problem()
    with pytest.raises(TypeError, match="v"):
        model.hvp(X, Y, ["a"] * model.n_parameters, "mse")
    with pytest.raises(TypeError, match="V"):
        model.jvp(X, np.full(X.shape, "a"))


def test_codes_of_no_category_are_named():
    model = mf.Model(2, [mf.Columns([([0], mf.Embedding(3, 2)), ([1], mf.Periodic(4))]), mf.Dense(1)])
    with pytest.raises(ValueError, match="5"):
        model.jvp([[5.0, 0.0]], [[0.0, 0.0]])


def test_a_hessian_that_does_not_fit_says_its_bytes():
    model = mf.mlp([2000, 2000, 10])
    with pytest.raises(MemoryError, match=r"hessian: an array of shape \(4022010, 4022010\) takes 64,706,257,760,400"):
        model.hessian(np.zeros((1, 2000)), np.zeros((1, 10)), "mse")
    check_fits("hessian", (3, 3), np.dtype("float32"))


def test_threads_of_an_objective_have_parameters_of_their_own():
    model, rng = mf.mlp([6, 40, 1], "tanh", dtype="float64", seed=1), np.random.default_rng(0)
    f = model.objective(rng.normal(size=(400, 6)), rng.normal(size=400), "mse")
    points = rng.normal(size=(40, model.n_parameters))
    alone = [f.value(point) for point in points]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(f.value, points)) == alone


@pytest.mark.parametrize("n_threads", [True, 1.5, 0, -1])
def test_threads_are_a_positive_integer(n_threads):
    model, X, y = mf.mlp([3, 4, 1]), np.ones((2, 3)), np.ones(2)
    for call in (
        lambda: model.jvp(X, X, n_threads=n_threads),
        lambda: model.hvp(X, y, model.parameters, "mse", n_threads=n_threads),
        lambda: model.jacobian(X, n_threads=n_threads),
        lambda: model.objective(X, y, "mse", n_threads=n_threads),
    ):
        with pytest.raises((TypeError, ValueError), match="expected n_threads to be"):
            call()
