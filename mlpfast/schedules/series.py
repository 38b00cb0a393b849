"""What schedules drive in a training: the numbers of each step, and where each schedule began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .base import Array, Schedule

__all__ = ["DRIVEN", "Series", "bounds_of", "driven"]

#: What schedules drive; tests/test_lists.py holds it and what the loops know equal.
DRIVEN = ("learning_rate", "weight_decay", "momentum", "label_smoothing", "dropout_scale")


def driven(**numbers: Any) -> dict[str, Schedule]:
    """Those of the numbers that change with the steps."""
    return {name: value for name, value in numbers.items() if isinstance(value, Schedule)}


def bounds_of(dropout_rates: Iterable[float]) -> dict[str, tuple[str, float]]:
    """What values have to be below, or at most; all are finite and not negative."""
    bounds = {"momentum": ("<=", 1.0), "label_smoothing": ("<", 1.0)}
    most = max(dropout_rates, default=0.0)
    return bounds | ({"dropout_scale": ("<", 1.0 / most)} if most > 0 else {})


class Series:
    """What a trainer remembers of its schedules: for each of what they drive, the schedule and its first step.

    An equal schedule that is assigned again goes on; another one begins at the next step.

    Attributes
    ----------
    last : dict from str to float
        The values of the latest step.
    """

    def __init__(self) -> None:
        self._begun: dict[str, tuple[Schedule, int]] = {}
        self.last: dict[str, float] = {}

    def copy(self) -> Series:
        """An independent one of the same schedules."""
        twin = Series()
        twin._begun, twin.last = dict(self._begun), dict(self.last)
        return twin

    def values(
        self,
        schedules: Mapping[str, Schedule],
        bounds: Mapping[str, tuple[str, float]],
        first: int,
        steps: int,
        steps_per_epoch: int | None,
        end: int | None,
    ) -> dict[str, Array]:
        """The values for so many steps from number `first` on, where training ends before number `end`.

        Raises
        ------
        ValueError
            If one is not finite, negative, or out of its bounds: the step is named, as the trainer counts.
        """
        begun, found = {}, {}
        for name, schedule in schedules.items():
            before, start = self._begun.get(name, (None, first))
            begin = min(start, first) if before == schedule else first
            values = schedule.values(
                np.arange(first - begin, first - begin + steps),
                steps_per_epoch=steps_per_epoch,
                total_steps=None if end is None else max(end - begin, 1),
            )
            begun[name], found[name] = (schedule, begin), np.ascontiguousarray(values, np.float64)
            _check(name, schedule, found[name], first, *bounds.get(name, ("<", np.inf)))
        self._begun = begun
        return found

    def keep_last(self, values: Mapping[str, Array], steps: int) -> None:
        """Remember the values of the latest step: the last of so many that were taken."""
        if steps > 0 and (values or self.last):
            self.last = {name: float(numbers[steps - 1]) for name, numbers in values.items()}


def _check(name: str, schedule: Schedule, values: Array, first: int, sign: str, most: float) -> None:
    """Raise a ValueError that names the first step, of those from `first` on, whose value is out of bounds."""
    with np.errstate(invalid="ignore"):
        good = (values >= 0) & ((values < most) if sign == "<" else (values <= most))
    if good.all():
        return
    k = int(good.argmin())
    expected = "finite and >= 0" + (f" and {sign} {most:g}" if most < np.inf else "")
    raise ValueError(f"expected {name} to be {expected}, got {values[k]:g} for step {first + k} of {schedule!r}")
