"""The callback by which several networks, each in a thread of its own, hear that they are to stop."""

from __future__ import annotations

import threading
import time
from typing import Any

from ..callbacks.protocol import Callback, Halt

__all__ = ["StopWhen"]

_LOOK = 0.05  # seconds


class StopWhen(Callback):
    """Ends training after a whole step, soon after an event is set: signals are the main thread's alone."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self.due = 0.0

    def on_train_begin(self, trainer: Any, logs: dict[str, float]) -> None:
        self._look_again()

    def on_epoch_end(self, trainer: Any, logs: dict[str, float]) -> bool:
        return self._event.is_set()

    def on_due(self, trainer: Any, logs: dict[str, float]) -> None:
        """Called within an epoch when it is `due`."""
        if self._event.is_set():
            raise Halt(self)
        self._look_again()

    def _look_again(self) -> None:
        self.due = time.monotonic() + _LOOK
