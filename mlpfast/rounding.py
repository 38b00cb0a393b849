"""How far rounding alone moves a gradient, by Monte Carlo arithmetic.

A derivative does not tell how exact it can be: where it is a small sum of large terms, its error is that of the terms.
So backpropagation is done once exactly, and some times with each intermediate result off by a random sign times the
roundoff times the size of all that was added up in it: the spread of the outcomes is what rounding does to each
derivative (Parker, 1997, "Monte Carlo arithmetic: exploiting randomness in floating-point arithmetic"). In half of the
passes all rows have the same signs, as a constant that is not quite representable (1 / n, a slope) gives them. Where a
pre-activation is zero to within rounding, the passes meet both sides of a kink, and the spread is the step there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from . import kernels
from .activations import Activation
from .kernels import Floats

__all__ = ["gradient_rounding"]

Layer: TypeAlias = tuple[Floats, Floats, Activation]
#: From a result, and the size of all that was added up in it, to the result as it may come out.
Rounding: TypeAlias = Callable[[Floats, Floats], Floats]

_PASSES = 8  # of each kind
_TINY = 1e-200  # in place of an exact zero
_ROWS = 16  # in a longer running sum the error grows, about with the root of their number


def gradient_rounding(
    layers: Sequence[Layer], X: Floats, derivative: Callable[[Floats], Floats], terms: Floats, roundoff: float
) -> Floats:
    """The standard error of each derivative of a loss by backpropagation.

    Parameters
    ----------
    layers : sequence of (W, b, activation)
        The last activation is "identity" where the loss is a function of the pre-activation.
    X : ndarray (n, inputs)
    derivative : callable
        The loss's derivative with respect to the outputs, a function of these: (n, m) to (n, m).
    terms : ndarray (n, m)
        The size of what is subtracted in that derivative, beside the outputs themselves.
    roundoff : float
        Of the dtype whose errors are estimated; all is computed in float64.

    Returns
    -------
    ndarray (n_parameters,)
        W0, b0, W1, b1, ...
    """
    rng = np.random.default_rng(0)

    def signs(shape: tuple[int, ...]) -> Floats:
        return 2.0 * rng.integers(2, size=shape) - 1.0

    def each_row(result: Floats, size: Floats) -> Floats:
        return result + roundoff * size * signs(result.shape)

    def all_rows(result: Floats, size: Floats) -> Floats:
        return result + roundoff * size * signs(result.shape[-1:])

    exact = _backpropagation(layers, X, derivative, terms, lambda result, size: result)

    def variance(rounding: Rounding) -> Floats:
        total = np.zeros(exact.shape)
        for _ in range(_PASSES):
            total += (_backpropagation(layers, X, derivative, terms, rounding) - exact) ** 2
        return total / _PASSES

    return np.sqrt(np.maximum(variance(each_row), variance(all_rows)))


def _backpropagation(
    layers: Sequence[Layer], X: Floats, derivative: Callable[[Floats], Floats], terms: Floats, rounding: Rounding
) -> Floats:
    passed = []
    h = X
    for W, b, g in layers:
        x = h
        z = rounding(kernels.matmul_bias(x, W, b), kernels.matmul_bias(np.abs(x), np.abs(W), np.abs(b)) + _TINY)
        h = kernels.activation(z, g)
        h = rounding(h, np.abs(h))
        passed.append((W, g, x, z, h))
    dh = derivative(h)
    dh = rounding(dh, np.abs(dh) + terms)
    running_sum = max(1.0, np.sqrt(len(X) / _ROWS))
    gradient: list[Floats] = []
    for W, g, x, z, h in reversed(passed):
        if g.name == "softmax":
            delta = kernels.softmax_jvp(h, dh)
            delta = rounding(delta, h * (np.abs(dh) + (h * np.abs(dh)).sum(axis=1, keepdims=True)))
        else:
            of_z = kernels.saves(g) == "z"
            slope = kernels.hadamard_delta(np.ones_like(h), z if of_z else h, g)
            delta = rounding(dh * slope, np.abs(dh) * (np.abs(slope) + of_z))  # those of z are sums of terms of about 1
        dh, dW, db = kernels.matmul_bias_backward(x, W, delta)
        dh_size, dW_size, db_size = kernels.matmul_bias_backward(np.abs(x), np.abs(W), np.abs(delta))
        dh = rounding(dh, dh_size)
        gradient = [rounding(dW, running_sum * dW_size).ravel(), rounding(db, running_sum * db_size), *gradient]
    return np.concatenate(gradient)
