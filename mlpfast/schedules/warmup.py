"""A warm-up before any schedule."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import Schedule, check_length, length_of
from .plain import Constant, as_schedule

__all__ = ["Warmup"]


@dataclass(frozen=True, repr=False)
class Warmup(Schedule):
    """A straight line up to where another schedule begins, which then takes its course.

    Of w steps, step k = 0, 1, ... has ``start + (1 - start) (k + 1) / (w + 1)`` times its first value: none has 0.

    Parameters
    ----------
    schedule : Schedule, float or callable
        What follows, or the number that stays. Its own steps count from the end of the warm-up.
    steps, epochs : int, float
        Of the warm-up: one of the two has to be given.
    start : float >= 0, default 0.0
        What the line comes from, as a part of that first value.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.schedules.Warmup(0.1, steps=4).values([0, 1, 2, 3, 4, 5]).round(3).tolist()
    [0.02, 0.04, 0.06, 0.08, 0.1, 0.1]
    """

    schedule: Schedule
    _: KW_ONLY
    steps: int | None = None
    epochs: float | None = None
    start: float = 0.0
    name: ClassVar[str] = "warmup"

    def __post_init__(self) -> None:
        given = as_schedule("schedule", self.schedule, at_least=0.0)
        object.__setattr__(self, "schedule", given if isinstance(given, Schedule) else Constant(given))
        check_length(self)
        if self.steps is None and self.epochs is None:
            raise ValueError("expected steps or epochs of Warmup, got neither")
        self._check("start", at_least=0.0)

    def values(
        self, step: ArrayLike, *, steps_per_epoch: int | None = None, total_steps: int | None = None
    ) -> NDArray[np.float64]:
        at = np.asarray(step, np.float64)
        length = int(np.rint(length_of(self, steps_per_epoch, None)))
        left = None if total_steps is None else max(total_steps - length, 1)
        follows = self.schedule.values(
            np.maximum(at - length, 0.0), steps_per_epoch=steps_per_epoch, total_steps=left
        )  # its first value, during the warm-up
        return np.where(at < length, follows * (self.start + (1.0 - self.start) * (at + 1) / (length + 1)), follows)
