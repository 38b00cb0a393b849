"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..directions import larger_is_better
from ..errors import unknown_name
from .style import BACKWARD, CLASS_COLOURS, FORWARD, quiet, take_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["learning_curves"]

_DECADES = 1.5  # from here on, a logarithmic axis shows more


def learning_curves(
    history: Mapping[str, Any], quantity: str = "loss", *, log: bool | None = None, ax: Axes | None = None
) -> Axes:
    """A quantity epoch by epoch, in training and in validation, with the best epoch of the latter.

    Parameters
    ----------
    history : History, or mapping from str to History
        What `Trainer.fit` returned, or several of these under names of yours: a colour for each.
    quantity : str, default "loss"
        A key of the history; where it has "val_<quantity>", that is drawn, too.
    log : bool, optional
        Whether the axis is logarithmic; by default where positive values go over one and a half decades.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If a history is no mapping, has no such key, or no epoch, or what it has are not numbers.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import mlpfast as mf
    >>> history = {"loss": [1.0, 0.4, 0.1], "val_loss": [1.1, 0.6, 0.7]}
    >>> ax = mf.plot.learning_curves(history)
    >>> [line.get_label() for line in ax.get_lines()[:2]]
    ['training', 'validation']
    """
    if not isinstance(history, Mapping):
        hint = "; give its history" if hasattr(history, "history") else ""
        raise TypeError(f"expected a History, or a mapping from names to these, got {type(history).__name__}{hint}")
    several = bool(history) and all(isinstance(each, Mapping) for each in history.values())
    curves = {
        name: (_values(each, quantity), _values(each, f"val_{quantity}") if f"val_{quantity}" in each else None)
        for name, each in (history if several else {"": history}).items()
    }
    ax = take_axes(ax)
    drawn: list[float] = []
    for number, (name, (training, held_out)) in enumerate(curves.items()):
        colour = CLASS_COLOURS[number % len(CLASS_COLOURS)] if several else FORWARD
        epochs = np.arange(1, len(training) + 1)
        marker = "o" if len(epochs) == 1 else None
        ax.plot(epochs, training, color=colour, marker=marker, label=name or "training")
        drawn += training
        if held_out is not None:
            dashes = "--" if several else "-"
            label = "_" if several else "validation"
            ax.plot(
                np.arange(1, len(held_out) + 1),
                held_out,
                dashes,
                color=colour if several else BACKWARD,
                marker=marker,
                label=label,
            )
            drawn += held_out
            if not several and len(epochs) > 1:
                _mark_best(ax, quantity, np.asarray(held_out))
    if log or (log is None and min(drawn) > 0 and np.log10(max(drawn) / min(drawn)) > _DECADES):
        ax.set_yscale("log")
    quiet(ax, xlabel="epoch", ylabel=quantity)
    ax.locator_params(axis="x", integer=True)
    held_out_too = any(held_out is not None for _, held_out in curves.values())
    ax.legend(frameon=False, title="dashed: validation" if several and held_out_too else None)
    return ax


def _values(history: Mapping[str, Any], quantity: str) -> list[float]:
    """A number for each epoch."""
    if quantity not in history:
        if not history:
            raise ValueError("expected a history of at least one epoch, got an empty one")
        raise unknown_name("quantity", quantity, tuple(history))
    values = np.asarray(history[quantity])
    if values.dtype.kind not in "fiu" or values.ndim != 1 or not values.size:
        raise ValueError(f"expected a number for each epoch, one at least, in {quantity!r}, got {history[quantity]!r}")
    return [float(value) for value in values]


def _mark_best(ax: Axes, quantity: str, values: Any) -> None:
    larger = larger_is_better(quantity)
    if larger is None or not np.isfinite(values).all():
        return
    best = int(values.argmax() if larger else values.argmin())
    ax.plot(best + 1, values[best], "o", color=BACKWARD, label=f"best: {values[best]:.4g} after epoch {best + 1}")
