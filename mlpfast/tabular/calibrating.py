"""Probabilities that are sharpened or flattened by one number, learnt from the validation rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from .held import Held

__all__ = ["CALIBRATIONS", "PROBABILITIES", "calibrated", "fit_temperature"]

CALIBRATIONS = ("auto", "temperature")
PROBABILITIES = ("log_loss",)  # metrics of probabilities

_TINY = float(np.finfo(np.float32).tiny)  # the network's probabilities are float32
_MOST = 100.0  # times that logits are sharpened, or flattened


def calibrated(p: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities (n, classes) whose logits are divided by the temperature (Guo et al., 2017)."""
    if temperature == 1:
        return p
    tempered: NDArray[np.float64] = np.exp(_log_softmax(_logits(p), temperature))
    return tempered


def fit_temperature(held: Held) -> float:
    """The temperature with the least log loss of the validation rows, and one row more of no class in particular.

    That row (Laplace's rule of succession) keeps a few rows that are all predicted rightly from promising certainty.
    1, where it would not lessen the log loss of the validation rows themselves.
    """
    logits, weights = _logits(held.found), held.relative_weights
    rows = np.arange(len(logits))

    def losses(temperature: float) -> tuple[float, float]:
        log_p = _log_softmax(logits, temperature)
        return -float(weights @ log_p[rows, held.targets]), -float(weights @ log_p.mean(axis=1)) / len(rows)

    limit = math.log(_MOST)
    found = minimize_scalar(lambda x: sum(losses(math.exp(x))), bounds=(-limit, limit), method="bounded")
    temperature = math.exp(float(found.x))
    return temperature if losses(temperature)[0] < losses(1.0)[0] else 1.0


def _logits(p: NDArray[np.float64]) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = np.log(np.maximum(p, _TINY))
    return logits


def _log_softmax(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    z = (logits - logits.max(axis=1, keepdims=True)) / temperature
    log_p: NDArray[np.float64] = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return log_p
