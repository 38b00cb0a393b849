"""A model, or a loss over it, as a flow graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..losses import Loss, as_loss
from ..model import Model
from ..parts import Layer
from ..validation import CSR, as_features, as_targets
from .functions import activation
from .nodes import Array, Node, Operation, leaf
from .opaque import of_layer, of_loss
from .walk import Graph

__all__ = ["of"]


def of(model: Model, X: Any, y: Any = None, loss: str | Loss | None = None) -> Graph:
    """A model at some rows of data as a flow graph; with `loss`, the mean loss over them.

    A dense layer is a product, a sum and its activation; a residual is a sum; norms of rows are a node each. Every
    other layer is one opaque node, which the engine computes. A loss that the engine computes from pre-activations,
    such as the cross-entropy, is one node behind them: the fused form.

    Parameters
    ----------
    model : Model
        It is not changed; the graph has copies of its parameters, as leaves under the names of the tensors.
    X : array-like (n, inputs)
        The leaf "X". A few rows are enough to see.
    y : array-like, optional
        Targets, as the loss takes them.
    loss : str or Loss, optional
        See `mlpfast.losses`. The output is then "L".

    Returns
    -------
    Graph
        With pre-activations z0, z1, ... and outputs h0, h1, ... of the program's layers, where these have an
        activation. Dropout takes no part.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit the model or the others, or X is sparse.

    Notes
    -----
    Its derivatives are those of `Model.loss_and_gradient`, to rounding; it has those of tensors that are not trainable,
    too. It is for seeing, not for speed.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([2, 3, 1], "tanh", dtype="float64", seed=0)
    >>> g = mf.graph.of(model, [[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0], loss="mse")
    >>> [node.name for node in g.nodes if node.operation]
    ['v1', 'z0', 'h0', 'v2', 'z1', 'L']
    >>> g.backward()["W1"].shape
    (3, 1)
    """
    if not isinstance(model, Model):
        raise TypeError(f"expected model to be a Model, got {type(model).__name__}")
    features = as_features(X, model.inputs, model.dtype, cast=True)
    if isinstance(features, CSR):
        raise TypeError("graph.of: expected dense X, got sparse rows; a few of them, made dense, are enough")
    if (y is None) != (loss is None):
        raise ValueError(f"expected y and loss, or neither, got only {'loss' if y is None else 'y'}")
    z, h = _outputs(model, leaf("X", np.asarray(features, model.dtype)))
    if loss is None:
        return Graph(h)
    loss = as_loss(loss)
    loss.check_output(model.output_activation, model.outputs)
    targets = as_targets(y, loss, model.outputs, model.dtype, len(features))
    model.check_custom(loss, targets)
    operation = of_loss(loss, targets, model.outputs, model.dtype)
    return Graph(Node(operation, (h if loss.reads == "outputs" else z,)).named("L"))


def _outputs(model: Model, X: Node) -> tuple[Node, Node]:
    """The pre-activations and outputs of the last value."""
    layers, schedule = model.program.layers, model.program.schedule("gradient")
    leaves = [leaf(name, tensor) for name, tensor in model.tensors.items()]
    values = {0: (X, X)}

    def made(number: int) -> Node:
        reads = [values[value][1] for value in (schedule.reads[number], schedule.also[number]) if value is not None]
        return _layer_node(model, layers[number], reads, [leaves[t] for t in layers[number].tensors])

    for number, layer in enumerate(layers):
        if layer.trains_only or layer.makes in values:
            continue
        parts = sorted((each.part or (0, 0), n) for n, each in enumerate(layers) if each.makes == layer.makes)
        nodes = tuple(made(n) for _, n in parts)
        z = nodes[0] if len(nodes) == 1 else Node(_SIDE_BY_SIDE, nodes)
        if not z.name:  # an activation by itself reads one that has a name
            z.named(f"z{number}")
        g = model.program.values[layer.makes].activation
        values[layer.makes] = z, z if g.name == "identity" else activation(z, g).named(f"h{number}")
    return values[schedule.output]


def _layer_node(model: Model, layer: Layer, reads: list[Node], tensors: list[Node]) -> Node:
    """The pre-activation that a layer makes, or its part of it."""
    x = reads[0]
    if layer.kind == "dense":
        product = x @ tensors[0]
        return product + tensors[1] if len(tensors) > 1 else product
    if layer.kind == "add":
        return x + reads[1]
    if layer.kind == "activate":
        return x
    operation = _layer_norm(layer.numbers[0]) if layer.kind == "layer_norm" else of_layer(model, layer)
    return Node(operation, (x, *tensors))


def _layer_norm(epsilon: float) -> Operation:
    """(x - mean) / sqrt(variance + epsilon) * scale + shift.

    Through n = (x - mean) / s the derivative is (v - mean(v) - n mean(v n)) / s (Ba et al., 2016).
    """

    def normalised(x: Array) -> tuple[Array, Array]:
        centred = x - x.mean(axis=1, keepdims=True, dtype=np.float64)
        s = np.sqrt((centred**2).mean(axis=1, keepdims=True) + epsilon)
        return centred / s, s

    def forward(x: Array, scale: Array, shift: Array) -> Array:
        return (normalised(x)[0] * scale + shift).astype(x.dtype)

    def backward(delta: Array, h: Array, x: Array, scale: Array, shift: Array) -> tuple[Array, ...]:
        (n, s), v = normalised(x), delta * scale
        dx = v - v.mean(axis=1, keepdims=True) - n * (v * n).mean(axis=1, keepdims=True)
        return dx / s, delta * n, delta

    return Operation("layer_norm", forward, backward)


_SIDE_BY_SIDE = Operation(
    "concatenate",
    lambda *parts: np.concatenate(parts, axis=1),
    lambda d, h, *parts: tuple(np.split(d, np.cumsum([part.shape[1] for part in parts])[:-1], axis=1)),
)
