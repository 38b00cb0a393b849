"""Fits by second order beside first order, each with the time of the processor that it took, float64, one thread:

    python -m bench.second_order [--seeds 10] [--quick] [--problems sin surrogate ...] [--methods Adam ...]

Levenberg-Marquardt and Newton-CG get so many iterations. Adam on all rows with a cosine schedule, at the best of five
rates, gets 50 times the time that Levenberg-Marquardt took, for each rate. SciPy's `least_squares` (method "lm", with
the Jacobian of a NumPy model) gets as many evaluations, PyTorch's L-BFGS (strong Wolfe) 20 times as many iterations,
and pyrenn's Levenberg-Marquardt a tenth, from weights of its own: each takes it some hundred times as long. Losses are
the medians over the seeds of half the mean of the squared residuals; 1-10-1 to sin(x), a surrogate without noise, and
the diabetes data, standardized (a loss of training, which there says little).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyrenn
import scipy.optimize
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import mlpfast as mf
from bench.tables import duration, table

RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
STEPS = 100  # of Adam in an epoch
BUDGET = 50  # times the time of Levenberg-Marquardt, for Adam at each rate


class Problem(NamedTuple):
    """Rows, a tanh network, and the iterations of those of second order."""

    name: str
    sizes: tuple[int, ...]
    X: NDArray
    y: NDArray
    iterations: int

    def model(self, seed: int) -> mf.Model:
        return mf.mlp(self.sizes, "tanh", dtype="float64", seed=seed)


class Run(NamedTuple):
    loss: float
    seconds: float


def problems() -> list[Problem]:
    from sklearn.datasets import load_diabetes

    x = np.linspace(-np.pi, np.pi, 200)[:, None]
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (1000, 6))
    smooth = np.sin(inputs @ rng.normal(size=(6, 3))).sum(axis=1, keepdims=True)
    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), ((y - y.mean()) / y.std())[:, None]
    return [
        Problem("sin(x), 1-10-1", (1, 10, 1), x, np.sin(x), 3000),
        Problem("surrogate, 6-20-20-1", (6, 20, 20, 1), inputs, smooth, 100),
        Problem("diabetes, 10-5-1", (10, 5, 1), X, y, 100),
    ]


def fit(problem: Problem, optimizer: mf.optimizers.Optimizer, seed: int) -> Run:
    trainer = mf.Trainer(problem.model(seed), "mse", optimizer, batch_size=None, n_threads=1)
    begin = time.process_time()
    trainer.fit(problem.X, problem.y, epochs=problem.iterations, verbose=0)
    taken = time.process_time() - begin
    return Run(trainer.evaluate(problem.X, problem.y)["loss"], taken)


def levenberg_marquardt(problem: Problem, seed: int, _: float) -> Run:
    return fit(problem, mf.LevenbergMarquardt(tolerance_grad=0, tolerance_change=0), seed)


def newton_cg(problem: Problem, seed: int, _: float) -> Run:
    return fit(problem, mf.NewtonCG(tolerance_grad=0, tolerance_change=0), seed)


def adam(problem: Problem, seed: int, budget: float) -> Run:
    """As many steps as the budget has room for, so that the cosine ends where the time does.

    The rows come many times over, in batches of all of them: so an epoch is many steps, in one crossing.
    """
    n = len(problem.X)
    X, y = np.tile(problem.X, (STEPS, 1)), np.tile(problem.y, (STEPS, 1))

    def descend(rate: float, epochs: int) -> Run:
        optimizer = mf.Adam(mf.schedules.Cosine(rate))
        trainer = mf.Trainer(problem.model(seed), "mse", optimizer, batch_size=n, shuffle=False, n_threads=1)
        begin = time.process_time()
        trainer.fit(X, y, epochs=epochs, verbose=0)
        taken = time.process_time() - begin
        return Run(trainer.evaluate(problem.X, problem.y)["loss"], taken)

    pace = min(descend(1e-3, 2).seconds for _ in range(3)) / 2
    runs = [descend(rate, max(2, int(budget / pace))) for rate in RATES]
    return min(runs, key=lambda run: run.loss)


def scipys(problem: Problem, seed: int, _: float) -> Run:
    sizes = problem.sizes
    shapes = [shape for i, o in pairwise(sizes) for shape in ((i, o), (o,))]
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])

    def forward(p: NDArray) -> tuple[list[NDArray], list[NDArray]]:
        tensors = [part.reshape(shape) for part, shape in zip(np.split(p, ends[:-1]), shapes, strict=True)]
        h = [problem.X]
        for i in range(0, len(tensors), 2):
            z = h[-1] @ tensors[i] + tensors[i + 1]
            h.append(np.tanh(z) if i + 2 < len(tensors) else z)
        return tensors, h

    def residuals(p: NDArray) -> NDArray:
        return (forward(p)[1][-1] - problem.y).ravel()

    def jacobian(p: NDArray) -> NDArray:
        tensors, h = forward(p)
        delta, parts = np.ones((len(problem.X), 1)), []
        for i in range(len(h) - 2, -1, -1):
            parts += [delta, (h[i][:, :, None] * delta[:, None, :]).reshape(len(delta), -1)]
            if i:
                delta = delta @ tensors[2 * i].T * (1 - h[i] ** 2)
        return np.hstack(parts[::-1])

    first = problem.model(seed).parameters.copy()
    begin = time.process_time()
    found = scipy.optimize.least_squares(
        residuals, first, jacobian, method="lm", max_nfev=problem.iterations, xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    return Run(found.cost / len(problem.X), time.process_time() - begin)


def torchs(problem: Problem, seed: int, _: float) -> Run:
    layers: list[torch.nn.Module] = []
    model = problem.model(seed)
    for W, b in zip(model.weights, model.biases, strict=True):
        linear = torch.nn.Linear(*W.shape, dtype=torch.float64)
        linear.weight.data, linear.bias.data = torch.from_numpy(W.T.copy()), torch.from_numpy(b.copy())
        layers += [linear, torch.nn.Tanh()]
    net, X, y = torch.nn.Sequential(*layers[:-1]), torch.from_numpy(problem.X), torch.from_numpy(problem.y)
    optimizer = torch.optim.LBFGS(
        net.parameters(), max_iter=20 * problem.iterations, max_eval=10**9, history_size=10, tolerance_grad=0,
        tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = 0.5 * ((net(X) - y) ** 2).mean()
        loss.backward()
        return loss

    begin = time.process_time()
    optimizer.step(closure)
    return Run(float(closure().detach()), time.process_time() - begin)


def pyrenns(problem: Problem, seed: int, _: float) -> Run:
    inputs, *hidden, outputs = problem.sizes
    np.random.seed(seed)  # noqa: NPY002 (it draws its weights from there)
    net = pyrenn.CreateNN([inputs, *hidden, outputs])
    P, Y = problem.X.T, problem.y.T
    begin = time.process_time()
    with np.errstate(all="ignore"):
        net = pyrenn.train_LM(P, Y, net, k_max=problem.iterations // 10, E_stop=0.0)
    taken = time.process_time() - begin
    return Run(0.5 * float(np.mean((pyrenn.NNOut(P, net) - Y) ** 2)), taken)


METHODS: dict[str, Callable[[Problem, int, float], Run]] = {
    "LevenbergMarquardt": levenberg_marquardt,
    "NewtonCG": newton_cg,
    "Adam, best of five rates": adam,
    "SciPy least_squares": scipys,
    "pyrenn train_LM": pyrenns,
    "PyTorch L-BFGS": torchs,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.second_order", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--problems", nargs="+", metavar="PART", default=[""], help="those whose name has a PART")
    parser.add_argument("--methods", nargs="+", metavar="PART", default=[""], help="those whose name has a PART")
    parser.add_argument("--quick", action="store_true", help="a tenth of the iterations: to see that it runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    methods = {name: run for name, run in METHODS.items() if any(part in name for part in arguments.methods)}
    if any(name.startswith("Adam") for name in methods) and "LevenbergMarquardt" not in methods:
        parser.error("Adam's time is a multiple of LevenbergMarquardt's, which --methods leaves out")
    rows = []
    with threadpool_limits(1):
        for problem in problems():
            if not any(part in problem.name for part in arguments.problems):
                continue
            if arguments.quick:
                problem = problem._replace(iterations=problem.iterations // 10)
            runs: dict[str, list[Run]] = {name: [] for name in methods}
            for seed in range(arguments.seeds):
                for name, run in methods.items():
                    budget = BUDGET * runs["LevenbergMarquardt"][-1].seconds if name.startswith("Adam") else 0.0
                    runs[name].append(run(problem, seed, budget))
                    print(f"{problem.name}, seed {seed}, {name}: {runs[name][-1]}", file=sys.stderr, flush=True)
            for name, each in runs.items():
                loss, seconds = np.median(each, axis=0)
                worst = max(run.loss for run in each)
                rows.append([problem.name, name, f"{loss:.3g}", f"{worst:.3g}", duration(seconds)])
    print(table(["", "", "loss, median", "worst", "time"], rows))


if __name__ == "__main__":
    main()
