"""The picture of docs/tabular_benchmark.md: the error beside LightGBM's against the time to fit, each peer a point."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from bench.pictures import STYLE
from bench.tabular.peers import PEERS
from bench.tabular.sets import SETS
from bench.tabular.summary import mean_by_set, ratio

HALVES = {"confirm": "tables that confirm", "choose": "tables that choices were made by"}


def draw(records: list[dict[str, Any]], path: Path) -> bool:
    """Write it, if there is a LightGBM to compare with; processor time, which other work disturbs least."""
    mine = [r for r in records if r["threads"] == 1 and r["set"] in SETS and "error" in r]
    halves = [half for half in HALVES if any(SETS[r["set"]].half == half and r["peer"] == "lightgbm" for r in mine)]
    if not halves:
        return False
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(halves), figsize=(4.5 * len(halves), 3.8), squeeze=False, sharey=True)
        for panel, half in zip(panels[0], halves, strict=True):
            _points(panel, [r for r in mine if SETS[r["set"]].half == half])
            panel.set_title(HALVES[half], fontsize=10, loc="left")
        panels[0, 0].set_ylabel("error / LightGBM's, geometric mean")
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return True


def _points(panel: Any, records: list[dict[str, Any]]) -> None:
    errors, seconds = mean_by_set(records), mean_by_set(records, "fit_cpu_seconds")
    for peer in PEERS:
        value, count = ratio(errors, peer, "lightgbm")
        if count == 0 or value > 2:  # far outside of what the others show
            continue
        time = math.exp(sum(math.log(s) for s in seconds[peer].values()) / len(seconds[peer]))
        panel.scatter(time, value, color=PEERS[peer].colour, s=40, zorder=2)
        panel.annotate(PEERS[peer].name, (time, value), xytext=(5, 4), textcoords="offset points", fontsize=8)
    panel.axhline(1, color="#444444", linewidth=0.6)
    panel.set_xscale("log")
    panel.margins(x=0.25, y=0.15)
    panel.set_xlabel("processor seconds of a fit, geometric mean, one thread")
