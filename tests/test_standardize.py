"""Standardize beside scikit-learn's StandardScaler and RealMLP's robust scaling; `Model.adapt`."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

import mlpfast as mf
from mlpfast.validation import as_features

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6)) * [1, 10, 1e-3, 1e4, 1, 1] + [0, 5, 1, 1e5, -3, 1e-3]


def taught(*layers, X=X, dtype="float64"):
    model = mf.Model(X.shape[1], layers, dtype=dtype)
    model.adapt(X)
    return model


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-4), ("float64", 1e-10)])
def test_it_is_the_standard_scaler(dtype, tolerance):
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler().fit(X.astype(dtype).astype(np.float64))
    model = taught(mf.Standardize(), X=X.astype(dtype), dtype=dtype)
    new = RNG.normal(size=(50, 6)) * X.std(axis=0) + X.mean(axis=0)
    np.testing.assert_allclose(
        model.predict(new.astype(dtype)), scaler.transform(new), rtol=tolerance, atol=tolerance * 5
    )


def robust(x, clip=None):
    """By tabular.md: the median, the distance of the quartiles or half of the range, and a smooth clip."""
    low, median, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    width = np.where(high == low, (x.max(axis=0) - x.min(axis=0)) / 2, high - low)
    h = (x - median) * np.where(width == 0, 0, 1 / np.where(width == 0, 1, width))
    return h if clip is None else h / np.sqrt(1 + (h / clip) ** 2)


@pytest.mark.parametrize("clip", [None, 3.0, 0.5])
def test_robust(clip):
    x = X.copy()
    x[:, 4] = 7.0  # constant
    x[:, 5] = np.arange(200) < 10  # quartiles that are equal
    np.testing.assert_allclose(taught(mf.Standardize("robust", clip), X=x).predict(x), robust(x, clip), rtol=1e-9)


def test_the_quartiles_are_scikit_learns():
    scaler = pytest.importorskip("sklearn.preprocessing").RobustScaler().fit(X)
    np.testing.assert_allclose(taught(mf.Standardize("robust")).predict(X), scaler.transform(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("share", "low", "high", "expected"),
    [  # the examples of RealMLP's preprocessing: columns of two values, and what becomes of these
        (0.2, 0, 1, (0.0, 1.664)),
        (0.4, 0, 1, (0.0, 0.9487)),
        (0.6, 0, 1, (-0.9487, 0.0)),
        (0.8, 0, 1, (-1.664, 0.0)),
        (0.4, -1, 1, (0.0, 0.9487)),
        (0.2, -1, 1, (0.0, 1.664)),
        (0.8, -1, 1, (-1.664, 0.0)),
    ],
)
def test_columns_of_two_values(share, low, high, expected):
    x = np.where(np.arange(100) < 100 * share, high, low)[:, None].astype(float)
    model = taught(mf.Standardize("robust", clip=3), X=x)
    np.testing.assert_allclose(model.predict([[low], [high]])[:, 0], expected, atol=5e-4)


@pytest.mark.parametrize("layer", [mf.Standardize(), mf.Standardize("robust"), mf.Standardize("robust", clip=3.0)])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e10])
def test_columns_that_do_not_vary_become_zero(layer, constant):
    """For other values than those that were seen, too; no rounding of a mean is taken for a deviation."""
    model = taught(layer, X=np.column_stack([np.full(1000, constant), np.arange(1000.0)]))
    assert (model.predict([[constant, 1.0], [constant + 5, 2.0], [-1e9, 3.0]])[:, 0] == 0).all()


def test_a_single_row_does_not_vary():
    assert (taught(mf.Standardize(), X=np.array([[3.0, 4.0]])).predict([[1.0, 2.0]]) == 0).all()


def test_the_file_takes_raw_inputs(tmp_path):
    raw = mf.Model(6, [mf.Standardize("robust", clip=3.0), mf.Dense(8, "relu"), mf.Dense(1)], seed=1)
    raw.adapt(X)
    scaled = mf.Model(6, [mf.Dense(8, "relu"), mf.Dense(1)], seed=1)
    y = X[:, :1] / 2
    prepared = robust(X.astype(np.float32).astype(np.float64), 3.0)
    for model, x in ((raw, X), (scaled, prepared)):
        mf.Trainer(model, "mse", seed=1).fit(x, y, epochs=3, verbose=0)
    np.testing.assert_allclose(raw.weights[0], scaled.weights[0], rtol=1e-3, atol=1e-4)
    raw.save(tmp_path / "model.npz")
    for twin in (mf.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(raw)), raw.copy()):
        np.testing.assert_array_equal(twin.predict(X), raw.predict(X))
        assert twin.buffers.keys() == {"offset0", "factor0"}


def test_training_leaves_it_as_it_is():
    model = mf.Model(6, [mf.Standardize(), mf.Dense(1)])
    model.adapt(X)
    learnt = {name: buffer.copy() for name, buffer in model.buffers.items()}
    mf.Trainer(model, "mse").fit(X, X[:, :1], verbose=0)
    for name, buffer in model.buffers.items():
        np.testing.assert_array_equal(buffer, learnt[name])


# --- adapt ---


@pytest.mark.parametrize(
    "before",
    [
        [mf.Dense(3, "tanh")],
        [mf.Dropout(0.0)],
        [mf.Dropout(0.5)],
        [mf.Scale(2.0), mf.Dropout(0.5)],
        [mf.Residual([mf.Dense(6), mf.BatchNorm()])],
        [mf.Standardize("robust", clip=3.0)],
        [mf.Dense(3), mf.Activate("relu")],
    ],
    ids=lambda layers: ", ".join(layer.name for layer in layers),
)
def test_it_learns_from_what_those_before_it_make(before):
    model = taught(*before, mf.Standardize(), mf.Dense(1))
    number = len(before)
    made = X
    if any(not isinstance(layer, mf.Dropout) for layer in before):
        front = mf.Model(6, [layer for layer in before if not isinstance(layer, mf.Dropout)], dtype="float64")
        front.load_tensors(model, strict=False)
        made = front.predict(X)
    np.testing.assert_allclose(model.buffers[f"offset{number}"], -made.mean(axis=0), rtol=1e-9, atol=1e-12)
    deviation = made.std(axis=0)
    factor = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    np.testing.assert_allclose(model.buffers[f"factor{number}"], factor, rtol=1e-9)


def test_it_takes_what_predict_takes():
    whole = RNG.integers(0, 255, size=(30, 4))
    kinds = (np.uint8, np.int16, np.int64, np.float64)
    learnt = [taught(mf.Standardize(), X=whole.astype(kind)).state for kind in kinds]
    for other in learnt[1:]:
        np.testing.assert_array_equal(learnt[0], other)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (sp.csr_matrix(X), TypeError, "adapt: expected dense X, got sparse rows"),
        (X[:, :5], ValueError, "expected 6 features, got 5"),
        (np.where(X > 1e5, np.nan, X), ValueError, "NaN"),
        (X[:0], ValueError, "row"),
        ("text", TypeError, "expected X"),
        (X * 1e34, ValueError, "too large for float32"),
        ([[0.0] * 6, [1e-40] + [1.0] * 5], ValueError, r"adapt: Standardize\(\) can't learn this from X: .*factor0"),
    ],
)
def test_what_it_refuses_changes_nothing(bad, error, message):
    model = mf.Model(6, [mf.Standardize(), mf.Dense(2), mf.Standardize(), mf.Dense(1)], dtype="float32")
    with np.errstate(all="raise"):
        model.adapt(X)
        state = model.state.copy()
        with pytest.raises(error, match=message):
            model.adapt(bad)
    np.testing.assert_array_equal(model.state, state)


FORGOTTEN = r"^expected model.adapt\(X\) first: layer {} \({}\) has learnt nothing from data yet$"


@pytest.mark.parametrize(
    ("layers", "what"),
    [
        ([mf.Standardize(), mf.Dense(1)], ("0", "standardize")),
        ([mf.PiecewiseLinear(4), mf.Dense(1)], ("0", "piecewise_linear")),  # which makes numbers of edges that are NaN
        ([mf.Columns([(0, mf.OneHot(2)), (2, mf.PiecewiseLinear(4))]), mf.Dense(1)], (r"0\.1", "piecewise_linear")),
    ],
)
def test_nothing_is_computed_before_adapt(layers, what):
    model = mf.Model(3, layers)
    trainer = mf.Trainer(model, "mse")
    X, y = np.eye(3, dtype=np.float32), np.zeros((3, 1), np.float32)
    calls = [
        lambda: model(X),
        lambda: model(X[0]),
        lambda: model(X.tolist()),
        lambda: model(sp.csr_matrix(X)),
        lambda: trainer.evaluate(X, y),
        lambda: trainer.evaluate([(X, y)]),
        lambda: trainer.train_on_batch(X, y),
        lambda: trainer.fit(X, y, verbose=0),
        lambda: trainer.fit([(X, y)], verbose=0),
        lambda: model.loss_and_gradient(X, y, "mse"),
        lambda: model.objective(X, y, "mse")(model.parameters),
        lambda: model.jvp(X, X),
        lambda: model.jacobian(X),
        lambda: model.hvp(X, y, model.parameters, "mse"),
        lambda: model.gauss_newton_product(X, y, model.parameters, "mse"),
        lambda: model.hessian(X, y, "mse"),
        lambda: model.vjp(X, y),
        lambda: model.activations(X),
        lambda: model.deltas(X, y, "mse"),
        lambda: model.input_gradient(X, y, "mse"),
        lambda: model.per_sample_gradients(X, y, "mse"),
        lambda: model.fisher_diagonal(X, y, loss="mse"),
        lambda: mf.gradcheck(model, X, y, "mse"),
        lambda: mf.graph.of(model, X, y, "mse"),
        lambda: mf.diagnose(model, X, y, "mse"),
        lambda: mf.lr_finder(trainer, X, y),
    ]
    if isinstance(layers[0], mf.Standardize):  # encoders have none
        calls.append(lambda: model.input_hessian(X, y, "mse"))
    for call in calls:
        with pytest.raises(ValueError, match=FORGOTTEN.format(*what)):
            call()
    model.adapt(X)
    assert np.isfinite(model(X)).all()


def test_adapt_forgotten(tmp_path):
    X, y = np.ones((4, 3)), np.zeros((4, 1))
    model = mf.Model(3, [mf.Dense(2), mf.Standardize(), mf.Dense(1)])
    trainer = mf.Trainer(model, "mse")
    state = model.state.copy()
    for train in (lambda: trainer.fit(X, y, verbose=0), lambda: trainer.train_on_batch(X, y)):
        with pytest.raises(ValueError, match=FORGOTTEN.format(1, "standardize")):
            train()
    np.testing.assert_array_equal(model.state, state)
    assert trainer.steps == trainer.epochs == 0
    model.save(tmp_path / "model.npz")  # a model that is not ready yet can be kept, too
    loaded = mf.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.state, state)
    loaded.adapt(X)
    mf.Trainer(loaded, "mse").fit(X, y, verbose=0)


def test_a_part_that_is_nan_is_no_file_of_a_model(tmp_path):
    model = mf.Model(3, [mf.Standardize(), mf.Dense(1)])
    model.adapt(np.eye(3))
    model.buffers["offset0"][1] = np.nan
    model.save(tmp_path / "model.npz")
    with pytest.raises(mf.ModelFileError, match=r"expected finite values in offset0.npy, got NaN at row 1"):
        mf.load(tmp_path / "model.npz")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("source", [np.uint8, np.int16])
def test_raw_integers_are_scaled_and_shifted_as_they_are_read(source, dtype):
    """Training, evaluation and prediction of uint8 and int16 have the bits of the same numbers as floats; no copy."""
    info, rng = np.iinfo(source), np.random.default_rng(0)
    raw = rng.integers(info.min, info.max, size=(150, 37), endpoint=True).astype(source)
    raw[0, :2] = info.min, info.max
    y = rng.integers(3, size=150)
    found = []
    for X in (raw, raw.astype(dtype)):
        model = mf.Model(37, [mf.Standardize(), mf.Dense(19, "relu"), mf.Dense(3, "softmax")], dtype=dtype, seed=0)
        model.adapt(X)
        trainer = mf.Trainer(model, metrics=["accuracy"], batch_size=32)
        history = trainer.fit(X, y, epochs=3, verbose=0)
        assert as_features(X, 37, model.dtype) is X
        outputs = [model.predict(X[:n]).tobytes() for n in (1, 5, 150)]
        found.append((model.state.tobytes(), outputs, history["loss"], trainer.evaluate(X, y)))
    assert found[0] == found[1]
    assert found[0][2][-1] < found[0][2][0]
