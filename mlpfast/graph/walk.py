"""The graph as a whole: forward, backward, and path by path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..tables import text_table
from .nodes import Array, Node

__all__ = ["Graph", "Path", "Step"]

_MOST_PATHS = 10_000  # their number may double with every node


class Step(NamedTuple):
    """A step of the way back: a node, and what it adds to the derivative of each of its inputs.

    Examples
    --------
    >>> from mlpfast import graph
    >>> x = graph.leaf("x", 3.0)
    >>> step = next(graph.Graph((x * x).named("square")).steps())
    >>> str(step.node), [float(part) for _, part in step.parts]
    ('square', [3.0, 3.0])
    """

    node: Node
    parts: tuple[tuple[Node, Array], ...]


class Path(NamedTuple):
    """A way from a leaf to the output: its nodes, and the product of the local partial derivatives along it.

    Examples
    --------
    >>> from mlpfast import graph
    >>> x = graph.leaf("x", 3.0)
    >>> path = graph.Graph((x * x).named("square") + x).paths("x")[0]
    >>> [str(node) for node in path.nodes], float(path.derivative)
    (['x', 'square', 'v1'], 3.0)
    """

    nodes: tuple[Node, ...]
    derivative: Array

    def __str__(self) -> str:
        return f"{' -> '.join(map(str, self.nodes))}: {_shown(self.derivative)}"


class Graph:
    """All nodes that an output depends on.

    The derivative of the output by a node is a sum over the paths from there to the output, of the products of the
    local partial derivatives along each (the chain rule). `backward` adds that up in one pass, in reverse topological
    order: when a node's turn comes, all its readers have had theirs, and its derivative is whole (Griewank and Walther,
    2008, chapter 3). `paths` takes the paths one by one, and comes to the same.

    Parameters
    ----------
    output : Node
        For `backward`, mostly a number: the loss.

    Attributes
    ----------
    output : Node
    nodes : tuple of Node
        In topological order: each comes after its inputs.
    leaves : dict from str to Node

    Raises
    ------
    TypeError, ValueError
        If `output` is no node, or two nodes have one name.

    Examples
    --------
    >>> from mlpfast import graph
    >>> w, x, b = graph.leaf("w", 2.0), graph.leaf("x", -1.0), graph.leaf("b", 3.0)
    >>> g = graph.Graph(graph.sigmoid(w * x + b).named("p"))
    >>> derivatives = g.backward()
    >>> print(g)
    node  is           value   local partials     dp/d
    w     leaf         2                          -0.1966
    x     leaf         -1                         0.3932
    v1    w * x        -2      by w: -1, by x: 2  0.1966
    b     leaf         3                          0.1966
    v2    v1 + b       1       by v1: 1, by b: 1  0.1966
    p     sigmoid(v2)  0.7311  by v2: 0.1966      1
    """

    def __init__(self, output: Node) -> None:
        if not isinstance(output, Node):
            raise TypeError(f"expected a node, got {output!r} ({type(output).__name__})")
        self.output, self.nodes = output, _in_order(output)
        names = Counter(node.name for node in self.nodes if node.name)
        if twice := [name for name, times in names.items() if times > 1]:
            raise ValueError(f"expected a name for each node, got {', '.join(twice)} more than once")
        self.leaves = {node.name: node for node in self.nodes if node.operation is None and node.name}
        free = (f"v{number}" for number in count(1) if f"v{number}" not in names)
        for node in self.nodes:
            if node.operation is not None and not node.name:
                node.name = next(free)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(f"expected one of {', '.join(node.name for node in self.nodes if node.name)}; got {name!r}")

    def forward(self, **values: ArrayLike) -> Array:
        """Compute all values anew, in topological order.

        Parameters
        ----------
        **values : array-like
            New values of leaves, by name, of the shapes that they have.

        Returns
        -------
        ndarray
            The output.

        Raises
        ------
        ValueError
            For a name that no leaf has, another shape, or values that a layer refuses; nothing is changed then.
        """
        before = [node.value for node in self.nodes]
        try:
            for name, value in values.items():
                if name not in self.leaves:
                    raise ValueError(f"expected leaves among {', '.join(self.leaves)}; got {name!r}")
                node, shape = self.leaves[name], self.leaves[name].value.shape
                node.value = np.array(value, node.value.dtype)
                if node.value.shape != shape:
                    raise ValueError(f"expected {name} to have shape {shape}, got {node.value.shape}")
            for node in self.nodes:
                node.forward()
        except BaseException:
            for node, was in zip(self.nodes, before, strict=True):
                node.value = was
            raise
        for node in self.nodes:
            node.gradient = None
        return self.output.value

    def steps(self, seed: ArrayLike = 1.0) -> Iterator[Step]:
        """Go back node by node, in reverse topological order, adding to `Node.gradient` on the way.

        Parameters
        ----------
        seed : array-like, default 1.0
            The derivative to begin with, that of the output by itself; broadcast to the output's shape.

        Yields
        ------
        Step
            One for each node that is no leaf; its derivative is whole by then.

        Examples
        --------
        >>> from mlpfast import graph
        >>> x = graph.leaf("x", 3.0)
        >>> for node, parts in graph.Graph(x * x + x).steps():
        ...     print(node, [f"{of} += {part:g}" for of, part in parts])
        v2 ['v1 += 1', 'x += 1']
        v1 ['x += 3', 'x += 3']
        """
        for node in self.nodes:
            node.gradient = np.zeros_like(node.value)
        self.output.gradient = np.array(np.broadcast_to(seed, self.output.value.shape), self.output.value.dtype)
        for node in reversed(self.nodes):
            if node.operation is None:
                continue
            assert node.gradient is not None
            parts = node.backward(node.gradient)
            for given, part in zip(node.inputs, parts, strict=True):
                given.gradient = given.gradient + part
            yield Step(node, tuple(zip(node.inputs, parts, strict=True)))

    def backward(self, seed: ArrayLike = 1.0) -> dict[str, Array]:
        """All total derivatives, in `Node.gradient`; returns those of the leaves.

        Parameters
        ----------
        seed : array-like, default 1.0
            As for `steps`.

        Returns
        -------
        dict from str to ndarray
            The derivative of the output by each leaf, of its shape.
        """
        for _ in self.steps(seed):
            pass
        return {name: np.asarray(node.gradient) for name, node in self.leaves.items()}

    def paths(self, name: str) -> list[Path]:
        """Every path from a node to the output; their derivatives add up to the total one.

        Parameters
        ----------
        name : str
            Of a leaf, or of any other node.

        Returns
        -------
        list of Path
            With derivatives of the output's shape followed by the node's.

        Raises
        ------
        KeyError, ValueError
            If no node has the name, there are more than 10,000 paths, or Jacobians have more than a million elements.

        Examples
        --------
        >>> from mlpfast import graph
        >>> x = graph.leaf("x", 3.0)
        >>> for path in graph.Graph((x * x).named("square") + x).paths("x"):
        ...     print(path)
        x -> square -> v1: 3
        x -> square -> v1: 3
        x -> v1: 1
        """
        start = self[name]
        ways: dict[int, list[Path]] = {id(node): [] for node in self.nodes}
        ways[id(start)] = [Path((start,), np.eye(start.value.size).reshape(start.value.shape * 2))]
        for node in self.nodes:
            if not any(ways[id(given)] for given in node.inputs):
                continue
            for given, partial in zip(node.inputs, node.partials(), strict=True):
                for nodes, derivative in ways[id(given)]:
                    onward = np.tensordot(partial, derivative, axes=given.value.ndim)
                    ways[id(node)].append(Path((*nodes, node), onward))
            if len(ways[id(node)]) > _MOST_PATHS:
                raise ValueError(f"expected at most {_MOST_PATHS:,} paths from {name}, got more; backward() needs none")
        return ways[id(self.output)]

    def __str__(self) -> str:
        rows = [("node", "is", "value", "local partials", f"d{self.output}/d")]
        for node in self.nodes:
            if node.operation is None and not node.name:
                continue
            derivative = "" if node.gradient is None else _shown(node.gradient)
            rows.append((str(node), node.formula, _shown(node.value), _partials(node), derivative))
        return text_table(rows)

    def __repr__(self) -> str:
        return f"<Graph of {self.output}: {len(self.nodes)} nodes, leaves {', '.join(self.leaves)}>"


def _in_order(output: Node) -> tuple[Node, ...]:
    """Inputs before what is made of them; without recursion, as a chain may be longer than Python's stack."""
    order: dict[int, Node] = {}
    going = [output]
    while going:
        if waiting := [given for given in going[-1].inputs if id(given) not in order]:
            going += reversed(waiting)
        else:
            node = going.pop()
            order[id(node)] = node
    return tuple(order.values())


def _partials(node: Node) -> str:
    """Those between numbers; of arrays there are too many to print."""
    if node.operation is None or node.value.ndim or any(given.value.ndim for given in node.inputs):
        return ""
    pairs = zip(node.inputs, node.partials(), strict=True)
    return ", ".join(f"by {given}: {partial + 0.0:.4g}" for given, partial in pairs if given.name)


def _shown(value: Any) -> str:
    """A number, or the shape of an array and its norm."""
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array + 0.0:.4g}"  # no -0
    return f"{array.shape} norm {np.linalg.norm(array.astype(np.float64)):.4g}"
