"""A signal is heard within a step: nothing has been updated then, or everything.

Networks here are small, so pieces of a step are made as small as they can be, and signals looked for after each. The
signal comes from a layer: it is known from which call.
"""

import ctypes
import signal

import layer_checks
import numpy as np
import pytest
from layer_checks import Shift, trained

import mlpfast as mf
from mlpfast.core.interrupts import set_pieces
from mlpfast.layers import LAYERS

CALLS_OF_A_BLOCK = 2  # of the layer: forward and back


class Alarm(Exception):
    pass


@pytest.fixture
def small_pieces():
    set_pieces(0.0, 1e-9)
    yield
    set_pieces()


@pytest.fixture
def alarm_at(small_pieces):
    """A function that has the n-th call of the Shift layer's functions raise an Alarm in this thread."""
    if not layer_checks.register_toy():
        pytest.skip("needs a C compiler")

    def handler(number, frame):
        raise Alarm

    alarm = ctypes.c_int.in_dll(layer_checks.TOY[0], "toy_alarm")
    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield lambda call: setattr(alarm, "value", call)
    finally:
        alarm.value = 0
        signal.signal(signal.SIGALRM, before)


def trainer_and_data(rows, *layers, **settings):
    model = mf.Model(5, [mf.Dense(8, "tanh"), *layers, Shift("tanh"), mf.Dense(3)], seed=0)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(rows, 5)).astype(np.float32), rng.normal(size=(rows, 3)).astype(np.float32)
    return mf.Trainer(model, "mse", batch_size=rows, n_threads=1, **settings), X, y


def blocks(rows):
    return -(-rows // 64)  # of batches of 128 rows, and more


@pytest.mark.parametrize(("rows", "settings"), [(200, {}), (300, {}), (1500, {}), (200, {"clip_norm": 1e-3})])
def test_a_step_is_left_before_its_update(rows, settings, alarm_at):
    """From 256 rows on, or where its norm is clipped, even after a part of the gradient; batches of more than a chunk
    have several gradients."""
    trainer, X, y = trainer_and_data(rows, **settings)
    twin, _, _ = trainer_and_data(rows, **settings)
    chunks = 1 if rows < 1024 else 2
    calls = CALLS_OF_A_BLOCK * blocks(rows) + chunks - (rows < 256 and not settings)
    before, state = trainer.model.parameters.copy(), trainer._state.copy()
    for call in range(1, calls + 1):
        alarm_at(call)
        with pytest.raises(Alarm):
            trainer.train_on_batch(X, y)
        assert trainer.steps == 0, call
        np.testing.assert_array_equal(trainer.model.parameters, before)
        np.testing.assert_array_equal(trainer._state, state)
    assert trainer.train_on_batch(X, y) == twin.train_on_batch(X, y)
    np.testing.assert_array_equal(trainer.model.parameters, twin.model.parameters)


def test_running_statistics_belong_to_whole_steps(alarm_at):
    rows = 300
    trainer, X, y = trainer_and_data(rows, mf.BatchNorm())
    twin, _, _ = trainer_and_data(rows, mf.BatchNorm())
    before = trainer.model.state.copy()
    for call in range(1, CALLS_OF_A_BLOCK * blocks(rows) + 2):
        alarm_at(call)
        with pytest.raises(Alarm):
            trainer.train_on_batch(X, y)
        assert trainer.steps == 0, call
        np.testing.assert_array_equal(trainer.model.state, before)
    assert trainer.train_on_batch(X, y) == twin.train_on_batch(X, y)
    np.testing.assert_array_equal(trainer.model.state, twin.model.state)
    assert (trainer.model.state != before).any()


def test_an_average_belongs_to_whole_steps(alarm_at):
    rows = 300
    (trainer, X, y), (twin, _, _) = (trainer_and_data(rows, optimizer=mf.Adam(ema=0.9)) for _ in range(2))
    for each in (trainer, twin):
        each.train_on_batch(X, y)
    before, state = trainer.model.parameters.copy(), trainer._state.copy()
    for call in range(1, CALLS_OF_A_BLOCK * blocks(rows) + 2):
        alarm_at(call)
        with pytest.raises(Alarm):
            trainer.train_on_batch(X, y)
        assert trainer.steps == 1, call
        np.testing.assert_array_equal(trainer.model.parameters, before)
        np.testing.assert_array_equal(trainer._state, state)
    assert trainer.train_on_batch(X, y) == twin.train_on_batch(X, y)
    np.testing.assert_array_equal(trainer.model.parameters, twin.model.parameters)


@pytest.mark.parametrize(
    ("layers", "settings"),
    [
        ((), {}),
        ((mf.BatchNorm(),), {}),
        ((), {"groups": {"weights": mf.Group(max_norm=0.5)}}),
        ((), {"optimizer": mf.Adam(ema=0.9)}),
    ],
    ids=["plain", "statistics", "max_norm", "average"],
)
def test_an_update_is_not_left(layers, settings, alarm_at):
    """A handler that is called in the midst of it waits with what it raises: what follows the update is done, too."""
    rows, seen = 200, []
    trainer, X, y = trainer_and_data(rows, *layers, **settings)
    twin, _, _ = trainer_and_data(rows, *layers, **settings)

    def handler(number, frame):
        seen.append(trainer.model.parameters.copy())
        raise Alarm

    signal.signal(signal.SIGALRM, handler)
    for steps in (1, 2):
        before = trainer.model.parameters.copy()
        twin.train_on_batch(X, y)
        alarm_at(CALLS_OF_A_BLOCK * blocks(rows) + 1)
        with pytest.raises(Alarm):
            trainer.train_on_batch(X, y)
        assert trainer.steps == len(seen) == steps
        assert (seen[-1] != before).any()
        assert (seen[-1] != twin.model.parameters).any()
        np.testing.assert_array_equal(trainer.model.state, twin.model.state)
        np.testing.assert_array_equal(trainer._state, twin._state)


def test_an_epoch_ends_with_the_step_whose_update_hears_a_signal(alarm_at):
    trainer, X, y = trainer_and_data(600, shuffle=False)
    twin, _, _ = trainer_and_data(600, shuffle=False)
    trainer.batch_size = 150
    alarm_at(2 * (CALLS_OF_A_BLOCK * blocks(150) + 1))
    with pytest.raises(Alarm):
        trainer.fit(X, y, verbose=0)
    assert trainer.steps == 2
    for rows in (slice(0, 150), slice(150, 300)):
        twin.train_on_batch(X[rows], y[rows])
    np.testing.assert_array_equal(trainer.model.parameters, twin.model.parameters)
    np.testing.assert_array_equal(trainer._state, twin._state)


def test_an_epoch_is_left_within_its_third_step(alarm_at):
    trainer, X, y = trainer_and_data(600, shuffle=False)
    twin, _, _ = trainer_and_data(600, shuffle=False)
    trainer.batch_size = twin.batch_size = 150
    alarm_at(2 * (CALLS_OF_A_BLOCK * blocks(150) + 1) + 1)
    with pytest.raises(Alarm):
        trainer.fit(X, y, verbose=0)
    assert trainer.steps == 2
    for rows in (slice(0, 150), slice(150, 300)):
        twin.train_on_batch(X[rows], y[rows])
    np.testing.assert_array_equal(trainer.model.parameters, twin.model.parameters)


def test_gradients_and_evaluations_are_left(alarm_at):
    rows = 1500
    trainer, X, y = trainer_and_data(rows)
    expected, evaluated = trainer.loss_and_gradient(X, y), trainer.evaluate(X, y)
    for call in (1, blocks(rows), CALLS_OF_A_BLOCK * blocks(rows), CALLS_OF_A_BLOCK * blocks(rows) + 2):
        alarm_at(call)
        with pytest.raises(Alarm):
            trainer.loss_and_gradient(X, y)
    alarm_at(blocks(rows))
    with pytest.raises(Alarm):
        trainer.evaluate(X, y)
    again = trainer.loss_and_gradient(X, y)
    assert again[0] == expected[0]
    np.testing.assert_array_equal(again[1], expected[1])
    assert trainer.evaluate(X, y) == evaluated


def test_signals_are_heard_after_each_of_the_labels_that_a_model_expects(alarm_at):
    """Of many labels, a chunk of rows goes back many times."""
    labels, X = 9, np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    model = mf.Model(5, [mf.Dense(8, "tanh"), Shift("tanh"), mf.Dense(labels, "softmax")], seed=0)
    heard = []

    def handler(*_):
        heard.append(True)
        alarm_at(1)

    signal.signal(signal.SIGALRM, handler)
    set_pieces(0.0)  # each of the ways back is one
    alarm_at(1)
    model.fisher_diagonal(X, labels="model", loss="cross_entropy", n_threads=1)
    assert len(heard) >= labels


def results(rows, dtype, n_threads, **settings):
    """What steps, a gradient and an evaluation make of so many rows."""
    model = mf.Model(30, [mf.Dense(70, "relu", dropout=0.2), mf.Dense(20, "gelu"), mf.Dense(3)], dtype=dtype, seed=0)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(rows, 30)), rng.normal(size=(rows, 3))
    trainer = mf.Trainer(model, "mse", batch_size=rows, n_threads=n_threads, l2=0.01, seed=0, **settings)
    history = trainer.fit(X, y, epochs=2, verbose=0)
    loss, gradient = model.loss_and_gradient(X, y, "mse", n_threads=n_threads)
    return model.parameters.tobytes(), str(history["loss"]), loss, gradient.tobytes(), str(trainer.evaluate(X, y))


@pytest.mark.usefixtures("as_many_threads_as_asked_for")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("rows", "settings"), [(100, {}), (1000, {}), (1500, {}), (5000, {}), (100, {"clip_norm": 0.1})]
)
def test_pieces_do_not_change_the_bits(rows, settings, dtype, small_pieces):
    """One chunk and several, the sums in float64 of more than 4,096 rows, updates after the gradient and with it."""
    found = {results(rows, dtype, n_threads, **settings) for n_threads in (1, 2, 5)}
    set_pieces()
    assert found == {results(rows, dtype, 1, **settings)}


def test_handlers_and_callers_have_their_own_float_mode(alarm_at):
    """Training flushes denormal numbers; a handler that is called within it does not, nor does what comes after."""
    denormal, seen = np.array([1e-310]), []

    def handler(number, frame):
        seen.append(float(denormal[0] * 0.5))

    signal.signal(signal.SIGALRM, handler)
    trainer, X, y = trainer_and_data(200)
    trainer.model.parameters[:] = 1e-40
    twin, _, _ = trainer_and_data(200)
    twin.model.parameters[:] = 1e-40
    alarm_at(1)
    trainer.train_on_batch(X, y)
    assert seen == [5e-311]
    assert denormal[0] * 0.5 > 0
    twin.train_on_batch(X, y)
    np.testing.assert_array_equal(trainer.model.parameters, twin.model.parameters)


@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=lambda cls: cls.name)
def test_every_layer_trains_the_same_in_pieces(layer_class, small_pieces):
    for model in layer_checks.models(layer_class):
        in_pieces = trained(model)
        set_pieces()
        assert in_pieces == trained(model)
        set_pieces(0.0, 1e-9)
