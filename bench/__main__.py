"""python -m bench: measure mlpfast beside its peers, print the table, write JSON and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.compare import compare
from bench.machine import describe
from bench.peers import PEERS
from bench.report import summary, write_docs
from bench.runner import Settings
from bench.sections import SECTIONS

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure mlpfast beside its peers.")
    parser.add_argument("--quick", action="store_true", help="a minute, to see that all runs; writes no documentation")
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), metavar="SECTION",
                        help=f"of {', '.join(SECTIONS)}; default: all")  # fmt: skip
    parser.add_argument("--workloads", nargs="+", metavar="PART", help="only those whose name contains a PART")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), metavar="PEER", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, help="samples of each (default 7; 2 if quick)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench" / "results.json", help="JSON file")
    parser.add_argument("--docs", type=Path, help="folder of benchmarks.md, where sections that are not measured stay "
                        "as they are (default: docs, if everything is measured)")  # fmt: skip
    parser.add_argument("--compare", type=Path, metavar="BASE", help="show what changed since this JSON file")
    arguments = parser.parse_args()

    settings = Settings(
        rounds=arguments.rounds or (2 if arguments.quick else 7),
        at_least=0.02 if arguments.quick else 0.3,
        quick=arguments.quick,
        peers=tuple(arguments.peers) if arguments.peers else None,
        workloads=tuple(arguments.workloads) if arguments.workloads else None,
    )
    run: dict[str, Any] = {"machine": describe(), "settings": asdict(settings), "versions": {}, "results": []}
    for name in arguments.sections:
        run["results"] += SECTIONS[name](settings)
        run["versions"] = {r["peer"]: r["version"] for r in run["results"] if r.get("version")}
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(run, indent=1) + "\n")  # what is there, should the rest be interrupted
    print("\n" + summary(run))
    print(f"\nresults: {arguments.output}")

    partial = arguments.quick or arguments.peers or arguments.workloads or set(arguments.sections) != set(SECTIONS)
    docs = arguments.docs or (None if partial else ROOT / "docs")
    if docs is not None:
        write_docs(run, docs, whole=set(arguments.sections) == set(SECTIONS))
        print(f"written: {docs / 'benchmarks.md'}")
    if arguments.compare:
        print("\n" + compare(json.loads(arguments.compare.read_text())["results"], run["results"]))


if __name__ == "__main__":
    main()
