"""BatchNorm wherever it stands in a model, on any number of threads, and frozen."""

import numpy as np
import pytest
import scipy.sparse as sp
from test_batch_norm import drawn, rows

import mlpfast as mf


def test_first_over_sparse_rows():
    X, y = rows(30), rows(2, seed=1)
    X[X < 1] = 0
    models = [mf.Model(30, [mf.BatchNorm(), mf.Dense(8, "relu"), mf.BatchNorm(), mf.Dense(2)]) for _ in range(2)]
    for model, given in zip(models, (X, sp.csr_matrix(X)), strict=True):
        mf.Trainer(model, "mse", batch_size=16, seed=3).fit(given, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(models[1].state, models[0].state)
    np.testing.assert_array_equal(models[1].predict(sp.csr_matrix(X)), models[0].predict(X))


@pytest.mark.parametrize(
    "layers",
    [
        [mf.BatchNorm(), mf.Dense(2)],
        [mf.Dense(2), mf.BatchNorm()],
        [mf.BatchNorm(), mf.BatchNorm(), mf.Dense(2), mf.BatchNorm(), mf.BatchNorm()],
        [mf.Residual([mf.BatchNorm()]), mf.Dense(2)],
        [mf.Residual([mf.BatchNorm(), mf.Dense(5, "relu"), mf.BatchNorm()]), mf.BatchNorm(), mf.Dense(2, "tanh")],
        [mf.Dense(2, "tanh"), mf.Residual([mf.Residual([mf.BatchNorm()]), mf.BatchNorm()])],
        [mf.Dense(4, "relu", use_bias=False), mf.BatchNorm(), mf.Activate("gelu"), mf.Dropout(0.0), mf.Dense(2)],
        [mf.BatchNorm(trainable=False), mf.Dense(4), mf.BatchNorm(), mf.Dense(2)],
    ],
    ids=lambda layers: ", ".join(layer.name for layer in layers),
)
@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_wherever_it_stands(layers, training):
    model = drawn(mf.Model(5, layers, dtype="float64"))
    for name, buffer in model.buffers.items():
        buffer[:] = np.random.default_rng(len(name)).uniform(0.5, 2, buffer.shape)
    report = mf.gradcheck(model, rows(5, 13), rows(2, 13, seed=1), "mse", training=training)
    assert report.ok, f"\n{model.program}\n{report}"


def test_last_before_a_softmax():
    X, y = rows(4), np.arange(60) % 3
    model = mf.Model(4, [mf.Dense(3), mf.BatchNorm(), mf.Activate("softmax")], dtype="float64")
    assert len(model.program.layers) == 2  # softmax belongs to the value that the norm makes
    assert mf.gradcheck(model, X, y, "cross_entropy", training=True).ok
    trainer = mf.Trainer(model, "cross_entropy", mf.Adam(0.05), batch_size=20, metrics=["accuracy"])
    history = trainer.fit(X, y, epochs=20, verbose=0)
    assert history["loss"][-1] < history["loss"][0]
    np.testing.assert_allclose(model.predict(X).sum(axis=1), 1)


@pytest.mark.usefixtures("as_many_threads_as_asked_for")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_of_threads_does_not_show(dtype):
    X, y = rows(64, 700).astype(dtype), rows(3, 700, seed=1)
    layers = [mf.Dense(515, "relu"), mf.BatchNorm(), mf.Residual([mf.BatchNorm(), mf.Dense(515, "tanh")]), mf.Dense(3)]
    states = set()
    for n_threads in range(1, 9):
        model = mf.Model(64, layers, dtype=dtype, seed=1)
        mf.Trainer(model, "mse", batch_size=300, n_threads=n_threads, seed=1).fit(X, y, verbose=0)
        states.add(model.state.tobytes() + model.predict(X, n_threads=n_threads).tobytes())
    assert len(states) == 1


def test_frozen_it_is_as_in_predictions():
    X, y = rows(4), rows(2, seed=1)
    layers = [mf.Dense(3, "tanh"), mf.BatchNorm(trainable=False), mf.Dense(2)]
    model = mf.Model(4, layers, dtype="float64")
    for array in (*model.buffers.values(), model.tensors["scale1"], model.tensors["shift1"]):
        array[:] = np.random.default_rng(array.size).uniform(0.5, 2, array.shape)
    kept = {name: array.copy() for name, array in model._arrays().items() if name[-1] == "1" and name[0] not in "Wb"}
    assert not model.program.over_batch
    np.testing.assert_array_equal(
        model.loss_and_gradient(X, y, "mse", training=True)[1], model.loss_and_gradient(X, y, "mse")[1]
    )
    before = model.parameters.copy()
    gradient = model.loss_and_gradient(X, y, "mse")[1]
    mf.Trainer(model, "mse", mf.SGD(0.1)).train_on_batch(X, y)
    np.testing.assert_allclose(model.parameters, before - 0.1 * gradient, rtol=1e-14)
    assert (model.tensors["W0"] != before[:12].reshape(4, 3)).any()
    mf.Trainer(model, "mse", batch_size=1).fit(X, y, verbose=0)  # one row is enough
    for name, array in kept.items():
        np.testing.assert_array_equal(model._arrays()[name], array)


def test_frozen_by_groups_it_is_the_same():
    X, y = rows(4), rows(2, seed=1)
    model = mf.Model(4, [mf.Dense(3, "tanh"), mf.BatchNorm(), mf.Dense(2)], dtype="float64")
    frozen = {"scales": mf.Group(trainable=False), "shifts": mf.Group(trainable=False)}
    trainer = mf.Trainer(model, "mse", batch_size=1, groups=frozen)
    trainer.fit(X, y, verbose=0)
    assert (model.buffers["mean1"] == 0).all() and (model.buffers["variance1"] == 1).all()
    assert "columns" not in str(trainer.program)
