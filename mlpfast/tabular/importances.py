"""How much worse the validation rows' score becomes when a column is shuffled, and what one answer for all reaches."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from .held import Held
from .plans import ColumnTable

__all__ = ["baseline_score", "permutation_importances"]

REPEATS = 5
MOST_ROWS = 1000  # of a repeat
LEAST_ROWS = 20
SHARE = 0.03  # of the work of training, in rows that go forward; a row that is trained on counts three times
LEAST_WORK = 5_000  # rows


def permutation_importances(held: Held, columns: ColumnTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By how much the score becomes worse when a column's values are shuffled: mean and standard deviation, (columns,).

    Each of five repeats draws validation rows of its own, as many as take little beside the training, a thousand at
    most, and shuffles one column after the other, with all that it was encoded as (Breiman, 2001). Where there are many
    columns, fewer repeats do, of twenty rows; NaN, where these would be less than two, or there is no time.
    """
    ends = np.cumsum([len(plan.outputs) for plan in columns]).tolist()
    spans = list(zip([0, *ends[:-1]], ends, strict=True))
    work = max(int(SHARE * 3 * held.trained * held.epochs), LEAST_WORK)
    n, used = len(held.found), sum(end > start for start, end in spans)
    least = min(n, max(LEAST_ROWS, held.found.shape[1]))  # a row of each class, which an AUC asks for
    repeats = min(REPEATS, work // (used * least))
    size = min(n, MOST_ROWS, work // (used * max(repeats, 1)))
    deadline = np.inf if held.seconds is None else time.perf_counter() + held.seconds
    drops: list[list[float]] = []
    try:
        for repeat in range(repeats if repeats > 1 else 0):
            rng = np.random.default_rng([held.seed, repeat])
            drops.append(_drops(held, spans, _sample(held, size, rng), rng, deadline))
    except TimeoutError:
        pass  # the repeats that are whole do
    except KeyboardInterrupt:
        held.interrupted.set()
    nothing = np.full(len(spans), np.nan)
    if len(drops) < 2:
        return np.array(drops[0]) if drops else nothing, nothing
    unit = np.abs(drops).max() or 1.0  # squares of 1e200 would be infinite
    return np.mean(drops, axis=0), np.std(np.array(drops) / unit, axis=0) * unit


def baseline_score(held: Held, answers: list[NDArray[np.float64]]) -> float:
    """The best score that one and the same answer (outputs,) for all validation rows reaches."""
    scores = [held.score(held.targets, np.tile(answer, (len(held.targets), 1)), held.weights) for answer in answers]
    return max(scores) if held.more_is_better else min(scores)


def _sample(held: Held, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows without replacement, of each class if there are as many."""
    order = rng.permutation(len(held.found))
    if held.targets.dtype.kind in "iu" and held.targets.ndim == 1:
        first = np.unique(held.targets[order], return_index=True)[1]
        order = np.r_[order[first], np.delete(order, first)]
    return order[:size]


def _drops(
    held: Held, spans: list[tuple[int, int]], rows: NDArray[np.int64], rng: np.random.Generator, deadline: float
) -> list[float]:
    """The score's loss for each column; a TimeoutError, if it takes too long."""
    Z, targets = held.Z[rows], held.targets[rows]
    weights = None if held.weights is None else held.weights[rows]
    sign = 1.0 if held.more_is_better else -1.0
    whole = held.score(targets, held.found[rows], weights)
    drops = []
    for start, end in spans:
        if time.perf_counter() > deadline:
            raise TimeoutError
        if start == end:
            drops.append(0.0)
            continue
        before = Z[:, start:end].copy()
        Z[:, start:end] = before[rng.permutation(len(Z))]
        drops.append(sign * (whole - held.score(targets, held.predict(Z, rows), weights)))
        Z[:, start:end] = before
    return drops
