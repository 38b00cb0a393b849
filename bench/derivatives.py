"""Derivatives beside torch.func and JAX: `python -m bench.derivatives`, on a quiet machine.

One thread, float32; each library in a process of its own, the median of many calls. Peers are compiled or vectorised as
their own documentation does it: `jax.jit` of `vmap`, and `torch.func`. Results are compared with each other first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIBRARIES = ("mlpfast", "jax", "torch")
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MLPFAST_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
SECONDS, LEAST_CALLS = 2.0, 7

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
    product = np.empty_like(v)
    cases: dict[str, Case] = {
        "jacobian": lambda: smooth.jacobian(X, out=jacobian, n_threads=1),
        "hvp": lambda: wide.hvp(X2, y, v, "cross_entropy", out=product, n_threads=1),
        "gauss_newton_product": lambda: wide.gauss_newton_product(X2, y, v, "cross_entropy", out=product, n_threads=1),
    }
    if hasattr(wide, "per_sample_gradients"):
        gradients = np.empty((256, wide.n_parameters), np.float32)
        cases["per_sample_gradients"] = lambda: wide.per_sample_gradients(
            X2, y, "cross_entropy", out=gradients, n_threads=1
        )
        cases["per_sample_gradient_norms"] = lambda: wide.per_sample_gradient_norms(X2, y, "cross_entropy", n_threads=1)
    return cases


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
    for _ in range(3):
        case()
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        case()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(library: str, folder: Path) -> None:
    """In a process of its own: times to standard output, results into the folder."""
    cases = {"mlpfast": mlpfast_cases, "jax": jax_cases, "torch": torch_cases}[library]()
    times = {}
    for name, case in cases.items():
        np.save(folder / f"{library}_{name}.npy", np.asarray(case(), dtype=np.float32))
        times[name] = seconds_of(case)
    print(json.dumps(times))


def started(library: str, folder: Path) -> dict[str, float]:
    """The times of a library; none where it is missing."""
    command = [sys.executable, "-m", "bench.derivatives", "--library", library, "--folder", str(folder)]
    result = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False)
    if result.returncode:
        print(f"{library}: {result.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    times: dict[str, float] = json.loads(result.stdout)
    return times


def main() -> None:
    """Print a table: milliseconds of each library, and how many times faster than the better peer this one is."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=LIBRARIES)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.library:
        measure(options.library, options.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = {library: started(library, folder) for library in LIBRARIES}
        print(f"{'ms':<28}" + "".join(f"{library:>10}" for library in LIBRARIES) + f"{'faster':>10}")
        for case, ours in times["mlpfast"].items():
            row = [times[library].get(case) for library in LIBRARIES]
            peers = [each for each in row[1:] if each is not None]
            cells = [f"{1e3 * each:>10.3f}" if each is not None else f"{'-':>10}" for each in row]
            print(f"{case:<28}" + "".join(cells) + (f"{min(peers) / ours:>9.2f}x" if peers else ""))
            check(folder, case)


def check(folder: Path, case: str) -> None:
    """Whether the peers found the same."""
    ours = np.load(folder / f"mlpfast_{case}.npy")
    for library in LIBRARIES[1:]:
        path = folder / f"{library}_{case}.npy"
        if path.exists() and np.linalg.norm(ours - np.load(path)) > 1e-4 * np.linalg.norm(ours):
            raise SystemExit(f"{case}: mlpfast and {library} differ")


if __name__ == "__main__":
    main()
