"""What a user sees of a fit while it runs: fitted attributes, callbacks, the progress bar, printed lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from ..callbacks.protocol import Logs, call, call_all, check_callbacks
from ..errors import DivergenceError
from ..history import History
from ..progress import Progress
from ..trainer import Trainer


class Reporter:
    """Calls the callbacks around and in a fit; as a context manager, so that ``on_train_end`` is never missed.

    Parameters
    ----------
    callbacks : iterable of Callback, or None
    verbose : bool or int
        The number 1 shows a progress bar; True and larger numbers print a line for each iteration, as scikit-learn
        does.
    epochs : int
        How many there are at most, for the bar.
    score_name : str
        The name of the validation score in the logs.
    validation_hint : str
        What a callback advises that misses the score.
    show_state : callable
        Called before the callbacks are, so that they find in the estimator how far the fit has come.

    Attributes
    ----------
    ended : str or None
        Why training ended, as a word of `History.stopped_by`, where the solver knows more than the callbacks.
    """

    _trainer: Trainer

    def __init__(
        self,
        callbacks: Iterable[Any] | None,
        verbose: bool | int,
        *,
        epochs: int,
        score_name: str,
        validation_hint: str,
        show_state: Callable[[], None],
    ) -> None:
        bar = type(verbose) is int and verbose == 1
        self._prints = bool(verbose) and not bar
        self._callbacks = check_callbacks(callbacks or ()) + ((Progress(epochs),) if bar else ())
        self._score_name = score_name
        self._validation_hint = validation_hint
        self._show_state = show_state
        self._logs: Logs = {}
        self._stopper: Any = None
        self.ended: str | None = None

    @property
    def silent(self) -> bool:
        """Whether nobody listens."""
        return not (self._callbacks or self._prints)

    def follow(self, trainer: Trainer) -> Reporter:
        """The same, with the trainer that callbacks are given."""
        self._trainer = trainer
        trainer.history = History()
        trainer.validation_hint = self._validation_hint
        return self

    def __enter__(self) -> Reporter:
        try:
            self._trainer.take_up()
            self._call("on_train_begin")
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reasons: dict[type[BaseException] | None, str]
        reasons = {None: "epochs", KeyboardInterrupt: "interrupt", DivergenceError: "divergence"}
        by_callback = self.ended is None and self._stopper is not None
        self._trainer.history.end(self._stopper if by_callback else self.ended or reasons.get(kind, "error"))
        self._show_state()
        call_all(self._callbacks, "on_train_end", self._trainer, self._logs)

    def begin_epoch(self) -> bool:
        """Returns True where a callback asks to stop."""
        return self._stopper is not None or self._call("on_epoch_begin")

    def end_epoch(self, loss: float, score: float | None, seconds: float, rows: int) -> bool:
        """Record and show an epoch. Returns True where a callback asks to stop."""
        self._logs = {"loss": loss} if score is None else {"loss": loss, self._score_name: score}
        self._trainer.history.record(self._logs, seconds, rows)
        self.say(f"Iteration {self._trainer.history.epochs}, loss = {loss:.8f}")
        if score is not None:
            self.say(f"Validation score: {score:f}")
        return self._call("on_epoch_end")

    def say(self, message: str) -> None:
        """Print a line, if `verbose` asks for lines."""
        if self._prints:
            print(message)

    def _call(self, hook: str) -> bool:
        if self._callbacks:
            self._show_state()
        self._stopper = call(self._callbacks, hook, self._trainer, self._logs)
        return self._stopper is not None
