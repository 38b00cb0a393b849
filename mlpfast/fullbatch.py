"""Optimizers that take all rows in each iteration and measure their steps by the loss. An iteration is an epoch."""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .core.engine import Engine
from .core.memory import all_finite
from .core.results import EpochResult
from .lbfgs import Pairs, Point, iterate
from .optimizers import LBFGS, Optimizer
from .program import Program

__all__ = ["FullBatch", "check_full_batch"]


class _Place(NamedTuple):
    """Where an iteration ended, and what is remembered of those before."""

    at: NDArray[Any]
    pairs: Pairs = Pairs()


class _Known(NamedTuple):
    """What was last found, and what it depends on."""

    point: Point
    objects: tuple[Any, ...]
    l2: float


class _OutOfTime(Exception):
    """The deadline has passed in the middle of an iteration."""


def check_full_batch(
    optimizer: Optimizer,
    program: Program,
    *,
    batch_size: int | None,
    l1: float,
    clip_norm: float | None,
    clip_value: float | None,
    scheduled: Sequence[str] = (),
) -> None:
    """Raise a ValueError for what makes no sense where steps are measured by the loss of all rows."""
    name = type(optimizer).__name__
    if batch_size is not None:
        raise ValueError(f"expected batch_size=None with {name}, which takes all rows in each step; got {batch_size}")
    rules = [(tensor.name, tensor.rule) for tensor in program.tensors if tensor.rule.trainable]
    dropout = [layer.numbers[0] for layer in program.layers if layer.kind == "dropout" and layer.numbers[0]]
    refused = [
        *((f"schedule of {what}", what, "whose line search compares losses of one problem") for what in scheduled),
        ("clip_norm", clip_norm, "whose line search sets the length of steps"),
        ("clip_value", clip_value, "whose line search needs the gradient as it is"),
        ("l1", l1, "whose line search needs a smooth loss: l2 is one"),
        *((f"l1 of {tensor!r}", rule.l1, "whose line search needs a smooth loss: l2 is one") for tensor, rule in rules),
        *((f"max_norm of {tensor!r}", rule.max_norm, "whose steps go along lines") for tensor, rule in rules),
        ("Dropout", max(dropout, default=None), "whose line search compares losses of one network"),
        ("BatchNorm", program.over_batch, "whose line search compares losses of one network; LayerNorm is one"),
    ]
    for what, value, why in refused:
        if value:
            raise ValueError(f"expected no {what} with {name}, {why}; got {value}")


class FullBatch:
    """The state of L-BFGS between its iterations.

    It is whole at any time: the place is replaced in one go.
    """

    def __init__(self) -> None:
        self._place: _Place | None = None
        self._known: _Known | None = None

    def iterate(
        self,
        engine: Engine,
        X: Any,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
        optimizer: LBFGS,
        counts: NDArray[np.int64],
        learning_rate: float,
        *,
        l2: float,
        program: Program,
        metrics: Sequence[tuple[str, float]],
        deadline: float,
    ) -> EpochResult:
        """An iteration, by the engine's loss and gradient of all rows.

        Arguments are those of `Engine.run_epoch`; the rules of `program` say how tensors are scaled. Whatever happens,
        the parameters are those of the last whole iteration, and the counts count these. Loss and metrics are those of
        the parameters after it.
        """
        parameters = engine.network.parameters
        evaluations = 0

        def evaluate(at: NDArray[Any]) -> Point:
            nonlocal evaluations
            if 0 < deadline <= time.monotonic():
                raise _OutOfTime
            evaluations += 1
            parameters[:] = at
            loss, gradient = engine.loss_and_gradient(X, y, sample_weight, l2=l2)
            return Point(at, loss, gradient.astype(np.float64))

        place = self._place
        if place is None or place.at.tobytes() != parameters.tobytes():  # others have been written meanwhile
            place = self._place = _Place(parameters.copy())
        after = place
        objects = engine, X, y, sample_weight, place.at
        start, reason = self._recall(objects, l2), None
        try:
            start = start or evaluate(place.at)
            if not (math.isfinite(start.loss) and all_finite(start.gradient)):
                return _result("diverged")
            if (reason := _flat(start, optimizer)) is None:
                end, pairs = iterate(
                    evaluate, start, place.pairs, memory=optimizer.history_size, first=learning_rate, c1=optimizer.c1,
                    c2=optimizer.c2, most=optimizer.max_line_search, metric=_metric(program),
                )  # fmt: skip
                if end is start:
                    reason = "no further improvement: no lower loss along the gradient"
                else:
                    reason = _flat(end, optimizer) or _level(start, end, optimizer)
                    self._known = _Known(end, (*objects[:-1], end.at), l2)
                    self._place = after = _Place(end.at, pairs)
        except _OutOfTime:
            return _result("deadline")
        finally:
            parameters[:] = after.at
            counts[:2] += after is not place
        if after is place:
            return _result("converged", reason=reason)
        values = engine.evaluate(X, y, sample_weight, metrics=metrics)[1] if metrics else {}
        return _result("converged" if reason else "ok", 1, evaluations * len(y), end.loss, values, reason)

    def _recall(self, objects: tuple[Any, ...], l2: float) -> Point | None:
        known = self._known
        if known is None or known.l2 != l2 or any(map(operator.is_not, known.objects, objects)):
            return None
        return known.point

    def forget_rows(self) -> None:
        """Keep nothing of the data: the next fit may have others."""
        self._known = None

    def state_dict(self) -> dict[str, Any]:
        """What a saved trainer keeps of it."""
        if self._place is None:
            return {"at": None}
        return {"at": self._place.at, **{name: list(each) for name, each in self._place.pairs._asdict().items()}}

    def load_state_dict(self, state: Mapping[str, Any], parameters: NDArray[Any]) -> None:
        """Take up what `state_dict` gave; a ValueError if it does not fit the parameters."""
        if state["at"] is None:
            return
        steps, changes = tuple(state["steps"]), tuple(state["changes"])
        if len(steps) != len(changes) or any(
            array.shape != parameters.shape or array.dtype != dtype or not all_finite(array)
            for array, dtype in [(state["at"], parameters.dtype), *((each, np.float64) for each in steps + changes)]
        ):
            raise ValueError(f"expected iterations of {len(parameters)} parameters, got others in the file")
        self._place = _Place(state["at"], Pairs(steps, changes))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_known": None}


def _result(
    status: Any,
    steps: int = 0,
    rows: int = 0,
    loss: float = math.nan,
    metrics: dict[tuple[str, float], float] | None = None,
    reason: str | None = None,
) -> EpochResult:
    return EpochResult(status, steps, rows, loss, math.nan, math.nan, metrics or {}, None, loss, reason)


def _flat(point: Point, optimizer: LBFGS) -> str | None:
    if np.abs(point.gradient).max() > optimizer.tolerance_grad:
        return None
    return f"converged: no element of the gradient above {optimizer.tolerance_grad:g} (tolerance_grad)"


def _level(start: Point, end: Point, optimizer: LBFGS) -> str | None:
    if start.loss - end.loss > optimizer.tolerance_change * max(abs(start.loss), abs(end.loss), 1.0):
        return None
    return f"converged: the loss falls by no more than {optimizer.tolerance_change:g} (tolerance_change)"


def _metric(program: Program) -> NDArray[np.float64] | None:
    """What rules scale steps by: as if, of each tensor, a multiple were trained."""
    scales = [(t, t.rule.learning_rate_scale * t.rule.multiplier * t.rule.multiplier) for t in program.tensors]
    if all(scale == 1.0 for _, scale in scales):
        return None
    metric = np.ones(program.n_parameters)
    for tensor, scale in scales:
        metric[tensor.offset : tensor.offset + tensor.size] = scale
    return metric
