"""The loop of `Trainer.fit`: epochs, and what happens between them, and between steps where somebody asks."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ..callbacks.protocol import Halt, Logs, Training, call, call_all
from ..core.results import EpochResult
from ..errors import DivergenceError
from .epochs import Place

__all__ = ["Epochs", "Loop", "after_steps", "nearest_step"]


class Epochs(Protocol):
    """Epochs of some data: see `ArrayEpochs`."""

    @property
    def steps(self) -> int:
        """Of an epoch."""

    @property
    def position(self) -> tuple[int, int]:
        """The number of the epoch at hand, from 0, and of the step in it."""

    def run(self, most: int, deadline: float) -> EpochResult:
        """Steps of the open epoch, or of a new one: at most so many, or -1 for all."""

    def remember(self) -> None:
        """If an epoch is open, note of what rows it is."""


def after_steps(begin: tuple[int, int], amount: int, steps: int) -> tuple[int, int]:
    """The position after so many steps from `begin` on, where an epoch has `steps`."""
    whole, rest = divmod(begin[1] + amount, steps)
    return begin[0] + whole, rest


def nearest_step(epochs: float, steps: int) -> tuple[int, int]:
    """The position that is nearest to so many epochs, where an epoch has `steps`."""
    whole = math.floor(epochs)
    return after_steps((whole, 0), round((epochs - whole) * steps), steps)


class Loop:
    """One call of `fit`.

    Parameters
    ----------
    trainer : Training
    place : Place
    epochs : Epochs
    end : (int, int)
        The position to stop at.
    callbacks : iterable of Callback
    report : callable
        From the result of an epoch to its logs.
    keys : callable
        Gives those of the logs, for a history without any.
    deadline : float
        ``time.monotonic()`` to stop at, after a whole step; 0 for none.
    stopper : (str, str), optional
        What had ended this training before it was resumed, and its reason; then no epoch follows.
    """

    def __init__(
        self,
        trainer: Training,
        place: Place,
        epochs: Epochs,
        end: tuple[int, int],
        *,
        callbacks: Iterable[Any],
        report: Callable[[EpochResult], Logs],
        keys: Callable[[], Iterable[str]],
        deadline: float,
        stopper: Any = None,
    ) -> None:
        self._trainer, self._place, self._epochs, self._end = trainer, place, epochs, end
        # Those that keep what the others have made of an epoch come after them.
        self._callbacks = sorted(callbacks, key=lambda callback: bool(getattr(callback, "comes_last", False)))
        self._before = [each for each in self._callbacks if not getattr(each, "comes_last", False)]
        self._asks_for_steps = any(getattr(callback, "on_step_end", None) is not None for callback in self._callbacks)
        self._timed = [callback for callback in self._callbacks if hasattr(callback, "due")]
        self._report, self._keys, self._deadline = report, keys, deadline
        self._logs: Logs = {}
        self._interrupts: list[KeyboardInterrupt] = []  # out of hooks, until all callbacks have been told
        self.stopper = stopper
        self.process = os.getpid()  # a child forked meanwhile is in no `fit`

    @property
    def stopped(self) -> tuple[str, str] | None:
        """What has ended training, and its reason, if that should still hold when it is resumed."""
        if self.stopper is None or isinstance(self.stopper, tuple):
            return self.stopper
        if getattr(self.stopper, "comes_last", False):  # it stops to go on elsewhere
            return None
        name = type(self.stopper).__name__
        return name, getattr(self.stopper, "stop_reason", None) or f"stopped by {name}"

    def remember(self) -> None:
        """Before the trainer is saved: note of what rows the open epoch is."""
        self._epochs.remember()

    def run(self) -> None:
        """All of it. However it ends, the history says why, and the callbacks are told."""
        history = self._trainer.history
        try:
            why = self._run()
            if self.stopper is None:
                history.end(*why)
            else:
                history.end(*(self.stopper if isinstance(self.stopper, tuple) else (self.stopper,)))
        except Halt as halt:
            self.stopper = halt.by
            history.end(halt.by)
        except BaseException as error:
            reasons = {DivergenceError: "divergence", KeyboardInterrupt: "interrupt"}
            history.end(reasons.get(type(error), "error"))
            raise
        finally:
            if history.epochs == 0:
                history.name(self._keys())
            self._epochs.remember()
            call_all(self._callbacks, "on_train_end", self._trainer, self._logs)

    def _run(self) -> tuple[str, ...]:
        """Why it ended, where no callback ended it."""
        if self.stopper is not None:
            return ()
        self._call("on_train_begin", self._logs)
        self._raise_interrupt()
        while self.stopper is None and self._epochs.position < self._end:
            if not self._place.open:
                self._call("on_epoch_begin", self._logs)
                self._raise_interrupt()
            if self.stopper is not None or self._out_of_time():
                break
            result, finished = self._epoch()
            if result.rows == 0:
                return ("convergence", result.reason) if result.reason else ("max_seconds",)
            self._logs = self._report(result)
            self._trainer.history.record(self._logs, self._place.seconds, result.rows, finished=finished)
            if finished:
                self._place.close()
                # Not before all have been asked: whoever keeps this moment keeps whether it was the last.
                told: Any = ("on_epoch_end", self._trainer, self._logs, self._interrupts)
                stopper = call(self._before, *told)
                self.stopper = self.stopper or stopper
                self.stopper = call(self._callbacks[len(self._before) :], *told) or self.stopper
                self._raise_interrupt()
            if result.reason:
                return "convergence", result.reason
            if not finished:
                break
        return ("max_seconds",) if self._epochs.position < self._end and self._out_of_time() else ("epochs",)

    def _epoch(self) -> tuple[EpochResult, bool]:
        """The rest of an epoch, as far as we go, and whether that was its end."""
        while True:
            epoch, step = self._epochs.position
            most = self._end[1] - step if epoch == self._end[0] else -1
            began = time.perf_counter()
            result = self._epochs.run(1 if self._asks_for_steps else most, self._wake())
            self._place.seconds += time.perf_counter() - began
            if self._asks_for_steps and result.steps > 0:
                self._call("on_step_end", {"loss": result.last if self._place.open else result.loss})
                if self._place.open:  # else nothing is kept by which its end could be told later
                    self._raise_interrupt()
            finished = not self._place.open or self._place.done >= self._epochs.steps
            if finished or self.stopper is not None or self._epochs.position >= self._end or self._out_of_time():
                return result, finished
            for callback in self._timed:
                if 0 < callback.due <= time.monotonic():
                    callback.on_due(self._trainer, self._logs)

    def _wake(self) -> float:
        """When the engine should come back, whatever it has done by then; 0 for never."""
        if not self._timed or self._epochs.steps == 1:
            return self._deadline
        times = [self._deadline, *(callback.due for callback in self._timed)]
        return min((at for at in times if at > 0), default=0.0)

    def _out_of_time(self) -> bool:
        return 0 < self._deadline <= time.monotonic()

    def _call(self, hook: str, logs: Logs) -> None:
        self.stopper = call(self._callbacks, hook, self._trainer, logs, self._interrupts)

    def _raise_interrupt(self) -> None:
        if self._interrupts:
            raise self._interrupts[0]
