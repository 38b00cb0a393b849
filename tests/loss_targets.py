"""Targets that a loss takes, made from what it says of them: a loss that is added needs nothing here."""

import numpy as np


def fitting_outputs(loss, outputs):
    """A number of outputs, at least so many, that the loss takes."""
    if loss.targets.classes and not loss.targets.ordered:
        outputs = max(outputs, 2)
    return -(-outputs // loss.outputs_per_target) * loss.outputs_per_target


def targets_of(loss, outputs, rows, rng, *, soft=False, mean=0.0, deviation=1.0):
    """Random targets for so many rows; `soft` ones are between those that data mostly have."""
    takes, shape = loss.targets, (rows, outputs // loss.outputs_per_target)
    if takes.classes and soft and not takes.ordered:
        return rng.dirichlet(np.ones(outputs), rows)
    if takes.classes:
        return rng.integers(loss.classes(outputs), size=rows)
    if takes.signs:
        return rng.integers(2, size=shape) * 2 - 1 if soft else rng.integers(2, size=shape)
    if takes.high < np.inf:
        return rng.uniform(size=shape) if soft else rng.integers(2, size=shape)
    if takes.positive:
        return rng.gamma(2.0, size=shape)
    if takes.low == 0:
        return rng.poisson(2.0, size=shape)
    return rng.normal(mean, deviation, size=shape)
