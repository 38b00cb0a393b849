"""The promise of the same bits: the same seed and data give bit-identical parameters for every number of threads and
every instruction set, and a row's prediction does not depend on the rows around it.

Run as a script, this file prints a hash of the parameters of each case, for comparison between instruction sets.
"""

import hashlib
import json

import numpy as np
import pytest
from isas import OTHER_ISAS, run_under
from loss_targets import fitting_outputs, targets_of

import mlpfast as mf
from mlpfast import losses, schedules
from mlpfast.activations import ACTIVATIONS
from mlpfast.losses import LOSSES

pytestmark = pytest.mark.usefixtures("as_many_threads_as_asked_for")

DTYPES = ("float32", "float64")
OPTIMIZERS = {
    "sgd": mf.SGD(0.01),
    "momentum": mf.SGD(0.01, momentum=0.9, weight_decay=0.01),
    "nesterov": mf.SGD(0.01, momentum=0.9, nesterov=True),
    "rmsprop": mf.RMSprop(0.001),
    "rmsprop-momentum": mf.RMSprop(0.001, momentum=0.5),
    "adam": mf.Adam(0.001),
    "adam-hat": mf.Adam(0.001, epsilon_hat=True),
    "amsgrad": mf.Adam(0.001, amsgrad=True),
    "adamw": mf.AdamW(0.001),
}
NEWER_OPTIMIZERS = {  # apart, so that the cases above keep theirs
    "adagrad": mf.Adagrad(0.01, initial_accumulator_value=0.1),
    "nadam": mf.NAdam(0.002),
    "lion": mf.Lion(0.001, weight_decay=0.01),
    "schedule-free": mf.ScheduleFreeAdamW(0.001, weight_decay=0.01),
}
SCHEDULED = [
    mf.AdamW(schedules.CosLog4(0.002), weight_decay=schedules.FlatCos(0.1)),
    mf.SGD(schedules.Warmup(schedules.Cosine(0.01), steps=2), momentum=schedules.OneCycle(0.9)),
]
ROWS = 150
# Odd sizes; the last is large enough for a second thread to be worth its while.
SHAPES = ([7, 5, 3], [1, 17, 1, 2], [33, 31, 65, 10], [65, 129, 67, 5])

# With an output activation of identity, and targets of their own.
NEWER_LOSSES = [
    *(loss() for loss in LOSSES.values() if loss.name not in ("mse", "mae", "huber", "quantile", "cross_entropy")),
    losses.Quantile((0.1, 0.5, 0.9)),
    losses.BinaryCrossEntropy(pos_weight=(1, 5, 0.2)),
    losses.Focal(alpha=(1, 5, 0.2)),
]


def cases():
    """name -> (sizes, hidden activation, output activation, loss, optimizer, keywords of the trainer)."""
    optimizers = list(OPTIMIZERS.items())
    for i, activation in enumerate(ACTIVATIONS):
        name, optimizer = optimizers[i % len(optimizers)]
        yield f"{activation}-{name}", (SHAPES[i % 4], activation, "softmax", "cross_entropy", optimizer, {})
    for i, (name, optimizer) in enumerate(optimizers):
        sizes = SHAPES[2 + i % 2]
        yield f"{name}-{sizes[0]}", (sizes, "relu", "softmax", "cross_entropy", optimizer, {"l2": 0.01, "l1": 0.001})
    for loss, output in [
        ("mse", "identity"),
        ("mae", "tanh"),
        ("huber", "softplus"),
        ("quantile", "gelu"),
        ("poisson", "exponential"),
        ("binary_cross_entropy", "sigmoid"),
        ("mse", "softmax"),
    ]:
        yield f"{loss}-{output}", ([7, 9, 3], "tanh", output, loss, mf.Adam(0.001), {})
    for loss in NEWER_LOSSES:
        sizes = [7, 9, fitting_outputs(loss, 3)]
        yield (
            f"{loss.name}-{len(loss.of_outputs(sizes[-1]) or ())}",
            (sizes, "tanh", "identity", loss, mf.Adam(0.001), {}),
        )
    for sizes in SHAPES[1:]:
        yield f"dropout-{sizes[0]}", (sizes, "silu", "softmax", "cross_entropy", mf.Adam(0.001), {"dropout": 0.3})
    yield "blocks", ([300, 270, 10], "relu", "softmax", "cross_entropy", mf.Adam(0.001), {"batch_size": 110})
    # Layers that skip the zeros of their inputs; by neighbours, as in an image, and here and there, as after a ReLU.
    for i, (sizes, alike) in enumerate([([100, 140, 100, 10], 1), ([100, 140, 100, 10], 4), ([64, 64, 32, 10], 1)]):
        name, optimizer = optimizers[-i]
        keywords = {"zeros": alike, "dropout": 0.5 * (i > 0), "batch_size": 100}
        yield f"zeros-{sizes[0]}-{alike}", (sizes, "relu", "softmax", "cross_entropy", optimizer, keywords)
    for i, (name, optimizer) in enumerate(NEWER_OPTIMIZERS.items()):
        yield name, (SHAPES[2 + i % 2], "tanh", "softmax", "cross_entropy", optimizer, {"l1": 0.001 * (i % 2)})
    for clip in ({"clip_norm": 0.01}, {"clip_value": 0.001, "l1": 0.001}):
        yield next(iter(clip)), (SHAPES[3], "tanh", "softmax", "cross_entropy", mf.Adam(0.001), clip)
    yield "ema", (SHAPES[3], "tanh", "softmax", "cross_entropy", mf.Adam(0.001, ema=0.9), {})
    for i, optimizer in enumerate(SCHEDULED):
        driven = {"dropout": 0.3, "dropout_scale": schedules.FlatCos(1.0), "last_batch": ("spread", "drop")[i]}
        yield f"scheduled-{optimizer.name}", (SHAPES[2 + i], "tanh", "softmax", "cross_entropy", optimizer, driven)
    yield "lbfgs", (SHAPES[3], "tanh", "softmax", "cross_entropy", mf.LBFGS(), {"batch_size": None, "l2": 0.001})
    yield "full-batch", ([33, 31, 10], "tanh", "softmax", "cross_entropy", mf.SGD(0.1), {"batch_size": None})


CASES = dict(cases())


def features(rng, rows, columns, alike=0):
    """Normal numbers (rows, columns); where so many neighbours are `alike`, 60 % of the neighbourhoods are zero."""
    X = rng.normal(size=(rows, columns))
    if alike:
        X[np.repeat(rng.random((rows, -(-columns // alike))) < 0.6, alike, axis=1)[:, :columns]] = 0
    return X


def train(case, dtype, n_threads=1):
    """The model after three epochs."""
    sizes, hidden, output, loss, optimizer, keywords = CASES[case]
    rng = np.random.default_rng(0)
    keywords = {"batch_size": 67, **keywords}
    X = features(rng, ROWS, sizes[0], keywords.pop("zeros", 0)).astype(dtype)
    y = rng.integers(2, size=(ROWS, sizes[-1]))
    if loss == "cross_entropy":
        y = rng.integers(sizes[-1], size=ROWS)
    if loss in NEWER_LOSSES:
        y = targets_of(loss, sizes[-1], ROWS, rng)
    model = mf.mlp(sizes, hidden, output, dropout=keywords.pop("dropout", 0.0), dtype=dtype, seed=1)
    trainer = mf.Trainer(model, loss, optimizer, seed=2, n_threads=n_threads, **keywords)
    trainer.fit(X, y, epochs=3, sample_weight=rng.uniform(0.5, 2, ROWS), verbose=0)
    assert np.isfinite(model.parameters).all()
    return model


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


def digests():
    """A hash for each case and dtype: of the parameters, and of predictions from one, few and many rows."""
    found = {}
    for case in CASES:
        for dtype in DTYPES:
            model = train(case, dtype)
            zeros = CASES[case][-1].get("zeros", 0)
            X = features(np.random.default_rng(1), 130, model.inputs, zeros).astype(dtype)
            predictions = [model.predict(X[:n]) for n in (1, 5, 130)]
            found[f"{case}-{dtype}"] = digest(np.concatenate([model.parameters, *(p.ravel() for p in predictions)]))
    return found


@pytest.fixture(scope="module")
def digests_here():
    return digests()


@pytest.mark.parametrize("isa", OTHER_ISAS)
def test_every_isa_gives_the_same_bits(isa, digests_here):
    there = json.loads(run_under(isa, __file__))
    different = [name for name, value in digests_here.items() if there[name] != value]
    assert not different


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_every_number_of_threads_gives_the_same_bits(case, dtype):
    expected = train(case, dtype, 1).parameters.tobytes()
    for n_threads in range(2, 9):
        assert train(case, dtype, n_threads).parameters.tobytes() == expected, n_threads


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 63, 700])
def test_many_rows_and_any_number_of_threads(rows, dtype):
    """Batches, evaluations and gradients that several threads share; 700 rows are several blocks."""
    rng = np.random.default_rng(rows)
    X, y = rng.normal(size=(rows, 100)), rng.integers(10, size=rows)
    found = set()
    for n_threads in (1, 2, 3, 4, 8):
        model = mf.mlp([100, 257, 131, 10], "gelu", "softmax", dtype=dtype, seed=0)
        trainer = mf.Trainer(model, batch_size=None, n_threads=n_threads, l2=0.01, metrics=["accuracy"])
        trainer.fit(X, y, epochs=2, verbose=0)
        loss, gradient = model.loss_and_gradient(X, y, "cross_entropy", l2=0.01, n_threads=n_threads)
        found.add((digest(model.parameters), loss, digest(gradient), str(trainer.evaluate(X, y))))
    assert len(found) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", SHAPES)
def test_a_gradient_does_not_depend_on_the_chunks(sizes, dtype):
    """Rows without weight around the others move the chunks' borders, and add zeros to the sums."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2500, sizes[0])), rng.integers(sizes[-1], size=2500)
    model = mf.mlp(sizes, "tanh", "softmax", dtype=dtype)
    weights = np.zeros(2500)
    weights[600:1600] = 1
    expected = digest(model.loss_and_gradient(X[600:1600], y[600:1600], "cross_entropy")[1])
    for n in (1, 2, 4):
        gradient = model.loss_and_gradient(X, y, "cross_entropy", sample_weight=weights, n_threads=n)[1]
        assert digest(gradient) == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("sizes", "rows"), [([9, 5, 4], 6), ([70, 130, 4], 67), ([64, 62, 4], 67), ([50, 30, 4], 67)])
def test_zeros_are_skipped_without_a_trace(sizes, rows, dtype):
    """Not even in the sign of a zero: by single rows, by many rows of an input full of zeros, and among dense rows."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        model = mf.mlp(sizes, "tanh", dtype=dtype, seed=seed)
        model.parameters[:] = rng.choice([-1.0, -0.0, 0.0, 1.0], model.n_parameters, p=[0.1, 0.4, 0.4, 0.1])
        X = rng.choice([-1.0, -0.0, 0.0, 1.0], (rows, sizes[0]), p=[0.1, 0.4, 0.4, 0.1]).astype(dtype)
        X[:1] = 0
        together = model.predict(X)
        assert b"".join(model.predict(x).tobytes() for x in X) == together.tobytes()
        assert model.predict(among_dense_rows(X))[5::16].tobytes() == together.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("sizes", "alike"), [([70, 140, 100, 10], 1), ([70, 140, 100, 10], 4), ([71, 64, 32, 10], 1)])
def test_a_gradient_skips_zeros_without_a_trace(sizes, alike, dtype):
    """Among dense rows without weight, no input is skipped."""
    rng = np.random.default_rng(0)
    for rows in (3, 67, 150):
        X, y = features(rng, rows, sizes[0], alike).astype(dtype), rng.integers(10, size=rows)
        model = mf.mlp(sizes, "relu", "softmax", dtype=dtype, seed=rows)
        labels, weights = np.zeros(16 * rows, np.int64), np.zeros(16 * rows)
        labels[5::16], weights[5::16] = y, 1
        for n_threads in (1, 2):
            gradient = model.loss_and_gradient(X, y, "cross_entropy", n_threads=n_threads)[1]
            dense = model.loss_and_gradient(
                among_dense_rows(X), labels, "cross_entropy", sample_weight=weights, n_threads=n_threads
            )[1]
            assert gradient.tobytes() == dense.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinite_deltas_show_beside_zeros(dtype):
    """Finite rows, parameters and loss, and deltas that overflow: zero times infinity is NaN, skipped or not."""
    rng = np.random.default_rng(0)
    X = np.abs(features(rng, 64, 70, 1)).astype(dtype)
    model = mf.mlp([70, 160, 2], "tanh", dtype=dtype)
    model.weights[0][:], model.weights[1][:], model.biases[1][:] = 0, np.finfo(dtype).max / 2, 1e3
    for n_threads in (1, 2):
        loss, gradient = model.loss_and_gradient(X, np.zeros((64, 2)), "mse", n_threads=n_threads)
        assert np.isfinite(loss)
        assert np.isnan(gradient[: 70 * 160]).all()
        assert np.isinf(gradient[70 * 160 : 71 * 160]).all()


def among_dense_rows(X):
    """Rows of ones, and among them, at 5, 21, 37, ..., those of X."""
    rows = np.ones((16 * len(X), X.shape[1]), X.dtype)
    rows[5::16] = X
    return rows


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_prediction_does_not_depend_on_the_other_rows(activation, dtype):
    for sizes in SHAPES:
        model = mf.mlp([*sizes, 17, sizes[-1]], activation, "softmax", dtype=dtype, seed=3)
        X = np.random.default_rng(4).normal(size=(200, model.inputs)).astype(dtype)
        expected = model.predict(X, n_threads=1)
        for i in range(0, 200, 7):
            np.testing.assert_array_equal(model.predict(X[i]), expected[i : i + 1])
            np.testing.assert_array_equal(model.predict(X[i : i + 1]), expected[i : i + 1])
        for start, stop in [(0, 2), (3, 50), (1, 66), (50, 200), (197, 200)]:
            np.testing.assert_array_equal(model.predict(X[start:stop]), expected[start:stop])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_prediction_does_not_depend_on_the_threads(dtype):
    model = mf.mlp([100, 257, 131, 10], "tanh", "softmax", dtype=dtype)
    X = np.random.default_rng(0).normal(size=(3000, 100)).astype(dtype)
    expected = model.predict(X, n_threads=1)
    for n_threads in (2, 3, 4, 8, None):
        np.testing.assert_array_equal(model.predict(X, n_threads=n_threads), expected)
    for i in range(0, 3000, 301):
        np.testing.assert_array_equal(model.predict(X[i]), expected[i : i + 1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_source_of_the_rows_does_not_matter(dtype):
    """uint8, int16, other floats, a sparse matrix: the same values train to the same bits."""
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(90, 37)).astype(np.uint8)
    y = rng.integers(4, size=90)
    found = set()
    for features in (
        X,
        X.astype("int16"),
        X.astype("float32"),
        X.astype("float64"),
        sparse.csr_array(X),
        sparse.csr_array(X.astype("int16")),
        sparse.csc_array(X.astype(dtype)),
    ):
        model = mf.mlp([37, 19, 4], "relu", "softmax", dtype=dtype)
        mf.Trainer(model, batch_size=32).fit(features, y, epochs=2, verbose=0)
        found.add(digest(model.parameters) + digest(model.predict(features)))
    assert len(found) == 1


if __name__ == "__main__":
    print(json.dumps(digests()))
