"""What a peer does, and the judge that looks at its result with plain NumPy in float64."""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import Layers, logits, unflatten
from bench.workloads import Workload

JUDGED_ROWS = 5000


@dataclass(frozen=True)
class Task:
    """A workload with its data: X (rows, inputs), y, and flat initial parameters, all of the workload's dtype."""

    workload: Workload
    X: NDArray
    y: NDArray
    initial: NDArray
    threads: int

    @property
    def layers(self) -> Layers:
        return unflatten(self.initial, self.workload)

    @property
    def classifies(self) -> bool:
        return self.workload.loss == "cross_entropy"


class Peer(ABC):
    """One library. A subclass says how it prepares, trains and predicts; timing and judging are the same for all."""

    distribution: str
    supports: tuple[str, ...] = ("train", "predict")
    task: Task

    @abstractmethod
    def prepare(self) -> None:
        """Convert the data of `self.task` and build the network; whatever a user does once."""

    def reset(self) -> None:
        """Back to the initial weights and a fresh optimizer."""
        raise NotImplementedError

    def train(self, epochs: int) -> None:
        """Whole epochs, each over a new permutation of the rows."""
        raise NotImplementedError

    def layers(self) -> Layers:
        """The trained weights (fan_in, fan_out) and biases, and those of norms."""
        raise NotImplementedError

    def predictor(self) -> Callable[[NDArray], Any]:
        """A function from rows (batch, inputs) to probabilities (batch, outputs)."""
        raise NotImplementedError

    # --- the requests (see bench/child.py), the same for all ---

    def do_prepare(self, workload: dict[str, Any], data: str, threads: int) -> dict[str, Any]:
        with np.load(data) as arrays:
            X, y, initial = (arrays[name] for name in ("X", "y", "initial"))
        return self.start(Task(Workload.from_dict(workload), X, y, initial, threads))

    def do_run(self, at_least: float) -> dict[str, Any]:
        """Seconds of a step, over at least that many seconds of work, and how good the result is."""
        gc.collect()
        gc.disable()
        try:
            return self._run_training(at_least) if self.task.workload.kind == "train" else self._run_calls(at_least)
        finally:
            gc.enable()

    def do_reset(self) -> dict[str, Any]:
        self.reset()
        return {}

    def do_epoch(self, data: str) -> dict[str, Any]:
        """Seconds of one more epoch, and the test accuracy after it."""
        with np.load(data) as arrays:
            X_test, y_test = arrays["X_test"], arrays["y_test"]
        begin = time.perf_counter()
        self.train(1)
        elapsed = time.perf_counter() - begin
        return {
            "seconds": elapsed,
            "accuracy": float((logits(self.layers(), X_test, self.task.workload).argmax(axis=1) == y_test).mean()),
        }

    # --- timing ---

    def start(self, task: Task) -> dict[str, Any]:
        """Prepare and warm up: what is compiled is compiled here."""
        if task.workload.kind not in self.supports:
            raise NotImplementedError(f"not a {task.workload.kind} benchmark of this peer")
        self.task = task
        begin = time.perf_counter()
        self.prepare()
        if task.workload.kind == "train":
            self.reset()
            self.train(1)
        else:
            self._predict = self.predictor()
            self._inputs = np.split(task.X, len(task.X) // task.workload.batch)
            self._predict(self._inputs[0])
        return {"prepare_seconds": time.perf_counter() - begin}

    def _run_training(self, at_least: float) -> dict[str, Any]:
        workload = self.task.workload
        elapsed, steps = 0.0, 0
        while elapsed < at_least or steps == 0:
            self.reset()
            begin = time.perf_counter()
            self.train(workload.epochs)
            elapsed += time.perf_counter() - begin
            steps += workload.epochs * workload.steps
        X, y = self.task.X[:JUDGED_ROWS], self.task.y[:JUDGED_ROWS]
        return {"seconds": elapsed / steps, "loss": loss(self.layers(), X, y, workload)}

    def _run_calls(self, at_least: float) -> dict[str, Any]:
        predict: Callable[[NDArray], Any] = self._predict
        inputs: Sequence[NDArray] = self._inputs
        elapsed, calls = 0.0, 0
        while elapsed < at_least or calls == 0:
            begin = time.perf_counter()
            for x in inputs:
                predict(x)
            elapsed += time.perf_counter() - begin
            calls += len(inputs)
        got = np.asarray(predict(inputs[0]), np.float64)
        expected = softmax(
            logits([(W.astype(float), b.astype(float)) for W, b in self.task.layers], inputs[0], self.task.workload)
        )
        return {"seconds": elapsed / calls, "error": float(np.abs(got - expected).max())}


def softmax(z: NDArray) -> NDArray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def loss(layers: Layers, X: NDArray, y: NDArray, workload: Workload) -> float:
    """The training loss of a network on some rows, in float64: mse is 1/(2n) sum of squares."""
    z = logits([tuple(np.asarray(a, float) for a in layer) for layer in layers], X, workload)
    if workload.loss == "mse":
        return float(0.5 * np.square(z - y).sum(axis=1).mean())
    z -= z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), y]).mean())
