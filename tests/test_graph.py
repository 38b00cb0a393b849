"""Flow graphs: their derivatives are the engine's, differences', and the sum over all paths."""

import math

import numpy as np
import pytest
from loss_targets import fitting_outputs, targets_of

import mlpfast as mf
from mlpfast import graph
from mlpfast.activations import ACTIVATIONS
from mlpfast.layers import LAYERS
from mlpfast.losses import LOSSES, as_loss

TOLERANCE = {"float64": 1e-12, "float32": 2e-5}


def assert_equals_the_engine(model, X, y, loss):
    value, gradient = model.loss_and_gradient(X, y, loss)
    g = graph.of(model, X, y, loss)
    derivatives = g.backward()
    assert float(g.output.value) == pytest.approx(value, rel=TOLERANCE[model.dtype.name])
    for tensor in model.program.tensors:
        expected = gradient[tensor.offset : tensor.offset + tensor.size].reshape(tensor.shape)
        found = derivatives[tensor.name]
        assert found.dtype == model.dtype
        if tensor.rule.trainable:
            scale = max(np.linalg.norm(expected), 1e-3 * np.linalg.norm(gradient))
            assert np.linalg.norm(found - expected) <= TOLERANCE[model.dtype.name] * scale, tensor.name


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense_layers_with_every_activation(activation, dtype):
    model = mf.mlp([5, 4, 3], activation, bias_initializer=mf.initializers.Normal(0.3), dtype=dtype, seed=1)
    rng = np.random.default_rng(0)
    assert_equals_the_engine(model, rng.normal(size=(7, 5)), rng.normal(size=(7, 3)), "mse")


@pytest.mark.parametrize(
    ("name", "output"),
    [(name, output) for name, loss in LOSSES.items() for output in loss.output_activations or ("tanh", "softmax")],
)
def test_every_loss(name, output):
    loss = as_loss(name)
    model = mf.mlp([4, 5, fitting_outputs(loss, 3)], "tanh", output, dtype="float64", seed=2)
    rng = np.random.default_rng(1)
    assert_equals_the_engine(model, rng.normal(size=(6, 4)), targets_of(loss, model.outputs, 6, rng), name)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_as_formula_or_opaque(name, dtype):
    for inputs, layer in LAYERS[name].examples():
        if getattr(layer, "l2", None):
            continue  # a penalty of the layer's own is in the engine's loss
        model = mf.Model(inputs, [layer, mf.Dense(2)], dtype=dtype, seed=3)
        rng = np.random.default_rng(2)
        X = rng.normal(size=(5, inputs))
        for column, categories in model.program.codes:
            X[:, column] = rng.integers(categories, size=5)
        model.adapt(X)
        assert_equals_the_engine(model, X, rng.normal(size=(5, 2)), "mse")


def test_residuals_and_norms_are_no_opaque_nodes():
    model = mf.Model(
        4, [mf.Residual([mf.LayerNorm(), mf.Dense(4, "relu")]), mf.RMSNorm(), mf.Dense(2)], dtype="float64"
    )
    X = np.random.default_rng(0).normal(size=(3, 4))
    formulas = [node.formula for node in graph.of(model, X).nodes]
    assert "layer_norm(X, scale0.0, shift0.0)" in formulas
    assert "h1 + X" in formulas
    assert "rms_norm(z2, scale1)" in formulas
    assert sum("@" in formula for formula in formulas) == 2
    np.testing.assert_allclose(graph.of(model, X).output.value, model.predict(X), rtol=1e-13)


def test_an_activation_by_itself_leaves_what_it_reads_its_name():
    g = graph.of(mf.Model(2, [mf.Activate("tanh"), mf.Dense(1)]), [[1, 2]])
    assert g["h0"].formula == "tanh(X)"


def test_the_derivative_by_the_data_is_that_of_differences():
    model = mf.Model(3, [mf.Dense(4, "tanh"), mf.BatchNorm(), mf.Dense(1)], dtype="float64", seed=1)
    X, y = np.random.default_rng(3).normal(size=(4, 3)), np.zeros(4)
    found = graph.of(model, X, y, "mse").backward()["X"]
    for index in np.ndindex(X.shape):
        step = np.zeros_like(X)
        step[index] = 1e-6
        above, below = (model.loss_and_gradient(X + s, y, "mse")[0] for s in (step, -step))
        assert found[index] == pytest.approx((above - below) / 2e-6, rel=1e-6, abs=1e-9)


def by_hand():
    w, x, b = graph.leaf("w", 0.7), graph.leaf("x", -1.3), graph.leaf("b", 0.4)
    z = (w * x + b).named("z")
    h = graph.sigmoid(z) / (1 + graph.exp(-z)) - graph.tanh(b) ** 2 + graph.log(graph.max(w, x, 0.1))
    return graph.Graph((h * graph.relu(-x) + graph.softmax(w, x, b)[1]).named("L"))


def test_scalar_expressions_against_differences():
    g = by_hand()
    derivatives = g.backward()
    assert set(derivatives) == {"w", "x", "b"}
    for name, leaf in g.leaves.items():
        at = float(leaf.value)
        above, below = float(g.forward(**{name: at + 1e-6})), float(g.forward(**{name: at - 1e-6}))
        g.forward(**{name: at})
        assert float(derivatives[name]) == pytest.approx((above - below) / 2e-6, rel=1e-8)


@pytest.mark.parametrize("name", ["w", "x", "b", "z"])
def test_paths_add_up_to_the_total_derivative(name):
    g = by_hand()
    g.backward()
    paths = g.paths(name)
    assert len(paths) >= 2
    assert len({path.nodes for path in paths}) == len(paths)
    assert all(path.nodes[0] is g[name] and path.nodes[-1] is g.output for path in paths)
    assert sum(float(path.derivative) for path in paths) == pytest.approx(float(g[name].gradient), rel=1e-13)


def test_paths_through_a_residual_of_matrices():
    model = mf.Model(2, [mf.Residual([mf.Dense(2, "tanh")]), mf.Dense(1)], dtype="float64")
    g = graph.of(model, [[1.0, -2.0], [0.5, 3.0]], [1.0, 0.0], "mse")
    g.backward()
    paths = g.paths("X")
    assert len(paths) == 2
    np.testing.assert_allclose(sum(path.derivative for path in paths), g["X"].gradient, rtol=1e-13)


def test_steps_go_back_in_reverse_topological_order():
    g = by_hand()
    place = {id(node): number for number, node in enumerate(g.nodes)}
    assert all(place[id(given)] < place[id(node)] for node in g.nodes for given in node.inputs)
    total = {}
    visited = []
    for node, parts in g.steps():
        visited.append(place[id(node)])
        for given, part in parts:
            total[id(given)] = total.get(id(given), 0.0) + part
    assert visited == sorted(visited, reverse=True)
    for node in g.nodes[:-1]:
        np.testing.assert_array_equal(node.gradient, total[id(node)])


@pytest.mark.parametrize("layers", [[], [mf.PReLU()], [mf.LayerNorm()], [mf.BatchNorm()]])
def test_what_overflows_is_there_to_be_seen(layers):
    model = mf.Model(2, [mf.Dense(3, "relu", kernel_initializer=mf.initializers.Constant(1e200)), *layers, mf.Dense(2)])
    g = graph.of(model, [[1.0, 2.0], [1e10, 1.0]], [[0.0, 1.0], [1.0, 0.0]], "mse")
    assert g["h0"].value.max() == math.inf
    assert math.isnan(g.output.value)
    assert np.isnan(g.backward()["W0"]).any()
    assert "nan" in str(g)


def test_a_bias_gets_the_sum_over_the_rows():
    X, W, b = graph.leaf("X", np.ones((5, 2))), graph.leaf("W", np.ones((2, 3))), graph.leaf("b", np.zeros(3))
    assert graph.Graph(graph.sum(X @ W + b)).backward()["b"].tolist() == [5.0, 5.0, 5.0]


def test_conventions_at_kinks_and_at_zero_probability():
    z, p = graph.leaf("z", 0.0), graph.leaf("p", 0.0)
    assert graph.Graph(graph.relu(z)).backward()["z"] == 0
    assert graph.Graph(graph.max(z, 0)).backward()["z"] == 1
    assert graph.Graph(graph.log(p)).backward()["p"] == math.inf


def test_a_graph_goes_on_behind_a_model():
    """Without the fused form: softmax and -log p as nodes of their own."""
    model = mf.mlp([2, 3], "relu", "softmax", dtype="float64", seed=1)
    X, y = np.random.default_rng(0).normal(size=(4, 2)), [0, 2, 1, 1]
    h = graph.of(model, X).output
    derivatives = graph.Graph(graph.sum(-graph.log(h[np.arange(4), y])) / 4).backward()
    assert len({node.name for node in graph.Graph(h * 2 - h).nodes if node.name}) == 8
    fused = graph.of(model, X, y, "cross_entropy").backward()
    for name in ("W0", "b0", "X"):
        np.testing.assert_allclose(derivatives[name], fused[name], rtol=1e-12)


def test_a_long_chain_needs_no_deep_stack():
    node = x = graph.leaf("x", 1.0)
    for _ in range(3000):
        node = node + 1e-3
    assert graph.Graph(node).backward()["x"] == 1
    assert x.gradient == 1


def test_codes_are_checked_whatever_is_put_into_the_leaf():
    model = mf.Model(1, [mf.Columns([(0, mf.Embedding(3, 2))]), mf.Dense(1)])
    with pytest.raises(ValueError, match="whole number from 0 to 2, got 7 at"):
        graph.of(model, [[1], [7]])
    g = graph.of(model, [[1], [2]])
    with pytest.raises(ValueError, match="whole number from 0 to 2, got 3 at"):
        g.forward(X=[[1], [3]])
    assert g["X"].value.tolist() == [[1], [2]]


def test_custom_losses_take_part():
    loss = mf.losses.Custom(lambda y, h: (((h - y) ** 4).sum(axis=1), 4 * (h - y) ** 3))
    model = mf.mlp([2, 3, 2], "tanh", dtype="float64")
    rng = np.random.default_rng(5)
    assert_equals_the_engine(model, rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), loss)


def test_an_array_before_a_node():
    x = graph.leaf("x", [[1.0, 2.0], [3.0, 4.0]])
    A = np.array([[1.0, -1.0], [0.5, 2.0]])
    np.testing.assert_array_equal((A @ x).value, A @ x.value)
    np.testing.assert_allclose(graph.Graph(graph.sum(A @ x)).backward()["x"], A.T @ np.ones((2, 2)))


def test_what_is_refused():
    w = graph.leaf("w", 2.0)
    with pytest.raises(TypeError, match="expected a number as exponent, got <Node w"):
        w**w
    with pytest.raises(TypeError, match=r"expected a node as base, got 2 \*\* w; write exp"):
        2**w
    with pytest.raises(TypeError, match="expected one node or more, got none"):
        graph.max()
    model = mf.mlp([2, 1])
    with pytest.raises(ValueError, match="expected y and loss, or neither, got only y"):
        graph.of(model, [[1, 2]], [1])
    with pytest.raises(TypeError, match="expected model to be a Model, got list"):
        graph.of([], [[1, 2]])
    with pytest.raises(TypeError, match="expected a node, got 1.0"):
        graph.Graph(1.0)
    with pytest.raises(ValueError, match="a name for each node, got w more than once"):
        graph.Graph(graph.leaf("w", 1) * graph.leaf("w", 2))
    with pytest.raises(TypeError, match="expected the name of a leaf, got 2"):
        graph.leaf(2, "w")
    with pytest.raises(TypeError, match="expected real numbers, got 'two'"):
        graph.leaf("w", "two")
    with pytest.raises(ValueError, match=r"expected matrices on both sides of @, got \(2,\) @ \(\)"):
        graph.leaf("x", [1, 2]) @ 3
    g = by_hand()
    with pytest.raises(ValueError, match="expected leaves among w, x, b; got 'v'"):
        g.forward(w=2.0, v=1.0)
    with pytest.raises(ValueError, match=r"expected w to have shape \(\), got \(2,\)"):
        g.forward(x=0.0, w=[1, 2])
    assert g["x"].value == -1.3
    with pytest.raises(KeyError, match="got 'q'"):
        g["q"]
    with pytest.raises(ValueError, match=r"expected delta to have the shape of z, \(\), got \(3,\)"):
        g["z"].backward([1, 2, 3])
    node = graph.leaf("x", 1.0)
    for _ in range(15):
        node = node + node
    with pytest.raises(ValueError, match="at most 10,000 paths from x"):
        graph.Graph(node).paths("x")
    with pytest.raises(ValueError, match="Jacobians of at most 1,048,576 elements"):
        graph.exp(graph.leaf("x", np.zeros(2000))).partials()
