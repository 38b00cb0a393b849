"""Callbacks: a small, stable protocol by which user code follows training and may stop it.

A callback has up to four hooks. Each is given the trainer and the logs of the last epoch, a plain dict such as
``{"loss": 0.31, "accuracy": 0.92, "val_loss": 0.35, "val_accuracy": 0.90}``; a hook that returns True stops training.
Callbacks run between epochs, with the model whole: they may read and write ``trainer.model.parameters`` and
``trainer.learning_rate``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .directions import larger_is_better
from .errors import boolean, integer, real, unknown_name
from .history import History
from .model import Model

__all__ = ["Callback", "EarlyStopping", "Training"]

HOOKS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")

Logs = dict[str, float]


class Training(Protocol):
    """What the callbacks of this package know of a `Trainer`, where its attributes are documented."""

    model: Model
    learning_rate: float
    epochs: int
    steps: int
    history: History


class Callback:
    """The protocol; every hook does nothing. A subclass overrides what it needs.

    ``on_train_end`` is called whenever training ends, also by an error or by Ctrl-C; what it returns has no meaning.

    Examples
    --------
    >>> from mlpfast.callbacks import Callback
    >>> class HalveTheRate(Callback):
    ...     def on_epoch_end(self, trainer, logs):
    ...         trainer.learning_rate /= 2
    """

    def on_train_begin(self, trainer: Training, logs: Logs) -> bool | None:
        """Before the first epoch of a call of `fit`."""
        return None

    def on_epoch_begin(self, trainer: Training, logs: Logs) -> bool | None:
        """Before each epoch."""
        return None

    def on_epoch_end(self, trainer: Training, logs: Logs) -> bool | None:
        """After each epoch, with its logs."""
        return None

    def on_train_end(self, trainer: Training, logs: Logs) -> bool | None:
        """After training, however it ended."""
        return None


class EarlyStopping(Callback):
    """Stop when a monitored quantity has not improved for some epochs, and put the best parameters back.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A key of the logs.
    patience : int, default 10
        Training stops after this many epochs in a row without an improvement.
    min_delta : float, default 0.0
        Only a change by more than this counts as an improvement.
    restore_best_weights : bool, default True
        When training ends, for whatever reason, the parameters of the best epoch are put back into the model.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better. "auto" knows the usual metrics, errors and losses by name, with or without
        "val_" and words of your own: larger for "accuracy", "roc_auc", "f1", "R2", "neg_log_loss"; smaller for "loss",
        "rmse", "error_rate".

    Attributes
    ----------
    best : float
        The best value so far.
    best_epoch : int
        The trainer's epoch (counted from 0) that reached it; -1 before the first.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; if `mode` is "auto" and the name does not tell which way is
        better; while training, if the logs have no such key.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> stop = mf.callbacks.EarlyStopping("loss", patience=2)
    >>> trainer = mf.Trainer(mf.mlp([1, 8, 1]), loss="mse", callbacks=[stop])
    >>> history = trainer.fit(X, X**2, epochs=3, verbose=0)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best_weights: bool = True,
        mode: Literal["auto", "min", "max"] = "auto",
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"expected monitor to be a key of the logs, got {monitor!r} ({type(monitor).__name__})")
        if mode not in ("auto", "min", "max"):
            raise unknown_name("mode", mode, ("auto", "min", "max"))
        larger = larger_is_better(monitor) if mode == "auto" else mode == "max"
        if larger is None:
            raise ValueError(
                f"the name {monitor!r} does not tell whether larger or smaller is better; give mode='max' or mode='min'"
            )
        self.monitor = monitor
        self.patience = integer("patience", patience)
        self.min_delta = real("min_delta", min_delta, at_least=0.0)
        self.restore_best_weights = boolean("restore_best_weights", restore_best_weights)
        self.mode = mode
        self._sign = 1.0 if larger else -1.0
        self._forget()

    def _forget(self) -> None:
        self.best = -self._sign * math.inf
        self.best_epoch = -1
        self._epochs_without_improvement = 0
        self._best_parameters: NDArray[Any] | None = None

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        self._forget()

    def on_epoch_end(self, trainer: Training, logs: Logs) -> bool:
        if self.monitor not in logs:
            hint = "; give fit() validation_data" if self.monitor.startswith("val_") else ""
            raise ValueError(f"EarlyStopping monitors {self.monitor!r}, but the logs have only {sorted(logs)}{hint}")
        value = logs[self.monitor]
        if self._sign * (value - self.best) > self.min_delta:  # never for NaN
            self.best = value
            self.best_epoch = trainer.epochs - 1
            self._epochs_without_improvement = 0
            if self.restore_best_weights:
                if self._best_parameters is None:
                    self._best_parameters = np.empty_like(trainer.model.parameters)
                np.copyto(self._best_parameters, trainer.model.parameters)
        else:
            self._epochs_without_improvement += 1
        return self._epochs_without_improvement >= self.patience

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        if self._best_parameters is not None:
            np.copyto(trainer.model.parameters, self._best_parameters)
            self._best_parameters = None


def check_callbacks(callbacks: Iterable[Any]) -> tuple[Any, ...]:
    """The callbacks as a tuple; TypeError for an object that has none of the hooks."""
    callbacks = tuple(callbacks)
    for callback in callbacks:
        if isinstance(callback, type) or not any(callable(getattr(callback, hook, None)) for hook in HOOKS):
            raise TypeError(f"expected a callback with one of the methods {', '.join(HOOKS)}; got {callback!r}")
    return callbacks


def call(callbacks: Iterable[Any], hook: str, trainer: Training, logs: Logs) -> Any | None:
    """Call one hook of every callback; returns the first callback that asks to stop, or None."""
    stopper = None
    for callback in callbacks:
        method = getattr(callback, hook, None)
        if method is not None and method(trainer, logs) and stopper is None:
            stopper = callback
    return stopper


def call_all(callbacks: Iterable[Any], hook: str, trainer: Training, logs: Logs) -> None:
    """Call one hook of every callback, also after one that fails; then raise the first error."""
    first: BaseException | None = None
    for callback in callbacks:
        try:
            call((callback,), hook, trainer, logs)
        except BaseException as error:
            first = first or error
    if first is not None:
        raise first
