"""To stop in time, with the best parameters."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..directions import larger_is_better
from ..errors import boolean, integer, real, unknown_name
from .protocol import Callback, Logs, Training

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stop when a monitored quantity has not improved for some epochs, and put the best parameters back.

    Over several calls of `fit` of one trainer, pickled in between or not, it goes on with its best value and its count,
    and the trainer with the last parameters (see `Trainer.show`): n calls of ``fit(epochs=1)`` are one of
    ``fit(epochs=n)``. After a stop of its own the count starts anew; with another trainer, everything does.

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
        ``"val_"`` and words of your own: larger for "accuracy", "roc_auc", "f1", "R2", "neg_log_loss"; smaller for
        "loss", "rmse", "error_rate".

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
        self._monitor, self._mode = monitor, mode
        self.patience = integer("patience", patience)
        self.min_delta = real("min_delta", min_delta, at_least=0.0)
        self.restore_best_weights = boolean("restore_best_weights", restore_best_weights)
        self._sign = 1.0 if larger else -1.0
        self._forget()

    @property
    def monitor(self) -> str:
        """The key of the logs; read-only, as the best value belongs to it."""
        return self._monitor

    @property
    def mode(self) -> str:
        """As given; read-only too."""
        return self._mode

    def _forget(self, trainer: Training | None = None) -> None:
        """Start anew, with this trainer."""
        self.best = -self._sign * math.inf
        self.best_epoch = -1
        self.stop_reason = None
        self._epochs_without_improvement = 0
        self._best_parameters: NDArray[Any] | None = None
        self._run_id = None if trainer is None else trainer.run_id
        self._epochs_seen = 0

    def _knows(self, trainer: Training) -> bool:
        """Whether it is the trainer of before, and not a copy of it from an earlier epoch."""
        return trainer.run_id == self._run_id and trainer.epochs >= self._epochs_seen

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        if not self._knows(trainer):
            self._forget(trainer)
        elif self.stop_reason is not None:
            self.stop_reason, self._epochs_without_improvement = None, 0

    def on_epoch_end(self, trainer: Training, logs: Logs) -> bool:
        if self.monitor not in logs:
            raise ValueError(
                f"EarlyStopping monitors {self.monitor!r}, but the logs have only {sorted(logs)}"
                + self._hint(trainer, logs)
            )
        self._epochs_seen = trainer.epochs
        value = logs[self.monitor]
        if self._sign * (value - self.best) > self.min_delta:  # never for NaN
            self.best = value
            self.best_epoch = trainer.epochs - 1
            self._epochs_without_improvement = 0
            if self.restore_best_weights:
                if self._best_parameters is None:
                    self._best_parameters = np.empty_like(trainer.model.state)
                np.copyto(self._best_parameters, trainer.model.state)
        else:
            self._epochs_without_improvement += 1
        if self._epochs_without_improvement < self.patience:
            return False
        self.stop_reason = f"early stopping at epoch {trainer.epochs}, best {self.best_epoch + 1}"
        return True

    def _hint(self, trainer: Training, logs: Logs) -> str:
        if not self.monitor.startswith("val_"):
            return ""
        validated = [name for name in logs if name.startswith("val_")]
        return f"; monitor {validated[-1]!r}" if validated else f"; {trainer.validation_hint}"

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        if self._best_parameters is not None and self._knows(trainer):
            trainer.show(self._best_parameters)

    def __repr__(self) -> str:
        names = ("monitor", "patience", "min_delta", "restore_best_weights", "mode")
        return f"EarlyStopping({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {"stop_reason": None, "_run_id": None, "_epochs_seen": 0} | state  # older versions knew no trainer
        for name in ("monitor", "mode"):  # which were assigned then
            if name in state:
                state[f"_{name}"] = state.pop(name)
        self.__dict__.update(state)
