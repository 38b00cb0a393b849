"""Measures the machine's roof with roof.c: the FMA peak of an ISA and dtype, bandwidths, the way between threads."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

ISAS = Path(__file__).resolve().parents[1] / "csrc" / "isa" / "isas.h"
CACHE_SIZES = (24 << 10, 512 << 10)  # bytes that lie well within the first and the second level
COPY_SIZE = 128 << 20  # well beyond the last level
TYPES = {"float32": ("fma_f32", ctypes.c_float), "float64": ("fma_f64", ctypes.c_double)}


def compiler() -> str:
    """The system's C compiler: $CC, cc, gcc or clang."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise FileNotFoundError("no C compiler (cc, gcc or clang) to measure the machine's roof with")


def compiler_version() -> str:
    return subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


@cache
def flags() -> dict[str, list[str]]:
    """The compiler's flags for each ISA of this architecture, best first."""
    rows = subprocess.run([compiler(), "-E", "-P", str(ISAS)], capture_output=True, text=True, check=True).stdout
    return {name: row.split() for name, row in re.findall(r'^ISA\((\w+), "(.*?)"', rows, re.MULTILINE)}


@cache
def load(isa: str) -> ctypes.CDLL:
    """roof.c, compiled for an ISA."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / f"roof_{isa}.so"
        source = Path(__file__).with_name("roof.c")
        command = [compiler(), "-O2", "-ffp-contract=fast", "-shared", "-fPIC", *flags()[isa], str(source), "-o"]
        subprocess.run([*command, str(library)], check=True)
        roof = ctypes.CDLL(str(library))
    for name, ctype in TYPES.values():
        getattr(roof, name).restype = ctypes.c_double
        getattr(roof, name).argtypes = [ctypes.c_int64, ctypes.POINTER(ctype)]
    roof.read_bytes.restype = ctypes.c_uint64
    roof.read_bytes.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    roof.take_turns.restype = None
    roof.take_turns.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    roof.copy_bytes.restype = None
    roof.copy_bytes.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    return roof


@cache
def isas() -> tuple[str, ...]:
    """The ISAs that roof.c can be compiled for and run with here, best first."""
    return tuple(isa for isa in flags() if load(isa).supported())


def best_isa() -> str:
    """The ISA that mlpfast is told to use, or the best of this machine."""
    return os.environ.get("MLPFAST_ISA") or isas()[0]


def peak(dtype: str, isa: str | None = None, threads: int = 1, seconds: float = 0.03) -> float:
    """Floating-point operations a second, of `threads` threads together."""
    name, ctype = TYPES[dtype]
    chains = getattr(load(isa or best_isa()), name)

    def work(n: int) -> float:
        return float(chains(n, ctype()))

    n = 100_000
    with ThreadPoolExecutor(threads) as pool:
        while True:
            begin = time.perf_counter()
            flops = sum(pool.map(work, [n] * threads))
            elapsed = time.perf_counter() - begin
            if elapsed >= seconds:
                return flops / elapsed
            n = int(n * max(2.0, 1.2 * seconds / elapsed))


def aligned(size: int) -> np.ndarray:
    buffer = np.ones(size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size]


def read_bandwidth(size: int, seconds: float = 0.01) -> float:
    """Bytes a second that one thread reads, again and again from the same `size` bytes."""
    roof, buffer, n = load(best_isa()), aligned(size), 1
    while True:
        begin = time.perf_counter()
        roof.read_bytes(buffer.ctypes.data, size, n)
        elapsed = time.perf_counter() - begin
        if elapsed >= seconds:
            return n * size / elapsed
        n = int(n * max(2.0, 1.2 * seconds / max(elapsed, 1e-9))) if n > 1 else 64


def copy_bandwidth(size: int = COPY_SIZE, n: int = 2) -> float:
    """Bytes a second that one thread copies (each counted once as read and once as written) from memory to memory."""
    roof, source, target = load(best_isa()), aligned(size), aligned(size)
    begin = time.perf_counter()
    roof.copy_bytes(target.ctypes.data, source.ctypes.data, size, n)
    return 2 * n * size / (time.perf_counter() - begin)


def handover(turns: int = 20_000, times: int = 9) -> float:
    """Seconds that a cache line takes from one thread to another, wherever the system runs them: a median.

    `turns`, an even number, are shared by both.
    """
    roof, line, seconds = load(best_isa()), aligned(64).view(np.int64), []
    line[0] = 0
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(roof.take_turns, line.ctypes.data, 1, turns * times)
        for first in range(0, turns * times, turns):
            begin = time.perf_counter()
            roof.take_turns(line.ctypes.data, first, first + turns)
            seconds.append((time.perf_counter() - begin) / turns)
        other.result()
    return statistics.median(seconds)
