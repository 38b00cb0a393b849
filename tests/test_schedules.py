"""Schedules: their formulas, the place at which each step finds them, and what they drive in the compiled steps."""

import hashlib
import math
import pickle
from itertools import pairwise

import numpy as np
import pytest

import mlpfast as mf
from mlpfast import schedules
from mlpfast.schedules import SCHEDULES, curves

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(70, 4)), RNG.integers(3, size=70)
STEPS = 5  # of an epoch of 70 rows in batches of 16
PI = math.pi

#: A schedule over 40 steps, and its value at step k.
FORMULAS = [
    (schedules.Constant(0.3), lambda k: 0.3),
    (schedules.Step(0.8, 0.5, steps=7), lambda k: 0.8 * 0.5 ** (k // 7)),
    (schedules.Step(0.8, 0.1, epochs=2), lambda k: 0.8 * 0.1 ** (k // 10)),
    (schedules.Exponential(0.8, 0.9, steps=3), lambda k: 0.8 * 0.9 ** (k / 3)),
    (schedules.Exponential(0.8, 0.9), lambda k: 0.8 * 0.9 ** (k / 5)),
    (schedules.Exponential(0.8, 0.9, per="epoch"), lambda k: 0.8 * 0.9 ** (k // 5)),
    (schedules.InverseScaling(0.8), lambda k: 0.8 / math.sqrt(1 + k)),
    (schedules.InverseScaling(0.8, 2, epochs=1), lambda k: 0.8 / (1 + k / 5) ** 2),
    (schedules.Polynomial(0.8), lambda k: 0.8 * (1 - k / 40)),
    (schedules.Polynomial(0.8, 0.2, exponent=2), lambda k: 0.2 + 0.6 * (1 - k / 40) ** 2),
    (schedules.Polynomial(0.8, 0.2, steps=10), lambda k: 0.2 + 0.6 * max(0, 1 - k / 10)),
    (schedules.Polynomial(0.2, 0.8, per="epoch"), lambda k: 0.2 + 0.6 * (k // 5 * 5) / 40),
    (schedules.Cosine(0.8, 0.1), lambda k: 0.1 + 0.7 * (1 + math.cos(PI * k / 40)) / 2),
    (schedules.Cosine(0.8, epochs=4), lambda k: 0.8 * (1 + math.cos(PI * min(1, k / 20))) / 2),
    (schedules.Cosine(0.8, cycles=4), lambda k: 0.8 * (1 + math.cos(PI * (k % 10) / 10)) / 2),
    (
        schedules.Cosine(0.8, cycles=3, growth=2, restart_factor=0.5, steps=35),
        lambda k: (
            next(
                0.8 * 0.5**i * (1 + math.cos(PI * (k - a) / (b - a))) / 2
                for i, (a, b) in enumerate(pairwise([0, 5, 15, 35]))
                if k < b
            )
            if k < 35
            else 0
        ),
    ),
    (
        schedules.OneCycle(0.8, rise=0.25),
        lambda k: (
            0.8 * (0.04 + 0.96 * (1 - math.cos(PI * k / 10)) / 2)
            if k < 10
            else 0.8 * (4e-6 + (1 - 4e-6) * (1 + math.cos(PI * (k - 10) / 30)) / 2)
        ),
    ),
    (schedules.CosLog4(0.8), lambda k: 0.8 * (1 - math.cos(2 * PI * math.log2(1 + 15 * k / 40))) / 2),
    (schedules.FlatCos(0.8), lambda k: 0.8 if k < 20 else 0.8 * (1 + math.cos(PI * (k / 20 - 1))) / 2),
    (schedules.Warmup(0.8, steps=4), lambda k: 0.8 * min(1, (k + 1) / 5)),
    (schedules.Warmup(0.8, epochs=1, start=0.5), lambda k: 0.8 * min(1, 0.5 + 0.5 * (k + 1) / 6)),
    (
        schedules.Warmup(schedules.Polynomial(0.8), steps=8),
        lambda k: 0.8 * (k + 1) / 9 if k < 8 else 0.8 * (1 - (k - 8) / 32),
    ),
    (schedules.Function(lambda step: 1 / (1 + step)), lambda k: 1 / (1 + k)),
    (schedules.Function(lambda epoch: 1 / (1 + epoch), per="epoch"), lambda k: 1 / (1 + k // 5)),
]


def trainer(optimizer, batch_size=16, **keywords):
    dropout, dtype = keywords.pop("dropout", 0.2), keywords.pop("dtype", "float64")
    model = mf.mlp([4, 8, 3], "tanh", "softmax", dtype=dtype, seed=1, dropout=dropout)
    return mf.Trainer(model, optimizer=optimizer, batch_size=batch_size, seed=1, **keywords)


def by_hand(one, steps, assign):
    """The same training in single steps, before each of which `assign` is called."""
    for k in range(steps):
        if k % STEPS == 0:
            order = mf.core.random.permutation(1, mf.core.random.SHUFFLE, k // STEPS, len(X))
        assign(one, k)
        rows = order[k % STEPS * 16 :][:16]
        one.train_on_batch(X[rows], Y[rows])
    return one


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS, ids=lambda value: str(value)[:60])
def test_formulas(schedule, formula):
    values = schedule.values(np.arange(40), steps_per_epoch=STEPS, total_steps=40)
    np.testing.assert_allclose(values, [formula(k) for k in range(40)], rtol=1e-13, atol=1e-15)


def test_every_schedule_is_tested_listed_and_public():
    assert {type(schedule) for schedule, _ in FORMULAS} == {*SCHEDULES.values()}
    assert {"SCHEDULES", "Schedule", *(cls.__name__ for cls in SCHEDULES.values())} == {*schedules.__all__}


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS[:-2], ids=lambda value: str(value)[:60])
def test_beyond_its_end_a_schedule_stays_finite(schedule, formula):
    values = schedule.values(np.arange(38, 80), steps_per_epoch=STEPS, total_steps=40)
    assert (values >= 0).all() and (values <= 0.8).all()
    assert pickle.loads(pickle.dumps(schedule)) == schedule == eval(repr(schedule), vars(schedules))


def test_the_functions_that_schedules_are_made_of():
    x = np.linspace(-3, 3, 6001)
    np.testing.assert_allclose(curves.cosine(x), np.cos(np.pi * x), atol=1e-15)
    np.testing.assert_allclose(curves.exp2(x * 300), 2 ** (x * 300), rtol=1e-15)
    np.testing.assert_allclose(curves.log2(2**x * 1.1), np.log2(2**x * 1.1), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(curves.power(x + 3.5, 0.7), (x + 3.5) ** 0.7, rtol=1e-14)
    np.testing.assert_array_equal(curves.power([0, 0, 2, 4], [0, 1, 10, 0.5]), [1, 0, 1024, 2])
    np.testing.assert_array_equal(curves.cosine([0, 0.5, 1, 1.5, 2]), [1, 0, -1, 0, 1])


def test_the_same_bits_on_every_machine():
    bits = hashlib.sha256()
    for schedule, _ in FORMULAS[:-2]:
        bits.update(schedule.values(np.arange(1000), steps_per_epoch=13, total_steps=1000).astype("<f8").tobytes())
    assert bits.hexdigest()[:16] == "258da521ffd7c5db"


# --- what is driven, against the same steps by hand ---

WAVE = schedules.CosLog4(0.4)
WAVES = WAVE.values(np.arange(4 * STEPS), total_steps=4 * STEPS)


def rate_of(cls, **keywords):
    """A scheduled rate of an optimizer, the optimizer with a number, and how a number is assigned."""
    options = {name: keywords.pop(name) for name in ("clip_norm", "clip_value") if name in keywords}
    return (
        lambda s: {"optimizer": cls(s, **keywords), **options},
        (cls(0.1, **keywords), options),
        lambda one, v: setattr(one, "learning_rate", v or 1e-300),
    )


@pytest.mark.parametrize(
    ("scheduled", "given", "assign"),
    [
        rate_of(mf.SGD),
        rate_of(mf.Adam, weight_decay=0.1),
        rate_of(mf.optimizers.Adagrad),
        rate_of(mf.optimizers.NAdam),
        rate_of(mf.optimizers.Lion, weight_decay=0.1),
        rate_of(mf.optimizers.ScheduleFreeAdamW, r=1.0),
        rate_of(mf.Adam, ema=0.9, clip_norm=0.05, clip_value=0.01),
        (
            lambda s: {"optimizer": mf.optimizers.ScheduleFreeAdamW(0.1, weight_decay=s)},
            mf.optimizers.ScheduleFreeAdamW(0.1, weight_decay=0.1),
            lambda one, v: setattr(one, "optimizer", mf.optimizers.ScheduleFreeAdamW(0.1, weight_decay=v)),
        ),
        (
            lambda s: {"optimizer": mf.Adam(0.1, weight_decay=s)},
            mf.Adam(0.1, weight_decay=0.1),
            lambda one, v: setattr(one, "optimizer", mf.Adam(0.1, weight_decay=v)),
        ),
        (
            lambda s: {"optimizer": mf.SGD(0.1, momentum=s)},
            mf.SGD(0.1, momentum=0.1),
            lambda one, v: setattr(one, "optimizer", mf.SGD(0.1, momentum=v or 1e-30)),
        ),
        (
            lambda s: {"optimizer": mf.RMSprop(0.1, momentum=s)},
            mf.RMSprop(0.1, momentum=0.1),
            lambda one, v: setattr(one, "optimizer", mf.RMSprop(0.1, momentum=v or 1e-30)),
        ),
        (
            lambda s: {"optimizer": mf.Adam(0.1), "loss": mf.losses.CrossEntropy(s)},
            mf.Adam(0.1),
            lambda one, v: setattr(one, "loss", mf.losses.CrossEntropy(v)),
        ),
        (
            lambda s: {"optimizer": mf.Adam(0.1), "dropout_scale": s},
            mf.Adam(0.1),
            lambda one, v: setattr(one, "dropout_scale", v),
        ),
    ],
    ids=[
        *("sgd", "adam", "adagrad", "nadam", "lion", "schedule-free", "ema and clipping", "schedule-free decay"),
        *("weight decay", "momentum", "momentum of rmsprop", "smoothing", "dropout"),
    ],
)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_schedule_is_as_assigning_the_number_before_each_step(
    scheduled, given, assign, n_threads, as_many_threads_as_asked_for
):
    driven = trainer(**scheduled(WAVE), n_threads=n_threads)
    history = driven.fit(X, Y, epochs=4, verbose=0)
    name = next(name for name in history if name != "loss")
    np.testing.assert_array_equal(history[name], WAVES[STEPS - 1 :: STEPS])
    optimizer, options = given if isinstance(given, tuple) else (given, {})
    twin = by_hand(trainer(optimizer, **options), 4 * STEPS, lambda one, k: assign(one, float(WAVES[k])))
    np.testing.assert_array_equal(driven.model.parameters, twin.model.parameters)
    assert driven._state.tobytes() == twin._state.tobytes()


def test_an_evaluation_takes_no_scheduled_smoothing():
    one = trainer(mf.Adam(), loss=mf.losses.CrossEntropy(WAVE))
    assert one.evaluate(X, Y) == trainer(mf.Adam()).evaluate(X, Y)


def test_dropout_scale_is_a_factor_of_the_rates():
    half = trainer(mf.Adam(), dropout=0.4, dropout_scale=0.5)
    plain = trainer(mf.Adam(), dropout=0.2)
    none = trainer(mf.Adam(), dropout=0.4, dropout_scale=0)
    without = trainer(mf.Adam(), dropout=0)
    assert [*half.fit(X, Y, epochs=2, verbose=0)] == ["loss"]
    for one in (plain, none, without):
        one.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(half.model.parameters, plain.model.parameters)
    np.testing.assert_array_equal(none.model.parameters, without.model.parameters)
    half.dropout_scale = 2.5
    with pytest.raises(ValueError, match="expected dropout_scale to be finite and >= 0 and < 2.5, got 2.5 for step 10"):
        half.fit(X, Y, verbose=0)


# --- where a schedule begins, and ends ---


def test_a_fit_that_was_stopped_goes_on_where_the_schedule_was():
    class Stop(mf.callbacks.Callback):
        def on_epoch_end(self, trainer, logs):
            return trainer.epochs == 4

    whole = trainer(mf.Adam(schedules.Cosine(0.1)))
    rates = whole.fit(X, Y, epochs=10, verbose=0)["learning_rate"]
    parts = trainer(mf.Adam(schedules.Cosine(0.1)), callbacks=[Stop()])
    first = parts.fit(X, Y, epochs=10, verbose=0)["learning_rate"]

    assert first + parts.fit(X, Y, epochs=6, verbose=0)["learning_rate"] == rates
    np.testing.assert_array_equal(parts.model.parameters, whole.model.parameters)


def test_with_a_length_of_its_own_n_fits_are_one():
    optimizer = mf.Adam(schedules.Warmup(schedules.Cosine(0.1, epochs=4), epochs=1))
    whole, parts = trainer(optimizer), trainer(optimizer)
    whole.fit(X, Y, epochs=5, verbose=0)
    for _ in range(5):
        parts.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(parts.model.parameters, whole.model.parameters)


def test_another_schedule_begins_anew_and_an_equal_one_goes_on():
    one = trainer(mf.SGD(schedules.Step(0.8, 0.5, epochs=1)))
    assert one.learning_rate == 0.8
    assert one.fit(X, Y, epochs=2, verbose=0)["learning_rate"] == [0.8, 0.4]
    one.learning_rate = schedules.Step(0.8, 0.5, epochs=1)
    assert one.fit(X, Y, epochs=2, verbose=0)["learning_rate"] == [0.2, 0.1]
    assert one.learning_rate == 0.1
    one.learning_rate = schedules.Step(0.8, 0.25, epochs=1)
    assert one.fit(X, Y, epochs=2, verbose=0)["learning_rate"] == [0.8, 0.2]


def test_an_assigned_number_takes_the_place_of_a_schedule():
    class Fix(mf.callbacks.Callback):
        def on_epoch_end(self, trainer, logs):
            if trainer.epochs == 2:
                trainer.learning_rate = trainer.learning_rate / 2

    one = trainer(mf.SGD(schedules.Polynomial(0.4)), callbacks=[Fix()])
    history = one.fit(X, Y, epochs=2, verbose=0)
    assert one.learning_rate == history["learning_rate"][-1] / 2
    assert "learning_rate" not in one.fit(X, Y, verbose=0)
    assert "Polynomial" not in repr(one) and "Polynomial" in repr(trainer(mf.SGD(schedules.Polynomial(0.4))))


def test_the_history_has_a_value_of_each_epoch_whatever_is_driven_when():
    class Change(mf.callbacks.Callback):
        def on_epoch_end(self, trainer, logs):
            if trainer.epochs == 2:
                trainer.learning_rate = 0.05
                trainer.dropout_scale = schedules.Step(1.0, 0.5, epochs=1)

    history = trainer(mf.SGD(schedules.Step(0.8, 0.5, epochs=1)), callbacks=[Change()]).fit(X, Y, epochs=4, verbose=0)
    assert history["learning_rate"] == [0.8, 0.4, 0.05, 0.05]
    np.testing.assert_array_equal(history["dropout_scale"], [math.nan, math.nan, 1.0, 0.5])
    assert "dropout_scale" in history._repr_html_()


def test_a_constant_schedule_is_recorded_and_a_number_is_not():
    one = trainer(mf.SGD(schedules.Constant(0.1), weight_decay=schedules.Constant(0)), dropout_scale=0.5)
    history = one.fit(X, Y, epochs=2, verbose=0)
    assert {name: history[name] for name in history if name != "loss"} == {
        "learning_rate": [0.1, 0.1],
        "weight_decay": [0.0, 0.0],
    }
    one.dropout_scale = schedules.Constant(0.5)
    assert one.fit(X, Y, epochs=2, verbose=0)["dropout_scale"] == [0.5, 0.5]


def test_single_steps_need_a_schedule_that_knows_its_length():
    one = trainer(mf.SGD(schedules.Cosine(0.4)))
    for action in (lambda: one.train_on_batch(X, Y), lambda: one.run_epoch(X, Y.astype(np.int32))):
        with pytest.raises(ValueError, match="does not know where training ends"):
            action()
    one.learning_rate = schedules.Cosine(0.4, epochs=3)
    one.run_epoch(X, Y.astype(np.int32))
    with pytest.raises(ValueError, match="does not know how many steps an epoch has"):
        one.train_on_batch(X, Y)
    one.learning_rate = schedules.Cosine(0.4, steps=3)
    one.train_on_batch(X, Y)
    assert one.learning_rate == 0.4


def test_a_trainer_of_before_there_were_schedules_goes_on():
    one, twin = trainer(mf.SGD(0.1)), mf.Trainer.__new__(mf.Trainer)
    one.learning_rate = 0.2
    one.fit(X, Y, verbose=0)
    old = pickle.loads(pickle.dumps(one.__getstate__()))
    old["learning_rate"] = old.pop("_rate")
    for name in ("_series", "_driven", "_dropout_scale", "last_batch"):
        del old[name]
    twin.__setstate__(old)
    for each in (one, twin):
        each.fit(X, Y, verbose=0)
    assert twin.learning_rate == 0.2
    np.testing.assert_array_equal(one.model.parameters, twin.model.parameters)


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("value", "got"), [(math.nan, "nan"), (-0.5, "-0.5"), (math.inf, "inf")], ids=["nan", "negative", "infinite"]
)
def test_a_bad_value_names_its_step_and_changes_nothing(value, got):
    one = trainer(mf.Adam(lambda step: value if step == 7 else 0.1))
    with pytest.raises(ValueError, match=rf"learning_rate to be finite and >= 0, got {got} for step 7 of Function"):
        one.fit(X, Y, epochs=4, verbose=0)
    twin = trainer(mf.Adam(0.1))
    twin.fit(X, Y, verbose=0)
    assert (one.steps, one.epochs, one.history.epochs, one.history.stopped_by) == (5, 1, 1, "error")
    np.testing.assert_array_equal(one.model.parameters, twin.model.parameters)
    np.testing.assert_array_equal(one._state, twin._state)


def test_the_search_for_a_diverged_step_repeats_the_same_rates():
    rates = WAVE.values(np.arange(STEPS), total_steps=STEPS)
    rates[3] = 1e300
    one = trainer(mf.Adam(lambda step: rates[step]), dtype="float32")
    with pytest.raises(mf.DivergenceError, match=r"step 3 of epoch 0, optimizer step 3 .* learning rate 1e\+300"):
        one.fit(X, Y, verbose=0)
    twin = by_hand(
        trainer(mf.Adam(0.1), dtype="float32"),
        3,
        lambda each, k: setattr(each, "learning_rate", float(rates[k]) or 1e-300),
    )
    np.testing.assert_array_equal(one.model.parameters, twin.model.parameters)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.Cosine(-1), ValueError, "initial to be >= 0"),
        (lambda: schedules.Cosine(1, steps=3, epochs=2), ValueError, "steps or epochs of Cosine, got both"),
        (lambda: schedules.Cosine(1, steps=2.5), TypeError, "steps to be an integer"),
        (lambda: schedules.Cosine(1, epochs=0), ValueError, "epochs to be > 0"),
        (lambda: schedules.Cosine(1, cycles=0), ValueError, "cycles to be >= 1"),
        (lambda: schedules.Step(1), ValueError, "expected steps or epochs of Step"),
        (lambda: schedules.Warmup(1), ValueError, "expected steps or epochs of Warmup, got neither"),
        (lambda: schedules.Warmup("cosine", steps=3), TypeError, "schedule to be a number"),
        (lambda: schedules.Exponential(1, per="batch"), ValueError, "unknown per 'batch'"),
        (lambda: schedules.Function(3), TypeError, "function to be callable"),
        (lambda: mf.Adam(schedules.Cosine), TypeError, "got the class Cosine"),
        (lambda: mf.Adam(beta_1=schedules.Cosine(1)), TypeError, "beta_1 to be a number"),
        (lambda: mf.Adam(schedule=schedules.Cosine(1)), TypeError, "learning_rate may be a schedule"),
        (lambda: mf.Trainer(mf.mlp([2, 1]), "mse", schedule=1), TypeError, "optimizer has it"),
        (
            lambda: trainer(mf.Adam(lambda step: "x")).fit(X, Y, verbose=0),
            TypeError,
            "to give numbers, got 'x' for step 0",
        ),
        (
            lambda: trainer(mf.SGD(0.1, momentum=lambda k: 1.5)).fit(X, Y, verbose=0),
            ValueError,
            "momentum .* <= 1, got 1.5",
        ),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()
