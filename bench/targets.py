"""What was promised, and how far it is: goal, least, reached."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bench.peers import LAYER_PEERS
from bench.tables import duration, ratio
from bench.workloads import LAYERS, PLAIN, RECIPES, TABLE

Record = dict[str, Any]


class Results:
    """The records of a run, to be looked up; a KeyError says what was not measured."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)

    def select(self, **wanted: Any) -> list[Record]:
        return [r for r in self.records if all(r.get(name) == value for name, value in wanted.items())]

    def get(self, **wanted: Any) -> Record:
        for record in self.select(**wanted):
            if "seconds" in record:
                return record
        raise KeyError(wanted)

    def seconds(self, workload: str, *peers: str, **wanted: Any) -> float:
        """The median step of the best of some peers; the main sections are meant if none is named."""
        wanted.setdefault("section", "inference" if workload.startswith(("latency", "throughput")) else "training")
        return min(float(self.get(workload=workload, peer=peer, **wanted)["seconds"]) for peer in peers)

    def over(self, workload: str, *peers: str, us: str = "mlpfast") -> float:
        """How many times as long as mlpfast, or whom `us` names, the best of the peers takes."""
        return self.seconds(workload, *peers) / self.seconds(workload, us)

    def of_peak(self, workload: str, section: str, peer: str = "mlpfast") -> float:
        """The arithmetic that a peer gets done as a fraction of the FMA peak measured in the same rounds."""
        record = self.get(workload=workload, peer=peer, section=section)
        peak = self.get(workload=workload, peer="roof", section=section)["peak"]
        return float(record["flops"] / record["seconds"] / peak)

    def over_plain(self, workload: str) -> float:
        """Of the layers section: how much longer than the plain net mlpfast takes, as a fraction of that."""
        longer, plain = (self.seconds(name, "mlpfast", section="layers") for name in (workload, PLAIN.name))
        return longer / plain - 1

    def layers_over(self, workload: str, us: str = "mlpfast") -> float:
        """Of the layers section: how many times as long as mlpfast, or whom `us` names, the better peer takes."""
        better = self.seconds(workload, *LAYER_PEERS[1:], section="layers")
        return better / self.seconds(workload, us, section="layers")

    def recipe_over(self, workload: str) -> float:
        """Of the recipe section: how many times as long as mlpfast PyTorch takes."""
        torch, ours = (self.seconds(workload, peer, section="recipe") for peer in ("torch", "mlpfast"))
        return torch / ours

    def speed_ups(self, workload: str, busy: int = 0, peer: str = "mlpfast") -> list[float]:
        """Seconds with one thread over seconds with two, in each of the rounds."""
        wanted = {"section": "threads", "workload": workload, "peer": peer, "busy": busy}
        one, two = (self.get(threads=n, **wanted)["samples"] for n in (1, 2))
        return [a / b for a, b in zip(one, two, strict=True)]

    def speed_up(self, workload: str, busy: int = 0, peer: str = "mlpfast") -> float:
        """The median over the rounds."""
        return statistics.median(self.speed_ups(workload, busy, peer))

    def distances(self, workload: str) -> list[float]:
        """Of the processors, in the rounds of mlpfast's speed-ups on a free machine: see `roof.handover`."""
        return list(self.get(section="threads", workload=workload, peer="distance")["samples"])

    def worst_speed_up(self, busy: int) -> float:
        names = {r["workload"] for r in self.select(section="threads", peer="mlpfast", busy=busy) if "seconds" in r}
        if not names:
            raise KeyError("threads")
        return min(self.speed_up(name, busy) for name in names)


@dataclass(frozen=True)
class Target:
    workload: str
    what: str
    goal: float
    least: float | None  # None: only the goal was named
    reached: Callable[[Results], float]
    limit: Callable[[Results], float] | None = None  # what the machine's roof in our place would reach
    show: Callable[[float], str] = ratio
    lower_is_better: bool = False

    def verdict(self, value: float) -> str:
        def meets(bound: float) -> bool:
            return value <= bound if self.lower_is_better else value >= bound

        if meets(self.goal):
            return "goal"
        if self.least is None:
            return "below the goal"
        return "least" if meets(self.least) else "missed"


def percent(x: float) -> str:
    return f"{x:.0%}"


def _over(workload: str, what: str, goal: float, least: float | None, *peers: str) -> Target:
    return Target(
        workload,
        f"{what}, time over ours",
        goal,
        least,
        lambda results: results.over(workload, *peers),
        lambda results: results.over(workload, *peers, us="roof"),
    )


def _layers(workload: str, longer: float) -> list[Target]:
    return [
        Target(
            workload,
            "JAX or PyTorch, the better, time over ours, over that of the plain net",
            1.2,
            1,
            lambda results: results.layers_over(workload) / results.layers_over(PLAIN.name),
        ),
        Target(
            workload,
            "longer than our plain net",
            longer,
            longer,
            lambda results: results.over_plain(workload),
            show=percent,
            lower_is_better=True,
        ),
    ]


def _peak(workload: str, section: str, goal: float, least: float) -> Target:
    return Target(
        workload,
        "of the FMA peak, all terms counted",
        goal,
        least,
        lambda results: results.of_peak(workload, section),
        lambda results: results.of_peak(workload, section, "roof"),
        percent,
    )


_CLASSIC = ("scikit-learn or PyTorch, the better", "sklearn", "torch")
_A, _B, _IMAGES = "64-64-64-10", "784-256-10", "784-256-10 images"

TARGETS = [
    _over("tiny", "JAX scan, whole epoch jitted", 8, 5, "jax-shuffle"),
    _over("tiny", "JAX scan, NumPy shuffles", 8, 5, "jax"),
    _over("tiny", _CLASSIC[0], 65, 40, *_CLASSIC[1:]),
    _over("small", "JAX scan, whole epoch jitted", 3, 2.2, "jax-shuffle"),
    _over("small", "JAX scan, NumPy shuffles", 3, 2.2, "jax"),
    _over("small", _CLASSIC[0], 13, 9, *_CLASSIC[1:]),
    _over("medium", "JAX scan, whole epoch jitted", 1.75, 1.5, "jax-shuffle"),
    _over("medium", "JAX scan, NumPy shuffles", 1.75, 1.5, "jax"),
    _over("medium", _CLASSIC[0], 3.6, None, *_CLASSIC[1:]),
    _peak("medium", "training", 0.8, 0.7),
    _over("large", "JAX scan, whole epoch jitted", 1.5, 1.3, "jax-shuffle"),
    _over("large", "JAX scan, NumPy shuffles", 1.5, 1.3, "jax"),
    _over("large", _CLASSIC[0], 2.5, None, *_CLASSIC[1:]),
    _peak("large", "training", 0.8, 0.7),
    _over("medium standardized", "JAX scan, whole epoch jitted", 1.75, 1.5, "jax-shuffle"),
    _peak("medium standardized", "training", 0.8, 0.7),
    _over("large standardized", "JAX scan, whole epoch jitted", 1.5, 1.3, "jax-shuffle"),
    _peak("large standardized", "training", 0.8, 0.7),
    Target(
        f"latency {_A}",
        "one row through model.predict",
        1e-6,
        1.5e-6,
        lambda results: results.seconds(f"latency {_A}", "mlpfast"),
        lambda results: results.seconds(f"latency {_A}", "roof"),
        duration,
        lower_is_better=True,
    ),
    *[_over(f"latency {net}", "ONNX Runtime", 10, 6, "onnxruntime") for net in (_A, _B, _IMAGES)],
    *[_over(f"throughput {net}", "ONNX Runtime", 1.8, 1.4, "onnxruntime") for net in (_A, _B, _IMAGES)],
    *[_peak(f"throughput {net}", "inference", 0.8, 0.65) for net in (_A, _B)],
    *[_peak(f"{name} float64", "float64", 0.8, 0.6) for name in ("small", "medium", "large")],
    *[
        target
        for workload in LAYERS
        if workload is not PLAIN
        for target in _layers(workload.name, 0.25 if workload.hidden == "batch_norm" else 0.15)
    ],
    Target(
        TABLE.name,
        "JAX or PyTorch, the better, time over ours",
        4,
        2.5,
        lambda results: results.layers_over(TABLE.name),
        lambda results: results.layers_over(TABLE.name, us="roof"),
    ),
    *[
        Target(
            workload.name,
            "PyTorch, time over ours",
            least,
            least,
            lambda results, name=workload.name: results.recipe_over(name),
        )
        for workload, least in zip(RECIPES, (2, 2, 1.5), strict=True)
    ],
    *[
        Target(name, "2 threads over 1, machine free", 1.8, 1.6, lambda results, name=name: results.speed_up(name))
        for name in ("medium", "large")
    ],
    Target("all", "2 threads over 1, worst of many rows, machine free", 1, 0.95, lambda r: r.worst_speed_up(0)),
    Target("all", "2 threads over 1, worst of many rows, 2 busy processes", 1, 0.95, lambda r: r.worst_speed_up(2)),
]
