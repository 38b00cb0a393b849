"""One peer in a process of its own: JSON requests by line on stdin, JSON answers by line on what was stdout.

    python bench/child.py PEER [PROCESSOR ...]

Run by path, not with -m: the checkout is then searched last, so that an installed mlpfast comes before the source tree.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path[:1] = []
sys.path.append(str(Path(__file__).resolve().parents[1]))

from bench.peers import PEERS  # noqa: E402


def version(distribution: str) -> str:
    try:
        return metadata.version(distribution) if distribution else ""
    except metadata.PackageNotFoundError:  # built in place, not installed
        return "checkout"


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints goes to stderr

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=answers)

    name, *processors = sys.argv[1:]
    if processors:  # before any library counts them
        os.sched_setaffinity(0, map(int, processors))
    entry = PEERS[name]
    try:
        peer = getattr(importlib.import_module(f"bench.peers.{entry.module}"), entry.class_name)()
        reply({"version": version(peer.distribution)})
    except Exception as error:
        reply({"error": f"{type(error).__name__}: {error}"})
        return
    for line in sys.stdin:
        try:
            request = json.loads(line)
            reply(getattr(peer, f"do_{request.pop('do')}")(**request))
        except Exception as error:
            traceback.print_exc()
            reply({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
