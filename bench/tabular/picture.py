"""The picture of docs/tabular_benchmark.md: error against time to fit, both beside LightGBM's, each peer a point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from bench.pictures import STYLE
from bench.tabular.peers import PEERS
from bench.tabular.sets import HALVES, SETS
from bench.tabular.summary import Errors, mean_by_set, quiet, ratio


def draw(records: list[dict[str, Any]], path: Path) -> bool:
    """Write it, if times were measured on a quiet machine; they may be of some tables only, errors are of all."""
    mine = [r for r in records if r["threads"] == 1 and r["set"] in SETS and "error" in r]
    seconds = mean_by_set(filter(quiet, mine), "fit_seconds")
    times = {peer: ratio(seconds, peer, "lightgbm") for peer in PEERS}
    times = {peer: (time, count) for peer, (time, count) in times.items() if count}
    halves = [half for half in HALVES if any(SETS[r["set"]].half == half and r["peer"] == "lightgbm" for r in mine)]
    if "mlpfast" not in times or not halves:
        return False
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(halves), figsize=(4.5 * len(halves), 3.8), squeeze=False, sharey=True)
        for panel, half in zip(panels[0], halves, strict=True):
            _points(panel, mean_by_set(r for r in mine if SETS[r["set"]].half == half), times)
            panel.set_title(HALVES[half], fontsize=10, loc="left")
        panels[0, 0].set_ylabel("error / LightGBM's, geometric mean")
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return True


def _points(panel: Any, errors: Errors, times: dict[str, tuple[float, int]]) -> None:
    for peer, (time, count) in times.items():
        value, _ = ratio(errors, peer, "lightgbm")
        if not value < 1.5:  # far outside of what the others show, or not measured
            continue
        panel.scatter(time, value, color=PEERS[peer].colour, s=40, zorder=2)
        said = f"{PEERS[peer].name} ({count})"
        panel.annotate(said, (time, value), xytext=(5, 4), textcoords="offset points", fontsize=8)
    panel.axhline(1, color="#444444", linewidth=0.6)
    panel.set_xscale("log")
    panel.margins(x=0.25, y=0.15)
    panel.set_xlabel("seconds to fit / LightGBM's, one thread (tables timed)")
