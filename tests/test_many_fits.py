"""n calls of ``fit(epochs=1)`` are one of ``fit(epochs=n)``, with every callback, and whatever changes with steps."""

import pickle

import numpy as np
import pytest

import mlpfast as mf
from mlpfast import callbacks, schedules

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(90, 4)), RNG.normal(size=90)
HELD_OUT = RNG.normal(size=(40, 4)), RNG.normal(size=40)
EPOCHS = 8

CALLBACKS = {
    "stops": lambda folder: [callbacks.EarlyStopping(["val_loss", "val_mae"], patience=2)],
    "restores": lambda folder: [callbacks.Snapshots(2, most=3), callbacks.EarlyStopping("val_loss", patience=99)],
    "reduces": lambda folder: [
        callbacks.ReduceLROnPlateau("val_loss", 0.5, patience=1, cooldown=1),
        callbacks.EarlyStopping("val_loss", patience=99),
    ],
    "watches": lambda folder: [callbacks.EarlyStopping("val_loss"), callbacks.Doctor(X, Y, warn=False)],
    "writes": lambda folder: [
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.Checkpoint(folder, "val_loss"),
        callbacks.EarlyStopping("val_loss", patience=99),
    ],
}
OPTIMIZERS = {
    "ema": mf.Adam(0.05, ema=0.9),
    "schedule-free": mf.ScheduleFreeAdamW(0.05),
    "schedules": mf.SGD(schedules.Cosine(0.2, epochs=EPOCHS), momentum=schedules.Polynomial(0.9, epochs=EPOCHS)),
    "LBFGS": mf.LBFGS(),
}


def made(optimizer, given):
    layers = [mf.Dense(8, "tanh"), mf.Dense(1)]
    if not optimizer.full_batch:
        layers[1:1] = [mf.BatchNorm(), mf.Dropout(0.2)]
    batch_size = None if optimizer.full_batch else 32
    return mf.Trainer(mf.Model(4, layers), "mse", optimizer, batch_size, metrics=["mae"], callbacks=given)


def fit(trainer, epochs):
    return trainer.fit(X, Y, epochs=epochs, validation_data=HELD_OUT, verbose=0)


def known(trainer, folder):
    """What callbacks have, but by which trainer, and how long anything took."""
    states = [{k: v for k, v in each.state_dict().items() if k != "run_id"} for each in trainer.callbacks]
    found = [getattr(each, "findings", ()) for each in trainer.callbacks]
    files = [path.read_text() for path in sorted(folder.glob("*.csv"))]
    return str((states, found, files, trainer.epochs, trainer.steps, trainer.learning_rate))


@pytest.mark.parametrize("between", ["nothing", "a pickle"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("given", CALLBACKS)
def test_many_fits_are_one(given, optimizer, between, tmp_path):
    if given == "reduces" and optimizer == "schedules":
        pytest.skip("a schedule would overrule it")
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    whole = made(OPTIMIZERS[optimizer], CALLBACKS[given](one))
    expected = fit(whole, EPOCHS)
    trainer, rows = made(OPTIMIZERS[optimizer], CALLBACKS[given](two)), {}
    for _ in range(EPOCHS):
        history = fit(trainer, 1)
        for name, values in history.items():
            rows.setdefault(name, []).extend(values)
        if history.stopped_by != "epochs":
            break
        if between == "a pickle":
            trainer = pickle.loads(pickle.dumps(trainer))
    assert rows == dict(expected) and history.stopped_by == expected.stopped_by
    np.testing.assert_array_equal(trainer.model.state, whole.model.state)
    assert known(trainer, two) == known(whole, one)
    best = [mf.Trainer.load(folder / "best.npz").model.state for folder in (one, two) if given == "writes"]
    assert not best or np.array_equal(*best)
