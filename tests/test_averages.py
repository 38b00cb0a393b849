"""Averages of the parameters: what a model is between epochs, while training goes on from the parameters themselves."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from test_trainer import OPTIMIZERS

import mlpfast as mf
from mlpfast.callbacks import Callback, EarlyStopping

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 5)), RNG.normal(size=(60, 3))
AVERAGING = [
    mf.Adam(0.01, ema=0.9),
    mf.SGD(0.1, momentum=0.5, ema=0.5),
    mf.Adam(0.01, amsgrad=True, ema=0.99),
    mf.ScheduleFreeAdamW(0.01),
]


def net(dtype="float64", **keywords):
    return mf.Model(5, [mf.Dense(40, "tanh", **keywords), mf.BatchNorm(), mf.Dense(3)], dtype=dtype, seed=1)


def trainer(optimizer, model=None, **keywords):
    keywords = {"batch_size": 20, "seed": 3, **keywords}
    return mf.Trainer(net() if model is None else model, "mse", optimizer, **keywords)


class Recorder(Callback):
    def __init__(self):
        self.parameters = []

    def on_epoch_end(self, trainer, logs):
        self.parameters.append(trainer.model.parameters.copy())


@pytest.mark.parametrize("optimizer", [each for each in OPTIMIZERS if not each.averages], ids=repr)
@pytest.mark.parametrize("keywords", [{}, {"groups": {"W0": {"max_norm": 0.3}, "b2": {"trainable": False}}}])
def test_the_average_is_its_formula(keywords, optimizer):
    """Of the parameters as they are after the step, norms limited and all; they are those of training without it."""
    each, shown = Recorder(), Recorder()
    plain = trainer(optimizer, batch_size=None, callbacks=[each], **keywords)
    averaged = trainer(replace(optimizer, ema=0.8), batch_size=None, callbacks=[shown], **keywords)
    histories = [one.fit(X, Y, epochs=8, verbose=0) for one in (plain, averaged)]
    weights = 0.8 ** np.arange(8)[::-1]
    for t in range(8):
        expected = np.average(each.parameters[: t + 1], axis=0, weights=weights[7 - t :])
        np.testing.assert_allclose(shown.parameters[t], expected, rtol=1e-11, atol=1e-14)
    assert dict(histories[0]) == dict(histories[1])
    assert averaged._state[-1].tobytes() == plain.model.parameters.tobytes()
    assert averaged.model.buffers["mean1"].tobytes() == plain.model.buffers["mean1"].tobytes()


@pytest.mark.parametrize("optimizer", AVERAGING, ids=repr)
def test_n_fits_are_one_fit_of_n_epochs(optimizer):
    once, often, copied = (trainer(optimizer, clip_norm=0.1) for _ in range(3))
    once.fit(X, Y, epochs=5, verbose=0)
    for _ in range(5):
        often.fit(X, Y, verbose=0)
        often.evaluate(X, Y)
        copied = pickle.loads(pickle.dumps(copied))
        copied.fit(X, Y, verbose=0)
    for one in (often, copied):
        assert one.model.state.tobytes() == once.model.state.tobytes()
        assert one._state.tobytes() == once._state.tobytes()


def test_steps_by_hand_are_those_of_an_epoch():
    one, other = (trainer(AVERAGING[0], shuffle=False) for _ in range(2))
    one.fit(X, Y, verbose=0)
    for first in (0, 20, 40):
        other.train_on_batch(X[first : first + 20], Y[first : first + 20])
    assert one.model.state.tobytes() == other.model.state.tobytes()


def test_what_evaluation_callbacks_and_files_see(tmp_path):
    one = trainer(mf.Adam(0.05, ema=0.95))
    history = one.fit(X, Y, epochs=3, validation_data=(X, Y), verbose=0)
    assert history["val_loss"][-1] == one.evaluate(X, Y)["loss"]
    one.model.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(mf.load(tmp_path / "model.npz").parameters, one._state[-2])
    assert (one._state[-2] != one._state[-1]).any()


def test_early_stopping_keeps_the_best_average_and_goes_on_from_the_parameters():
    seen = Recorder()
    stops, goes_on = (
        trainer(mf.Adam(0.03, ema=0.5), callbacks=callbacks, batch_size=7)
        for callbacks in ([EarlyStopping(patience=3), seen], [])
    )
    hard = RNG.normal(size=(40, 5)), RNG.normal(size=(40, 3))
    history = stops.fit(X, Y, epochs=60, validation_data=hard, verbose=0)
    best = int(np.argmin(history["val_loss"]))
    assert best < history.epochs - 1
    np.testing.assert_array_equal(stops.model.parameters, seen.parameters[best])
    goes_on.fit(X, Y, epochs=history.epochs, verbose=0)
    stops.callbacks = []
    for one in (stops, goes_on):
        one.fit(X, Y, verbose=0)
    assert stops.model.state.tobytes() == goes_on.model.state.tobytes()


def test_what_is_written_replaces_both():
    one = trainer(AVERAGING[0])
    one.fit(X, Y, epochs=2, verbose=0)
    written = one.model.parameters + 1
    one.model.parameters = written
    twin = trainer(AVERAGING[0].__class__(0.01), net())
    twin.model.state = one.model.state
    twin._state[:], twin._counts[:] = one._state[:2], one._counts
    one.train_on_batch(X, Y)
    twin.train_on_batch(X, Y)
    np.testing.assert_array_equal(one._state[-1], twin.model.parameters)
    share = 0.1 / (1 - 0.9**7)
    np.testing.assert_allclose(one.model.parameters, written + share * (twin.model.parameters - written), rtol=1e-12)


def test_another_decay_and_another_kind():
    one = trainer(AVERAGING[0])
    one.fit(X, Y, verbose=0)
    state = one._state.copy()
    one.optimizer = mf.Adam(0.01, ema=0.5)
    np.testing.assert_array_equal(one._state, state)
    one.optimizer = mf.Adam(0.01)  # goes on from the average, with new means
    before = one.model.parameters.copy()
    assert one._state.shape == (2, before.size) and not one._state.any()
    one.optimizer = mf.SGD(0.1, ema=0.5)
    one.fit(X, Y, verbose=0)
    assert one._counts[3] == 1


@pytest.mark.parametrize("bad", ["data", "loss", "state"])
@pytest.mark.parametrize("optimizer", AVERAGING, ids=repr)
def test_a_fit_that_fails_leaves_both_whole(optimizer, bad):
    """Found by the loss in its step, or after the epoch, which is then done again up to there."""
    one, twin = (trainer(optimizer, shuffle=False) for _ in range(2))
    for each in (one, twin):
        each.fit(X, Y, epochs=2, verbose=0)
    rows, targets = X.copy(), Y.copy()
    if bad == "data":
        rows[50, 2] = np.nan
    elif bad == "loss":
        targets[50, 2] = 1e200
    elif optimizer.name == "sgd":
        return
    else:
        targets[50, 2] = 1e154 * 20  # whose gradient has a square that overflows, as its own does not
    with pytest.raises(ValueError if bad == "data" else mf.DivergenceError):
        one.fit(rows, targets, verbose=0)
    if bad != "data":
        for first in (0, 20):
            twin.train_on_batch(X[first : first + 20], Y[first : first + 20])
    assert one.steps == twin.steps
    assert one.model.state.tobytes() == twin.model.state.tobytes()
    assert one._state.tobytes() == twin._state.tobytes()
    assert one._weighed.tobytes() == twin._weighed.tobytes()
    for each in (one, twin):
        each.fit(X, Y, verbose=0)
    assert one.model.parameters.tobytes() == twin.model.parameters.tobytes()


@pytest.mark.usefixtures("as_many_threads_as_asked_for")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads(dtype):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(300, 60)), rng.normal(size=(300, 3))
    found = set()
    for n_threads in (1, 2, 3, 8):
        model = mf.mlp([60, 257, 131, 3], "gelu", dtype=dtype, seed=0)
        one = mf.Trainer(model, "mse", mf.Adam(ema=0.9), batch_size=150, n_threads=n_threads)
        one.fit(X, y, epochs=2, verbose=0)
        found.add((model.parameters.tobytes(), one._state.tobytes()))
    assert len(found) == 1


def test_a_trainer_pickled_before_there_were_averages():
    one = trainer(mf.Adam(0.01))
    one.fit(X, Y, verbose=0)
    state = one.__getstate__()
    state["_counts"] = state.pop("_place").counts[:3].copy()
    twin = mf.Trainer.__new__(mf.Trainer)
    twin.__setstate__(pickle.loads(pickle.dumps(state)))
    for each in (one, twin):
        each.fit(X, Y, verbose=0)
    assert one.model.parameters.tobytes() == twin.model.parameters.tobytes()


@pytest.mark.parametrize("value", [0, 1, 1.5, -0.1, "0.9", True, np.nan])
def test_decays_are_between_zero_and_one(value):
    with pytest.raises((TypeError, ValueError), match="expected ema to be"):
        mf.RMSprop(ema=value)


def test_schedule_free_weights_follow_the_largest_rate():
    """A warm-up counts for little, and a rate that falls again for no less."""
    one = trainer(mf.ScheduleFreeAdamW(1.0, r=1.0), batch_size=None)
    weights, x, reference = 0.0, one.model.parameters.copy(), []
    for t, rate in enumerate([0.001, 0.01, 0.1, 0.02], start=1):
        one.learning_rate = rate
        one.fit(X, Y, verbose=0)
        weight = max([0.001, 0.01, 0.1, 0.1][:t]) ** 2 * t
        weights += weight
        x = x + weight / weights * (one._state[0] - x)
        reference.append(x)
        np.testing.assert_allclose(one.model.parameters, x, rtol=1e-12)
    np.testing.assert_allclose(one._state[-1], 0.1 * one._state[0] + 0.9 * x, rtol=1e-12)


def test_what_schedule_free_refuses():
    with pytest.raises(ValueError, match="expected no ema with ScheduleFreeAdamW, which has an average; got 0.9"):
        mf.ScheduleFreeAdamW(ema=0.9)
    with pytest.raises(ValueError, match="expected no max_norm with ScheduleFreeAdamW.*; got one for W0"):
        trainer(mf.ScheduleFreeAdamW(), net(max_norm=1.0))
    one = trainer(mf.ScheduleFreeAdamW())
    with pytest.raises(ValueError, match="expected no max_norm"):
        one.groups = {"W2": {"max_norm": 1.0}}
    limited = trainer(mf.Adam(), groups={"W2": {"max_norm": 1.0}})
    with pytest.raises(ValueError, match="expected no max_norm"):
        limited.optimizer = mf.ScheduleFreeAdamW()
    for each in (one, limited):
        each.fit(X, Y, verbose=0)
