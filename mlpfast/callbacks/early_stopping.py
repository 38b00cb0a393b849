"""To stop in time, with the best parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import boolean, integer
from ..settings import Setting
from .monitor import Monitor
from .protocol import Callback, Logs, Training

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stop when a monitored quantity has not improved for some epochs, and put the best parameters back.

    Over several calls of `fit` of one trainer, pickled or saved in between or not, it goes on with its best value and
    its count, and the trainer with the last parameters (see `Trainer.show`): n calls of ``fit(epochs=1)`` are one of
    ``fit(epochs=n)``. After a stop of its own the count starts anew; with another trainer, everything does.

    Parameters
    ----------
    monitor : str or sequence of str, default "val_loss"
        A key of the logs. With several, training stops when none of them has improved for `patience` epochs; the best
        epoch is that of the first.
    patience : int, default 10
        Training stops after this many epochs in a row without an improvement.
    min_delta : float or sequence of float, default 0.0
        Only a change by more than this counts as an improvement. A sequence has one for each monitor.
    restore_best_weights : bool, default True
        When training ends, for whatever reason, the parameters of the best epoch are put back into the model.
    mode : {"auto", "min", "max"} or sequence of these, default "auto"
        Whether smaller or larger is better. "auto" knows the usual metrics, errors and losses by name, with or without
        ``"val_"`` and words of your own: larger for "accuracy", "roc_auc", "f1", "R2", "neg_log_loss"; smaller for
        "loss", "rmse", "error_rate". A sequence has one for each monitor.
    start_from_epoch : int, default 0
        Epochs of the trainer before this one, counted from 0, are left out: they neither count nor are the best.

    Attributes
    ----------
    best : float
        The best value so far, of the first monitor.
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

    patience = Setting[int](integer)
    restore_best_weights = Setting[bool](boolean)
    start_from_epoch = Setting[int](integer, at_least=0)

    def __init__(
        self,
        monitor: str | Sequence[str] = "val_loss",
        patience: int = 10,
        min_delta: float | Sequence[float] = 0.0,
        restore_best_weights: bool = True,
        mode: str | Sequence[str] = "auto",
        start_from_epoch: int = 0,
    ) -> None:
        self._monitor = tuple(monitor) if isinstance(monitor, (list, tuple)) else monitor
        self._mode = tuple(mode) if isinstance(mode, (list, tuple)) else mode
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._forget()

    @property
    def monitor(self) -> str | Sequence[str]:
        """The key of the logs, or several; read-only, as the best value belongs to it."""
        return self._monitor

    @property
    def mode(self) -> str | Sequence[str]:
        """As given; read-only too."""
        return self._mode

    @property
    def min_delta(self) -> float | Sequence[float]:
        """As given; another may be assigned."""
        return self._min_delta

    @min_delta.setter
    def min_delta(self, value: float | Sequence[float]) -> None:
        value = tuple(value) if isinstance(value, (list, tuple)) else value
        keys = self._monitor if isinstance(self._monitor, tuple) else (self._monitor,)
        if not keys:
            raise ValueError("expected monitor to be a key of the logs, or several, got none")
        given = zip(keys, _one_each("mode", self._mode, keys), _one_each("min_delta", value, keys), strict=True)
        self._monitors = [Monitor(*each) for each in given]
        self._min_delta = value

    @property
    def best(self) -> float:
        """The best value so far, of the first monitor."""
        return self._best[0]

    def _forget(self, trainer: Training | None = None) -> None:
        """Start anew, with this trainer."""
        self._best = [monitor.worst for monitor in self._monitors]
        self.best_epoch = -1
        self.stop_reason = None
        self._epochs_without_improvement = 0
        self._best_parameters: Any = None
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
        values = [monitor.value(self, trainer, logs) for monitor in self._monitors]
        self._epochs_seen = trainer.epochs
        if trainer.epochs <= self.start_from_epoch:
            return False
        self._epochs_without_improvement += 1
        for i, (monitor, value) in enumerate(zip(self._monitors, values, strict=True)):
            if monitor.improves(value, self._best[i]):
                self._best[i] = value
                self._epochs_without_improvement = 0
                if i == 0:
                    self.best_epoch = trainer.epochs - 1
                    self._keep(trainer)
        if self._epochs_without_improvement < self.patience:
            return False
        self.stop_reason = f"early stopping at epoch {trainer.epochs}, best {self.best_epoch + 1}"
        return True

    def _keep(self, trainer: Training) -> None:
        if self.restore_best_weights:
            if self._best_parameters is None:
                self._best_parameters = np.empty_like(trainer.model.state)
            np.copyto(self._best_parameters, trainer.model.state)

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        if self._best_parameters is not None and self._knows(trainer):
            trainer.show(self._best_parameters)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, attribute) for name, attribute in _STATE.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if len(state["best"]) != len(self._monitors):
            raise ValueError(f"expected the state of {len(self._monitors)} monitors, got {len(state['best'])}")
        for name, attribute in _STATE.items():
            setattr(self, attribute, state[name])
        self._best = list(state["best"])

    def __repr__(self) -> str:
        names = ["monitor", "patience", "min_delta", "restore_best_weights", "mode"]
        names += ["start_from_epoch"] * (self.start_from_epoch > 0)
        return f"EarlyStopping({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {"stop_reason": None, "_run_id": None, "_epochs_seen": 0, "start_from_epoch": 0} | state
        if "best" in state:  # of a version with one monitor, in whose first days it was assigned
            for name in ("monitor", "mode", "min_delta"):
                if name in state:
                    state[f"_{name}"] = state.pop(name)
            state["_best"] = [state.pop("best")]
            state["_monitors"] = [Monitor(state["_monitor"], state["_mode"], state["_min_delta"])]
        self.__dict__.update(state)


#: What `state_dict` has, and which attributes these are.
_STATE = {
    "best": "_best",
    "best_epoch": "best_epoch",
    "stop_reason": "stop_reason",
    "epochs_without_improvement": "_epochs_without_improvement",
    "best_state": "_best_parameters",
    "run_id": "_run_id",
    "epochs_seen": "_epochs_seen",
}


def _one_each(name: str, value: Any, keys: Sequence[str]) -> Sequence[Any]:
    """One for each key: the same for all, unless several are given."""
    if not isinstance(value, tuple):
        return (value,) * len(keys)
    if len(value) != len(keys):
        raise ValueError(f"expected one {name} for each of the {len(keys)} monitors, got {len(value)}: {value!r}")
    return value
