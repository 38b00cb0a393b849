"""`gradcheck` of what a model computes beside the gradient: right ones pass, wrong ones are found and named.

Layers take part by being registered, derivatives by being in `mlpfast.checks.products`.
"""

import inspect

import numpy as np
import pytest
import scipy.sparse as sp
from layer_checks import DTYPES, data
from test_gradcheck_power import random_case
from test_tangents import some

import mlpfast as mf
from mlpfast.checks.products import PRODUCTS
from mlpfast.layers import LAYERS

X = np.random.default_rng(0).normal(size=(7, 4))
LABELS = np.arange(7) % 3


def squares(y, h):
    return 0.5 * ((h - y) ** 2).sum(axis=1), h - y


def net(dtype="float64", hidden="tanh", **settings):
    biases = mf.initializers.Normal(0.3)
    return mf.mlp([4, 6, 3], hidden, "softmax", bias_initializer=biases, dtype=dtype, seed=1, **settings)


@pytest.mark.parametrize("layer_class", LAYERS.values(), ids=LAYERS)
def test_layers(layer_class):
    found = list(some(layer_class))[:2]
    for model in found:
        rows, y = data(model, 3)
        encoders = any(layer.part is not None for layer in model.program.layers)
        for of in PRODUCTS:
            if (of != "hessian" or model.n_parameters < 40) and not (of == "input_hessian" and encoders):
                report = mf.gradcheck(model, rows, y, "mse", of=of, max_parameters=2)
                assert report.ok, f"{of}\n{model}\n{report}"


@pytest.mark.parametrize("first", range(1, 65, 16))
def test_right_ones_pass(first):
    """Networks of any activation, depth and scale, half of them trained; each derivative of every ninth."""
    for number in range(first, first + 16):
        model, rows, y, loss, _ = random_case(number)
        of = list(PRODUCTS)[number % len(PRODUCTS)]
        if of != "hessian" or model.n_parameters < 100:
            report = mf.gradcheck(model, rows[:9], y[:9], loss, of=of, max_parameters=4)
            assert report.ok, f"{number}: {loss} {of}\n{model}\n{report}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("of", PRODUCTS)
def test_a_wrong_one_is_found(monkeypatch, of, dtype):
    """Off by little beside the norm of what it belongs to, at its greatest element; and by a factor."""
    model, right = net(dtype), getattr(mf.Model, of)
    named = PRODUCTS[of].by_parameters
    settings = {"sample_weight": np.arange(1.0, 8.0), "l2": 0.1} if PRODUCTS[of].weighted else {}

    def wrong(self, *arguments, **keywords):
        result = right(self, *arguments, **keywords)
        if self is model:
            if named:
                tensor = self.program.tensors[2]
                whole = result[..., tensor.offset : tensor.offset + tensor.size]
                where = np.unravel_index(np.abs(whole).argmax(), whole.shape)
                whole[where] += 1e-3 * np.linalg.norm(whole)
            else:
                where = np.unravel_index(np.abs(result).argmax(), result.shape)
                result[where] += 1e-3 * np.linalg.norm(result)
            places.append(where)
        return result

    places = []
    assert mf.gradcheck(model, X, LABELS, of=of, max_parameters=1000, **settings).ok
    monkeypatch.setattr(mf.Model, of, wrong)
    report = mf.gradcheck(model, X, LABELS, of=of, max_parameters=1000, **settings)
    assert not report.ok and "WRONG" in str(report) and report.max_relative_error == pytest.approx(1e-3, rel=0.01)
    assert report.worst.name == ("W1" if named else of)
    assert [tensor.ok for tensor in report.tensors] == ([True, True, False, True] if named else [False])
    index = report.worst.worst_index
    leading = len(PRODUCTS[of].axes)
    assert index[:leading] == places[0][:leading]
    if named:
        assert np.ravel_multi_index(index[leading:], (6, 3)) == places[0][-1]


@pytest.mark.parametrize("of", PRODUCTS)
@pytest.mark.parametrize("factor", [-1, 6 / 7])
def test_a_wrong_factor_is_found(monkeypatch, of, factor):
    model, right = net(), getattr(mf.Model, of)
    monkeypatch.setattr(mf.Model, of, lambda self, *a, **k: right(self, *a, **k) * (factor if self is model else 1))
    assert not any(t.ok for t in mf.gradcheck(model, X, LABELS, of=of, max_parameters=10).tensors)


def test_the_report():
    model, before = net(), net().parameters.copy()
    report = mf.gradcheck(model, X, LABELS, of="per_sample_gradients", max_parameters=50)
    np.testing.assert_array_equal(model.parameters, before)
    assert [(tensor.name, tensor.shape, tensor.checked) for tensor in report.tensors] == [
        ("W0", (7, 4, 6), 50),
        ("b0", (7, 6), 42),
        ("W1", (7, 6, 3), 50),
        ("b1", (7, 3), 21),
    ]
    assert report.of == "per_sample_gradients" and report.tensors[0].axes == ("row",)
    assert report.worst in report.tensors and report.worst.max_relative_error == report.max_relative_error < 1e-8
    row, i, j = report.tensors[0].worst_index
    assert report.tensors[0].worst == f"row {row}, [{i}, {j}]"
    assert report == mf.gradcheck(model, X, LABELS, of="per_sample_gradients", max_parameters=50)
    (whole,) = mf.gradcheck(model, X, of="jacobian").tensors
    assert whole.name == "jacobian" and whole.shape == (7, 3, 4) and whole.checked == 84
    assert whole.worst == "row {}, output {}, input {}".format(*whole.worst_index)


@pytest.mark.parametrize("of", ["gradient", *PRODUCTS])
def test_the_error_by_the_step_goes_down_and_up_again(of):
    report = mf.gradcheck(net(), X, LABELS, of=of, max_parameters=5)
    assert report.steps.shape == report.errors.shape and (np.diff(report.steps) < 0).all()
    best = report.errors.argmin()
    assert report.errors[best] < 1e-8 and report.errors[0] > 100 * report.errors[best] < report.errors[-1]
    slope = np.polyfit(np.log(report.steps[:3]), np.log(report.errors[:3]), 1)[0]
    assert slope == pytest.approx(2, abs=0.1)  # the formula's error goes with the square of the step


def test_kinks_near_a_row_are_stepped_over_and_exactly_there_either_side_is_right():
    model = mf.mlp([1, 1, 1], "relu", dtype="float64")
    model.parameters = [1.0, 0.0, 1.0, 0.0]
    for of in PRODUCTS:
        report = mf.gradcheck(model, [[2e-7], [1.0]], [[3.0], [1.0]], "mse", of=of)
        assert report.ok, f"{of}\n{report}"
    for of in ("jvp", "vjp", "jacobian", "input_gradient", "per_sample_gradients"):
        report = mf.gradcheck(model, [[0.0], [1.0]], [[3.0], [1.0]], "mse", of=of)
        assert report.ok, f"{of}\n{report}"
    assert not mf.gradcheck(model, [[0.0], [1.0]], [[3.0], [1.0]], "mse", of="hvp").ok  # there is no second derivative


def test_frozen_layers_penalties_codes_and_sparse_rows():
    layers = [mf.Dense(5, "tanh", trainable=False), mf.Dense(6, "gelu", l1=0.01, l2=0.2), mf.Dense(3, "softmax")]
    model = mf.Model(4, layers, dtype="float64", seed=1)
    coded = mf.Model(3, [mf.Columns([(0, mf.Embedding(4, 2))]), mf.Dense(3, "softmax")], dtype="float64", seed=1)
    rows = np.column_stack([np.arange(7) % 4, X[:, :2]])
    for of, product in PRODUCTS.items():
        settings = {"l2": 0.1} if product.weighted else {}
        for each, given in ((model, X), (coded, rows))[: 1 if of == "input_hessian" else 2]:
            report = mf.gradcheck(each, given, LABELS, of=of, max_parameters=8, **settings)
            assert report.ok, f"{of}\n{report}"
        assert mf.gradcheck(net(), sp.csr_matrix(X * (X > 0)), LABELS, of=of, max_parameters=2).ok


def test_an_overflow_is_reported_without_warnings(recwarn):
    model = mf.mlp([1, 1], output_activation="exponential", dtype="float64")
    model.parameters = [709.7, 0.0]
    report = mf.gradcheck(model, [[1.0]], of="jacobian")
    assert not report.ok and not recwarn.list


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"of": "hesian"}, ValueError, "unknown derivative 'hesian'; did you mean 'hessian'"),
        ({"of": None}, TypeError, "expected derivative to be one of fisher_diagonal, .*got None"),
        ({"of": "hvp", "y": None}, ValueError, "expected targets as y with of='hvp', got none"),
        ({"y": None}, ValueError, "expected targets as y with of='gradient', got none"),
        ({"of": "jacobian", "l2": 0.1}, ValueError, "expected no l2 with of='jacobian', which takes none"),
        ({"of": "vjp", "sample_weight": np.ones(7)}, ValueError, "expected no sample_weight with of='vjp'"),
        ({"of": "hvp", "l1": 0.1}, ValueError, "expected no l1 with of='hvp'"),
        ({"of": "hvp", "training": True}, ValueError, "expected no training with of='hvp'"),
        ({"of": "jvp", "X": X[:, :3]}, ValueError, "expected 4 features, got 3"),
        ({"of": "hvp", "y": X[:, :3], "loss": mf.losses.Custom(squares)}, ValueError, "with second derivatives"),
        ({"model": "net"}, TypeError, "expected model to be a Model, got str"),
    ],
)
def test_bad_input(settings, error, message):
    with pytest.raises(error, match=message):
        mf.gradcheck(**{"model": net(), "X": X, "y": LABELS} | settings)


@pytest.mark.parametrize("name", [*PRODUCTS, "loss_and_gradient", "activations", "deltas", "per_sample_gradient_norms"])
def test_all_write_where_asked_to_on_as_many_threads_as_allowed(name):
    taken = inspect.signature(getattr(mf.Model, name)).parameters
    assert taken["out"].default is taken["n_threads"].default is None


def test_a_model_without_parameters():
    model = mf.Model(3, [mf.Activate("tanh")], dtype="float64")
    assert mf.gradcheck(model, np.eye(3), np.ones((3, 3)), "mse", of="input_gradient").ok
    with pytest.raises(ValueError, match="expected a model that has parameters, got one that has none"):
        mf.gradcheck(model, np.eye(3), np.ones((3, 3)), "mse", of="hvp")
