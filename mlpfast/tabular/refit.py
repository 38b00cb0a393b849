"""Networks that are trained once more, on all rows, for as long as those that had rows held out tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..model import Model
from .ensemble import train_all
from .members import Course, Lesson, Member

__all__ = ["refitted", "shared_deadline"]

_LEAST = 0.5  # of the epochs that the others had: fewer are no match for them


def shared_deadline(deadline: float | None, now: float, rows: int, later: int) -> float | None:
    """When a training of so many rows has to be over, for one of `later` rows to come after it."""
    return None if deadline is None else now + max(deadline - now, 0.0) * rows / (rows + later)


def trained_to_their_end(members: Sequence[Member]) -> bool:
    """Whether each had its epochs, and one of them was the best: else they do not tell how long to train."""
    return all(member.best_epoch > 0 and len(member.scores) == member.planned for member in members)


def refitted(
    course: Course, members: Sequence[Member], rows: NDArray[np.int64], seeds: Sequence[int]
) -> tuple[list[Model], int]:
    """A network of these rows for each seed, and the epoch that they end with (`n_refit` of pytabkit's RealMLP).

    The schedule is that of all epochs; of these they have the share that was the best one for the members, on average.
    No network, and 0, where time was too short for half of the members' epochs; a KeyboardInterrupt, if none is whole.
    """
    share = float(np.mean([member.best_epoch / member.planned for member in members]))
    lessons = [Lesson(rows, seed, lambda model, n_threads: 0.0, until=share) for seed in seeds]
    found, _, _ = train_all(course, lessons)
    least = _LEAST * members[0].planned
    whole = [member for member in found if member.best_epoch > 0 and member.planned >= least]
    return [member.model for member in whole], whole[0].best_epoch if whole else 0
