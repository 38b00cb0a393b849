"""The progress bar of `Trainer.fit`: epochs done, loss, metrics, samples per second, in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .callbacks.protocol import Callback, Logs, Training

#: Ends that need no word: nothing happened, or the error's own message follows.
_NO_WORD = ("epochs", "error", None)
_SHORTEST_BAR = 5
_CLOCK = "{elapsed}<{remaining} "


class Progress(Callback):
    """A tqdm bar that advances by one for each epoch; when training ends before its time, it says why.

    In a terminal the numbers come first: the bar takes what room they leave.

    Parameters
    ----------
    epochs : int
        How many epochs the bar is long.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._bar: Any = None
        self._logs: Logs = {}
        self._speed = ""

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        from tqdm.auto import tqdm  # here: a silent fit need not pay for the import

        self._bar = tqdm(total=self.epochs, desc="epochs", unit="epoch", dynamic_ncols=True)
        if not self._bar.gui:  # a notebook lays the line out by itself
            # Asked for when a line is shown, which is seldom beside short epochs.
            self._bar.format_meter = self._line

    def on_epoch_end(self, trainer: Training, logs: Logs) -> None:
        self._logs = dict(logs)
        self._speed = with_si_prefix(trainer.history.samples_per_second[-1])
        if self._bar.gui:
            self._bar.set_postfix(self._postfix(), refresh=False)
        self._bar.update()

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        if self._bar is None:  # another callback failed before there was one
            return
        history = trainer.history
        says_why = history.stopped_by not in _NO_WORD
        if history.stopped_by == "error" and history.epochs == 0:
            self._bar.leave = False  # an empty bar above an error tells nothing
        if says_why and self._bar.gui:
            self._bar.set_postfix(self._postfix() | {"ended": history.reason})
        self._bar.close()
        if says_why and not self._bar.gui:
            self._bar.write(f"Training ended: {history.reason}", file=self._bar.fp)

    def __repr__(self) -> str:
        return f"Progress(epochs={self.epochs})"

    def _postfix(self) -> dict[str, Any]:
        return {name: f"{value:.4g}" for name, value in self._logs.items()} | {"samples/s": self._speed}

    def _line(self, **fields: Any) -> str:
        """The whole line, within `ncols` columns; in place of tqdm's `format_meter`."""
        meter = type(self._bar).format_meter
        width = fields["ncols"]
        for bar_format in self._formats():
            bare = meter(**fields | {"bar_format": bar_format.replace("|{bar}|", ""), "ncols": None})
            room = len(bare) + ("{bar}" in bar_format) * (_SHORTEST_BAR + 2)
            if width is None or room <= width:
                break
        return str(
            meter(**fields | {"bar_format": bar_format.rstrip()})
        )  # cut to the width where none was short enough

    def _formats(self) -> Iterator[str]:
        """From the richest to the shortest: first the bar goes, then speed, clock, the last metrics, validation."""
        logs = self._logs
        names = [name for name in logs if not name.startswith("val_") or name.removeprefix("val_") not in logs]
        groups = [[name, f"val_{name}"] if f"val_{name}" in logs else [name] for name in names]
        numbers = [" ".join(f"{name}={_number(logs[name])}" for name in group) for group in groups]
        paired = [
            f"{name}={_number(logs[name])}" + "".join(f" (val {_number(logs[other])})" for other in others)
            for name, *others in groups
        ]
        count = "{n_fmt}/{total_fmt} "
        head, everything = f"epoch {count}", _escaped(numbers)
        speed = f" samples/s={self._speed}" if self._speed else ""
        yield head + "|{bar}| " + _CLOCK + everything + speed
        yield head + _CLOCK + everything + speed
        yield head + _CLOCK + everything
        for some in [numbers[:n] for n in range(len(groups), 1, -1)]:
            yield head + _escaped(some)
        for first in (numbers[:2], paired[:2], paired[:1]):
            yield head + _escaped(first)
            yield count + _escaped(first)
        training = [f"{name}={_number(logs[name])}" for name in names[:1]]
        yield count + _escaped(training)
        yield _escaped(training) or count


def _escaped(pieces: list[str]) -> str:
    return " ".join(pieces).replace("{", "{{").replace("}", "}}")


def _number(value: float) -> str:
    """Four significant digits, zeros too: what has one width leaves the line in peace."""
    return f"{value:#.4g}".rstrip(".")


def with_si_prefix(value: float) -> str:
    """Three significant digits and a prefix: ``1.23M``."""
    for prefix in ("", "k", "M", "G"):
        if value < 999.5 or prefix == "G":
            break
        value /= 1000
    return f"{value:.3g}{prefix}"
