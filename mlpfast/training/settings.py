"""The settings of a trainer: checked when they are assigned, and in force from the next step, or the next call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import parts
from ..callbacks.protocol import check_callbacks
from ..classweight import as_class_weight
from ..core.engine import LAST_BATCHES
from ..core.optimizers import new_state, state_slots
from ..errors import boolean, integer, known_name, real
from ..fullbatch.epochs import FullBatch, check_full_batch
from ..groups import Group, as_groups, in_groups
from ..losses import Loss, as_loss
from ..metrics import Metric, Pinball, TopK, as_metrics
from ..model import Model
from ..optimizers import Optimizer, as_optimizer
from ..program import Program
from ..schedules import Constant, Schedule
from ..schedules.plain import Scheduled, as_schedule
from ..schedules.series import Series, driven
from ..settings import Setting
from .epochs import Place

__all__ = ["Settings", "kind_of"]


def kind_of(optimizer: Optimizer) -> tuple[str, int]:
    """What the arrays of an optimizer's state mean."""
    return (optimizer.update, 0 if optimizer.full_batch else state_slots(optimizer))


class Settings:
    """What `mlpfast.Trainer` is given, and what follows from that; its arguments and attributes are described there."""

    _model: Model
    _place: Place
    _series: Series
    _driven: dict[str, Schedule] | None
    _groups: Mapping[str, Group]
    _metrics: tuple[Metric, ...]
    _compiled_metrics: tuple[tuple[str, float], ...]  # what the loops compute of these
    _takes_all_rows: bool  # whether there is a metric of all rows at once

    batch_size = Setting[int | None](integer, optional=True)
    l1 = Setting[float](real, at_least=0.0)
    l2 = Setting[float](real, at_least=0.0)
    clip_value = Setting[float | None](real, optional=True, above=0.0)
    shuffle = Setting[bool](boolean)
    n_threads = Setting[int | None](integer, optional=True)
    seed = Setting[int](integer, at_least=0, at_most=2**64 - 1)
    callbacks = Setting[tuple[Any, ...]](lambda _, given: check_callbacks(given))
    penalty_over_weights = Setting[bool](boolean)
    last_batch = Setting[str](known_name, valid=LAST_BATCHES)

    @property
    def dropout_scale(self) -> float | Schedule:
        """A factor of the dropout rates of all layers."""
        return self._dropout_scale

    @dropout_scale.setter
    def dropout_scale(self, value: Scheduled) -> None:
        self._dropout_scale, self._driven = as_schedule("dropout_scale", value, at_least=0.0), None

    @property
    def learning_rate(self) -> float:
        """The current rate; a number or a schedule may be assigned."""
        if isinstance(self._rate, float):
            return self._rate
        if "learning_rate" in self._series.last:
            return self._series.last["learning_rate"]
        return float(self._rate.values(0, steps_per_epoch=1, total_steps=1))

    @learning_rate.setter
    def learning_rate(self, value: Scheduled) -> None:
        self._rate, self._driven = as_schedule("learning_rate", value, above=0.0), None
        self._series.last.pop("learning_rate", None)

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """What changes with the steps, by name, and the schedules that drive it; read-only.

        The names are "learning_rate", "weight_decay", "momentum", "label_smoothing" and "dropout_scale".

        Examples
        --------
        >>> import mlpfast as mf
        >>> rate = mf.schedules.Cosine(1e-3)
        >>> dict(mf.Trainer(mf.mlp([2, 1]), "mse", mf.Adam(learning_rate=rate)).schedules)["learning_rate"] == rate
        True
        """
        return MappingProxyType(self._schedules())

    @property
    def model(self) -> Model:
        """The model that is trained; another one needs a trainer of its own."""
        return self._model

    @property
    def loss(self) -> Loss:
        """The loss; assigning one, or its name, resolves the metrics anew."""
        return self._loss

    @loss.setter
    def loss(self, value: str | Loss) -> None:
        loss, output = as_loss(value), self.model.output_activation
        loss.check_output(output, self.model.outputs)
        metrics = as_metrics(getattr(self, "_given_metrics", ()), loss, output, self.model.outputs)
        as_class_weight(getattr(self, "_class_weight", None), loss, self.model.outputs)
        self._loss, self._driven = loss, None
        self._take_metrics(metrics)

    @property
    def class_weight(self) -> str | tuple[float, ...] | None:
        """The weights of the classes, "balanced", or None."""
        return self._class_weight

    @class_weight.setter
    def class_weight(self, value: str | Mapping[int, float] | Iterable[float] | None) -> None:
        self._class_weight = as_class_weight(value, self.loss, self.model.outputs)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics, made ready for the loss; names and functions may be assigned."""
        return self._metrics

    @metrics.setter
    def metrics(self, values: Iterable[str | TopK | Pinball | Callable[..., float]]) -> None:
        given = values if isinstance(values, str) else tuple(values)
        self._take_metrics(as_metrics(given, self.loss, self.model.output_activation, self.model.outputs))
        self._given_metrics = given

    def _take_metrics(self, metrics: tuple[Metric, ...]) -> None:
        compiled = (metric.compiled for metric in metrics if metric.compiled is not None)
        self._metrics, self._compiled_metrics = metrics, tuple(dict.fromkeys(compiled))
        self._takes_all_rows = any(metric.compiled is None for metric in metrics)

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer. An assigned one brings its learning rate, if that differs; one of another kind begins anew."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: str | Optimizer) -> None:
        optimizer, model = as_optimizer(value), self.model
        optimizer.check_precision(model.dtype.name, float(np.finfo(model.dtype).tiny))
        self._check_limits(optimizer, getattr(self, "_program", model.program))
        old = getattr(self, "_optimizer", None)
        if old is None or kind_of(old) != kind_of(optimizer):
            self._state: Any = (
                FullBatch(optimizer.update)
                if optimizer.full_batch
                else new_state(optimizer, model.program, model.dtype)
            )
            self._counts[2:4] = self._counts[0], 0
        if old is None or old.learning_rate != optimizer.learning_rate:
            self.learning_rate = optimizer.learning_rate
        self._optimizer, self._driven = optimizer, None

    @property
    def groups(self) -> Mapping[str, Group]:
        """Rules of their own for some parameters; another mapping may be assigned."""
        return MappingProxyType(self._groups)

    @groups.setter
    def groups(self, value: Mapping[str, Group | Mapping[str, Any]] | None) -> None:
        program, groups = self.model.program, as_groups(value, self.model.program)
        program = in_groups(program, groups) if groups else program
        if not any(tensor.rule.trainable for tensor in program.tensors):
            raise ValueError("expected parameters that are trained, got a model, or groups, that leave none trainable")
        self._check_limits(self.optimizer, program)
        self._groups, self._program = groups, replace(program, clips=self.clip_norm is not None)

    @staticmethod
    def _check_limits(optimizer: Optimizer, program: Program) -> None:
        limited = [tensor.name for tensor in program.tensors if tensor.rule.max_norm is not None]
        if limited and optimizer.update == "schedule_free":
            raise ValueError(
                f"expected no max_norm with {type(optimizer).__name__}, whose parameters follow from two others; "
                f"got one for {', '.join(limited)}"
            )

    @property
    def clip_norm(self) -> float | None:
        """What the norm of the gradient is clipped to; another number, or None, may be assigned."""
        return self._clip_norm

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._clip_norm = None if value is None else real("clip_norm", value, above=0.0)
        self.groups = self._groups

    @property
    def _counts(self) -> NDArray[np.int64]:
        """Optimizer steps, epochs, steps when the state was new, whether the parameters are their average."""
        return self._place.counts

    @property
    def steps(self) -> int:
        """Optimizer steps taken so far; they number the masks of dropout and Adam's corrections."""
        return int(self._counts[0])

    @steps.setter
    def steps(self, value: int) -> None:
        self._counts[0] = integer("steps", value, at_least=0)

    @property
    def epochs(self) -> int:
        """Epochs begun so far; they number the orders of the rows."""
        return int(self._counts[1])

    @epochs.setter
    def epochs(self, value: int) -> None:
        self._counts[1] = integer("epochs", value, at_least=0)

    @property
    def program(self) -> parts.Schedule:
        """The phases of a training step; `model.program` shows the layers that they name.

        Examples
        --------
        >>> import mlpfast as mf
        >>> print(mf.Trainer(mf.mlp([4, 8, 3], "tanh", "softmax")).program)
        step:
          rows     gather, forward 0-1, compare, back 1-0
          tiles    gradient 0-1, update
        """
        program = self._program.with_loss(calls=self.loss.called is not None)
        return program.schedule("gradient" if self.optimizer.full_batch else "step")

    def _schedules(self) -> dict[str, Schedule]:
        """What changes with the steps: looked for when something has been assigned."""
        if self._driven is None:
            scale = self.dropout_scale
            self._driven = driven(
                learning_rate=self._rate,
                weight_decay=self.optimizer.weight_decay,
                momentum=getattr(self.optimizer, "momentum", 0.0),
                label_smoothing=getattr(self.loss, "label_smoothing", 0.0),
                dropout_scale=Constant(scale) if isinstance(scale, float) and scale != 1 else scale,
            )
        return self._driven

    def _check_full_batch(self) -> None:
        if self.optimizer.full_batch:
            check_full_batch(
                self.optimizer, self._program, loss=self.loss, batch_size=self.batch_size, l1=self.l1,
                clip_norm=self.clip_norm, clip_value=self.clip_value, scheduled=list(self._schedules()),
            )  # fmt: skip
