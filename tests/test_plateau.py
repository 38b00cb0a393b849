"""ReduceLROnPlateau, against the rule written out, and over interruptions of training."""

import math
import pickle

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.callbacks import Callback, ReduceLROnPlateau

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 2)), RNG.normal(size=12)


class Scripted(Callback):
    """Puts given values in the place of the validation loss."""

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, trainer, logs):
        logs["val_loss"] = self.values[trainer.epochs - 1]


def trainer(values, callback, rate=1.0, **keywords):
    model = mf.mlp([2, 1], dtype="float64", seed=0)
    return mf.Trainer(model, "mse", mf.SGD(rate), callbacks=[Scripted(values), callback], **keywords)


def by_rule(values, rate, factor, patience, min_delta, cooldown, min_lr):
    """The rate of each epoch, as the documentation of Keras has it."""
    rates, best, waited, cooling = [], math.inf, 0, 0
    for value in values:
        rates.append(rate)
        if cooling:
            cooling, waited = cooling - 1, 0
        if value < best - min_delta:
            best, waited = value, 0
        elif not cooling:
            waited += 1
            if waited >= patience and rate > min_lr:
                rate, waited, cooling = max(rate * factor, min_lr), 0, cooldown
    return rates


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize(
    ("min_delta", "cooldown", "min_lr"), [(0.0, 0, 0.0), (0.05, 2, 0.0), (0.0, 1, 0.1), (0.2, 0, 0.3)]
)
def test_the_rates_are_those_of_the_rule(patience, min_delta, cooldown, min_lr):
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=40).cumsum().tolist()
        values[7] = math.nan
        callback = ReduceLROnPlateau(
            factor=0.5, patience=patience, min_delta=min_delta, cooldown=cooldown, min_lr=min_lr
        )
        history = trainer(values, callback).fit(X, Y, epochs=40, verbose=0)
        assert history["learning_rate"] == by_rule(values, 1.0, 0.5, patience, min_delta, cooldown, min_lr)


def test_what_is_better_when_larger():
    values = [0.1, 0.2, 0.3, 0.2, 0.2]
    rates = {}
    for mode in ("max", "min"):
        one = trainer(values, ReduceLROnPlateau(patience=1, mode=mode))
        rates[mode] = one.fit(X, Y, epochs=5, verbose=0)["learning_rate"]
    np.testing.assert_allclose(rates["max"], [1, 1, 1, 1, 0.1])
    np.testing.assert_allclose(rates["min"], [1, 1, 0.1, 0.01, 0.001])


def test_the_reduced_rate_is_what_steps_take():
    driven = trainer([3, 2, 2, 2, 2], ReduceLROnPlateau(patience=1, factor=0.5), rate=0.1)
    rates = driven.fit(X, Y, epochs=5, verbose=0)["learning_rate"]
    assert rates == [0.1, 0.1, 0.1, 0.05, 0.025]
    by_hand = trainer([0] * 5, Scripted([0] * 5), rate=0.1)
    for rate in rates:
        by_hand.learning_rate = rate
        by_hand.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(driven.model.parameters, by_hand.model.parameters)


@pytest.mark.parametrize("kept", ["as it is", "pickled", "by its state"])
def test_calls_of_fit_go_on(kept):
    values = [3, 2, 2, 2, 1, 1, 1, 1, 1, 1]
    whole = trainer(values, ReduceLROnPlateau(patience=2, cooldown=1, min_delta=0))
    expected = whole.fit(X, Y, epochs=10, verbose=0)["learning_rate"]
    parts = trainer(values, ReduceLROnPlateau(patience=2, cooldown=1, min_delta=0))
    rates = []
    for _ in range(10):
        rates += parts.fit(X, Y, verbose=0)["learning_rate"]
        if kept == "pickled":
            parts = pickle.loads(pickle.dumps(parts))
        elif kept == "by its state":
            script, old = parts.callbacks
            new = ReduceLROnPlateau(patience=2, cooldown=1, min_delta=0)
            new.load_state_dict(old.state_dict())
            parts.callbacks = [script, new]
    assert rates == expected
    np.testing.assert_array_equal(parts.model.parameters, whole.model.parameters)


def test_with_another_trainer_it_starts_anew():
    callback = ReduceLROnPlateau(patience=1)
    trainer([1.0, 1.0], callback).fit(X, Y, epochs=2, verbose=0)
    assert callback.best == 1.0
    rates = trainer([5.0, 4.0, 4.0], callback).fit(X, Y, epochs=3, verbose=0)["learning_rate"]
    assert rates == [1.0, 1.0, 1.0] and callback.best == 4.0


def test_a_rate_that_no_number_is_smaller_than_stays():
    one = trainer([1.0] * 4, ReduceLROnPlateau(patience=1, factor=1e-10), rate=5e-324)
    assert one.fit(X, Y, epochs=4, verbose=0)["learning_rate"] == [5e-324] * 4


def test_errors():
    one = mf.Trainer(mf.mlp([2, 1]), "mse", mf.SGD(mf.schedules.Cosine(0.1)), callbacks=[ReduceLROnPlateau("loss")])
    with pytest.raises(
        TypeError, match=r"learning_rate to be a number with ReduceLROnPlateau, got Cosine\(initial=0.1\)"
    ):
        one.fit(X, Y, verbose=0)
    assert one.steps == 0
    with pytest.raises(
        ValueError, match=r"ReduceLROnPlateau monitors 'val_loss', but .*; give fit\(\) validation_data"
    ):
        mf.Trainer(mf.mlp([2, 1]), "mse", callbacks=[ReduceLROnPlateau()]).fit(X, Y, verbose=0)
    for keywords, message in (
        ({"factor": 1.0}, "factor to be > 0 and < 1, got 1.0"),
        ({"patience": 0}, "patience to be >= 1, got 0"),
        ({"cooldown": -1}, "cooldown to be >= 0, got -1"),
        ({"min_lr": math.nan}, "min_lr to be finite and >= 0, got nan"),
        ({"min_delta": -1}, "min_delta to be >= 0, got -1"),
        ({"monitor": "x"}, "does not tell whether larger or smaller is better"),
    ):
        with pytest.raises(ValueError, match=message):
            ReduceLROnPlateau(**keywords)
    assert repr(ReduceLROnPlateau("loss")) == (
        "ReduceLROnPlateau('loss', factor=0.1, patience=10, cooldown=0, min_lr=0.0, mode='auto', min_delta=0.0001)"
    )


def test_the_history_records_what_a_callback_says_that_it_drives():
    class Thaw(Callback):
        drives = ("dropout_scale",)

        def on_epoch_end(self, trainer, logs):
            trainer.dropout_scale = trainer.dropout_scale / 2

    one = trainer([0] * 3, Thaw())
    history = one.fit(X, Y, epochs=3, verbose=0)
    assert history["dropout_scale"] == [1.0, 0.5, 0.25] and "learning_rate" not in history
