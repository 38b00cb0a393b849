"""The pictures of docs/benchmarks.md, as SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench.peers import INFERENCE_PEERS, PEERS, TRAINING_PEERS
from bench.tables import duration, ratio, size
from bench.targets import Results
from bench.workloads import INFERENCE, THREADED, TRAINING, Workload

COLOURS = {
    "mlpfast": "#d1495b",
    "jax": "#00798c",
    "jax-shuffle": "#66b2bf",
    "torch": "#edae49",
    "torch-compile": "#b8860b",
    "torchscript": "#b8860b",
    "sklearn": "#30638e",
    "numpy": "#8d99ae",
    "onnxruntime": "#5b8e7d",
    "roof": "#444444",
}
STYLE = {
    "svg.hashsalt": "mlpfast",  # the same picture gives the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def over_ours(results: Results, section: str, workloads: tuple[Workload, ...], peers: tuple[str, ...]) -> Figure | None:
    """Horizontal bars, a panel for each workload: time over mlpfast's, logarithmic, with the times written out."""
    shown = []
    for workload in workloads:
        found = {r["peer"]: r for r in results.select(section=section, workload=workload.name) if "seconds" in r}
        if "mlpfast" in found and len(found) > 1:
            shown.append((workload.name, found))
    if not shown:
        return None
    figure, panels = plt.subplots(2, 2, figsize=(9, 5.6), squeeze=False)
    for panel, (name, found) in zip(panels.flat, shown, strict=False):
        ours = found["mlpfast"]["seconds"]
        order = sorted((p for p in peers if p in found), key=lambda p: -found[p]["seconds"])
        values = [found[p]["seconds"] / ours for p in order]
        panel.barh([PEERS[p].name for p in order], values, color=[COLOURS[p] for p in order], height=0.7)
        low = min(1.0, *values) * 0.8
        for row, (peer, value) in enumerate(zip(order, values, strict=True)):
            panel.annotate(
                f"{duration(found[peer]['seconds'])}" + ("" if peer == "mlpfast" else f"  ({ratio(value)})"),
                (value, row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        if "roof" in found:
            roof = found["roof"]["seconds"] / ours
            low = min(low, roof * 0.8)
            panel.axvline(roof, color=COLOURS["roof"], linestyle=":", linewidth=1)
        panel.set_xscale("log")
        panel.set_xlim(low, max(values) * 6)
        panel.set_title(name, fontsize=10, loc="left")
        panel.set_xticks([])
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.minorticks_off()
    for panel in list(panels.flat)[len(shown) :]:
        panel.remove()
    figure.suptitle("Time over mlpfast's, logarithmic; dotted: the machine's roof", fontsize=9, x=0.01, ha="left")
    return figure


def sweep(results: Results, axis: str) -> Figure | None:
    records = [r for r in results.select(section="sweep", axis=axis) if "seconds" in r]
    if not records:
        return None
    figure, panel = plt.subplots(figsize=(7, 4))
    for peer in PEERS:
        points = sorted((r["value"], r["seconds"], r["min"], r["q3"]) for r in records if r["peer"] == peer)
        if not points:
            continue
        x, middle, low, high = zip(*points, strict=True)
        style, order = (":" if peer == "roof" else "o-"), (3 if peer == "mlpfast" else 2)
        panel.plot(x, middle, style, markersize=3, color=COLOURS[peer], label=PEERS[peer].name, zorder=order)
        panel.fill_between(x, low, high, color=COLOURS[peer], alpha=0.15, linewidth=0)
    values = sorted({r["value"] for r in records})
    panel.set_xscale("symlog" if 0 in values else "log", base=2)
    panel.set_xticks(values, [str(v) for v in values])
    panel.minorticks_off()
    seconds_axis(panel)
    panel.set_xlabel(axis)
    panel.legend()
    return figure


def seconds_axis(panel: Axes) -> None:
    panel.set_yscale("log")
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: duration(y)))
    panel.set_ylabel("a training step")
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)


def threads(results: Results) -> Figure | None:
    """Two threads over one, for each workload and library, on a free and on a busy machine."""
    names = [w.name for w in THREADED]
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    drawn = False
    for panel, (busy, title) in zip(panels, ((0, "machine free"), (2, "two other busy processes")), strict=True):
        for offset, peer in enumerate(("mlpfast", "jax", "torch")):
            heights = []
            for name in names:
                try:
                    heights.append(results.speed_up(name, busy, peer))
                except KeyError:
                    heights.append(0.0)
            if any(heights):
                drawn = True
                places = [i + 0.27 * (offset - 1) for i in range(len(names))]
                panel.bar(places, heights, width=0.25, color=COLOURS[peer], label=PEERS[peer].name)
        panel.axhline(1, color="#444444", linewidth=0.8)
        panel.set_ylim(0, 2.2)
        panel.set_xticks(range(len(names)), names, rotation=30, ha="right")
        panel.set_title(title, fontsize=10, loc="left")
    panels[0].set_ylabel("speed-up of 2 threads over 1")
    if not drawn:
        return None
    panels[0].legend()
    return figure


def bars(results: Results, section: str, columns: list[tuple[str, str, Callable[[float], str]]]) -> Figure | None:
    """Horizontal bars of one or more fields of a section, a panel each: (field, title, how to write its values)."""
    records = [r for r in results.select(section=section) if all(field in r for field, *_ in columns)]
    if not records:
        return None
    figsize = (4.5 * len(columns), 0.5 + 0.35 * len(records))
    figure, panels = plt.subplots(1, len(columns), figsize=figsize, squeeze=False)
    for panel, (field, title, write) in zip(panels[0], columns, strict=True):
        shown = sorted(records, key=lambda r: -r[field])
        names, colours = [PEERS[r["peer"]].name for r in shown], [COLOURS[r["peer"]] for r in shown]
        drawn = panel.barh(names, [r[field] for r in shown], color=colours, height=0.7)
        panel.bar_label(drawn, [write(r[field]) for r in shown], padding=3, fontsize=8)
        panel.margins(x=0.15)
        panel.set_xticks([])
        panel.set_title(title, fontsize=10, loc="left")
    return figure


def draw(run: dict[str, Any], folder: Path) -> set[str]:
    """Write what can be drawn from a run; returns the names of the pictures."""
    results = Results(run["results"])
    pictures: dict[str, Callable[[], Figure | None]] = {
        "training": lambda: over_ours(results, "training", TRAINING, TRAINING_PEERS),
        "inference": lambda: over_ours(results, "inference", INFERENCE, INFERENCE_PEERS),
        **{axis: lambda axis=axis: sweep(results, axis) for axis in ("width", "batch", "depth")},  # type: ignore[misc]
        "threads": lambda: threads(results),
        "accuracy": lambda: bars(results, "accuracy", [("seconds", "training time", duration)]),
        "footprint": lambda: bars(
            results,
            "footprint",
            [("seconds", "import", duration), ("bytes_with_dependencies", "installed, with what it needs", size)],
        ),
    }
    drawn = set()
    with plt.rc_context(STYLE):
        for name, make in pictures.items():
            figure = make()
            if figure is not None:
                figure.tight_layout()
                figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
                drawn.add(name)
        plt.close("all")
    return drawn
