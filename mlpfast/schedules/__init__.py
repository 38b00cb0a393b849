"""Schedules, as pure data: numbers that change with the steps of training, such as a learning rate.

A schedule stands where the number would: ``Adam(learning_rate=Cosine(1e-3))``. It may drive

- ``learning_rate`` and ``weight_decay`` of any optimizer that takes batches, the schedule-free one too,
- ``momentum`` of SGD and RMSprop,
- ``label_smoothing`` of the cross-entropies (evaluation then takes none, so that its values can be compared),
- ``Trainer(dropout_scale=...)``, the factor of all layers' dropout rates.

Its values for the steps of an epoch are computed, in float64, before the epoch, with the same bits on every machine.
Below, ``t`` goes from 0 at the first step to 1 at the end: of the ``steps`` or ``epochs`` that the schedule is given,
else of the call of `Trainer.fit`. A `fit` that goes on with a trainer goes on with its schedules: without a length of
their own they then end where that fit ends, counted from their own beginning. Beyond its end, a schedule keeps its last
value. With ``per="epoch"`` each epoch keeps the value of its beginning.

`Trainer.fit` records the value of the last step of each epoch in the history, under the name of what is driven.
"""

from __future__ import annotations

from .base import Schedule
from .decays import Exponential, InverseScaling, Polynomial, Step
from .plain import Constant, Function
from .warmup import Warmup
from .waves import Cosine, CosLog4, FlatCos, OneCycle

__all__ = [
    "SCHEDULES",
    "Constant",
    "CosLog4",
    "Cosine",
    "Exponential",
    "FlatCos",
    "Function",
    "InverseScaling",
    "OneCycle",
    "Polynomial",
    "Schedule",
    "Step",
    "Warmup",
]

#: Every schedule by name.
SCHEDULES: dict[str, type[Schedule]] = {
    cls.name: cls
    for cls in (
        *(Constant, Step, Exponential, InverseScaling, Polynomial),
        *(Cosine, OneCycle, CosLog4, FlatCos, Warmup, Function),
    )
}
