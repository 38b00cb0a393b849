"""What a user sees of a fit while it runs: callbacks, the progress bar, printed lines."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from ..callbacks import Logs, call, check_callbacks
from ..history import History
from ..progress import Progress
from ..trainer import Trainer

if TYPE_CHECKING:
    from .base import BaseMLP


class Reporter:
    """Calls the callbacks around and in a fit; as a context manager, so that ``on_train_end`` is never missed.

    ``verbose=1`` shows a progress bar; True and larger numbers print a line for each iteration, as scikit-learn does.
    """

    def __init__(self, mlp: BaseMLP, trainer: Trainer, epochs: int) -> None:
        bar = type(mlp.verbose) is int and mlp.verbose == 1
        self._prints = bool(mlp.verbose) and not bar
        self._callbacks = check_callbacks(mlp.callbacks or ()) + ((Progress(epochs),) if bar else ())
        self._score_name = f"val_{mlp._score_name}"
        self._trainer = trainer
        self._logs: Logs = {}
        self._stop = False
        trainer.history = History()

    @property
    def silent(self) -> bool:
        """Whether nobody listens."""
        return not (self._callbacks or self._prints)

    def __enter__(self) -> Reporter:
        self._call("on_train_begin")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call("on_train_end")

    def begin_epoch(self) -> bool:
        """Returns True where a callback asks to stop."""
        return self._stop or self._call("on_epoch_begin")

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
        self._stop = call(self._callbacks, hook, self._trainer, self._logs) is not None
        return self._stop
