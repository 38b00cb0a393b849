"""What checks of derivatives have in common: float64, and the derivative of a loss by what it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.engine import Engine
from ..core.memory import aligned_zeros
from ..core.network import Network
from ..core.random import SPLIT, permutation
from ..layers import Dense, lower
from ..losses import Loss
from ..model import Model
from ..validation import CSR

__all__ = ["FLOAT64", "derivative_of_outputs", "in_float64", "moved", "sample"]

FLOAT64: np.dtype[Any] = np.dtype(np.float64)
_ONE_HOT_ROWS = 256  # at most at a time


def in_float64(model: Model) -> Model:
    """A copy of a model of any dtype."""
    twin = Model(model.inputs, model.layers, dtype="float64")
    twin.state = model.state
    return twin


def sample(seed: int, number: int, size: int, most: int) -> NDArray[np.int64]:
    """Of so many, a random sample of at most so many, in order; the same for the same seed and number."""
    if size <= most:
        return np.arange(size)
    found: NDArray[np.int64] = np.sort(permutation(seed, SPLIT, number, size)[:most])
    return found


def moved(
    array: NDArray[Any], terms: NDArray[Any] | int, roundoff: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Numbers that are off by their roundoff, or by as much more as a long running sum of such terms is."""
    off = roundoff * np.sqrt(np.maximum(1, terms / 16)) * rng.choice((-1.0, 1.0), array.shape)
    result: NDArray[np.float64] = array * (1 + off)
    return result


def derivative_of_outputs(
    outputs: NDArray[Any], y: NDArray[Any], weight: NDArray[Any], loss: Loss
) -> NDArray[np.float64]:
    """The loss's derivative with respect to the outputs (of z, where it is a function of z).

    It is the gradient of a layer that has the outputs for weights, and for inputs the rows' numbers, one-hot.
    """
    derivative = np.empty_like(outputs)
    for first in range(0, len(outputs), _ONE_HOT_ROWS):
        rows = slice(first, min(first + _ONE_HOT_ROWS, len(outputs)))
        n, m = outputs[rows].shape
        parameters = aligned_zeros((n + 1) * m, FLOAT64)
        parameters[: n * m] = outputs[rows].ravel()
        engine = Engine(Network(lower(n, [Dense(m)]), parameters), loss, batch_rows=n)
        one_hot = CSR(np.ones(n), np.arange(n), np.arange(n + 1))
        _, gradient = engine.loss_and_gradient(one_hot, y[rows], weight[rows])
        share = weight[rows].sum() / weight.sum()
        derivative[rows] = share * gradient[: n * m].reshape(n, m)
    return derivative
