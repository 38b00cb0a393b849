"""What each optimizer of full batches makes of an iteration: its settings, and the algorithm over flat vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.memory import all_finite
from ..derivatives.net import check_fits, check_tangents
from ..losses import Loss, MeanSquaredError
from ..optimizers import LBFGS, FullBatchOptimizer, LevenbergMarquardt, NewtonCG
from ..program import Program
from .allrows import AllRows
from .lbfgs import Pairs, Point, iterate
from .levenberg import Damping, damped, solver
from .trustregion import Radius, minimizer, within_radius

__all__ = ["METHODS", "Memory", "Method"]

Memory: TypeAlias = "Pairs | Damping | Radius"


class Method(NamedTuple):
    """A row for each optimizer.

    Attributes
    ----------
    begin : callable
        What it remembers before its first iteration.
    iterate : callable
        ``iterate(rows, optimizer, start, memory, learning_rate)``: where it ends, and what it remembers then. The end
        is `start` itself where there is no lower loss.
    check : callable
        ``check(optimizer, program, loss)`` raises an error for what the optimizer cannot do.
    load : callable
        ``load(state, n_parameters)``: what it remembers, from the fields of that in a file; None if they make no sense.
    """

    begin: Callable[[Any], Memory]
    iterate: Callable[[AllRows, Any, Point, Any, float], tuple[Point, Memory]]
    check: Callable[[Any, Program, Loss], None]
    load: Callable[[Mapping[str, Any], int], Memory | None]


def _lbfgs(rows: AllRows, optimizer: LBFGS, start: Point, pairs: Pairs, learning_rate: float) -> tuple[Point, Memory]:
    return iterate(
        rows.evaluate, start, _pairs_of(rows.trained, pairs), memory=optimizer.history_size, first=learning_rate,
        c1=optimizer.c1, c2=optimizer.c2, most=optimizer.max_line_search, metric=_metric(rows.program),
    )  # fmt: skip


def _pairs_of(trained: NDArray[np.bool_], pairs: Pairs) -> Pairs:
    """Those of what is trained alone: in others, what a group has frozen since moved, and steps would move it again."""
    frozen = ~trained
    if not frozen.any():
        return pairs
    kept = [each for each in zip(*pairs, strict=True) if not any(part[frozen].any() for part in each)]
    return Pairs(tuple(step for step, _ in kept), tuple(change for _, change in kept))


def _metric(program: Program) -> NDArray[np.float64] | None:
    """What rules scale steps by: as if, of each tensor, a multiple were trained."""
    scales = [(t, t.rule.learning_rate_scale * t.rule.multiplier * t.rule.multiplier) for t in program.tensors]
    if all(scale == 1.0 for _, scale in scales):
        return None
    metric = np.ones(program.n_parameters)
    for tensor, scale in scales:
        metric[tensor.offset : tensor.offset + tensor.size] = scale
    return metric


def _load_pairs(state: Mapping[str, Any], n: int) -> Pairs | None:
    pairs = Pairs(tuple(state["steps"]), tuple(state["changes"]))
    fit = all(each.shape == (n,) and each.dtype == np.float64 and all_finite(each) for part in pairs for each in part)
    return pairs if fit and len(pairs.steps) == len(pairs.changes) else None


def _levenberg_marquardt(
    rows: AllRows, optimizer: LevenbergMarquardt, start: Point, damping: Damping, learning_rate: float
) -> tuple[Point, Memory]:
    linear = solver()
    return damped(
        rows.evaluate, rows.normal_matrix(start.at, linear.add_square), rows.trained, start, damping,
        rate=learning_rate, factor=optimizer.damping_factor, most=optimizer.max_damping, linear=linear,
    )  # fmt: skip


def _check_levenberg_marquardt(optimizer: LevenbergMarquardt, program: Program, loss: Loss) -> None:
    if not isinstance(loss, MeanSquaredError):
        raise ValueError(f"expected loss 'mse' with LevenbergMarquardt, which squares residuals; got {loss!r}")
    _check_rates(optimizer, program)
    solver()
    n = sum(tensor.size for tensor in program.tensors if tensor.rule.trainable)
    check_fits("LevenbergMarquardt", (2, n, n), np.dtype(np.float64))


def _newton_cg(
    rows: AllRows, optimizer: NewtonCG, start: Point, radius: Radius, learning_rate: float
) -> tuple[Point, Memory]:
    return within_radius(
        rows.evaluate, partial(rows.hessian_product, start.at), start, radius, rate=learning_rate,
        largest=optimizer.max_trust_radius, eta=optimizer.eta, minimize=minimizer(),
    )  # fmt: skip


def _check_newton_cg(optimizer: NewtonCG, program: Program, loss: Loss) -> None:
    if not loss.has_second_derivatives:
        raise ValueError(
            f"expected a loss that has second derivatives with NewtonCG, got {loss!r}, which has first ones only"
        )
    _check_rates(optimizer, program)
    check_tangents("NewtonCG", program, back=True)
    minimizer()


def _check_rates(optimizer: FullBatchOptimizer, program: Program) -> None:
    for tensor in program.tensors:
        if tensor.rule.learning_rate_scale != 1 and tensor.rule.trainable:
            raise ValueError(
                f"expected no learning_rate_scale of {tensor.name!r} with {type(optimizer).__name__}, whose steps are "
                f"those of all parameters together; got {tensor.rule.learning_rate_scale:g}"
            )


def _load_number(kind: type[Damping | Radius], state: Mapping[str, Any], n: int) -> Memory | None:
    (value,) = (state[name] for name in kind._fields)
    return kind(value) if isinstance(value, float) and math.isfinite(value) and value > 0 else None


#: By the optimizers' `update`.
METHODS: dict[str, Method] = {
    "lbfgs": Method(lambda _: Pairs(), _lbfgs, lambda *_: None, _load_pairs),
    "levenberg_marquardt": Method(
        lambda optimizer: Damping(optimizer.damping), _levenberg_marquardt, _check_levenberg_marquardt,
        partial(_load_number, Damping),
    ),
    "newton_cg": Method(
        lambda optimizer: Radius(optimizer.initial_trust_radius), _newton_cg, _check_newton_cg,
        partial(_load_number, Radius),
    ),
}  # fmt: skip
