"""Functions of nodes: what a teacher writes beside + - * /."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..activations import Activation, as_activation
from .nodes import Array, Node, Operation, as_node

__all__ = ["activation", "exp", "log", "max", "relu", "sigmoid", "softmax", "sum", "tanh"]


def exp(z: Any) -> Node:
    """The exponential of each element.

    Examples
    --------
    >>> from mlpfast import graph
    >>> float(graph.exp(graph.leaf("z", 0.0)).value)
    1.0
    """
    return Node(_EXP, (as_node(z),))


def log(z: Any) -> Node:
    """The natural logarithm of each element; minus infinity at 0, where its derivative is infinite.

    Examples
    --------
    >>> from mlpfast import graph
    >>> p = graph.leaf("p", 0.25)
    >>> graph.Graph(-graph.log(p)).backward()["p"]
    array(-4.)
    """
    return Node(_LOG, (as_node(z),))


def sigmoid(z: Any) -> Node:
    """The logistic function, 1 / (1 + exp(-z)), of each element.

    Examples
    --------
    >>> from mlpfast import graph
    >>> p = graph.sigmoid(graph.leaf("z", 0.0))
    >>> float(p.value), float(p.partials()[0])
    (0.5, 0.25)
    """
    return activation(z, "sigmoid")


def tanh(z: Any) -> Node:
    """The hyperbolic tangent of each element.

    Examples
    --------
    >>> from mlpfast import graph
    >>> h = graph.tanh(graph.leaf("z", 0.0))
    >>> float(h.value), float(h.partials()[0])
    (0.0, 1.0)
    """
    return activation(z, "tanh")


def relu(z: Any) -> Node:
    """max(z, 0) of each element; its derivative at 0 is taken as 0.

    Examples
    --------
    >>> from mlpfast import graph
    >>> [float(graph.relu(graph.leaf("z", z)).value) for z in (-2.0, 2.0)]
    [0.0, 2.0]
    """
    return activation(z, "relu")


def softmax(*z: Any) -> Node:
    """exp(z_j) / sum_k exp(z_k), of a vector or of the rows of a matrix; of several numbers, as a vector.

    Examples
    --------
    >>> from mlpfast import graph
    >>> a, b = graph.leaf("a", 0.0), graph.leaf("b", 0.0)
    >>> p = graph.softmax(a, b)
    >>> gradient = graph.Graph(p[0]).backward()
    >>> float(gradient["a"]), float(gradient["b"])
    (0.25, -0.25)
    """
    return activation(z[0] if len(z) == 1 else Node(_STACK, tuple(map(as_node, z))), "softmax")


def activation(z: Any, name: str | Activation) -> Node:
    """Any of `mlpfast.activations`, by the kernels that training uses.

    Parameters
    ----------
    z : Node, number or array-like of at most two dimensions
    name : str or Activation

    Returns
    -------
    Node

    Raises
    ------
    ValueError
        If the activation is unknown.

    Examples
    --------
    >>> from mlpfast import graph
    >>> graph.activation(graph.leaf("z", 0.0), "gelu").partials()
    (array(0.5),)
    """
    g = as_activation(name)

    def forward(z: Array) -> Array:
        return kernels.activation(np.atleast_1d(z), g).reshape(z.shape)

    def backward(delta: Array, h: Array, z: Array) -> tuple[Array]:
        if g.name == "softmax":
            return (kernels.softmax_jvp(np.atleast_1d(h), np.atleast_1d(delta)).reshape(z.shape),)
        saved = z if kernels.saves(g) == "z" else h
        return (kernels.hadamard_delta(np.atleast_1d(delta), np.atleast_1d(saved), g).reshape(z.shape),)

    return Node(Operation(f"{g}({{}})", forward, backward), (as_node(z),))


def max(*z: Any) -> Node:
    """The largest of several nodes or numbers, element by element; of equal ones, the first gets the derivative.

    Examples
    --------
    >>> from mlpfast import graph
    >>> a, b = graph.leaf("a", 2.0), graph.leaf("b", 3.0)
    >>> gradient = graph.Graph(graph.max(a, b)).backward()
    >>> float(gradient["a"]), float(gradient["b"])
    (0.0, 1.0)
    """
    if not z:
        raise TypeError("graph.max: expected one node or more, got none")
    return Node(_MAX, tuple(map(as_node, z)))


def sum(z: Any) -> Node:
    """The sum of all elements.

    Examples
    --------
    >>> from mlpfast import graph
    >>> graph.Graph(graph.sum(graph.leaf("z", [1.0, 2.0]) ** 2)).backward()["z"]
    array([2., 4.])
    """
    return Node(_SUM, (as_node(z),))


def _to_the_first(delta: Array, h: Array, *z: Array) -> tuple[Array, ...]:
    parts, free = [], np.ones(h.shape, bool)
    for each in z:
        wins = free & (each == h)
        parts.append(np.where(wins, delta, 0.0))
        free &= ~wins
    return tuple(parts)


_EXP = Operation("exp", lambda z: np.exp(z), lambda d, h, z: (d * h,))
_LOG = Operation("log", lambda z: np.log(z), lambda d, h, z: (d / z,))
_SUM = Operation("sum", lambda z: z.sum(), lambda d, h, z: (np.broadcast_to(d, z.shape),))
_MAX = Operation("max", lambda *z: np.maximum.reduce(np.broadcast_arrays(*z)), _to_the_first)
_STACK = Operation("stack", lambda *z: np.stack(z), lambda d, h, *z: tuple(d))
