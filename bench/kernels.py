"""The speed of each kernel by shape, ISA and dtype, beside the machine's peak.

    python -m bench.kernels [--isa avx512] [--dtype float32] [--only matmul] [--zeros 0.5]
                            [--output FILE] [--compare BASE]

Kernels are called through the C table that the engine uses, from a C loop (kernels.c), on one thread. Products are
given in GFLOP/s and as a fraction of the FMA peak of the same ISA and dtype; the others in GB/s read and written.
`--zeros` makes a fraction of a product's left side zero: terms that are left out count as done.
`--compare BASE` shows, beside a stored run, what a change did.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench import roof
from bench.compare import compare
from bench.machine import describe

HEADERS = Path(__file__).resolve().parents[1] / "csrc"
ROUNDS, SECONDS = 5, 0.01
DTYPES = {"float32": 0, "float64": 1}  # enum mf_dtype


@dataclass(frozen=True)
class Case:
    kernel: str
    rows: int
    k: int
    n: int
    activation: str = "identity"

    @property
    def name(self) -> str:
        return f"{self.kernel}({self.activation})" if self.activation != "identity" else self.kernel

    @property
    def flops(self) -> float:
        """Of a product; 0 for the others."""
        return 2.0 * self.rows * self.k * self.n if self.kernel in PRODUCTS else 0.0

    @property
    def elements(self) -> float:
        """Read and written by a kernel that is not a product."""
        return float(self.n * self.rows * self.k * ELEMENTS.get(self.kernel, 0))


PRODUCTS = ("matmul_bias", "propagate_delta", "weight_gradient", "row_forward")
# Reads and writes for each element of the matrix (of the vector, for adam); rows or k that do not matter are 1.
ELEMENTS = {
    "bias_gradient": 1,
    "gather": 2,
    "pack": 2,
    "pack_transposed": 2,
    "activation": 2,
    "hadamard": 3,
    "softmax": 2,
    "softmax_jvp": 3,
    "cross_entropy": 2,
    "adam": 7,
}

_LAYERS = [  # rows, fan-in, fan-out: those of the workloads, then widths that leave tails, then large ones
    (32, 8, 32), (32, 32, 32), (32, 32, 1), (64, 64, 64), (64, 64, 10), (64, 784, 128), (64, 784, 256), (64, 784, 1024),
    (64, 1024, 1024), (64, 1024, 10), (64, 33, 33), (64, 100, 17), (64, 100, 100), (17, 65, 129),
]  # fmt: skip
_ACTIVATIONS = ("relu", "sigmoid", "tanh", "elu", "softplus", "gelu", "gelu_tanh", "silu", "mish", "exponential")

CASES = (
    [Case("matmul_bias", *shape, "relu") for shape in _LAYERS]
    + [Case("propagate_delta", rows, n, k, "relu") for rows, k, n in _LAYERS]
    + [Case("weight_gradient", *shape) for shape in [*_LAYERS, (256, 784, 1024), (256, 1024, 1024)]]
    + [Case("row_forward", 1, k, n, "relu") for k, n in ((64, 64), (64, 10), (784, 256), (256, 10), (1024, 1024))]
    + [Case("bias_gradient", 64, 1, n) for n in (64, 1024)]
    + [Case("gather", rows, 1, n) for rows, n in ((32, 8), (64, 64), (64, 784))]
    + [Case(kernel, 1, k, n) for kernel in ("pack", "pack_transposed") for k, n in ((64, 64), (784, 128), (1024, 1024))]
    + [Case(kernel, 64, 1, 64, name) for name in _ACTIVATIONS for kernel in ("activation", "hadamard")]
    + [Case(kernel, 64, 1, n) for kernel in ("softmax", "softmax_jvp", "cross_entropy") for n in (10, 100, 1000)]
    + [Case("adam", 1, 1, n) for n in (1_000, 10_000, 1_000_000)]
)


@cache
def harness() -> ctypes.CDLL:
    """kernels.c, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "kernels.so"
        source = Path(__file__).with_name("kernels.c")
        flags = ["-O2", "-std=gnu11", "-shared", "-fPIC", f"-I{HEADERS}"]
        subprocess.run([roof.compiler(), *flags, str(source), "-o", str(library)], check=True)
        loaded = ctypes.CDLL(str(library))
    loaded.time_kernel.restype = ctypes.c_double
    loaded.time_kernel.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int, ctypes.c_int64,
        ctypes.c_double,
    ]  # fmt: skip
    return loaded


def sample(case: Case, table: int, activation: int, dtype: str, isa: str, zeros: float) -> list[tuple[float, float]]:
    """(seconds of one call, the peak at that moment) in each of the rounds."""

    def run(repeats: int) -> float:
        shape = (case.rows, case.k, case.n)
        return float(harness().time_kernel(table, case.kernel.encode(), *shape, activation, repeats, zeros))

    repeats = 1
    while run(repeats) < SECONDS:
        repeats *= 2
    return [(run(repeats) / repeats, roof.peak(dtype, isa, seconds=SECONDS)) for _ in range(ROUNDS)]


def measure(isa: str, dtype: str, only: list[str], zeros: float) -> list[dict[str, Any]]:
    from mlpfast.core.table import ACTIVATIONS, address

    table = address(isa, DTYPES[dtype])
    records = []
    for case in CASES:
        if only and not any(part in case.name for part in only):
            continue
        if zeros and case.kernel not in PRODUCTS:
            continue
        rounds = sample(case, table, ACTIVATIONS[case.activation], dtype, isa, zeros)
        samples = sorted(seconds for seconds, _ in rounds)
        seconds = statistics.median(samples)
        record: dict[str, Any] = {
            "section": "kernels",
            "workload": f"{case.name} {case.rows}x{case.k}x{case.n}" + (f" {zeros:.0%} zeros" if zeros else ""),
            "isa": isa,
            "dtype": dtype,
            "seconds": seconds,
            "min": samples[0],
            "q3": samples[-2],
        }
        if case.flops:
            of_peak = statistics.median(case.flops / seconds / peak for seconds, peak in rounds)
            record |= {"gflops": case.flops / seconds / 1e9, "of_peak": of_peak}
            speed = f"{record['gflops']:8.1f} GFLOP/s {record['of_peak']:6.0%} of peak"
        else:
            item = 4 if dtype == "float32" else 8
            record["gigabytes"] = case.elements * item / seconds / 1e9
            nanoseconds = seconds / (case.elements / ELEMENTS[case.kernel]) * 1e9
            speed = f"{record['gigabytes']:8.1f} GB/s   {nanoseconds:6.2f} ns/element"
        print(f"{isa:<9} {dtype:<8} {record['workload']:<44} {seconds * 1e6:10.3f} us {speed}", flush=True)
        records.append(record)
    return records


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__.split("\n")[0])
    parser.add_argument("--isa", nargs="+", help="default: all that this machine runs")
    parser.add_argument("--dtype", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="kernels whose name contains a PART")
    parser.add_argument("--zeros", type=float, default=0.0, help="fraction of products' left sides (default: 0)")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--compare", type=Path, metavar="BASE", help="a JSON file of an earlier run")
    arguments = parser.parse_args()
    from mlpfast.core.table import available_isas

    for isa in set(arguments.isa or ()) - set(available_isas()):
        sys.exit(f"--isa {isa}: this machine and build have {', '.join(available_isas())}")
    results = [
        record
        for isa in arguments.isa or available_isas()
        for dtype in arguments.dtype
        for record in measure(isa, dtype, arguments.only, arguments.zeros)
    ]
    if arguments.output:
        arguments.output.write_text(json.dumps({"machine": describe(), "results": results}, indent=1))
    if arguments.compare:
        print(compare(json.loads(arguments.compare.read_text())["results"], results))


if __name__ == "__main__":
    main()
