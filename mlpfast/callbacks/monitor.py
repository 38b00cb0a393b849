"""A quantity of the logs that callbacks watch, and which way it gets better."""

from __future__ import annotations

import math
from typing import Any

from ..directions import larger_is_better
from ..errors import known_name, real
from .protocol import Logs, Training

__all__ = ["Monitor"]

MODES = ("auto", "min", "max")


class Monitor:
    """A key of the logs with its direction.

    Parameters
    ----------
    key : str
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better; "auto" tells it from the key.
    min_delta : float >= 0, default 0.0
        Only a change by more than this is an improvement.

    Raises
    ------
    TypeError, ValueError
        For arguments of another type or out of range; if `mode` is "auto" and the key does not tell.
    """

    def __init__(self, key: Any, mode: Any = "auto", min_delta: Any = 0.0) -> None:
        if not isinstance(key, str):
            raise TypeError(f"expected monitor to be a key of the logs, got {key!r} ({type(key).__name__})")
        known_name("mode", mode, MODES)
        larger = larger_is_better(key) if mode == "auto" else mode == "max"
        if larger is None:
            raise ValueError(
                f"the name {key!r} does not tell whether larger or smaller is better; give mode='max' or mode='min'"
            )
        self.key = key
        self.min_delta = real("min_delta", min_delta, at_least=0.0)
        self._sign = 1.0 if larger else -1.0

    @property
    def worst(self) -> float:
        """Everything is better than this."""
        return -self._sign * math.inf

    def improves(self, value: float, best: float) -> bool:
        """Whether `value` is better than `best`; NaN never is."""
        return self._sign * (value - best) > self.min_delta

    def value(self, callback: object, trainer: Training, logs: Logs) -> float:
        """What the logs have; a ValueError that says what they have instead, on behalf of the callback."""
        if self.key in logs:
            return logs[self.key]
        hint = ""
        if self.key.startswith("val_"):
            validated = [name for name in logs if name.startswith("val_")]
            hint = f"; monitor {validated[-1]!r}" if validated else f"; {trainer.validation_hint}"
        raise ValueError(
            f"{type(callback).__name__} monitors {self.key!r}, but the logs have only {sorted(logs)}{hint}"
        )
