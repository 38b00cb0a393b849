"""Levenberg-Marquardt and Newton-CG: their steps by their definitions, minima beside SciPy's, what first order does not
reach, and the trainer's promises."""

import builtins
import itertools
import math
import pickle

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.special

import mlpfast as mf
from mlpfast.fullbatch.allrows import AllRows
from mlpfast.fullbatch.lbfgs import Point
from mlpfast.fullbatch.trustregion import Radius, minimizer, within_radius

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 4))
Y = np.sin(X @ rng.normal(size=(4, 2)))
CLASSES = (X @ rng.normal(size=(4, 3))).argmax(axis=1)
WEIGHT = rng.uniform(0.5, 2, 80)
BOTH = [mf.LevenbergMarquardt(), mf.NewtonCG()]
NAMES = ["LevenbergMarquardt", "NewtonCG"]
both = pytest.mark.parametrize("optimizer", BOTH, ids=NAMES)


def trainer(optimizer, sizes=(4, 7, 2), loss="mse", output="identity", dtype="float64", **keywords):
    model = mf.mlp(sizes, "tanh", output, dtype=dtype, seed=1)
    return mf.Trainer(model, loss, optimizer, batch_size=None, **keywords)


# --- the algorithms by themselves ---


@pytest.mark.parametrize("first", [(-1.2, 1.0, 0.5), (3.0, -4.0, 2.0), (0.0, 0.0, 0.0)])
@pytest.mark.parametrize("radius", [0.1, 1.0, 50.0])
def test_iterations_one_by_one_go_where_scipys_run_goes(first, radius):
    """Through steps that are refused, negative curvature, and radii that shrink and grow: the radius is SciPy's own."""

    def evaluate(x):
        return Point(x, float(scipy.optimize.rosen(x)), scipy.optimize.rosen_der(x))

    run = []
    options = {"initial_trust_radius": radius, "max_trust_radius": 60.0, "gtol": 1e-9, "eta": 0.15}
    scipy.optimize.minimize(
        scipy.optimize.rosen, first, jac=scipy.optimize.rosen_der, hess=scipy.optimize.rosen_hess, method="trust-ncg",
        callback=lambda x: run.append(x.copy()), options=options,
    )  # fmt: skip
    run = [x for before, x in itertools.pairwise([np.array(first), *run]) if (x != before).any()]
    assert len(run) > 10
    point, kept = evaluate(np.array(first)), Radius(radius)
    for x in run:
        product = scipy.optimize.rosen_hess(point.at).dot
        settings = {"rate": 1.0, "largest": 60.0, "eta": 0.15, "minimize": minimizer()}
        point, kept = within_radius(evaluate, product, point, kept, **settings)
        np.testing.assert_array_equal(point.at, x)
    np.testing.assert_allclose(point.at, np.ones(3), rtol=1e-9)


def test_where_losses_gradients_or_products_are_not_finite():
    """Steps become shorter; and where products overflow, the step goes to the edge."""

    def evaluate(x):
        loss = math.nan if x[0] < -1 else math.inf if x[0] < 0 else float((x**2).sum())
        return Point(x, loss, np.full(2, math.nan) if x[0] < 0.2 else 2 * x)

    start = evaluate(np.array([3.0, 1.0]))
    settings = {"rate": 1.0, "largest": 60.0, "eta": 0.15, "minimize": minimizer()}
    for product in (lambda v: 0.5 * v, lambda v: np.full(2, math.nan), lambda v: np.full(2, math.inf)):
        end, kept = within_radius(evaluate, product, start, Radius(30.0), **settings)
        assert end.loss < start.loss and 0 < kept.radius < 30.0
        assert np.isfinite(end.gradient).all()
    never = lambda x: Point(x, math.nan, x)  # noqa: E731
    assert within_radius(never, lambda v: v, start, Radius(1.0), **settings) == (start, Radius(1.0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_of_levenberg_marquardt_is_the_solution_of_its_system(dtype):
    """With penalties, weights and two outputs; the Jacobian is that of finite differences."""
    damping = 0.5
    one = trainer(mf.LevenbergMarquardt(damping=damping), l2=0.1, dtype=dtype)
    p, other = one.model.parameters.astype(float), mf.mlp((4, 7, 2), "tanh", dtype="float64", seed=1)

    def outputs(p):
        other.parameters = p
        return other.predict(X.astype(dtype)).copy()

    steps = 1e-6 * np.eye(len(p))
    J = np.stack([(outputs(p + e) - outputs(p - e)) / 2e-6 for e in steps], axis=-1)
    w = WEIGHT / WEIGHT.sum()
    penalty = np.zeros(len(p))
    for tensor in one.model.program.tensors:
        penalty[tensor.offset : tensor.offset + tensor.size] = 0.1 * tensor.decays
    A = np.einsum("nkp,n,nkq->pq", J, w, J) + np.diag(penalty)
    g = np.einsum("nkp,n,nk->p", J, w, outputs(p) - Y) + penalty * p
    scales = np.maximum(np.diag(A), 0.01 * np.diag(A).max())
    expected = p - np.linalg.solve(A + damping * np.diag(scales), g)
    one.fit(X, Y, sample_weight=WEIGHT, verbose=0)
    np.testing.assert_allclose(one.model.parameters, expected, atol=1e-6 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize("over_weights", [False, True])
def test_one_step_solves_linear_least_squares(over_weights):
    """All penalties are in the curvature, also those that groups have, and what a group freezes is left out."""
    groups = {"W0": {"l2": 0.3}, "b0": {"trainable": False}}
    for optimizer in (mf.LevenbergMarquardt(damping=1e-14), mf.NewtonCG(initial_trust_radius=100.0)):
        one = trainer(optimizer, sizes=(4, 2), groups=groups, l2=0.1, penalty_over_weights=over_weights)
        one.fit(X, Y, epochs=1 if isinstance(optimizer, mf.LevenbergMarquardt) else 20, sample_weight=WEIGHT, verbose=0)
        penalty = 0.3 / WEIGHT.sum() if over_weights else 0.3
        w = WEIGHT[:, None] / WEIGHT.sum()
        best = np.linalg.solve(X.T @ (w * X) + penalty * np.eye(4), X.T @ (w * Y))
        np.testing.assert_allclose(one.model.weights[0], best, atol=1e-7)
        assert not one.model.biases[0].any()


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_rate_of_newton_cg_is_a_factor_of_the_radius(rate):
    one = trainer(mf.NewtonCG(rate, initial_trust_radius=0.1))
    before = one.model.parameters.copy()
    one.fit(X, Y, verbose=0)
    assert np.linalg.norm(one.model.parameters - before) == pytest.approx(0.1 * rate)


# --- beside SciPy ---


def test_it_finds_the_least_squares_that_scipy_finds():
    """Of a net's outputs with noise: a minimum of its own is near."""
    x = np.linspace(-3, 3, 60)[:, None]
    one = trainer(mf.LevenbergMarquardt(tolerance_change=1e-13), sizes=(1, 3, 1))
    one.model.parameters = np.array([1.0, -2, 0.5, 0.5, 1, -1, 1, 1.5, -1, 0.2])
    y = one.model.predict(x) + 0.05 * np.random.default_rng(4).normal(size=(60, 1))
    first = one.model.parameters.copy()

    def residuals(p):
        W0, b0, W1, b1 = np.split(p, [3, 6, 9])
        return (np.tanh(x * W0 + b0) @ W1 + b1) - y[:, 0]

    theirs = scipy.optimize.least_squares(residuals, first, method="lm", xtol=1e-14, ftol=1e-14, max_nfev=20_000)
    history = one.fit(x, y, epochs=500, verbose=0)
    assert history["loss"] == sorted(history["loss"], reverse=True)
    assert history["loss"][-1] == pytest.approx(theirs.cost / 60, rel=1e-9)


def test_it_finds_the_minimum_that_trust_ncg_finds():
    one = trainer(mf.NewtonCG(tolerance_grad=1e-10), (4, 3), "cross_entropy", "softmax", l2=0.01)
    f = one.model.copy().objective(X, CLASSES, "cross_entropy", l2=0.01, sample_weight=WEIGHT)
    theirs = scipy.optimize.minimize(
        lambda p: f(p)[0], f.parameters, jac=lambda p: f(p)[1], hessp=f.hvp, method="trust-ncg", options={"gtol": 1e-9}
    )
    history = one.fit(X, CLASSES, epochs=100, sample_weight=WEIGHT, verbose=0)
    assert history.stopped_by == "convergence"
    assert abs(history.epochs - theirs.nit) <= 2
    assert history["loss"][-1] == pytest.approx(theirs.fun, rel=1e-12)
    np.testing.assert_allclose(one.model.weights[0].ravel(), theirs.x[:12], atol=1e-6)


# --- what first order does not reach ---


def adam(sizes, x, y, epochs, rate, seed):
    model = mf.mlp(sizes, "tanh", dtype="float64", seed=seed)
    one = mf.Trainer(model, "mse", mf.Adam(mf.schedules.Cosine(rate)), batch_size=None)
    return one.fit(x, y, epochs=epochs, verbose=0)["loss"][-1]


def test_the_sine():
    x = np.linspace(-math.pi, math.pi, 100)[:, None]
    y = np.sin(x)
    model = mf.mlp([1, 10, 1], "tanh", dtype="float64", seed=0)
    reached = mf.Trainer(model, "mse", mf.LevenbergMarquardt(), batch_size=None).fit(x, y, epochs=600, verbose=0)
    assert reached["loss"][-1] < 1e-8
    assert reached["loss"][-1] < 0.01 * min(adam([1, 10, 1], x, y, 2000, rate, 0) for rate in (0.003, 0.01, 0.03))


def test_a_surrogate_without_noise():
    r = np.random.default_rng(5)
    x = r.uniform(-1, 1, (400, 6))
    y = mf.mlp([6, 5, 1], "tanh", dtype="float64", seed=9).predict(x)
    model = mf.mlp([6, 10, 10, 1], "tanh", dtype="float64", seed=0)
    reached = mf.Trainer(model, "mse", mf.LevenbergMarquardt(), batch_size=None).fit(x, y, epochs=40, verbose=0)
    assert reached["loss"][-1] < 0.01 * adam([6, 10, 10, 1], x, y, 1000, 0.01, 0)


# --- the trainer ---


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_n_fits_are_one_fit_of_n_epochs(optimizer, dtype, tmp_path):
    once, often, copied, saved = (trainer(optimizer, dtype=dtype) for _ in range(4))
    once.fit(X, Y, epochs=8, verbose=0)
    for _ in range(8):
        often.fit(X, Y, verbose=0)
        copied = pickle.loads(pickle.dumps(copied))
        copied.fit(X, Y, verbose=0)
        saved.save(tmp_path / "saved.npz")
        saved = mf.Trainer.load(tmp_path / "saved.npz")
        saved.fit(X, Y, verbose=0)
    for other in (often, copied, saved):
        assert other.model.parameters.tobytes() == once.model.parameters.tobytes()
        assert (other.epochs, other.steps) == (once.epochs, once.steps) == (8, 8)


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_history_is_that_of_the_model_after_each_epoch(optimizer, dtype):
    one = trainer(optimizer, metrics=["mae"], l2=0.01, dtype=dtype)
    losses = []
    for _ in range(4):
        history = one.fit(X, Y, sample_weight=WEIGHT, validation_data=(X, Y, WEIGHT), verbose=0)
        assert history["loss"] == pytest.approx(history["val_loss"], rel=1e-6 if dtype == "float32" else 1e-12)
        assert history["mae"] == pytest.approx(history["val_mae"])
        losses += history["loss"]
    assert losses == sorted(losses, reverse=True)


@both
def test_weights_count_rows(optimizer):
    counts = rng.integers(0, 4, len(X))
    weighted, repeated = trainer(optimizer), trainer(optimizer)
    weighted.fit(X, Y, epochs=3, sample_weight=counts, verbose=0)
    repeated.fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0), epochs=3, verbose=0)
    np.testing.assert_allclose(weighted.model.parameters, repeated.model.parameters, rtol=1e-6)


@both
def test_what_is_frozen_stays(optimizer):
    one = trainer(optimizer, groups={"W0": {"trainable": False}})
    before = {name: tensor.copy() for name, tensor in one.model.tensors.items()}
    one.fit(X, Y, epochs=3, verbose=0)
    changed = [name for name, tensor in one.model.tensors.items() if (tensor != before[name]).any()]
    assert changed == ["b0", "W1", "b1"]


RULES = [
    ({"trainable": False}, {"W0": {"trainable": True}, "b0": {"trainable": True}}),
    ({"trainable": False, "l2": 0.3}, {"weights": {"trainable": True}}),
    ({"l2": 0.3}, {"W0": {"trainable": False}, "W1": {"l2": 0.2}}),
    ({"l2": 0.3}, {"W0": {"l2": 0.0}, "biases": {"l2": 0.1}}),
]


@pytest.mark.parametrize("over_weights", [False, True])
@pytest.mark.parametrize(("layer", "groups"), RULES)
def test_the_curvature_is_that_of_the_trainers_rules(layer, groups, over_weights):
    """Products with the Hessian beside differences of the gradient, also where groups train what a layer freezes."""
    model = mf.Model(4, [mf.Dense(5, "tanh", **layer), mf.Dense(2)], dtype="float64", seed=1)
    settings = {"groups": groups, "l2": 0.1, "penalty_over_weights": over_weights}
    one = mf.Trainer(model, "mse", mf.NewtonCG(), batch_size=None, **settings)
    p = model.parameters.copy()

    def gradient(at):
        model.parameters = at
        return one.loss_and_gradient(X, Y, WEIGHT)[1].copy()

    hessian = np.stack([(gradient(p + e) - gradient(p - e)) / 2e-5 for e in 1e-5 * np.eye(len(p))])
    found = [tensor.rule.trainable for tensor in one._program.tensors]
    trained = np.repeat(found, [tensor.size for tensor in one._program.tensors])
    hessian[~trained] = hessian[:, ~trained] = 0
    rows = AllRows(
        one._engine_of(len(X)), X, Y, WEIGHT,
        program=one._program, loss=one.loss, l2=0.1, penalty_over_weights=over_weights, n_threads=None,
    )  # fmt: skip
    products = np.stack([rows.hessian_product(p, e) for e in np.diag(trained.astype(float))])
    np.testing.assert_allclose(products, hessian, atol=1e-8)


@both
def test_a_layer_that_a_group_trains_is_as_one_that_is_not_frozen(optimizer):
    found = []
    for trainable in (True, False):
        layers = [mf.Dense(5, "tanh", trainable=trainable, l2=0.01), mf.Dense(2)]
        model = mf.Model(4, layers, dtype="float64", seed=1)
        groups = {name: {"trainable": True} for name in ("W0", "b0")}
        mf.Trainer(model, "mse", optimizer, batch_size=None, groups=groups).fit(X, Y, epochs=5, verbose=0)
        found.append(model.parameters.copy())
    np.testing.assert_array_equal(*found)


@both
def test_sparse_rows_and_tables(optimizer):
    dense, sparse = trainer(optimizer), trainer(optimizer)
    rows = np.where(rng.random(X.shape) < 0.5, 0, X)
    dense.fit(rows, Y, epochs=3, verbose=0)
    sparse.fit(scipy.sparse.csr_matrix(rows), Y, epochs=3, verbose=0)
    np.testing.assert_allclose(sparse.model.parameters, dense.model.parameters, rtol=1e-9)
    codes = rng.integers(0, 5, size=(80, 1)).astype(np.float64)
    model = mf.Model(1, [mf.Embedding(6, 3), mf.Dense(4, "tanh"), mf.LayerNorm(), mf.Dense(2)], dtype="float64", seed=3)
    history = mf.Trainer(model, "mse", optimizer, batch_size=None).fit(codes, Y, epochs=5, verbose=0)
    assert history["loss"] == sorted(history["loss"], reverse=True)


def test_fewer_rows_than_parameters_and_dead_units():
    one = trainer(mf.LevenbergMarquardt(), sizes=(4, 30, 2))
    one.model.tensors["W1"][:10] = one.model.tensors["W0"][:, :10] = 0  # nothing flows: their columns of J are zero
    history = one.fit(X[:20], Y[:20], epochs=100, verbose=0)
    assert history["loss"][-1] < 1e-12
    assert np.isfinite(one.model.parameters).all()


def test_the_bits_do_not_depend_on_threads():
    found = [trainer(mf.NewtonCG(), n_threads=threads) for threads in (1, 2)]
    for one in found:
        one.fit(X, Y, epochs=5, verbose=0)
    assert found[0].model.parameters.tobytes() == found[1].model.parameters.tobytes()


@both
def test_it_begins_anew_where_others_write_parameters(optimizer):
    written = trainer(optimizer).model.parameters + 0.1

    class Write(mf.callbacks.Callback):
        def on_epoch_begin(self, trainer, logs):
            if trainer.epochs == 3:
                trainer.model.parameters[:] = written

    one, fresh = trainer(optimizer, callbacks=[Write()]), trainer(optimizer)
    one.fit(X, Y, epochs=6, verbose=0)
    fresh.model.parameters[:] = written
    fresh.fit(X, Y, epochs=3, verbose=0)
    assert one.model.parameters.tobytes() == fresh.model.parameters.tobytes()


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_ends_where_no_lower_loss_is_seen(optimizer, dtype):
    never = type(optimizer)(tolerance_grad=0, tolerance_change=0)
    one = trainer(never, sizes=(4, 2), dtype=dtype)
    history = one.fit(X, Y, epochs=100, verbose=0)
    assert history.stopped_by == "convergence"
    best = np.linalg.lstsq(np.column_stack([X, np.ones(80)]), Y, rcond=None)[0]
    np.testing.assert_allclose(one.model.weights[0], best[:4], atol=1e-6 if dtype == "float64" else 1e-3)


@both
def test_it_says_why_it_ends(optimizer):
    flat = trainer(type(optimizer)(tolerance_grad=1e-2)).fit(X, Y, epochs=100, verbose=0)
    assert flat.reason == "converged: no element of the gradient above 0.01 (tolerance_grad)"
    level = trainer(type(optimizer)(tolerance_change=0.2)).fit(X, Y, epochs=100, verbose=0)
    assert level.reason == "converged: the loss falls by no more than 0.2 (tolerance_change)"


@both
def test_an_end_of_time_leaves_the_last_whole_iteration(optimizer):
    one = trainer(optimizer)
    before = one.model.parameters.copy()
    assert one.fit(X, Y, epochs=5, max_seconds=1e-9, verbose=0).stopped_by == "max_seconds"
    assert one.steps == 0
    assert one.model.parameters.tobytes() == before.tobytes()


@both
def test_an_interrupt_leaves_the_last_whole_iteration(optimizer, monkeypatch):
    whole, cut = trainer(optimizer), trainer(optimizer)
    whole.fit(X, Y, epochs=6, verbose=0)
    left, count = math.inf, AllRows._count

    def counted(self, part=1.0):
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        count(self, part)

    monkeypatch.setattr("mlpfast.fullbatch.allrows.AllRows._count", counted)
    for k in (1, 2, 3, 4):
        left = k
        before = cut.steps
        with pytest.raises(KeyboardInterrupt):
            cut.fit(X, Y, epochs=1000, verbose=0)
        left = math.inf
        assert cut.steps == cut.epochs == before + cut.history.epochs
    cut.fit(X, Y, epochs=6 - cut.steps, verbose=0)
    assert cut.model.parameters.tobytes() == whole.model.parameters.tobytes()


# --- what is refused ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"batch_size": 128}, "expected batch_size=None with {}, which takes all rows in each step; got 128"),
        ({"l1": 0.1}, "expected no l1 with {}, whose .* needs a smooth loss"),
        ({"clip_norm": 1.0}, "expected no clip_norm with {}"),
        ({"groups": {"W0": {"max_norm": 1.0}}}, "expected no max_norm of 'W0' with {}"),
        ({"groups": {"W0": {"learning_rate_scale": 0.1}}}, "expected no learning_rate_scale of 'W0' with {}"),
    ],
)
def test_settings_that_make_no_sense_are_refused(name, keywords, message):
    keywords = {"batch_size": None, **keywords}
    with pytest.raises(ValueError, match=message.format(name)):
        mf.Trainer(mf.mlp([4, 3, 2]), "mse", getattr(mf, name)(), **keywords)
    later = mf.Trainer(mf.mlp([4, 3, 2]), "mse", "sgd", **keywords)
    later.optimizer = getattr(mf, name)()
    with pytest.raises(ValueError, match=message.format(name)):
        later.fit(X, Y, verbose=0)
    assert later.steps == 0


def test_losses_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"expected loss 'mse' with LevenbergMarquardt, .* got Huber\(delta=1.0\)"):
        trainer(mf.LevenbergMarquardt(), loss="huber")
    custom = mf.losses.Custom(lambda y, outputs: (0.5 * ((outputs - y) ** 2).sum(axis=1), outputs - y))
    for optimizer, message in [
        (mf.LevenbergMarquardt(), "expected loss 'mse' with LevenbergMarquardt"),
        (mf.NewtonCG(), "expected a loss that has second derivatives with NewtonCG"),
    ]:
        with pytest.raises(ValueError, match=message):
            trainer(optimizer, loss=custom)


def test_layers_that_make_no_sense_are_refused():
    for name in NAMES:
        for layer in (mf.Dropout(0.2), mf.BatchNorm()):
            model = mf.Model(4, [mf.Dense(3), layer, mf.Dense(2)])
            with pytest.raises(ValueError, match=f"expected no {type(layer).__name__} with {name}"):
                mf.Trainer(model, "mse", getattr(mf, name)(), batch_size=None)


def test_too_many_parameters():
    model = mf.mlp([1000, 1000, 1])
    message = r"LevenbergMarquardt: an array of shape \(2, 1002001, 1002001\) takes 16,064,096,064,016 bytes"
    with pytest.raises(MemoryError, match=message):
        mf.Trainer(model, "mse", "levenberg_marquardt", batch_size=None)


def test_scipy_is_asked_for(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for optimizer in BOTH:
        message = rf"{type(optimizer).__name__} needs SciPy; .* python -m pip install 'mlpfast\[scipy\]'"
        with pytest.raises(ImportError, match=message):
            trainer(optimizer)


def test_arguments():
    for make, keywords, message in [
        (mf.LevenbergMarquardt, {"weight_decay": 0.1}, "expected no weight_decay with LevenbergMarquardt"),
        (mf.LevenbergMarquardt, {"damping": 0}, "expected damping to be > 0, got 0"),
        (mf.LevenbergMarquardt, {"damping_factor": 1}, "expected damping_factor to be > 1, got 1"),
        (mf.NewtonCG, {"eta": 0.25}, "expected eta to be >= 0 and < 0.25, got 0.25"),
        (mf.NewtonCG, {"initial_trust_radius": 2000}, "expected initial_trust_radius to be > 0 and <= 1000, got 2000"),
        (mf.NewtonCG, {"ema": 0.9}, "expected no ema with NewtonCG"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(**keywords)
    with pytest.raises(TypeError, match="LevenbergMarquardt calls it damping"):
        mf.LevenbergMarquardt(mu=1e-5)
