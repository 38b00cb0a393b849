"""A smaller learning rate when nothing improves any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import integer, real
from ..settings import Setting
from .monitor import Monitor
from .protocol import Callback, Logs, Training

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(Callback):
    """Multiply the learning rate by `factor` when a monitored quantity has not improved for some epochs.

    As in Keras: an improvement is one by more than `min_delta`; after a reduction, `cooldown` epochs are not counted.
    The rate of each epoch is in the history, as "learning_rate". Over several calls of `fit` of one trainer, pickled or
    saved in between or not, it goes on with its best value and its counts; with another trainer, everything starts
    anew.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A key of the logs.
    factor : float in (0, 1), default 0.1
    patience : int, default 10
        The rate is reduced after this many epochs in a row without an improvement.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better; see `EarlyStopping`.
    min_delta : float >= 0, default 1e-4
    cooldown : int >= 0, default 0
    min_lr : float >= 0, default 0.0
        The rate is never reduced below it.

    Attributes
    ----------
    best : float
        The best value so far.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; when training begins, if a schedule drives the learning rate,
        which would overrule this; while training, if the logs have no such key.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> slow_down = mf.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1.0)
    >>> trainer = mf.Trainer(mf.mlp([1, 8, 1]), loss="mse", optimizer=mf.Adam(0.01), callbacks=[slow_down])
    >>> trainer.fit(X, X**2, epochs=4, verbose=0)["learning_rate"]
    [0.01, 0.01, 0.005, 0.0025]
    """

    drives = ("learning_rate",)

    factor = Setting[float](real, above=0.0, below=1.0)
    patience = Setting[int](integer)
    cooldown = Setting[int](integer, at_least=0)
    min_lr = Setting[float](real, at_least=0.0)

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        *,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self._monitor = Monitor(monitor, mode, min_delta)
        self._mode = mode
        self.factor, self.patience, self.cooldown, self.min_lr = factor, patience, cooldown, min_lr
        self._forget()

    @property
    def monitor(self) -> str:
        """The key of the logs; read-only, as the best value belongs to it."""
        return self._monitor.key

    @property
    def mode(self) -> str:
        """As given."""
        return self._mode

    @property
    def min_delta(self) -> float:
        """As given."""
        return self._monitor.min_delta

    def _forget(self, trainer: Training | None = None) -> None:
        """Start anew, with this trainer."""
        self.best = self._monitor.worst
        self._epochs_without_improvement = self._cooling = self._epochs_seen = 0
        self._run_id = None if trainer is None else trainer.run_id

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        if (schedule := trainer.schedules.get("learning_rate")) is not None:
            raise TypeError(f"expected learning_rate to be a number with ReduceLROnPlateau, got {schedule!r}")
        if trainer.run_id != self._run_id or trainer.epochs < self._epochs_seen:
            self._forget(trainer)

    def on_epoch_end(self, trainer: Training, logs: Logs) -> None:
        value = self._monitor.value(self, trainer, logs)
        self._epochs_seen = trainer.epochs
        if self._cooling > 0:
            self._cooling -= 1
            self._epochs_without_improvement = 0
        if self._monitor.improves(value, self.best):
            self.best, self._epochs_without_improvement = value, 0
        elif self._cooling == 0:
            self._epochs_without_improvement += 1
            if self._epochs_without_improvement >= self.patience:
                self._reduce(trainer)

    def _reduce(self, trainer: Training) -> None:
        rate = max(trainer.learning_rate * self.factor, self.min_lr)
        if 0.0 < rate < trainer.learning_rate:
            trainer.learning_rate = rate
            self._epochs_without_improvement, self._cooling = 0, self.cooldown

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, attribute) for name, attribute in _STATE.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, attribute in _STATE.items():
            setattr(self, attribute, state[name])

    def __repr__(self) -> str:
        given = {name: getattr(self, name) for name in ("factor", "patience", "cooldown", "min_lr")}
        given |= {"mode": self._mode, "min_delta": self._monitor.min_delta}
        rest = "".join(f", {name}={value!r}" for name, value in given.items())
        return f"ReduceLROnPlateau({self._monitor.key!r}{rest})"


#: What `state_dict` has, and which attributes these are.
_STATE = {
    "best": "best",
    "epochs_without_improvement": "_epochs_without_improvement",
    "cooling": "_cooling",
    "run_id": "_run_id",
    "epochs_seen": "_epochs_seen",
}
