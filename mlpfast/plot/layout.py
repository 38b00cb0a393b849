"""Boxes in columns, and arrows between them: a graph drawn from left to right.

After Sugiyama et al., 1981: each box stands in the column behind the last of those that it reads; arrows over several
columns bend around boxes by way of invisible ones; within columns, boxes are ordered by where their neighbours are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import INK, pyplot, take_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Arrow", "Box", "draw"]

_LINE, _FONT = 0.19, 9.0  # inches from line to line, points
_PADDING, _BETWEEN_ROWS = 0.1, 0.3
_SWEEPS = 12


@dataclass
class Box:
    """A box of some lines of text, each with its colour. Without lines it is a bend of an arrow."""

    lines: Sequence[tuple[str, str]] = ()
    face: str = "white"
    column: int = 0
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.12
    above: list[Box] = field(default_factory=list)  # its neighbours in the column before, and behind
    below: list[Box] = field(default_factory=list)


@dataclass
class Arrow:
    """From one box to another, with lines of text beside it."""

    start: Box
    end: Box
    labels: Sequence[tuple[str, str]] = ()
    via: list[Box] = field(default_factory=list)


def draw(boxes: Sequence[Box], arrows: Sequence[Arrow], ax: Axes | None, gap: float = 0.6) -> Axes:
    """Lay boxes out and draw them; `gap` are the inches between columns."""
    pyplot()  # the width of a text is asked of it, too
    for box in boxes:
        if box.lines:
            box.width = max(_width(text) for text, _ in box.lines) + 2 * _PADDING
            box.height = len(box.lines) * _LINE + 2 * _PADDING
    columns = _columns(boxes, arrows)
    _order(columns)
    width, height = _place(columns, gap)
    given = ax
    ax = take_axes(ax, width + 0.2, height + 0.2)
    ax.set_xlim(-0.1, width + 0.1)
    ax.set_ylim(-0.1, height + 0.1)
    ax.set_aspect("equal")
    ax.axis("off")
    # On axes of the user's, all is scaled to fit.
    scale = 1.0
    if given is not None:
        extent, dpi = ax.get_window_extent(), ax.get_figure(root=True).dpi  # type: ignore[union-attr]
        scale = min(1.0, extent.width / dpi / width, extent.height / dpi / height)
    for arrow in arrows:
        _draw_arrow(ax, arrow, arrows, scale)
    for box in boxes:
        _draw_box(ax, box, scale)
    return ax


def _columns(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> list[list[Box]]:
    """Columns of boxes, with bends where arrows pass; boxes come after those that they read."""
    incoming: dict[int, list[Box]] = {}
    outgoing: dict[int, list[Box]] = {}
    for arrow in arrows:
        incoming.setdefault(id(arrow.end), []).append(arrow.start)
        outgoing.setdefault(id(arrow.start), []).append(arrow.end)
    for box in boxes:
        box.column = max((start.column + 1 for start in incoming.get(id(box), [])), default=0)
    for box in reversed(boxes):  # what reads nothing stands right before its first reader
        if id(box) not in incoming and id(box) in outgoing:
            box.column = min(end.column for end in outgoing[id(box)]) - 1
    columns: list[list[Box]] = [[] for _ in range(max((box.column for box in boxes), default=0) + 1)]
    for box in boxes:
        columns[box.column].append(box)
    for arrow in arrows:
        arrow.via = [Box(column=column) for column in range(arrow.start.column + 1, arrow.end.column)]
        for bend in arrow.via:
            columns[bend.column].append(bend)
        way = [arrow.start, *arrow.via, arrow.end]
        for before, after in pairwise(way):
            before.below.append(after)
            after.above.append(before)
    return columns


def _order(columns: list[list[Box]]) -> None:
    """Sort each column by the mean place of its neighbours, forward and backward in turns."""
    for sweep in range(_SWEEPS):
        place = {id(box): (i + 0.5) / len(column) for column in columns for i, box in enumerate(column)}

        def mean(box: Box, place: dict[int, float] = place, forward: bool = sweep % 2 == 0) -> float:
            near = box.above if forward else box.below
            return float(np.mean([place[id(each)] for each in near])) if near else place[id(box)]

        for column in columns if sweep % 2 == 0 else columns[::-1]:
            column.sort(key=mean)
            place.update({id(box): (i + 0.5) / len(column) for i, box in enumerate(column)})


def _place(columns: list[list[Box]], gap: float) -> tuple[float, float]:
    """Give each box its place; returns width and height of the whole."""
    x = 0.0
    for column in columns:
        widest = max(box.width for box in column)
        y = 0.0
        for box in column:
            box.x, box.y = x + widest / 2, y - box.height / 2
            y -= box.height + _BETWEEN_ROWS
        for box in column:
            box.y -= (y + _BETWEEN_ROWS) / 2  # each column around zero
        x += widest + gap
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 else columns[::-1]:
            _settle(column)
    boxes = [box for column in columns for box in column]
    low, high = min(box.y - box.height / 2 for box in boxes), max(box.y + box.height / 2 for box in boxes)
    for box in boxes:
        box.y -= low
    return x - gap, high - low


def _settle(column: list[Box]) -> None:
    """Move boxes towards the mean of their neighbours, as far as those above and below leave room."""
    wished = []
    for box in column:
        near = [*box.above, *box.below]
        wished.append(float(np.mean([each.y for each in near])) if near else box.y)
    placed: list[float] = []
    for i, box in enumerate(column):
        room = placed[-1] - (column[i - 1].height + box.height) / 2 - _BETWEEN_ROWS if placed else np.inf
        placed.append(min(wished[i], room))
    shift = float(np.mean(np.subtract(wished, placed)))  # who was pushed down, pushes up in turn
    for box, y in zip(column, placed, strict=True):
        box.y = y + shift


def _draw_box(ax: Axes, box: Box, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = box.x - box.width / 2, box.y - box.height / 2
    style = "round,pad=0,rounding_size=0.06"
    ax.add_patch(
        FancyBboxPatch(corner, box.width, box.height, boxstyle=style, fc=box.face, ec="#999999", lw=scale, zorder=3)
    )
    top = box.y + box.height / 2 - _PADDING - _LINE / 2
    for i, (text, colour) in enumerate(box.lines):
        _write(ax, box.x, top - i * _LINE, text, colour, scale, weight="bold" if i == 0 else "normal")


def _draw_arrow(ax: Axes, arrow: Arrow, arrows: Sequence[Arrow], scale: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    into = sorted((each for each in arrows if each.end is arrow.end), key=lambda each: -_last(each).y)
    share = next(i for i, each in enumerate(into) if each is arrow)
    offset = arrow.end.height * 0.7 * (0.5 - (share + 0.5) / len(into))
    points = [(arrow.start.x + arrow.start.width / 2, arrow.start.y)]
    points += [(bend.x, bend.y) for bend in arrow.via]
    points.append((arrow.end.x - arrow.end.width / 2, arrow.end.y + offset))
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Path.CURVE4] * 3
    ax.add_patch(
        FancyArrowPatch(
            path=Path(vertices, codes), arrowstyle="-|>", mutation_scale=9 * scale, color="#999999", lw=scale, zorder=2
        )
    )
    (x0, y0), (x1, y1) = points[-2:]
    for i, (text, colour) in enumerate(arrow.labels):  # beside the last stretch, a bit nearer to the end
        height = (len(arrow.labels) - 1) / 2 - i
        _write(ax, x0 + 0.55 * (x1 - x0), y0 + 0.62 * (y1 - y0) + height * 1.3 * _LINE, text, colour, 0.9 * scale, True)


def _last(arrow: Arrow) -> Box:
    return arrow.via[-1] if arrow.via else arrow.start


def _write(ax: Axes, x: float, y: float, text: str, colour: str, scale: float, over: bool = False, **kw: Any) -> None:
    """Write a text; `over` an arrow, it clears its place."""
    if over and text:
        kw["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6 * scale}
    ax.text(x, y, text, color=colour or INK, fontsize=_FONT * scale, ha="center", va="center", zorder=4, **kw)


def _width(text: str) -> float:
    """In inches, as the default font has it in bold."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=_FONT, prop=FontProperties(weight="bold")).get_extents().width) / 72
