"""Values and derivatives fitted together: the steps against formulas in NumPy and differences, and what is refused.

Run as a script, this file prints a hash of what some fits give.
"""

import hashlib
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from isas import OTHER_ISAS, run_under
from layer_checks import data, models

import mlpfast as mf
from mlpfast.activations import ACTIVATIONS
from mlpfast.core.random import SHUFFLE, permutation
from mlpfast.layers import LAYERS

pytestmark = pytest.mark.usefixtures("as_many_threads_as_asked_for")
RNG = np.random.default_rng(0)
X, Y, J = RNG.normal(size=(90, 3)), RNG.normal(size=(90, 2)), RNG.normal(size=(90, 2, 3))
WEIGHTS = RNG.uniform(0, 2, size=90)
WEIGHTS[::7] = 0


def net(dtype="float64", sizes=(3, 9, 2), **keywords):
    return mf.mlp(list(sizes), "tanh", dtype=dtype, seed=1, **keywords)


def trainer(model=None, optimizer="sgd", **keywords):
    return mf.Trainer(net() if model is None else model, "mse", optimizer, **{"batch_size": 32, "seed": 2, **keywords})


def objective(model, X, Y, J, weights=None, jacobian_weight=1.0):
    """As the documentation has it."""
    weights = np.ones(len(X)) if weights is None else weights
    errors = (0.5 * (model.jacobian(X) - J) ** 2).sum(axis=(1, 2))
    values = (0.5 * (model.predict(X) - Y) ** 2).sum(axis=1)
    return weights @ (values + jacobian_weight * errors) / weights.sum()


def gradient(model, X, Y, J, groups=None, **keywords):
    """By a step of a rate of 1."""
    twin = model.copy()
    made = mf.Trainer(twin, "mse", mf.SGD(1.0), batch_size=None, groups=groups)
    made.fit(X, Y, jacobian=J, verbose=0, **keywords)
    return model.parameters - twin.parameters


def assert_gradient_is_that_of_the_objective(model, X, Y, J):
    """Of all tensors, whatever rates and penalties their layers have."""
    plain, groups = mf.Group(trainable=True, learning_rate_scale=1, l1=0, l2=0), {}
    for tensor in model.program.tensors:
        groups[tensor.name] = replace(plain, max_norm=tensor.rule.max_norm and 1e9)
    found = gradient(model, X, Y, J, groups=groups)
    v = np.random.default_rng(5).normal(size=model.n_parameters)
    twin, errors = model.copy(), []
    for step in (1e-4, 1e-5, 1e-6):
        sides = []
        for sign in (1, -1):
            twin.parameters = model.parameters + sign * step * v
            sides.append(objective(twin, X, Y, J))
        errors.append(abs((sides[0] - sides[1]) / (2 * step) - found @ v))
    assert min(errors) < 1e-6 * max(np.linalg.norm(found), 1e-3), errors


@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=LAYERS)
def test_the_gradient_of_every_layer(layer_class):
    """Of those that are refused, what the error names is there."""
    found = list(models(layer_class))
    for model in found[::3] if len(found) > 20 else found:
        X, Y = data(model, 17)
        J, before = np.random.default_rng(3).normal(size=(17, model.outputs, model.inputs)), model.state.tobytes()
        try:
            assert_gradient_is_that_of_the_objective(model, X, Y, J)
        except ValueError as error:
            name = re.search(r"expected no (\w+)", str(error))[1]
            assert name.lower() in repr(model.layers).lower()
            assert layer_class.name in ("dense", "residual", "columns", "embedding") or layer_class.__name__ == name
        assert model.state.tobytes() == before


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "exponential"])
@pytest.mark.parametrize("sizes", [(4, 6, 5, 3), (2, 5, 4)], ids=["out", "in"])
def test_the_gradient_of_every_activation(activation, sizes):
    """Of more inputs than outputs, and of more outputs than inputs."""
    model = mf.mlp(list(sizes), activation, activation, dtype="float64", seed=3)
    X, Y = data(model, 17)
    assert_gradient_is_that_of_the_objective(model, X, Y, RNG.normal(size=(17, sizes[-1], sizes[0])))


def step_in_numpy(p, X, Y, J, weights, rate, jacobian_weight):
    """A step of gradient descent of 3-9-2 tanh; returns the parameters after it, and both parts of the loss."""
    W, b, V, c = p[:27].reshape(3, 9), p[27:36], p[36:54].reshape(9, 2), p[54:]
    share = weights / weights.sum()
    h = np.tanh(X @ W + b)
    s = 1 - h**2
    error = h @ V + c - Y
    residual = np.einsum("ko,nk,ik->noi", V, s, W) - J
    losses = [share @ (0.5 * part**2).reshape(len(X), -1).sum(axis=1) for part in (error, residual)]
    error, residual = share[:, None] * error, jacobian_weight * share[:, None, None] * residual
    dz = error @ V.T * s + np.einsum("noi,ko,ik->nk", residual, V, W) * -2 * h * s
    dW = X.T @ dz + np.einsum("noi,ko,nk->ik", residual, V, s)
    dV = h.T @ error + np.einsum("noi,nk,ik->ko", residual, s, W)
    return p - rate * np.concatenate([dW.ravel(), dz.sum(0), dV.ravel(), error.sum(0)]), losses


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
def test_shuffled_batches_are_steps_by_hand(dtype, tolerance, weights):
    fitted = trainer(net(dtype), mf.SGD(0.1))
    expected, rows_of = fitted.model.parameters.astype(float), np.ones(90) if weights is None else weights
    history = fitted.fit(X, Y, 3, sample_weight=weights, jacobian=J, jacobian_weight=0.3, verbose=0)
    for epoch in range(3):
        order, means = permutation(2, SHUFFLE, epoch, 90), []
        for rows in (order[:32], order[32:64], order[64:]):
            expected, losses = step_in_numpy(expected, X[rows], Y[rows], J[rows], rows_of[rows], 0.1, 0.3)
            means.append([*losses, rows_of[rows].sum()])
        values, derivatives, total = np.array(means).T
        assert history["jacobian_loss"][epoch] == pytest.approx(total @ derivatives / total.sum(), rel=tolerance)
        assert history["loss"][epoch] == pytest.approx(
            total @ (values + 0.3 * derivatives) / total.sum(), rel=tolerance
        )
    np.testing.assert_allclose(fitted.model.parameters, expected, atol=tolerance)


def test_one_output_takes_gradients_as_they_are():
    model, G = net(sizes=(3, 9, 1)), J[:, 0]
    found = gradient(model, X, Y[:, 0], G)
    np.testing.assert_array_equal(found, gradient(model, X, Y[:, 0], G[:, None]))
    np.testing.assert_array_equal(found, gradient(model, X, Y[:, 0], G.tolist()))


def test_rows_of_weight_zero_count_for_nothing():
    weights = WEIGHTS.copy()
    kept, wild = weights > 0, J.copy()
    wild[~kept] = 1e300
    found = gradient(net(), X, Y, wild, sample_weight=weights)
    np.testing.assert_allclose(found, gradient(net(), X[kept], Y[kept], J[kept], sample_weight=weights[kept]), 1e-10)


def test_penalties_clipping_groups_and_what_is_frozen():
    model = net()
    plain = gradient(model, X, Y, J)
    limit = np.linalg.norm(plain[36:]) / 2
    groups = {"W0": mf.Group(trainable=False), "b0": mf.Group(trainable=False)}
    twin = model.copy()
    made = trainer(twin, mf.SGD(1.0), batch_size=None, clip_norm=limit, groups=groups)
    made.fit(X, Y, jacobian=J, verbose=0)
    expected = plain.copy()
    expected[:36], expected[36:] = 0, plain[36:] / 2
    np.testing.assert_allclose(model.parameters - twin.parameters, expected, rtol=1e-12, atol=1e-14)
    twin = model.copy()
    trainer(twin, mf.SGD(1.0), batch_size=None, l2=0.1).fit(X, Y, jacobian=J, verbose=0)
    for tensor in model.program.tensors:
        span = slice(tensor.offset, tensor.offset + tensor.size)
        expected[span] = plain[span] + 0.1 * model.parameters[span] * (tensor.role == "weight")
    np.testing.assert_allclose(model.parameters - twin.parameters, expected, rtol=1e-12, atol=1e-14)


def test_a_weight_of_zero_measures_alone():
    measured, plain = trainer(optimizer="adam"), trainer(optimizer="adam")
    history = measured.fit(X, Y, 2, jacobian=J, jacobian_weight=0, verbose=0)
    assert history["loss"] == plain.fit(X, Y, 2, verbose=0)["loss"]
    np.testing.assert_array_equal(measured.model.parameters, plain.model.parameters)
    assert history["jacobian_loss"][0] > 0


@pytest.mark.parametrize("rows", [1500, 5000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_of_many_rows(dtype, rows):
    """More than the arena holds; and in float32, than one running sum may have."""
    rng = np.random.default_rng(0)
    X, Y, J = rng.normal(size=(rows, 3)), rng.normal(size=(rows, 2)), rng.normal(size=(rows, 2, 3))
    expected = net("float64")
    expected.parameters = net(dtype).parameters
    found = gradient(net(dtype), X, Y, J)
    np.testing.assert_allclose(
        found, gradient(expected, X.astype(dtype), Y.astype(dtype), J.astype(dtype)), rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        step_in_numpy(expected.parameters, X, Y, J, np.ones(rows), 1, 1)[0], net(dtype).parameters - found, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["csr", "uint8", "strided"])
def test_any_rows(kind):
    numbers = np.random.default_rng(1).integers(0, 4, size=(90, 3))
    given = {
        "csr": sp.csr_matrix(numbers.astype(float)),
        "uint8": numbers.astype(np.uint8),
        "strided": np.asfortranarray(numbers.astype(float)),
    }[kind]
    np.testing.assert_array_equal(gradient(net(), given, Y, J), gradient(net(), numbers.astype(float), Y, J))


@pytest.mark.parametrize("loss", ["cross_entropy", "custom"])
def test_beside_other_losses(loss):
    labels = np.random.default_rng(2).integers(2, size=90)
    model = mf.mlp([3, 9, 2], "tanh", "softmax", dtype="float64", seed=1)
    y = labels if loss == "cross_entropy" else Y
    chosen = loss if loss == "cross_entropy" else mf.losses.Custom(lambda y, h: (0.5 * ((h - y) ** 2).sum(1), h - y))
    steps = []
    for weight in (0.0, 1.0):
        twin = model.copy()
        mf.Trainer(twin, chosen, mf.SGD(1.0), batch_size=None).fit(X, y, jacobian=J, jacobian_weight=weight, verbose=0)
        steps.append(model.parameters - twin.parameters)
    np.testing.assert_allclose(steps[0], model.loss_and_gradient(X, y, chosen)[1], rtol=1e-12, atol=1e-15)
    values = gradient(model, X, Y, J, jacobian_weight=0)
    np.testing.assert_allclose(steps[1] - steps[0], gradient(model, X, Y, J) - values, rtol=1e-9, atol=1e-13)


def fits(n_threads=1):
    """What some fits give, as bytes."""
    found = []
    for dtype in ("float32", "float64"):
        for sizes in ((3, 70, 40, 2), (2, 33, 5)):
            rng = np.random.default_rng(4)
            model = net(dtype, sizes)
            X, Y = rng.normal(size=(700, sizes[0])), rng.normal(size=(700, sizes[-1]))
            J = rng.normal(size=(700, sizes[-1], sizes[0]))
            made = mf.Trainer(model, "mse", batch_size=200, n_threads=n_threads)
            history = made.fit(X, Y, 2, jacobian=J, sample_weight=rng.uniform(size=700), verbose=0)
            found += [model.state.tobytes(), str(dict(history)).encode()]
    return hashlib.sha256(b"".join(found)).hexdigest()


def test_every_number_of_threads_gives_the_same_bits():
    assert len({fits(n_threads) for n_threads in (1, 2, 3, 8)}) == 1


@pytest.mark.parametrize("isa", OTHER_ISAS)
def test_every_isa_gives_the_same_bits(isa):
    assert run_under(isa, __file__).strip() == fits()


def test_epochs_in_pieces_and_saved_trainers(tmp_path):
    """A part of an epoch, a file, and the rest have the bits, and the history, of a whole."""
    whole = trainer(optimizer="adam")
    history = whole.fit(X, Y, 3, jacobian=J, jacobian_weight=0.5, verbose=0)
    part = trainer(optimizer="adam")
    part.fit(X, Y, 1.7, jacobian=J, jacobian_weight=0.5, verbose=0)
    part.save(tmp_path / "trainer.npz")
    rest = mf.Trainer.load(tmp_path / "trainer.npz")
    after = rest.fit(X, Y, 1.3, jacobian=J, jacobian_weight=0.5, verbose=0)
    np.testing.assert_array_equal(whole.model.parameters, rest.model.parameters)
    assert {name: values[1:] for name, values in history.items()} == dict(after)


@pytest.mark.parametrize("change", [{"jacobian": -J}, {"jacobian_weight": 0.1}, {"jacobian": None}])
def test_with_other_derivatives_an_epoch_begins(change):
    made = trainer()
    made.fit(X, Y, 0.7, jacobian=J, verbose=0)
    made.fit(X, Y, 1, **({"jacobian": J} | change), verbose=0)
    assert (made.epochs, made.steps) == (2, 5)


def test_held_out_rows_and_validation():
    made = trainer()
    history = made.fit(X, Y, 2, jacobian=J, validation_fraction=0.2, verbose=0)
    assert list(history) == ["loss", "jacobian_loss", "val_loss"]
    assert np.isfinite(history["val_loss"]).all()


REFUSED = {
    "shape": ({"jacobian": J[:, :, :2]}, r"expected jacobian of shape \(90, 2, 3\), got \(90, 2, 2\)"),
    "gradients of two outputs": ({"jacobian": J[:, 0]}, r"expected jacobian of shape \(90, 2, 3\), got \(90, 3\)"),
    "rows": ({"jacobian": J[:5]}, r"expected jacobian of shape \(90, 2, 3\), got \(5, 2, 3\)"),
    "weight": ({"jacobian": J, "jacobian_weight": -1}, "expected jacobian_weight to be >= 0, got -1"),
    "no number": ({"jacobian": J, "jacobian_weight": "much"}, "expected jacobian_weight to be a number"),
    "weight alone": ({"jacobian_weight": 0.5}, "expected jacobian_weight with jacobian alone, got 0.5 without one"),
    "text": ({"jacobian": "no"}, "expected jacobian"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(case):
    arguments, message = REFUSED[case]
    made = trainer()
    before, history = made.model.state.tobytes(), made.history
    with pytest.raises((TypeError, ValueError), match=message):
        made.fit(X, Y, verbose=0, **arguments)
    assert made.model.state.tobytes() == before and made.steps == 0 and made.history is history


def test_what_is_not_finite_is_named():
    wrong = J.copy()
    wrong[41, 1, 2] = np.nan
    with pytest.raises(ValueError, match="expected finite values in jacobian, got NaN at row 41"):
        trainer().fit(X, Y, jacobian=wrong, verbose=0)


def test_what_has_no_such_term_is_named():
    with pytest.raises(ValueError, match="takes batches with jacobian, got LBFGS"):
        trainer(optimizer=mf.optimizers.LBFGS(), batch_size=None).fit(X, Y, jacobian=J, verbose=0)
    with pytest.raises(ValueError, match="expected rows in one array with jacobian, got rows in chunks"):
        trainer().fit(lambda: iter([(X, Y)]), jacobian=J, verbose=0)
    named = trainer(metrics=[jacobian_loss])
    with pytest.raises(ValueError, match="two values for 'jacobian_loss'"):
        named.fit(X, Y, jacobian=J, verbose=0)


def jacobian_loss(y, h):
    return 0.0


def test_a_rate_that_is_too_large_diverges():
    made = trainer(net("float32"), mf.SGD(1e30))
    with pytest.raises(mf.DivergenceError):
        made.fit(X, Y, 5, jacobian=J, verbose=0)
    assert np.isfinite(made.model.parameters).all()


def test_torch_agrees():
    torch = pytest.importorskip("torch")
    func = pytest.importorskip("torch.func")
    model = mf.mlp([3, 9, 7, 2], ["gelu", "silu"], "tanh", dtype="float64", seed=1)
    x, y, target = (torch.from_numpy(array) for array in (X, Y, J))

    def outputs(flat, x):
        W0, b0, W1, b1, W2, b2 = torch.split(flat, [27, 9, 63, 7, 14, 2])
        h = torch.nn.functional.gelu(x @ W0.reshape(3, 9) + b0)
        h = torch.nn.functional.silu(h @ W1.reshape(9, 7) + b1)
        return torch.tanh(h @ W2.reshape(7, 2) + b2)

    def mean(flat):
        of_rows = func.vmap(func.jacrev(lambda x: outputs(flat, x)))(x)
        return (((outputs(flat, x) - y) ** 2).sum() + 0.3 * ((of_rows - target) ** 2).sum()) / (2 * len(X))

    expected = func.grad(mean)(torch.from_numpy(model.parameters.copy())).numpy()
    found = gradient(model, X, Y, J, jacobian_weight=0.3)
    assert np.linalg.norm(found - expected) < 1e-9 * np.linalg.norm(expected)


def test_who_fits_no_derivatives_does_not_import_them(monkeypatch):
    trainer().fit(X, Y, jacobian=J, verbose=0)
    monkeypatch.delitem(sys.modules, "mlpfast.training.sobolev")
    trainer().fit(X, Y, verbose=0)
    assert "mlpfast.training.sobolev" not in sys.modules


if __name__ == "__main__":
    sys.stdout.write(fits() + "\n")
