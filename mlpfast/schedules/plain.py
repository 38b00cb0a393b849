"""A number that stays, any function, and what stands where a number may change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import add_note, real
from .base import Schedule, check_per, needed

__all__ = ["Constant", "Function", "Scheduled", "as_schedule", "scheduled_field"]


@dataclass(frozen=True, repr=False)
class Constant(Schedule):
    """Always `value` >= 0, as a number by itself.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.schedules.Constant(0.1).values([0, 1, 1000]).tolist()
    [0.1, 0.1, 0.1]
    """

    value: float
    name: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        self._check("value", at_least=0.0)

    def values(
        self, step: ArrayLike, *, steps_per_epoch: int | None = None, total_steps: int | None = None
    ) -> NDArray[np.float64]:
        return np.full(np.shape(step), self.value)


@dataclass(frozen=True, repr=False)
class Function(Schedule):
    """Any function of the number of the step, or of the epoch, from 0; a function by itself is taken as one of steps.

    Parameters
    ----------
    function : callable
        It is given an int, and called for each step of an epoch before the epoch.
    per : {"step", "epoch"}, default "step"

    Examples
    --------
    >>> import mlpfast as mf
    >>> optimizer = mf.SGD(learning_rate=lambda step: 0.1 / (1 + step))
    >>> optimizer = mf.SGD(mf.schedules.Function(lambda epoch: 0.1 if epoch < 5 else 0.01, per="epoch"))
    """

    function: Callable[[int], float]
    per: Literal["step", "epoch"] = "step"
    name: ClassVar[str] = "function"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"expected function to be callable, got {self.function!r}")
        check_per(self.per)

    def values(
        self, step: ArrayLike, *, steps_per_epoch: int | None = None, total_steps: int | None = None
    ) -> NDArray[np.float64]:
        at = np.asarray(step, np.int64)
        if self.per == "epoch":
            at = at // needed(self, "steps_per_epoch", steps_per_epoch)
        numbers, where = np.unique(at, return_inverse=True)
        return np.array([self._call(int(number)) for number in numbers])[where].reshape(at.shape)

    def _call(self, number: int) -> float:
        try:
            value = self.function(number)
        except Exception as error:
            add_note(error, f"raised by {self!r} for {self.per} {number}, counted from 0")
            raise
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"expected {self!r} to give numbers, got {value!r} for {self.per} {number}") from None


#: What stands where a number may change with the steps.
Scheduled: TypeAlias = float | Schedule | Callable[[int], float]


def as_schedule(name: str, value: Any, **bounds: float) -> float | Schedule:
    """A number within the bounds as a float, a schedule as it is, a function as a `Function`; or an error."""
    if isinstance(value, Schedule):
        return value
    if isinstance(value, type) and issubclass(value, Schedule):
        raise TypeError(f"expected {name} to be a number or a schedule, got the class {value.__name__}")
    if isinstance(value, Real) or not callable(value):
        return real(name, value, **bounds)
    return Function(value)


def scheduled_field(instance: object, name: str, **bounds: float) -> None:
    """Check a field of a frozen dataclass as `as_schedule` does, and keep what that returns."""
    object.__setattr__(instance, name, as_schedule(name, getattr(instance, name), **bounds))
