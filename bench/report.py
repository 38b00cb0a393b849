"""Renders a run (a JSON file of `python -m bench`) as Markdown: the target table for the terminal, and all of
docs/benchmarks.md. Numbers come from the file and from nowhere else.

    python -m bench.report RESULTS.json [--docs docs]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers import INFERENCE_PEERS, LAYER_PEERS, PEERS, RECIPE_PEERS, TRAINING_PEERS
from bench.tables import duration, ratio, size, table
from bench.targets import TARGETS, Record, Results, percent
from bench.workloads import (
    ACCURACY_GOAL,
    ENCODERS,
    FLOAT64,
    INFERENCE,
    LAYERS,
    LEARNING_RATE,
    PLAIN,
    RECIPES,
    SWEEPS,
    TABLE,
    THREADED,
    TRAINING,
)

NOT_MEASURED = "not measured"
FAR = 150e-9  # seconds from one processor to the other: below, they share a last-level cache on the machines we know


def label(peer: str, training: bool = False) -> str:
    entry = PEERS[peer]
    return f"{entry.name}, {entry.training}" if training and entry.training else entry.name


def measured(quantity: Callable[[Results], float] | None, results: Results) -> float | None:
    """The quantity, or None where the run did not measure it."""
    try:
        return quantity(results) if quantity else None
    except KeyError:
        return None


def targets(results: Results) -> str:
    rows = []
    for target in TARGETS:
        reached, limit = measured(target.reached, results), measured(target.limit, results)
        numbers = [target.goal, target.least, reached, limit]
        verdict = NOT_MEASURED if reached is None else target.verdict(reached)
        rows.append([target.workload, target.what, *("-" if n is None else target.show(n) for n in numbers), verdict])
    return table(["workload", "what", "goal", "least", "reached", "at the roof", ""], rows)


def workload_table(results: Results, section: str, workload: str, quality: str) -> str:
    """A row for each peer, the missing ones too. `quality` is "loss" or "error"."""
    records = {r["peer"]: r for r in results.select(section=section, workload=workload)}
    ours = records.get("mlpfast", {}).get("seconds")
    roof = records.get("roof", {})
    rows = []
    for peer in PEERS:
        record = records.get(peer)
        if record is None:
            continue
        name = label(peer, training=section != "inference")
        if "seconds" not in record:
            rows.append([name, f"missing: {shortened(record.get('missing', NOT_MEASURED))}", *[""] * 5])
            continue
        seconds = record["seconds"]
        rows.append(
            [
                name,
                duration(seconds),
                f"{duration(record['min'])} .. {duration(record['q3'])}",
                ratio(seconds / ours) if ours else "-",
                percent(record["flops"] / seconds / roof["peak"]) if "peak" in roof else "-",
                percent(roof["seconds"] / seconds) if "seconds" in roof else "-",
                f"{record[quality]:.3g}" if quality in record else "",
            ]
        )
    if not rows:
        return NOT_MEASURED.capitalize() + "."
    unit = "call" if section == "inference" else "step"
    head = ["", f"median {unit}", "fastest .. third quartile", "over mlpfast", "of FMA peak", "of the roof", quality]
    return table(head, rows)


def roof_terms(results: Results, section: str, workload: str) -> str:
    """What the roof of a workload is made of."""
    for roof in results.select(section=section, workload=workload, peer="roof"):
        if "seconds" in roof:
            moving, flops = roof["moving_seconds"], roof["flops"] / roof["peak"]
            return f"Its flops take {duration(flops)} at the peak; its data, {duration(moving)} to come and go."
    return ""


def shortened(text: str, length: int = 80) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def layer_table(results: Results) -> str:
    """A row for each net: its times, the better peer's over ours, and how much longer than the plain net ours takes."""

    def cell(show: Callable[[float], str], quantity: Callable[[Results], float]) -> str:
        found = measured(quantity, results)
        return "-" if found is None else show(found)

    def row(name: str) -> list[str]:
        times = [cell(duration, lambda r, p=peer: r.seconds(name, p, section="layers")) for peer in LAYER_PEERS]
        over = cell(ratio, lambda r: r.layers_over(name))
        return [name, *times, over, cell("{:+.0%}".format, lambda r: r.over_plain(name))]

    head = ["", *map(label, LAYER_PEERS), "the better over mlpfast", "mlpfast over plain"]
    return table(head, [row(workload.name) for workload in LAYERS])


def sweep_table(results: Results, axis: str) -> str:
    records = results.select(section="sweep", axis=axis)
    peers = [p for p in PEERS if any(r["peer"] == p and "seconds" in r for r in records)]
    rows = []
    for value in sorted({r["value"] for r in records}):
        found = {r["peer"]: r["seconds"] for r in records if r["value"] == value and "seconds" in r}
        rows.append([str(value), *(duration(found[p]) if p in found else "-" for p in peers)])
    return table([axis, *map(label, peers)], rows)


def crossovers(results: Results, axis: str) -> str:
    """Where, if anywhere, a peer's median is below mlpfast's."""
    records = [r for r in results.select(section="sweep", axis=axis) if "seconds" in r and r["peer"] != "roof"]
    ours = {r["value"]: r["seconds"] for r in records if r["peer"] == "mlpfast"}
    if not ours:
        return f"mlpfast was {NOT_MEASURED}."
    lost = []
    for peer in TRAINING_PEERS[1:]:
        ahead = [
            f"{r['value']} ({ours[r['value']] / r['seconds']:.2f}x)"
            for r in records
            if r["peer"] == peer and r["value"] in ours and r["seconds"] < ours[r["value"]]
        ]
        if ahead:
            lost.append(f"{label(peer)} is faster at {axis} {', '.join(ahead)}")
    return "; ".join(lost) + "." if lost else f"No peer is faster at any {axis} measured."


def quartiles(speed_ups: Sequence[float] | NDArray) -> str:
    low, middle, high = np.percentile(speed_ups, [25, 50, 75])
    return f"{middle:.2f}x ({low:.2f} .. {high:.2f})"


def thread_table(results: Results, busy: int) -> str:
    """Time with one thread over time with two, for each library."""
    records = [r for r in results.select(section="threads", busy=busy) if "seconds" in r]
    peers = [p for p in ("mlpfast", "jax", "torch") if any(r["peer"] == p for r in records)]
    rows = []
    for workload in THREADED:
        found = {(r["peer"], r["threads"]): r["seconds"] for r in records if r["workload"] == workload.name}
        cells = []
        for peer in peers:
            one, two = found.get((peer, 1)), found.get((peer, 2))
            if one and two:
                cells += [duration(one), duration(two), quartiles(results.speed_ups(workload.name, busy, peer))]
            else:
                cells += ["-", "-", "-"]
        rows.append([workload.name, *cells])
    return table(["", *(f"{p}{suffix}" for p in peers for suffix in (", 1 thread", ", 2 threads", ", speed-up"))], rows)


def distance_table(results: Results) -> str:
    """mlpfast's speed-ups on a free machine, by how far apart the processors were in the same rounds."""
    rows = []
    for workload in THREADED:
        try:
            distances = np.array(results.distances(workload.name))
            speed_ups = np.array(results.speed_ups(workload.name))
        except KeyError:
            continue
        rows.append([workload.name])
        for rounds in (distances < FAR, distances >= FAR):
            if rounds.any():
                rows[-1] += [f"{rounds.sum()}", duration(np.median(distances[rounds])), quartiles(speed_ups[rounds])]
            else:
                rows[-1] += ["0", "-", "-"]
    head = [f"{place}{suffix}" for place in ("close", "far") for suffix in (": rounds", ", one way", ", speed-up")]
    return table(["", *head], rows) if rows else ""


def thread_rounds(results: Results, busy: int) -> int:
    """Of mlpfast, in the threads section."""
    records = results.select(section="threads", peer="mlpfast", busy=busy)
    return min((len(r["samples"]) for r in records if "samples" in r), default=0)


def accuracy_table(results: Results) -> str:
    rows = []
    for record in results.select(section="accuracy"):
        if "seconds" not in record:
            rows.append([label(record["peer"], training=True), f"missing: {shortened(record['missing'])}", "", "", ""])
            continue
        reached = record["accuracy"] >= ACCURACY_GOAL
        spread = f"{duration(record['min'])} .. {duration(record['max'])}"
        seconds = duration(record["seconds"]) if reached else f"not within {duration(record['seconds'])}"
        epochs, accuracy = f"{record['epochs']:g}", f"{record['accuracy']:.4f}"
        rows.append([label(record["peer"], training=True), seconds, spread, epochs, accuracy])
    return table(["", "training time", "fastest .. slowest", "epochs", "test accuracy"], rows)


def estimator_table(results: Results) -> str:
    rows = []
    records = results.select(section="estimators")
    for dataset in dict.fromkeys(r["workload"] for r in records):
        found = {r["peer"]: r for r in records if r["workload"] == dataset}
        ours = found.get("mlpfast", {}).get("seconds")
        for peer, record in found.items():
            if "seconds" not in record:
                rows.append([dataset, peer, f"missing: {shortened(record['missing'])}", "", "", "", ""])
                continue
            seconds = record["seconds"]
            spread = f"{duration(record['min'])} .. {duration(record['max'])}"
            over = ratio(seconds / ours) if ours else "-"
            score, iterations = f"{record['score']:.4f}", f"{record['iterations']:.0f}"
            rows.append([dataset, peer, duration(seconds), spread, over, score, iterations])
    return table(["", "estimator", "fit", "fastest .. slowest", "over mlpfast", "test score", "iterations"], rows)


def footprint_table(results: Results) -> str:
    rows = []
    for record in results.select(section="footprint"):
        if "seconds" not in record:
            rows.append([label(record["peer"]), f"missing: {shortened(record['missing'])}", "", ""])
            continue
        sizes = [size(record[name]) if name in record else "-" for name in ("bytes", "bytes_with_dependencies")]
        rows.append([label(record["peer"]), duration(record["seconds"]), *sizes])
    return table(["", "import", "installed", "with all that it needs"], rows)


def machine_text(run: dict[str, Any]) -> str:
    machine = run["machine"]
    peaks = "; ".join(
        f"{isa} {found['float32'] / 1e9:.0f} GFLOP/s float32, {found['float64'] / 1e9:.0f} float64"
        for isa, found in machine["peak"].items()
    )
    reads = ", ".join(f"{int(n) // 1024} KiB at {size(rate)}/s" for n, rate in machine["read_bandwidth"].items())
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run["versions"].items()) if version)
    removed = ", ".join(f"`{name}`" for name in machine["removed_variables"]) or "none"
    lines = [
        f"{machine['cpu']}, {machine['processors']} processors, {machine['system']}, {machine['architecture']}",
        f"Python {machine['python']}; {versions}",
        f"compiler of the roof's micro-benchmark: {machine['compiler']}",
        f"FMA peak of one core at the start: {peaks or NOT_MEASURED}",
        f"bandwidth of one core: copies {size(machine['copy_bandwidth'])}/s from memory to memory; reads {reads}",
        f"load average at the start: {machine['load'][0]:.2f}",
        f"environment variables that were set and that no peer saw: {removed}",
        f"measured {machine['date']}, {run['settings']['rounds']} interleaved rounds"
        + (" (a quick run: to see that it works, not to quote)" if run["settings"]["quick"] else ""),
    ]
    return "\n".join(f"- {line}" for line in lines)


def network(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))


def spread(values: Sequence[float]) -> str:
    """From the least to the largest."""
    return " to ".join(dict.fromkeys(ratio(value) for value in (min(values), max(values))))


def in_short(run: dict[str, Any]) -> str:
    """Three sentences with their numbers: training, prediction, layers; each names its machine."""
    results, sentences = Results(run["results"]), []

    def where(section: str) -> str:
        machine = run.get("elsewhere", {}).get(section, run)["machine"]
        return f"On {machine['cpu']}, one thread, float32"

    def over(names: Sequence[str], *peers: str) -> str:
        return spread([results.over(name, *peers) for name in names])

    trained = [w.name for w in TRAINING]
    latencies, throughputs = (
        [w.name for w in INFERENCE if w.name.startswith(kind)] for kind in ("latency", "throughput")
    )
    layers = [w.name for w in (*LAYERS, TABLE)]
    for section, sentence in (
        (
            "training",
            lambda: (
                f"a training step takes {duration(results.seconds('tiny', 'mlpfast'))} for 8-32-32-1 and "
                f"{duration(results.seconds('large', 'mlpfast'))} for 784-1024-1024-10; the faster form of JAX takes "
                f"{over(trained, 'jax', 'jax-shuffle')} as long, that of PyTorch "
                f"{over(trained, 'torch', 'torch-compile')}, and scikit-learn {over(trained, 'sklearn')}."
            ),
        ),
        (
            "inference",
            lambda: (
                f"one row goes through 64-64-64-10 in {duration(results.seconds(latencies[0], 'mlpfast'))}; ONNX "
                f"Runtime takes {over(latencies, 'onnxruntime')} as long for one row of several networks, and "
                f"{over(throughputs, 'onnxruntime')} for many."
            ),
        ),
        (
            "layers",
            lambda: (
                "with normalisations, residuals, and encoders of a table's columns, the better of JAX and PyTorch "
                f"takes {spread([results.layers_over(name) for name in layers])} as long."
            ),
        ),
    ):
        try:
            sentences.append(f"{where(section)}, {sentence()}")
        except KeyError:
            continue
    return "\n".join(f"- {sentence}" for sentence in sentences)


def goals(run: dict[str, Any]) -> str:
    """bench/goals.md: what was promised, and how far it is."""
    elsewhere = "; ".join(
        f"those of {name}, on {origin['machine']['cpu']}" for name, origin in run.get("elsewhere", {}).items()
    )
    return (
        "\n\n".join(
            [
                "# Goals",
                "Written by `make bench`, beside [the page for users](../docs/benchmarks.md). Measured on "
                f"{run['machine']['cpu']}{'; ' + elsewhere if elsewhere else ''}.",
                "Goal, least acceptable, and what this run reached. Ratios are medians of one interleaved run, one "
                "thread each, float32 unless it says float64. *At the roof* is what the machine's roof would reach in "
                "our place: no program that computes every term can do better here, and one that gathers, updates and "
                "normalises between its products does worse. The *standardized* rows are the same networks on the same "
                "images, each pixel scaled to mean 0 and variance 1: no input is zero.",
                targets(Results(run["results"])),
            ]
        )
        + "\n"
    )


def page(run: dict[str, Any], picture: Callable[[str, str], str]) -> str:
    """docs/benchmarks.md; picture(name, description) gives the Markdown of a picture or nothing."""
    results = Results(run["results"])
    parts = [
        "# Benchmarks",
        picture("training", "Time of a training step over mlpfast's, by workload and library"),
        in_short(run),
        "This page is written by `make bench` from the run that it describes; the raw numbers are in "
        "[results.json](benchmarks/results.json).",
        "## The machine",
        machine_text(run),
        *(
            f"The section *{name}* is from another run:\n\n{machine_text(origin)}"
            for name, origin in run.get("elsewhere", {}).items()
        ),
        "## How it is measured",
        HOW.format(rate=LEARNING_RATE),
        "## Training",
        "A step is one batch: shuffle, gather, forward, loss, backward, Adam update. *Loss* is the training loss after "
        "the run's epochs from the same initial weights, computed by the same NumPy code in float64 for everyone: a "
        "fast wrong answer would show. Shuffles differ, so the last digits do. mlpfast leaves out terms with a zero "
        "factor where they are many: half of the pixels of Fashion-MNIST are zero.",
    ]
    for workload in TRAINING:
        parts += [
            f"### {workload.name}: {network(workload.sizes)}",
            f"{workload.loss}, batch {workload.batch}, {workload.rows:,} {workload.data} rows, {workload.epochs} "
            f"epoch{'s' if workload.epochs > 1 else ''}; {workload.flops / 1e6:,.4g} MFLOP a step.",
            workload_table(results, "training", workload.name, "loss"),
            roof_terms(results, "training", workload.name),
        ]
    parts += [
        "## Inference",
        "*Error* is the largest difference of a probability from a float64 reference. Rows are random, without zeros; "
        "those of *images* are Fashion-MNIST's.",
        picture("inference", "Time of a prediction over mlpfast's, by workload and library"),
    ]
    for workload in INFERENCE:
        parts += [
            f"### {workload.name}",
            workload_table(results, "inference", workload.name, "error"),
            roof_terms(results, "inference", workload.name),
        ]
    parts += ["## float64"]
    for workload in FLOAT64:
        parts += [f"### {workload.name}", workload_table(results, "float64", workload.name, "loss")]
    parts += [
        "## Layers",
        f"Measured on {run.get('elsewhere', {}).get('layers', run)['machine']['cpu']}.",
        f"{network(PLAIN.sizes)}, {PLAIN.loss}, batch {PLAIN.batch}, {PLAIN.rows:,} standard normal rows. The hidden "
        "layers are product, bias and ReLU (*plain*), with a norm between bias and ReLU (*with BatchNorm*, *with "
        "LayerNorm*), or with the identity beside the second (*with Residual*). All nets of all libraries take turns, "
        "so that any two times compare. *Loss* takes a batch norm's statistics from the rows it is computed of.",
        layer_table(results),
    ]
    for workload in LAYERS:
        parts += [f"### {workload.name}", workload_table(results, "layers", workload.name, "loss")]
    parts += [
        f"### {TABLE.name}",
        f"{ENCODERS.numbers} numbers, each as {ENCODERS.units} sums of {ENCODERS.frequencies} waves (PBLD) and as "
        f"itself, and {ENCODERS.codes} columns of {ENCODERS.categories} categories, each as {ENCODERS.entry} columns "
        f"of its table; then {network(TABLE.sizes)}, {TABLE.loss}, batch {TABLE.batch}, {TABLE.rows:,} rows. All of "
        "it is trained. The flops are those of the network.",
        workload_table(results, "layers", TABLE.name, "loss"),
        roof_terms(results, "layers", TABLE.name),
    ]
    parts += [
        "## A recipe",
        "What examples/fashion_mnist_best.py does, a hidden layer being product, bias, batch norm, ReLU and dropout, "
        "by AdamW whose rate falls along a cosine, with an average of the parameters; batch "
        f"{RECIPES[0].batch}, {RECIPES[0].rows:,} {RECIPES[0].data} rows. PyTorch has the fused AdamW, and averages "
        "all parameters in one call. *Loss* is that of the average.",
    ]
    for workload in RECIPES:
        parts += [
            f"### {workload.name}: {network(workload.sizes)}",
            workload_table(results, "recipe", workload.name, "loss"),
        ]
    parts += ["## As the network grows"]
    for axis, text in SWEEP_TEXT.items():
        parts += [
            f"### {axis.capitalize()}",
            text,
            picture(axis, f"Time of a training step as the {axis} grows, by library"),
            crossovers(results, axis),
            sweep_table(results, axis),
        ]
    parts += [
        "## Threads",
        "Threads are placed by the operating system here, nothing is pinned. A call may use two threads; whether it "
        "does is the library's choice. The libraries are measured one after the other: compare speed-ups, not times. A "
        "speed-up is the median of the rounds (in brackets: the quartiles), each with a sample of one thread and one "
        f"of two; of mlpfast there were {thread_rounds(results, 0)} rounds, and {thread_rounds(results, 2)} shorter "
        "ones beside busy processes, where one sample may take twice as long as the next. A single row, which mlpfast "
        "predicts without threads, is left out.",
        picture("threads", "Speed-up of two threads over one"),
        "### On a free machine",
        thread_table(results, 0),
        *distance_text(results),
        "### With two other busy processes",
        thread_table(results, 2),
        f"## Time to {ACCURACY_GOAL} test accuracy on Fashion-MNIST",
        "784-256-128-10, batch 128; training time only, evaluated after each epoch.",
        picture("accuracy", "Training seconds until the accuracy is reached"),
        accuracy_table(results),
        "## Estimators",
        "`fit` of MLPClassifier and MLPRegressor with the default settings of both, one thread, with another seed in "
        "each round; the score is accuracy or R2 on held-out rows. *Sparse* is 2,000 CSR rows of 20,000 columns, 0.5 % "
        "of them filled, in ten classes.",
        estimator_table(results),
        "## Import time and size",
        picture("footprint", "Import time and installed size"),
        footprint_table(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def distance_text(results: Results) -> list[str]:
    found = distance_table(results)
    if not found:
        return []
    return [
        "A virtual machine's two processors may share a last-level cache at one moment and lie far apart at the next. "
        "So in each of mlpfast's rounds two threads also handed a cache line to and fro: rounds in which it took less "
        f"than {duration(FAR)} one way are those with processors *close* together. What the threads of a training step "
        "hand over is in [what measuring taught](measured.md).",
        found,
    ]


HOW = """\
- Each library runs in a process of its own and is asked for one sample at a time, in turn, so that whatever happens to
  the machine happens to all of them. A table shows the median, the fastest sample and the third quartile.
- The same bytes of data, the same initial weights, the same hyper-parameters (Adam, learning rate {rate:g}), float32.
- Every library gets the settings that are best for it: PyTorch without a data loader and with fused Adam, its
  `torch.compile` row with the whole step in one compiled function; JAX with a whole epoch in one jitted `lax.scan` with
  donated buffers; scikit-learn without its finiteness checks; ONNX Runtime with all graph optimisations; TorchScript
  frozen; NumPy in place, into buffers that it keeps. Compilation and warm-up are not counted.
- One-thread rows are pinned to one processor, the same for all. Variables of the environment that steer BLAS libraries
  are removed first: some machines set `OPENBLAS_CORETYPE`, which would slow NumPy, SciPy and scikit-learn down.
- *Of FMA peak* counts the flops of the matrix products (forward, weight gradient, input delta except that of the first
  layer), those of terms with a zero factor included, against the peak of fused multiply-adds that touch registers only,
  measured in the same rounds. The row *the machine's roof* is the larger of that time and the time that the step's data
  need at the measured bandwidth."""

SWEEP_TEXT = {
    "width": "64-w-w-10, batch 64.",
    "batch": "64-64-64-10.",
    "depth": "64 inputs, hidden layers of 64, 10 outputs, batch 64; depth 0 is softmax regression.",
}
assert set(SWEEP_TEXT) == set(SWEEPS)


def summary(run: dict[str, Any]) -> str:
    """What a terminal shows at the end of a run."""
    results = Results(run["results"])
    groups = (
        ("training", TRAINING, TRAINING_PEERS),
        ("inference", INFERENCE, INFERENCE_PEERS),
        ("layers", (*LAYERS, TABLE), LAYER_PEERS),
        ("recipe", RECIPES, RECIPE_PEERS),
    )
    rows = []
    for section, workloads, peers in groups:
        for workload in workloads:
            found: dict[str, Record] = {r["peer"]: r for r in results.select(section=section, workload=workload.name)}
            ours = found.get("mlpfast", {}).get("seconds")
            if not any("seconds" in r for r in found.values()):
                continue
            others = [
                f"{peer} {ratio(found[peer]['seconds'] / ours) if ours else duration(found[peer]['seconds'])}"
                for peer in peers[1:]
                if "seconds" in found.get(peer, {})
            ]
            rows.append([workload.name, duration(ours) if ours else NOT_MEASURED, ", ".join(others)])
    overview = table(["workload", "mlpfast", "the others, over mlpfast"], rows) if rows else ""
    return "\n\n".join(part for part in (overview, targets(results)) if part)


def merged(stored: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """A stored run with the sections of a later one in place of its own, and by "elsewhere" what these come from."""
    sections = dict.fromkeys(record["section"] for record in run["results"])
    kept = [record for record in stored["results"] if record["section"] not in sections]
    origin = {name: run[name] for name in ("machine", "settings", "versions")}
    elsewhere = {**stored.get("elsewhere", {}), **dict.fromkeys(sections, origin)}
    return {**stored, "results": kept + run["results"], "elsewhere": elsewhere}


def write_docs(run: dict[str, Any], docs: Path, whole: bool = True) -> None:
    """docs/benchmarks.md, docs/benchmarks/*.svg (if matplotlib is there), docs/benchmarks/results.json, bench/goals.md.

    A run that is not whole takes the place of its sections in the one that is there.
    """
    folder = docs / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    if not whole and (folder / "results.json").exists():
        run = merged(json.loads((folder / "results.json").read_text()), run)
    (folder / "results.json").write_text(json.dumps(run, indent=1) + "\n")
    try:
        from bench.pictures import draw
    except ModuleNotFoundError as error:
        print(f"no pictures: {error}")
        drawn: set[str] = set()
    else:
        drawn = draw(run, folder)

    def picture(name: str, description: str) -> str:
        return f"![{description}](benchmarks/{name}.svg)" if name in drawn else ""

    (docs / "benchmarks.md").write_text(page(run, picture))
    (Path(__file__).parent / "goals.md").write_text(goals(run))


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__.split("\n\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--docs", type=Path, help="write benchmarks.md and its pictures into this folder")
    parser.add_argument("--sections-only", action="store_true", help="the other sections of that page stay as they are")
    arguments = parser.parse_args()
    run = json.loads(arguments.results.read_text())
    print(summary(run))
    if arguments.docs:
        write_docs(run, arguments.docs, whole=not arguments.sections_only)


if __name__ == "__main__":
    main()
