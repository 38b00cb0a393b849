"""One peer on one table, in a process of its own: fit, predict and score; a line of JSON."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import Any

import numpy as np

from bench.tabular.peers import PEERS
from bench.tabular.sets import CLASSIFICATION, SETS, split, timing_table

PREDICTED = 10_000
LIMITED_ROWS, MAX_SECONDS = 100_000, 5.0


def measure(peer_name: str, set_name: str, seed: int, threads: int) -> dict[str, Any]:
    """The record of one fit; the error is that of classes, or the root of the mean squared one."""
    peer, one = PEERS[peer_name], SETS[set_name]
    X, y, X_test, y_test = split(one, seed)
    load = os.getloadavg()[0]
    estimator = peer.make(one.task, threads, seed)
    begin, cpu = time.perf_counter(), time.process_time()
    prepare = peer.prepare(X)
    fitted = estimator.fit(prepare(X), y)
    fit_seconds, fit_cpu = time.perf_counter() - begin, time.process_time() - cpu
    found = np.asarray(fitted.predict(prepare(X_test))).reshape(len(y_test))
    many = X_test.iloc[np.resize(np.arange(len(X_test)), PREDICTED)]
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        fitted.predict(prepare(many))
        seconds.append(time.perf_counter() - begin)
    return {
        "set": set_name,
        "peer": peer_name,
        "seed": seed,
        "threads": threads,
        "rows": len(X),
        "columns": X.shape[1],
        **scores(one.task, y_test, found, fitted, prepare(X_test)),
        "fit_seconds": fit_seconds,
        "fit_cpu_seconds": fit_cpu,
        "predict_seconds": min(seconds),
        "version": peer.version(),
        "load": [load, os.getloadavg()[0]],
    }


def limited(threads: int) -> dict[str, Any]:
    """How long a fit of 100,000 rows takes that has been told to stop after 5 seconds, and what it is worth then."""
    from mlpfast import TabularClassifier

    X, y = timing_table(LIMITED_ROWS)
    X_test, y_test = timing_table(PREDICTED, seed=1)
    load = os.getloadavg()[0]
    begin, cpu = time.perf_counter(), time.process_time()
    fitted = TabularClassifier(max_seconds=MAX_SECONDS, n_threads=threads, random_state=0).fit(X, y)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    most = max(np.mean(y_test == label) for label in np.unique(y_test))
    return {
        "set": f"made, {LIMITED_ROWS:,} rows, max_seconds={MAX_SECONDS:g}",
        "peer": "mlpfast",
        "seed": 0,
        "threads": threads,
        "error": 1 - fitted.score(X_test, y_test),
        "error_of_most_frequent": 1 - float(most),
        "epochs": len(fitted.history_["loss"]),
        "fit_seconds": seconds,
        "fit_cpu_seconds": cpu_seconds,
        "version": PEERS["mlpfast"].version(),
        "load": [load, os.getloadavg()[0]],
    }


def scores(task: str, y: np.ndarray, found: np.ndarray, fitted: Any, X: Any) -> dict[str, float]:
    """The error, and for classes what their probabilities are worth."""
    if task != CLASSIFICATION:
        return {"error": float(np.sqrt(np.mean((found - y) ** 2))), "mae": float(np.mean(np.abs(found - y)))}
    p, classes = np.asarray(fitted.predict_proba(X), np.float64), np.asarray(fitted.classes_).astype(str)
    p = np.clip(p, 1e-7, 1)
    own = p[np.arange(len(y)), np.searchsorted(classes, y)] / p.sum(axis=1)
    return {"error": float(np.mean(found.astype(str) != y)), "log_loss": float(-np.mean(np.log(own)))}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    peer_name, set_name, seed, threads = sys.argv[1:]
    record = limited(int(threads)) if set_name == "limited" else measure(peer_name, set_name, int(seed), int(threads))
    print("\n" + json.dumps(record))
