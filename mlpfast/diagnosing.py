"""The diagnosis of a model at its data: what the rules find there, and in some steps that a copy takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .classweight import as_class_weight, balanced, weights_of_rows
from .diagnosis.data_rules import DATA_RULES
from .diagnosis.evidence import PROBE_ROWS, Evidence, gather, moved
from .diagnosis.layer_rules import LAYER_RULES
from .diagnosis.report import Report
from .diagnosis.training_rules import STEP_RULES, Steps, barely_falls
from .errors import DivergenceError, integer
from .losses import Loss, as_loss
from .model import Model
from .optimizers import Adam, Optimizer, as_optimizer
from .schedules import Schedule
from .trainer import Trainer

__all__ = ["diagnose"]

_STEPS = 30
_LONGER = (1e2, 1e4, 1e6)  # times the learning rate


def diagnose(
    model: Model,
    X: Any,
    y: Any,
    loss: str | Loss = "cross_entropy",
    *,
    optimizer: str | Optimizer | None = Adam(learning_rate=1e-3),  # noqa: B008 - immutable
    batch_size: int = 128,
    class_weight: str | Mapping[int, float] | Iterable[float] | None = None,
) -> Report:
    """Look for what keeps a model from learning, by the rules of `mlpfast.diagnosis`.

    Parameters
    ----------
    model : Model
        Before, during or after training. It is not changed.
    X : array-like (n, inputs) or SciPy sparse
        Of the training data. A sample of 4,096 rows is looked at, and 512 of these in each layer.
    y : array-like
        Targets, as the loss takes them.
    loss : str or Loss, default "cross_entropy"
        See `mlpfast.losses`.
    optimizer : str or Optimizer or None, default ``Adam(learning_rate=1e-3)``
        The one that trains the model: a copy takes 30 steps with it, at the largest rate of a
        schedule; if they change nothing, 30 more at larger ones, up to a million times that. None, or one
        of full batches, such as `optimizers.LBFGS`: no steps, and nothing about the rate.
    batch_size : int, default 128
        Rows in each of these steps.
    class_weight : "balanced", mapping, sequence of float, or None, default None
        That of the `Trainer`: classes that it weighs may be rare.

    Returns
    -------
    Report
        It prints: a table of layers, and what was found.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, of another type, or does not fit the model or the others.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.random.default_rng(0).uniform(0, 255, size=(200, 3))
    >>> report = mf.diagnose(mf.mlp([3, 8, 1], "tanh", seed=0), X, X[:, 0] / 255, "mse", optimizer=None)
    >>> [finding.rule for finding in report.findings]
    ['unscaled_inputs', 'saturated_units']
    """
    if not isinstance(model, Model):
        raise TypeError(f"expected model to be a Model, got {type(model).__name__}")
    batch_size = integer("batch_size", batch_size)
    weights = as_class_weight(class_weight, as_loss(loss), model.outputs)
    evidence = gather(model, X, y, loss, weighed=weights is not None)
    if isinstance(weights, str):
        weights = balanced(evidence.targets, evidence.loss, model.outputs)
    findings = [finding for rule in (*DATA_RULES, *LAYER_RULES) for finding in rule(evidence)]
    ratios: dict[str, float] = {}
    enough = len(evidence.y) > 1 or not model.program.over_batch
    trainable = any(tensor.rule.trainable for tensor in model.program.tensors)
    optimizer = None if optimizer is None else as_optimizer(optimizer)
    if optimizer is not None and not optimizer.full_batch and enough and trainable:
        rate = _largest(optimizer.learning_rate, -(-len(evidence.targets) // batch_size))
        optimizer = replace(optimizer, learning_rate=rate)
        losses, ratios, diverged = _try(evidence, optimizer, batch_size, weights)
        longer = {}
        if barely_falls(losses):
            for larger in (factor * rate for factor in _LONGER):
                faster = replace(optimizer, learning_rate=larger)
                longer[larger], _, _ = _try(evidence, faster, batch_size, weights)
        steps = Steps(losses, longer, evidence.unlearnt, diverged, rate)
        findings += [finding for rule in STEP_RULES for finding in rule(steps)]
    return Report(tuple(findings), evidence.layers, ratios, evidence.value, len(evidence.outputs))


def _largest(rate: float | Schedule | Callable[[int], float], steps_per_epoch: int) -> float:
    """The learning rate; of a schedule, the largest that its first thousand steps, or all of them, have."""
    if isinstance(rate, Schedule):
        return float(rate.values(np.arange(1000), steps_per_epoch=steps_per_epoch, total_steps=1000).max())
    assert isinstance(rate, float), "an optimizer makes schedules of functions"
    return rate


def _try(
    evidence: Evidence, optimizer: Optimizer, batch_size: int, class_weight: tuple[float, ...] | None
) -> tuple[list[float], dict[str, float], bool]:
    """Some steps of a copy: the loss before each and after the last, sizes of steps, whether they diverged."""
    model = evidence.model.copy()
    X, y = evidence.X, evidence.y
    trainer = Trainer(model, evidence.loss, optimizer, class_weight=class_weight)
    weights = {facts.weight: model.tensors[facts.weight] for facts in evidence.layers if facts.weight}
    probe = X[:PROBE_ROWS], y[:PROBE_ROWS]
    weight = None if class_weight is None else weights_of_rows(class_weight, probe[1], evidence.loss)
    order = np.random.default_rng(1)
    sizes = {name: list[float]() for name in weights}
    rows, over_batch = min(batch_size, len(y)), model.program.over_batch

    def loss() -> float:
        return model.loss_and_gradient(*probe, evidence.loss, sample_weight=weight, training=over_batch)[0]

    losses = [loss()]
    try:
        for _ in range(_STEPS):
            before = {name: tensor.copy() for name, tensor in weights.items()}
            taken = order.permutation(len(y))[:rows]
            trainer.train_on_batch(X[taken], y[taken])
            losses.append(loss())
            for name, tensor in weights.items():
                sizes[name].append(moved(tensor, before[name]))
    except DivergenceError:
        return losses, _medians(sizes), True
    return losses, _medians(sizes), not np.isfinite(losses).all()


def _medians(sizes: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.median(each)) for name, each in sizes.items() if each}
