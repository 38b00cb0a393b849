"""What is wrong with the steps: for each finding, one rule, its limit and the reason for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from .report import Finding

__all__ = ["COURSE_RULES", "STEP_RULES", "Course", "Steps", "stands_still"]

#: A loss that ends so far above where it began, in mean, is not on its way down. A rate at which it still falls shows
#: waves of some percent.
_RISEN = 1.5
#: A first epoch whose mean is so far above the loss before it began with a jump away from what the weights were drawn
#: for; the rows compared are not the same, so that the limit is wide.
_THROWN = 3.0
#: Of the way up and down that a loss goes, less than this part is progress; with a random walk of n steps it is about
#: 1 / sqrt(n).
_PROGRESS = 0.1
#: and each step of that way is a larger part of the loss than this: smaller waves are those of any constant rate,
_WAVE = 0.1
#: and the loss is more than this part of what it is to one who has learnt nothing: beneath, waves do no harm.
_LEARNT = 0.1
#: Values of the loss that show a course.
_FEW = 10
#: A loss that changes by less than this in many steps stands still,
_STANDING = 1e-3
#: and if it falls by more than this where steps are far longer, they were too short.
_FALLING = 1e-2
#: Where there is no second course to compare with: weights that move by less than this part of themselves.
_UNMOVED = 1e-3

_SMALLER = "a learning rate of a tenth, or one that falls as training goes on"


@dataclass(frozen=True)
class Steps:
    """Some trial steps from where the model is.

    Attributes
    ----------
    losses : sequence of float
        Of the same rows, before the first step and after each.
    longer : dict from float to sequence of float
        The same with other learning rates, where the loss stood still.
    shuffled : float
        The loss of one who has learnt nothing of the rows.
    diverged : bool
        Whether loss or parameters became infinite or NaN.
    learning_rate : float
    """

    losses: Sequence[float]
    longer: Mapping[float, Sequence[float]]
    shuffled: float
    diverged: bool
    learning_rate: float


@dataclass(frozen=True)
class Course:
    """A training so far.

    Attributes
    ----------
    before : float
        The loss of some rows before training; 0 where it is not known.
    losses : sequence of float
        Of each epoch.
    moved : float
        By what part of itself the weight matrix that moved most has done so since training began.
    diverged : bool
    learning_rate : float
    """

    before: float
    losses: Sequence[float]
    moved: float
    diverged: bool
    learning_rate: float


def rate_too_large(steps: Steps) -> Iterator[Finding]:
    """The loss diverges, or ends above half as much again as it began."""
    if steps.diverged:
        what = f"{len(steps.losses)} steps at learning rate {steps.learning_rate:g} diverge"
        yield Finding("rate_too_large", "training", what, f"{_SMALLER}, and scaled inputs")
    elif steps.losses[-1] > _RISEN * steps.losses[0] and steps.losses[-1] > _LEARNT * steps.shuffled:
        what = (
            f"{len(steps.losses) - 1} steps at learning rate {steps.learning_rate:g} raise the loss "
            f"from {steps.losses[0]:.3g} to {steps.losses[-1]:.3g}"
        )
        yield Finding("rate_too_large", "training", what, _SMALLER)


def rate_too_small(steps: Steps) -> Iterator[Finding]:
    """The loss stands still, and falls in as many steps that are longer."""
    if steps.diverged or not stands_still(steps.losses):
        return
    for rate, losses in steps.longer.items():
        would = 1.0 - losses[-1] / losses[0]
        if would > _FALLING:
            what = (
                f"{len(steps.losses) - 1} steps at learning rate {steps.learning_rate:g} leave the loss where it is, "
                f"as many at {rate:g} lower it by {would:.2g} of itself"
            )
            yield Finding("rate_too_small", "training", what, f"a larger learning rate, up to {rate:g}")
            return


def noise(steps: Steps) -> Iterator[Finding]:
    """The loss goes up and down by more than a tenth, and of that way less than a tenth is progress."""
    if not steps.diverged and np.mean(steps.losses) > _LEARNT * steps.shuffled:
        yield from _noise(steps.losses, "step", steps.learning_rate)


def epochs_diverge(course: Course) -> Iterator[Finding]:
    """The loss is not finite, three times what it was before training, or half as much again as after an epoch."""
    recent = float(np.mean(course.losses[-3:])) if course.losses else 0.0
    began, limit = (
        (course.before, _THROWN) if course.before else (course.losses[0] if course.losses[3:] else inf, _RISEN)
    )
    if course.diverged or recent > limit * began:
        rose = f"the loss rose from {began:.3g} to {recent:.3g}"
        what = f"{'training diverged' if course.diverged else rose} at learning rate {course.learning_rate:g}"
        yield Finding("rate_too_large", "training", what, f"{_SMALLER}, and scaled inputs")


def epochs_stand_still(course: Course) -> Iterator[Finding]:
    """In five epochs or more, the loss changed by less than a thousandth, and so did the weights."""
    if len(course.losses) >= 5 and course.moved < _UNMOVED and stands_still(course.losses):
        what = (
            f"in {len(course.losses)} epochs at learning rate {course.learning_rate:g} the loss stands still, "
            f"and the weights have moved by {course.moved:.1g} of themselves"
        )
        yield Finding("rate_too_small", "training", what, "ten or a hundred times the learning rate")


def epochs_are_noise(course: Course) -> Iterator[Finding]:
    """The same as `noise`, of the last ten epochs, where the loss is not far below that at the beginning."""
    recent = course.losses[-_FEW:]
    if not course.diverged and recent and np.mean(recent) > _LEARNT * (course.before or course.losses[0]):
        yield from _noise(recent, "epoch", course.learning_rate)


def stands_still(losses: Sequence[float]) -> bool:
    """Whether the loss has never changed by more than a thousandth of itself."""
    first = losses[0] if losses else 0.0
    return first > 0.0 and all(abs(loss - first) < _STANDING * first for loss in losses)


def _noise(losses: Sequence[float], unit: str, rate: float) -> Iterator[Finding]:
    if len(losses) < _FEW or not isfinite(sum(losses)):
        return
    ways = np.abs(np.diff(losses))
    progress, wave = abs(losses[-1] - losses[0]) / max(float(ways.sum()), 1e-300), float(ways.mean() / np.mean(losses))
    if progress < _PROGRESS and wave > _WAVE:
        what = (
            f"at learning rate {rate:g} the loss is noise: it changes by {wave:.0%} with each {unit}, "
            f"and {progress:.0%} of that is progress"
        )
        yield Finding("noise", "training", what, f"{_SMALLER}, or a larger batch_size")


STEP_RULES = (rate_too_large, rate_too_small, noise)
COURSE_RULES = (epochs_diverge, epochs_stand_still, epochs_are_noise)
