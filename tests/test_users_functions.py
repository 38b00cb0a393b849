"""Schedules, metrics, losses and callbacks of the user's own: what is said where they do not do what they should."""

import numpy as np
import pytest

import mlpfast as mf

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(300, 4)), RNG.normal(size=(300, 3))


def make(**keywords):
    return mf.Trainer(mf.mlp([4, 3], seed=0), **{"loss": "mse", "batch_size": 50} | keywords)


def test_a_schedule_that_raises_is_named_with_its_step():
    def at_step_4(step):
        if step == 4:
            raise ZeroDivisionError
        return 0.1

    trainer = make(optimizer=mf.Adam(at_step_4))
    with pytest.raises(ZeroDivisionError) as info:
        trainer.fit(X, Y, verbose=0)
    assert "Function(function=<function" in info.value.__notes__[0] and "for step 4" in info.value.__notes__[0]
    assert trainer.steps == 0


@pytest.mark.parametrize("value", [None, "fast", np.ones(2), [0.1]])
def test_a_schedule_that_gives_no_number(value):
    with pytest.raises(
        TypeError, match=r"expected Function\(function=.*test_a_sched.*\) to give numbers, .* for step 2"
    ):
        make(optimizer=mf.Adam(lambda step: value if step == 2 else 0.1)).fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("schedule", "its_own"),
    [
        (mf.schedules.Cosine(0.1), True),
        (mf.schedules.Cosine(0.1, epochs=3), True),
        (mf.schedules.Cosine(0.1, per="epoch"), False),
        (mf.schedules.Function(lambda epoch: 0.1, per="epoch"), False),
    ],
)
def test_what_to_give_a_schedule_of_rows_in_chunks(schedule, its_own):
    trainer = make(optimizer=mf.Adam(schedule))
    with pytest.raises(ValueError, match=r"rows come in chunks, give it steps_per_epoch=\.\.\.") as info:
        trainer.fit(lambda: [(X, Y)], verbose=0)
    assert ("or give the schedule steps=" in str(info.value)) == its_own
    assert trainer.fit(lambda: [(X, Y)], steps_per_epoch=6, verbose=0).epochs == 1


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (np.ones(3), r"ndarray of shape \(3,\)"),
        (np.ones(1), r"ndarray of shape \(1,\)"),
        (None, "NoneType"),
        ("0.5", "str"),
        ([0.5], "list"),
    ],
)
def test_a_metric_that_gives_no_number(value, got):
    def mine(y, prediction):
        return value

    with pytest.raises(TypeError, match=f"metric 'mine': expected a number, got {got}"):
        make(metrics=[mine]).fit(X, Y, verbose=0)


@pytest.mark.parametrize("weights", ["", ", sample_weight", ", w"])
def test_a_metric_that_raises_is_named(weights):
    mine = eval(f"lambda y, prediction{weights}: {{}}['missing']")
    with pytest.raises(KeyError, match="missing") as info:
        make(metrics=[mine]).evaluate(X, Y)
    assert info.value.__notes__ == ["mlpfast: raised by metric '<lambda>'"]


@pytest.mark.parametrize("name", ["loss", "epoch", "learning_rate", "weight_decay", "momentum", "dropout_scale"])
def test_a_metric_with_the_name_of_something_else(name):
    def mine(y, prediction):
        return 0.0

    mine.__name__ = name
    with pytest.raises(ValueError, match=rf"metrics to have names of their own, got \['{name}'\]"):
        make(metrics=[mine])


def test_what_callbacks_drive():
    class Drives(mf.callbacks.Callback):
        def __init__(self, *names):
            self.drives = names

    def l1(y, prediction):
        return 0.0

    assert make(callbacks=[Drives("l1", "learning_rate")], l1=0.5).fit(X, Y, verbose=0)["l1"] == [0.5]
    with pytest.raises(ValueError, match="got two values for 'l1' in the history"):
        make(callbacks=[Drives("l1")], metrics=[l1]).fit(X, Y, verbose=0)
    for name in ("loss", "nothing"):
        with pytest.raises(ValueError, match=f"numbers that a trainer has in `drives` of a callback, got '{name}'"):
            make(callbacks=[Drives(name)]).fit(X, Y, verbose=0)
    named = Drives()
    named.drives = "learning_rate"
    with pytest.raises(TypeError, match="expected drives of Drives to be a tuple of names, got 'learning_rate'"):
        make(callbacks=[named])


def test_a_loss_that_gives_nan_is_named_with_the_step():
    def mine(y, h):
        values = ((h - y) ** 2).sum(axis=1)
        return np.where(y[:, 0] == 7, np.nan, values), 2 * (h - y)

    targets = Y.copy()
    targets[120] = 7  # in the third batch
    trainer = make(loss=mf.losses.Custom(mine), shuffle=False)
    with pytest.raises(
        mf.DivergenceError, match=r"at step 2 of epoch 0, .*: what Custom\(.*mine.*\) gave, .* that batch"
    ):
        trainer.fit(X, targets, verbose=0)
    assert trainer.steps == 2
    with pytest.raises(ValueError, match="custom loss: expected finite values, got nan"):
        make(loss=mf.losses.Custom(lambda y, h: (h[:, 0] * np.nan, h))).fit(X, Y, verbose=0)


def test_a_compiled_loss_is_not_called_the_users(monkeypatch):
    """Whatever derivatives it has."""
    monkeypatch.setattr(mf.losses.MeanSquaredError, "has_second_derivatives", False)
    with pytest.raises(mf.DivergenceError, match=r": the loss, the parameters .*, or scale the inputs$"):
        make(optimizer=mf.SGD(1e30)).fit(X, Y, epochs=9, verbose=0)
