"""A learning rate to begin with, found by trying many of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DivergenceError, integer, real
from .trainer import Trainer

__all__ = ["LRFinder", "lr_finder"]

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LRFinder:
    """What `lr_finder` found.

    Attributes
    ----------
    rates : ndarray of float64
        The learning rates that were tried, as far as the search went.
    losses : ndarray of float64
        The loss of each step's batch, before the step.
    smoothed : ndarray of float64
        The same without most of the noise.
    suggestion : float or None
        The rate at which the smoothed loss falls steepest, over the logarithm of the rate; None where it never falls.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> found = mf.lr_finder(mf.Trainer(mf.mlp([64, 32, 10], "relu", "softmax", seed=0)), X / 16, y)
    >>> float(found.rates[0]), len(found.rates) == len(found.losses) == len(found.smoothed)
    (1e-07, True)
    """

    rates: _Array
    losses: _Array = field(repr=False)
    smoothed: _Array = field(repr=False)
    suggestion: float | None

    def plot(self, ax: Any = None) -> Any:
        """Draw the losses over the rates, and the suggestion.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            Where matplotlib, the extra "plot", is not installed.
        """
        from .plot.style import BACKWARD, FORWARD, quiet, take_axes

        ax = take_axes(ax)
        ax.plot(self.rates, self.losses, color="0.75", label="loss of a batch")
        ax.plot(self.rates, self.smoothed, color=FORWARD, label="smoothed")
        if self.suggestion is not None:
            ax.axvline(self.suggestion, color=BACKWARD, linestyle="--", label=f"suggestion: {self.suggestion:.2g}")
        ax.set_xscale("log")
        ax.legend(frameon=False)
        return quiet(ax, xlabel="learning rate", ylabel="loss")

    def __repr__(self) -> str:
        found = "none" if self.suggestion is None else f"{self.suggestion:.3g}"
        return f"<LRFinder of {len(self.rates)} rates up to {self.rates[-1]:.3g}; suggestion: {found}>"


def lr_finder(
    trainer: Trainer,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    start: float = 1e-7,
    stop: float = 10.0,
    steps: int = 100,
    diverges_at: float = 4.0,
) -> LRFinder:
    """Try learning rates from `start` to `stop`, one for each step of a copy of the trainer (Smith, 2017).

    The rates rise by the same factor from step to step. They are tried on the batches that `fit` would take, with
    whatever else the trainer has, until the loss goes up too much. The trainer and its model stay as they are.

    Parameters
    ----------
    trainer : Trainer
    X, y, sample_weight
        As for `Trainer.fit`.
    start, stop : float > 0, default 1e-7 and 10.0
        The first and the last rate.
    steps : int >= 10, default 100
    diverges_at : float > 1, default 4.0
        The search ends where the smoothed loss is so many times the smallest one, or not finite.

    Returns
    -------
    LRFinder

    Raises
    ------
    TypeError, ValueError
        For arguments out of range, input that does not fit the model or the loss, or an optimizer that takes no
        batches.
    DivergenceError
        If the loss is not finite from the beginning.

    Notes
    -----
    The suggestion is meant for a start, or as the peak of a schedule. The loss is smoothed by a bell of a few steps to
    both sides, so that its fall is seen where it happens. Batches are whole ones; other schedules than that of the rate
    run as in a `fit` of so many steps.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> trainer = mf.Trainer(mf.mlp([64, 32, 10], "relu", "softmax", seed=0))
    >>> found = mf.lr_finder(trainer, X / 16, y)
    >>> 1e-4 < found.suggestion < 1e-1
    True
    >>> trainer.learning_rate = mf.schedules.OneCycle(found.suggestion)
    """
    if not isinstance(trainer, Trainer):
        raise TypeError(f"expected trainer to be a Trainer, got {type(trainer).__name__}")
    if trainer.optimizer.full_batch:
        raise ValueError(f"expected an optimizer that takes batches, got {type(trainer.optimizer).__name__}")
    start = real("start", start, above=0.0)
    stop = real("stop", stop, above=start)
    rates = np.geomspace(start, stop, integer("steps", steps, at_least=10))
    worst = real("diverges_at", diverges_at, above=1.0)
    losses: list[float] = []
    for loss in _losses(trainer.copy(), X, y, sample_weight, rates):
        losses.append(loss)
        smoothed = _smooth(losses)
        if smoothed[-1] - smoothed.min() > (worst - 1.0) * abs(smoothed.min()):
            break
    tried = rates[: len(losses)]
    return LRFinder(tried, np.array(losses), smoothed, _steepest(tried, smoothed))


def _losses(trainer: Trainer, X: Any, y: Any, sample_weight: Any, rates: _Array) -> Iterator[float]:
    """The losses of the batches of steps with these rates, as long as they are finite."""
    data = trainer._check(X, y, sample_weight, class_weight=trainer.class_weight)
    n = trainer._rows_of_epoch(data)
    engine = trainer._engine_of(min(trainer.batch_size or n, n))
    trainer._end = trainer.steps + len(rates)
    for k, (rate, batch) in enumerate(zip(rates, _batches(trainer, data, engine.batch_rows), strict=False)):
        trainer.learning_rate = float(rate)
        try:
            yield trainer._run(engine, data, batch, 0.0, engine.n_batches(n)).loss
        except DivergenceError:
            if k == 0:
                raise
            return


def _batches(trainer: Trainer, data: Any, rows: int) -> Iterator[NDArray[np.int64]]:
    """Whole batches of epoch after epoch, in the order of `fit`."""
    for epoch in count(trainer.epochs):
        order = trainer._order(epoch, data)
        order = np.arange(len(data.y), dtype=np.int64) if order is None else order
        yield from (order[end - rows : end] for end in range(rows, len(order) + 1, rows))


#: The weights of the steps beside each other, a normal distribution's with a standard deviation of three steps.
_BELL = np.exp(-0.5 * (np.arange(-9, 10) / 3.0) ** 2)


def _smooth(losses: list[float]) -> _Array:
    """Means weighted by a bell; at the ends, by the part of it that there is."""
    total, weight = (np.convolve(values, _BELL)[9:-9] for values in (losses, np.ones(len(losses))))
    return np.asarray(total / weight)


def _steepest(rates: _Array, smoothed: _Array) -> float | None:
    """The rate at which the loss falls steepest, before it is smallest."""
    lowest = int(smoothed.argmin())
    if lowest < 1:
        return None
    slopes = np.gradient(smoothed, np.log(rates))[:lowest]
    return float(rates[int(slopes.argmin())]) if slopes.min() < 0 else None
