"""From a table and its targets to what is to be trained: the half of `fit` that trains nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from .asked import Asked
from .columns import Table
from .encoder import TableEncoder
from .exam import Exam, held_rows
from .members import Course, Lesson
from .presets import Recipe
from .reading import read_table
from .refit import shared_deadline
from .scoring import Scorer
from .splitting import Split, splits_of, weighed
from .targets import weights_of

__all__ = ["Brief", "brief_of", "encoder_of", "in_place"]


class Brief(NamedTuple):
    """What is to be trained, and what that is of.

    Attributes
    ----------
    table : Table
    targets : ndarray (n,) or (n, targets)
        In their own units.
    encoder : TableEncoder
    learnt : dict
        What targets have taught.
    held : ndarray of int, or None
        The numbers of all rows that are held out, in the order that `exam` has; None of rows of the user's own.
    exam : Exam
    course : Course
    lessons : list of Lesson
    seeds : list of int
        Of networks of all rows.
    """

    table: Table
    targets: NDArray[Any]
    encoder: TableEncoder
    learnt: dict[str, Any]
    held: NDArray[np.int64] | None
    exam: Exam
    course: Course
    lessons: list[Lesson]
    seeds: list[int]


def brief_of(
    estimator: Any, asked: Asked, deadline: float | None, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any,
    groups: Any, users: Mapping[str, Any],
) -> Brief:  # fmt: skip
    """All that is checked, learnt of the data and planned before anything is trained."""
    owner, later, again = type(estimator).__name__, asked.later, estimator.n_refit
    table = read_table(X, owner=owner)
    if later:
        table = estimator.encoder_._arranged(table, owner)
    learnt, targets, weights = (estimator._later_targets if later else estimator._learn_targets)(y, table.rows)
    weights = weights_of(weights, sample_weight, targets)
    rng = check_random_state(estimator.random_state)
    seeds = [int(rng.randint(2**31 - 1))]
    splits = _splits(estimator, asked, targets, weights, X_val, groups, rng)
    taught = np.unique(np.concatenate([train for train, _ in splits]))
    encoder = estimator.encoder_ if later else encoder_of(estimator, asked.recipe, table, taught)
    Z = encoder._encode(table, estimator.n_threads)
    held, holder = held_rows([rows for _, rows in splits])
    if X_val is None:
        validation = Z[held], targets[held], None if weights is None else weights[held]
    else:
        validation = _validation(estimator, encoder, X_val, y_val, learnt)
    if Z.shape[1] == 0:
        raise ValueError("expected a column of X with values, got none: all of them are missing")
    name, function, more = estimator._scorer(estimator.eval_metric, learnt)
    if callable(estimator.eval_metric):
        function = partial(_under, users, function)
    native = estimator._rescale(learnt, targets[taught], later)
    finish, mean = partial(estimator._finish, learnt=dict(learnt)), partial(estimator._mean, learnt=dict(learnt))
    exam = Exam(*validation, holder, function, finish, mean)
    for number in range(asked.networks):
        estimator._check_held(name, exam.targets_of(number), learnt)
    if not later:
        estimator._warn_of_untaught(targets[taught], learnt)
    course = Course(
        recipe=asked.recipe,
        plans=encoder.columns_,
        goal=estimator._goal(learnt),
        Z=Z,
        targets=in_place(native, taught, len(Z)),
        weights=weights,
        metric=name,
        more_is_better=more,
        epochs=estimator.epochs or asked.recipe.epochs_for(len(splits[0][0])),
        batch_size=estimator.batch_size or asked.recipe.batch_size,
        n_threads=estimator.n_threads,
        deadline=shared_deadline(deadline, time.monotonic(), sum(len(train) for train, _ in splits), again * len(Z)),
        verbose=estimator.verbose,
    )
    seeds += rng.randint(2**31 - 1, size=asked.wanted - 1 + again).tolist()
    starts = estimator.models_ if later else [None] * asked.networks
    lessons = [Lesson(splits[i][0], seeds[i], exam.score_of(i), starts[i]) for i in range(asked.networks)]
    own = None if X_val is not None else held
    return Brief(table, targets, encoder, learnt, own, exam, course, lessons, seeds[asked.wanted :])


def _splits(
    estimator: Any,
    asked: Asked,
    targets: NDArray[Any],
    weights: NDArray[np.float64] | None,
    X_val: Any,
    groups: Any,
    rng: np.random.RandomState,
) -> list[Split]:
    """For each network the rows that it is trained on, and those held out: none beside rows of the user's own."""
    n = len(targets)
    if X_val is None:
        labels = targets if estimator._classifier and targets.ndim == 1 else None
        splits = splits_of(estimator.validation, asked.wanted, n, labels, groups, rng)[: asked.networks]
    else:
        splits = [(np.arange(n), np.arange(0))] * asked.networks
    return weighed(splits, weights)


def _validation(
    estimator: Any, encoder: TableEncoder, X_val: Any, y_val: Any, learnt: Mapping[str, Any]
) -> tuple[NDArray[Any], NDArray[Any], None]:
    """Rows of the user's own as an `Exam` takes them: encoded, their targets, and no weights."""
    Z = encoder._rows_of(X_val, type(estimator).__name__, estimator.n_threads, "X_val")
    return Z, estimator._more_targets(y_val, len(Z), learnt), None


def encoder_of(estimator: Any, recipe: Recipe, table: Table, rows: NDArray[np.int64]) -> TableEncoder:
    """Of the columns, by what these rows have of them."""
    frequency = recipe.frequency_for(len(rows))
    encoder = TableEncoder(estimator.categorical_features, views=True, min_frequency=frequency)
    encoder._learn(table if len(rows) == table.rows else table.taken(rows))
    return encoder


def in_place(values: NDArray[Any], rows: NDArray[np.int64], n: int, other: float = 0) -> NDArray[Any]:
    """An array (n, ...) with these values in these rows."""
    array = np.full((n, *values.shape[1:]), other, values.dtype)
    array[rows] = values
    return array


def _under(users: Mapping[str, Any], score: Scorer, y: NDArray[Any], found: NDArray[Any], weights: Any) -> float:
    with np.errstate(**users):
        return score(y, found, weights)
