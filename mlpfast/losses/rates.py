"""Losses of what is not negative: counts, rates, sizes and sums of them, by half their unit deviances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..errors import real_field
from .base import Loss, Targets

__all__ = ["GammaDeviance", "Poisson", "TweedieDeviance"]


@dataclass(frozen=True)
class GammaDeviance(Loss):
    """Half the unit gamma deviance, y / mean - log(y / mean) - 1, for sizes y > 0: relative errors count.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("exponential")])  # of log-means
    >>> [round(model.loss_and_gradient([[0.0]], [size], "gamma_deviance")[0], 4) for size in (1.0, 2.0)]
    [0.0, 0.3069]
    """

    name: ClassVar[str] = "gamma_deviance"
    targets: ClassVar[Targets] = Targets(low=0.0, positive=True)
    reads: ClassVar[str] = "log-means"
    output_activations: ClassVar[tuple[str, ...]] = ("exponential", "identity")


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the unit Poisson deviance, exp(z) - y z + y log y - y, for counts or rates y >= 0.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("exponential")])  # of log-rates
    >>> model.loss_and_gradient([[0.0]], [1.0], "poisson")[0]  # a rate of 1, and a count of 1
    0.0
    >>> round(model.loss_and_gradient([[0.0]], [3.0], "poisson")[0], 4)
    1.2958
    """

    name: ClassVar[str] = "poisson"
    targets: ClassVar[Targets] = Targets(low=0.0)
    reads: ClassVar[str] = "log-rates"
    output_activations: ClassVar[tuple[str, ...]] = ("exponential", "identity")


@dataclass(frozen=True)
class TweedieDeviance(Loss):
    """Half the unit Tweedie deviance of `power` in (1, 2), for sums of a random number of sizes, y >= 0, zero included.

    Power 1 is `Poisson`, 2 is `GammaDeviance`. With the two, it is what scikit-learn has as ``mean_tweedie_deviance``,
    but for a factor of 2.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("exponential")])  # of log-means
    >>> loss = mf.losses.TweedieDeviance(power=1.5)
    >>> [round(model.loss_and_gradient([[0.0]], [amount], loss)[0], 4) for amount in (0.0, 1.0, 4.0)]
    [2.0, 0.0, 2.0]
    """

    power: float = 1.5
    name: ClassVar[str] = "tweedie_deviance"
    targets: ClassVar[Targets] = Targets(low=0.0)
    reads: ClassVar[str] = "log-means"
    output_activations: ClassVar[tuple[str, ...]] = ("exponential", "identity")

    def __post_init__(self) -> None:
        real_field(self, "power", above=1.0, below=2.0)

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.power,)
