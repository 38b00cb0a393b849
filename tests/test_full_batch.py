"""L-BFGS: its direction and its line search against their definitions, its minima against SciPy's, and the trainer's
promises: the same bits however often it is stopped, nothing half done, what makes no sense refused."""

import math
import pickle
import time

import numpy as np
import pytest
import scipy.optimize
import scipy.special

import mlpfast as mf
from mlpfast.core.memory import dot
from mlpfast.fullbatch.lbfgs import Pairs, Point, descent, iterate
from mlpfast.fullbatch.linesearch import Trial, strong_wolfe
from mlpfast.training.holdout import hold_out

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 4))
Y = np.sin(X @ rng.normal(size=(4, 2)))
CLASSES = (X @ rng.normal(size=(4, 3))).argmax(axis=1)
WEIGHT = rng.uniform(0.5, 2, 80)


def trainer(optimizer=None, sizes=(4, 7, 2), loss="mse", output="identity", dtype="float64", **keywords):
    model = mf.mlp(sizes, "tanh", output, dtype=dtype, seed=1)
    return mf.Trainer(model, loss, optimizer or mf.LBFGS(), batch_size=None, **keywords)


# --- the algorithm by itself ---


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 1023, 1024, 1025, 5000])
def test_dot(n):
    a, b = np.random.default_rng(n).normal(size=(2, n))
    assert dot(a, b) == pytest.approx(math.fsum(a * b), rel=1e-13, abs=1e-13)


def test_dot_refuses_what_it_cannot_read():
    for a, b in [(np.ones(4, "float32"), np.ones(4)), (np.ones(8)[::2], np.ones(4)), (np.ones(4), np.ones(5))]:
        with pytest.raises(ValueError, match="dot: expected"):
            dot(a, b)


@pytest.mark.parametrize("scaled", [False, True])
def test_the_direction_is_that_of_bfgs(scaled):
    """Its inverse Hessian written out: H <- (1 - s y' / s'y) H (1 - y s' / s'y) + s s' / s'y."""
    r = np.random.default_rng(2)
    A = r.normal(size=(6, 6))
    A = A @ A.T + np.eye(6)
    metric = r.uniform(0.5, 2, 6) if scaled else np.ones(6)
    pairs = Pairs()
    for step in r.normal(size=(5, 6)):
        pairs = pairs.with_pair(step, A @ step, 4)
    assert len(pairs.steps) == 4
    s, y = pairs.steps[-1], pairs.changes[-1]
    H = np.diag(metric) * (s @ y) / (y @ (metric * y))
    for s, y in zip(*pairs, strict=True):
        V = np.eye(6) - np.outer(y, s) / (s @ y)
        H = V.T @ H @ V + np.outer(s, s) / (s @ y)
    g = r.normal(size=6)
    np.testing.assert_allclose(descent(g, pairs, metric if scaled else None), -H @ g, rtol=1e-10)


#: Of Moré and Thuente (1994), section 5: (5.1), (5.2), (5.4) with two pairs of betas; and walls and cliffs.
LINES = {
    "5.1": lambda t: (-t / (t * t + 2), (t * t - 2) / (t * t + 2) ** 2),
    "5.2": lambda t: ((t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3),
    "5.4a": lambda t: _yanai(t, 0.001, 0.001),
    "5.4b": lambda t: _yanai(t, 0.01, 0.001),
    "wall": lambda t: (-2 * t - np.log1p(-t), -2 + 1 / (1 - t)) if t < 1 else (np.inf, np.nan),
    "cliff": lambda t: (np.exp(t) - 3 * t, np.exp(t) - 3) if t < 4 else (np.nan, np.nan),
    "far": lambda t: (1e-6 * (t - 1e3) ** 2, 2e-6 * (t - 1e3)),
}


def _yanai(t, b1, b2):
    g1, g2 = (math.sqrt(1 + b * b) - b for b in (b1, b2))
    loss = g1 * math.hypot(1 - t, b2) + g2 * math.hypot(t, b1)
    return loss, -g1 * (1 - t) / math.hypot(1 - t, b2) + g2 * t / math.hypot(t, b1)


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("c2", [0.1, 0.9])
@pytest.mark.parametrize("name", LINES)
def test_a_line_search_ends_where_the_conditions_hold(name, c2, first):
    calls = []

    def evaluate(t):
        calls.append(t)
        with np.errstate(all="ignore"):
            return Trial(t, *map(float, LINES[name](t)), None)

    start = evaluate(0.0)
    end = strong_wolfe(evaluate, start, first, c1=1e-4, c2=c2, noise=0.0, most=25)
    assert end.loss <= start.loss + 1e-4 * end.at * start.slope
    assert abs(end.slope) <= -c2 * start.slope
    assert len(calls) <= 18


def test_a_line_search_sees_through_noise():
    """Losses that are the same but for rounding: the slope decides."""

    def evaluate(t):
        return Trial(t, 1.0 + 1e-8 * (t > 0), 2 * (t - 0.3), None)

    assert strong_wolfe(evaluate, evaluate(0.0), 1.0, c1=1e-4, c2=0.5, noise=0.0, most=10).at == 0
    assert abs(strong_wolfe(evaluate, evaluate(0.0), 0.4, c1=1e-4, c2=0.5, noise=1e-7, most=10).at - 0.3) < 0.15


def test_rosenbrock():
    def evaluate(x):
        loss, gradient = scipy.optimize.rosen(x), scipy.optimize.rosen_der(x)
        return Point(x, float(loss), gradient)

    point, pairs = evaluate(np.array([-1.2, 1.0])), Pairs()
    for _ in range(45):
        point, pairs = iterate(evaluate, point, pairs, memory=10, first=1.0, c1=1e-4, c2=0.9, most=25)
    np.testing.assert_allclose(point.at, [1, 1], rtol=1e-7)


def test_a_metric_is_a_change_of_variables():
    """x = c w: iterations in w, and those in x with the metric c^2, go through the same points."""
    c = np.array([0.5, 2.0])

    def in_x(x):
        return Point(x, float(scipy.optimize.rosen(x)), scipy.optimize.rosen_der(x))

    def in_w(w):
        return Point(w, float(scipy.optimize.rosen(c * w)), c * scipy.optimize.rosen_der(c * w))

    settings = {"memory": 3, "c1": 1e-4, "c2": 0.9, "most": 25}
    x, w = in_x(np.array([-1.2, 1.0])), in_w(np.array([-1.2, 1.0]) / c)
    of_x, of_w = Pairs(), Pairs()
    for _ in range(8):  # the first steps are not of one length: no pairs yet
        first = 1.0 if of_x.steps else 1e-3 * max(1.0, np.linalg.norm(c * c * x.gradient))
        x, of_x = iterate(in_x, x, of_x, first=first, metric=c * c, **settings)
        first = 1.0 if of_w.steps else 1e-3 * max(1.0, np.linalg.norm(w.gradient))
        w, of_w = iterate(in_w, w, of_w, first=first, **settings)
        np.testing.assert_allclose(x.at, c * w.at, rtol=1e-9)


# --- beside SciPy ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_finds_the_minimum_that_scipy_finds(dtype):
    """Of a convex loss, with penalty and weights."""
    ours = trainer(sizes=(4, 3), loss="cross_entropy", output="softmax", l2=0.01, dtype=dtype)
    history = ours.fit(X, CLASSES, epochs=300, sample_weight=WEIGHT, verbose=0)
    assert history.stopped_by == "convergence"
    assert history.reason.startswith(("converged", "no further improvement"))

    def loss(p):
        W, b = p[:12].reshape(4, 3), p[12:]
        log_p = scipy.special.log_softmax(X @ W + b, axis=1)
        delta = (np.exp(log_p) - np.eye(3)[CLASSES]) * (WEIGHT / WEIGHT.sum())[:, None]
        value = -np.average(log_p[np.arange(80), CLASSES], weights=WEIGHT) + 0.005 * (W * W).sum()
        return value, np.concatenate([(X.T @ delta + 0.01 * W).ravel(), delta.sum(axis=0)])

    options = {"gtol": 1e-9, "ftol": 0, "maxiter": 1000}
    theirs = scipy.optimize.minimize(loss, np.zeros(15), jac=True, method="L-BFGS-B", options=options)
    rounding = 1e-9 if dtype == "float64" else 1e-6
    assert history["loss"][-1] == pytest.approx(theirs.fun, abs=rounding)
    # the biases' mean is free
    model = ours.model
    biases = model.biases[0] - model.biases[0].mean()
    np.testing.assert_allclose(model.weights[0].ravel(), theirs.x[:12], atol=100 * math.sqrt(rounding))
    np.testing.assert_allclose(biases, theirs.x[12:] - theirs.x[12:].mean(), atol=100 * math.sqrt(rounding))


def test_a_small_net_comes_as_far_as_with_scipy():
    ours = trainer(mf.LBFGS(), sizes=(4, 16, 16, 2))
    copy = ours.model.copy()

    def loss(p):
        copy.parameters[:] = p
        return copy.loss_and_gradient(X, Y, "mse")

    options = {"maxcor": 10, "maxiter": 100, "gtol": 0, "ftol": 0}
    theirs = scipy.optimize.minimize(loss, copy.parameters.copy(), jac=True, method="L-BFGS-B", options=options)
    history = ours.fit(X, Y, epochs=100, verbose=0)
    assert history["loss"] == sorted(history["loss"], reverse=True)
    assert history["loss"][-1] < 2 * theirs.fun
    evaluations = np.sum(np.multiply(history.samples_per_second, history.seconds)) / len(X)
    assert evaluations < 1.25 * theirs.nfev


# --- the trainer ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_n_fits_are_one_fit_of_n_epochs(dtype):
    once, often, copied = (trainer(dtype=dtype) for _ in range(3))
    once.fit(X, Y, epochs=30, verbose=0)
    for _ in range(30):
        often.fit(X, Y, verbose=0)
        copied = pickle.loads(pickle.dumps(copied))
        copied.fit(X, Y, verbose=0)
    for other in (often, copied):
        assert other.model.parameters.tobytes() == once.model.parameters.tobytes()
        assert (other.epochs, other.steps) == (once.epochs, once.steps) == (30, 30)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_history_is_that_of_the_model_after_each_epoch(dtype):
    one = trainer(loss="cross_entropy", output="softmax", sizes=(4, 6, 3), l2=0.01, metrics=["accuracy"], dtype=dtype)
    for _ in range(5):
        history = one.fit(X, CLASSES, sample_weight=WEIGHT, validation_data=(X, CLASSES, WEIGHT), verbose=0)
        assert history["loss"] == pytest.approx(history["val_loss"], rel=1e-6 if dtype == "float32" else 1e-12)
        assert history["accuracy"] == pytest.approx(history["val_accuracy"])


def test_weights_count_rows():
    counts = rng.integers(0, 4, len(X))
    weighted, repeated = trainer(), trainer()
    weighted.fit(X, Y, epochs=5, sample_weight=counts, verbose=0)
    repeated.fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0), epochs=5, verbose=0)
    np.testing.assert_allclose(weighted.model.parameters, repeated.model.parameters, rtol=1e-7)


def test_what_is_frozen_stays():
    one = trainer(groups={"W0": {"trainable": False}})
    before = {name: tensor.copy() for name, tensor in one.model.tensors.items()}
    one.fit(X, Y, epochs=10, verbose=0)
    changed = [name for name, tensor in one.model.tensors.items() if (tensor != before[name]).any()]
    assert changed == ["b0", "W1", "b1"]


def test_what_is_frozen_on_the_way_stays():
    """What is remembered of the iterations before moves it no more."""
    one = trainer()
    one.fit(X, Y, epochs=5, verbose=0)
    one.groups = {"W0": {"trainable": False}}
    before = one.model.copy()
    history = one.fit(X, Y, epochs=5, verbose=0)
    assert (one.model.tensors["W0"] == before.tensors["W0"]).all()
    assert history["loss"] == sorted(history["loss"], reverse=True)
    one.groups = None
    one.fit(X, Y, epochs=5, verbose=0)
    assert (one.model.tensors["W0"] != before.tensors["W0"]).all()


def test_a_group_is_trained_at_its_own_rate():
    plain, slow = trainer(), trainer(groups={"W0": {"learning_rate_scale": 0.01}})
    before = plain.model.copy()
    for one in (plain, slow):
        one.fit(X, Y, verbose=0)
    moved = [one.model.tensors["W0"] - before.tensors["W0"] for one in (plain, slow)]
    assert np.linalg.norm(moved[1]) < 0.1 * np.linalg.norm(moved[0])
    assert slow.fit(X, Y, epochs=300, verbose=0)["loss"][-1] < 0.01


def test_tables_that_other_steps_update_by_rows():
    codes = rng.integers(0, 5, size=(80, 1)).astype(np.float64)
    found = []
    for update in ("rows", "all"):
        model = mf.Model(1, [mf.Embedding(6, 3, update=update), mf.Dense(2)], dtype="float64", seed=3)
        mf.Trainer(model, "mse", mf.LBFGS(), batch_size=None).fit(codes, Y, epochs=10, verbose=0)
        found.append(model.parameters.copy())
    np.testing.assert_array_equal(*found)


def test_it_begins_anew_where_others_write_parameters():
    written = trainer().model.parameters + 0.1

    class Write(mf.callbacks.Callback):
        def on_epoch_begin(self, trainer, logs):
            if trainer.epochs == 5:
                trainer.model.parameters[:] = written

    one, fresh = trainer(callbacks=[Write()]), trainer()
    one.fit(X, Y, epochs=10, verbose=0)
    fresh.model.parameters[:] = written
    fresh.fit(X, Y, epochs=5, verbose=0)
    assert one.model.parameters.tobytes() == fresh.model.parameters.tobytes()


def test_settings_count_from_the_next_epoch():
    """What is known of the old loss is not taken for the new one's."""

    class Penalise(mf.callbacks.Callback):
        def on_epoch_end(self, trainer, logs):
            trainer.l2 = 0.1

    together, apart = trainer(callbacks=[Penalise()]), trainer()
    together.fit(X, Y, epochs=4, verbose=0)
    apart.fit(X, Y, verbose=0)
    apart.l2 = 0.1
    apart.fit(X, Y, epochs=3, verbose=0)
    assert together.model.parameters.tobytes() == apart.model.parameters.tobytes()


def test_early_stopping_keeps_the_best():
    stop = mf.callbacks.EarlyStopping("val_loss", patience=3)
    one = trainer(sizes=(4, 30, 2), callbacks=[stop])
    history = one.fit(X[:20], Y[:20], epochs=200, validation_data=(X[20:], Y[20:]), verbose=0)
    assert history.stopped_by == "EarlyStopping"
    assert one.evaluate(X[20:], Y[20:])["loss"] == pytest.approx(min(history["val_loss"]))


def test_it_says_why_it_ends():
    flat = trainer(mf.LBFGS(tolerance_grad=1e-2)).fit(X, Y, epochs=500, verbose=0)
    assert flat.reason == "converged: no element of the gradient above 0.01 (tolerance_grad)"
    level = trainer(mf.LBFGS(tolerance_change=1e-3)).fit(X, Y, epochs=500, verbose=0)
    assert level.reason == "converged: the loss falls by no more than 0.001 (tolerance_change)"
    assert flat.stopped_by == level.stopped_by == "convergence"
    done = trainer(mf.LBFGS(tolerance_grad=1e3))
    history = done.fit(X, Y, epochs=5, verbose=0)
    assert history.epochs == done.epochs == done.steps == 0 and history["loss"] == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_ends_where_no_lower_loss_is_seen(dtype):
    one = trainer(mf.LBFGS(tolerance_grad=0, tolerance_change=0), sizes=(4, 2), dtype=dtype)
    history = one.fit(X, Y, epochs=300, verbose=0)
    assert history.stopped_by == "convergence"
    A = np.column_stack([X, np.ones(80)])
    best = np.linalg.lstsq(A, Y, rcond=None)[0]
    np.testing.assert_allclose(one.model.weights[0], best[:4], atol=1e-6 if dtype == "float64" else 1e-3)


def test_an_interrupt_leaves_the_last_whole_iteration():
    """Also in the middle of a line search; and training goes on from there as if nothing had been."""
    left = math.inf

    def half_square(y, outputs):
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return 0.5 * ((outputs - y) ** 2).sum(axis=1), outputs - y

    loss = mf.losses.Custom(half_square)
    whole, cut = trainer(loss=loss), trainer(loss=loss)
    whole.fit(X, Y, epochs=25, verbose=0)
    for k in (1, 2, 3, 2, 4, 2, 5, 3):
        left = k
        before = cut.steps
        with pytest.raises(KeyboardInterrupt):
            cut.fit(X, Y, epochs=1000, verbose=0)
        left = math.inf
        assert cut.history.stopped_by == "interrupt"
        assert cut.steps == cut.epochs == before + cut.history.epochs
    cut.fit(X, Y, epochs=25 - cut.steps, verbose=0)
    assert cut.model.parameters.tobytes() == whole.model.parameters.tobytes()


def test_out_of_time():
    one = trainer()
    before = one.model.parameters.copy()
    assert one.run_epoch(X, Y, deadline=time.monotonic() - 1).status == "deadline"
    assert one.model.parameters.tobytes() == before.tobytes()
    assert one.steps == one.epochs == 0
    history = trainer(mf.LBFGS(tolerance_grad=0, tolerance_change=0), sizes=(4, 50, 2)).fit(
        X, Y, epochs=10**6, max_seconds=0.05, verbose=0
    )
    assert history.stopped_by == "max_seconds"


def test_a_loss_that_is_not_finite_from_the_start():
    one = trainer()
    one.model.parameters[:] *= 1e200
    before = one.model.parameters.copy()
    with pytest.raises(mf.DivergenceError, match="not finite"):
        one.fit(X, Y, verbose=0)
    assert one.model.parameters.tobytes() == before.tobytes()


def test_nan_in_the_rows_is_named():
    bad = X.copy()
    bad[7, 2] = np.nan
    one = trainer()
    with pytest.raises(ValueError, match="got NaN at row 7, column 2"):
        one.fit(bad, Y, verbose=0)
    assert one.steps == 0


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"batch_size": 128}, r"expected batch_size=None with LBFGS, which takes all rows in each step; got 128"),
        ({"l1": 0.1}, "expected no l1 with LBFGS, whose line search needs a smooth loss"),
        ({"clip_norm": 1.0}, "expected no clip_norm with LBFGS"),
        ({"clip_value": 1.0}, "expected no clip_value with LBFGS"),
        ({"dropout_scale": mf.schedules.Cosine(0.5)}, "expected no schedule of dropout_scale with LBFGS"),
        ({"groups": {"W0": {"l1": 0.1}}}, "expected no l1 of 'W0' with LBFGS"),
        ({"groups": {"W0": {"max_norm": 1.0}}}, "expected no max_norm of 'W0' with LBFGS"),
    ],
)
def test_settings_that_make_no_sense_are_refused(keywords, message):
    keywords = {"batch_size": None, **keywords}
    with pytest.raises(ValueError, match=message):
        mf.Trainer(mf.mlp([4, 3, 2]), "mse", "lbfgs", **keywords)
    later = mf.Trainer(mf.mlp([4, 3, 2]), "mse", "sgd", **keywords)
    later.optimizer = mf.LBFGS()
    before = later.model.parameters.copy()
    with pytest.raises(ValueError, match=message):
        later.fit(X, Y, verbose=0)
    assert later.model.parameters.tobytes() == before.tobytes()


def test_layers_that_make_no_sense_are_refused():
    for layer in (mf.Dropout(0.2), mf.BatchNorm()):
        model = mf.Model(4, [mf.Dense(3), layer, mf.Dense(2)])
        with pytest.raises(ValueError, match=f"expected no {type(layer).__name__} with LBFGS"):
            mf.Trainer(model, "mse", mf.LBFGS(), batch_size=None)
    with pytest.raises(ValueError, match="train_on_batch: expected an optimizer that takes batches, got LBFGS"):
        trainer().train_on_batch(X, Y)


def test_schedules_are_refused():
    with pytest.raises(ValueError, match="expected no schedule of learning_rate with LBFGS"):
        trainer(mf.LBFGS(mf.schedules.Cosine(1.0)))
    with pytest.raises(ValueError, match="expected no weight_decay with LBFGS"):
        mf.LBFGS(weight_decay=mf.schedules.Cosine(1.0))


def test_arguments():
    for keywords, message in [
        ({"weight_decay": 0.1}, r"expected no weight_decay with LBFGS, Trainer\(l2=...\) is a penalty; got 0.1"),
        ({"ema": 0.9}, "expected no ema with LBFGS"),
        ({"history_size": 0}, "expected history_size to be >= 1, got 0"),
        ({"c1": 0.95}, "expected c1 to be > 0 and < 0.9, got 0.95"),
        ({"c2": 1.0}, "expected c2 to be > 0 and < 1, got 1.0"),
    ]:
        with pytest.raises(ValueError, match=message):
            mf.LBFGS(**keywords)
    with pytest.raises(TypeError, match="optimizers of full batches call it tolerance_grad"):
        mf.LBFGS(gtol=1e-5)


def test_it_is_exchanged_for_another_and_back():
    one = trainer(mf.Adam(0.01))
    one.fit(X, Y, epochs=3, verbose=0)
    one.optimizer = mf.LBFGS()
    loss = one.evaluate(X, Y)["loss"]
    assert one.fit(X, Y, epochs=3, verbose=0)["loss"][-1] < loss
    one.optimizer = "adam"
    one.fit(X, Y, epochs=3, verbose=0)
    assert one.steps == 9


@pytest.mark.parametrize("optimizer", [mf.LBFGS(), mf.NewtonCG(), mf.LevenbergMarquardt()], ids=lambda o: o.name)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_rows_held_out_are_not_trained_on(optimizer, weight):
    other, drawn = Y.copy(), hold_out(80, 0.25, 0)
    other[drawn[1]] = 9.0
    found = []
    for targets in (Y, other):
        each = trainer(optimizer)
        history = each.fit(X, targets, 4, sample_weight=weight, validation_fraction=0.25, verbose=0)
        found.append((history["loss"], each.model.parameters.tobytes()))
        held = [None if part is None else part[drawn[1]] for part in (X, targets, weight)]
        assert history["val_loss"][-1] == each.evaluate(*held)["loss"]
    assert found[0] == found[1]
