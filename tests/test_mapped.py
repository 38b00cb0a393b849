"""Rows of files: read, not mapped, so that one that is cut short is an error, and memory is bounded."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.callbacks import LambdaCallback
from mlpfast.training import mapped

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 7))
Y = RNG.integers(3, size=300)


@pytest.fixture
def on_disk(tmp_path):
    """A function that writes an array, behind some other bytes, and maps it."""

    def write(array, offset=0, mode="r"):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"
        path.write_bytes(bytes(offset) + np.ascontiguousarray(array).tobytes())
        return np.memmap(path, array.dtype, mode, offset, array.shape)

    return write


@pytest.fixture
def small_windows(monkeypatch):
    """Runs of 5 rows of 7 float32 numbers, windows of 4 runs."""
    monkeypatch.setattr(mapped, "RUN_BYTES", 5 * 28)
    monkeypatch.setattr(mapped, "WINDOW_BYTES", 20 * 28)
    monkeypatch.setattr("mlpfast.training.feed.PIECE_BYTES", 70 * 28)


def results(X, y, shuffle=False, weights=None, **settings):
    model = mf.mlp([7, 9, 3], "relu", "softmax", seed=1)
    trainer = mf.Trainer(model, shuffle=shuffle, batch_size=32, metrics=["accuracy"], **settings)
    history = trainer.fit(X, y, epochs=2, verbose=0, sample_weight=weights)
    return model.parameters.tobytes(), dict(history), trainer.steps, trainer.epochs


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4", "int16", "uint8", "int64", "bool"])
@pytest.mark.parametrize("offset", [0, 128, 5000])
def test_the_bits_of_the_array(dtype, offset, on_disk, small_windows):
    array = (X * (1 if "f" in dtype else 20)).astype(dtype)
    assert results(on_disk(array, offset), Y) == results(array, Y)


@pytest.mark.parametrize("part", [np.s_[::2], np.s_[50:], np.s_[7:250:3]])
@pytest.mark.parametrize("columns", [np.s_[:7], np.s_[2:9]])
def test_parts_of_a_map(part, columns, on_disk, small_windows):
    wide = RNG.normal(size=(300, 10)).astype(np.float32)
    assert results(on_disk(wide, 20)[part, columns], Y[part]) == results(wide[part, columns], Y[part])


def test_targets_and_weights_on_disk(on_disk, small_windows):
    weights = RNG.uniform(0.5, 2, 300)
    weights[40:50] = 0
    expected = results(X, Y, weights=weights)
    assert results(on_disk(X), on_disk(Y), weights=on_disk(weights)) == expected
    for y in (Y.tolist(), Y.astype(np.uint8)):
        assert results(on_disk(X), y, weights=weights.tolist()) == expected


@pytest.mark.parametrize("class_weight", ["balanced", {1: 3.0}])
def test_class_weight(class_weight, on_disk):
    expected = results(X, Y, class_weight=class_weight)
    assert results(on_disk(X), Y, class_weight=class_weight) == expected
    assert results(on_disk(X), on_disk(Y), class_weight=class_weight) == expected


def test_a_file_of_one_window_is_shuffled_as_an_array(on_disk):
    assert results(on_disk(X), Y, shuffle=True) == results(X, Y, shuffle=True)


@pytest.mark.usefixtures("as_many_threads_as_asked_for")
def test_shuffled_windows(on_disk, small_windows):
    """Every row once in an epoch, in an order that depends on the seed and the epoch, and on nothing else."""
    numbers = np.zeros((300, 7), np.float32)
    numbers[:, 0] = np.arange(300)
    seen = []
    loss = mf.losses.Custom(lambda y, z: (seen.extend(y[:, 0].astype(int)), (z * 0)[:, 0], z * 0)[1:])
    for seed in (0, 0, 1):
        trainer = mf.Trainer(mf.mlp([7, 1], seed=0), loss, batch_size=32, seed=seed)
        numbers_on_disk = on_disk(numbers)
        trainer.fit(numbers_on_disk, numbers[:, 0], epochs=2, verbose=0)
    epochs = np.array(seen[-6 * 300 :]).reshape(6, 300)
    assert (np.sort(epochs) == np.arange(300)).all()
    assert (epochs[0] == epochs[2]).all() and (epochs[1] == epochs[3]).all()
    assert len(np.unique(epochs, axis=0)) == 4
    assert (np.diff(epochs[0]) != 1).mean() > 0.9
    assert np.ptp(epochs[0][:20]) > 100  # a window has runs from everywhere
    found = {results(on_disk(X.astype("f4")), Y, shuffle=True, n_threads=n)[0] for n in (1, 2, 5)}
    assert len(found) == 1


def test_parts_of_an_epoch_are_a_whole_one(on_disk, small_windows):
    disk, states = on_disk(X), []
    for calls in ({"epochs": 2},), ({"epochs": 0.4}, {"steps": 3}, {"epochs": 1.3}):
        trainer = mf.Trainer(mf.mlp([7, 9, 3], "relu", "softmax", seed=1), batch_size=32)
        for arguments in calls:
            trainer.fit(disk, Y, verbose=0, **arguments)
        states.append((trainer.model.parameters.tobytes(), trainer.steps, trainer.epochs))
    assert states[0] == states[1] and states[0][1:] == (20, 2)


def test_what_is_written_to_a_map_is_read(on_disk):
    """ "r+" writes to the file; "c" keeps what is written to itself, and is taken as an array."""
    for mode in ("r+", "c"):
        disk = on_disk(X, mode=mode)
        disk[3] = 5.0
        assert results(disk, Y) == results(np.array(disk), Y)


def test_a_file_that_is_cut_short_while_training(on_disk, small_windows):
    """The row is named, the process lives, and the model is as after the last whole step."""
    disk = on_disk(X.astype(np.float32))
    cut = LambdaCallback(on_epoch_begin=lambda trainer, logs: os.truncate(disk.filename, 210 * 28 + 5))
    model = mf.mlp([7, 9, 3], "relu", "softmax", seed=1)
    trainer = mf.Trainer(model, shuffle=False, batch_size=32, callbacks=[cut])
    with pytest.raises(ValueError, match=r"expected 28 bytes of row 210 of X, got the end of '.*\.bin': it was cut"):
        trainer.fit(disk, Y, verbose=0)
    twin = mf.mlp([7, 9, 3], "relu", "softmax", seed=1)
    mf.Trainer(twin, shuffle=False, batch_size=32).fit(X[:192], Y[:192], verbose=0)
    assert trainer.steps == 6 and model.parameters.tobytes() == twin.parameters.tobytes()
    assert not [thread for thread in threading.enumerate() if thread.name == "mlpfast reader"]


@pytest.mark.parametrize(
    ("part", "row"),
    [
        (lambda disk: disk, 210),
        (lambda disk: disk[9:], 201),
        (lambda disk: disk[::2], 105),
        (lambda disk: disk[::-1], 0),
        (lambda disk: disk[:, ::-1], 210),
        (lambda disk: np.asarray(disk)[:, :7], 210),
    ],
)
def test_what_is_given_a_map_of_a_file_that_was_cut_short(part, row, on_disk):
    trainer = mf.Trainer(mf.mlp([7, 3], output_activation="softmax", seed=0), shuffle=False, metrics=["f1"])
    disk = on_disk(X)
    rows = part(disk)
    whole, y = np.array(rows), Y[: len(rows)]
    os.truncate(disk.filename, 210 * 56 + 5)
    for use in (
        lambda: trainer.model.loss_and_gradient(rows, y, "cross_entropy"),
        lambda: trainer.evaluate(rows, y),
        lambda: trainer.model.predict(rows[:, :7]) if isinstance(rows, np.memmap) else trainer.model.jacobian(rows),
        lambda: trainer.fit(X, Y, validation_data=(rows, y), verbose=0),
    ):
        with pytest.raises(
            ValueError, match=rf"expected 56 bytes of row {row} of X.*, got the end of '.*': it was cut"
        ):
            use()
    assert trainer.steps == 0
    there = rows[:row] if row else rows[-200:]
    expected = whole[:row] if row else whole[-200:]
    np.testing.assert_array_equal(trainer.model.predict(there), trainer.model.predict(expected))


def test_targets_and_weights_in_a_file_that_was_cut_short(on_disk):
    trainer = mf.Trainer(mf.mlp([7, 3], output_activation="softmax", seed=0))
    for given in ({"y": on_disk(Y)}, {"y": Y, "sample_weight": on_disk(np.ones(300))}):
        name, disk = list(given.items())[-1]
        os.truncate(disk.filename, 800)
        with pytest.raises(ValueError, match=f"expected 8 bytes of row 100 of {name}, got the end of"):
            trainer.evaluate(X, **given)


def test_validation_data_that_are_cut_short_while_training(on_disk):
    disk = on_disk(X.astype(np.float32))
    cut = LambdaCallback(on_epoch_end=lambda trainer, logs: os.truncate(disk.filename, 210 * 28))
    trainer = mf.Trainer(mf.mlp([7, 3], output_activation="softmax", seed=0), callbacks=[cut])
    with pytest.raises(ValueError, match="expected 28 bytes of row 210 of X, got the end of"):
        trainer.fit(X, Y, epochs=3, validation_data=(disk, Y), verbose=0)
    assert trainer.epochs == 2 and trainer.history.epochs == 1


def test_the_file_that_was_mapped_counts_and_not_its_name(on_disk):
    disk = on_disk(X)
    model = mf.mlp([7, 3], seed=0)
    os.unlink(disk.filename)
    np.testing.assert_array_equal(model.predict(disk), model.predict(X))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X": X[:, :6]}, r"expected X to be 2-D \(rows, 7\), got shape \(300, 6\)"),
        ({"X": X[:, 0]}, r"expected X to be 2-D \(rows, 7\), got shape \(300,\)"),
        ({"y": Y[:9]}, r"expected y to be as long as X, 300 rows, got shape \(9,\)"),
        ({"y": Y + 5}, r"expected class indices in y\[0:5\] from 0 to 2, got"),
        ({"sample_weight": np.ones(9)}, "expected sample_weight to be as long as X, 300 rows"),
        ({"X": np.where(np.arange(300)[:, None] == 122, np.nan, X)}, r"NaN at row 2, column 0 .X\[120:125\] has"),
        ({"steps_per_epoch": 3}, "expected steps_per_epoch with an iterable of chunks alone, got 3"),
    ],
)
def test_errors(arguments, message, on_disk, small_windows, monkeypatch):
    monkeypatch.setattr(mapped, "RUN_BYTES", 5 * 56)
    given = {"X": X, "y": Y, **arguments}
    trainer = mf.Trainer(mf.mlp([7, 3], output_activation="softmax"), shuffle=False)
    with pytest.raises(ValueError, match=message):
        trainer.fit(on_disk(given.pop("X")), **given, verbose=0)


MEMORY = """
import sys, threading, numpy as np, mlpfast as mf

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) >> 10

X = np.memmap(sys.argv[1], np.float32, "r").reshape(-1, 1000)
y = np.zeros(len(X), np.int64)
model = mf.mlp([1000, 8, 2], "relu", "softmax")
trainer = mf.Trainer(model, batch_size=256, n_threads=1)
trainer.fit(np.zeros((512, 1000), np.float32), y[:512], verbose=0)
found, done = [anonymous()], threading.Event()

def watch():
    while not done.wait(0.01):
        found.append(anonymous())

watcher = threading.Thread(target=watch)
watcher.start()
trainer.fit(X, y, verbose=0)
done.set()
watcher.join()
print(max(found) - found[0], trainer.steps)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer keeps what is freed")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """A file of 300 MB, which takes no place on the disk. (Of 4 GB, it is 126 MB, too.)"""
    path = tmp_path / "large.bin"
    with open(path, "wb") as file:
        file.truncate(300_000_000)
    command = [sys.executable, "-c", MEMORY, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    megabytes, steps = map(int, done.stdout.split())
    assert megabytes < 200 and steps == 2 + 293
