"""What a callback is, what it may know of training, and how its hooks are called."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from ..history import History
from ..losses import Loss
from ..model import Model

__all__ = ["Callback", "Halt", "Logs", "Training", "call", "call_all", "check_callbacks"]

HOOKS = ("on_train_begin", "on_epoch_begin", "on_step_end", "on_epoch_end", "on_train_end")

Logs = dict[str, float]


class Training(Protocol):
    """What the callbacks of this package know of a `Trainer`, where its attributes are documented.

    Examples
    --------
    >>> import mlpfast as mf
    >>> def enough(trainer: mf.callbacks.Training, logs: dict[str, float]) -> bool:
    ...     return trainer.steps >= 30
    >>> X, y = mf.datasets.load_digits()
    >>> stopping = mf.callbacks.LambdaCallback(on_epoch_end=enough)
    >>> trainer = mf.Trainer(mf.mlp([64, 10], output_activation="softmax"), callbacks=[stopping])
    >>> trainer.fit(X, y, epochs=10, verbose=0).epochs  # of 15 batches each
    2
    """

    learning_rate: float
    epochs: int
    steps: int
    history: History
    #: What to do to find ``"val_..."`` in the logs.
    validation_hint: str

    @property
    def at_work(self) -> bool:
        """Whether the loops run, and not a callback."""

    @property
    def model(self) -> Model:
        """The model, whose parameters callbacks may read and write."""

    @property
    def schedules(self) -> Mapping[str, Any]:
        """What changes with the steps, by name, and the schedules that drive it."""

    @property
    def loss(self) -> Loss:
        """The loss that is minimised."""

    @property
    def class_weight(self) -> Any:
        """What weighs the rows of each class; None where nothing does."""

    @property
    def run_id(self) -> str:
        """By this a callback knows its trainer again, also after pickling."""

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """The loss, penalties included, and the metrics of some rows."""

    def save(self, path: str) -> None:
        """Write the trainer to a file."""

    def show(self, parameters: NDArray[Any]) -> None:
        """Put other parameters into the model until training goes on from those that it has."""


class Halt(BaseException):
    """Raised by a callback's signal handler: to end training within an epoch, after a whole step."""

    def __init__(self, by: Any) -> None:
        super().__init__()
        self.by = by


class Callback:
    """The protocol; every hook does nothing. A subclass overrides what it needs.

    ``on_train_end`` is called whenever training ends, also by an error or by Ctrl-C; what it returns has no meaning.
    A KeyboardInterrupt out of a hook is raised after the other callbacks have had theirs.

    A subclass may have one more hook, ``on_step_end(self, trainer, logs)``, after each optimizer step, with the loss of
    that batch as ``logs["loss"]``. Where a callback has it, each step is a call of the loops of its own; nothing else
    is slower for it, and the bits are the same.

    A callback that carries something along from epoch to epoch has `state_dict` and `load_state_dict`, by which
    `Trainer.save` keeps it: a dict from str to numbers, strings, None, lists of these, and arrays.

    Attributes
    ----------
    stop_reason : str or None
        Why it asked to stop, in a few words; shown under the progress bar. A subclass may set it.
    drives : tuple of str
        Attributes of the trainer that it changes, such as "learning_rate": their values of each epoch are recorded in
        the history.

    Examples
    --------
    >>> from mlpfast.callbacks import Callback
    >>> class HalveTheRate(Callback):
    ...     def on_epoch_end(self, trainer, logs):
    ...         trainer.learning_rate /= 2
    """

    stop_reason: str | None = None
    drives: tuple[str, ...] = ()

    def on_train_begin(self, trainer: Training, logs: Logs) -> bool | None:
        """Before the first epoch of a call of `fit`."""
        return None

    def on_epoch_begin(self, trainer: Training, logs: Logs) -> bool | None:
        """Before each epoch."""
        return None

    def on_epoch_end(self, trainer: Training, logs: Logs) -> bool | None:
        """After each epoch, with its logs; not after a part of one."""
        return None

    def on_train_end(self, trainer: Training, logs: Logs) -> bool | None:
        """After training, however it ended."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """What a saved trainer keeps of it; by default nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} callback>"


def check_callbacks(callbacks: Iterable[Any] | None) -> tuple[Any, ...]:
    """The callbacks as a tuple; TypeError for what is none, or has a hook that would never be called."""
    if callbacks is None:
        return ()
    if isinstance(callbacks, (str, type, Callback)) or not isinstance(callbacks, Iterable):
        hint = f"; write [{_instance(callbacks)}]" if _hooks(callbacks) else ""
        raise TypeError(f"expected callbacks to be a list, got {callbacks!r}{hint}")
    callbacks = tuple(callbacks)
    for callback in callbacks:
        if not _hooks(callback):
            raise TypeError(f"expected a callback with one of the methods {', '.join(HOOKS)}; got {callback!r}")
        if isinstance(callback, type):
            raise TypeError(f"expected a callback, got the class {callback.__name__}; write {_instance(callback)}")
        drives = getattr(callback, "drives", ())
        if isinstance(drives, str) or not all(isinstance(name, str) for name in drives):
            raise TypeError(f"expected drives of {type(callback).__name__} to be a tuple of names, got {drives!r}")
        for name in _strange_hooks(callback):
            near = difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.0)[0]
            raise TypeError(
                f"{type(callback).__name__} has a method {name!r}, which would never be called; did you mean {near!r}? "
                f"The hooks are {', '.join(HOOKS)}"
            )
    return callbacks


def _instance(callback: Any) -> str:
    return f"{callback.__name__}()" if isinstance(callback, type) else repr(callback)


def _hooks(callback: Any) -> list[str]:
    return [hook for hook in HOOKS if callable(getattr(callback, hook, None))]


def _strange_hooks(callback: Any) -> list[str]:
    """Methods that look like hooks, misspelt or of another library, but are none."""
    return [
        name
        for name in dir(callback)
        if re.match(r"on(_|[A-Z])|On_", name)
        and name not in HOOKS
        and (
            re.search(r"epoch|train|batch|fit|valid|test|predict", name, re.I)
            or difflib.get_close_matches(name, HOOKS, cutoff=0.8)
        )
        and callable(getattr(callback, name))
    ]


def call(
    callbacks: Iterable[Any],
    hook: str,
    trainer: Training,
    logs: Logs,
    interrupts: list[KeyboardInterrupt] | None = None,
) -> Any | None:
    """Call one hook of every callback; returns the first callback that asks to stop, or None.

    A KeyboardInterrupt out of a hook waits until the others have been called, since nobody tells them of this moment
    again: then it is raised, or, given a list of `interrupts`, put there for the caller to raise.
    """
    stopper = None
    waiting: list[KeyboardInterrupt] = [] if interrupts is None else interrupts
    for callback in callbacks:
        method = getattr(callback, hook, None)
        try:
            if method is not None and method(trainer, logs) and stopper is None:
                stopper = callback
        except KeyboardInterrupt as interrupt:
            waiting.append(interrupt)
    if interrupts is None and waiting:
        raise waiting[0]
    return stopper


def call_all(callbacks: Iterable[Any], hook: str, trainer: Training, logs: Logs) -> None:
    """Call one hook of every callback, also after one that fails; then raise the first error."""
    first: BaseException | None = None
    for callback in callbacks:
        try:
            call((callback,), hook, trainer, logs)
        except BaseException as error:
            first = first or error
    if first is not None:
        raise first
