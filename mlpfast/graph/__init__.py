"""A model, or an expression that one writes, as a graph of nodes that can be walked by hand.

Each node has `forward` and `backward`. `leaf` makes what is given; arithmetic and the functions here make the rest;
`Graph` walks it: values forward, local partial derivatives, total derivatives backward or path by path. `of` makes the
graph of a `Model`. It is for seeing, not for speed; `mlpfast.plot.flow_graph` draws it.

Examples
--------
The squared error of a line, at one point:

>>> from mlpfast import graph
>>> w, b, x, y = (graph.leaf(name, value) for name, value in [("w", 2.0), ("b", 1.0), ("x", 3.0), ("y", 5.0)])
>>> L = (0.5 * (w * x + b - y) ** 2).named("L")
>>> g = graph.Graph(L)
>>> derivatives = g.backward()
>>> {name: float(value) for name, value in derivatives.items()}
{'w': 6.0, 'x': 4.0, 'b': 2.0, 'y': -2.0}
"""

from .functions import activation, exp, log, max, relu, sigmoid, softmax, sum, tanh
from .models import of
from .nodes import Node, Operation, leaf
from .walk import Graph, Path, Step

__all__ = [
    "Graph", "Node", "Operation", "Path", "Step", "activation", "exp", "leaf", "log", "max", "of", "relu", "sigmoid",
    "softmax", "sum", "tanh",
]  # fmt: skip
