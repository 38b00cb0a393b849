"""What training recorded, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["History"]


class History(Mapping[str, list[float]]):
    """What one call of `Trainer.fit` recorded.

    A read-only mapping from "loss", each metric, "val_loss" and each "val_<metric>" to a list of one value an epoch.

    Attributes
    ----------
    epochs : int
        Number of epochs recorded. A last epoch that `max_seconds` cut short counts; one cut short by Ctrl-C or by a
        diverging loss does not.
    seconds : list of float
        Training time of each epoch, without validation, Python metrics and callbacks.
    samples_per_second : list of float
        Training speed of each epoch.
    stopped_by : str or None
        Why training ended: "epochs" (all were done), "max_seconds", the class name of the callback that asked for it,
        "interrupt" (Ctrl-C), "divergence" or "error"; None while it runs.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.samples_per_second: list[float] = []
        self.stopped_by: str | None = None
        self._values: dict[str, list[float]] = {}

    @property
    def epochs(self) -> int:
        """Number of epochs recorded."""
        return len(self.seconds)

    def __getitem__(self, name: str) -> list[float]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        last = "".join(f", {name}={values[-1]:.4g}" for name, values in self._values.items())
        return f"<History of {self.epochs} epochs{last}>"

    def record(self, logs: Mapping[str, float], seconds: float, rows: int) -> None:
        """Append an epoch: its values, its training time, and the rows that it saw."""
        self.seconds.append(seconds)
        self.samples_per_second.append(rows / max(seconds, 1e-9))
        for name, value in logs.items():
            self._values.setdefault(name, []).append(value)
