"""Two threads against one: on a free machine, and while two other processes keep it busy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench.machine import processors
from bench.runner import Crew, Lane, Record, Settings
from bench.workloads import INFERENCE, TRAINING, Workload

SPIN = "while True: pass"


def brief(workload: Workload) -> Workload:
    """Fewer steps: with two threads on a busy machine, some libraries take a tenth of a second for each."""
    if workload.kind == "predict":
        return workload
    steps = max(8, min(workload.steps, int(1e11 / workload.flops)))
    return replace(workload, rows=steps * workload.batch, epochs=1)


@contextmanager
def busy_processes(n: int) -> Iterator[None]:
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(n)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def run(settings: Settings) -> list[Record]:
    """Not pinned: the operating system places the threads, as it does for users."""
    if processors() < 2:
        print("threads: this machine has one processor only")
        return []
    records: list[Record] = []
    for busy in (0, 2):
        lanes = [Lane(peer, n, pinned=False) for peer in ("mlpfast", "jax", "torch") for n in (1, 2)]
        with busy_processes(busy), Crew(lanes, settings) as crew:
            for workload in (*TRAINING, *INFERENCE):
                records += crew.measure("threads", brief(workload), busy=busy)
    return records
