"""Nodes of a flow graph: a value, where it comes from, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Node", "Operation", "as_node", "leaf"]

Array: TypeAlias = NDArray[Any]
_Infix: TypeAlias = "Callable[[Node, Any], Node]"

_LARGEST_JACOBIAN = 1 << 20  # elements: beyond, nobody looks at it


class Operation(NamedTuple):
    """What a node does.

    Parameters
    ----------
    symbol : str
        How it is written: as a function, or with ``{}`` where the operands stand.
    forward : callable
        From the inputs' values to the node's.
    backward : callable
        From delta = dL/d(value), the value, and the inputs' values, to dL/d(input) by way of this node, for each
        input; of its shape, or of one that it was broadcast to.

    Examples
    --------
    >>> from mlpfast import graph
    >>> cube = graph.Operation("cube", lambda z: z**3, lambda delta, h, z: (delta * 3 * z**2,))
    >>> node = graph.Node(cube, (graph.leaf("z", 2.0),))
    >>> float(node.value), node.formula, float(node.partials()[0])
    (8.0, 'cube(z)', 12.0)
    """

    symbol: str
    forward: Callable[..., Array]
    backward: Callable[..., tuple[Array, ...]]


def _infix(symbol: str, forward: Callable[..., Array], backward: Callable[..., Any]) -> tuple[_Infix, _Infix]:
    """The method of a node on the left of an operator, and that of one on its right."""
    operation = Operation(f"{{}} {symbol} {{}}", forward, backward)
    return (
        lambda node, other: Node(operation, (node, as_node(other))),
        lambda node, other: Node(operation, (as_node(other), node)),
    )


def _product(X: Array, W: Array) -> Array:
    if X.ndim != 2 or W.ndim != 2:
        raise ValueError(f"expected matrices on both sides of @, got {X.shape} @ {W.shape}")
    return np.asarray(X @ W)


class Node:
    """One value of a flow graph. Arithmetic with nodes, ``+ - * / ** @``, and indices make new ones.

    Parameters
    ----------
    operation : Operation or None
        None for a leaf.
    inputs : tuple of Node
        What the operation is applied to.
    value : array-like, optional
        Of a leaf; that of any other node follows.
    name : str, default ""
        A `Graph` names those that have none: v1, v2, ...

    Attributes
    ----------
    value : ndarray
        0-dimensional for a number.
    gradient : ndarray or None
        The total derivative dL/d(value), after `Graph.backward`.

    Examples
    --------
    >>> from mlpfast import graph
    >>> w, x = graph.leaf("w", 3.0), graph.leaf("x", 2.0)
    >>> product = (w * x).named("product")
    >>> float(product.value), [float(part) for part in product.backward(1.0)]
    (6.0, [2.0, 3.0])
    """

    def __init__(
        self, operation: Operation | None, inputs: tuple[Node, ...] = (), value: ArrayLike | None = None, name: str = ""
    ) -> None:
        self.operation, self.inputs, self.name = operation, inputs, name
        self.gradient: Array | None = None
        if operation is None:
            self.value = _as_values(value)
        else:
            self.forward()

    def named(self, name: str) -> Node:
        """The same node, under a name of the user's."""
        self.name = name
        return self

    def forward(self) -> Array:
        """Compute the value from those of the inputs."""
        if self.operation is not None:
            with np.errstate(all="ignore"):  # to see an infinity is part of the lesson
                self.value = np.asarray(self.operation.forward(*(node.value for node in self.inputs)))
        return self.value

    def backward(self, delta: ArrayLike) -> tuple[Array, ...]:
        """What each input gets of a derivative: delta times the local partial derivative.

        Parameters
        ----------
        delta : array-like of the shape of `value`
            dL/d(value).

        Returns
        -------
        tuple of ndarray
            For each input, of its shape: the part of dL/d(input) that comes by way of this node.
        """
        if self.operation is None:
            return ()
        delta = np.asarray(delta, self.value.dtype)
        if delta.shape != self.value.shape:
            raise ValueError(f"expected delta to have the shape of {self}, {self.value.shape}, got {delta.shape}")
        values = [node.value for node in self.inputs]
        with np.errstate(all="ignore"):
            parts = self.operation.backward(delta, self.value, *values)
            return tuple(_summed_to(part, value) for part, value in zip(parts, values, strict=True))

    def partials(self) -> tuple[Array, ...]:
        """The local partial derivatives by each input, formed: for looking at; `backward` never needs them whole.

        Returns
        -------
        tuple of ndarray
            One for each input, of the value's shape followed by the input's: 0-dimensional between numbers.

        Raises
        ------
        ValueError
            If they have more than a million elements.
        """
        size = self.value.size * sum(node.value.size for node in self.inputs)
        if size > _LARGEST_JACOBIAN:
            raise ValueError(f"expected Jacobians of at most {_LARGEST_JACOBIAN:,} elements, got {size:,} ({self})")
        units = np.eye(self.value.size, dtype=self.value.dtype).reshape(-1, *self.value.shape)
        rows = [self.backward(unit) for unit in units]
        return tuple(
            np.stack([row[i] for row in rows]).reshape(self.value.shape + node.value.shape)
            for i, node in enumerate(self.inputs)
        )

    @property
    def formula(self) -> str:
        """How it is computed: ``w * x``, ``exp(v1)``; "leaf" for a leaf."""
        if self.operation is None:
            return "leaf"
        names, symbol = [str(node) for node in self.inputs], self.operation.symbol
        return symbol.format(*names) if "{}" in symbol else f"{symbol}({', '.join(names)})"

    def __str__(self) -> str:
        return self.name or (f"{self.value:g}" if self.value.ndim == 0 else "?")

    def __repr__(self) -> str:
        return f"<Node {self} = {self.formula}, shape {self.value.shape}>"

    # --- arithmetic ---

    __array_ufunc__ = None  # so that an array leaves `array + node` to the node

    __add__, __radd__ = _infix("+", lambda a, b: a + b, lambda d, h, a, b: (d, d))
    __sub__, __rsub__ = _infix("-", lambda a, b: a - b, lambda d, h, a, b: (d, -d))
    __mul__, __rmul__ = _infix("*", lambda a, b: a * b, lambda d, h, a, b: (d * b, d * a))
    __truediv__, __rtruediv__ = _infix("/", lambda a, b: a / b, lambda d, h, a, b: (d / b, -d * h / b))
    __matmul__, __rmatmul__ = _infix("@", _product, lambda d, h, X, W: (d @ W.T, X.T @ d))

    def __neg__(self) -> Node:
        return Node(Operation("-{}", lambda a: -a, lambda d, h, a: (-d,)), (self,))

    def __pow__(self, exponent: float) -> Node:
        if isinstance(exponent, Node) or np.ndim(exponent):
            raise TypeError(f"expected a number as exponent, got {exponent!r}; write exp(x * log(w)) for w ** x")
        n = float(exponent)
        return Node(Operation(f"{{}} ** {n:g}", lambda a: a**n, lambda d, h, a: (d * n * a ** (n - 1),)), (self,))

    def __rpow__(self, base: Any) -> Node:
        raise TypeError(f"expected a node as base, got {base!r} ** {self}; write exp({self} * log(base))")

    def __getitem__(self, index: Any) -> Node:
        def backward(delta: Array, value: Array, a: Array) -> tuple[Array]:
            whole = np.zeros_like(a)
            np.add.at(whole, index, delta)
            return (whole,)

        shown = index if isinstance(index, int) else ":"
        return Node(Operation(f"{{}}[{shown}]", lambda a: a[index], backward), (self,))


def leaf(name: str, value: ArrayLike) -> Node:
    """A node that is given: an input, a weight, a constant.

    Parameters
    ----------
    name : str
    value : array-like
        A number or an array; float32 stays what it is, all else becomes float64.

    Returns
    -------
    Node

    Raises
    ------
    TypeError, ValueError
        If the name is none, or the value is not made of real numbers.

    Examples
    --------
    >>> from mlpfast import graph
    >>> graph.leaf("w", 0.5)
    <Node w = leaf, shape ()>
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"expected the name of a leaf, got {name!r}")
    return Node(None, value=value, name=name)


def as_node(value: Any) -> Node:
    """A node from itself, or from a number or an array, which becomes a constant without a name."""
    return value if isinstance(value, Node) else Node(None, value=value)


def _as_values(value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected real numbers, got {value!r} (dtype {array.dtype})")
    return np.array(array, array.dtype if array.dtype == np.float32 else np.float64)


def _summed_to(part: Array, value: Array) -> Array:
    """The sum over what was broadcast: a bias gets the sum over the rows that it was added to."""
    part = np.sum(part, axis=tuple(range(np.ndim(part) - value.ndim)))
    stretched = tuple(i for i, (have, want) in enumerate(zip(part.shape, value.shape, strict=True)) if have != want)
    return np.asarray(part.sum(axis=stretched, keepdims=True), value.dtype)
