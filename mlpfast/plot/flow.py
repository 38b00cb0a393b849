"""Flow graphs, and networks with what goes through them forward and backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import integer
from ..graph import Graph, Node
from ..graph.nodes import Array
from ..model import Model
from ..tables import text_table
from .layout import Arrow, Box, draw
from .style import BACKWARD, FORWARD, GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["flow_graph", "network", "network_text"]

_LEAF, _NODE, _OUTPUT = "#f3f3f3", "white", "#fff4e5"


def flow_graph(graph: Graph, *, partials: bool = True, ax: Axes | None = None) -> Axes:
    """A flow graph: each node with its value, and, after `Graph.backward`, its derivative.

    Parameters
    ----------
    graph : Graph
        Between numbers, arrows have the local partial derivatives; arrays are shown by shape and norm.
    partials : bool, default True
        Whether arrows have them.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure, as large as the graph needs.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If it is no graph.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import mlpfast as mf
    >>> w, x = mf.graph.leaf("w", 2.0), mf.graph.leaf("x", 0.5)
    >>> g = mf.graph.Graph(mf.graph.sigmoid(w * x))
    >>> derivatives = g.backward()
    >>> ax = mf.plot.flow_graph(g)
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"expected a Graph, got {type(graph).__name__}; write plot.flow_graph(graph.Graph(output))")
    boxes = {id(node): _box(node, graph) for node in graph.nodes}
    arrows = []
    for node in graph.nodes:
        plain = partials and node.inputs and not node.value.ndim and not any(i.value.ndim for i in node.inputs)
        local = node.partials() if plain else [None] * len(node.inputs)
        for given, partial in zip(node.inputs, local, strict=True):
            labels = [] if partial is None else [(f"{partial + 0.0:.3g}", GREY)]
            arrows.append(Arrow(boxes[id(given)], boxes[id(node)], labels))
    return draw(list(boxes.values()), arrows, ax)


def _box(node: Node, graph: Graph) -> Box:
    head = str(node) if node.operation is None or node.formula == str(node) else f"{node} = {node.formula}"
    lines = [(head if node.name or node.value.ndim else f"{node.value:g}", INK)]
    if node.name:
        lines.append((_shown(node.value), FORWARD))
        if node.gradient is not None:
            lines.append((f"d{graph.output}/d{node}: {_size(node.gradient)}", BACKWARD))
    face = _OUTPUT if node is graph.output else _LEAF if node.operation is None else _NODE
    return Box(lines, face)


def _shown(value: Array) -> str:
    return _size(value) if value.ndim == 0 else f"{value.shape}, {_size(value)}"


def _size(value: Array) -> str:
    """A number, or the norm of an array."""
    if value.ndim == 0:
        return f"{value + 0.0:.4g}"  # no -0
    return f"norm {np.linalg.norm(value.astype(np.float64)):.3g}"


def network(model: Model, *, rows: int | str = "n", ax: Axes | None = None) -> Axes:
    """A model layer by layer: shapes of what goes forward, and of the deltas that come back.

    Parameters
    ----------
    model : Model
    rows : int >= 1 or str, default "n"
        The number of rows, as it is written.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure, as large as the model needs.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If it is no model, or `rows` no number of rows.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import mlpfast as mf
    >>> ax = mf.plot.network(mf.mlp([64, 32, 10], "relu", "softmax"))
    """
    rows = _checked(model, rows)
    boxes = {0: Box([("data", INK), (f"({rows}, {model.inputs})", FORWARD)], _LEAF)}
    arrows: list[Arrow] = []
    for what, tensors, makes, _, reads in _layers(model):
        lines = [(what, INK), *((tensor, GREY) for tensor in tensors)]
        known = boxes.setdefault(makes, Box(lines))
        if known.lines[0][0] != lines[0][0]:
            known.lines = [*known.lines, *lines]
        for value in reads:
            width = model.program.values[value].columns
            back = (f"δ ({rows}, {width})", BACKWARD) if value else ("", BACKWARD)
            if not any(arrow.start is boxes[value] and arrow.end is known for arrow in arrows):
                arrows.append(Arrow(boxes[value], known, [(f"h ({rows}, {width})" if value else "X", FORWARD), back]))
    last = list(boxes.values())[-1]
    columns = model.outputs
    end = Box([("loss", INK)], _OUTPUT)
    arrows.append(Arrow(last, end, [(f"h ({rows}, {columns})", FORWARD), (f"δ ({rows}, {columns})", BACKWARD)]))
    return draw([*boxes.values(), end], arrows, ax, gap=1.15)


def network_text(model: Model, *, rows: int | str = "n") -> str:
    """The same as text: it needs no matplotlib.

    Parameters
    ----------
    model : Model
    rows : int >= 1 or str, default "n"
        The number of rows, as it is written.

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        If it is no model, or `rows` no number of rows.

    Examples
    --------
    >>> import mlpfast as mf
    >>> print(mf.plot.network_text(mf.mlp([4, 8, 3], "tanh", "softmax")))
    layer          reads   makes   delta   tensors
    data                   (n, 4)
    dense tanh     (n, 4)  (n, 8)  (n, 8)  W0 (4, 8), b0 (8,)
    dense softmax  (n, 8)  (n, 3)  (n, 3)  W1 (8, 3), b1 (3,)
    """
    rows = _checked(model, rows)
    values = model.program.values
    table = [("layer", "reads", "makes", "delta", "tensors"), ("data", "", f"({rows}, {model.inputs})", "", "")]
    for what, tensors, _, columns, reads in _layers(model):
        shape = f"({rows}, {columns})"
        read = ", ".join(f"({rows}, {values[value].columns})" for value in reads)
        table.append((what, read, shape, shape, ", ".join(tensors)))
    return text_table(table)


def _checked(model: Any, rows: int | str) -> int | str:
    if not isinstance(model, Model):
        raise TypeError(f"expected model to be a Model, got {type(model).__name__}")
    return rows if isinstance(rows, str) else integer("rows", rows)


def _layers(model: Model) -> list[tuple[str, list[str], int, int, list[int]]]:
    """Of each layer that takes part: what it is, its tensors, the value that it makes, its columns, what it reads."""
    program = model.program
    schedule = program.schedule("gradient")
    found = []
    for number, layer in enumerate(program.layers):
        if layer.trains_only:
            continue
        value = program.values[layer.makes]
        name = "" if value.activation.name == "identity" else f" {value.activation}"
        tensors = [f"{program.tensors[t].name} {program.tensors[t].shape}" for t in layer.tensors]
        reads = [each for each in (schedule.reads[number], schedule.also[number]) if each is not None]
        columns = value.columns if layer.part is None else layer.part[1]
        found.append((f"{layer.kind}{name}", tensors, layer.makes, columns, reads))
    return found
