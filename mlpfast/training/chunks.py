"""Chunks (X, y[, sample_weight]) of somebody's iterable, checked one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..classweight import weights_of_rows
from ..errors import add_note, integer
from ..frames import column_names
from ..losses import Loss
from ..metrics import Metric, check_one_class
from ..validation import (
    as_features,
    as_targets,
    blank_weightless,
    check_sample_weight,
    code_error,
    n_rows,
    scale_weights,
    without_weightless,
)
from .order import Order
from .rows import Rows

__all__ = ["Chunks", "Wanted"]

_ENDLESS = (itertools.count, itertools.cycle, itertools.repeat)


class Wanted(NamedTuple):
    """What the model and the loss take: rows are checked by it.

    Attributes
    ----------
    loss : Loss
    inputs, outputs : int
    dtype : numpy.dtype
        The model's.
    class_weight : tuple of float, optional
    codes : list of (column, categories)
        Columns of X that hold codes.
    over_batch : bool
        Statistics are taken over a batch.
    skips_weightless : bool
        A row of weight zero is none of a batch.
    metrics : tuple of Metric
    """

    loss: Loss
    inputs: int
    outputs: int
    dtype: np.dtype[Any]
    class_weight: tuple[float, ...] | None = None
    codes: list[tuple[int, int]] = []  # noqa: RUF012 - nobody writes it
    over_batch: bool = False
    skips_weightless: bool = False
    metrics: tuple[Metric, ...] = ()

    def check(self, X: Any, y: Any, sample_weight: Any, of: str) -> Rows:
        """The rows as the engine takes them; a TypeError or ValueError that names what they are `of`."""
        name = f"X{of}"
        features = as_features(X, self.inputs, self.dtype, name=name)
        n = n_rows(features)
        if self.codes and (error := code_error(features, self.codes, X, name)) is not None:
            raise error
        targets = as_targets(y, self.loss, self.outputs, self.dtype, n, name=f"y{of}", features=name)
        given = check_sample_weight(sample_weight, n, name=f"sample_weight{of}", features=name, some=False)
        check_one_class(self.metrics, targets, given, f"y{of}")
        classes = self.class_weight
        of_classes = None if classes is None else weights_of_rows(classes, targets, self.loss, f"y{of}")
        weights, exponent = scale_weights(given, of_classes)
        if exponent:
            raise ValueError(
                f"expected weights nearer to 1 in sample_weight{of}, as they can't be scaled together with those of "
                f"other chunks; got a sum beyond 2**{-exponent}"
            )
        if self.skips_weightless:
            return Rows(*without_weightless(features, targets, weights))
        return Rows(*blank_weightless(features, targets, weights), weights)


class Chunks:
    """What gives the chunks of each epoch.

    Parameters
    ----------
    given : iterable or callable
        A callable is called, and an iterable iterated over, anew for each epoch. An iterator can't be: it serves one
        epoch or, with `steps`, goes on in the next.
    steps : int or None
        Steps of an epoch; by default all chunks are one.
    several : bool
        Whether more than one epoch will be asked for.

    Raises
    ------
    TypeError, ValueError
        If it can't give the chunks of so many epochs.
    """

    rows = None

    def __init__(self, given: Any, steps: int | None, several: bool) -> None:
        self.steps = None if steps is None else integer("steps_per_epoch", steps)
        self._make: Callable[[], Any] = given if not isinstance(given, Iterable) else lambda: given
        self._one_shot: Iterator[Any] | None = None
        self._number, self._kind = 0, ""  # of the next chunk; of those before
        self._columns: list[Any] | None = None  # the names of the first that had some
        if isinstance(given, Iterator):
            self._one_shot = given
            if steps is None and isinstance(given, _ENDLESS):
                raise ValueError(f"expected steps_per_epoch, as {type(given).__name__} never ends, got None")
            if steps is None and several:
                raise ValueError(
                    f"expected epochs=1 of a {type(given).__name__}, which gives its chunks once, got more; "
                    "give the function that makes it, which is then called for each epoch, or steps_per_epoch"
                )

    @property
    def goes_on(self) -> bool:
        """Whether an epoch begins where the last one ended."""
        return self._one_shot is not None

    def epoch(self, wanted: Wanted, order: Order | None) -> Iterator[tuple[int, Rows]]:
        """The chunks of an epoch as they come, with their numbers. What goes wrong with one names it."""
        if self._one_shot is None:
            chunks, self._number, self._kind = _iterate(self._make()), 0, ""
        else:
            chunks = self._one_shot
        while True:
            try:
                given = next(chunks)
            except StopIteration:
                return
            except Exception as error:
                add_note(error, f"raised in place of chunk {self._number}, counted from 0")
                raise
            rows = self._check(given, wanted)
            del given
            yield self._number, rows
            del rows
            self._number += 1

    def _check(self, given: Any, wanted: Wanted) -> Rows:
        number = self._number
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            got = f"{type(given).__name__}" + (f" of length {len(given)}" if isinstance(given, (tuple, list)) else "")
            raise TypeError(f"expected chunk {number} to be (X, y) or (X, y, sample_weight), got {got}")
        X, y, weights = (*given, None)[:3]
        rows = wanted.check(X, y, weights, f" of chunk {number}")
        self._check_columns(X)
        if self._kind not in ("", rows.kind):
            raise ValueError(f"expected all chunks to have {self._kind}, got {rows.kind} in chunk {number}")
        self._kind = rows.kind
        return rows

    def _check_columns(self, X: Any) -> None:
        """See that columns which have names are the same in each chunk, and in the same order."""
        names = column_names(X)
        if names is None:
            return
        columns = list(names)
        first = self._columns = self._columns or columns
        for j, (expected, got) in enumerate(zip(first, columns, strict=True)):
            if expected != got:
                hint = "; put them in one order by X[names]" if {*map(str, first)} == {*map(str, columns)} else ""
                raise ValueError(
                    f"expected column {j} of X of chunk {self._number} to be {expected!r}, as in the chunks before, "
                    f"got {got!r}{hint}"
                )


def _iterate(made: Any) -> Iterator[Any]:
    """The iterator over what was given or made; it ends with its generator closed."""
    if not isinstance(made, Iterable):
        raise TypeError(f"expected the function to return an iterable of chunks (X, y), got {type(made).__name__}")
    iterator = iter(made)
    try:
        yield from iterator
    finally:
        getattr(iterator, "close", int)()
