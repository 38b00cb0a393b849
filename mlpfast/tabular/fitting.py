"""From a table and its targets to networks, and what they teach: the frame of the estimators' `fit`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..callers import levels_to_the_user
from ..model import Model
from .asked import asked_of
from .brief import Brief, brief_of, encoder_of, in_place
from .encoder import TableEncoder
from .ensemble import train_all
from .exam import Exam
from .finishing import finished
from .held import Held
from .members import Course, Member
from .refit import refitted, trained_to_their_end

__all__ = ["fitted"]

_AFTER = 0.05  # of max_seconds, for what comes after training


def fitted(
    estimator: Any, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, groups: Any, users: Mapping[str, Any]
) -> dict[str, Any]:
    """All that a `BaseTabular` learns, as its `_set` takes it; the estimator is unchanged.

    `users` is their `np.geterr`, which holds in a function as `eval_metric`.
    """
    began = time.monotonic()
    asked = asked_of(estimator, y, X_val, y_val)
    deadline = None if asked.limit is None else began + (1 - _AFTER) * asked.limit
    brief = brief_of(estimator, asked, deadline, X, y, sample_weight, X_val, y_val, groups, users)
    members, kept, whole = train_all(brief.course, brief.lessons)
    models, encoder, course = [member.model for member in members], brief.encoder, brief.course
    exam, trained, interrupted = brief.exam.of(kept), len(brief.lessons[0].rows), Event()
    examined = partial(
        _examined, estimator, exam, models, encoder, brief.learnt, interrupted=interrupted, metric=course.metric,
        more_is_better=course.more_is_better, trained=trained, epochs=len(members[0].scores),
        seed=brief.lessons[0].seed, seconds=None if asked.limit is None else asked.limit * _AFTER,
    )  # fmt: skip
    found, learnt, best_score = finished(examined, interrupted)
    if asked.limit is not None and whole and not asked.later:
        _warn_if_too_short(asked.limit, len(members[0].scores), course, best_score, learnt["baseline_score_"])
    learnt |= {
        "_oof": None,
        "refit_epoch_": 0,
        "n_training_rows_": trained,
        "n_validation_rows_": len(found),
        "n_epochs_planned_": members[0].planned,
        "n_networks_planned_": asked.wanted,
    }
    if asked.wanted > 1 and brief.held is not None:
        holder = brief.exam.holder
        rows = brief.held if holder is None else brief.held[np.isin(holder, kept)]
        learnt["_oof"] = in_place(estimator._answers(found, learnt), rows, len(course.Z), np.nan)
    if brief.seeds and whole and not interrupted.is_set() and trained_to_their_end(members):
        try:
            again = _again(estimator, brief, deadline, members, learnt)
            models, encoder, learnt = again or (models, encoder, learnt)
        except KeyboardInterrupt:
            interrupted.set()
    if interrupted.is_set():
        message = "interrupted after training; networks that had rows held out are kept"
        warnings.warn(message, stacklevel=levels_to_the_user())
    return {
        "encoder": encoder,
        "models": models,
        "learnt": learnt,
        "history": {"loss": members[0].losses, f"val_{course.metric}": members[0].scores},
        "best_epochs": [member.best_epoch for member in members],
        "best_score": best_score,
    }


def _again(
    estimator: Any, brief: Brief, deadline: float | None, members: Sequence[Member], learnt: Mapping[str, Any]
) -> tuple[list[Model], TableEncoder, dict[str, Any]] | None:
    """Networks that are trained on all rows, the columns of these and what was learnt; None, if there is no time."""
    course, n = brief.course, brief.table.rows
    rows = np.arange(n) if course.weights is None else np.flatnonzero(course.weights)
    encoder, units = encoder_of(estimator, course.recipe, brief.table, rows), dict(learnt)
    course = replace(
        course,
        plans=encoder.columns_,
        Z=encoder._encode(brief.table, estimator.n_threads),
        targets=in_place(estimator._rescale(units, brief.targets[rows]), rows, n),
        deadline=deadline,
    )
    models, epoch = refitted(course, members, rows, brief.seeds)
    return (models, encoder, units | {"refit_epoch_": epoch}) if models else None


def _examined(
    estimator: Any,
    exam: Exam,
    models: Sequence[Model],
    encoder: TableEncoder,
    learnt: Mapping[str, Any],
    **of_training: Any,
) -> tuple[NDArray[Any], dict[str, Any], float]:
    """What networks say of the rows held out; all that was learnt, with what that teaches; and its score.

    `of_training` are fields of `Held`.
    """
    found = exam.predict(models, estimator.n_threads, exam.Z, np.arange(len(exam.Z)))
    held = Held(
        Z=exam.Z,
        targets=exam.targets,
        weights=exam.weights if exam.weights is None or exam.weights.any() else None,
        found=found,
        predict=partial(exam.predict, models, estimator.n_threads),
        score=exam.score,
        **of_training,
    )
    return found, {**learnt, **estimator._after_fit(held, encoder.columns_, learnt)}, exam.result(found)


def _warn_if_too_short(limit: float, done: int, course: Course, score: float, baseline: float) -> None:
    """That the time was too short for anything to be learnt, which a report says that nobody may have asked for."""
    worthless = score <= baseline if course.more_is_better else score >= baseline
    if worthless and done < course.epochs:
        message = (
            f"max_seconds={limit:g} was enough for {done} of {course.epochs} epochs, no better than one answer "
            f"for all rows: {course.metric} {score:.4g}, where that has {baseline:.4g}"
        )
        warnings.warn(message, stacklevel=levels_to_the_user())
