"""Parameters and running statistics are one state: whatever keeps a model keeps both, of the same step."""

import copy
import pickle

import numpy as np
import pytest
from test_batch_norm import rows

import mlpfast as mf


def trained(epochs=2, **settings):
    model = mf.Model(4, [mf.Dense(6, "relu"), mf.BatchNorm(), mf.Dense(2)], seed=5)
    trainer = mf.Trainer(model, "mse", batch_size=16, seed=2, **settings)
    trainer.fit(rows(4), rows(2, seed=1), epochs=epochs, verbose=0)
    return trainer


def test_copies_have_the_buffers(tmp_path):
    trainer = trained()
    model = trainer.model
    model.save(tmp_path / "model.npz")
    for twin in (
        model.copy(),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        mf.load(tmp_path / "model.npz"),
    ):
        np.testing.assert_array_equal(twin.state, model.state)
        assert twin.buffers.keys() == {"mean1", "variance1"}
        assert np.shares_memory(twin.buffers["mean1"], twin.state)
        np.testing.assert_array_equal(twin.predict(rows(4)), model.predict(rows(4)))
    other = pickle.loads(pickle.dumps(trainer))
    for each in (trainer, other):
        each.fit(rows(4), rows(2, seed=1), verbose=0)
    np.testing.assert_array_equal(other.model.state, model.state)


def test_a_variance_is_not_negative(tmp_path):
    model = trained().model
    twin, before = model.copy(), model.state.copy()
    twin.buffers["variance1"][3] = -0.5
    with pytest.raises(ValueError, match="expected variance1 to be at least 0, got -0.5 at element 3"):
        model.load_tensors(twin)
    with pytest.raises(ValueError, match="expected variance1 to be at least 0, got -0.5 at element 3"):
        model.state = twin.state
    np.testing.assert_array_equal(model.state, before)
    twin.save(tmp_path / "model.npz")
    with pytest.raises(mf.ModelFileError, match="expected variance1 to be at least 0, got -0.5 at element 3"):
        mf.load(tmp_path / "model.npz")
    trainer = trained()
    trainer.model.buffers["variance1"][3] = -0.5
    trainer.save(tmp_path / "trainer.npz")
    with pytest.raises(mf.ModelFileError, match="expected variance1 to be at least 0, got -0.5 at element 3"):
        mf.Trainer.load(tmp_path / "trainer.npz")


def test_early_stopping_brings_the_buffers_back():
    X, y = rows(4), rows(2, seed=1)
    states = []

    class Keep(mf.callbacks.Callback):
        def on_epoch_end(self, trainer, logs):
            states.append(trainer.model.state.copy())

    stopping = mf.callbacks.EarlyStopping("val_loss", patience=3)
    trainer = mf.Trainer(
        mf.Model(4, [mf.Dense(30, "relu"), mf.BatchNorm(), mf.Dense(2)], seed=5),
        "mse", mf.Adam(0.05), batch_size=16, seed=2, callbacks=[Keep(), stopping],
    )  # fmt: skip
    history = trainer.fit(X, y, epochs=100, validation_data=(rows(4, seed=8), rows(2, seed=9)), verbose=0)
    best = int(np.argmin(history["val_loss"]))
    assert best < len(states) - 1
    np.testing.assert_array_equal(trainer.model.state, states[best])
    found = trainer.evaluate(rows(4, seed=8), rows(2, seed=9))["loss"]
    assert found == pytest.approx(min(history["val_loss"]), rel=1e-6)


@pytest.mark.parametrize("where", ["loss", "parameters"])
def test_divergence_leaves_the_last_good_step(where):
    """Parameters and running statistics are of one step, whichever went bad; here it is step 3, counted from 0."""
    X, y = rows(3, 80), np.zeros((80, 1))
    rate, y[50] = (0.01, 1e300) if where == "loss" else (1e200, 1e150)
    layers = [mf.Dense(4, "tanh"), mf.BatchNorm(0.5), mf.Dense(1, kernel_initializer="zeros")]
    model, good = (mf.Model(3, layers, dtype="float64") for _ in range(2))
    settings = {"optimizer": mf.SGD(rate), "batch_size": 16, "shuffle": False}
    trainer = mf.Trainer(model, "mse", **settings)
    with pytest.raises(mf.DivergenceError, match="step 3 of epoch 0"):
        trainer.fit(X, y, verbose=0)
    mf.Trainer(good, "mse", **settings).fit(X[:48], y[:48], verbose=0)
    assert (good.buffers["mean1"] != 0).all()
    np.testing.assert_array_equal(model.state, good.state)
    assert trainer.steps == 3


def test_statistics_that_the_dtype_cannot_hold_are_a_divergence():
    """The variance of finite float32 numbers may be infinite."""
    X, y = rows(2, 30).astype(np.float32), np.zeros((30, 1), np.float32)
    X[20:, 0] *= 1e30
    model = mf.Model(2, [mf.BatchNorm(), mf.Dense(1)])
    with pytest.raises(mf.DivergenceError, match="step 2 of epoch 0"):
        mf.Trainer(model, "mse", batch_size=10, shuffle=False).fit(X, y, verbose=0)
    assert np.isfinite(model.state).all()


def test_ctrl_c_leaves_a_whole_step(ctrl_c_after):
    X, y = rows(20, 4000), rows(2, 4000, seed=1)
    layers = [mf.Dense(64, "relu"), mf.BatchNorm(), mf.Dense(2)]
    model, again = (mf.Model(20, layers, seed=1) for _ in range(2))
    trainer = mf.Trainer(model, "mse", batch_size=50, shuffle=False)
    ctrl_c_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, y, epochs=10**6, verbose=0)
    other = mf.Trainer(again, "mse", batch_size=50, shuffle=False)
    epochs, left = divmod(trainer.steps, 80)
    if epochs:
        other.fit(X, y, epochs=epochs, verbose=0)
    if left:
        other.fit(X[: left * 50], y[: left * 50], verbose=0)
    assert other.steps == trainer.steps > 0
    np.testing.assert_array_equal(model.state, again.state)
