"""Epochs in pieces: they end with the bits of whole ones, parameters and what is reported alike."""

import pickle
import re

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.callbacks import Callback, LambdaCallback

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 50)
WEIGHTS = RNG.integers(0, 3, 50).astype(float)

CASES = {
    "plain": {},
    "dropout": {"layers": [mf.Dense(8, "tanh"), mf.Dropout(0.3), mf.Dense(3, "softmax")]},
    "batch norm": {"layers": [mf.Dense(8), mf.BatchNorm(), mf.Activate("relu"), mf.Dense(3, "softmax")]},
    "average": {"optimizer": mf.Adam(0.01, ema=0.9)},
    "schedule free": {"optimizer": mf.ScheduleFreeAdamW(0.01)},
    "schedule": {"optimizer": mf.SGD(mf.schedules.Cosine(0.5, steps=40), momentum=0.9)},
    "in order": {"shuffle": False, "last_batch": "spread"},
    "penalties": {"l2": 0.1, "l1": 0.01, "penalty_over_weights": True},
}


def make(layers=None, callbacks=(), **keywords):
    model = mf.Model(6, layers or [mf.Dense(8, "tanh"), mf.Dense(3, "softmax")], seed=1)
    return mf.Trainer(model, batch_size=8, metrics=["accuracy", "log_loss"], callbacks=callbacks, seed=2, **keywords)


def fit(trainer, **keywords):
    return trainer.fit(X, Y, sample_weight=WEIGHTS, verbose=0, **keywords)


def same(one, other):
    """The bits of the model and of the optimizer, and what was reported of the last epoch."""
    np.testing.assert_array_equal(one.model.state, other.model.state)
    np.testing.assert_array_equal(one._state, other._state)
    assert (one.steps, one.epochs) == (other.steps, other.epochs)
    assert {name: values[-1] for name, values in one.history.items()} == {
        name: values[-1] for name, values in other.history.items()
    }


@pytest.mark.parametrize("case", CASES)
def test_pieces_of_any_length_are_whole_epochs(case):
    whole, pieces = make(**CASES[case]), make(**CASES[case])
    fit(whole, epochs=3)
    for steps in (1, 5, 2, 6, 4, 3):  # 7 in an epoch; 5 where rows of weight zero are left out
        if left := whole.steps - pieces.steps:
            fit(pieces, steps=min(steps, left))
    same(whole, pieces)


def test_parts_of_epochs_add_up():
    whole, pieces = make(), make()
    fit(whole, epochs=2)
    first = fit(pieces, epochs=0.5)
    assert (pieces.steps, pieces.epochs, first.epochs, first.stopped_by) == (4, 1, 1, "epochs")  # 7 in an epoch
    assert first["loss"] != whole.history["loss"][:1]
    second = fit(pieces, epochs=1.5)
    assert second["loss"] == whole.history["loss"]
    same(whole, pieces)


@pytest.mark.parametrize("parts", [[0.2] * 5, [0.5, 0.25, 0.25], [1 / 3] * 3, [0.01] * 3 + [0.97]])
def test_parts_of_any_size_are_a_whole(parts):
    trainer = make()
    for part in parts:
        fit(trainer, epochs=part)
    assert (trainer.steps, trainer.epochs, trainer._place.open) == (7, 1, False)


@pytest.mark.parametrize("steps", [1, 6, 7, 8])
def test_ctrl_c_within_an_epoch_loses_nothing(steps):
    def interrupt(trainer, logs):
        if trainer.steps == steps:
            trainer.callbacks = []
            raise KeyboardInterrupt

    whole, cut = make(), make(callbacks=[LambdaCallback(on_step_end=interrupt)])
    fit(whole, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        fit(cut, epochs=2)
    assert cut.steps == steps and cut.history.stopped_by == "interrupt"
    fit(cut, steps=14 - steps)
    same(whole, cut)


def test_out_of_time_within_an_epoch_loses_nothing():
    whole, cut = make(), make()
    fit(whole, epochs=400)
    while cut.steps < whole.steps:
        fit(cut, steps=min(400, whole.steps - cut.steps), max_seconds=2e-4)
    same(whole, cut)


def test_the_step_hook_changes_nothing_and_sees_each_loss():
    losses = []
    whole = make()
    steps = make(callbacks=[LambdaCallback(on_step_end=lambda trainer, logs: losses.append(logs["loss"]))])
    by_hand = make()
    fit(whole, epochs=2)
    fit(steps, epochs=2)
    same(whole, steps)
    assert len(losses) == 14
    for k in range(7):
        batch = by_hand._order(0, by_hand._check(X, Y, None))[8 * k : 8 * k + 8]
        assert by_hand.train_on_batch(X[batch], Y[batch], WEIGHTS[batch]) == pytest.approx(losses[k], rel=1e-12)


def test_the_step_hook_stops_within_an_epoch():
    calls = []

    class Stops(Callback):
        def on_step_end(self, trainer, logs):
            return trainer.steps == 10

        def on_epoch_end(self, trainer, logs):
            calls.append(trainer.epochs)

    trainer = make(callbacks=[Stops()])
    history = fit(trainer, epochs=3)
    assert (trainer.steps, history.epochs, history.stopped_by, calls) == (10, 2, "Stops", [1])


def test_a_rate_set_after_a_step_is_that_of_the_next():
    def halve(trainer, logs):
        trainer.learning_rate /= 2

    driven, by_hand = make(callbacks=[LambdaCallback(on_step_end=halve)]), make()
    fit(driven, epochs=1)
    for k in range(7):
        by_hand.learning_rate = driven.optimizer.learning_rate / 2**k
        fit(by_hand, steps=1)
    np.testing.assert_array_equal(driven.model.parameters, by_hand.model.parameters)


def test_who_has_no_step_hook_pays_for_none(monkeypatch):
    calls = []
    real = mf.Trainer._part
    monkeypatch.setattr(mf.Trainer, "_part", lambda self, *a: calls.append(1) or real(self, *a))
    fit(make(callbacks=[LambdaCallback(on_epoch_end=lambda trainer, logs: None)]), epochs=3)
    assert len(calls) == 3


@pytest.mark.parametrize("change", ["rows", "values", "batches", "seed", "metrics", "loss", "smoothing"])
def test_an_epoch_does_not_go_on_with_another(change):
    trainer = make()
    fit(trainer, steps=3)
    other_X, other_y = X, Y
    if change == "rows":
        other_X, other_y = X[:40], Y[:40]
    elif change == "values":
        other_X = X + 1
    elif change == "batches":
        trainer.batch_size = 10
    elif change == "seed":
        trainer.seed = 3
    elif change == "loss":
        trainer.loss = "focal"
    elif change == "smoothing":
        trainer.loss = mf.losses.CrossEntropy(label_smoothing=0.1)
    else:
        trainer.metrics = ["accuracy"]
    trainer.fit(other_X, other_y, verbose=0)
    assert trainer.epochs == 2
    assert trainer.steps == 3 + (5 if change in ("rows", "batches") else 7)


@pytest.mark.parametrize("chunks", [False, True])
def test_a_mean_is_one_of_one_loss(chunks):
    def fit_half(trainer):
        given = ([(X, Y)], None) if chunks else (X, Y)
        return trainer.fit(*given, verbose=0, steps=3, steps_per_epoch=6 if chunks else None)

    model = mf.Model(6, [mf.Dense(8, "tanh"), mf.Dense(3, "softmax")], seed=1)
    trainer = mf.Trainer(model, batch_size=8, optimizer=mf.SGD(1e-12), shuffle=False)
    fit_half(trainer)
    trainer.loss = trainer.loss  # the same one goes on
    assert fit_half(trainer).epochs == 1 and trainer.epochs == 1
    fit_half(trainer)
    trainer.loss = "focal"
    history = fit_half(trainer)
    assert trainer.epochs == 3
    assert history["loss"][-1] == pytest.approx(trainer.evaluate(X[:24], Y[:24])["loss"], rel=1e-5)


def test_a_custom_loss_goes_on_within_its_epoch(tmp_path):
    def square(y, outputs):
        return ((outputs - y) ** 2).sum(axis=1), 2 * (outputs - y)

    path, targets = tmp_path / "trainer.npz", RNG.normal(size=(50, 2))
    whole, cut = (mf.Trainer(mf.mlp([6, 2], seed=0), mf.losses.Custom(square), batch_size=8) for _ in range(2))
    whole.fit(X, targets, verbose=0)
    cut.fit(X, targets, steps=3, verbose=0)
    cut.save(path)
    again = mf.Trainer.load(path, loss=mf.losses.Custom(square))
    again.fit(X, targets, steps=4, verbose=0)
    same(whole, again)


def test_other_steps_in_between_do_not_disturb():
    trainer = make()
    fit(trainer, steps=3)
    trainer.train_on_batch(X[:8], Y[:8])
    fit(trainer, steps=4)
    assert (trainer.epochs, trainer.history.epochs) == (1, 1)
    fit(trainer, steps=3)
    trainer.run_epoch(X, Y.astype(np.int32))
    fit(trainer, steps=7)
    assert trainer.epochs == 4


def test_copies_and_pickles_go_on_within_the_epoch():
    whole, trainer = make(), make()
    fit(whole, epochs=1)
    fit(trainer, steps=3)
    for twin in (trainer.copy(), pickle.loads(pickle.dumps(trainer)), trainer):
        fit(twin, steps=4)
        same(whole, twin)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs"),
        ({"epochs": -0.5}, ValueError, "epochs"),
        ({"epochs": float("nan")}, ValueError, "epochs"),
        ({"epochs": "two"}, TypeError, "epochs"),
        ({"steps": 0}, ValueError, "steps"),
        ({"steps": 1.5}, TypeError, "steps"),
        ({"epochs": 1, "steps": 1}, ValueError, "expected epochs or steps, got both: 1 and 1"),
    ],
)
def test_bad_amounts(keywords, error, message):
    trainer = make()
    with pytest.raises(error, match=message):
        fit(trainer, **keywords)
    assert trainer.epochs == 0


def test_divergence_in_a_later_piece_names_the_step_of_the_epoch():
    trainer = make(optimizer=mf.SGD(0.1))
    fit(trainer, steps=3)
    trainer.learning_rate = 1e38
    with pytest.raises(mf.DivergenceError, match="training diverged at step ") as raised:
        fit(trainer, epochs=2)
    step, epoch, in_all = map(int, re.findall(r"\d+", str(raised.value))[:3])
    assert 7 * epoch + step == in_all == trainer.steps > 3
