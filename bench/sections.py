"""The parts of a run. Each takes the settings and gives records; see bench/README.md for what a record holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench import estimators, footprint, threads
from bench.peers import INFERENCE_PEERS, LAYER_PEERS, RECIPE_PEERS, TRAINING_PEERS
from bench.runner import Child, Crew, Lane, Record, Settings
from bench.workloads import (
    ACCURACY,
    ACCURACY_EPOCHS,
    ACCURACY_GOAL,
    FLOAT64,
    INFERENCE,
    LAYERS,
    RECIPES,
    SWEEPS,
    TABLE,
    TRAINING,
)


def training(settings: Settings) -> list[Record]:
    with Crew([Lane(peer) for peer in (*TRAINING_PEERS, "roof")], settings) as crew:
        return [record for workload in TRAINING for record in crew.measure("training", workload)]


def inference(settings: Settings) -> list[Record]:
    with Crew([Lane(peer) for peer in (*INFERENCE_PEERS, "roof")], settings) as crew:
        return [record for workload in INFERENCE for record in crew.measure("inference", workload)]


def float64(settings: Settings) -> list[Record]:
    peers = ("mlpfast", "jax", "torch", "sklearn", "numpy", "roof")
    with Crew([Lane(peer) for peer in peers], settings) as crew:
        return [record for workload in FLOAT64 for record in crew.measure("float64", workload)]


def layers(settings: Settings) -> list[Record]:
    """Nets that differ in their hidden layers alone, all of them in turn: their times compare, too. Then one behind the
    encoders of a table."""
    workloads = [workload for workload in LAYERS if settings.wants_workload(workload.name)]
    lanes = [Lane(peer, workload=workload) for workload in workloads for peer in (*LAYER_PEERS, "roof")]
    with Crew(lanes, settings) as crew:
        records = crew.measure_own("layers")
    with Crew([Lane(peer) for peer in (*LAYER_PEERS, "roof")], settings) as crew:
        return records + crew.measure("layers", TABLE)


def recipe(settings: Settings) -> list[Record]:
    """Batch norms, dropout, weight decay, a schedule and an average of the parameters, all at once."""
    with Crew([Lane(peer) for peer in (*RECIPE_PEERS, "roof")], settings) as crew:
        return [record for workload in RECIPES for record in crew.measure("recipe", workload)]


def sweeps(settings: Settings) -> list[Record]:
    """The cost of a step as one thing grows; fewer rounds, as the neighbours on a curve vouch for a point."""
    settings = replace(settings, rounds=min(settings.rounds, 3), at_least=min(settings.at_least, 0.1))
    peers = ("mlpfast", "jax", "torch", "sklearn", "numpy", "roof")
    records: list[Record] = []
    with Crew([Lane(peer) for peer in peers], settings) as crew:
        for axis, points in SWEEPS.items():
            for value, workload in points.items():
                records += crew.measure("sweep", workload, axis=axis, value=value)
    return records


def accuracy(settings: Settings) -> list[Record]:
    """Training seconds until the test accuracy on Fashion-MNIST reaches the goal."""
    settings = replace(settings, rounds=min(settings.rounds, 3))

    def sample(child: Child, data: str) -> dict[str, Any]:
        child.ask("reset")
        epochs: list[dict[str, Any]] = []
        while len(epochs) < ACCURACY_EPOCHS:
            epochs.append(child.ask("epoch", data=data))
            if settings.quick or epochs[-1]["accuracy"] >= ACCURACY_GOAL:
                break
        seconds = sum(epoch["seconds"] for epoch in epochs)
        return {"seconds": seconds, "epochs": len(epochs), "accuracy": epochs[-1]["accuracy"]}

    with Crew([Lane(peer) for peer in TRAINING_PEERS], settings) as crew:
        return crew.measure("accuracy", ACCURACY, sample)


SECTIONS: dict[str, Callable[[Settings], list[Record]]] = {
    "training": training,
    "inference": inference,
    "float64": float64,
    "layers": layers,
    "recipe": recipe,
    "threads": threads.run,
    "sweep": sweeps,
    "accuracy": accuracy,
    "estimators": estimators.run,
    "footprint": footprint.run,
}
