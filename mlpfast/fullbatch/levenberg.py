"""Levenberg-Marquardt over flat vectors (Levenberg, 1944; Marquardt, 1963): nothing here knows of models.

A step d solves ``(A + mu D) d = -g``, A being J'J of the residuals with the penalties, D its diagonal (Marquardt's
scaling) with no element below a hundredth of the largest: between Marquardt's and Levenberg's, it does not stall where
units saturate. mu follows the gain, what the loss falls by in relation to what the
quadratic model promises, by Nielsen's rule (Nielsen, "Damping parameter in Marquardt's method", 1999; Madsen, Nielsen
and Tingleff, "Methods for non-linear least squares problems", 2004, algorithm 3.16). Where A is singular, as it is with
fewer rows than parameters, the damped matrix is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .lbfgs import Point

__all__ = ["Damping", "Solver", "damped", "solver"]

_Vector = NDArray[np.float64]

_LEAST = 1e-15  # damping; below, it is lost beside the diagonal
_FLOOR = 1e-2  # of D, in relation to its largest element: parameters of little influence would move without bound


class Damping(NamedTuple):
    """What is remembered of the last iterations."""

    mu: float


class Solver(NamedTuple):
    """What is used of SciPy: BLAS's dsyrk, and LAPACK's dpotrf and dpotrs."""

    add_square: Any
    factor: Any
    solve: Any


def solver() -> Solver:
    """SciPy's; an ImportError that names the extra where that is missing."""
    try:
        from scipy.linalg import blas, lapack
    except ImportError:
        raise ImportError(
            "LevenbergMarquardt needs SciPy; install it with: python -m pip install 'mlpfast[scipy]'"
        ) from None
    return Solver(blas.dsyrk, lapack.dpotrf, lapack.dpotrs)


def damped(
    evaluate: Callable[[NDArray[Any]], Point],
    matrix: NDArray[np.float64],
    trained: NDArray[np.bool_],
    start: Point,
    damping: Damping,
    *,
    rate: float,
    factor: float,
    most: float,
    linear: Solver,
) -> tuple[Point, Damping]:
    """One iteration: steps with more and more damping, until one lowers the loss.

    Parameters
    ----------
    evaluate : callable
        The objective; its loss and gradient may be infinite or NaN.
    matrix : ndarray (m, m), column-major
        The lower triangle of A, of the m parameters that are trained.
    trained : ndarray of bool (n,)
    start : Point
        With a finite loss and gradient.
    damping : Damping
    rate : float
        A factor of the step.
    factor, most : float
        What damping grows by at the first step that is refused (twice as much at each other one), and where it ends.
    linear : Solver

    Returns
    -------
    Point
        `start` itself, where no damping leads to a lower loss.
    Damping
    """
    gradient, mu = start.gradient[trained], damping.mu
    diagonal = matrix.diagonal()
    scales = np.maximum(diagonal, _FLOOR * diagonal.max())
    while mu <= most:
        step = _solution(matrix, diagonal + mu * scales, gradient, linear)
        if step is not None:
            at = start.at.copy()
            at[trained] += rate * step
            if (at == start.at).all():
                break  # rounding has taken it all
            end = evaluate(at)
            if end.loss < start.loss and np.isfinite(end.gradient).all():
                # of the model, as (A + mu D) step = -g
                slope, bend = float(gradient @ step), float(step @ (gradient + mu * scales * step))
                promised = rate * (0.5 * rate * bend - slope)
                gain = (start.loss - end.loss) / promised if promised > 0 else 0.0
                return end, Damping(max(mu * max(1 / 3, 1 - (2 * min(gain, 1.0) - 1) ** 3), _LEAST))
        mu *= factor
        factor *= 2
    return start, damping


def _solution(matrix: NDArray[Any], diagonal: _Vector, gradient: _Vector, linear: Solver) -> _Vector | None:
    """The solution with another diagonal; None where the matrix is not positive definite in float64."""
    if not math.isfinite(diagonal.sum()):
        return None
    damped = matrix.copy(order="F")
    damped.ravel("K")[:: len(diagonal) + 1] = diagonal
    factored, failed = linear.factor(damped, lower=1, clean=0, overwrite_a=1)
    if failed:
        return None
    step: _Vector = linear.solve(factored, -gradient, lower=1)[0]
    return step if np.isfinite(step).all() else None
