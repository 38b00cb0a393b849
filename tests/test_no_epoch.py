"""Fits that end before their first epoch: the history has an empty list for each value that an epoch would have."""

import pickle

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.callbacks import Callback, EarlyStopping, LambdaCallback, ReduceLROnPlateau

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
Y = rng.normal(size=(60, 2))


def size(y, p):
    return float(np.abs(p).max())


class Drives(Callback):
    drives = ("l2",)


class Until(Callback):
    """Ends the fit before its first epoch, or after it."""

    def __init__(self, error=None):
        self.error, self.seen = error, None

    def on_epoch_begin(self, trainer, logs):
        if self.error is not None:
            raise self.error
        return True

    def on_train_end(self, trainer, logs):
        self.seen = dict(trainer.history)


SETTINGS = {
    "plain": ({}, {}),
    "metrics": ({"metrics": ["mae", size, "r2"]}, {}),
    "validation": ({"metrics": ["mae", size]}, {"validation_data": {"a": (X, Y), "b": (X[:9], Y[:9])}}),
    "held out": ({"metrics": ["mae"]}, {"validation_fraction": 0.2}),
    "schedule": ({"optimizer": mf.Adam(mf.schedules.Cosine(0.01)), "metrics": ["rmse"]}, {}),
    "several": ({"optimizer": mf.SGD(0.01, momentum=mf.schedules.Cosine(0.9)), "dropout_scale": 0.5}, {}),
    "plateau": ({"callbacks": [ReduceLROnPlateau("loss"), Drives()]}, {}),
    "jacobian": ({"metrics": ["mae"]}, {"jacobian": np.zeros((60, 2, 4))}),
    "chunks": ({"metrics": ["mae", size]}, {"validation_data": (X, Y)}),
}


def make(settings, *more, **keywords):
    settings = {"optimizer": mf.Adam(), **settings, **keywords}
    callbacks = [*settings.pop("callbacks", ()), *more]
    return mf.Trainer(mf.mlp([4, 3, 2], "tanh", seed=1), "mse", callbacks=callbacks, **settings)


def rows(name):
    return ([(X, Y)],) if name == "chunks" else (X, Y)


@pytest.mark.parametrize("name", SETTINGS)
def test_keys_are_those_of_an_epoch(name):
    settings, arguments = SETTINGS[name]
    whole = make(settings).fit(*rows(name), verbose=0, **arguments)
    stop = Until()
    trainer = make(settings, stop)
    none = trainer.fit(*rows(name), verbose=0, **arguments)
    assert none.epochs == 0 and none.stopped_by == "Until"
    assert list(none) == list(whole) and not any(none.values())
    assert stop.seen == none == pickle.loads(pickle.dumps(none))
    assert repr(none) == "<History of 0 epochs; stopped by Until>"
    assert "0 epochs; stopped by Until" in none._repr_html_() and repr(trainer).endswith("0 epochs, 0 steps>")


@pytest.mark.parametrize("optimizer", [mf.LBFGS(tolerance_grad=1e9), mf.NewtonCG(tolerance_grad=1e9)])
def test_convergence(optimizer):
    trainer = make({"metrics": ["mae"]}, optimizer=optimizer, batch_size=None)
    history = trainer.fit(X, Y, epochs=5, validation_data=(X, Y), verbose=0)
    assert history.stopped_by == "convergence"
    assert history == {"loss": [], "mae": [], "val_loss": [], "val_mae": []}


def test_out_of_time():
    assert make({}).fit(X, Y, epochs=5, verbose=0, max_seconds=1e-9) == {"loss": []}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_error(error):
    trainer = make({"metrics": ["mae"]}, Until(error()))
    with pytest.raises(error):
        trainer.fit(X, Y, verbose=0)
    assert trainer.history == {"loss": [], "mae": []}


def test_a_bar_has_nothing_to_show(capsys):
    make({"metrics": ["mae"]}, Until()).fit(X, Y)
    assert "Until" in capsys.readouterr().err


def test_it_is_saved_and_gone_on_from(tmp_path):
    """The history of the next fit is that of one that had nothing before it."""
    trainer = make({"metrics": ["mae"]}, Until())
    trainer.fit(X, Y, verbose=0)
    trainer.save(tmp_path / "none.npz")
    again = mf.Trainer.load(tmp_path / "none.npz", callbacks=())
    assert again.history == trainer.history == {"loss": [], "mae": []}
    assert again.fit(X, Y, epochs=2, verbose=0) == make({"metrics": ["mae"]}).fit(X, Y, epochs=2, verbose=0)


def test_early_stopping_without_an_epoch_to_look_at():
    """Its best is that of no epoch: the model keeps its parameters."""
    stop = LambdaCallback(on_train_begin=lambda trainer, logs: True)
    trainer = make({}, EarlyStopping("loss"), stop)
    before = trainer.model.parameters.copy()
    assert trainer.fit(X, Y, epochs=3, verbose=0) == {"loss": []}
    np.testing.assert_array_equal(trainer.model.parameters, before)


def test_a_picture_of_no_epoch_is_refused():
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="epoch"):
        mf.plot.learning_curves(make({}, Until()).fit(X, Y, verbose=0))
