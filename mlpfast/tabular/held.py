"""The rows that were held out, as what comes after training takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scoring import Scorer

__all__ = ["Held"]


@dataclass(frozen=True)
class Held:
    """Validation rows, and what a model that is trained says of them.

    Attributes
    ----------
    Z : ndarray (n, encoded columns)
        Rows as the encoder makes them.
    targets : ndarray (n,) or (n, targets)
        Numbers of classes, or targets in their own units.
    weights : ndarray (n,) or None
        Some of them positive.
    found : ndarray (n, outputs)
        Predictions, before anything of what comes after: probabilities, or targets in their own units.
    predict : callable
        ``predict(Z, rows)`` gives such predictions of Z in place of these of the rows: by those networks that have not
        trained on them.
    metric : str
        The name of `score`.
    score : Scorer
    more_is_better : bool
    trained, epochs : int
        Rows that were trained on, and how often.
    seed : int
    seconds : float or None
        How long what comes after may take, where training was limited.
    interrupted : Event
        Set by what ends early after Ctrl-C.
    """

    Z: NDArray[Any]
    targets: NDArray[Any]
    weights: NDArray[Any] | None
    found: NDArray[Any]
    predict: Callable[[NDArray[Any], NDArray[np.int64]], NDArray[Any]]
    metric: str
    score: Scorer
    more_is_better: bool
    trained: int
    epochs: int
    seed: int
    seconds: float | None = None
    interrupted: Event = field(default_factory=Event)

    @property
    def relative_weights(self) -> NDArray[np.float64]:
        """Weights whose mean is 1, so that their sum is the number of rows."""
        if self.weights is None:
            return np.ones(len(self.found))
        relative: NDArray[np.float64] = self.weights / self.weights.mean()
        return relative
