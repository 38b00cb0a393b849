"""The whole trainer in a folder, every now and then."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

from ..errors import integer, real
from ..files.replacing import as_path
from ..settings import Setting
from ..training.folder import BEST, next_path, prune
from .monitor import Monitor
from .protocol import Callback, Halt, Logs, Training

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Saves the trainer into a folder, so that ``fit(..., resume="latest")`` goes on from there to the same bits.

    A file has everything: see `Trainer.save`. It is written under another name, synced and then renamed: it is whole or
    not there, whatever happens. The newest is ``checkpoint-<number>.npz`` with the largest number, that of the best
    epoch is ``best.npz``; `Trainer.load` reads either. At the end of training the trainer is saved too, unless an error
    ended it. On SIGTERM it is saved after the step at hand, training ends, and then the signal takes the way that it
    would have taken.

    Parameters
    ----------
    folder : str or path-like
        It is made if it is not there.
    monitor : str, optional
        A key of the logs: the trainer of the best epoch by it is kept, too.
    every_epochs : int or None, default 1
        Save after so many epochs.
    every_seconds : float, optional
        Save when so much time has passed, within epochs too, after a whole step.
    keep_last : int or None, default 1
        How many of the newest are kept; None for all.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better; see `EarlyStopping`.
    min_delta : float, default 0.0
        Only a change by more than this is an improvement.

    Attributes
    ----------
    best : float or None
        The best value so far.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; while training, if the logs have no such key.
    OSError
        While training, if the folder can't be written.

    Notes
    -----
    It comes after all other callbacks, so that what they have made of an epoch is kept with it. SIGTERM is handled
    where `fit` runs in the main thread, unless it is ignored.

    Examples
    --------
    >>> import mlpfast as mf, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> checkpoint = mf.callbacks.Checkpoint(folder.name)
    >>> trainer = mf.Trainer(mf.mlp([1, 1], seed=0), loss="mse", callbacks=[checkpoint])
    >>> history = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, verbose=0)
    >>> again = mf.Trainer(mf.mlp([1, 1], seed=0), loss="mse", callbacks=[checkpoint])
    >>> history = again.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, resume="latest", verbose=0)
    >>> history.epochs, again.epochs
    (3, 3)
    >>> folder.cleanup()
    """

    comes_last = True

    every_epochs = Setting[int | None](integer, optional=True)
    every_seconds = Setting[float | None](real, optional=True, above=0.0)
    keep_last = Setting[int | None](integer, optional=True)

    def __init__(
        self,
        folder: str | os.PathLike[str],
        monitor: str | None = None,
        *,
        every_epochs: int | None = 1,
        every_seconds: float | None = None,
        keep_last: int | None = 1,
        mode: str = "auto",
        min_delta: float = 0.0,
    ) -> None:
        self.folder = as_path(folder)
        self._given = monitor, mode, min_delta
        self._monitor = None if monitor is None else Monitor(monitor, mode, min_delta)
        self.every_epochs, self.every_seconds, self.keep_last = every_epochs, every_seconds, keep_last
        self.best: float | None = None
        self.due = 0.0  # when to be called within an epoch
        self._run_id: str | None = None
        self._saved: tuple[int, int] | None = None  # steps and epochs of the newest file
        self._signal = _Signal()

    @property
    def monitor(self) -> str | None:
        """The key of the logs; read-only, as the best value belongs to it."""
        return self._given[0]

    @property
    def mode(self) -> str:
        """As given."""
        return self._given[1]

    @property
    def min_delta(self) -> float:
        """As given."""
        return self._given[2]

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        if trainer.run_id != self._run_id:
            self._run_id, self.best, self._saved = trainer.run_id, None, None
        self.stop_reason = None
        os.makedirs(self.folder, exist_ok=True)
        self._wind_up()
        self._signal.listen(self, trainer)

    def on_epoch_end(self, trainer: Training, logs: Logs) -> bool:
        if self._monitor is not None:
            value = self._monitor.value(self, trainer, logs)
            if self._monitor.improves(value, self._monitor.worst if self.best is None else self.best):
                self.best = value
                trainer.save(os.path.join(self.folder, BEST))
        if self.every_epochs is not None and trainer.epochs % self.every_epochs == 0:
            self._save(trainer)
        elif 0 < self.due <= time.monotonic():
            self.on_due(trainer, logs)
        return self._signal.came

    def on_due(self, trainer: Training, logs: Logs) -> None:
        """Called within an epoch when it is `due`."""
        if self._signal.came:
            raise Halt(self)
        self._save(trainer)
        self._wind_up()

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        self.due = 0.0
        try:
            failed = trainer.history.stopped_by in ("error", "divergence")
            if not failed and self._saved != (trainer.steps, trainer.epochs):
                self._save(trainer)
        finally:
            self._signal.pass_on()

    def _save(self, trainer: Training) -> None:
        self._saved = trainer.steps, trainer.epochs
        trainer.save(next_path(self.folder))
        if self.keep_last is not None:
            prune(self.folder, self.keep_last)

    def _wind_up(self) -> None:
        self.due = 0.0 if self.every_seconds is None else time.monotonic() + self.every_seconds

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "run_id": self._run_id, "saved": self._saved}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self._run_id, saved = state["best"], state["run_id"], state["saved"]
        self._saved = None if saved is None else (saved[0], saved[1])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_signal": _Signal(), "due": 0.0}

    def __repr__(self) -> str:
        names = ("monitor", "every_epochs", "every_seconds", "keep_last")
        return f"Checkpoint({self.folder!r}, {', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


class _Signal:
    """SIGTERM, put off until the trainer is saved."""

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def listen(self, callback: Checkpoint, trainer: Training) -> None:
        """From now on, end the training of this trainer, on behalf of the callback."""
        self.came = False
        if threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGTERM)
        if before in (None, signal.SIG_IGN):
            return

        def handle(number: int, frame: FrameType | None) -> None:
            self.came, callback.due, callback.stop_reason = True, 1e-9, "SIGTERM"
            if trainer.at_work:  # else callbacks are, which are let finish
                raise Halt(callback)

        signal.signal(signal.SIGTERM, handle)
        self._before = before

    def pass_on(self) -> None:
        """Put the old handler back, and give it the signal that came."""
        before, self._before = self._before, None
        if before is not None:
            signal.signal(signal.SIGTERM, before)
            if self.came:
                signal.raise_signal(signal.SIGTERM)
