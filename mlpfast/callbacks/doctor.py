"""A diagnosis while a model is trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, TypeAlias

from numpy.typing import NDArray

from ..callers import levels_to_the_user
from ..diagnosis.data_rules import DATA_RULES
from ..diagnosis.evidence import Evidence, LayerFacts, gather, moved
from ..diagnosis.layer_rules import LAYER_RULES
from ..diagnosis.report import Finding
from ..diagnosis.training_rules import COURSE_RULES, Course, creeps, stands_still
from ..errors import boolean
from ..settings import Setting
from .protocol import Callback, Logs, Training

__all__ = ["Doctor"]

_ROWS = 128  # their shares are known to some percent

Weights: TypeAlias = "dict[str, NDArray[Any]]"


class Doctor(Callback):
    """Watches training by the rules of `mlpfast.diagnosis`, and says what it finds, once, as a warning.

    After every epoch it looks at the loss, and, given data, after epochs 1, 2, 4, 8, ... at what the layers make of
    128 rows, which takes some milliseconds; before the first, once, at all of the data, as `fit` does. So the longer a
    training, the less of it is spent on this. Training itself is not changed: the parameters are the same, to the bit.
    It keeps a copy of the weights as they were at the start. Classes that the trainer weighs may be rare.

    Parameters
    ----------
    X, y : array-like, optional
        Of the training data, as for `Trainer.fit`; without them, only the losses and the weights are looked at.
    warn : bool, default True
        Whether findings are warnings, too.

    Attributes
    ----------
    findings : list of Finding
        All so far, of this trainer: each rule once for each place.
    layers : dict from int to tuple of LayerFacts
        What was measured, by the number of epochs done; 0 is before the first.
    update_ratios : dict from int to dict from str to float
        For each weight matrix, the way that it went in that epoch in relation to its size, ||dW|| / ||W||.

    Raises
    ------
    TypeError, ValueError
        If only one of X and y is given; when training begins, if they do not fit the model or the loss.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> X /= 16
    >>> doctor = mf.callbacks.Doctor(X, y)
    >>> trainer = mf.Trainer(mf.mlp([64, 32, 10], "relu", "softmax"), callbacks=[doctor])
    >>> history = trainer.fit(X, y, epochs=5, verbose=0)
    >>> doctor.findings, sorted(doctor.layers)
    ([], [0, 1, 2, 4])
    """

    warn = Setting[bool](boolean)

    def __init__(self, X: Any = None, y: Any = None, *, warn: bool = True) -> None:
        if (X is None) != (y is None):
            raise ValueError(f"expected X and y, or neither, got only {'y' if X is None else 'X'}")
        self._data = None if X is None else (X, y)
        self.warn = warn
        self._forget(None)

    def _forget(self, run_id: str | None) -> None:
        self._run_id = run_id
        self.findings: list[Finding] = []
        self.layers: dict[int, tuple[LayerFacts, ...]] = {}
        self.update_ratios: dict[int, dict[str, float]] = {}
        self._losses: list[float] = []
        self._probes: list[float] = []
        self._unlearnt = 0.0
        self._steps = 0
        self._start: Weights = {}
        self._before: Weights = {}
        self._probe = self._data

    def on_train_begin(self, trainer: Training, logs: Logs) -> None:
        if trainer.run_id == self._run_id:
            return
        self._forget(trainer.run_id)
        self._start, self._steps = _weights(trainer), trainer.steps
        self._examine(trainer, (*DATA_RULES, *LAYER_RULES))

    def on_epoch_begin(self, trainer: Training, logs: Logs) -> None:
        epoch = trainer.epochs + 1
        self._before = _weights(trainer) if epoch & (epoch - 1) == 0 else {}

    def on_epoch_end(self, trainer: Training, logs: Logs) -> None:
        self._losses.append(logs["loss"])
        if self._before:
            self.update_ratios[trainer.epochs] = _moved(trainer, self._before)
            self._before = {}
            self._examine(trainer, LAYER_RULES)
        self._follow(trainer, diverged=False)

    def on_train_end(self, trainer: Training, logs: Logs) -> None:
        if trainer.history.stopped_by == "divergence":
            self._follow(trainer, diverged=True)

    def _examine(self, trainer: Training, rules: tuple[Callable[[Evidence], Iterable[Finding]], ...]) -> None:
        """Measure the layers at some rows."""
        if self._probe is None:
            return
        weighed = trainer.class_weight is not None
        evidence = gather(trainer.model, *self._probe, trainer.loss, _ROWS, weighed=weighed)
        self._probe = evidence.X[:_ROWS], evidence.y[:_ROWS]  # the rules about the data have had all
        self.layers[trainer.epochs] = evidence.layers
        self._probes.append(evidence.value)
        self._unlearnt = self._unlearnt or evidence.unlearnt
        self._tell(trainer, [finding for rule in rules for finding in rule(evidence)])

    def _follow(self, trainer: Training, diverged: bool) -> None:
        """Look at the losses."""
        slow = len(self._losses) > 1 and (stands_still(self._losses) or creeps(self._losses))
        course = Course(
            losses=self._losses,
            probes=self._probes,
            unlearnt=self._unlearnt,
            moved=max(_moved(trainer, self._start).values(), default=inf) if slow else inf,
            steps=trainer.steps - self._steps,
            drops=any(layer.kind == "dropout" for layer in trainer.model.program.layers),
            diverged=diverged,
            learning_rate=trainer.learning_rate,
        )
        self._tell(trainer, [finding for rule in COURSE_RULES for finding in rule(course)])

    def _tell(self, trainer: Training, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if not any((known.rule, known.where) == (finding.rule, finding.where) for known in self.findings):
                self.findings.append(finding)
                if self.warn:
                    warnings.warn(f"after {trainer.epochs} epochs, {finding}", stacklevel=levels_to_the_user())

    def state_dict(self) -> dict[str, Any]:
        return {
            "run_id": self._run_id,
            "losses": self._losses,
            "probes": self._probes,
            "unlearnt": self._unlearnt,
            "steps": self._steps,
            "findings": [list(finding) for finding in self.findings],
        } | {f"start.{name}": array for name, array in self._start.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._forget(state["run_id"])
        self._losses, self._probes = list(state["losses"]), list(state["probes"])
        self._unlearnt, self._steps = state["unlearnt"], state["steps"]
        self._start = {name[6:]: array for name, array in state.items() if name.startswith("start.")}
        self.findings = [Finding(*each) for each in state["findings"]]

    def __repr__(self) -> str:
        return f"<Doctor with{'out' * (self._data is None)} data: {len(self.findings)} findings>"


def _weights(trainer: Training) -> Weights:
    """Copies of the tensors that decay, which are those that rows or deltas are multiplied by."""
    model = trainer.model
    return {tensor.name: model.tensors[tensor.name].copy() for tensor in model.program.tensors if tensor.decays}


def _moved(trainer: Training, before: Weights) -> dict[str, float]:
    """By what part of itself each of them has changed."""
    tensors = trainer.model.tensors
    return {name: moved(tensors[name], array) for name, array in before.items()}
