"""Runs the peers: a subprocess each, threads pinned, rounds interleaved, medians with their spread."""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import make
from bench.peers import MACHINE
from bench.tables import duration
from bench.workloads import Workload, quick

CHILD = Path(__file__).with_name("child.py")
# Variables that begin so: of BLAS libraries, of thread pools, of the peers and our own.
REFUSED = (
    *("OPENBLAS_", "NVPL_", "MKL_", "BLIS_", "DNNL_", "ONEDNN_", "OMP_", "GOMP_", "KMP_"),
    *("XLA_", "JAX_", "PJRT_", "NPROC", "ATEN_", "TORCH_", "NPY_", "MLPFAST_"),
)
ANSWER_SECONDS = 900.0  # a peer that takes longer for one answer is given up

Record = dict[str, Any]


@dataclass(frozen=True)
class Lane:
    """A peer with a number of threads; pinned to as many processors, or free to run on any.

    Lanes with workloads of their own are measured beside each other, as peers are: what they take compares.
    """

    peer: str
    threads: int = 1
    pinned: bool = True
    workload: Workload | None = None


@dataclass(frozen=True)
class Settings:
    """How long and how often to measure."""

    rounds: int = 7
    at_least: float = 0.3  # seconds of work behind one sample
    quick: bool = False
    peers: tuple[str, ...] | None = None  # None: all
    workloads: tuple[str, ...] | None = None  # parts of names; None: all
    verbose: bool = True

    def wants(self, peer: str) -> bool:
        return self.peers is None or peer in self.peers or peer in MACHINE

    def wants_workload(self, name: str) -> bool:
        return self.workloads is None or any(part in name for part in self.workloads)


def environment(lane: Lane) -> dict[str, str]:
    """The environment of a peer.

    Variables that steer BLAS libraries and thread pools are removed: a machine-wide OPENBLAS_CORETYPE, say, may force
    NumPy and SciPy onto slow kernels. Then the number of threads is set in every dialect.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(REFUSED)}
    threads = str(lane.threads)
    for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "MLPFAST"):
        kept[f"{name}_NUM_THREADS"] = threads
    if lane.threads == 1:
        kept["PJRT_NPROC"] = "1"  # JAX's own threads, and those of its matrix products:
        kept["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return kept


def removed_variables() -> list[str]:
    """Names in this environment that no peer gets to see."""
    return sorted(name for name in os.environ if name.startswith(REFUSED))


def command(lane: Lane) -> list[str]:
    """Pinned lanes get the same processor(s): the last ones, as the first one serves most interrupts."""
    start = [sys.executable, str(CHILD), lane.peer]
    if lane.pinned and hasattr(os, "sched_getaffinity"):
        start += map(str, sorted(os.sched_getaffinity(0))[-lane.threads :])
    return start


class PeerError(Exception):
    """What a peer answered instead of a result."""


class Child:
    """A peer in its own process."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            command(lane),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment(lane),
            text=True,
        )
        self.version = self._answer().get("version", "")

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise PeerError(self._last_words()) from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_SECONDS)
        if not ready:
            self.close()
            raise PeerError(f"no answer within {ANSWER_SECONDS:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer and isinstance(answer["error"], str):
            raise PeerError(answer["error"])
        return answer

    def _last_words(self) -> str:
        code = self.process.wait()
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return f"exited with {code}: {lines[-1] if lines else 'no message'}"

    def close(self) -> None:
        if self.process.stdin is not None and self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


Sampler = Callable[[Child, str], dict[str, Any]]  # (child, data file) -> {"seconds": ..., whatever else}


@dataclass
class Crew:
    """The children of some lanes, started once and used for one workload after another."""

    lanes: Sequence[Lane]
    settings: Settings
    children: dict[Lane, Child] = field(default_factory=dict)
    missing: dict[Lane, str] = field(default_factory=dict)

    def __enter__(self) -> Crew:
        self.stack = ExitStack()
        for lane in self.lanes:
            if self.settings.wants(lane.peer):
                self._start(lane)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def _start(self, lane: Lane) -> None:
        try:
            child = Child(lane)
        except PeerError as error:
            self.missing[lane] = str(error)
            return
        self.stack.callback(child.close)
        self.children[lane] = child

    def measure(self, section: str, workload: Workload, sample: Sampler | None = None, **extra: Any) -> list[Record]:
        """Prepare the workload in every child, then sample them round-robin, beginning with another one each time."""
        if not self.settings.wants_workload(workload.name):
            return []
        return self._measure(section, dict.fromkeys((*self.children, *self.missing), workload), sample, **extra)

    def measure_own(self, section: str) -> list[Record]:
        """The same where each lane has a workload of its own."""
        return self._measure(
            section, {lane: lane.workload for lane in (*self.children, *self.missing) if lane.workload}
        )

    def _measure(
        self, section: str, work: dict[Lane, Workload], sample: Sampler | None = None, **extra: Any
    ) -> list[Record]:
        if self.settings.quick:
            work = {lane: quick(workload) for lane, workload in work.items()}
        records = {lane: record(section, workload, lane, **extra) for lane, workload in work.items()}
        for lane, why in self.missing.items():
            records[lane]["missing"] = why
        try:
            self._sample(records, work, {lane: data_file(workload) for lane, workload in work.items()}, sample)
        except FileNotFoundError as error:  # the data
            for entry in records.values():
                entry["missing"] = str(error)
        if self.settings.verbose:
            for entry in records.values():
                print(line(entry), flush=True)
        return list(records.values())

    def _sample(
        self,
        records: dict[Lane, Record],
        work: dict[Lane, Workload],
        data: dict[Lane, Path],
        sample: Sampler | None,
    ) -> None:
        samples: dict[Lane, list[dict[str, Any]]] = {}
        for lane, child in list(self.children.items()):
            with self._failing(lane, records[lane]):
                request = {"workload": work[lane].to_dict(), "data": str(data[lane]), "threads": lane.threads}
                records[lane] |= child.ask("prepare", **request)
                records[lane]["version"] = child.version
                samples[lane] = []
        for turn in range(self.settings.rounds):
            order = [lane for lane in samples if "missing" not in records[lane]]
            first = turn % max(len(order), 1)
            for lane in order[first:] + order[:first]:
                with self._failing(lane, records[lane]):
                    child = self.children[lane]
                    samples[lane].append(
                        sample(child, str(data[lane])) if sample else child.ask("run", at_least=self.settings.at_least)
                    )
        for lane, runs in samples.items():
            if "missing" not in records[lane]:
                records[lane] |= summary(runs)

    @contextmanager
    def _failing(self, lane: Lane, entry: Record) -> Iterator[None]:
        """A peer that fails becomes a row that says so; one that died is started again for the next workload."""
        try:
            yield
        except PeerError as error:
            entry["missing"] = str(error)
            if self.children[lane].process.poll() is not None:
                del self.children[lane]
                self._start(lane)


def record(section: str, workload: Workload, lane: Lane, **extra: Any) -> Record:
    return {
        "section": section,
        "workload": workload.name,
        "peer": lane.peer,
        "threads": lane.threads,
        "dtype": workload.dtype,
        "flops": workload.flops,
        "shape": workload.to_dict(),
        **extra,
    }


def summary(runs: list[dict[str, Any]]) -> Record:
    """Median, extremes and quartiles of the seconds; medians of whatever else the runs report."""
    seconds = [run["seconds"] for run in runs]
    others = {name: statistics.median(run[name] for run in runs) for name in runs[0] if name != "seconds"}
    return {**others, **spread(seconds)}


def spread(seconds: Sequence[float]) -> Record:
    low, middle, high = np.percentile(seconds, [25, 50, 75])
    return {
        "seconds": float(middle),
        "min": min(seconds),
        "q1": float(low),
        "q3": float(high),
        "max": max(seconds),
        "samples": list(seconds),
    }


def data_file(workload: Workload) -> Path:
    """The workload's data as a file in this run's temporary folder, written once for each number of rows."""
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="mlpfast-bench-")
    path = Path(_folder.name) / f"{workload.name.replace(' ', '_')}-{workload.rows}.npz"
    if not path.exists():
        np.savez(path, **make(workload))
    return path


_folder: tempfile.TemporaryDirectory[str] | None = None


def line(entry: Record) -> str:
    """One record as a line of the log."""
    section = entry["section"] + (" busy" if entry.get("busy") else "")
    head = f"{section:<12} {entry['workload']:<26} {entry['peer']:<14} x{entry['threads']}"
    if "missing" in entry:
        return f"{head}  -- {entry['missing']}"
    result = f"  loss {entry['loss']:.4f}" if "loss" in entry else ""
    return f"{head}  {duration(entry['seconds']):>9}  [{duration(entry['min'])} .. {duration(entry['q3'])}]{result}"
