"""Over many tables: geometric means of ratios, ranks and wins, as papers on tabular data give them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import geometric_mean
from typing import Any

Errors = Mapping[str, Mapping[str, float]]  # of a peer, on a set
FEW_ROWS = 1_000  # to train on: below these, a row or two decide which peer is better
QUIET = 0.7  # load of others, beyond which a time is not to be quoted


def mean_by_set(records: Iterable[Mapping[str, Any]], field: str = "error") -> dict[str, dict[str, float]]:
    """Of each peer on each set, the mean over the seeds of what was measured."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if field in record:
            found[record["peer"]][record["set"]].append(record[field])
    return {peer: {name: sum(v) / len(v) for name, v in each.items()} for peer, each in found.items()}


def quiet(record: Mapping[str, Any]) -> bool:
    """Whether the machine had nothing else to do, so that times are worth quoting: somebody saw to it, or its load was
    that of the fit."""
    return record.get("alone", False) or ("load" in record and max(record["load"]) <= record["threads"] + QUIET)


def of_each(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A record of each peer, set and seed: that of one thread, or of more, where its bits do not depend on them. Of a
    set, those seeds that all peers have, which are measured there: means are of the same splits."""
    found: dict[tuple[str, str, int], Mapping[str, Any]] = {}
    for r in sorted(records, key=lambda r: r["threads"]):
        if "error" in r and (r["threads"] == 1 or r["peer"].startswith("mlpfast")):
            found.setdefault((r["peer"], r["set"], r["seed"]), r)
    splits: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for peer, one, seed in found:
        splits[one][peer].add(seed)
    common = {one: set.intersection(*seeds.values()) for one, seeds in splits.items()}
    return [r for r in found.values() if r["seed"] in common[r["set"]]]


def larger(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of tables that are not small."""
    return [r for r in records if r.get("rows", FEW_ROWS) >= FEW_ROWS]


def ratio(errors: Errors, peer: str, beside: str) -> tuple[float, int]:
    """The geometric mean of error ratios over sets that both have, and their number; zeros are left out."""
    common = [s for s in errors.get(peer, {}) if errors[peer][s] > 0 and errors.get(beside, {}).get(s, 0) > 0]
    if not common:
        return math.nan, 0
    return geometric_mean(errors[peer][s] / errors[beside][s] for s in common), len(common)


def mean_rank(errors: Errors, peers: Sequence[str]) -> dict[str, float]:
    """Mean ranks, from 1 on, over the sets that all peers have; equal ones share theirs."""
    common = set.intersection(*(set(errors[peer]) for peer in peers)) if peers else set()
    ranks = dict.fromkeys(peers, 0.0)
    for name in common:
        for peer in peers:
            mine = errors[peer][name]
            same = sum(_same(errors[other][name], mine) for other in peers)
            less = sum(errors[other][name] < mine and not _same(errors[other][name], mine) for other in peers)
            ranks[peer] += less + (same + 1) / 2
    return {peer: rank / len(common) if common else math.nan for peer, rank in ranks.items()}


def win_rate(errors: Errors, peer: str, beside: str) -> float:
    """The share of common sets on which the error is smaller; an equal one is half a win."""
    common = set(errors.get(peer, {})) & set(errors.get(beside, {}))
    if not common:
        return math.nan
    pairs = [(errors[peer][s], errors[beside][s]) for s in common]
    wins = sum(0.5 if _same(mine, other) else float(mine < other) for mine, other in pairs)
    return wins / len(common)


def _same(a: float, b: float) -> bool:
    """To six digits, as some records have them."""
    return math.isclose(a, b, rel_tol=1e-5)
