"""Callbacks that write down or pass on what happens: CSVLogger, TensorBoard, LambdaCallback."""

import builtins
import csv
import pickle

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.callbacks import CSVLogger, LambdaCallback, TensorBoard

X = np.linspace(-1, 1, 20).reshape(-1, 1)
Y = X**2


def trainer(*callbacks, metrics=()):
    return mf.Trainer(mf.mlp([1, 4, 1], dtype="float64"), "mse", batch_size=8, callbacks=callbacks, metrics=metrics)


def table(path, separator=","):
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


# --- CSVLogger ---


def test_csv_has_the_history_to_the_bit(tmp_path):
    history = trainer(CSVLogger(tmp_path / "log.csv")).fit(X, Y, epochs=3, validation_data=(X, Y), verbose=0)
    first, *rows = table(tmp_path / "log.csv")
    assert first == ["epoch", "loss", "val_loss"]
    assert [int(row[0]) for row in rows] == [0, 1, 2]
    assert [[float(cell) for cell in row[1:]] for row in rows] == np.transpose(list(history.values())).tolist()


def test_csv_rows_are_there_before_the_next_epoch(tmp_path):
    path, seen = tmp_path / "log.csv", []
    look = LambdaCallback(on_epoch_begin=lambda trainer, logs: seen.append(len(path.read_text().splitlines())))
    trainer(CSVLogger(path), look).fit(X, Y, epochs=3, verbose=0)
    assert seen == [0, 2, 3]


def test_csv_goes_on_with_the_same_trainer_and_begins_anew_with_another(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv", separator=";")
    one = trainer(logger)
    one.fit(X, Y, epochs=2, verbose=0)
    one.fit(X, Y, epochs=1, verbose=0)
    assert [row[0] for row in table(logger.path, ";")] == ["epoch", "0", "1", "2"]
    trainer(logger).fit(X, Y, epochs=1, verbose=0)
    assert [row[0] for row in table(logger.path, ";")] == ["epoch", "0"]


def test_csv_appends_below_what_another_left(tmp_path):
    trainer(CSVLogger(tmp_path / "log.csv")).fit(X, Y, epochs=2, verbose=0)
    trainer(CSVLogger(tmp_path / "log.csv", append=True)).fit(X, Y, epochs=2, verbose=0)
    assert [row[0] for row in table(tmp_path / "log.csv")] == ["epoch", "0", "1", "0", "1"]


def test_csv_of_a_copy_takes_away_the_rows_of_epochs_that_come_again(tmp_path):
    """As after a crash: what was written after the copy was made is not there twice, also half a row."""
    path = tmp_path / "log.csv"
    one = trainer(CSVLogger(path))
    one.fit(X, Y, epochs=2, verbose=0)
    copy = pickle.loads(pickle.dumps(one))
    one.fit(X, Y, epochs=3, verbose=0)
    whole = path.read_text()
    path.write_text(whole + "5,0.12")
    copy.fit(X, Y, epochs=3, verbose=0)
    assert path.read_text() == whole


def test_csv_refuses_keys_without_a_column(tmp_path):
    one = trainer(CSVLogger(tmp_path / "log.csv"))
    one.fit(X, Y, verbose=0)
    with pytest.raises(
        ValueError, match=r"expected logs for the columns epoch, loss of .*log.csv, got val_loss; write"
    ):
        one.fit(X, Y, validation_data=(X, Y), verbose=0)
    assert len(table(tmp_path / "log.csv")) == 2


def test_csv_errors(tmp_path):
    with pytest.raises(TypeError):
        CSVLogger(3)
    with pytest.raises(ValueError, match="expected separator to be one character, got ', '"):
        CSVLogger("log.csv", separator=", ")
    with pytest.raises(FileNotFoundError):
        trainer(CSVLogger(tmp_path / "none" / "log.csv")).fit(X, Y, verbose=0)
    assert repr(CSVLogger("log.csv")) == "CSVLogger('log.csv', separator=',', append=False)"


# --- LambdaCallback ---


def test_lambda_callback():
    calls = []

    def note(name, stop=False):
        return lambda trainer, logs: calls.append((name, trainer.epochs, *logs)) or stop

    callback = LambdaCallback(on_train_begin=note("begin"), on_epoch_end=note("end", stop=True))
    assert trainer(callback).fit(X, Y, epochs=5, verbose=0).stopped_by == "LambdaCallback"
    assert calls == [("begin", 0), ("end", 1, "loss")]
    assert repr(callback).startswith("LambdaCallback(on_train_begin=<function ")


def test_lambda_callback_errors():
    with pytest.raises(TypeError, match="expected one of on_train_begin, .* got none"):
        LambdaCallback()
    with pytest.raises(TypeError, match=r"expected on_epoch_end to be callable, got 3 \(int\)"):
        LambdaCallback(on_epoch_end=3)


# --- TensorBoard ---


def test_tensorboard_missing_names_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name.split(".")[0] == "tensorboard":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    one = trainer(TensorBoard(tmp_path))
    with pytest.raises(ImportError, match=r"install it with: python -m pip install 'mlpfast\[tensorboard\]'"):
        one.fit(X, Y, verbose=0)
    assert one.steps == 0 and not list(tmp_path.iterdir())


def test_tensorboard_reads_the_history(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    one = trainer(TensorBoard(tmp_path / "logs"), metrics=["mae"])
    copy = pickle.loads(pickle.dumps(one))
    one.fit(X, Y, epochs=2, validation_data=(X, Y), verbose=0)
    first = one.history
    one.fit(X, Y, epochs=1, validation_data=(X, Y), verbose=0)
    for run, prefix in (("train", ""), ("val", "val_")):
        accumulator = EventAccumulator(str(tmp_path / "logs" / run))
        accumulator.Reload()
        assert sorted(accumulator.Tags()["scalars"]) == ["loss", "mae"]
        events = accumulator.Scalars("loss")
        assert [event.step for event in events] == [0, 1, 2]
        expected = np.float32(first[f"{prefix}loss"] + one.history[f"{prefix}loss"])
        assert [event.value for event in events] == expected.tolist()
    copy.callbacks = [TensorBoard(tmp_path / "logs")]
    copy.fit(X, Y, epochs=2, verbose=0)  # again from the first epoch
    accumulator = EventAccumulator(str(tmp_path / "logs" / "train"))
    accumulator.Reload()
    assert [event.step for event in accumulator.Scalars("loss")] == [0, 1]
