"""Schedules that fall, or rise, all the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Array, Timed
from .curves import power

__all__ = ["Exponential", "InverseScaling", "Polynomial", "Step"]


@dataclass(frozen=True, repr=False)
class Step(Timed):
    """Multiply by `factor` after every `steps`, or `epochs`: ``initial * factor**floor(t)``.

    Parameters
    ----------
    initial : float >= 0
    factor : float >= 0, default 0.1
    steps, epochs : int, float
        From one drop to the next: one of the two has to be given.
    per : {"step", "epoch"}, default "step"

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.schedules.Step(0.1, 0.5, epochs=30).values([0, 299, 300, 600], steps_per_epoch=10).tolist()
    [0.1, 0.1, 0.05, 0.025]
    """

    initial: float
    factor: float = 0.1
    name: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("initial", "factor", at_least=0.0)
        if self.steps is None and self.epochs is None:
            raise ValueError("expected steps or epochs of Step, from one drop to the next; got neither")

    def _at(self, t: Array) -> Array:
        return self.initial * power(self.factor, np.floor(t))


@dataclass(frozen=True, repr=False)
class Exponential(Timed):
    """Multiply by `factor` in the course of every `steps`, or `epochs`: ``initial * factor**t``.

    Parameters
    ----------
    initial : float >= 0
    factor : float >= 0, default 0.95
    steps, epochs : int, float
        By default one epoch.
    per : {"step", "epoch"}, default "step"
        With "epoch", as PyTorch's ``ExponentialLR``.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.schedules.Exponential(0.1, 0.5).values([0, 10, 20], steps_per_epoch=10).tolist()
    [0.1, 0.05, 0.025]
    """

    initial: float
    factor: float = 0.95
    name: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "epochs", 1.0)
        super().__post_init__()
        self._check("initial", "factor", at_least=0.0)

    def _at(self, t: Array) -> Array:
        return self.initial * power(self.factor, t)


@dataclass(frozen=True, repr=False)
class InverseScaling(Timed):
    """Fall with a power of time: ``initial / (1 + t)**exponent``.

    Parameters
    ----------
    initial : float >= 0
    exponent : float >= 0, default 0.5
    steps, epochs : int, float
        The unit of ``t``, by default one step.
    per : {"step", "epoch"}, default "step"

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.schedules.InverseScaling(0.1).values([0, 3, 99]).round(3).tolist()
    [0.1, 0.05, 0.01]
    """

    initial: float
    exponent: float = 0.5
    name: ClassVar[str] = "inverse_scaling"

    def __post_init__(self) -> None:
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "steps", 1)
        super().__post_init__()
        self._check("initial", "exponent", at_least=0.0)

    def _at(self, t: Array) -> Array:
        return self.initial * power(1.0 + t, -self.exponent)


@dataclass(frozen=True, repr=False)
class Polynomial(Timed):
    """From `initial` to `final`: ``final + (initial - final) (1 - t)**exponent``; by default a straight line.

    Parameters
    ----------
    initial : float >= 0
    final : float >= 0, default 0.0
    exponent : float > 0, default 1.0
    steps, epochs : int, float, optional
        Until the end; by default, to the end of the fit.
    per : {"step", "epoch"}, default "step"

    Examples
    --------
    A straight line to a tenth, and a curve that is steep at first:

    >>> import mlpfast as mf
    >>> mf.schedules.Polynomial(0.1, 0.01).values([0, 50, 100], total_steps=100).round(3).tolist()
    [0.1, 0.055, 0.01]
    >>> mf.schedules.Polynomial(0.1, exponent=2).values([0, 50, 100], total_steps=100).round(3).tolist()
    [0.1, 0.025, 0.0]
    """

    initial: float
    final: float = 0.0
    exponent: float = 1.0
    name: ClassVar[str] = "polynomial"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("initial", "final", at_least=0.0)
        self._check("exponent", above=0.0)

    def _at(self, t: Array) -> Array:
        left = 1.0 - np.minimum(t, 1.0)
        return self.final + (self.initial - self.final) * (left if self.exponent == 1 else power(left, self.exponent))
