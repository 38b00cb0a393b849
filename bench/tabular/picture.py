"""The picture of docs/tabular_benchmark.md: error against time to fit, both beside LightGBM's, each peer a point."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.transforms import Bbox

from bench.pictures import STYLE
from bench.tabular.peers import PEERS
from bench.tabular.sets import HALVES, SETS
from bench.tabular.summary import FEW_ROWS, larger, mean_by_set, of_each, ratio

HEIGHTS = (4, -11, 15, -21, 26, -31)  # of labels over their points, in points
SIDES = ((5, "left"), (-5, "right"))  # of their points, and what of them is there
NEAR = 3  # of a point, in pixels: no label
FARTHEST = 1.3  # of errors: what is beyond is drawn there, and says where it is

Label: TypeAlias = tuple[tuple[float, float], str]  # of a point: its place, and what is said there


def draw(records: list[dict[str, Any]], path: Path) -> bool:
    """Write it: each peer a point, by the tables of a half that it and LightGBM have, without small ones.

    Times are seconds of a processor, as `best` has several threads, and few fits had the machine to themselves.
    """
    every = [r for r in of_each(records) if r["set"] in SETS]
    mine = larger(every)
    halves = [half for half in HALVES if any(SETS[r["set"]].half == half and r["peer"] == "lightgbm" for r in mine)]
    if not halves:
        return False
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(halves), figsize=(4.8 * len(halves), 4), squeeze=False, sharey=True)
        labels = []
        for panel, half in zip(panels[0], halves, strict=True):
            labels.append(_points(panel, [r for r in mine if SETS[r["set"]].half == half]))
            small = {r["set"] for r in every if SETS[r["set"]].half == half} - {r["set"] for r in mine}
            panel.set_title(HALVES[half] + f", from {FEW_ROWS:,} rows on" * bool(small), fontsize=10, loc="left")
        panels[0, 0].set_ylabel("error / LightGBM's, geometric mean")
        figure.tight_layout()
        figure.canvas.draw()  # until then nothing has a place
        for panel, of_panel in zip(panels[0], labels, strict=True):
            _write(panel, of_panel)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return True


def _points(panel: Any, records: list[Any]) -> list[Label]:
    labels: list[Label] = []
    errors, seconds = mean_by_set(records), mean_by_set(records, "fit_cpu_seconds")
    for peer, one in PEERS.items():
        value, count = ratio(errors, peer, "lightgbm")
        time, _ = ratio(seconds, peer, "lightgbm")
        if not count:
            continue
        said = one.name if count == len(errors["lightgbm"]) else f"{one.name} ({count} tables)"
        if value > FARTHEST:
            said += f": {value:.2f}"
        place = time, min(value, FARTHEST)
        panel.scatter(*place, color=one.colour, s=40, zorder=2, marker="^" if value > FARTHEST else "o")
        labels.append((place, said))
    panel.axhline(1, color="#444444", linewidth=0.6)
    panel.set_xscale("log")
    panel.margins(x=0.3, y=0.12)
    panel.set_xlabel("processor's seconds to fit / LightGBM's, geometric mean")
    return labels


def _write(panel: Any, labels: list[Label]) -> None:
    points = panel.transData.transform([place for place, _ in labels])
    taken = [Bbox.from_bounds(x - NEAR, y - NEAR, 2 * NEAR, 2 * NEAR) for x, y in points]
    for place, said in labels:
        _label(panel, place, said, taken)


def _label(panel: Any, place: tuple[float, float], said: str, taken: list[Bbox]) -> None:
    """Write it beside its point, where no other one and no point is."""
    tries = [(height, *side) for height in HEIGHTS for side in SIDES]
    for height, right, end in tries:
        text = panel.annotate(said, place, xytext=(right, height), textcoords="offset points", ha=end, fontsize=8)
        box = text.get_window_extent()
        if (height, right, end) == tries[-1] or not any(box.overlaps(other) for other in taken):
            taken.append(box)
            return
        text.remove()
