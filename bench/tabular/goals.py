"""What is asked of the tabular estimators, as data, and how far they are: a table of the page."""

from __future__ import annotations

from statistics import geometric_mean
from typing import Any, NamedTuple

from bench.tables import table
from bench.tabular.peers import PEERS
from bench.tabular.sets import SETS
from bench.tabular.summary import mean_by_set, of_each, quiet

Records = list[dict[str, Any]]


class Goal(NamedTuple):
    """A ratio of two peers that is to be small: `field` of records on so many threads; errors do not depend on them."""

    peer: str
    beside: str
    field: str
    threads: int
    goal: float
    least: float


def _predict(peer: str) -> list[Goal]:
    return [Goal(peer, b, "predict_seconds", t, 0.5, 1.0) for b in ("lightgbm", "catboost") for t in (1, 2)]


GOALS = [
    Goal("mlpfast", "realmlp-td", "error", 1, 0.95, 0.98),
    Goal("mlpfast", "realmlp-td", "fit_seconds", 1, 1 / 10, 1 / 5),
    Goal("mlpfast", "lightgbm", "error", 1, 0.98, 1.02),
    Goal("mlpfast-fast", "lightgbm", "error", 1, 1.00, 1.04),
    Goal("mlpfast-fast", "lightgbm", "fit_seconds", 1, 3.0, 8.0),
    Goal("mlpfast-best", "catboost", "error", 1, 0.97, 1.02),
    Goal("mlpfast-best", "catboost", "fit_seconds", 2, 2.0, 6.0),
    *_predict("mlpfast"),
    *_predict("mlpfast-fast"),
]
WHAT = {"error": "error", "fit_seconds": "time to fit", "predict_seconds": "time to predict 10,000 mixed rows"}
LIMIT = 6.0  # seconds that max_seconds=5 may take with 100,000 rows


def verdict(found: float, goal: float, least: float) -> str:
    return "goal" if found <= goal else "least" if found <= least else "missed"


def ratios(records: Records, one: Goal) -> list[float]:
    """Those of each table that both have: errors of tables that confirm; times of any, on a quiet machine, those to
    predict of mixed ones."""
    wanted = [r for r in records if r["set"] in SETS and one.field in r]
    if one.field == "error":
        wanted = [r for r in of_each(wanted) if SETS[r["set"]].half == "confirm"]
    else:
        wanted = [r for r in wanted if r["threads"] == one.threads and quiet(r)]
        if one.field == "predict_seconds":
            wanted = [r for r in wanted if SETS[r["set"]].mixed]
    values = mean_by_set(wanted, one.field)
    mine, other = values.get(one.peer, {}), values.get(one.beside, {})
    return [mine[s] / other[s] for s in mine if mine[s] > 0 and other.get(s, 0) > 0]


def goals(records: Records) -> str:
    """The table; of what was not measured there is no row."""
    rows = []
    for one in GOALS:
        found = ratios(records, one)
        if not found:
            continue
        mean = geometric_mean(found)
        without = [geometric_mean(found[:i] + found[i + 1 :]) for i in range(len(found))] if len(found) > 1 else [mean]
        what = WHAT[one.field] + ("" if one.field == "error" else f", {_count(one.threads)}")
        rows.append(
            [
                PEERS[one.peer].name,
                f"{what}, beside {PEERS[one.beside].name}'s",
                *(f"{x:.3g}" for x in (one.goal, one.least)),
                f"{mean:.3f}",
                f"{min(without):.2f} to {max(without):.2f}",
                str(len(found)),
                verdict(mean, one.goal, one.least),
            ]
        )
    rows += [
        [PEERS["mlpfast"].name, f"seconds, {r['set']}, {_count(r['threads'])}", "", f"{LIMIT:g}",
         f"{r['fit_seconds']:.2f}", "", "1", verdict(r["fit_seconds"], LIMIT, LIMIT)]
        for r in records if r["set"] not in SETS and "epochs" in r and quiet(r)
    ]  # fmt: skip
    head = ["", "what", "goal", "least", "measured", "without any one table", "tables", ""]
    return table(head, rows) if rows else ""


def _count(threads: int) -> str:
    return {1: "one thread", 2: "two threads"}.get(threads, f"{threads} threads")
