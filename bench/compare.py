"""What a change did: the records of two runs side by side."""

from __future__ import annotations

from typing import Any

from bench.tables import duration, table

KEY = ("section", "workload", "peer", "threads", "isa", "dtype", "busy")


def key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record.get(name) for name in KEY)


def compare(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str:
    """A Markdown table of the records that both runs have.

    A change counts as one only where the intervals from the fastest sample to the third quartile do not meet.
    """
    old = {key(record): record for record in before if "seconds" in record}
    rows = []
    for record in after:
        base = old.get(key(record))
        if base is None or "seconds" not in record:
            continue
        ratio = base["seconds"] / record["seconds"]
        apart = record["q3"] < base["min"] or base["q3"] < record["min"]
        verdict = ("faster" if ratio > 1 else "slower") if apart else "within the noise"
        name = " ".join(str(part) for part in key(record) if part is not None)
        rows.append([name, duration(base["seconds"]), duration(record["seconds"]), f"{ratio:.2f}x", verdict])
    return table(["what", "before", "after", "speed-up", ""], rows)
