"""The tabular estimators beside boosted trees and other networks, each fit in a process of its own:

    python -m bench.tabular --output build/bench/tabular.jsonl [--peers P ...] [--sets S ... | --half choose]
                            [--seeds 0 1] [--threads 1 2]
    python -m bench.tabular --limited       # 100,000 rows with max_seconds=5: how long does it take?

A run goes on where the file ends. `python -m bench.tabular.report FILE --docs docs` makes the page.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from typing import Any

from bench.machine import cpu_name, processors
from bench.runner import Lane, environment
from bench.tables import duration
from bench.tabular.peers import PEERS
from bench.tabular.sets import SETS

ROOT = Path(__file__).resolve().parents[2]
KEY = ("peer", "set", "seed", "threads")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file, of several of one fit the last."""
    lines = path.read_text().splitlines() if path.exists() else []
    return list({tuple(r[k] for k in KEY): r for r in map(json.loads, lines)}.values())


def run(peer: str, one: str, seed: int, threads: int, limit: float) -> dict[str, Any]:
    """The record of one fit, or one that says why there is none."""
    command = [sys.executable, "-m", "bench.tabular.measure", peer, one, str(seed), str(threads)]
    record: dict[str, Any] = dict(zip(KEY, (peer, one, seed, threads), strict=True))
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment(Lane(peer, threads)), capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return record | {"missing": f"more than {limit:.0f} s"}
    if done.returncode:
        return record | {"missing": (done.stderr.strip() or "no output").splitlines()[-1][:300]}
    record |= json.loads(done.stdout.strip().splitlines()[-1])
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return record | {"cpu": cpu_name(), "processors": processors(), "date": date}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tabular", description=__doc__.splitlines()[0])
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="PEER")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--half", choices=["choose", "confirm"], help="only the sets of this half")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of the splits and of the fits")
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds that a fit may take")
    parser.add_argument(
        "--alone", action="store_true", help="nothing else runs, whatever the load says, which lags by a minute"
    )
    parser.add_argument("--limited", action="store_true", help="only 100,000 rows with max_seconds=5")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench" / "tabular.jsonl")
    arguments = parser.parse_args()
    names = arguments.sets or [name for name, one in SETS.items() if arguments.half in (None, one.half)]
    if arguments.limited:
        arguments.peers, names, arguments.seeds = ["mlpfast"], ["limited"], [0]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    for threads, seed, one, peer in product(arguments.threads, arguments.seeds, names, arguments.peers):
        known = {tuple(r[k] for k in KEY) for r in read_lines(arguments.output) if "error" in r}
        if (peer, one, seed, threads) in known:
            continue
        record = run(peer, one, seed, threads, arguments.limit)
        if arguments.alone:
            record["alone"] = True
        with arguments.output.open("a") as file:
            file.write(json.dumps(record) + "\n")
        said = record.get("missing") or f"{record['error']:.5g}  {duration(record['fit_seconds'])}"
        print(f"{one:<14} {peer:<14} seed {seed} x{threads}  {said}", flush=True)


if __name__ == "__main__":
    main()
