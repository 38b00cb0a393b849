"""Derivatives of single rows: what is refused, where results are written, and what may overlap."""

import numpy as np
import pytest

import mlpfast as mf

X = np.random.default_rng(0).normal(size=(9, 4))
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
U = np.random.default_rng(1).normal(size=(9, 3))


@pytest.fixture(params=["float32", "float64"])
def model(request):
    return mf.mlp([4, 6, 3], "tanh", "softmax", dtype=request.param, seed=1)


#: Each with its other arguments, and the shape of its result.
CALLS = {
    "input_gradient": (lambda m, X, **k: m.input_gradient(X, Y, "cross_entropy", **k), (9, 4)),
    "vjp": (lambda m, X, **k: m.vjp(X, U, **k), (9, 4)),
    "jacobian": (lambda m, X, **k: m.jacobian(X, **k), (9, 3, 4)),
    "per_sample_gradients": (lambda m, X, **k: m.per_sample_gradients(X, Y, "cross_entropy", **k), (9, 51)),
    "per_sample_gradient_norms": (lambda m, X, **k: m.per_sample_gradient_norms(X, Y, "cross_entropy", **k), (9,)),
    "fisher_diagonal": (lambda m, X, **k: m.fisher_diagonal(X, Y, loss="cross_entropy", **k), (51,)),
    "true_fisher": (lambda m, X, **k: m.fisher_diagonal(X, labels="model", loss="cross_entropy", **k), (51,)),
}


@pytest.fixture(params=CALLS)
def call(request):
    return CALLS[request.param]


def test_results_are_written_where_asked_for(model, call):
    function, shape = call
    expected = function(model, X)
    assert expected.shape == shape and expected.dtype == model.dtype
    out = np.full(shape, np.nan, model.dtype)
    assert function(model, X, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_out_that_does_not_fit(model, call):
    function, shape = call
    other = "float32" if model.dtype == "float64" else "float64"
    with pytest.raises(ValueError, match="expected out of shape"):
        function(model, X, out=np.empty((*shape, 1), model.dtype))
    with pytest.raises(ValueError, match="expected out of shape"):
        function(model, X, out=np.empty(shape, other))
    with pytest.raises(ValueError, match="expected out to be C-contiguous"):
        function(model, X, out=np.empty((*shape, 2), model.dtype)[..., 0])
    with pytest.raises(TypeError, match="expected out to be an array, got list"):
        function(model, X, out=[1.0])


def test_out_may_share_memory_with_what_is_read(model, call):
    function, shape = call
    expected = function(model, X)
    space = np.zeros(max(X.size, expected.size), model.dtype)
    rows = space[: X.size].reshape(X.shape)
    rows[...] = X
    expected = function(model, rows.copy())
    assert function(model, rows, out=space[: expected.size].reshape(shape)).base is space
    np.testing.assert_array_equal(space[: expected.size].reshape(shape), expected)
    if shape == (51,):
        expected = function(model, X)
        function(model, X, out=model.parameters)
        np.testing.assert_array_equal(model.parameters, expected)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (X[0], ValueError, r"expected X to be 2-D"),
        (X[:, :3], ValueError, r"expected 4 features, got 3"),
        (X[:0], ValueError, r"expected at least one row"),
        (X.astype(str), TypeError, r"expected X to be numeric"),
        (np.where(X[3, 2] == X, np.nan, X), ValueError, r"expected finite values in X, got NaN at row 3, column 2"),
    ],
)
def test_bad_rows(model, call, rows, error, message):
    state = model.state.copy()
    with pytest.raises(error, match=message):
        call[0](model, rows)
    np.testing.assert_array_equal(model.state, state)


@pytest.mark.parametrize("n_threads", [0, 1.5, "two", [1]])
def test_bad_numbers_of_threads(model, call, n_threads):
    with pytest.raises((TypeError, ValueError), match="expected n_threads"):
        call[0](model, X, n_threads=n_threads)


def test_bad_vectors(model):
    for wrong in (U[:, :2], U[:8], U[0], U[..., None]):
        with pytest.raises(ValueError, match=r"expected U of shape \(9, 3\), got"):
            model.vjp(X, wrong)
    with pytest.raises(TypeError, match="expected U to be numeric"):
        model.vjp(X, U.astype(str))
    with pytest.raises(ValueError, match="expected finite values in U, got infinity at row 4, column 1"):
        model.vjp(X, np.where(U[4, 1] == U, np.inf, U))
    np.testing.assert_array_equal(model.vjp(X, np.ones((9, 3), int)), model.vjp(X, np.ones((9, 3))))


def test_bad_targets(model):
    for function in (model.input_gradient, model.deltas, model.per_sample_gradients, model.per_sample_gradient_norms):
        with pytest.raises(ValueError, match="expected y to be as long as X, 9 rows, got 8"):
            function(X, Y[:8], "cross_entropy")
        with pytest.raises(ValueError, match="expected class indices in y from 0 to 2, got 3 at row 1"):
            function(X, np.where(Y == 1, 3, Y), "cross_entropy")
        with pytest.raises(ValueError, match="expected output activation sigmoid or identity"):
            function(X, Y, "binary_cross_entropy")


def test_labels_of_the_fisher_information(model):
    with pytest.raises(ValueError, match="expected targets as y with labels='given', got none"):
        model.fisher_diagonal(X, loss="cross_entropy")
    with pytest.raises(ValueError, match="expected none as y with labels='model', got some"):
        model.fisher_diagonal(X, Y, labels="model", loss="cross_entropy")
    with pytest.raises(ValueError, match="unknown labels 'true'"):
        model.fisher_diagonal(X, Y, labels="true", loss="cross_entropy")
    for loss in ("kl_divergence", mf.losses.CrossEntropy(label_smoothing=0.1)):
        with pytest.raises(ValueError, match="expected a loss that is a negative log-likelihood"):
            model.fisher_diagonal(X, labels="model", loss=loss)


def test_values_are_written_where_asked_for(model):
    first, deltas = model.activations(X), model.deltas(X, Y, "cross_entropy")
    again = model.activations(X + 1, out=first)
    assert all(a is b for pair in zip(first, again, strict=True) for a, b in zip(*pair, strict=True))
    np.testing.assert_array_equal(again.h[-1], model.predict(X + 1))
    assert model.deltas(X, Y, "cross_entropy", out=deltas)[1] is deltas[1]
    with pytest.raises(ValueError, match=r"expected out to be \(z, h\), 2 in all, got 3"):
        model.activations(X, out=(*first, ()))
    with pytest.raises(ValueError, match="expected out to be an array for each value, 2 in all, got 1"):
        model.deltas(X, Y, "cross_entropy", out=deltas[:1])
    with pytest.raises(ValueError, match="expected arrays in out that do not overlap"):
        model.activations(X, out=(first.z, first.z))


def test_codes_of_categories():
    model = mf.Model(3, [mf.Columns([(0, mf.Embedding(4, 2))]), mf.Dense(2, "tanh")], seed=1)
    rows = np.array([[1, 0.5, -0.5], [3, 0.1, 0.2]])
    J = model.jacobian(rows)
    assert not J[..., 0].any() and J[..., 1:].all()
    rows[1, 0] = 4
    with pytest.raises(ValueError, match="expected a category's code in X, a whole number from 0 to 3, got 4 at row 1"):
        model.jacobian(rows)


def test_too_much_memory():
    model = mf.mlp([1, 3000, 3000, 2], seed=1)
    with pytest.raises(MemoryError, match=r"takes 360,\d{3},\d{3},\d{3},\d{3} bytes, more than this machine has"):
        model.per_sample_gradients(np.zeros((10_000_000, 1)), np.zeros((10_000_000, 2)), "mse")
