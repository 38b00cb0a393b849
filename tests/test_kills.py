"""Training that is killed, wherever, and started again by the same call, ends with the bits of one that was not."""

import os
import signal
import time
import traceback

import numpy as np
import pytest

import mlpfast as mf

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 400)
EPOCHS = 12


def train(folder, epochs):
    """What a user's program does, each time that it is started."""
    callbacks = [
        mf.callbacks.EarlyStopping("loss", patience=50),
        mf.callbacks.CSVLogger(folder / "log.csv"),
        mf.callbacks.Checkpoint(folder / "checkpoints", "loss", every_seconds=0.005, keep_last=2),
    ]
    model = mf.Model(6, [mf.Dense(8, "tanh"), mf.Dropout(0.2), mf.Dense(3, "softmax")], seed=0)
    optimizer = mf.Adam(mf.schedules.Cosine(0.01), ema=0.9)
    trainer = mf.Trainer(model, optimizer=optimizer, batch_size=4, callbacks=callbacks, n_threads=1)
    history = trainer.fit(X, Y, epochs=epochs, resume="latest", verbose=0)
    np.savez(folder / "end.npz", model=trainer.model.state, state=trainer._state, loss=history["loss"])


def die_at(name, number, when):
    """Kill this process at that call of a function of os: before it does anything, or after."""
    real, calls = getattr(os, name), []

    def faulty(*arguments, **keywords):
        calls.append(name)
        if when == "before" and len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **keywords)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, faulty)


def start(folder, epochs, fault=None):
    """The number of a process of its own that trains."""
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    try:
        if fault is not None:
            die_at(*fault)
        train(folder, epochs)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def end(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def same(one, other):
    """The end of both, and what they logged."""
    with np.load(one / "end.npz") as a, np.load(other / "end.npz") as b:
        assert {name: value.tobytes() for name, value in a.items()} == {name: v.tobytes() for name, v in b.items()}
    assert (one / "log.csv").read_bytes() == (other / "log.csv").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert end(start(folder, EPOCHS)) == 0
    return folder


#: A file is synced, takes its name, and then its folder is synced; the file of the best epoch comes first.
FAULTS = [
    (name, number, when)
    for name, number in (("fsync", 1), ("fsync", 2), ("fsync", 3), ("fsync", 9), ("replace", 2), ("replace", 5))
    for when in ("before", "after")
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_faults_while_a_checkpoint_is_written(fault, whole, tmp_path):
    assert end(start(tmp_path, EPOCHS, fault)) == -signal.SIGKILL
    for path in (tmp_path / "checkpoints").glob("*.npz"):
        mf.Trainer.load(path)  # what has its name is whole
    assert end(start(tmp_path, EPOCHS)) == 0
    same(whole, tmp_path)
    assert len(os.listdir(tmp_path / "checkpoints")) == 3  # nothing is left behind


def test_twenty_kills(whole, tmp_path):
    rng = np.random.default_rng(1)
    kills, runs, code = 0, 0, 1
    while kills < 20 or code != 0:
        child = start(tmp_path / f"{runs}", EPOCHS)
        if kills < 20:
            time.sleep(rng.uniform(0.0, 0.04))
            os.kill(child, signal.SIGKILL)
        code = end(child)
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
        if code == 0:
            same(whole, tmp_path / f"{runs}")
            runs += 1


def test_sigterm_ends_the_process_with_its_state_saved(whole, tmp_path):
    child = start(tmp_path, EPOCHS)
    while not list(tmp_path.glob("checkpoints/checkpoint-*.npz")):
        time.sleep(0.001)
    os.kill(child, signal.SIGTERM)
    assert end(child) in (-signal.SIGTERM, 0)  # it may have been done
    assert end(start(tmp_path, EPOCHS)) == 0
    same(whole, tmp_path)
