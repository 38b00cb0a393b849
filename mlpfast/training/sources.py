"""What `fit` was given: one array, whose rows the engine reads where they are, or what is read piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..classweight import balanced
from ..validation import as_targets, may_give_chunks
from .chunks import Chunks, Wanted
from .feed import Feed
from .mapped import FileRows, Mapped, is_mapped

__all__ = ["feed_of"]


def feed_of(
    X: Any,
    y: Any,
    sample_weight: Any,
    wanted: Callable[[], Wanted],
    *,
    class_weight: str | tuple[float, ...] | None = None,
    steps_per_epoch: int | None = None,
    several: bool = False,
) -> Feed | None:
    """The feed of rows that come in chunks, or lie in a file; None for an array, sparse or not.

    `wanted` is asked only where there is one.

    Raises
    ------
    TypeError, ValueError
        If X gives no chunks and y is missing, or arguments do not go together.
    """
    if y is not None and not callable(X) and not is_mapped(X):
        if steps_per_epoch is not None:
            raise ValueError(
                f"expected steps_per_epoch with an iterable of chunks alone, got {steps_per_epoch} beside arrays"
            )
        return None
    if y is not None and is_mapped(X):
        if steps_per_epoch is not None:
            raise ValueError(f"expected steps_per_epoch with an iterable of chunks alone, got {steps_per_epoch}")
        takes = wanted()
        mapped = Mapped(X, y, sample_weight, takes.inputs)
        if class_weight == "balanced":
            all_y = FileRows(y, "y")[: len(y)] if is_mapped(y) else y
            targets = as_targets(all_y, takes.loss, takes.outputs, takes.dtype, len(X))
            class_weight = balanced(targets, takes.loss, takes.outputs)
        if takes.skips_weightless and (sample_weight is not None or class_weight is not None):
            mapped.rows = None  # some may weigh nothing
        return Feed(mapped, _weighed(takes, class_weight))
    if not may_give_chunks(X):
        raise TypeError(
            f"expected y beside X, or an iterable of chunks (X, y), or a function that makes one, for X; "
            f"got {type(X).__name__} alone"
        )
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(f"expected {name} within the chunks (X, y[, sample_weight]), got it beside them")
    if class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' needs all of y, got chunks of it; assign trainer.class_weight numbers, by class"
        )
    return Feed(Chunks(X, steps_per_epoch, several), _weighed(wanted(), class_weight))


def _weighed(wanted: Wanted, class_weight: Any) -> Wanted:
    return wanted._replace(class_weight=class_weight)
