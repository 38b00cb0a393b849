"""What one call on one row costs, most of it outside the loops: ``python -m bench.calls``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

import mlpfast as mf
from bench.machine import cpu_name
from bench.tables import duration, table

SIZES = ([4, 8, 3], [64, 64, 64, 10])
SAMPLES, CALLS = 41, 500


def seconds(call: Callable[[], object]) -> float:
    """The median over samples of the mean over calls."""
    samples = []
    for _ in range(SAMPLES):
        begin = time.perf_counter()
        for _ in range(CALLS):
            call()
        samples.append((time.perf_counter() - begin) / CALLS)
    return statistics.median(samples)


def calls(sizes: list[int]) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1, sizes[0])).astype(np.float32), np.array([1])
    model = mf.mlp(sizes, "relu", "softmax")
    trainer = mf.Trainer(model.copy(), "cross_entropy")
    return {
        "Model.predict": lambda: model.predict(X),
        "Model.loss_and_gradient": lambda: model.loss_and_gradient(X, y, "cross_entropy"),
        "Trainer.train_on_batch": lambda: trainer.train_on_batch(X, y),
        "Trainer.evaluate": lambda: trainer.evaluate(X, y),
    }


def main() -> None:
    measured = [{name: seconds(call) for name, call in calls(sizes).items()} for sizes in SIZES]
    rows = [[name, *(duration(each[name]) for each in measured)] for name in measured[0]]
    print(f"{cpu_name()}, mlpfast {mf.__version__}, NumPy {np.__version__}\n")
    print(table(["one row", *("-".join(map(str, sizes)) for sizes in SIZES)], rows))


if __name__ == "__main__":
    main()
