"""A model, or a loss over it, as a flow graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..activations import Activation
from ..losses import Loss, as_loss
from ..model import Model
from ..parts import Layer
from ..validation import CSR, as_features, as_targets
from .functions import activation
from .nodes import Array, Node, Operation, leaf
from .opaque import Rows
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
    return Graph(_loss_node(h if loss.reads == "outputs" else z, loss, targets))


def _outputs(model: Model, X: Node) -> tuple[Node, Node]:
    """The pre-activations and outputs of the last value."""
    program = model.program
    schedule = program.schedule("gradient")
    leaves = [leaf(name, tensor) for name, tensor in model.tensors.items()]
    values: dict[int, tuple[Node, Node]] = {0: (X, X)}
    run = [number for number, layer in enumerate(program.layers) if not layer.trains_only]
    for number in run:
        makes = program.layers[number].makes
        if makes in values:
            continue  # all parts of it are there
        makers = [n for n in run if program.layers[n].makes == makes]
        parts = []
        for n in sorted(makers, key=lambda n: program.layers[n].part or (0, 0)):
            reads = [values[value][1] for value in (schedule.reads[n], schedule.also[n]) if value is not None]
            parts.append(_layer_node(model, program.layers[n], reads, leaves))
        z = parts[0] if len(parts) == 1 else Node(_SIDE_BY_SIDE, tuple(parts))
        g = program.values[makes].activation
        if g == Activation("identity"):
            values[makes] = _named(z, f"z{number}"), z
        else:
            values[makes] = _named(z, f"z{number}"), activation(z, g).named(f"h{number}")
    return values[schedule.output]


def _named(node: Node, name: str) -> Node:
    """A node, under this name if it has none: an activation by itself reads one that may have."""
    return node if node.name else node.named(name)


def _layer_node(model: Model, layer: Layer, reads: Sequence[Node], leaves: Sequence[Node]) -> Node:
    """The pre-activation that a layer makes, or its part of it."""
    x, tensors = reads[0], [leaves[t] for t in layer.tensors]
    if layer.kind == "dense":
        product = x @ tensors[0]
        return product + tensors[1] if len(tensors) > 1 else product
    if layer.kind == "add":
        return x + reads[1]
    if layer.kind == "activate":
        return x
    if layer.kind in ("layer_norm", "rms_norm"):
        return Node(_row_norm(layer.kind, *layer.numbers), (x, *tensors))
    return Node(Operation(layer.kind, *Rows(model, layer).functions), (x, *tensors))


def _row_norm(name: str, epsilon: float, centres: float) -> Operation:
    """(x - mean) / sqrt(variance + epsilon) * scale + shift, or, not centred, x / sqrt(mean square + epsilon) * scale.

    Through n = (x - mean) / s the derivative is (v - mean(v) - n mean(v n)) / s (Ba et al., 2016).
    """

    def normalised(x: Array) -> tuple[Array, Array]:
        centred = x - x.mean(axis=1, keepdims=True) if centres else x
        s = np.sqrt((centred**2).mean(axis=1, keepdims=True) + epsilon)
        return centred / s, s

    def forward(x: Array, scale: Array, *shift: Array) -> Array:
        n, _ = normalised(x.astype(np.float64))
        return (n * scale + (shift[0] if shift else 0.0)).astype(x.dtype)

    def backward(delta: Array, h: Array, x: Array, scale: Array, *shift: Array) -> tuple[Array, ...]:
        n, s = normalised(x.astype(np.float64))
        v = delta * scale
        dx = v - n * (v * n).mean(axis=1, keepdims=True)
        dx -= v.mean(axis=1, keepdims=True) if centres else 0.0
        return (dx / s).astype(x.dtype), delta * n, *(delta for _ in shift)

    return Operation(name, forward, backward)


_SIDE_BY_SIDE = Operation(
    "concatenate",
    lambda *parts: np.concatenate(parts, axis=1),
    lambda d, h, *parts: tuple(np.split(d, np.cumsum([part.shape[1] for part in parts])[:-1], axis=1)),
)


def _loss_node(outputs: Node, loss: Loss, y: Array) -> Node:
    """The mean loss over the rows, by the engine."""
    rows = Rows()

    def forward(outputs: Array) -> Array:
        return np.asarray(rows.loss(outputs, y, loss)[0])

    def backward(delta: Array, value: Array, outputs: Array) -> tuple[Array]:
        return (delta * rows.loss(outputs, y, loss)[1],)

    return Node(Operation(loss.name, forward, backward), (outputs,)).named("L")
