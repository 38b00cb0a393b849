"""Two threads against one: on a free machine, and while two other processes keep it busy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench.machine import processors
from bench.runner import Crew, Lane, Record, Settings
from bench.workloads import THREADED, Workload

SPIN = "while True: pass"
# Where the system places the threads, and the host our processors, changes from second to second: on a free machine
# each round says how far apart they were. Beside busy processes one sample may take twice as long as the next: there
# many short ones say more.
OUR_ROUNDS, OUR_BUSY_ROUNDS, BUSY_SECONDS = 21, 201, 0.05


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


def ours(settings: Settings, busy: int) -> Settings:
    if settings.quick:
        return settings
    if busy:
        return replace(settings, rounds=max(settings.rounds, OUR_BUSY_ROUNDS), at_least=BUSY_SECONDS)
    return replace(settings, rounds=max(settings.rounds, OUR_ROUNDS))


def run(settings: Settings) -> list[Record]:
    """Not pinned: the operating system places the threads, as it does for users. One library at a time, so that a
    round's samples are close in time and no other library's threads are there."""
    if processors() < 2:
        print("threads: this machine has one processor only")
        return []
    records: list[Record] = []
    for busy in (0, 2):
        with busy_processes(busy):
            for peer, how in (("mlpfast", ours(settings, busy)), ("jax", settings), ("torch", settings)):
                lanes = [Lane(peer, n, pinned=False) for n in (1, 2)]
                if peer == "mlpfast" and settings.wants(peer) and not busy and processors() == 2:  # ours are those
                    lanes.append(Lane("distance", 2, pinned=False))
                with Crew(lanes, how) as crew:
                    for workload in THREADED:
                        records += crew.measure("threads", brief(workload), busy=busy)
    return records
