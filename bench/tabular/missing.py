"""What the tabular benchmark has not measured, and how long that would take at the least: a table of the page."""

from __future__ import annotations

from typing import Any

from bench.tables import duration, table
from bench.tabular.peers import PEERS
from bench.tabular.sets import SETS
from bench.tabular.summary import mean_by_set, quiet

Records = list[dict[str, Any]]
THREADS = (1, 2)


def missing(records: Records) -> str:
    """For each peer the tables without an error, and without a time of a quiet machine, with the processor's seconds
    of those fits that there are; how long others would take, nobody knows."""
    measured = [r for r in records if r["set"] in SETS and "error" in r]
    work = mean_by_set(measured, "fit_cpu_seconds")
    rows = []
    for peer, one in PEERS.items():
        mine = [r for r in measured if r["peer"] == peer]
        errors = set(SETS) - {r["set"] for r in mine}
        cells = [str(len(errors)) if errors else ""]
        for threads in THREADS:
            timed = {r["set"] for r in mine if r["threads"] == threads and quiet(r)}
            without = [name for name in SETS if name not in timed]
            known = [work[peer][name] / threads for name in without if name in work.get(peer, {})]
            more = "more than " if len(known) < len(without) else ""
            time = f"{more}{duration(sum(known))}" if known else "unknown"
            cells.append(f"{len(without)}: {time}" if without else "")
        rows.append([one.name, *cells])
    return table(["", "errors", "times, one thread", "times, two threads"], rows)


def work_of_a_split(records: Records) -> float:
    """Seconds of a processor that fits of all tables, each once, have taken."""
    work = mean_by_set([r for r in records if r["set"] in SETS and "error" in r], "fit_cpu_seconds")
    return sum(sum(each.values()) for each in work.values())
