"""The progress bar of `Trainer.fit`: epochs done, loss, metrics, samples per second, in a terminal or a notebook."""

from __future__ import annotations

from typing import Any

from .callbacks import Callback, Logs, Training


class Progress(Callback):
    """A tqdm bar that advances by one for each epoch.

    Parameters
    ----------
    epochs : int
        How many epochs the bar is long.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._bar: Any = None

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        from tqdm.auto import tqdm  # here: a silent fit need not pay for the import

        self._bar = tqdm(total=self.epochs, desc="epochs", unit="epoch", dynamic_ncols=True)

    def on_epoch_end(self, trainer: Training, logs: Logs) -> None:
        rate = trainer.history.samples_per_second[-1]
        shown = {name: f"{value:.4g}" for name, value in logs.items()} | {"samples/s": with_si_prefix(rate)}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        self._bar.close()


def with_si_prefix(value: float) -> str:
    """Three significant digits and a prefix: ``1.23M``."""
    for prefix in ("", "k", "M", "G"):
        if value < 999.5 or prefix == "G":
            break
        value /= 1000
    return f"{value:.3g}{prefix}"
