"""What all schedules are."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import integer, known_name, real_field

__all__ = ["Array", "Schedule", "Timed", "check_length", "check_per", "length_of", "needed"]

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Schedule:
    """Base of the schedules.

    Examples
    --------
    >>> import mlpfast as mf
    >>> isinstance(mf.schedules.Cosine(0.1), mf.schedules.Schedule)
    True
    >>> mf.schedules.Cosine(0.1).values([0, 50, 100], total_steps=100).round(4).tolist()
    [0.1, 0.05, 0.0]
    """

    name: ClassVar[str]

    def values(
        self, step: ArrayLike, *, steps_per_epoch: int | None = None, total_steps: int | None = None
    ) -> NDArray[np.float64]:
        """The values at these steps, counted from the schedule's beginning.

        Parameters
        ----------
        step : array_like of int
        steps_per_epoch : int, optional
            Needed where the schedule counts epochs.
        total_steps : int, optional
            Needed where the schedule has no length of its own.

        Returns
        -------
        ndarray of float64

        Raises
        ------
        ValueError
            If one of the two is needed and missing.

        Examples
        --------
        >>> import mlpfast as mf
        >>> mf.schedules.Polynomial(0.1).values([0, 50, 100], total_steps=100).tolist()
        [0.1, 0.05, 0.0]
        """
        raise NotImplementedError

    def _check(self, *names: str, **bounds: float) -> None:
        for name in names:
            real_field(self, name, **bounds)

    def __repr__(self) -> str:
        """What was given, its own first."""
        given = [field for field in fields(self) if getattr(self, field.name) != field.default]
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in sorted(given, key=lambda field: bool(field.kw_only))
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class Timed(Schedule):
    """One with a length, in steps or in epochs."""

    _: KW_ONLY
    steps: int | None = None
    epochs: float | None = None
    per: Literal["step", "epoch"] = "step"

    def __post_init__(self) -> None:
        check_length(self)
        check_per(self.per)

    def values(
        self, step: ArrayLike, *, steps_per_epoch: int | None = None, total_steps: int | None = None
    ) -> NDArray[np.float64]:
        at = np.asarray(step, np.float64)
        if self.per == "epoch":
            per_epoch = needed(self, "steps_per_epoch", steps_per_epoch)
            at = at // per_epoch * per_epoch
        return np.asarray(self._at(at / length_of(self, steps_per_epoch, total_steps)), np.float64)

    def _at(self, t: Array) -> Array:
        """The values, where 1 is the schedule's length."""
        raise NotImplementedError


def check_per(per: str) -> None:
    """See that a schedule follows the steps or the epochs."""
    known_name("per", per, ("step", "epoch"))


def check_length(schedule: Any) -> None:
    """See that a schedule with `steps` and `epochs` has at most one of them."""
    if schedule.steps is not None and schedule.epochs is not None:
        raise ValueError(f"expected steps or epochs of {type(schedule).__name__}, got both")
    if schedule.steps is not None:
        object.__setattr__(schedule, "steps", integer("steps", schedule.steps))
    if schedule.epochs is not None:
        real_field(schedule, "epochs", above=0.0)


def length_of(schedule: Any, steps_per_epoch: int | None, total_steps: int | None) -> float:
    """How many steps the schedule is long."""
    if schedule.steps is not None:
        return float(schedule.steps)
    if schedule.epochs is not None:
        return float(schedule.epochs * needed(schedule, "steps_per_epoch", steps_per_epoch))
    return float(needed(schedule, "total_steps", total_steps))


def needed(schedule: Schedule, name: str, value: int | None) -> int:
    """The value that a schedule needs of its surroundings; an error if that is missing."""
    if value is not None:
        return value
    missing = "how many steps an epoch has" if name == "steps_per_epoch" else "where training ends"
    its_own = hasattr(schedule, "steps") and getattr(schedule, "per", "step") == "step"
    raise ValueError(
        f"{schedule!r} does not know {missing} ({name}), which Trainer.fit tells: where its rows come in chunks, give "
        f"it steps_per_epoch=...{'; or give the schedule steps=...' if its_own else ''}"
    )
