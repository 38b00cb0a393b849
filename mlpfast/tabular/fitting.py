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
from sklearn.utils import check_random_state

from ..callers import levels_to_the_user
from ..model import Model
from .asked import asked_of, settings_of
from .columns import Table
from .encoder import TableEncoder
from .ensemble import train_all
from .exam import Exam, held_rows
from .finishing import finished
from .held import Held
from .members import Course, Lesson
from .presets import Recipe
from .reading import read_table
from .recipe import make_trainer
from .refit import refitted, shared_deadline, trained_to_their_end
from .scoring import Scorer
from .splitting import splits_of, weighed
from .targets import weights_of_rows

__all__ = ["fitted", "gone_on"]

_LARGE = 1e100  # of weights
_AFTER = 0.05  # of max_seconds, for what comes after training


def fitted(
    estimator: Any, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, groups: Any, users: Mapping[str, Any]
) -> dict[str, Any]:
    """All that a `BaseTabular` learns, as its `_set` takes it; the estimator is unchanged.

    `users` is their `np.geterr`, which holds in a function as `eval_metric`.
    """
    began = time.monotonic()
    recipe, count, limit, later, networks = asked_of(estimator, y, X_val, y_val)
    again, deadline = estimator.n_refit, None if limit is None else began + (1 - _AFTER) * limit
    owner = type(estimator).__name__
    table = read_table(X, owner=owner)
    if later:
        table = estimator.encoder_._arranged(table, owner)
    learnt, targets, weights = (estimator._later_targets if later else estimator._learn_targets)(y, table.rows)
    weights = _weights(weights, sample_weight, targets)
    rng = check_random_state(estimator.random_state)
    seeds = [int(rng.randint(2**31 - 1))]
    if X_val is None:
        labels = targets if estimator._classifier and targets.ndim == 1 else None
        splits = splits_of(estimator.validation, count, table.rows, labels, groups, rng)[:networks]
        splits = weighed(splits, weights)
        taught = np.unique(np.concatenate([train for train, _ in splits]))
        held, holder = held_rows([rows for _, rows in splits])
    else:
        taught = np.arange(table.rows)
        splits, held, holder = [(taught, taught)] * networks, taught[:0], None
    encoder = estimator.encoder_ if later else _encoder(estimator, recipe, table, taught)
    Z = encoder._encode(table, estimator.n_threads)
    if X_val is None:
        Z_val, held_targets, held_weights = Z[held], targets[held], None if weights is None else weights[held]
    else:
        arranged = encoder._arranged(read_table(X_val, "X_val", owner), owner, "X_val")
        Z_val = encoder._encode(arranged, estimator.n_threads)
        held_targets, held_weights = estimator._more_targets(y_val, len(Z_val), learnt), None
    if Z.shape[1] == 0:
        raise ValueError("expected a column of X with values, got none: all of them are missing")
    name, function, more = estimator._scorer(estimator.eval_metric, learnt)
    if callable(estimator.eval_metric):
        function = partial(_under, users, function)
    native = estimator._rescale(learnt, targets[taught], later)
    finish, mean = partial(estimator._finish, learnt=dict(learnt)), partial(estimator._mean, learnt=dict(learnt))
    exam = Exam(Z_val, held_targets, held_weights, holder, function, finish, mean)
    for number in range(networks):
        estimator._check_held(name, exam.targets_of(number), learnt)
    course = Course(
        recipe=recipe,
        plans=encoder.columns_,
        goal=estimator._goal(learnt),
        Z=Z,
        targets=_in_place(native, taught, len(Z)),
        weights=weights,
        metric=name,
        more_is_better=more,
        epochs=estimator.epochs or recipe.epochs_for(len(splits[0][0])),
        batch_size=estimator.batch_size or recipe.batch_size,
        n_threads=estimator.n_threads,
        deadline=shared_deadline(deadline, time.monotonic(), sum(len(train) for train, _ in splits), again * len(Z)),
        verbose=estimator.verbose,
    )
    seeds += rng.randint(2**31 - 1, size=count - 1 + again).tolist()
    starts = estimator.models_ if later else [None] * networks
    lessons = [Lesson(splits[i][0], seeds[i], exam.score_of(i), starts[i]) for i in range(networks)]
    members, kept, whole = train_all(course, lessons)
    models = [member.model for member in members]
    exam = exam.of(kept)
    interrupted = Event()
    examined = partial(
        _examined, estimator, exam, models, encoder, learnt, interrupted=interrupted, metric=name, more_is_better=more,
        trained=len(lessons[0].rows), epochs=len(members[0].scores), seed=seeds[0],
        seconds=None if limit is None else limit * _AFTER,
    )  # fmt: skip
    found, learnt, best_score = finished(examined, interrupted)
    learnt |= {"_oof": None, "refit_epoch_": 0}
    if limit is not None and whole and not later:
        _warn_if_too_short(limit, len(members[0].scores), course, best_score, learnt["baseline_score_"])
    if count > 1 and X_val is None:
        rows = held if holder is None else held[np.isin(holder, kept)]
        learnt["_oof"] = _in_place(estimator._answers(found, learnt), rows, len(Z), np.nan)
    if again and whole and not interrupted.is_set() and trained_to_their_end(members):
        rows = np.arange(len(Z)) if weights is None else np.flatnonzero(weights)
        try:
            of_all, units = _encoder(estimator, recipe, table, rows), dict(learnt)
            native = _in_place(estimator._rescale(units, targets[rows]), rows, len(Z))
            course = replace(
                course,
                plans=of_all.columns_,
                Z=of_all._encode(table, estimator.n_threads),
                targets=native,
                deadline=deadline,
            )
            refit, epoch = refitted(course, members, rows, seeds[count:])
        except KeyboardInterrupt:
            refit = []
            interrupted.set()
        if refit:
            models, encoder, learnt = refit, of_all, units | {"refit_epoch_": epoch}
    if interrupted.is_set():
        message = "interrupted after training; networks that had rows held out are kept"
        warnings.warn(message, stacklevel=levels_to_the_user())
    return {
        "encoder": encoder,
        "models": models,
        "learnt": learnt
        | {
            "n_training_rows_": len(lessons[0].rows),
            "n_validation_rows_": len(found),
            "n_epochs_planned_": members[0].planned,
            "n_networks_planned_": count,
        },
        "history": {"loss": members[0].losses, f"val_{name}": members[0].scores},
        "best_epochs": [member.best_epoch for member in members],
        "best_score": best_score,
    }


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


def gone_on(estimator: Any, X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """What a `BaseTabular` that is fitted learns of one pass through later rows; the estimator is unchanged."""
    owner = type(estimator).__name__
    recipe, *_ = settings_of(estimator)
    estimator._check_goes_on()
    encoder = estimator.encoder_
    table = encoder._arranged(read_table(X, owner=owner), owner)
    learnt, targets, weights = estimator._later_targets(y, table.rows)
    weights = _weights(weights, sample_weight, targets)
    Z, native = encoder._encode(table, estimator.n_threads), estimator._rescale(learnt, targets, later=True)
    seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    batch_size = min(estimator.batch_size or recipe.batch_size, table.rows)
    models = [model.copy() for model in estimator.models_]
    for number, model in enumerate(models):
        trainer = make_trainer(
            model, estimator._goal(learnt), batch_size, seed + number, estimator.n_threads, later=True
        )
        trainer.fit(Z, native, 1, sample_weight=weights, verbose=0)
    return {**learnt, "models_": models}


def _weights(weights: NDArray[np.float64] | None, given: Any, targets: NDArray[Any]) -> NDArray[np.float64] | None:
    """Those of the classes times those that are given."""
    if given is None:
        return weights if weights is None else _summable(weights)
    checked = _summable(weights_of_rows(given, targets))
    weights = checked if weights is None else _summable(weights) * checked
    if not weights.any():
        raise ValueError("expected a positive sum of the rows' weights, got zeros only")
    return weights


def _summable(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """As they are, or in units of the largest, where that is so large that sums of products could be infinite."""
    largest = weights.max()
    return weights / largest if largest > _LARGE else weights


def _under(users: Mapping[str, Any], score: Scorer, y: NDArray[Any], found: NDArray[Any], weights: Any) -> float:
    with np.errstate(**users):
        return score(y, found, weights)


def _encoder(estimator: Any, recipe: Recipe, table: Table, rows: NDArray[np.int64]) -> TableEncoder:
    """Of the columns, by what these rows have of them."""
    frequency = recipe.frequency_for(len(rows))
    encoder = TableEncoder(estimator.categorical_features, views=True, min_frequency=frequency)
    encoder._learn(table if len(rows) == table.rows else table.taken(rows))
    return encoder


def _in_place(values: NDArray[Any], rows: NDArray[np.int64], n: int, other: float = 0) -> NDArray[Any]:
    """An array (n, ...) with these values in these rows."""
    array = np.full((n, *values.shape[1:]), other, values.dtype)
    array[rows] = values
    return array
