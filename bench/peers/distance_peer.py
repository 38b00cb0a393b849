"""How far apart the processors are that two threads get, as one more peer: it may change from round to round."""

from __future__ import annotations

from typing import Any

from bench import roof
from bench.peers.base import Peer, Task


class DistancePeer(Peer):
    """Its "time" is that of a cache line from one thread to the other."""

    distribution = ""

    def prepare(self) -> None:
        """Nothing: there is no model."""

    def start(self, task: Task) -> dict[str, Any]:
        roof.load(roof.best_isa())  # compiles
        return {}

    def do_run(self, at_least: float) -> dict[str, Any]:
        return {"seconds": roof.handover()}
