"""Losses of the user's own, in Python and in C: the bits of a compiled one, and what is wrong with them."""

import ctypes
import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.losses import Custom

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2500, 5)), RNG.normal(size=(2500, 2))
WEIGHTS = RNG.uniform(0, 2, size=2500)


def half_squares(y, h):
    return 0.5 * ((h - y) ** 2).sum(axis=1), h - y


def cross_entropy(y, h):
    rows = np.arange(len(y))
    gradient = np.zeros_like(h)
    gradient[rows, y] = -1 / h[rows, y]
    return -np.log(h[rows, y]), gradient


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    path = tmp_path_factory.mktemp("loss") / "loss.so"
    source = Path(__file__).parent / "toy_loss.c"
    flags = ["-O2", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", path, source], check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture(params=["python", "c"])
def custom(request):
    return Custom(half_squares if request.param == "python" else request.getfixturevalue("library").half_squares)


def layers(kind):
    hidden = {"dense": [], "batch_norm": [mf.layers.BatchNorm()], "dropout": [mf.layers.Dropout(0.3)]}[kind]
    return [mf.Dense(7, "tanh"), *hidden, mf.Dense(2, "tanh")]


@pytest.mark.parametrize("batch_size", [32, 200, None])
@pytest.mark.parametrize("kind", ["dense", "batch_norm", "dropout"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_bits_of_a_compiled_loss(custom, kind, batch_size, n_threads):
    """Whatever the batch: one that is shorter than a block, several blocks, or more rows than the arena has."""
    results = []
    for loss in ("mse", custom):
        model = mf.Model(5, layers(kind), dtype="float64", seed=1)
        trainer = mf.Trainer(model, loss, batch_size=batch_size, metrics=["mae"], n_threads=n_threads, seed=2)
        history = trainer.fit(X, Y, 2, sample_weight=WEIGHTS, validation_data=(X[:99], Y[:99]), verbose=0)
        gradient = model.loss_and_gradient(X, Y, loss, sample_weight=WEIGHTS, l2=0.1)
        results.append(
            (dict(history), trainer.evaluate(X, Y), model.state.tobytes(), gradient[0], gradient[1].tobytes())
        )
    for name, values in results[0][0].items():
        np.testing.assert_allclose(values, results[1][0][name], rtol=1e-12)
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-12)
    assert results[0][2] == results[1][2] and results[0][4] == results[1][4]
    assert results[0][3] == pytest.approx(results[1][3], rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradcheck_takes_them(custom, dtype):
    model = mf.mlp([5, 6, 2], "silu", "softplus", dtype=dtype, seed=0)
    assert mf.gradcheck(model, X[:20], Y[:20], custom, sample_weight=WEIGHTS[:20]).ok


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_rows(custom, dtype):
    sparse = pytest.importorskip("scipy.sparse")
    rows = sparse.random(300, 5, 0.4, format="csr", random_state=0)
    found = []
    for features in (rows, rows.toarray()):
        model = mf.mlp([5, 6, 2], dtype=dtype, seed=0)
        mf.Trainer(model, custom, seed=0).fit(features, Y[:300], 2, verbose=0)
        found.append(model.parameters.tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_classes(dtype):
    """Labels, and outputs behind softmax: nearly the compiled cross-entropy."""
    labels = RNG.integers(3, size=500)
    found = []
    for loss in ("cross_entropy", Custom(cross_entropy, classes=True)):
        model = mf.mlp([5, 6, 3], "tanh", "softmax", dtype=dtype, seed=0)
        mf.Trainer(model, loss, batch_size=100, seed=0).fit(X[:500], labels, 2, verbose=0)
        found.append(model.parameters.copy())
    np.testing.assert_allclose(*found, rtol=1e-2 if dtype == "float32" else 1e-6, atol=1e-5)


@pytest.mark.parametrize("one_hot", [np.eye(3, dtype=int), np.eye(3)])
def test_classes_come_as_indices_alone(one_hot):
    trainer = mf.Trainer(mf.mlp([5, 3], output_activation="softmax"), Custom(cross_entropy, classes=True))
    y = RNG.integers(3, size=(500, 1))
    assert trainer.fit(X[:500], y, verbose=0)["loss"] < [2]
    for action in (trainer.fit, trainer.evaluate, trainer.train_on_batch):
        with pytest.raises(ValueError, match=r"expected y of shape \(n,\) with class indices .* y.argmax\(axis=1\)"):
            action(X[:500], one_hot[y[:, 0]])


def test_a_custom_loss_of_numbers_is_stratified_by_what_is_given():
    y = np.arange(60) % 3
    loss = Custom(lambda y, h: (0.5 * ((h - y) ** 2)[:, 0], h - y))
    with pytest.raises(ValueError, match="stratify=True: expected classes in y, .* give stratify=y"):
        mf.Trainer(mf.mlp([5, 1]), loss).fit(X[:60], y, validation_fraction=0.1, stratify=True, verbose=0)
    held = []

    def kept(y, p):
        held.append(np.bincount(y[:, 0].astype(int)).tolist())
        return 0.0

    trainer = mf.Trainer(mf.mlp([5, 1]), loss, metrics=[kept])
    trainer.fit(X[:60], y, validation_fraction=0.1, stratify=y, verbose=0)
    assert held[-1] == [2, 2, 2]


def test_classes_in_c(library):
    def of_label(y, h):
        at = np.arange(len(y)), y
        gradient = np.zeros_like(h)
        gradient[at] = 2 * (h[at] - 1)
        return (h[at] - 1) ** 2, gradient

    labels = RNG.integers(2, size=500)
    found = []
    for function in (of_label, library.of_label):
        model = mf.mlp([5, 6, 2], "tanh", dtype="float64", seed=0)
        mf.Trainer(model, Custom(function, classes=True), seed=0).fit(X[:500], labels, 2, verbose=0)
        found.append(model.parameters.copy())
    np.testing.assert_array_equal(*found)


def test_several_outputs_for_a_target():
    def gaussian(y, h):
        mean, log_variance = h[:, :1], h[:, 1:]
        error = (mean - y) * np.exp(-log_variance / 2)
        gradient = np.hstack([error * np.exp(-log_variance / 2), 0.5 * (1 - error**2)])
        return (0.5 * (log_variance + error**2))[:, 0], gradient

    found = []
    for loss in ("gaussian_nll", Custom(gaussian, outputs_per_target=2)):
        model = mf.mlp([5, 6, 2], "tanh", dtype="float64", seed=0)
        mf.Trainer(model, loss, seed=0).fit(X, Y[:, 0], 2, verbose=0)
        found.append(model.parameters.copy())
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_capsules_and_numba(library):
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    address = ctypes.cast(library.half_squares, ctypes.c_void_p)

    class Compiled:  # as numba.cfunc has it
        address = ctypes.cast(library.half_squares, ctypes.c_void_p).value

    expected = mf.mlp([5, 2], seed=0).loss_and_gradient(X, Y, "mse")[0]
    for function in (new(address, b"mlpfast.loss", None), Compiled()):
        assert mf.mlp([5, 2], seed=0).loss_and_gradient(X, Y, Custom(function))[0] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="PyCapsule_GetPointer called with incorrect name"):
        Custom(new(address, b"other", None))


def test_the_program_says_where_it_is_called(custom):
    text = str(mf.Trainer(mf.Model(5, layers("batch_norm")), custom).program)
    assert ("call     loss" in text) == (custom.called is not None)


def test_copies(tmp_path):
    trainer = mf.Trainer(mf.mlp([5, 2], seed=0), Custom(half_squares))
    copy = pickle.loads(pickle.dumps(trainer))
    for each in (trainer, copy):
        each.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(trainer.model.parameters, copy.model.parameters)


# --- what is wrong ---


def test_an_error_in_an_epoch_leaves_the_last_whole_step():
    calls = []

    def fails_later(y, h):
        calls.append(len(y))
        if len(calls) == 20:
            raise ZeroDivisionError("in a loss")
        return half_squares(y, h)

    model, expected = mf.mlp([5, 2], seed=0), mf.mlp([5, 2], seed=0)
    trainer = mf.Trainer(model, Custom(fails_later), batch_size=100, shuffle=False)
    with pytest.raises(ZeroDivisionError, match="in a loss") as info:
        trainer.fit(X, Y, verbose=0)
    assert "fails_later" in info.value.__notes__[0]
    assert f"at optimizer step {trainer.steps}, counted from 0" in info.value.__notes__[0]
    steps = calls[:20].count(100) - 1  # the others were before the first step
    assert trainer.steps == steps > 5
    mf.Trainer(expected, "mse", batch_size=100, shuffle=False).fit(X[: 100 * steps], Y[: 100 * steps], verbose=0)
    np.testing.assert_allclose(model.parameters, expected.parameters, rtol=1e-5)
    trainer.fit(X, Y, verbose=0)  # and it goes on
    with pytest.raises(KeyboardInterrupt):
        mf.Trainer(model, Custom(interrupted), batch_size=100).fit(X, Y, verbose=0)


def interrupted(y, h):
    if len(y) == 100:
        raise KeyboardInterrupt
    return half_squares(y, h)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda y, h: half_squares(y, h)[0], TypeError, "expected .values, gradient. to be returned, got ndarray"),
        (lambda y, h: (0.5 * (h - y) ** 2, h - y), ValueError, "a value for each of 16 rows, got shape .16, 2."),
        (lambda y, h: (half_squares(y, h)[0], (h - y)[:, 0]), ValueError, "gradient of shape .16, 2., .* got .16,."),
        (
            lambda y, h: (half_squares(y, h)[0], y - h),
            ValueError,
            "expected the derivative by output 0, as differences",
        ),
        (lambda y, h: (half_squares(y, h)[0], (h - y) * [1, 1.01]), ValueError, "the derivative by output 1"),
        (lambda y, h: (half_squares(y, h)[0], h * np.nan), ValueError, "the derivative by output 0"),
        (lambda y, h: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_wrong_functions(function, error, message):
    model = mf.mlp([5, 2], seed=0)
    before = model.parameters.copy()
    loss = Custom(function)
    for _ in range(2):
        with pytest.raises(error, match=message):
            mf.Trainer(model, loss).fit(X, Y, verbose=0)
        with pytest.raises(error, match=message):
            mf.Trainer(model, loss).train_on_batch(X, Y)
        with pytest.raises(error, match=message):
            model.loss_and_gradient(X, Y, loss)
    np.testing.assert_array_equal(model.parameters, before)


def test_a_wrong_gradient_in_c(library):
    with pytest.raises(ValueError, match="expected the derivative by output 0"):
        mf.Trainer(mf.mlp([5, 2]), Custom(library.wrong_sign)).fit(X, Y, verbose=0)


def test_another_shape_in_an_epoch():
    def shrinks(y, h):
        values, gradient = half_squares(y, h)
        return values[: 16 if len(y) == 16 else 5], gradient

    with pytest.raises(ValueError, match="a value for each of 100 rows, got shape .5,.") as info:
        mf.Trainer(mf.mlp([5, 2]), Custom(shrinks), batch_size=100).fit(X, Y, verbose=0)
    assert "shrinks" in info.value.__notes__[0] and "at optimizer step 0, counted from 0" in info.value.__notes__[0]


def test_nan_is_a_divergence():
    def breaks(y, h):
        values, gradient = half_squares(y, h)
        return values * (np.nan if len(y) == 100 else 1), gradient

    with pytest.raises(mf.DivergenceError):
        mf.Trainer(mf.mlp([5, 2]), Custom(breaks), batch_size=100).fit(X, Y, verbose=0)


def test_a_kink_is_not_an_error():
    absolute = Custom(lambda y, h: (np.abs(h - y).sum(axis=1), np.sign(h - y)))
    mf.Trainer(mf.mlp([5, 2], output_activation="relu"), absolute).fit(X, np.zeros_like(Y), verbose=0)


def test_what_is_no_function():
    with pytest.raises(TypeError, match="expected a function of Python or C, got 3"):
        Custom(3)
