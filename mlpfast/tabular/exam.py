"""The rows held out, and which network is asked about which of them: none about rows that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Model
from .scoring import Scorer

__all__ = ["Exam", "held_rows"]


@dataclass(frozen=True)
class Exam:
    """Rows held out.

    Attributes
    ----------
    Z : ndarray (n, encoded columns)
    targets : ndarray (n,) or (n, targets)
    weights : ndarray (n,) or None
    holder : ndarray (n,) of int, or None
        The number of the network that a row is held out from; None, where each is held out from all of them.
    score : Scorer
    finish : callable
        From a network's outputs to predictions.
    mean : callable
        From such of several networks to one.
    """

    Z: NDArray[Any]
    targets: NDArray[Any]
    weights: NDArray[np.float64] | None
    holder: NDArray[np.int64] | None
    score: Scorer
    finish: Callable[[NDArray[Any]], NDArray[Any]]
    mean: Callable[[list[NDArray[Any]]], NDArray[Any]]

    def targets_of(self, member: int) -> NDArray[Any]:
        """Those of the rows that one of the networks holds out."""
        return self.targets if self.holder is None else self.targets[self.holder == member]

    def score_of(self, member: int) -> Callable[[Model, int | None], float]:
        """The score of one of the networks, on as many threads as are given."""
        own = self._taken(slice(None) if self.holder is None else np.flatnonzero(self.holder == member))
        return lambda model, n_threads: own.result(own.finish(model.predict(own.Z, n_threads=n_threads)))

    def result(self, found: NDArray[Any]) -> float:
        """The score of predictions of all rows."""
        return self.score(self.targets, found, self.weights if self.weights is None or self.weights.any() else None)

    def of(self, kept: Sequence[int]) -> Exam:
        """Without the rows of networks that are not kept; the others count anew."""
        if self.holder is None:
            return self
        number = np.full(self.holder.max() + 1, -1)
        number[list(kept)] = np.arange(len(kept))
        rows = np.flatnonzero(number[self.holder] >= 0)
        return replace(self._taken(rows), holder=number[self.holder[rows]])

    def predict(
        self, models: Sequence[Model], n_threads: int | None, Z: NDArray[Any], rows: NDArray[np.int64]
    ) -> NDArray[Any]:
        """Predictions of Z (k, encoded columns) in place of these of the rows (k,)."""
        if self.holder is None:
            return self.mean([self.finish(model.predict(Z, n_threads=n_threads)) for model in models])
        holder = self.holder[rows]
        parts = [np.flatnonzero(holder == member) for member in range(len(models))]
        each = [
            self.finish(model.predict(Z[part], n_threads=n_threads))
            for model, part in zip(models, parts, strict=True)
            if len(part)
        ]
        found: NDArray[Any] = np.concatenate(each)[np.argsort(np.concatenate(parts))]
        return found

    def _taken(self, rows: Any) -> Exam:
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, Z=self.Z[rows], targets=self.targets[rows], weights=weights, holder=None)


def held_rows(held: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """All rows that networks hold out, and the `holder` of each."""
    if all(rows is held[0] for rows in held):
        return held[0], None
    return np.concatenate(held), np.repeat(np.arange(len(held)), [len(rows) for rows in held])
