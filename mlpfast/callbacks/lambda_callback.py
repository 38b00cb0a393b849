"""Functions as hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .protocol import HOOKS, Callback, Logs, Training

__all__ = ["LambdaCallback"]

Hook: TypeAlias = Callable[[Training, Logs], Any]


class LambdaCallback(Callback):
    """Calls functions of one's own.

    Parameters
    ----------
    on_train_begin, on_epoch_begin, on_step_end, on_epoch_end, on_train_end : callable, optional
        Each is called with the trainer and the logs of the last epoch, ``on_step_end`` with the loss of the step. One
        that returns True stops training. Each step is a call of its own only where ``on_step_end`` is given.

    Raises
    ------
    TypeError
        For what is not callable; or if none is given.

    Examples
    --------
    >>> import mlpfast as mf
    >>> losses = []
    >>> note = mf.callbacks.LambdaCallback(on_epoch_end=lambda trainer, logs: losses.append(logs["loss"]))
    >>> trainer = mf.Trainer(mf.mlp([1, 1]), loss="mse", callbacks=[note])
    >>> history = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, verbose=0)
    >>> losses == history["loss"]
    True
    """

    def __init__(
        self,
        *,
        on_train_begin: Hook | None = None,
        on_epoch_begin: Hook | None = None,
        on_step_end: Hook | None = None,
        on_epoch_end: Hook | None = None,
        on_train_end: Hook | None = None,
    ) -> None:
        given = (on_train_begin, on_epoch_begin, on_step_end, on_epoch_end, on_train_end)
        if all(hook is None for hook in given):
            raise TypeError(f"expected one of {', '.join(HOOKS)}, got none")
        for name, hook in zip(HOOKS, given, strict=True):
            if hook is not None:
                if not callable(hook):
                    raise TypeError(f"expected {name} to be callable, got {hook!r} ({type(hook).__name__})")
                setattr(self, name, hook)  # what is not given stays that of `Callback`, or not there at all

    def __repr__(self) -> str:
        given = (f"{name}={hook!r}" for name, hook in vars(self).items())
        return f"LambdaCallback({', '.join(given)})"
