"""The machine itself, as one more peer: how fast could a step be? Measured again in every round, like the others."""

from __future__ import annotations

from typing import Any

from bench import roof
from bench.peers.base import Peer, Task


class RoofPeer(Peer):
    """A step's time is the larger of its flops at the FMA peak and its traffic at the bandwidth it is served with."""

    distribution = ""

    def prepare(self) -> None:
        """Nothing: `start` does all."""

    def start(self, task: Task) -> dict[str, Any]:
        self.task = task
        self.copy = roof.copy_bandwidth()
        self.read = [roof.read_bandwidth(size) for size in roof.CACHE_SIZES]
        return {"isa": roof.best_isa(), "copy": self.copy, "read": self.read}

    def bandwidth(self, footprint: float) -> float:
        for size, measured in zip(roof.CACHE_SIZES, self.read, strict=True):
            if footprint <= 2 * size:
                return measured
        return self.copy

    def do_run(self, at_least: float) -> dict[str, Any]:
        workload = self.task.workload
        peak = roof.peak(workload.dtype, threads=self.task.threads)
        moving = sum(size / self.bandwidth(footprint) for size, footprint in workload.traffic)
        return {"seconds": max(workload.flops / peak, moving), "peak": peak, "moving_seconds": moving}
