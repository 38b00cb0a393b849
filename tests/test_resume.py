"""Saved trainers: what goes on from a file, wherever training was stopped, ends with the bits of one that was not."""

import json
import os
import pickle
import signal
import zipfile

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.callbacks import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ReduceLROnPlateau,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 50)

CASES = {
    "plain": {},
    "layers": {
        "layers": [mf.Dense(8), mf.BatchNorm(), mf.Activate("relu"), mf.Dropout(0.2), mf.Dense(3, "softmax")],
        "dropout_scale": mf.schedules.Cosine(1.0, steps=50),
    },
    "average": {"optimizer": mf.Adam(0.01, ema=0.9), "clip_norm": 1.0},
    "schedule free": {"optimizer": mf.ScheduleFreeAdamW(0.01), "class_weight": "balanced"},
    "schedule": {"optimizer": mf.SGD(mf.schedules.Warmup(mf.schedules.Cosine(0.5), steps=5), momentum=0.9)},
    "groups": {"groups": {"biases": mf.Group(learning_rate_scale=2.0), "W0": {"trainable": False}}, "l2": 0.01},
    "metrics": {"metrics": ["accuracy", mf.metrics.TopK(2)], "loss": mf.losses.CrossEntropy(label_smoothing=0.1)},
    "full batch": {"optimizer": mf.LBFGS(), "batch_size": None},
}


def make(layers=None, **keywords):
    model = mf.Model(6, layers or [mf.Dense(8, "tanh"), mf.Dense(3, "softmax")], seed=1)
    return mf.Trainer(model, seed=2, **({"batch_size": 8} | keywords))


def fit(trainer, **keywords):
    return trainer.fit(X, Y, **({"verbose": 0, "validation_data": (X[:20], Y[:20])} | keywords))


def same(one, other):
    np.testing.assert_array_equal(one.model.state, other.model.state)
    if isinstance(one._state, np.ndarray):
        np.testing.assert_array_equal(one._state, other._state)
    assert (one.steps, one.epochs, one.learning_rate) == (other.steps, other.epochs, other.learning_rate)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("cut", [0, 1, 1.6])
def test_a_loaded_trainer_goes_on(case, cut, tmp_path):
    whole, first = make(**CASES[case]), make(**CASES[case])
    if cut and not (case == "full batch" and cut == 1.6):
        fit(first, epochs=cut)
    steps = first.steps
    first.save(tmp_path / "trainer.npz")
    second = mf.Trainer.load(tmp_path / "trainer.npz")
    same(first, second)
    assert repr(second) == repr(first) and second.run_id == first.run_id
    assert second.history == first.history and vars(second.history) == vars(first.history)
    for name in ("loss", "optimizer", "metrics", "groups", "class_weight", "clip_norm", "dropout_scale", "l2"):
        assert getattr(second, name) == getattr(first, name)
    if "schedule" not in case and case != "layers":  # one without a length of its own ends where its fit does
        fit(whole, epochs=3)
        left = whole.steps - steps
        for trainer in (first, second):
            fit(trainer, steps=left)
            same(whole, trainer)
    else:
        for trainer in (first, second):
            fit(trainer, epochs=2)
        same(first, second)


def callbacks(folder):
    return [
        EarlyStopping("val_loss", patience=2, min_delta=1e-4),
        ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.02),
        CSVLogger(folder / "log.csv"),
        Checkpoint(folder / "checkpoints", "val_loss", keep_last=2, every_epochs=2),
    ]


def stop_at(step, how):
    def stop(trainer, logs):
        if trainer.steps == step:
            raise how

    return LambdaCallback(on_step_end=stop)


@pytest.mark.parametrize("step", [1, 7, 13, 14, 24])
@pytest.mark.parametrize("how", [KeyboardInterrupt, RuntimeError])
def test_the_same_call_again_ends_like_one_that_was_not_stopped(step, how, tmp_path):
    """After Ctrl-C from that very step, after an error from the last checkpoint; callbacks and their files alike."""
    folders = [tmp_path / "whole", tmp_path / "cut"]
    for folder in folders:
        folder.mkdir()
    whole = make(optimizer=mf.Adam(0.01), callbacks=callbacks(folders[0]))
    fit(whole, epochs=6, resume="latest")
    cut = make(optimizer=mf.Adam(0.01), callbacks=[*callbacks(folders[1]), stop_at(step, how)])
    with pytest.raises(how):
        fit(cut, epochs=6, resume="latest")
    for _ in range(2):  # the second time, there is nothing left to do
        again = make(optimizer=mf.Adam(0.01), callbacks=callbacks(folders[1]))
        fit(again, epochs=6, resume="latest")
        same(whole, again)
        assert again.history == whole.history
        assert (again.history.stopped_by, again.history.reason) == (whole.history.stopped_by, whole.history.reason)
        assert (folders[1] / "log.csv").read_text() == (folders[0] / "log.csv").read_text()
        assert again.callbacks[0].best == whole.callbacks[0].best


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end", "on_step_end"])
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("how", [{}, {"optimizer": mf.LBFGS(), "batch_size": None}, {"batch_size": None}])
def test_an_interrupt_in_a_hook_loses_no_epoch_for_the_others(hook, step, how, tmp_path):
    """They come after it, and would otherwise not hear of that epoch, neither then nor when training is resumed."""
    made = []

    def interrupt(trainer, logs):
        if trainer.epochs == step:
            raise KeyboardInterrupt

    folders = [tmp_path / "whole", tmp_path / "cut"]
    for folder in folders:
        folder.mkdir()
        first = LambdaCallback(**{hook: interrupt}) if folder.name == "cut" else Callback()
        trainer = make(**how, callbacks=[first, *callbacks(folder), Counts()])
        if folder.name == "cut":
            with pytest.raises(KeyboardInterrupt):
                fit(trainer, epochs=5, resume="latest")
            assert trainer.history.stopped_by == "interrupt"
            trainer = make(**how, callbacks=[Callback(), *callbacks(folder), Counts()])
        fit(trainer, epochs=5, resume="latest")
        made.append(trainer)
    whole, cut = made
    same(whole, cut)
    assert cut.history == whole.history
    assert (folders[1] / "log.csv").read_text() == (folders[0] / "log.csv").read_text()
    assert cut.callbacks[-1].epochs == whole.callbacks[-1].epochs == whole.history.epochs
    assert cut.callbacks[1].best == whole.callbacks[1].best


def test_what_a_callback_has_ended_stays_so(tmp_path):
    logs = [1.0, 0.5, 0.6, 0.7, 0.1, 0.1]

    class Scripted(Callback):
        def on_epoch_end(self, trainer, found):
            found["val_loss"] = logs[trainer.epochs - 1]

    class Killed(Callback):
        """Right after the checkpoint, before training can end."""

        def on_train_end(self, trainer, found):
            raise SystemExit

    def trainer(*more):
        return make(callbacks=[Scripted(), EarlyStopping(patience=2), *more, Checkpoint(tmp_path)])

    whole, killed, again = make(callbacks=[Scripted(), EarlyStopping(patience=2)]), trainer(Killed()), trainer()
    fit(whole, epochs=6)
    with pytest.raises(SystemExit):
        fit(killed, epochs=6)
    history = fit(again, epochs=6, resume="latest")
    assert (history.epochs, history.stopped_by, history.reason) == (4, "EarlyStopping", whole.history.reason)
    same(whole, again)


def test_a_folder_or_a_file_may_be_named(tmp_path):
    first = make(callbacks=[Checkpoint(tmp_path / "here", keep_last=None)])
    fit(first, epochs=3)
    names = sorted(os.listdir(tmp_path / "here"))
    assert names == [f"checkpoint-00000{k}.npz" for k in (1, 2, 3)]
    for place, epochs in ((tmp_path / "here", 3), (tmp_path / "here" / names[0], 1)):
        trainer = make()
        fit(trainer, epochs=epochs, resume=place)
        assert trainer.steps == 7 * epochs == 7 * trainer.epochs
    trainer = make()
    fit(trainer, epochs=1, resume=tmp_path / "nowhere")
    assert trainer.epochs == 1
    with pytest.raises(ValueError, match="resume='latest': expected one Checkpoint among the callbacks, got 0"):
        fit(trainer, resume="latest")


def test_a_file_that_is_not_there_is_no_beginning(tmp_path):
    trainer = make()
    with pytest.raises(FileNotFoundError, match=r"resume: expected a file to go on from.*checkpoint-000009.npz"):
        fit(trainer, resume=tmp_path / "typo" / "checkpoint-000009.npz")
    assert trainer.epochs == 0
    fit(trainer, resume=tmp_path)  # an empty folder
    assert trainer.epochs == 1


def test_the_last_and_the_best_are_kept(tmp_path):
    losses = iter([3.0, 1.0, 2.0, 4.0, 5.0])

    class Scripted(Callback):
        def on_epoch_end(self, trainer, logs):
            logs["val_loss"] = next(losses)

    checkpoint = Checkpoint(tmp_path, "val_loss", keep_last=2)
    trainer = make(callbacks=[checkpoint, Scripted()])  # it comes last by itself
    fit(trainer, epochs=5)
    assert sorted(os.listdir(tmp_path)) == ["best.npz", "checkpoint-000004.npz", "checkpoint-000005.npz"]
    best = mf.Trainer.load(tmp_path / "best.npz", callbacks=[])
    assert (best.epochs, best.history.epochs, checkpoint.best) == (2, 2, 1.0)


def test_every_so_many_seconds_within_an_epoch(tmp_path):
    plain, saving = make(), make(callbacks=[Checkpoint(tmp_path, every_epochs=None, every_seconds=1e-4, keep_last=3)])
    fit(plain, epochs=50)
    fit(saving, epochs=50)
    same(plain, saving)
    assert plain.history == saving.history
    newest = max(os.listdir(tmp_path))
    assert int(newest[11:17]) > 3 and len(os.listdir(tmp_path)) == 3


def test_several_starts_in_one_folder_go_on_with_the_newest(tmp_path):
    for epochs in (3, 1):
        fit(make(callbacks=[Checkpoint(tmp_path)]), epochs=epochs)
    trainer = make(callbacks=[Checkpoint(tmp_path)])
    fit(trainer, epochs=1, resume="latest")
    assert trainer.epochs == 1 and os.listdir(tmp_path) == ["checkpoint-000004.npz"]


@pytest.mark.parametrize("own", [True, False])
def test_sigterm_saves_and_takes_its_way(own, tmp_path):
    came = []

    def terminate(trainer, logs):
        if trainer.steps == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: came.append(1))
    try:
        hook = {"on_step_end": terminate} if own else {"on_epoch_begin": terminate}
        if not own:

            def terminate(trainer, logs):
                if trainer.epochs == 1:
                    os.kill(os.getpid(), signal.SIGTERM)

            hook = {"on_epoch_begin": terminate}
        whole, trainer = make(), make(callbacks=[LambdaCallback(**hook), Checkpoint(tmp_path)])
        history = fit(trainer, epochs=4)
        assert came == [1] and (history.stopped_by, history.reason) == ("Checkpoint", "SIGTERM")
        assert 7 < trainer.steps < 28
        again = make(callbacks=[Checkpoint(tmp_path)])
        fit(again, epochs=4, resume="latest")
        fit(whole, epochs=4)
        same(whole, again)
        assert whole.history == again.history
    finally:
        assert signal.signal(signal.SIGTERM, before) is not None
    assert came == [1]


def test_an_ignored_sigterm_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        hook = LambdaCallback(on_epoch_begin=lambda trainer, logs: os.kill(os.getpid(), signal.SIGTERM))
        assert fit(make(callbacks=[hook, Checkpoint(tmp_path)]), epochs=2).epochs == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_callbacks_are_made_again_or_given(tmp_path):
    path = tmp_path / "trainer.npz"
    first = make(callbacks=callbacks(tmp_path))
    fit(first, epochs=2)
    first.save(path)
    assert repr(mf.Trainer.load(path).callbacks) == repr(first.callbacks[:2])  # not those that write files
    stopping = EarlyStopping("val_loss", patience=9)
    second = mf.Trainer.load(path, callbacks=[stopping])
    assert second.callbacks == (stopping,) and stopping.best == first.callbacks[0].best


def test_every_callback_of_the_package_lets_its_trainer_be_loaded(tmp_path):
    def made(folder):
        makers = {
            "Checkpoint": lambda cls: cls(folder),
            "CSVLogger": lambda cls: cls(folder / "log.csv"),
            "TensorBoard": lambda cls: cls(folder / "board"),
            "Doctor": lambda cls: cls(X, Y, warn=False),
            "EarlyStopping": lambda cls: cls("val_loss"),
            "ReduceLROnPlateau": lambda cls: cls("val_loss"),
            "Snapshots": lambda cls: cls(every=2, most=3),
        }
        names = [name for name in mf.callbacks.__all__ if name not in ("Callback", "LambdaCallback", "Training")]
        assert sorted(names) == sorted(makers)
        return {name: makers[name](getattr(mf.callbacks, name)) for name in names}

    path, given = tmp_path / "trainer.npz", made(tmp_path)
    first = make(callbacks=list(given.values()))
    fit(first, epochs=4)
    first.save(path)
    second = mf.Trainer.load(path)
    assert [type(each).__name__ for each in second.callbacks] == ["EarlyStopping", "ReduceLROnPlateau", "Snapshots"]
    for trainer in (first, second):
        fit(trainer, epochs=4)
    snapshots = second.callbacks[-1]
    assert snapshots.epochs == given["Snapshots"].epochs == [0, 4, 8]
    np.testing.assert_array_equal(snapshots.states, given["Snapshots"].states)
    doctor = mf.callbacks.Doctor(X, Y, warn=False)
    assert mf.Trainer.load(path, callbacks=[doctor]).callbacks == (doctor,)
    assert doctor.findings == given["Doctor"].findings


class Counts(Callback):
    def __init__(self):
        self.epochs, self.table = 0, np.zeros(3)

    def on_epoch_end(self, trainer, logs):
        self.epochs += 1
        self.table[0] = self.epochs

    def state_dict(self):
        return {"epochs": self.epochs, "more": {"table": self.table, "list": [1, None, "x", float("inf")]}}

    def load_state_dict(self, state):
        assert state["more"]["list"] == [1, None, "x", float("inf")]
        self.epochs, self.table = state["epochs"], state["more"]["table"]


def test_a_users_callback_is_given_again_with_its_state(tmp_path):
    path = tmp_path / "trainer.npz"
    first = make(callbacks=[Counts()])
    fit(first, epochs=2)
    first.save(path)
    with pytest.raises(ValueError, match=r"expected callbacks to be given again, Trainer.load\(path, callbacks=...\)"):
        mf.Trainer.load(path)
    counts = Counts()
    mf.Trainer.load(path, callbacks=[counts])
    assert counts.epochs == 2 and counts.table.tolist() == [2, 0, 0]


def quartic(y, h):
    return ((h - y) ** 4).sum(axis=1), 4 * (h - y) ** 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metrics", [lambda y, p: 0.0]),
        ("optimizer", mf.SGD(lambda step: 0.1 / (1 + step))),
        ("dropout_scale", mf.schedules.Function(lambda step: 1.0)),
        ("loss", mf.losses.Custom(quartic, classes=False)),
    ],
)
def test_functions_are_given_again(name, value, tmp_path):
    path = tmp_path / "trainer.npz"
    layers = [mf.Dense(4, "tanh"), mf.Dense(1)] if name == "loss" else None
    first = make(layers=layers, **{name: value})
    data = (X, X[:, :1]) if name == "loss" else (X, Y)
    first.fit(*data, epochs=1.5, verbose=0)
    first.save(path)
    with pytest.raises(ValueError, match=rf"expected {name} to be given again, Trainer.load\(path, {name}=...\)"):
        mf.Trainer.load(path)
    second = mf.Trainer.load(path, **{name: value})
    for trainer in (first, second):
        trainer.fit(*data, epochs=1, verbose=0)
    same(first, second)


def test_a_rate_that_was_assigned(tmp_path):
    path = tmp_path / "trainer.npz"
    first = make(optimizer=mf.SGD(0.1))
    first.learning_rate = 0.05
    first.save(path)
    assert mf.Trainer.load(path).learning_rate == 0.05
    assert mf.Trainer.load(path, learning_rate=0.2).learning_rate == 0.2
    assert mf.Trainer.load(path, optimizer=mf.SGD(0.3)).learning_rate == 0.3
    first.learning_rate = lambda step: 0.1
    first.save(path)
    with pytest.raises(ValueError, match="expected learning_rate to be given again"):
        mf.Trainer.load(path)
    assert mf.Trainer.load(path, learning_rate=0.2).learning_rate == 0.2


# --- what is no file to go on from changes nothing ---


def snapshot(trainer):
    stopping = trainer.callbacks[0]
    return pickle.dumps((trainer.model.state, trainer._state, trainer._place.counts, trainer.history, vars(stopping)))


def refused(path, error, message, **keywords):
    trainer = make(**({"callbacks": [EarlyStopping("val_loss")]} | keywords))
    fit(trainer, epochs=1.4)
    before = snapshot(trainer)
    with pytest.raises(error, match=message):
        fit(trainer, resume=path)
    assert snapshot(trainer) == before
    fit(trainer, epochs=0.6)
    assert trainer.epochs == 2


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "checkpoint-000007.npz"
    trainer = make(callbacks=[EarlyStopping("val_loss")])
    fit(trainer, epochs=1.5)
    trainer.save(path)
    return path


def rewritten(path, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["header.json"])
    change(header)
    members["header.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_damaged_foreign_and_newer_files(saved, tmp_path):
    good = saved.read_bytes()
    for broken in (good[: len(good) // 2], good[:3000] + b"\xff" * 8 + good[3008:], b""):
        saved.write_bytes(broken)
        refused(saved, mf.ModelFileError, "can't read a trainer from ")
    mf.mlp([6, 8, 3]).save(saved)
    refused(saved, mf.ModelFileError, "expected a trainer file, got a file of kind 'model'")
    saved.write_bytes(good)
    with pytest.raises(mf.ModelFileError, match="expected a model file, got a file of kind 'trainer'"):
        mf.load(saved)
    for change in (lambda h: h.update(version=99), lambda h: h["trainer"].update(version=99)):
        saved.write_bytes(good)
        refused(rewritten(saved, change), mf.ModelFileError, "has .*version .*99.*upgrade mlpfast to read it")
        refused(tmp_path, mf.ModelFileError, "upgrade mlpfast")  # not passed over for an older one


def test_another_models_or_optimizers_trainer(saved):
    layers = [mf.Dense(9, "tanh"), mf.Dense(3, "softmax")]
    refused(saved, ValueError, "expected a trainer of this model, with layers .*, got one with ", layers=layers)
    refused(saved, ValueError, r"expected the state of SGD\(.*another kind, Adam\(", optimizer=mf.SGD(0.1))
    with pytest.raises(ValueError, match="expected the state of SGD"):
        mf.Trainer.load(saved, optimizer="sgd")
    with pytest.raises(TypeError, match="lr"):
        mf.Trainer.load(saved, lr=0.1)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (mf.RMSprop(momentum=0.9), mf.Adam()),
        (mf.Adam(), mf.NAdam()),
        (mf.Adam(amsgrad=True), mf.RMSprop(ema=0.9)),
        (mf.SGD(momentum=0.9), mf.Lion()),
        (mf.LBFGS(), mf.NewtonCG()),
        (mf.SGD(lambda step: 0.1, momentum=0.9), mf.Adagrad()),
    ],
)
def test_a_state_of_the_same_size_but_of_another_kind(theirs, ours, tmp_path):
    path, rows = tmp_path / "trainer.npz", {"batch_size": None}
    other = make(optimizer=theirs, **rows)
    fit(other, epochs=2)
    other.save(path)
    message = rf"expected the state of {type(ours).__name__}\(.*another kind, {type(theirs).__name__}\("
    refused(path, mf.ModelFileError, message, optimizer=ours, **rows)
    with pytest.raises(ValueError, match=message):
        mf.Trainer.load(path, optimizer=ours)


def test_another_rate_is_no_other_kind(saved):
    again = make(optimizer=mf.AdamW(0.02, weight_decay=0.1))
    fit(again, epochs=2, resume=saved)
    assert (again.epochs, again.learning_rate) == (2, 0.02)


@pytest.mark.parametrize(
    "change",
    [
        *(lambda t, name=name: t["state"].pop(name) for name in ("counts", "kind", "run_id", "history", "callbacks")),
        lambda t: t["state"].update(counts=3),
        lambda t: t["state"].update(counts=t["state"]["totals"]),
        lambda t: t["state"].update(began=[1]),
        lambda t: t["state"].update(optimizer={"array": 99}),
        lambda t: t["state"].update(set_aside=[1, 2]),
        lambda t: t["state"]["callbacks"][0][1].pop("best"),
        lambda t: t["state"]["callbacks"][0][1].update(best=[1, 2, 3]),
        lambda t: t["state"]["history"].update(names=["a"]),
        lambda t: t["arrays"].pop(),
        lambda t: t["arrays"].append(["float64", [1 << 40]]),
        lambda t: t["arrays"][0].reverse(),
        lambda t: t.update(arrays=3),
        lambda t: t.pop("settings"),
    ],
)
def test_headers_that_do_not_fit(change, saved):
    refused(
        rewritten(saved, lambda header: change(header["trainer"])), ValueError, "in the file|from the file|can't read"
    )


def test_a_damaged_newest_one_is_passed_over_with_a_warning(saved, tmp_path):
    trainer = make(callbacks=[Checkpoint(tmp_path, keep_last=None)])
    trainer.fit(X, Y, epochs=2, verbose=0)  # numbers 8 and 9
    newest = tmp_path / "checkpoint-000009.npz"
    newest.write_bytes(newest.read_bytes()[:-200])
    again = make()
    with pytest.warns(UserWarning, match=r"left out a checkpoint that is not whole: .*checkpoint-000009.npz"):
        again.fit(X, Y, epochs=2, resume=tmp_path, verbose=0)
    same(trainer, again)


def test_what_no_file_holds_is_an_error_and_leaves_the_old_file(saved):
    class Odd(Callback):
        def state_dict(self):
            return {"it": object()}

    good = saved.read_bytes()
    with pytest.raises(
        TypeError, match="expected numbers, strings, None, lists, dicts and arrays to save, got <object"
    ):
        make(callbacks=[Odd()]).save(saved)
    assert saved.read_bytes() == good


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"every_epochs": 0}, "every_epochs"),
        ({"every_seconds": 0}, "every_seconds"),
        ({"keep_last": 0}, "keep_last"),
        ({"monitor": "speed"}, "does not tell"),
    ],
)
def test_bad_arguments_of_checkpoint(keywords, message):
    with pytest.raises(ValueError, match=message):
        Checkpoint("folder", **keywords)


def test_a_checkpoint_repr():
    assert (
        repr(Checkpoint("here")) == "Checkpoint('here', monitor=None, every_epochs=1, every_seconds=None, keep_last=1)"
    )
