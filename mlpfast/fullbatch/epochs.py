"""Optimizers that take all rows in each iteration and measure their steps by the loss. An iteration is an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.engine import Engine
from ..core.memory import all_finite
from ..core.results import EpochResult
from ..losses import Loss
from ..optimizers import FullBatchOptimizer, Optimizer
from ..program import Program
from .allrows import AllRows, OutOfTime
from .lbfgs import Point
from .methods import METHODS, Memory

__all__ = ["FullBatch", "check_full_batch"]


class _Place(NamedTuple):
    """Where an iteration ended, and what is remembered of those before."""

    at: NDArray[Any]
    memory: Memory


def check_full_batch(
    optimizer: Optimizer,
    program: Program,
    *,
    loss: Loss,
    batch_size: int | None,
    l1: float,
    clip_norm: float | None,
    clip_value: float | None,
    scheduled: Sequence[str] = (),
) -> None:
    """Raise a ValueError for what makes no sense where steps are measured by the loss of all rows."""
    assert isinstance(optimizer, FullBatchOptimizer)
    name, judge = type(optimizer).__name__, optimizer.judge
    if batch_size is not None:
        raise ValueError(f"expected batch_size=None with {name}, which takes all rows in each step; got {batch_size}")
    rules = [(tensor.name, tensor.rule) for tensor in program.tensors if tensor.rule.trainable]
    dropout = [layer.numbers[0] for layer in program.layers if layer.kind == "dropout" and layer.numbers[0]]
    refused = [
        *((f"schedule of {what}", what, f"whose {judge} compares losses of one problem") for what in scheduled),
        ("clip_norm", clip_norm, f"whose {judge} sets the length of steps"),
        ("clip_value", clip_value, f"whose {judge} needs the gradient as it is"),
        ("l1", l1, f"whose {judge} needs a smooth loss: l2 is one"),
        *((f"l1 of {tensor!r}", rule.l1, f"whose {judge} needs a smooth loss: l2 is one") for tensor, rule in rules),
        *((f"max_norm of {tensor!r}", rule.max_norm, "whose steps go along lines") for tensor, rule in rules),
        ("Dropout", max(dropout, default=None), f"whose {judge} compares losses of one network"),
        ("BatchNorm", program.over_batch, f"whose {judge} compares losses of one network; LayerNorm is one"),
    ]
    for what, value, why in refused:
        if value:
            raise ValueError(f"expected no {what} with {name}, {why}; got {value}")
    METHODS[optimizer.update].check(optimizer, program, loss)


class FullBatch:
    """The state of such an optimizer between its iterations.

    It is whole at any time: the place is replaced in one go.

    Parameters
    ----------
    update : str
        The optimizer's.
    """

    def __init__(self, update: str) -> None:
        self._update = update
        self._place: _Place | None = None
        self._known: Point | None = None  # of these rows, what was last found
        self._rows: AllRows | None = None

    def iterate(
        self,
        engine: Engine,
        X: Any,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
        optimizer: FullBatchOptimizer,
        counts: NDArray[np.int64],
        learning_rate: float,
        *,
        l2: float,
        program: Program,
        loss: Loss,
        penalty_over_weights: bool,
        n_threads: int | None,
        metrics: Sequence[tuple[str, float]],
        deadline: float,
    ) -> EpochResult:
        """An iteration, by the loss of all rows and its derivatives.

        Arguments are those of `Engine` and its `run_epoch`; the rules of `program` are those of the trainer. Whatever
        happens, the parameters are those of the last whole iteration, and the counts count these. Loss and metrics are
        those of the parameters after it.
        """
        parameters = engine.network.parameters
        rows = self._rows
        if rows is None or not rows.are_of((engine, X, y, sample_weight, program), l2):
            self._known = None
            rows = self._rows = AllRows(
                engine, X, y, sample_weight,
                program=program, loss=loss, l2=l2, penalty_over_weights=penalty_over_weights, n_threads=n_threads,
            )  # fmt: skip
        rows.deadline, rows.evaluations = deadline, 0.0
        place = self._place
        if place is None or place.at.tobytes() != parameters.tobytes():  # others have been written meanwhile
            place = self._place = _Place(parameters.copy(), METHODS[self._update].begin(optimizer))
        after, reason = place, None
        start = self._known if self._known is not None and self._known.at is place.at else None
        try:
            start = start or rows.evaluate(place.at)
            if not (math.isfinite(start.loss) and all_finite(start.gradient)):
                return _result("diverged")
            if (reason := _flat(start, optimizer)) is None:
                end, memory = METHODS[self._update].iterate(rows, optimizer, start, place.memory, learning_rate)
                if end is start:
                    reason = f"no further improvement: no lower loss {optimizer.in_vain}"
                else:
                    reason = _flat(end, optimizer) or _level(start, end, optimizer)
                    self._known = end
                    self._place = after = _Place(end.at, memory)
        except OutOfTime:
            return _result("deadline")
        finally:
            parameters[:] = after.at
            counts[:2] += after is not place
        if after is place:
            return _result("converged", reason=reason)
        values = engine.evaluate(X, y, sample_weight, metrics=metrics)[1] if metrics else {}
        seen = round(rows.evaluations * len(y))
        return _result("converged" if reason else "ok", 1, seen, end.loss, values, reason)

    def forget_rows(self) -> None:
        """Keep nothing of the data: the next fit may have others."""
        self._known = self._rows = None

    def state_dict(self) -> dict[str, Any]:
        """What a saved trainer keeps of it."""
        if self._place is None:
            return {"at": None}
        memory = self._place.memory._asdict()
        return {
            "at": self._place.at,
            **{name: list(each) if isinstance(each, tuple) else each for name, each in memory.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any], parameters: NDArray[Any]) -> None:
        """Take up what `state_dict` gave; a ValueError if it does not fit the parameters."""
        if state["at"] is None:
            return
        at, memory = state["at"], METHODS[self._update].load(state, len(parameters))
        if at.shape != parameters.shape or at.dtype != parameters.dtype or not all_finite(at) or memory is None:
            raise ValueError(f"expected iterations of {len(parameters)} parameters, got others in the file")
        self._place = _Place(at, memory)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_known": None, "_rows": None}


def _result(
    status: Any,
    steps: int = 0,
    rows: int = 0,
    loss: float = math.nan,
    metrics: dict[tuple[str, float], float] | None = None,
    reason: str | None = None,
) -> EpochResult:
    return EpochResult(status, steps, rows, loss, math.nan, math.nan, metrics or {}, None, loss, reason)


def _flat(point: Point, optimizer: FullBatchOptimizer) -> str | None:
    if np.abs(point.gradient).max() > optimizer.tolerance_grad:
        return None
    return f"converged: no element of the gradient above {optimizer.tolerance_grad:g} (tolerance_grad)"


def _level(start: Point, end: Point, optimizer: FullBatchOptimizer) -> str | None:
    size = max(abs(start.loss), abs(end.loss), optimizer.least_loss)
    if start.loss - end.loss > optimizer.tolerance_change * size:
        return None
    return f"converged: the loss falls by no more than {optimizer.tolerance_change:g} (tolerance_change)"
