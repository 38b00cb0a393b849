"""The networks of an estimator: each trained on its rows, with its best epoch; several of them side by side."""

from __future__ import annotations

import math
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DivergenceError
from ..model import Model
from ..training.threads import threads_for
from .best import BestEpoch
from .goals import Goal
from .pace import epochs_that_fit
from .plans import ColumnPlan
from .presets import Recipe
from .recipe import make_trainer, network

__all__ = ["Course", "Lesson", "Member", "train_all"]

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

    A network to `start` from goes on with later rows, and is itself what epochs have to be better than.
    """

    rows: NDArray[np.int64]
    seed: int
    score: Callable[[Model, int | None], float]  # of a model, on so many threads
    start: Model | None = None


@dataclass(frozen=True)
class Member:
    """A network with the parameters of its best epoch, 0 if none was finished; its curves, and the epochs planned."""

    model: Model
    best_epoch: int
    losses: list[float]
    scores: list[float]
    planned: int


def train_all(course: Course, lessons: Sequence[Lesson]) -> tuple[list[Member], list[int]]:
    """Train a network for each lesson; those that are kept, and the numbers of their lessons.

    Several are trained side by side, each on one thread, so that their bits do not depend on how many there are. After
    Ctrl-C, or an error, all of them stop at the end of their epoch; after Ctrl-C, those with an epoch are kept.
    """
    if len(lessons) == 1:
        try:
            member = _train(course, lessons[0], course.n_threads, course.deadline, None, course.verbose)
        except _Interrupted as interrupted:
            member = interrupted.member
            warnings.warn(f"interrupted after {len(member.scores)} epochs; the best of them is kept", stacklevel=5)
        return [member], [0]
    found, whole = _side_by_side(course, lessons)
    kept = [i for i, member in found.items() if member.best_epoch > 0 or lessons[i].start] or list(found)
    if not whole:
        if not kept:
            raise KeyboardInterrupt
        warnings.warn(f"interrupted; {len(kept)} of {len(lessons)} networks are kept", stacklevel=5)
    return [found[number] for number in kept], kept


class _Interrupted(Exception):
    """Ctrl-C, with what there is by then."""

    def __init__(self, member: Member) -> None:
        self.member = member


def _side_by_side(course: Course, lessons: Sequence[Lesson]) -> tuple[dict[int, Member], bool]:
    workers = min(len(lessons), threads_for(course.n_threads))
    stop = threading.Event()

    def one(number: int) -> Member:
        deadline = course.deadline
        if deadline is not None:  # what is left is for several, one after the other
            turns = -(-(len(lessons) - number) // workers)
            now = time.monotonic()
            deadline = now + (deadline - now) / turns
        return _train(course, lessons[number], 1, deadline, stop, 0)

    whole = True
    with ThreadPoolExecutor(workers) as pool:
        places = {pool.submit(one, number): number for number in range(len(lessons))}
        try:
            for future in _shown(as_completed(places), len(lessons), course.verbose):
                future.result()
        except BaseException as error:
            stop.set()
            for future in places:
                future.cancel()
            if not isinstance(error, KeyboardInterrupt):
                raise
            whole = False
    found = {number: future.result() for future, number in places.items() if not future.cancelled()}
    return found, whole


def _shown(futures: Iterable[Future[Member]], total: int, verbose: bool | int) -> Iterable[Future[Member]]:
    if not verbose:
        return futures
    from tqdm.auto import tqdm  # here: a silent fit need not pay for the import

    shown: Iterable[Future[Member]] = tqdm(futures, desc="networks", total=total, dynamic_ncols=True)
    return shown


def _train(
    course: Course,
    lesson: Lesson,
    n_threads: int | None,
    deadline: float | None,
    stop: threading.Event | None,
    verbose: bool | int,
) -> Member:
    rows = lesson.rows
    Z, targets = course.Z[rows], course.targets[rows]
    weights = None if course.weights is None else course.weights[rows] / course.weights[rows].mean()
    if lesson.start is None:
        model = network(course.recipe, course.plans, course.goal, lesson.seed)
        model.adapt(np.ascontiguousarray(Z[:: -(-len(Z) // _MOST_TO_ADAPT)]))
    else:
        model = lesson.start.copy()

    def score() -> float:
        return lesson.score(model, n_threads)

    best = BestEpoch(score, course.more_is_better, f"val_{course.metric}", stop)
    batch_size, later = min(course.batch_size, len(Z)), lesson.start is not None
    trainer = make_trainer(model, course.goal, batch_size, lesson.seed, n_threads, [best], later)
    if later:
        best.begin(model)
    epochs: float = course.epochs
    left = None
    if deadline is not None:
        epochs = epochs_that_fit(trainer, Z, targets, weights, course.epochs, deadline, score)
        left = max(deadline - time.monotonic(), 1e-6)
    interrupted = False
    try:
        trainer.fit(Z, targets, epochs, sample_weight=weights, verbose=verbose, max_seconds=left)
    except DivergenceError:
        if best.best_epoch == 0:
            raise
        warnings.warn(f"diverged after {len(best.scores)} epochs; the best of them is kept", stacklevel=6)
    except KeyboardInterrupt:
        interrupted = True
    best.restore(model)
    member = Member(model, best.best_epoch, best.losses, best.scores, math.ceil(epochs))
    if interrupted:
        raise _Interrupted(member)
    return member
