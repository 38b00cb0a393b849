"""L-BFGS beside SciPy's L-BFGS-B and PyTorch's LBFGS, on the same loss and gradient of all rows, ours:

    python -m bench.lbfgs [--seconds]

How low the loss is after so many evaluations, from the same parameters, and how many it took to come within 0.1 % of
the lowest loss that any of them found. All remember ten pairs and search by the strong Wolfe conditions (SciPy's
search is Moré and Thuente's). With --seconds, the time of all evaluations and what is between them, by one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.optimize
import torch
from numpy.typing import NDArray

import mlpfast as mf
from bench.tables import duration, table

EVALUATIONS = (20, 50, 100, 200, 400)
MEMORY = 10


class Problem(NamedTuple):
    """A network with its rows; the output activation is the one that goes with the loss."""

    name: str
    sizes: tuple[int, ...]
    loss: str
    X: NDArray
    y: NDArray
    l2: float

    def model(self, dtype: str) -> mf.Model:
        output = "softmax" if self.loss == "cross_entropy" else "identity"
        return mf.mlp(self.sizes, "tanh", output, dtype=dtype, seed=0)


class Run(NamedTuple):
    """The lowest loss after each evaluation, and the seconds of all."""

    losses: NDArray
    seconds: float


def problems() -> list[Problem]:
    X, y = mf.datasets.load_digits()
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(500, 8))
    waves = np.sin(inputs @ rng.normal(size=(8, 1))) + 0.1 * rng.normal(size=(500, 1))
    return [
        Problem("softmax regression", (64, 10), "cross_entropy", X / 16, y, 1e-3),
        Problem("digits", (64, 32, 10), "cross_entropy", X / 16, y, 1e-3),
        Problem("waves", (8, 16, 16, 1), "mse", inputs, waves, 1e-4),
    ]


class Counted:
    """The loss and its gradient, which the peers minimise."""

    def __init__(self, problem: Problem) -> None:
        self.model = problem.model("float64")
        self.trainer = mf.Trainer(self.model, problem.loss, batch_size=None, n_threads=1)
        self.data, self.l2 = (problem.X, problem.y), problem.l2
        self.losses: list[float] = []

    def __call__(self, parameters: NDArray) -> tuple[float, NDArray]:
        self.model.parameters[:] = parameters
        loss, gradient = self.trainer.loss_and_gradient(*self.data, l2=self.l2)
        self.losses.append(loss)
        return loss, gradient

    def run(self, minimise: Callable[[], object]) -> Run:
        begin = time.perf_counter()
        minimise()
        return Run(np.minimum.accumulate(self.losses), time.perf_counter() - begin)


def ours(problem: Problem, dtype: str) -> Run:
    optimizer = mf.LBFGS(history_size=MEMORY, tolerance_grad=0, tolerance_change=0)
    trainer = mf.Trainer(problem.model(dtype), problem.loss, optimizer, batch_size=None, l2=problem.l2, n_threads=1)
    begin = time.perf_counter()
    history = trainer.fit(problem.X, problem.y, epochs=EVALUATIONS[-1], verbose=0)
    seconds = time.perf_counter() - begin
    taken = np.multiply(history.samples_per_second, history.seconds) / len(problem.X)
    ends = np.rint(np.cumsum(taken)).astype(int)  # the evaluations up to the end of each iteration
    losses = np.full(ends[-1], np.inf)
    losses[ends - 1] = history["loss"]
    return Run(np.minimum.accumulate(losses)[: EVALUATIONS[-1]], seconds)


def scipys(problem: Problem) -> Run:
    counted = Counted(problem)
    options = {"maxcor": MEMORY, "maxiter": 10**6, "maxfun": EVALUATIONS[-1], "gtol": 0, "ftol": 0}
    start = counted.model.parameters.copy()
    return counted.run(lambda: scipy.optimize.minimize(counted, start, jac=True, method="L-BFGS-B", options=options))


def torchs(problem: Problem) -> Run:
    counted = Counted(problem)
    parameters = torch.from_numpy(counted.model.parameters.copy()).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [parameters], max_iter=10**6, max_eval=EVALUATIONS[-1], history_size=MEMORY, tolerance_grad=0,
        tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> torch.Tensor:
        loss, gradient = counted(parameters.detach().numpy())
        parameters.grad = torch.from_numpy(gradient)
        return torch.tensor(loss, dtype=torch.float64)

    return counted.run(lambda: optimizer.step(closure))


PEERS: dict[str, Callable[[Problem], Run]] = {
    "mlpfast": lambda problem: ours(problem, "float64"),
    "mlpfast, float32": lambda problem: ours(problem, "float32"),
    "SciPy": scipys,
    "PyTorch": torchs,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lbfgs", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", action="store_true", help="measure the time, too; on a quiet machine")
    with_seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    rows = []
    for problem in problems():
        runs = {name: run(problem) for name, run in PEERS.items()}
        lowest = min(run.losses[-1] for run in runs.values())
        for name, run in runs.items():
            near = np.flatnonzero(run.losses <= 1.001 * lowest)
            after = [f"{run.losses[min(n, len(run.losses)) - 1]:.6g}" for n in EVALUATIONS]
            last = [duration(run.seconds)] if with_seconds else []
            rows.append([problem.name, name, *after, str(near[0] + 1) if len(near) else "-", *last])
    head = ["", "", *(f"after {n}" for n in EVALUATIONS), "within 0.1 %"]
    print(table(head + ["time"] * with_seconds, rows))


if __name__ == "__main__":
    main()
