"""Schedules made of half cosine waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import integer
from .base import Array, Timed
from .curves import cosine, log2, power

__all__ = ["CosLog4", "Cosine", "FlatCos", "OneCycle"]


@dataclass(frozen=True, repr=False)
class Cosine(Timed):
    """Half a cosine wave from `initial` to `final`, or several with warm restarts (Loshchilov and Hutter, 2017).

    ``final + (initial - final) (1 + cos(pi t)) / 2`` in each cycle.

    Parameters
    ----------
    initial : float >= 0
    final : float >= 0, default 0.0
    cycles : int, default 1
        Each after the first is a warm restart.
    growth : float > 0, default 1.0
        Every cycle is so many times as long as the one before it; PyTorch calls it ``T_mult``.
    restart_factor : float >= 0, default 1.0
        Each restart begins at so many times the value that the one before it began at.
    steps, epochs : int, float, optional
        Of all cycles together; by default, to the end of the fit.
    per : {"step", "epoch"}, default "step"

    Examples
    --------
    Cycles of 10, 20 and 40 epochs:

    >>> import mlpfast as mf
    >>> rate = mf.schedules.Cosine(0.1, cycles=3, growth=2, epochs=70)
    >>> rate.values([0, 9, 10, 29, 30], steps_per_epoch=1).round(3).tolist()
    [0.1, 0.002, 0.1, 0.001, 0.1]
    """

    initial: float
    final: float = 0.0
    cycles: int = 1
    growth: float = 1.0
    restart_factor: float = 1.0
    name: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("initial", "final", "restart_factor", at_least=0.0)
        self._check("growth", above=0.0)
        object.__setattr__(self, "cycles", integer("cycles", self.cycles, at_most=1000))

    def _at(self, t: Array) -> Array:
        lengths = power(self.growth, np.arange(self.cycles))
        ends = lengths.cumsum() / lengths.sum()
        ends[-1] = 1.0
        starts = np.concatenate([[0.0], ends[:-1]])
        t = np.minimum(t, 1.0)
        cycle = np.searchsorted(starts[1:], t + 1e-12, side="right")  # a step that is a restart, but for rounding
        within = np.clip((t - starts[cycle]) / (ends - starts)[cycle], 0.0, 1.0)
        top = self.initial * power(self.restart_factor, cycle)
        return self.final + (top - self.final) * ((1.0 + cosine(within)) / 2)


@dataclass(frozen=True, repr=False)
class OneCycle(Timed):
    """Up to `peak` and down again, along half cosine waves (Smith and Topin, 2019).

    Parameters
    ----------
    peak : float >= 0
    rise : float in (0, 1), default 0.3
        The part of the way that goes up.
    start_factor : float >= 0, default 0.04
        The first value is ``start_factor * peak``.
    final_factor : float >= 0, default 4e-6
        The last one is ``final_factor * peak``.
    steps, epochs : int, float, optional
        Of all of it; by default, to the end of the fit.
    per : {"step", "epoch"}, default "step"

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.schedules.OneCycle(0.1).values([0, 15, 30, 65, 100], total_steps=100).round(3).tolist()
    [0.004, 0.052, 0.1, 0.05, 0.0]
    """

    peak: float
    rise: float = 0.3
    start_factor: float = 0.04
    final_factor: float = 4e-6
    name: ClassVar[str] = "one_cycle"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("peak", "start_factor", "final_factor", at_least=0.0)
        self._check("rise", above=0.0, below=1.0)

    def _at(self, t: Array) -> Array:
        t = np.minimum(t, 1.0)
        rises = t < self.rise
        along = np.where(rises, 1.0 - t / self.rise, (t - self.rise) / (1.0 - self.rise))
        low = np.where(rises, self.start_factor, self.final_factor)
        return self.peak * (low + (1.0 - low) * ((1.0 + cosine(along)) / 2))


@dataclass(frozen=True, repr=False)
class CosLog4(Timed):
    """Four waves, each twice as long as the one before: ``peak (1 - cos(2 pi log2(1 + 15 t))) / 2``.

    The learning rate of RealMLP (Holzmüller et al., 2024); the first step has rate 0.

    Parameters
    ----------
    peak : float >= 0
    steps, epochs : int, float, optional
        Of all of it; by default, to the end of the fit.
    per : {"step", "epoch"}, default "step"

    Examples
    --------
    Its peaks are at ``t = (2**(k + 1/2) - 1) / 15``, k = 0, 1, 2, 3:

    >>> import mlpfast as mf
    >>> mf.schedules.CosLog4(0.1).values([0, 41, 183, 466, 1020], total_steps=1500).round(3).tolist()
    [0.0, 0.1, 0.1, 0.1, 0.1]
    """

    peak: float
    name: ClassVar[str] = "coslog4"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("peak", at_least=0.0)

    def _at(self, t: Array) -> Array:
        return self.peak * ((1.0 - cosine(2.0 * log2(1.0 + 15.0 * np.minimum(t, 1.0)))) / 2)


@dataclass(frozen=True, repr=False)
class FlatCos(Timed):
    """`initial` for the first half, then half a cosine wave to 0: ``initial (1 + cos(pi (2 t - 1))) / 2``.

    RealMLP multiplies its dropout and weight decay by it (Holzmüller et al., 2024).

    Parameters
    ----------
    initial : float >= 0
    steps, epochs : int, float, optional
        Of all of it; by default, to the end of the fit.
    per : {"step", "epoch"}, default "step"

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.schedules.FlatCos(0.1).values([0, 50, 75, 100], total_steps=100).round(3).tolist()
    [0.1, 0.1, 0.05, 0.0]
    """

    initial: float
    name: ClassVar[str] = "flat_cos"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("initial", at_least=0.0)

    def _at(self, t: Array) -> Array:
        return self.initial * ((1.0 + cosine(np.clip(2.0 * t - 1.0, 0.0, 1.0))) / 2)
