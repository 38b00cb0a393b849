"""The one gradient test: every registered activation and loss, checked against central differences.

An activation or a loss that is added to its registry is checked here from then on.
"""

import itertools

import numpy as np
import pytest
from loss_targets import fitting_outputs, targets_of

import mlpfast as mf
from mlpfast.activations import ACTIVATIONS
from mlpfast.core.engine import Engine
from mlpfast.losses import (
    LOSSES,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    Huber,
    Quantile,
    TweedieDeviance,
    as_loss,
)

SIZES = (1, 3, 17, 65, 129)
DTYPES = ("float64", "float32")


def sensible_pairs():
    """(hidden activation, output activation, loss): every output that a loss takes, every hidden layer under it."""
    for name, loss in LOSSES.items():
        outputs = loss.output_activations or tuple(ACTIVATIONS)
        hidden = tuple(ACTIVATIONS)
        for i in range(max(len(outputs), len(hidden))):
            yield hidden[(i + len(name)) % len(hidden)], outputs[i % len(outputs)], name


def network(number, hidden, output, loss, dtype, deeper=0):
    """A network whose depth and sizes go through 0 to 4 and through SIZES as `number` grows."""
    depth = number % 5 + deeper  # of hidden layers
    units = [SIZES[(number + 2 * layer) % len(SIZES)] for layer in range(depth)]
    inputs = SIZES[(number // 5) % len(SIZES)]
    outputs = fitting_outputs(as_loss(loss), (3, 1, 17, 2)[number % 4])
    if output == "softmax":
        outputs = max(outputs, 2)
    biases = mf.initializers.Normal(0.3)
    model = mf.mlp([inputs, *units, outputs], hidden, output, bias_initializer=biases, dtype=dtype, seed=number)
    if hidden == "exponential":  # of an exponential of an exponential: keep it within bounds
        model.parameters *= 0.2
    return model


def data(model, loss, rows, soft=False):
    rng = np.random.default_rng(rows)
    X = rng.normal(size=(rows, model.inputs))
    return X, targets_of(as_loss(loss), model.outputs, rows, rng, soft=soft)


PAIRS = list(enumerate(sensible_pairs()))
# Where the depth is 0, the hidden activation is not there: once more, with hidden layers.
CASES = [(*pair, 0) for pair in PAIRS] + [(*pair, 1 + pair[0] // 5 % 3) for pair in PAIRS if pair[0] % 5 == 0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("number", "names", "deeper"), CASES, ids=["-".join(names) + f"-{deeper}" for _, names, deeper in CASES]
)
def test_backpropagation_is_the_gradient(number, names, deeper, dtype):
    hidden, output, loss = names
    model = network(number, hidden, output, loss, dtype, deeper)
    rows = SIZES[:4][number % 4]
    X, y = data(model, loss, rows, soft=number % 2 == 0)
    extras = {}
    if number % 3:
        extras = {"sample_weight": np.random.default_rng(number).uniform(0.1, 2, rows), "l1": 0.01, "l2": 0.1}
    report = mf.gradcheck(model, X, y, loss, max_parameters=12, **extras)
    assert report.ok, f"\n{model}\n{report}"


def test_every_activation_stands_at_every_place():
    """The pairs above leave none out: each activation is a hidden one under each loss, and each allowed output."""
    for loss in LOSSES.values():
        models = [network(n, *names, "float32", deeper) for n, names, deeper in CASES if names[2] == loss.name]
        hidden = {layer.activation.name for model in models for layer in model.layers[:-1]}
        assert hidden == {*ACTIVATIONS}
        assert {model.layers[-1].activation.name for model in models} == {*(loss.output_activations or ACTIVATIONS)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("loss", "output"),
    [
        (Huber(0.3), "identity"),
        (Quantile(0.9), "tanh"),
        (CrossEntropy(label_smoothing=0.2), "softmax"),
        (BinaryCrossEntropy(label_smoothing=0.1), "sigmoid"),
        (BinaryCrossEntropy(pos_weight=7), "identity"),
        (BinaryCrossEntropy(0.1, pos_weight=[1, 20, 0.3]), "sigmoid"),
        (Quantile([0.1, 0.5, 0.9]), "identity"),
        (TweedieDeviance(1.1), "exponential"),
        (TweedieDeviance(1.9), "identity"),
        (BinaryFocal(0.0), "sigmoid"),
        (BinaryFocal(0.5, alpha=0.25), "identity"),
        (Focal(0.0), "softmax"),
        (Focal(0.5, alpha=[1, 2, 5]), "identity"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_parameters_of_losses(loss, output, dtype):
    model = mf.mlp([5, 9, 3], "tanh", output, dtype=dtype)
    X, y = data(model, loss, 11)
    report = mf.gradcheck(model, X, y, loss)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", [name for name, alpha in ACTIVATIONS.items() if alpha])
def test_parameters_of_activations(name):
    model = mf.mlp([5, 9, 3], mf.Activation(name, alpha=0.4), mf.Activation(name, alpha=0.7), dtype="float64")
    report = mf.gradcheck(model, *data(model, "mse", 11), loss="mse")
    assert report.ok, str(report)


@pytest.mark.parametrize(("rows", "width"), list(itertools.product(SIZES, SIZES)))
def test_odd_sizes(rows, width):
    model = mf.mlp([width, width, width], "tanh", dtype="float64")
    report = mf.gradcheck(model, *data(model, "mse", rows), loss="mse", max_parameters=10)
    assert report.ok, str(report)


def test_sparse_input():
    sparse = pytest.importorskip("scipy.sparse")
    X = sparse.random(20, 9, density=0.3, format="csr", random_state=0)
    model = mf.mlp([9, 6, 2], "tanh", dtype="float64")
    y = np.random.default_rng(0).normal(size=(20, 2))
    assert mf.gradcheck(model, X, y, "mse").ok
    loss, gradient = model.loss_and_gradient(X, y, "mse")
    dense_loss, dense_gradient = model.loss_and_gradient(X.toarray(), y, "mse")
    assert loss == dense_loss
    np.testing.assert_array_equal(gradient, dense_gradient)


@pytest.mark.parametrize("activation", ["tanh", "softplus", "softmax"])  # the derivative from h, from z, from the row
def test_dropout(activation):
    """With the masks of one step held, the loss has a gradient, and training steps along it."""
    model = mf.mlp([5, 17, 9, 3], activation, "softmax", dropout=0.4, dtype="float64")
    X, y = data(model, "cross_entropy", 20)
    y, p = y.astype(np.int32), model.parameters
    engine = Engine(model.network, CrossEntropy(), batch_rows=20, seed=7)
    loss, gradient = engine.loss_and_gradient(X, y, dropout_step=0)
    assert loss != engine.loss_and_gradient(X, y)[0]
    for i in range(0, model.n_parameters, 7):
        here, h, sides = p[i], 1e-5, []
        for p[i] in (here - h, here + h):
            sides.append(engine.loss_and_gradient(X, y, dropout_step=0)[0])
        p[i] = here
        assert (sides[1] - sides[0]) / (2 * h) == pytest.approx(gradient[i], rel=1e-6, abs=1e-9)
    before = p.copy()
    trainer = mf.Trainer(model, optimizer=mf.SGD(1.0), batch_size=20, shuffle=False, seed=7)
    without = model.loss_and_gradient(X, y, "cross_entropy")[1]
    np.testing.assert_array_equal(trainer.loss_and_gradient(X, y)[1], without)
    assert trainer.fit(X, y, verbose=0)["loss"] == pytest.approx([loss], rel=1e-12)
    np.testing.assert_allclose(p, before - gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_wrong_gradient_is_found(monkeypatch, dtype):
    model = mf.mlp([4, 6, 3], "tanh", "softmax", dtype=dtype)
    right = mf.Model.loss_and_gradient

    def wrong(self, *arguments, **keywords):
        loss, gradient = right(self, *arguments, **keywords)
        gradient[4 * 6 + 6 + 5] *= 1.01  # W1[1, 2]
        return loss, gradient

    monkeypatch.setattr(mf.Model, "loss_and_gradient", wrong)
    report = mf.gradcheck(model, *data(model, "cross_entropy", 9))
    assert not report.ok
    assert [tensor.ok for tensor in report.tensors] == [True, True, False, True]
    assert report.tensors[2].worst_index == (1, 2)
    assert report.max_relative_error == pytest.approx(0.01, rel=0.05)
    assert "WRONG" in str(report)


def test_a_kink_within_the_step_is_not_an_error():
    model = mf.mlp([1, 1, 1], "relu", dtype="float64")
    model.parameters = [1.0, 0.0, 1.0, 0.0]
    report = mf.gradcheck(model, [[2e-7], [1.0]], [[3.0], [1.0]], "mse")  # z of row 0 is 2e-7, the first step 6e-6
    assert report.ok, str(report)


def test_the_report():
    model = mf.mlp([30, 40, 2], "tanh", dtype="float64")
    before = model.parameters.copy()
    X, y = data(model, "mse", 5)
    report = mf.gradcheck(model, X, y, "mse", max_parameters=50)
    np.testing.assert_array_equal(model.parameters, before)
    assert [(tensor.name, tensor.shape, tensor.checked) for tensor in report.tensors] == [
        ("W0", (30, 40), 50),
        ("b0", (40,), 40),
        ("W1", (40, 2), 50),
        ("b1", (2,), 2),
    ]
    assert report.tolerance == 1e-6
    assert report.ok
    assert report.max_relative_error == max(tensor.max_relative_error for tensor in report.tensors) < 1e-6
    lines = str(report).splitlines()
    assert repr(report) == str(report)
    assert [line.split()[0] for line in lines] == ["tensor", "W0", "b0", "W1", "b1", "ok:"]
    assert "50 of 1200" in lines[1]
    assert report == mf.gradcheck(model, X, y, "mse", max_parameters=50)  # the sample is the same each time


def test_bad_input():
    model = mf.mlp([2, 1])
    with pytest.raises(ValueError, match="expected 2 features, got 3"):
        mf.gradcheck(model, np.ones((4, 3)), np.ones(4), "mse")
    with pytest.raises(ValueError, match="tolerance"):
        mf.gradcheck(model, np.ones((4, 2)), np.ones(4), "mse", tolerance=0)
    with pytest.raises(ValueError, match="max_parameters"):
        mf.gradcheck(model, np.ones((4, 2)), np.ones(4), "mse", max_parameters=0)


def test_a_model_without_parameters_is_refused():
    model = mf.Model(3, [mf.Activate("tanh")])
    with pytest.raises(ValueError, match="expected a model that has parameters, got one that has none"):
        mf.gradcheck(model, np.eye(3), np.eye(3), "mse")
