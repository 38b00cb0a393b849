"""What `gradcheck` calls wrong: no right gradient, however much has cancelled in it; and each wrong one."""

import numpy as np
import pytest
from loss_targets import fitting_outputs, targets_of

import mlpfast as mf
from mlpfast.activations import ACTIVATIONS
from mlpfast.losses import LOSSES, as_loss

DTYPES = ("float32", "float64")


def random_case(number):
    """A model, its data, and a loss: any activations, depth, dtype and scale; half of the models are trained."""
    rng = np.random.default_rng(number)
    loss = list(LOSSES)[number % len(LOSSES)]
    hidden = list(ACTIVATIONS)[number // 2 % len(ACTIVATIONS)]
    output = str(rng.choice(LOSSES[loss].output_activations or list(ACTIVATIONS)))
    inputs, outputs, rows = (int(rng.choice(sizes)) for sizes in ((1, 3, 16), (1, 2, 10), (1, 7, 32, 70)))
    outputs = fitting_outputs(as_loss(loss), max(outputs, 2) if "softmax" in (output, hidden) else outputs)
    sizes = [inputs, *rng.choice([2, 5, 16, 33], size=rng.integers(5)), outputs]
    model = mf.mlp(
        sizes, hidden, output, bias_initializer=mf.initializers.Normal(0.3), dtype=DTYPES[number % 2], seed=number
    )
    exponential = "exponential" in (hidden, output) or "log-" in as_loss(loss).reads
    model.parameters *= 0.2 if exponential else rng.choice([0.2, 1.0, 3.0])
    X = rng.normal(size=(rows, inputs)) if rng.random() < 0.7 else np.linspace(-1, 1, rows * inputs).reshape(rows, -1)
    X *= rng.choice([0.01, 1.0])
    y = targets_of(as_loss(loss), outputs, rows, rng, mean=3.0, deviation=2.0)
    penalties = {"l1": 0.01, "l2": 0.1} if rng.random() < 0.3 else {}
    if rng.random() < 0.5:
        trainer = mf.Trainer(model, loss=loss, optimizer=mf.Adam(0.01), batch_size=rows, **penalties)
        untrained = model.parameters.copy()
        try:
            trainer.fit(X, y, epochs=int(rng.choice([20, 300])), verbose=0)
        except mf.DivergenceError:
            model.parameters = untrained
    return model, X, y, loss, penalties


@pytest.mark.parametrize("first", range(0, 500, 50))
def test_right_gradients_pass(first):
    for number in range(first, first + 50):
        model, X, y, loss, penalties = random_case(number)
        report = mf.gradcheck(model, X, y, loss, max_parameters=5, **penalties)
        assert report.ok, f"{number}: {loss}\n{model}\n{report}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(20))
def test_derivatives_that_are_small_by_cancellation_pass(seed, dtype):
    """An odd function of inputs that lie symmetrically: half of the derivatives are almost zero."""
    X = np.linspace(-1, 1, 32)[:, None]
    report = mf.gradcheck(mf.mlp([1, 16, 16, 1], "tanh", dtype=dtype, seed=seed), X, np.sin(3 * X), "mse")
    assert report.ok, str(report)


def digits(activation, dtype, epochs):
    X, y = mf.datasets.load_digits()
    X = X / 16
    model = mf.mlp([64, 16, 10], activation, "softmax", dtype=dtype, seed=1)
    if epochs:
        trainer = mf.Trainer(model, loss="cross_entropy", optimizer=mf.Adam(0.003), batch_size=32)
        trainer.fit(X[:600], y[:600], epochs=epochs, verbose=0)
    return model, X[:32], y[:32]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("epochs", [5, 200])
def test_trained_networks_pass(activation, dtype, epochs):
    report = mf.gradcheck(*digits(activation, dtype, epochs))
    assert report.ok, str(report)


def test_a_probability_that_rounds_to_one_passes():
    """The loss is 0 at all steps, as 1 + 1e-17 is 1, and the gradient is 1e-17."""
    model = mf.mlp([1, 2], output_activation="identity", dtype="float64", seed=0)
    model.parameters = [0.0, 0.0, 39.0, 0.0]
    assert mf.gradcheck(model, [[1.0]], [0]).ok


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "selu"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_exactly_at_a_kink_either_side_is_right(depth, activation, dtype):
    """A row of zeros while all biases are zero."""
    X = np.linspace(-1, 1, 9)[:, None]
    report = mf.gradcheck(mf.mlp([1, *[8] * depth, 1], activation, dtype=dtype, seed=0), X, np.sin(3 * X), "mse")
    assert report.ok, str(report)


def test_curvature_is_not_an_error():
    """Inputs of 1e4 make third derivatives of 1e12: the first step is too long."""
    model = mf.mlp([1, 3, 1], "tanh", dtype="float64", seed=0)
    model.weights[0][...] *= 1e-4
    X = 1e4 * np.linspace(-1, 1, 7)[:, None]
    report = mf.gradcheck(model, X, np.cos(X), "mse")
    assert report.ok, str(report)


def test_a_loss_that_overflows_is_reported_without_warnings(recwarn):
    model = mf.mlp([1, 1], output_activation="exponential", dtype="float64")
    model.parameters = [1e4, 0.0]
    report = mf.gradcheck(model, [[1.0]], [[1.0]], "poisson")
    assert not report.ok and report.max_relative_error == np.inf
    assert not recwarn.list


# Each of these makes the gradient of one tensor wrong, in place, given each row's part in it.


def off_by_little(gradient, parts):
    """Where it is the least beside what is there."""
    gradient.flat[np.argmax(np.abs(gradient))] += 1e-4 * np.linalg.norm(gradient)


def wrong_sign(gradient, parts):
    gradient.flat[np.argmax(np.abs(gradient))] *= -1


def missing_factor(gradient, parts):
    gradient *= 31 / 32


def transposed(gradient, parts):
    if gradient.ndim == 1:
        gradient[:] = gradient[::-1].copy()
    else:
        gradient[8:16, :8] = gradient[8:16, :8].T.copy()


def row_ignored(gradient, parts):
    """The row that contributes least, of those that contribute 1e-3 of the norm or more."""
    norms = np.sqrt((parts.reshape(len(parts), -1) ** 2).sum(axis=1)) / np.linalg.norm(gradient)
    norms[norms < 1e-3] = np.inf
    gradient -= parts[np.argmin(norms)]


def tensors_of(model, vector):
    """The parts of a vector like the parameters, as views, one for each tensor."""
    shapes = [tensor.shape for pair in zip(model.weights, model.biases, strict=True) for tensor in pair]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("epochs", [0, 5, 40])
@pytest.mark.parametrize("mutation", [off_by_little, wrong_sign, missing_factor, transposed, row_ignored])
def test_wrong_gradients_are_found(monkeypatch, mutation, epochs, dtype):
    model, X, y = digits("tanh", dtype, epochs)
    right = model.loss_and_gradient(X, y, "cross_entropy")[1]
    rows = [model.loss_and_gradient(X[i : i + 1], y[i : i + 1], "cross_entropy")[1] / len(X) for i in range(len(X))]
    parts = [np.stack(rows) for rows in zip(*(tensors_of(model, row) for row in rows), strict=True)]
    for number in range(len(parts)):
        wrong = right.copy()
        mutation(tensors_of(model, wrong)[number], parts[number])
        with monkeypatch.context() as patch:
            patch.setattr(mf.Model, "loss_and_gradient", lambda *_, wrong=wrong, **__: (0.0, wrong))
            report = mf.gradcheck(model, X, y, max_parameters=1024)
        assert [tensor.ok for tensor in report.tensors] == [i != number for i in range(len(parts))], str(report)
        if mutation in (off_by_little, wrong_sign):
            difference = np.abs(wrong - right)
            at = np.unravel_index(np.argmax(tensors_of(model, difference)[number]), parts[number].shape[1:])
            assert report.tensors[number].worst_index == at
