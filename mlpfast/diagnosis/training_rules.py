"""What is wrong with the steps: for each finding, one rule, its limit and the reason for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from .evidence import LEARNT
from .report import Finding

__all__ = ["COURSE_RULES", "STEP_RULES", "Course", "Steps", "barely_falls", "creeps", "stands_still"]

#: A loss that ends so far above where it began, in mean, is not on its way down. A rate at which it still falls shows
#: waves of some percent.
_RISEN = 1.5
#: Some rows whose loss is so far above what it was before the first epoch: a jump away from what the weights were drawn
#: for. They are few, and in the first epochs the loss may swing, so that the limit is wide.
_THROWN = 3.0
#: Of the way up and down that a loss goes, less than this part is progress; with a random walk of n steps it is about
#: 1 / sqrt(n).
_PROGRESS = 0.1
#: and each step of that way is a larger part of the loss than this: smaller waves are those of any constant rate.
_WAVE = 0.1
#: Values of the loss that show a course.
_FEW = 10
#: A loss that changes by less than this in many steps stands still,
_STANDING = 1e-3
#: and if it falls by more than this where steps are far longer, they were too short.
_FALLING = 1e-2
#: One that changes by less than this barely falls,
_BARELY = 0.04
#: and where more than this part is left of the loss of one who has learnt nothing, it should not: late in a training,
#: small steps are right.
_BEGINNING = 0.5
#: Steps that are far longer, and right, make it fall by more than this, and so many times as far.
_GAINED, _FARTHER = 0.2, 10.0
#: Where there is no second course to compare with: the loss stands still, and weights move by less than this part of
#: themselves;
_UNMOVED = 1e-3
#: or one that falls in every epoch, and in all by less than this,
_CREEPING = 0.1
#: the last time by more than this part of the first, so that it is far from its end,
_EVEN = 0.5
#: while weights move by less than this part of themselves in a step. Around 1e-3 is usual.
_SHORT = 2e-4
#: Epochs that show it.
_EPOCHS = 5

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
    unlearnt : float
        The loss of one who has learnt nothing of the rows.
    diverged : bool
        Whether loss or parameters became infinite or NaN.
    learning_rate : float
    """

    losses: Sequence[float]
    longer: Mapping[float, Sequence[float]]
    unlearnt: float
    diverged: bool
    learning_rate: float

    @property
    def learnt(self) -> bool:
        """Whether waves do no harm: the loss is small, in mean."""
        return float(np.mean(self.losses)) < LEARNT * self.unlearnt


@dataclass(frozen=True)
class Course:
    """A training so far.

    Attributes
    ----------
    losses : sequence of float
        Of each epoch.
    probes : sequence of float
        The loss of the same few rows, before training and after some epochs; none where data are not known.
    unlearnt : float
        That of one who has learnt nothing of these; 0 where it is not known.
    moved : float
        By what part of itself the weight matrix that moved most has done so since training began.
    steps : int
        Since then.
    drops : bool
        Whether some of a layer's outputs are dropped, so that the losses of epochs are noise at any rate.
    diverged : bool
    learning_rate : float
    """

    losses: Sequence[float]
    probes: Sequence[float]
    unlearnt: float
    moved: float
    steps: int
    drops: bool
    diverged: bool
    learning_rate: float

    @property
    def learnt(self) -> bool:
        """Whether the loss is small: in the last ten epochs, or of the few rows."""
        recent = [*self.probes[-1:], float(np.mean(self.losses[-_FEW:])) if self.losses else inf]
        return min(recent) < LEARNT * self.unlearnt


def rate_too_large(steps: Steps) -> Iterator[Finding]:
    """The loss diverges, or ends above half as much again as it began."""
    if steps.diverged:
        what = f"{len(steps.losses)} steps at learning rate {steps.learning_rate:g} diverge"
        yield Finding("rate_too_large", "training", what, f"{_SMALLER}, and scaled inputs")
    elif steps.losses[-1] > max(_RISEN * steps.losses[0], LEARNT * steps.unlearnt):
        what = (
            f"{len(steps.losses) - 1} steps at learning rate {steps.learning_rate:g} raise the loss "
            f"from {steps.losses[0]:.3g} to {steps.losses[-1]:.3g}"
        )
        yield Finding("rate_too_large", "training", what, _SMALLER)


def rate_too_small(steps: Steps) -> Iterator[Finding]:
    """The loss stands still, and falls in as many steps that are longer.

    Or a model that has learnt little barely falls, and by a fifth, and ten times as far, in longer steps.
    """
    if steps.diverged or not barely_falls(steps.losses) or steps.learnt:
        return
    falls = 1.0 - steps.losses[-1] / steps.losses[0]
    beginning = steps.losses[-1] > _BEGINNING * steps.unlearnt
    limit = _FALLING if stands_still(steps.losses) else max(_GAINED, _FARTHER * falls) if beginning else inf
    for rate, losses in steps.longer.items():
        would = 1.0 - losses[-1] / losses[0]
        if would > limit:
            what = (
                f"{len(steps.losses) - 1} steps at learning rate {steps.learning_rate:g} lower the loss by "
                f"{max(falls, 0.0):.2g} of itself, as many at {rate:g} by {would:.2g}"
            )
            yield Finding("rate_too_small", "training", what, f"a larger learning rate, up to {rate:g}")
            return


def noise(steps: Steps) -> Iterator[Finding]:
    """The loss goes up and down by more than a tenth, and of that way less than a tenth is progress."""
    if not steps.diverged and not steps.learnt:
        yield from _noise(steps.losses, "step", steps.learning_rate)


def epochs_diverge(course: Course) -> Iterator[Finding]:
    """The loss is not finite; or of some rows three times what it was before training; or it has risen by half.

    Where the data are not known, neither is whether the model had learnt when training began, and a small loss swings:
    three times, then.
    """
    if course.diverged:
        what = f"training diverged at learning rate {course.learning_rate:g}"
        yield Finding("rate_too_large", "training", what, f"{_SMALLER}, and scaled inputs")
        return
    ways = []
    if course.probes:
        ways.append((course.probes[0], course.probes[-1], _THROWN))
    if len(course.losses) > 3:
        ways.append((course.losses[0], float(np.mean(course.losses[-3:])), _RISEN if course.unlearnt else _THROWN))
    for began, now, limit in ways:
        if now > limit * began and not course.learnt:
            what = f"the loss rose from {began:.3g} to {now:.3g} at learning rate {course.learning_rate:g}"
            yield Finding("rate_too_large", "training", what, f"{_SMALLER}, and scaled inputs")
            return


def epochs_stand_still(course: Course) -> Iterator[Finding]:
    """In five epochs or more, neither loss nor weights changed by a thousandth; or the loss creeps.

    That is, it falls evenly, by less than a tenth in all, with steps of less than 2e-4 of the weights.
    """
    if len(course.losses) < _EPOCHS or course.learnt:
        return
    still = course.moved < _UNMOVED and stands_still(course.losses)
    if still or (course.moved < _SHORT * course.steps and creeps(course.losses)):
        what = (
            f"in {len(course.losses)} epochs at learning rate {course.learning_rate:g} the loss "
            f"{'stands still' if still else f'fell evenly, by {1 - course.losses[-1] / course.losses[0]:.1%}'}, "
            f"and the weights have moved by {course.moved:.1g} of themselves"
        )
        yield Finding("rate_too_small", "training", what, "ten or a hundred times the learning rate")


def epochs_are_noise(course: Course) -> Iterator[Finding]:
    """The same as `noise`, of the last ten epochs, if data are known; not of nets with dropout, whose losses are."""
    if course.unlearnt and not (course.diverged or course.drops or course.learnt):
        yield from _noise(course.losses[-_FEW:], "epoch", course.learning_rate)


def barely_falls(losses: Sequence[float]) -> bool:
    """Whether the loss has never changed by more than a twenty-fifth of itself."""
    return _changes_less(losses, _BARELY)


def stands_still(losses: Sequence[float]) -> bool:
    """Whether the loss has never changed by more than a thousandth of itself."""
    return _changes_less(losses, _STANDING)


def creeps(losses: Sequence[float]) -> bool:
    """Whether the loss falls in each epoch, by a tenth in all at most, and as fast as it began."""
    falls = -np.diff(losses)
    return bool((falls > 0.0).all() and falls[-1] > _EVEN * falls[0]) and _changes_less(losses, _CREEPING)


def _changes_less(losses: Sequence[float], part: float) -> bool:
    first = losses[0] if losses else 0.0
    return first > 0.0 and all(abs(loss - first) < part * first for loss in losses)


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
