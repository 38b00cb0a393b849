"""A model as it was, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import integer
from ..model import Model
from ..settings import Setting
from .protocol import Callback, Logs, Training

__all__ = ["Snapshots"]


class Snapshots(Callback):
    """Keeps a model's state before training and after epochs, for pictures of the way that it went.

    Parameters
    ----------
    every : int, default 1
        Keep one after so many epochs.
    most : int, default 200
        At most so many: beyond, every second one is dropped, and from then on twice as many epochs are between them.

    Attributes
    ----------
    epochs : list of int
        How many epochs were done: 0, then multiples of `every`.
    states : list of ndarray
        `Model.state` after each of these.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range or of another type.

    Examples
    --------
    >>> import mlpfast as mf
    >>> snapshots = mf.callbacks.Snapshots(every=2)
    >>> trainer = mf.Trainer(mf.mlp([1, 1]), "mse", callbacks=[snapshots])
    >>> history = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=6, verbose=0)
    >>> snapshots.epochs
    [0, 2, 4, 6]
    >>> bool((snapshots.model(-1).parameters == trainer.model.parameters).all())
    True
    """

    most = Setting[int](integer, at_least=2)

    def __init__(self, every: int = 1, most: int = 200) -> None:
        self._every, self.most = integer("every", every), most
        self._forget(None)

    def _forget(self, run_id: str | None) -> None:
        self._run_id, self._step = run_id, self._every
        self._model: Model | None = None
        self.epochs: list[int] = []
        self.states: list[NDArray[Any]] = []

    @property
    def every(self) -> int:
        """Epochs from one to the next, to begin with; read-only, as those that are kept follow it."""
        return self._every

    def model(self, number: int) -> Model:
        """A copy of the model with one of the states.

        Parameters
        ----------
        number : int
            Of the state in `states`.

        Returns
        -------
        Model
        """
        if self._model is None:
            raise ValueError("expected Snapshots that have followed a training, got some without a model")
        twin = self._model.copy()
        twin.state = self.states[number]
        return twin

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        if trainer.run_id != self._run_id:
            self._forget(trainer.run_id)
            self._keep(trainer)
        self._model = trainer.model

    def on_epoch_end(self, trainer: Training, logs: Logs) -> None:
        if trainer.epochs % self._step == 0:
            self._keep(trainer)

    def _keep(self, trainer: Training) -> None:
        self.epochs.append(trainer.epochs)
        self.states.append(trainer.model.state.copy())
        if len(self.states) > self.most:
            self._step *= 2
            kept = [i for i, epoch in enumerate(self.epochs) if epoch % self._step == 0]
            self.epochs, self.states = [self.epochs[i] for i in kept], [self.states[i] for i in kept]

    def state_dict(self) -> dict[str, Any]:
        states = {f"state.{i}": state for i, state in enumerate(self.states)}
        return {"run_id": self._run_id, "step": self._step, "epochs": self.epochs} | states

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        epochs = list(state["epochs"])
        states = [state[f"state.{i}"] for i in range(len(epochs))]
        self._run_id, self._step = state["run_id"], integer("step", state["step"])
        self.epochs, self.states = epochs, states

    def __repr__(self) -> str:
        return f"Snapshots(every={self.every}, most={self.most})"
