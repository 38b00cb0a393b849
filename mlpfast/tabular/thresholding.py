"""From which probability on the second class is predicted, chosen on the validation rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import real
from .held import Held

__all__ = ["DECISIONS", "DEFAULT", "choose_threshold", "threshold_of"]

DEFAULT = 0.5
DECISIONS = ("f1", "balanced_accuracy")  # metrics of decisions, in which rare classes count


def choose_threshold(held: Held, p: NDArray[np.float64]) -> float:
    """The threshold of p (n,), the second class's probability, with the best metric of the validation rows.

    Those in the middle between two probabilities that follow each other are tried; of several that are the best, the
    one nearest to 0.5 is taken, and 0.5 itself, if none is better.
    """
    order = np.argsort(p, kind="stable")
    weights, second = held.relative_weights[order], held.targets[order] == 1
    below = _counted(weights, second), _counted(weights, ~second)
    ends = np.flatnonzero(np.diff(p[order])) + 1  # rows before one of these stay with the first class
    score = _f1 if held.metric == "f1" else _balanced_accuracy
    scores = score(*(counts[ends] for counts in below), *(counts[-1] for counts in below))
    middles = (p[order][ends - 1] + p[order][ends]) / 2
    at_default = int(np.searchsorted(p[order], DEFAULT, side="right"))
    default = score(*(counts[at_default] for counts in below), *(counts[-1] for counts in below))
    if not (scores > default).any():
        return DEFAULT
    best = middles[scores == scores.max()]
    return float(best[np.argmin(np.abs(best - DEFAULT))])


def threshold_of(classifier: Any) -> float:
    """The threshold of a classifier, as it was chosen, or as somebody has set it since; the default where it has none.

    Raises
    ------
    TypeError, ValueError
        If it is no probability, or there are not two classes.
    """
    if not hasattr(classifier, "decision_threshold_"):
        return DEFAULT
    if classifier.multilabel_ or len(classifier.classes_) != 2:
        what = "labels of a row" if classifier.multilabel_ else "classes"
        raise ValueError(f"expected decision_threshold_ for two classes alone, got {len(classifier.classes_)} {what}")
    return real("decision_threshold_", classifier.decision_threshold_, at_least=0.0, at_most=1.0)


def _counted(weights: NDArray[np.float64], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The weight of the first 0, 1, ... n rows, those alone that are marked."""
    counted: NDArray[np.float64] = np.r_[0.0, np.cumsum(weights * rows)]
    return counted


def _f1(missed: Any, rejected: Any, second: Any, first: Any) -> Any:
    hits, false = second - missed, first - rejected
    both = 2 * hits + false + missed
    return np.divide(2 * hits, both, out=np.zeros_like(np.asarray(both)), where=both > 0)


def _balanced_accuracy(missed: Any, rejected: Any, second: Any, first: Any) -> Any:
    shares = [hits / of for hits, of in ((second - missed, second), (rejected, first)) if of > 0]
    return sum(shares) / len(shares)
