"""BatchNorm beside the formulas in float64: training, running statistics, and which rows are a batch."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

import mlpfast as mf


def rows(columns, n=60, seed=0, offset=0.0):
    return np.random.default_rng(seed).normal(size=(n, columns)) * np.linspace(0.5, 3, columns) + offset


def drawn(model, seed=7):
    """The same model, with scales and shifts that differ from ones and zeros."""
    model.parameters = model.parameters + np.random.default_rng(seed).normal(size=model.n_parameters) * 0.3
    return model


def normalised(x, epsilon=1e-5):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + epsilon)


# --- in training ---


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_a_batch_is_normalised_by_its_own_statistics(dtype, tolerance):
    X, y = rows(5, offset=2.0).astype(dtype), rows(5, seed=1).astype(dtype)
    model = drawn(mf.Model(5, [mf.BatchNorm(epsilon=0.01)], dtype=dtype))
    n, scale = normalised(X.astype(np.float64), 0.01), model.tensors["scale0"].astype(np.float64)
    error = n * scale + model.tensors["shift0"] - y
    loss, gradient = model.loss_and_gradient(X, y, "mse", training=True)
    assert loss == pytest.approx((error**2).sum(axis=1).mean() / 2, rel=tolerance)
    expected = np.concatenate([(error * n).mean(axis=0), error.mean(axis=0)])
    np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)


def test_the_statistics_depend_on_the_rows_on_the_way_back():
    """dL/dx = rsd scale (delta - mean(delta) - n mean(delta n)), as the weights in front of the norm notice."""
    X, y = rows(4), rows(3, seed=1)
    model = drawn(mf.Model(4, [mf.Dense(3), mf.BatchNorm(epsilon=0.01)], dtype="float64"))
    W, b, scale, shift = (tensor.astype(np.float64) for tensor in model.tensors.values())
    z = X @ W + b
    n, rsd = normalised(z, 0.01), 1 / np.sqrt(z.var(axis=0) + 0.01)
    delta = (n * scale + shift - y) / len(X)
    dz = rsd * scale * (delta - delta.mean(axis=0) - n * (delta * n).mean(axis=0))
    gradient = model.loss_and_gradient(X, y, "mse", training=True)[1]
    np.testing.assert_allclose(gradient[:12].reshape(4, 3), X.T @ dz, atol=1e-13)
    np.testing.assert_allclose(gradient[12:15], 0, atol=1e-13)  # a bias in front of a norm does nothing


def test_one_step_of_a_trainer():
    X, y = rows(4), rows(2, seed=1)
    layers = [mf.Dense(3, "tanh"), mf.BatchNorm(), mf.Dense(2)]
    model = drawn(mf.Model(4, layers, dtype="float64"))
    gradient = model.loss_and_gradient(X, y, "mse", training=True)[1]
    expected = model.parameters - 0.1 * gradient
    loss = mf.Trainer(model, "mse", mf.SGD(0.1)).train_on_batch(X, y)
    np.testing.assert_allclose(model.parameters, expected, rtol=1e-14)
    twin = drawn(mf.Model(4, layers, dtype="float64"))
    assert loss == twin.loss_and_gradient(X, y, "mse", training=True)[0]


def test_two_in_a_row():
    X, y = rows(3, offset=1.0), rows(3, seed=1)
    model = drawn(mf.Model(3, [mf.BatchNorm(0.0, 0.1), mf.BatchNorm(0.0, 0.2)], dtype="float64"))
    scale, shift = model.tensors["scale0"], model.tensors["shift0"]
    between = normalised(X, 0.1) * scale + shift
    expected = normalised(between, 0.2) * model.tensors["scale1"] + model.tensors["shift1"]
    loss = model.loss_and_gradient(X, y, "mse", training=True)[0]
    assert loss == pytest.approx(((expected - y) ** 2).sum(axis=1).mean() / 2, rel=1e-12)
    mf.Trainer(model, "mse", mf.SGD(1e-9), batch_size=None).fit(X, y, verbose=0)
    np.testing.assert_allclose(model.buffers["mean0"], X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(model.buffers["mean1"], between.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(model.buffers["variance1"], between.var(axis=0, ddof=1), rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_the_variance_of_what_is_far_from_zero(offset):
    """By two passes in float64: the mean of the squares less the square of the mean would have lost all digits."""
    X = (np.random.default_rng(0).normal(size=(1000, 40)) + offset).astype(np.float32)
    model = mf.Model(40, [mf.BatchNorm(0.0), mf.Dense(1)])
    mf.Trainer(model, "mse", mf.SGD(1e-6), batch_size=None).fit(X, X[:, :1] * 0, verbose=0)
    exact = X.astype(np.float64)
    np.testing.assert_allclose(model.buffers["mean0"], exact.mean(axis=0), rtol=2e-7, atol=1e-8)
    np.testing.assert_allclose(model.buffers["variance0"], exact.var(axis=0, ddof=1), rtol=2e-7)
    h = mf.Model(40, [mf.BatchNorm()])
    h.load_tensors(model, strict=False)
    np.testing.assert_allclose(h.predict(X).std(axis=0), 1, rtol=1e-3)


# --- running statistics ---


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
def test_running_statistics_after_some_steps(momentum):
    X, y = rows(6, 50, offset=3.0), rows(1, 50, seed=1)
    model = mf.Model(6, [mf.BatchNorm(momentum), mf.Dense(1)], dtype="float64")
    mf.Trainer(model, "mse", batch_size=10, shuffle=False).fit(X, y, epochs=3, verbose=0)
    mean, variance = np.zeros(6), np.ones(6)
    for batch in [*np.split(X, 5)] * 3:
        mean = momentum * mean + (1 - momentum) * batch.mean(axis=0)
        variance = momentum * variance + (1 - momentum) * batch.var(axis=0, ddof=1)
    np.testing.assert_allclose(model.buffers["mean0"], mean, rtol=1e-13)
    np.testing.assert_allclose(model.buffers["variance0"], variance, rtol=1e-13)


def test_a_prediction_is_by_running_statistics():
    model = drawn(mf.Model(5, [mf.BatchNorm(epsilon=0.1)], dtype="float64"))
    model.buffers["mean0"][:], model.buffers["variance0"][:] = range(5), np.arange(5) + 0.5
    X = rows(5)
    n = (X - np.arange(5)) / np.sqrt(np.arange(5) + 0.6)
    expected = n * model.tensors["scale0"] + model.tensors["shift0"]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-13, atol=1e-13)
    y = rows(5, seed=1)
    loss = ((expected - y) ** 2).sum(axis=1).mean() / 2
    assert model.loss_and_gradient(X, y, "mse")[0] == pytest.approx(loss, rel=1e-13)
    assert mf.Trainer(model, "mse").evaluate(X, y)["loss"] == pytest.approx(loss, rel=1e-13)


def test_only_steps_move_them():
    X, y = rows(4), rows(2, seed=1)
    model = mf.Model(4, [mf.Dense(3), mf.BatchNorm(), mf.Dense(2)], dtype="float64")
    trainer = mf.Trainer(model, "mse")
    trainer.fit(X, y, verbose=0)
    state = model.state.copy()
    model.predict(X), model.predict(X[0]), trainer.evaluate(X, y)
    model.loss_and_gradient(X, y, "mse"), model.loss_and_gradient(X, y, "mse", training=True)
    mf.gradcheck(model, X, y, "mse", training=True)
    np.testing.assert_array_equal(model.state, state)
    trainer.train_on_batch(X, y)
    assert (model.buffers["mean1"] != state[model.n_parameters :][:3]).all()


def test_a_gradient_by_running_statistics_does_not_hold_all_rows():
    X, y = np.ones((40_000, 2), np.float32), np.ones((40_000, 1), np.float32)
    model = mf.Model(2, [mf.Dense(300), mf.BatchNorm(), mf.Dense(1)], seed=1)
    tracemalloc.start()
    loss, gradient = model.loss_and_gradient(X, y, "mse")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20e6  # one value of all rows has 48e6 bytes
    expected = model.loss_and_gradient(X[:1000], y[:1000], "mse")
    assert loss == pytest.approx(expected[0], rel=1e-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-4, atol=1e-6)


def test_a_batch_without_weight_moves_nothing():
    X, y = rows(4, 20), rows(1, 20, seed=1)
    model = mf.Model(4, [mf.BatchNorm(), mf.Dense(1)], dtype="float64")
    state = model.state.copy()
    trainer = mf.Trainer(model, "mse", batch_size=10, shuffle=False)
    trainer.fit(X[:10], y[:10], verbose=0)
    after = model.state.copy()
    model.state = state
    again = mf.Trainer(model, "mse", batch_size=10, shuffle=False)
    again.fit(X, y, sample_weight=np.repeat([1.0, 0.0], 10), verbose=0)
    np.testing.assert_array_equal(model.state, after)


# --- which rows are a batch ---


def test_a_last_batch_of_one_row_goes_with_the_one_before():
    X, y = rows(3, 21), rows(1, 21, seed=1)
    model = mf.Model(3, [mf.BatchNorm(0.0), mf.Dense(1)], dtype="float64")
    trainer = mf.Trainer(model, "mse", batch_size=10, shuffle=False)
    with pytest.warns(UserWarning, match="the last of the batches of 10 rows .* goes with the batch before") as warned:
        history = trainer.fit(X, y, verbose=0)
    assert warned[0].filename == __file__
    assert trainer.steps == 2 and history.epochs == 1
    np.testing.assert_allclose(model.buffers["mean0"], X[10:].mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(model.buffers["variance0"], X[10:].var(axis=0, ddof=1), rtol=1e-13)


@pytest.mark.filterwarnings("ignore:the last of the batches")
@pytest.mark.parametrize(("n", "batch_size", "steps"), [(2, 2, 1), (3, 2, 1), (4, 2, 2), (5, 2, 2), (11, 10, 1)])
def test_the_number_of_steps(n, batch_size, steps):
    trainer = mf.Trainer(mf.Model(3, [mf.BatchNorm(), mf.Dense(1)]), "mse", batch_size=batch_size)
    trainer.fit(rows(3, n), rows(1, n, seed=1), verbose=0)
    assert trainer.steps == steps
    plain = mf.Trainer(mf.Model(3, [mf.Dense(1)]), "mse", batch_size=batch_size)
    plain.fit(rows(3, n), rows(1, n, seed=1), verbose=0)
    assert plain.steps == -(-n // batch_size)


def test_batches_of_one_row_are_refused():
    X, y = rows(3, 8), rows(1, 8, seed=1)
    model = mf.Model(3, [mf.Dense(4), mf.BatchNorm(), mf.Dense(1)])
    trainer = mf.Trainer(model, "mse", batch_size=1)
    state = model.state.copy()
    for refused in (
        lambda: trainer.fit(X, y, verbose=0),
        lambda: trainer.train_on_batch(X[:1], y[:1]),
        lambda: mf.Trainer(model, "mse").fit(X[:1], y[:1], verbose=0),
        lambda: model.loss_and_gradient(X[:1], y[:1], "mse", training=True),
        lambda: mf.Trainer(model, "mse").fit(X, y, sample_weight=np.eye(8)[0], verbose=0),
    ):
        with pytest.raises(ValueError, match="BatchNorm in training: expected batches of at least 2 rows, got 1"):
            refused()
    with pytest.raises(ValueError, match="got 1 beside 7 of weight zero, which have no part in it$"):
        mf.Trainer(model, "mse").fit(X, y, sample_weight=np.eye(8)[0], verbose=0)
    np.testing.assert_array_equal(model.state, state)
    assert trainer.steps == trainer.epochs == 0
    model.loss_and_gradient(X[:1], y[:1], "mse"), trainer.evaluate(X[:1], y[:1]), model.predict(X[:1])


def test_rows_of_weight_zero_are_no_part_of_the_statistics():
    X, y, weight = rows(3, 40, offset=5.0), rows(1, 40, seed=1), np.tile([0.0, 1.0, 2.0, 3.0], 10)
    counted = weight > 0
    layers = [mf.BatchNorm(0.0), mf.Dense(1)]
    model, other = (mf.Model(3, layers, dtype="float64") for _ in range(2))
    expected = model.loss_and_gradient(X[counted], y[counted], "mse", sample_weight=weight[counted], training=True)
    wild = np.where(counted[:, None], X, 1e300)
    for given in (wild, sp.csr_matrix(wild)):
        found = model.loss_and_gradient(given, y, "mse", sample_weight=weight, training=True)
        assert found[0] == expected[0]
        np.testing.assert_array_equal(found[1], expected[1])
    for step in ("fit", "train_on_batch"):
        for twin, (x, t, w) in ((model, (wild, y, weight)), (other, (X[counted], y[counted], weight[counted]))):
            trainer = mf.Trainer(twin, "mse", batch_size=None, shuffle=False)
            if step == "fit":
                trainer.fit(x, t, sample_weight=w, verbose=0)
            else:
                trainer.train_on_batch(x, t, w)
        np.testing.assert_array_equal(model.state, other.state)
    assert mf.gradcheck(model, X, y, "mse", sample_weight=weight, training=True).ok
