"""The search for a learning rate: its losses are those of the steps, and nothing is left behind."""

import pickle
import sys

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.core.random import SHUFFLE, permutation
from mlpfast.lrfinder import LRFinder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4))
Y = (X[:, 0] > 0) + (X[:, 1] > 0.5)


def trainer(optimizer="adam", norm=False, **keywords):
    layers = [mf.Dense(8), *[mf.BatchNorm()] * norm, mf.Activate("tanh"), mf.Dense(3, "softmax")]
    return mf.Trainer(mf.Model(4, layers, seed=1, dtype="float64"), "cross_entropy", optimizer, 16, seed=3, **keywords)


def everything(one):
    """What a trainer and its model consist of, but for the engine, which a search does not touch."""
    state = one.__getstate__()
    model, series = state.pop("_model"), state.pop("_series")
    return pickle.dumps([state, model.state, vars(series)])


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize(
    "optimizer",
    [mf.Adam(0.01), mf.SGD(mf.schedules.Cosine(0.1, epochs=9), momentum=0.9), mf.ScheduleFreeAdamW(), mf.Adam(ema=0.9)],
    ids=lambda optimizer: optimizer.name,
)
def test_the_trainer_stays_as_it_is(optimizer, trained):
    searched, twin = trainer(optimizer, norm=True), trainer(optimizer, norm=True)
    for one in (searched, twin):
        if trained:
            one.fit(X, Y, epochs=2, verbose=0)
    twin._run_id = searched._run_id
    before, calls = everything(searched), searched.history.seconds[:]
    found = mf.lr_finder(searched, X, Y)
    assert everything(searched) == before and searched.history.seconds == calls
    assert len(found.rates) > 20
    for one in (searched, twin):
        one.fit(X, Y, epochs=2, verbose=0)
    assert searched.model.state.tobytes() == twin.model.state.tobytes()
    assert searched._state.tobytes() == twin._state.tobytes()


def test_the_losses_are_those_of_the_batches_of_fit():
    found = mf.lr_finder(trainer(l2=0.01), X, Y, start=1e-4, stop=0.1, steps=12)
    by_hand = trainer(l2=0.01)
    batches = [
        order[k : k + 16] for e in range(3) for order in [permutation(3, SHUFFLE, e, 70)] for k in (0, 16, 32, 48)
    ]
    losses = []
    for rate, rows in zip(found.rates, batches, strict=True):
        by_hand.learning_rate = rate
        losses.append(by_hand.train_on_batch(X[rows], Y[rows]))
    np.testing.assert_allclose(found.rates, 1e-4 * 1000 ** (np.arange(12) / 11))
    np.testing.assert_array_equal(found.losses, losses)


def test_the_suggestion_is_where_the_smoothed_loss_falls_steepest():
    found = mf.lr_finder(trainer(), X, Y)
    at = np.arange(len(found.losses))
    bells = np.exp(-((at[:, None] - at) ** 2) / 18) * (abs(at[:, None] - at) < 10)
    np.testing.assert_allclose(found.smoothed, bells @ found.losses / bells.sum(axis=1))
    slopes = np.gradient(found.smoothed, np.log(found.rates))
    assert found.suggestion == found.rates[slopes[: found.smoothed.argmin()].argmin()]
    assert 1e-3 < found.suggestion < 1
    assert (
        repr(found) == f"<LRFinder of {len(at)} rates up to {found.rates[-1]:.3g}; suggestion: {found.suggestion:.3g}>"
    )


def test_it_ends_where_the_loss_goes_up_or_is_not_finite():
    found = mf.lr_finder(trainer("sgd"), X, Y, stop=1e6, diverges_at=1.5)
    assert found.rates[-1] < 1e4 and found.smoothed[-1] > 1.5 * found.smoothed.min() > 0
    regression = mf.Trainer(mf.mlp([4, 1], seed=1), "mse", "sgd")  # float32: its loss overflows
    found = mf.lr_finder(regression, X, X[:, :1], stop=1e30, diverges_at=1e300)
    assert found.rates[-1] < 1e25 and np.isfinite(found.losses).all()


def test_no_suggestion_where_the_loss_never_falls():
    linear = mf.mlp([4, 1], seed=1)
    found = mf.lr_finder(mf.Trainer(linear, "mse"), X, linear.predict(X.astype(np.float32)))
    assert found.suggestion is None and repr(found).endswith("suggestion: none>")


@pytest.mark.parametrize("batch_size", [None, 16, 100])
def test_what_else_the_trainer_has_runs_as_in_fit(batch_size):
    one = trainer(
        mf.SGD(0.1, momentum=mf.schedules.Cosine(0.9, 0.5), weight_decay=mf.schedules.FlatCos(0.1, epochs=3)),
        class_weight="balanced",
        clip_norm=1.0,
    )
    one.batch_size = batch_size
    weights = RNG.uniform(size=70)
    found = mf.lr_finder(one, X.tolist(), Y.tolist(), weights, steps=20)
    assert len(found.rates) == 20 and found.losses[-1] < found.losses[0]


def test_plot():
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    found = mf.lr_finder(trainer(), X, Y)
    ax = pyplot.figure().add_subplot()
    assert found.plot(ax) is ax
    assert ax.get_xscale() == "log" and len(ax.lines) == 3
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), found.losses)
    assert LRFinder(found.rates, found.losses, found.smoothed, None).plot().figure is not ax.figure
    pyplot.close("all")


def test_plot_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"needs matplotlib; install it with: .*mlpfast\[plot\]"):
        mf.lr_finder(trainer(), X, Y, steps=10).plot()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"start": 0}, "start to be > 0, got 0"),
        ({"start": 2.0, "stop": 1.0}, "stop to be > 2, got 1.0"),
        ({"steps": 9}, "steps to be >= 10, got 9"),
        ({"diverges_at": 1}, "diverges_at to be > 1, got 1"),
        ({"X": X[:, :2]}, "expected 4 features, got 2"),
    ],
)
def test_errors(keywords, message):
    one = trainer()
    before = everything(one)
    with pytest.raises(ValueError, match=message):
        mf.lr_finder(one, **{"X": X, "y": Y} | keywords)
    assert everything(one) == before


def test_other_errors():
    with pytest.raises(TypeError, match="expected trainer to be a Trainer, got Model"):
        mf.lr_finder(trainer().model, X, Y)
    full_batch = mf.Trainer(mf.mlp([4, 1]), "mse", mf.LBFGS(), None)
    with pytest.raises(ValueError, match="expected an optimizer that takes batches, got LBFGS"):
        mf.lr_finder(full_batch, X, X[:, :1])
    huge = mf.Trainer(mf.mlp([4, 1], seed=1), "mse")
    with pytest.raises(mf.DivergenceError):
        mf.lr_finder(huge, X * 1e30, X[:, :1])


def test_a_copy_of_a_trainer_on_full_batches_goes_on():
    one = mf.Trainer(mf.mlp([4, 5, 1], "tanh", dtype="float64", seed=1), "mse", mf.LBFGS(), batch_size=None)
    one.fit(X, X[:, :1], epochs=3, verbose=0)
    twin = one.copy()
    for each in (one, twin):
        each.fit(X, X[:, :1], epochs=3, verbose=0)
    np.testing.assert_array_equal(one.model.parameters, twin.model.parameters)


def test_a_copy_is_independent():
    one = trainer(mf.SGD(mf.schedules.Step(0.1, 0.5, epochs=1)))
    one.fit(X, Y, epochs=2, verbose=0)
    before, twin = everything(one), one.copy()
    assert twin.learning_rate == one.learning_rate == 0.05 and twin.run_id == one.run_id
    assert twin.fit(X, Y, verbose=0)["learning_rate"] == [0.025]
    assert everything(one) == before
    one.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(one.model.parameters, twin.model.parameters)
