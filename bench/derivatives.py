"""Derivatives beside torch.func and JAX: `python -m bench.derivatives`, on a quiet machine.

One thread, float32; each library in a process of its own, all of them on the same processor, taking turns. A time is
the median of the rounds, and so is a ratio, of those within a round. Peers are compiled or vectorised as their own
documentation does it: `jax.jit` of `vmap`, and `torch.func`. Results are compared with each other first.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.machine import cpu_name
from bench.runner import Lane, environment

LIBRARIES = ("mlpfast", "jax", "torch")
ROUNDS, SECONDS, LEAST_CALLS = 15, 0.15, 3

Case = Callable[[], Any]


def arrays(sizes: tuple[int, ...], rows: int) -> tuple[NDArray[Any], ...]:
    """X, labels, the flat parameters (W row-major, then b, layer by layer), and a direction of these."""
    rng = np.random.default_rng(0)
    layers = [
        np.concatenate([rng.normal(size=k * n) / np.sqrt(k), rng.normal(size=n) * 0.1]) for k, n in pairwise(sizes)
    ]
    flat = np.concatenate(layers).astype(np.float32)
    v = rng.normal(size=flat.size).astype(np.float32)
    X = rng.normal(size=(rows, sizes[0])).astype(np.float32)
    return X, rng.integers(sizes[-1], size=rows).astype(np.int32), flat, v


SMOOTH, WIDE = (64, 64, 64, 10), (784, 128, 10)


def mlpfast_cases() -> dict[str, Case]:
    import mlpfast as mf

    X, _, flat, _ = arrays(SMOOTH, 1000)
    smooth = mf.mlp(SMOOTH, "tanh")
    smooth.parameters = flat
    jacobian = np.empty((1000, 10, 64), np.float32)
    X2, y, flat, v = arrays(WIDE, 256)
    wide = mf.mlp(WIDE, "tanh", "softmax")
    wide.parameters = flat
    product, gradients = np.empty_like(v), np.empty((256, wide.n_parameters), np.float32)
    return {
        "jacobian": lambda: smooth.jacobian(X, out=jacobian, n_threads=1),
        "hvp": lambda: wide.hvp(X2, y, v, "cross_entropy", out=product, n_threads=1),
        "gauss_newton_product": lambda: wide.gauss_newton_product(X2, y, v, "cross_entropy", out=product, n_threads=1),
        "per_sample_gradients": lambda: wide.per_sample_gradients(X2, y, "cross_entropy", out=gradients, n_threads=1),
        "per_sample_gradient_norms": lambda: wide.per_sample_gradient_norms(X2, y, "cross_entropy", n_threads=1),
    }


def functional(sizes: tuple[int, ...], tanh: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """The logits of rows x, or of one, as a function of the flat parameters."""

    def logits(flat: Any, x: Any) -> Any:
        at = 0
        for layer, (k, n) in enumerate(pairwise(sizes)):
            W, b = flat[at : at + k * n].reshape(k, n), flat[at + k * n : at + k * n + n]
            at += k * n + n
            x = x @ W + b
            if layer < len(sizes) - 2:
                x = tanh(x)
        return x

    return logits


def jax_cases() -> dict[str, Case]:
    import jax
    import jax.numpy as jnp

    X, _, smooth_flat, _ = map(jnp.asarray, arrays(SMOOTH, 1000))
    X2, y, flat, v = map(jnp.asarray, arrays(WIDE, 256))
    smooth, wide = functional(SMOOTH, jnp.tanh), functional(WIDE, jnp.tanh)

    def row_loss(flat: Any, x: Any, label: Any) -> Any:
        return -jax.nn.log_softmax(wide(flat, x))[label]

    def loss(flat: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(wide(flat, X2)), y[:, None], axis=1).mean()

    reverse = jax.jit(lambda x: jax.vmap(jax.jacrev(lambda row: smooth(smooth_flat, row)))(x))
    hvp = jax.jit(lambda p, v: jax.jvp(jax.grad(loss), (p,), (v,))[1])
    each = jax.jit(lambda p: jax.vmap(jax.grad(row_loss), (None, 0, 0))(p, X2, y))
    norms = jax.jit(lambda p: jnp.sqrt((jax.vmap(jax.grad(row_loss), (None, 0, 0))(p, X2, y) ** 2).sum(1)))
    return {
        "jacobian": lambda: reverse(X).block_until_ready(),
        "hvp": lambda: hvp(flat, v).block_until_ready(),
        "per_sample_gradients": lambda: each(flat).block_until_ready(),
        "per_sample_gradient_norms": lambda: norms(flat).block_until_ready(),
    }


def torch_cases() -> dict[str, Case]:
    import torch
    from torch.func import grad, jacrev, jvp, vmap

    torch.set_num_threads(1)
    X, _, smooth_flat, _ = map(torch.from_numpy, arrays(SMOOTH, 1000))
    X2, y, flat, v = map(torch.from_numpy, arrays(WIDE, 256))
    y = y.long()
    smooth, wide = functional(SMOOTH, torch.tanh), functional(WIDE, torch.tanh)

    def row_loss(flat: Any, x: Any, label: Any) -> Any:
        return torch.nn.functional.cross_entropy(wide(flat, x[None]), label[None])

    def loss(flat: Any) -> Any:
        return torch.nn.functional.cross_entropy(wide(flat, X2), y)

    each = vmap(grad(row_loss), (None, 0, 0))
    reverse = vmap(jacrev(lambda row: smooth(smooth_flat, row)))
    return {
        "jacobian": lambda: reverse(X),
        "hvp": lambda: jvp(grad(loss), (flat,), (v,))[1],
        "per_sample_gradients": lambda: each(flat, X2, y),
        "per_sample_gradient_norms": lambda: each(flat, X2, y).norm(dim=1),
    }


def seconds_of(case: Case) -> float:
    """The median of one call."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        case()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def answer(library: str, folder: Path) -> None:
    """In a process of its own: save results into the folder and name the cases, then time one for each line."""
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])  # before a library counts them
    cases = {"mlpfast": mlpfast_cases, "jax": jax_cases, "torch": torch_cases}[library]()
    for name, case in cases.items():
        np.save(folder / f"{library}_{name}.npy", np.asarray(case(), dtype=np.float32))
    print(json.dumps(list(cases)), flush=True)
    for line in sys.stdin:
        print(seconds_of(cases[line.strip()]), flush=True)


class Child:
    """A library in its process, and the cases that it has; none where it is missing."""

    def __init__(self, library: str, folder: Path) -> None:
        command = [sys.executable, "-m", "bench.derivatives", "--library", library, "--folder", str(folder)]
        self.process = subprocess.Popen(
            command, env=environment(Lane(library)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.cases: list[str] = json.loads(self._line() or "[]")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def seconds(self, case: str) -> float:
        """Of one call; nan where it has no such case."""
        if case not in self.cases:
            return math.nan
        assert self.process.stdin is not None
        print(case, file=self.process.stdin, flush=True)
        return float(self._line())


def main() -> None:
    """Print a table: milliseconds of each library, and how many times faster than the better peer this one is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=LIBRARIES)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.library:
        answer(options.library, options.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        children = [Child(library, folder) for library in LIBRARIES]
        print(f"{cpu_name()}, one thread\n")
        print(f"{'ms':<28}" + "".join(f"{library:>10}" for library in LIBRARIES) + f"{'faster':>10}")
        for case in children[0].cases:
            check(folder, case)
            rounds = np.array([[child.seconds(case) for child in children] for _ in range(ROUNDS)])
            cells = [f"{1e3 * each:>10.3f}" if each > 0 else f"{'-':>10}" for each in np.median(rounds, axis=0)]
            faster = np.median(np.nanmin(rounds[:, 1:], axis=1) / rounds[:, 0]) if any(rounds[0, 1:] > 0) else None
            print(f"{case:<28}" + "".join(cells) + (f"{faster:>9.2f}x" if faster else ""))
        for child in children:
            child.process.kill()
            child.process.wait()


def check(folder: Path, case: str) -> None:
    """Whether the peers found the same."""
    ours = np.load(folder / f"mlpfast_{case}.npy")
    for library in LIBRARIES[1:]:
        path = folder / f"{library}_{case}.npy"
        if path.exists() and np.linalg.norm(ours - np.load(path)) > 1e-4 * np.linalg.norm(ours):
            raise SystemExit(f"{case}: mlpfast and {library} differ")


if __name__ == "__main__":
    main()
