"""Initial values: draws from what an initializer describes, the same on every machine.

Each tensor has a stream of random numbers of its own, so that it depends on nothing else. NumPy's sums of products and
its logarithm differ in their last bits between machines; the package's own do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .core.elementary import elementary
from .core.linear import matmul_bias_arrays
from .core.random import INITIALIZE, normal, uniform
from .errors import unknown_name
from .initializers import Distribution

__all__ = ["fill"]

Floats: TypeAlias = NDArray[np.float64]

#: Values that do not depend on each other are drawn in float64, so many at a time: that is all the memory that they
#: take. Even.
_DRAWN_AT_ONCE = 1 << 16

_PANEL = 64  # rows that are made orthonormal among themselves, after they are to all before them
_SPAN = 128  # rows or columns of a product

#: The quantile of the normal distribution by quotients of polynomials (Wichura, 1988, algorithm AS 241, PPND16), as
#: pairs of coefficients above and below, highest power first: for q = p - 1/2 in the middle a factor of q, in
#: 0.425^2 - q^2; in the tails the value, in sqrt(-log p) - 1.6 for the p of the nearer one.
_MIDDLE = (
    (2509.0809287301226727, 5226.495278852545925),
    (33430.575583588128105, 28729.085735721942674),
    (67265.770927008700853, 39307.89580009271061),
    (45921.953931549871457, 21213.794301586595867),
    (13731.693765509461125, 5394.1960214247511077),
    (1971.5909503065514427, 687.1870074920579083),
    (133.14166789178437745, 42.313330701600911252),
    (3.387132872796366608, 1.0),
)
_TAILS = (
    (7.7454501427834140764e-4, 1.05075007164441684324e-9),
    (0.0227238449892691845833, 5.475938084995344946e-4),
    (0.24178072517745061177, 0.0151986665636164571966),
    (1.27045825245236838258, 0.14810397642748007459),
    (3.64784832476320460504, 0.68976733498510000455),
    (5.7694972214606914055, 1.6763848301838038494),
    (4.6303378461565452959, 2.05319162663775882187),
    (1.42343711074968357734, 1.0),
)
_WITHIN_TWO = 0.9544997361036416  # of a normal distribution, within two standard deviations


def fill(tensor: NDArray[Any], distribution: Distribution, seed: int, stream: int) -> None:
    """Draw the initial values of a C-contiguous tensor; in float64, whatever its dtype."""
    kind, scale = distribution
    if kind == "constant":
        tensor.fill(scale)
    elif kind == "orthogonal":
        matrix = tensor.reshape(-1, tensor.shape[-1])  # a view; a vector is one row
        np.multiply(scale, _orthogonal(*matrix.shape, seed, stream), out=matrix, casting="same_kind")
    elif kind in _EACH:
        flat = tensor.reshape(-1)  # a view
        for start in range(0, flat.size, _DRAWN_AT_ONCE):
            part = flat[start : start + _DRAWN_AT_ONCE]
            part[...] = scale * _EACH[kind](seed, stream, part.size, start)
    else:
        raise unknown_name("distribution", kind, ("constant", "orthogonal", *_EACH))


def _normal(seed: int, stream: int, n: int, start: int) -> Floats:
    return normal(seed, INITIALIZE, stream, n, start)


def _uniform(seed: int, stream: int, n: int, start: int) -> Floats:
    """In [-1, 1)."""
    return 2.0 * uniform(seed, INITIALIZE, stream, n, start) - 1.0


def _truncated_normal(seed: int, stream: int, n: int, start: int) -> Floats:
    """Standard normal ones within [-2, 2]: the quantiles of uniform probabilities between those of -2 and 2."""
    q = _WITHIN_TWO * (uniform(seed, INITIALIZE, stream, n, start) - 0.5)
    values = q * _quotient(_MIDDLE, 0.425 * 0.425 - q * q)
    tails = np.abs(q) > 0.425
    logarithms = 0.5 - np.abs(q[tails])
    elementary("log", logarithms, logarithms)
    values[tails] = np.copysign(_quotient(_TAILS, np.sqrt(-logarithms) - 1.6), q[tails])
    return np.clip(values, -2.0, 2.0)


def _quotient(coefficients: tuple[tuple[float, float], ...], x: Floats) -> Floats:
    above, below = np.zeros_like(x), np.zeros_like(x)
    for a, b in coefficients:
        above = above * x + a
        below = below * x + b
    return above / below


_EACH: dict[str, Callable[[int, int, int, int], Floats]] = {
    "normal": _normal,
    "uniform": _uniform,
    "truncated_normal": _truncated_normal,
}


def _orthogonal(n_rows: int, n_columns: int, seed: int, stream: int) -> Floats:
    """A matrix with orthonormal columns, or rows where it has fewer, uniform among those: the Q of normal numbers.

    By Gram and Schmidt, where R has a positive diagonal by itself; done twice, which is enough for rows that are
    orthonormal to the last bits (Barlow and Smoktunowicz, 2013).
    """
    few, many = sorted((n_rows, n_columns))
    rows = np.empty((few, many))
    fill(rows, ("normal", 1.0), seed, stream)
    for first in range(0, few, _PANEL):
        panel = rows[first : first + _PANEL]
        for _ in range(2):
            if first:
                _subtract_projection(panel, rows[:first])
            for i, row in enumerate(panel):
                row /= math.sqrt(_product(row[None], row[:, None])[0, 0]) or 1.0  # zeros stay
                if i + 1 < len(panel):
                    panel[i + 1 :] -= _product(panel[i + 1 :], row[:, None]) * row
    return rows.T if n_rows >= n_columns else rows


def _subtract_projection(panel: Floats, onto: Floats) -> None:
    """In spans of rows and of columns, as products make copies of what they read."""
    spans = [[slice(i, i + _SPAN) for i in range(0, n, _SPAN)] for n in onto.shape]
    shares = np.concatenate([_product(onto[rows], panel.T) for rows in spans[0]]).T
    for columns in spans[1]:
        panel[:, columns] -= _product(shares, onto[:, columns])


def _product(a: Floats, b: Floats) -> Floats:
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    return matmul_bias_arrays(a, b, np.zeros(b.shape[1]), "identity", 0.0, None)
