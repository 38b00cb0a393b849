"""What training recorded, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .tables import html_table

__all__ = ["History"]

#: Why training ended, in words, where it was not a callback that ended it.
_REASONS = {
    "epochs": "all epochs done",
    "max_seconds": "out of time (max_seconds)",
    "convergence": "no further improvement",
    "interrupt": "Ctrl-C",
    "divergence": "diverged",
    "error": "an error",
}
_SHOWN = 10  # rows in a notebook


class History(dict[str, list[float]]):
    """What one call of `Trainer.fit` recorded.

    A dict from "loss", each metric, "val_loss" and each "val_<metric>" to a list of one value an epoch, which is empty
    where training ended before its first; so ``pandas.DataFrame(history)`` and ``json.dumps(history)`` work. In a
    notebook it is shown as a table.

    Attributes
    ----------
    epochs : int
        Number of epochs recorded. A last epoch that `fit` ended within counts; one cut short by Ctrl-C or by a
        diverging loss does not.
    seconds : list of float
        Training time of each epoch, without validation, Python metrics and callbacks.
    samples_per_second : list of float
        Training speed of each epoch.
    stopped_by : str or None
        Why training ended: "epochs" (all were done), "max_seconds", the class name of the callback that asked for it,
        "interrupt" (Ctrl-C), "divergence", "error", or, of an estimator or an optimizer of full batches, "convergence";
        None while it runs.
    reason : str or None
        The same in words: "early stopping at epoch 7, best 5".

    Examples
    --------
    >>> import mlpfast as mf
    >>> history = mf.Trainer(mf.mlp([1, 1]), "mse").fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, verbose=0)
    >>> list(history), history.epochs, history.stopped_by
    (['loss'], 3, 'epochs')
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.samples_per_second: list[float] = []
        self.stopped_by: str | None = None
        self.reason: str | None = None
        self._finished = True  # whether the last epoch is a whole one

    @property
    def epochs(self) -> int:
        """Number of epochs recorded."""
        return len(self.seconds)

    def record(self, logs: Mapping[str, float], seconds: float, rows: int, finished: bool = True) -> None:
        """Append an epoch: its values, its training time, and the rows that it saw. What it has no value of is NaN.

        Where the last one recorded was a part of it, it takes its place.
        """
        if not self._finished:
            for values in (self.seconds, self.samples_per_second, *self.values()):
                values.pop()
        self._finished = finished
        for name in dict.fromkeys((*self, *logs)):
            self.setdefault(name, [math.nan] * self.epochs).append(logs.get(name, math.nan))
        self.seconds.append(seconds)
        self.samples_per_second.append(rows / max(seconds, 1e-9))

    def name(self, keys: Iterable[str]) -> None:
        """Where no epoch was recorded, have an empty list for each key that one would have had."""
        self.update({key: [] for key in keys})

    def end(self, by: Any, reason: str | None = None) -> None:
        """Note why training ended: one of the words of `stopped_by`, or the callback that asked for it."""
        if isinstance(by, str):
            self.stopped_by, self.reason = by, reason or _REASONS[by]
        else:
            self.stopped_by = type(by).__name__
            self.reason = getattr(by, "stop_reason", None) or f"stopped by {self.stopped_by}"

    def to_frame(self) -> Any:
        """The values as a table.

        Returns
        -------
        pandas.DataFrame
            A row for each epoch, counted from 0, and a column for each key.

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("History.to_frame needs pandas; install it with: python -m pip install pandas") from error
        return pandas.DataFrame(dict(self), index=pandas.RangeIndex(self.epochs, name="epoch"))

    def __repr__(self) -> str:
        last = "".join(f", {name}={values[-1]:.4g}" for name, values in self.items() if values)
        ended = f"; {self.reason}" if self.reason else ""
        return f"<History of {self.epochs} epoch{'s' * (self.epochs != 1)}{last}{ended}>"

    def _repr_html_(self) -> str:
        """A table for notebooks: of many epochs, the first and the last."""
        rows: list[int | None] = list(range(self.epochs))
        if self.epochs > _SHOWN:
            rows[_SHOWN // 2 : -_SHOWN // 2] = [None]
        lines = [["epoch", *self]]
        lines += [
            ["..."] * len(lines[0]) if i is None else [str(i), *(f"{v[i]:.4g}" for v in self.values())] for i in rows
        ]
        caption = f"{self.epochs} epochs" + (f"; {self.reason}" if self.reason else "")
        return html_table(caption, lines)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What older versions wrote has its values here, and its reason in one word.
        state = {"reason": _REASONS.get(state["stopped_by"] or ""), "_finished": True, **state}
        self.update(state.pop("_values", {}))
        self.__dict__.update(state)
