"""One network of an estimator: what it learns, made ready, and trained on its rows, with its best epoch."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DivergenceError
from ..model import Model
from ..trainer import Trainer
from .best import BestEpoch, Until
from .goals import Goal
from .pace import Pace, epochs_that_fit, times_of
from .plans import ColumnPlan
from .presets import Recipe
from .recipe import make_trainer, network
from .stopping import StopWhen

__all__ = ["Course", "Lesson", "Member", "Ready", "pace_of", "prepared", "train"]

_MOST_TO_ADAPT = 10_000  # rows from which initial values are drawn: deviations of so many are right to 1 %


@dataclass(frozen=True)
class Course:
    """What all members learn.

    Attributes
    ----------
    recipe : Recipe
    plans : sequence of ColumnPlan
    goal : Goal
    Z : ndarray (n, encoded columns) of float32
    targets : ndarray (n,) or (n, outputs)
        As the loss takes them.
    weights : ndarray (n,) or None
    metric : str
        The name of the lessons' score.
    more_is_better : bool
    epochs, batch_size : int
    n_threads : int or None
    deadline : float or None
        ``time.monotonic()`` at which training has to be over.
    verbose : bool or int
    """

    recipe: Recipe
    plans: Sequence[ColumnPlan]
    goal: Goal
    Z: NDArray[np.float32]
    targets: NDArray[Any]
    weights: NDArray[np.float64] | None
    metric: str
    more_is_better: bool
    epochs: int
    batch_size: int
    n_threads: int | None
    deadline: float | None
    verbose: bool | int


@dataclass(frozen=True)
class Lesson:
    """What one member learns: from which rows of the course, with which seed, and what its epochs are judged by.

    A network to `start` from goes on with later rows, and is itself what epochs have to be better than. One that has no
    rows held out is trained `until` a share of its epochs is over.
    """

    rows: NDArray[np.int64]
    seed: int
    score: Callable[[Model, int | None], float]  # of a model, on so many threads
    start: Model | None = None
    until: float | None = None


@dataclass(frozen=True)
class Member:
    """A network with the parameters of its best epoch, 0 if none was finished; its curves, and the epochs planned.

    What `stopped` it in the midst of them, if something did: "interrupted" or "diverged".
    """

    model: Model
    best_epoch: int
    losses: list[float]
    scores: list[float]
    planned: int
    stopped: str = ""


@dataclass(frozen=True)
class Ready:
    """A network that can be trained, and its rows, targets and weights of the course."""

    lesson: Lesson
    model: Model
    Z: NDArray[np.float32]
    targets: NDArray[Any]
    weights: NDArray[np.float64] | None


def prepared(course: Course, lesson: Lesson) -> Ready:
    """The network of a lesson, with initial values that follow its rows, or as it was."""
    rows = lesson.rows
    Z, targets = course.Z[rows], course.targets[rows]
    weights = None if course.weights is None else course.weights[rows] / course.weights[rows].mean()
    if lesson.start is None:
        model = network(course.recipe, course.plans, course.goal, lesson.seed)
        model.adapt(np.ascontiguousarray(Z[:: -(-len(Z) // _MOST_TO_ADAPT)]))
    else:
        model = lesson.start.copy()
    return Ready(lesson, model, Z, targets, weights)


def pace_of(course: Course, lesson: Lesson, deadline: float) -> tuple[Ready, Pace]:
    """The network of a lesson, not trained yet, and how long such a one takes on one thread."""
    began = time.monotonic()
    ready = prepared(course, lesson)
    start = time.monotonic() - began
    score = partial(lesson.score, ready.model, 1)
    times = times_of(_trainer(course, ready, 1, ()), ready.Z, ready.targets, ready.weights, deadline, score)
    return ready, Pace(start + times.start, times.epoch + times.score, times.score)


def train(
    course: Course,
    ready: Ready,
    n_threads: int | None,
    deadline: float | None,
    stop: threading.Event | None,
    verbose: bool | int,
) -> Member:
    """Train a network, up to the deadline or until it is told to `stop`."""
    lesson, model, Z, targets, weights = ready.lesson, ready.model, ready.Z, ready.targets, ready.weights
    score = partial(lesson.score, model, n_threads)
    best = BestEpoch(score, course.more_is_better, f"val_{course.metric}") if lesson.until is None else Until()
    trainer = _trainer(course, ready, n_threads, [best] if stop is None else [best, StopWhen(stop)])
    if isinstance(best, BestEpoch) and lesson.start is not None:
        best.begin(model)
    epochs: float = course.epochs
    left = None
    if deadline is not None:
        epochs = epochs_that_fit(trainer, Z, targets, weights, course.epochs, deadline, score)
        left = max(deadline - time.monotonic(), 1e-6)
    if isinstance(best, Until) and lesson.until is not None:
        best.last = max(round(lesson.until * epochs), 1)
    stopped = ""
    try:
        trainer.fit(Z, targets, epochs, sample_weight=weights, verbose=verbose, max_seconds=left)
    except DivergenceError:
        if best.best_epoch == 0 and lesson.until is None:
            raise
        stopped = "diverged"
    except KeyboardInterrupt:
        stopped = "interrupted"
    if isinstance(best, BestEpoch):
        best.restore(model)
    return Member(model, best.best_epoch, best.losses, list(best.scores), math.ceil(epochs), stopped)


def _trainer(course: Course, ready: Ready, n_threads: int | None, callbacks: Iterable[Any]) -> Trainer:
    batch_size, later = min(course.batch_size, len(ready.Z)), ready.lesson.start is not None
    return make_trainer(ready.model, course.goal, batch_size, ready.lesson.seed, n_threads, callbacks, later)
