"""The networks of an estimator: several of them side by side, as many as there is time for."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial

import numpy as np

from ..callers import levels_to_the_user
from ..training.threads import threads_for
from .finishing import finished
from .members import Course, Lesson, Member, Ready, pace_of, prepared, train
from .pace import Pace

__all__ = ["train_all"]

_LOOK = 0.1  # seconds between looks for Ctrl-C


def train_all(course: Course, lessons: Sequence[Lesson]) -> tuple[list[Member], list[int], bool]:
    """Train a network for each lesson; those that are kept, the numbers of their lessons, and whether none was
    interrupted.

    Several are trained side by side, each on one thread, so that their bits do not depend on how many there are. Where
    the time is too short for all, the first ones are, so many that each has half of its epochs, or of the recipe's, if
    these are fewer; where it does for one only, that one has all threads. After Ctrl-C, or an error, all of them stop
    within their epoch; after Ctrl-C those with an epoch are kept, or, if there are none, as far as they came; and those
    that go on with later rows as they were before.
    """
    workers = min(len(lessons), threads_for(course.n_threads))
    first, pace = None, None
    wanted = len(lessons)
    if wanted > 1 and course.deadline is not None:
        first, pace = pace_of(course, lessons[0], course.deadline)
        if lessons[0].start is None:  # those that go on with later rows are there, trained or not
            left = course.deadline - time.monotonic()
            epochs = min(course.epochs, course.recipe.epochs_for(len(lessons[0].rows)))
            lessons = lessons[: pace.networks_that_fit(wanted, epochs, left, workers)]
    if len(lessons) == 1:
        ready = first or prepared(course, lessons[0])
        member = train(course, ready, course.n_threads, course.deadline, None, course.verbose)
        _warn_if_stopped(lessons[0], member)
        return [member], [0], not member.stopped
    found, whole = _side_by_side(course, lessons, workers, first, pace)
    for number, member in sorted(found.items()):
        _warn_if_stopped(lessons[number], member)
    as_they_were = {i: lesson.start for i, lesson in enumerate(lessons) if lesson.start is not None and i not in found}
    found |= {i: Member(model, 0, [], [], course.epochs) for i, model in as_they_were.items()}
    kept = [i for i in sorted(found) if found[i].best_epoch > 0 or lessons[i].start]
    again = lessons[0].until is not None
    if not (kept or again):
        kept = list(found)
    if not whole:
        if not (kept or again):
            raise KeyboardInterrupt
        which = "networks of all rows" if again else "networks"
        warnings.warn(f"interrupted; {len(kept)} of {wanted} {which} are kept", stacklevel=levels_to_the_user())
    return [found[number] for number in kept], kept, whole


def _warn_if_stopped(lesson: Lesson, member: Member) -> None:
    """Here, as a warning in a thread of its own would name no line of the user's."""
    if member.stopped:
        done = len(member.losses)
        when = f"after {done:,} epoch{'s' if done > 1 else ''}" if done else "within the first epoch"
        if lesson.until is not None:
            kept = "the networks before this one are kept"
        elif done or lesson.start is not None:
            kept = "the best of them is kept" if done else "the network before it is kept"
        else:
            kept = "what it has learnt so far is kept"
        warnings.warn(f"{member.stopped} {when}; {kept}", stacklevel=levels_to_the_user())


def _side_by_side(
    course: Course, lessons: Sequence[Lesson], workers: int, first: Ready | None, pace: Pace | None
) -> tuple[dict[int, Member], bool]:
    """The networks by number, and whether all of them were trained to their end; the first one may be ready."""
    stop = threading.Event()
    over = None
    if course.deadline is not None and pace is not None:  # all workers predict what was held out, after training
        over = course.deadline - pace.score * len(lessons) / workers

    def one(number: int) -> Member:
        deadline = over
        if over is not None:  # what is left is for several, one after the other
            turns = -(-(len(lessons) - number) // workers)
            now = time.monotonic()
            deadline = now + (over - now) / turns
        with np.errstate(all="ignore"):  # threads have settings of their own
            ready = first if first is not None and number == 0 else prepared(course, lessons[number])
            return train(course, ready, 1, deadline, stop, 0)

    whole, places = True, {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            for number in range(len(lessons)):  # the first ones are trained meanwhile
                places[pool.submit(one, number)] = number
            done = _as_done(places)
            for future in _shown(done, len(lessons), f"val_{course.metric}") if course.verbose else done:
                future.result()
        except BaseException as error:
            stop.set()
            for future in places:
                future.cancel()
            if not isinstance(error, KeyboardInterrupt):
                raise
            whole = False
            finished(partial(wait, places), stop)
    found = {number: future.result() for future, number in places.items() if not future.cancelled()}
    return found, whole


def _as_done(futures: Iterable[Future[Member]]) -> Iterator[Future[Member]]:
    """Each when it is done; a signal that the system gives to another thread does not wake a wait without an end."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, _LOOK, FIRST_COMPLETED)
        yield from done


def _shown(futures: Iterable[Future[Member]], total: int, name: str) -> Iterator[Future[Member]]:
    """With a progress bar, that has the metric of the last network's best epoch."""
    from tqdm.auto import tqdm  # here: a silent fit need not pay for the import

    bar = tqdm(futures, desc="networks", total=total, dynamic_ncols=True)
    for future in bar:
        member = future.result()
        if member.best_epoch:
            bar.set_postfix({name: member.scores[member.best_epoch - 1]})
        yield future
