"""The estimators beside scikit-learn's: fit time, test score and iterations, with the default settings of both."""

from __future__ import annotations

import statistics
from typing import Any

from bench.runner import Child, Lane, PeerError, Record, Settings, spread
from bench.tables import duration

DATASETS = ("digits", "fashion-mnist", "regression", "sparse")
PEERS = {"mlpfast": "estimators-mlpfast", "sklearn": "estimators-sklearn"}


def run(settings: Settings) -> list[Record]:
    """Interleaved; each round has another seed, which is both the split's and the estimator's."""
    rounds = min(settings.rounds, 3)
    names = [name for name in (("digits",) if settings.quick else DATASETS) if settings.wants_workload(name)]
    children: dict[str, Child] = {}
    missing: dict[str, str] = {}
    for peer, name in PEERS.items():
        if settings.wants(peer):
            try:
                children[peer] = Child(Lane(name))
            except PeerError as error:
                missing[peer] = str(error)
    try:
        return [record for dataset in names for record in _fits(dataset, children, missing, rounds)]
    finally:
        for child in children.values():
            child.close()


def _fits(dataset: str, children: dict[str, Child], missing: dict[str, str], rounds: int) -> list[Record]:
    runs: dict[str, list[dict[str, Any]]] = {peer: [] for peer in children}
    failed = dict(missing)
    for seed in range(rounds):
        for peer, child in children.items():
            if peer in failed:
                continue
            try:
                runs[peer].append(child.ask("fit", dataset=dataset, seed=seed))
            except PeerError as error:
                failed[peer] = str(error)
    records = []
    for peer in PEERS:
        record: Record = {"section": "estimators", "workload": dataset, "peer": peer, "threads": 1}
        if peer in failed:
            record["missing"] = failed[peer]
        elif runs.get(peer):
            record |= spread([one["seconds"] for one in runs[peer]])
            for name in ("score", "iterations", "loss"):
                record[name] = statistics.mean(one[name] for one in runs[peer])
            record["version"] = children[peer].version
            print(
                f"estimators   {dataset:<26} {peer:<14} x1  {duration(record['seconds']):>9}  "
                f"score {record['score']:.4f}  {record['iterations']:.0f} iterations",
                flush=True,
            )
        else:
            continue
        records.append(record)
    return records
