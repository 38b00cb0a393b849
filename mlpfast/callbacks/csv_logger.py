"""The logs as a table in a file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import IO, Any

from ..errors import boolean
from ..files.replacing import as_path
from ..settings import Setting
from .protocol import Callback, Logs, Training

__all__ = ["CSVLogger"]


def _one_character(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise ValueError(f"expected {name} to be one character, got {value!r}")
    return value


class CSVLogger(Callback):
    """Writes a row for each epoch into a CSV file: its number, counted from 0, and its logs.

    Numbers are written so that they read back with the same bits. Each row is in the file before the next epoch begins.
    Further calls of `fit` of the same trainer go on below, and so does one that is resumed from a checkpoint: rows that
    were written after the checkpoint are taken away first, as their epochs come again.

    Parameters
    ----------
    path : str or path-like
        The file; its folder has to exist.
    separator : str, default ","
        One character between the cells.
    append : bool, default False
        Whether a new training goes on below the rows that the file has, which need to have the same columns; else it
        replaces them.

    Raises
    ------
    TypeError, ValueError
        For arguments of another type; while training, for logs with a key that is no column of the file.
    OSError
        While training, if the file can't be written.

    Examples
    --------
    >>> import mlpfast as mf, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "log.csv")
    >>> trainer = mf.Trainer(mf.mlp([1, 1]), loss="mse", callbacks=[mf.callbacks.CSVLogger(path)])
    >>> history = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, verbose=0)
    >>> [line.split(",")[0] for line in path.read_text().splitlines()]
    ['epoch', '0', '1']
    >>> folder.cleanup()
    """

    separator = Setting[str](_one_character)
    append = Setting[bool](boolean)

    def __init__(self, path: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.path = as_path(path)
        self.separator, self.append = separator, append
        self._run_id: str | None = None
        self._columns: list[str] = []
        self._end = 0  # of the last row, in bytes
        self._file: IO[str] | None = None

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        goes_on = trainer.run_id == self._run_id and os.path.exists(self.path)
        mode = "r+" if goes_on else "a" if self.append else "w"
        self._file = open(self.path, mode, newline="", encoding="utf-8")  # noqa: SIM115 - for as long as training lasts
        if goes_on and os.fstat(self._file.fileno()).st_size >= self._end:
            self._file.truncate(self._end)
            self._file.seek(self._end)
        else:
            self._run_id, self._columns = trainer.run_id, self._first_row()
            self._file.seek(0, os.SEEK_END)

    def _first_row(self) -> list[str]:
        """The columns that the file has."""
        with open(self.path, newline="", encoding="utf-8") as file:
            return next(csv.reader(file, delimiter=self.separator), [])

    def on_epoch_end(self, trainer: Training, logs: Logs) -> None:
        assert self._file is not None
        row = {"epoch": trainer.epochs - 1} | logs
        rows = csv.writer(self._file, delimiter=self.separator, lineterminator="\n")
        if not self._columns:
            self._columns = list(row)
            rows.writerow(self._columns)
        strange = [name for name in row if name not in self._columns]
        if strange:
            raise ValueError(
                f"expected logs for the columns {', '.join(self._columns)} of {self.path}, got {', '.join(strange)}; "
                "write them into another file"
            )
        rows.writerow([row.get(name, "") for name in self._columns])
        self._file.flush()
        self._end = self._file.tell()

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def state_dict(self) -> dict[str, Any]:
        return {"run_id": self._run_id, "columns": self._columns, "end": self._end}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._run_id, self._columns, self._end = state["run_id"], list(state["columns"]), state["end"]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}

    def __repr__(self) -> str:
        return f"CSVLogger({self.path!r}, separator={self.separator!r}, append={self.append!r})"
