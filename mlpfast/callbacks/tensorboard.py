"""The logs for TensorBoard, through its own package."""

from __future__ import annotations

import os
import time
from typing import Any

from ..files.replacing import as_path
from .protocol import Callback, Logs, Training

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Writes the logs of each epoch for TensorBoard: ``tensorboard --logdir logs`` shows them, also meanwhile.

    "loss" and the metrics go into the folder ``train``, those of a validation set into one of its name, under the same
    tags: so TensorBoard draws "loss" and "val_loss" into one chart. Their step is the epoch, counted from 0. Where
    training is resumed from a checkpoint, TensorBoard drops what was written of the epochs that come again.

    Parameters
    ----------
    log_dir : str or path-like, default "logs"
        The folder of the run; it is made if it is not there.

    Raises
    ------
    ImportError
        When training begins, where the package tensorboard is not installed.

    Examples
    --------
    >>> import mlpfast as mf
    >>> callback = mf.callbacks.TensorBoard("logs/first")
    >>> trainer = mf.Trainer(mf.mlp([4, 8, 3], "tanh", "softmax"), callbacks=[callback])
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "logs") -> None:
        self.log_dir = as_path(log_dir)
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        _tensorboard()  # before the first epoch, rather than after it
        self._writers = {}

    def on_epoch_end(self, trainer: Training, logs: Logs) -> None:
        event, summary, _ = _tensorboard()
        runs: dict[str, list[Any]] = {}
        for name, value in logs.items():
            run, tag = _run_and_tag(name, logs)
            runs.setdefault(run, []).append(summary.Value(tag=tag, simple_value=value))
        for run, values in runs.items():
            writer = self._writer(run, trainer.epochs - 1)
            written = summary(value=values)
            writer.add_event(event(wall_time=time.time(), step=trainer.epochs - 1, summary=written))
            writer.flush()

    def _writer(self, run: str, epoch: int) -> Any:
        """That of the run; a new one tells that what others wrote of this epoch, and later ones, does not count."""
        if run not in self._writers:
            event, _, session_log = _tensorboard()
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            writer = self._writers[run] = EventFileWriter(os.path.join(self.log_dir, run))
            start = session_log(status=session_log.START)
            writer.add_event(event(wall_time=time.time(), step=epoch, session_log=start))
        return self._writers[run]

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        writers, self._writers = self._writers, {}
        for writer in writers.values():
            writer.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_writers": {}}

    def __repr__(self) -> str:
        return f"TensorBoard({self.log_dir!r})"


def _tensorboard() -> tuple[Any, Any, Any]:
    """Its messages; an ImportError that says what to install."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
    except ImportError as error:
        raise ImportError(
            "the TensorBoard callback needs tensorboard; install it with: python -m pip install 'mlpfast[tensorboard]'"
        ) from error
    return Event, Summary, SessionLog


def _run_and_tag(name: str, logs: Logs) -> tuple[str, str]:
    """Of "val_loss": "val", "loss", if there is a "loss" too."""
    for tag in logs:
        if name.endswith(f"_{tag}"):
            return name.removesuffix(f"_{tag}"), tag
    return "train", name
