"""Losses of numbers: what the network is trained on for each, and what its outputs are in the targets' own units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import real, unknown_name
from ..losses import (
    GammaDeviance,
    GaussianNLL,
    Huber,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
    TweedieDeviance,
    as_loss,
)

__all__ = ["Family", "family_of"]

_QUARTILES_OF_NORMAL = 1.349  # their distance, in standard deviations
_FARTHEST = 1e6  # what robust losses are trained on lies within so many standard deviations, which float32 holds
_LEAST_MEAN = 1e-9  # that is predicted of positive targets, in parts of their mean


@dataclass(frozen=True)
class Family:
    """A loss of numbers.

    Attributes
    ----------
    name : str
        What `TabularRegressor` calls it.
    loss : Loss
    metric : str
        The `eval_metric` that goes with it.
    activation : str
        Of the network's outputs.
    units : callable
        From targets (n, targets) to their centre and scale (targets,).
    """

    name: str
    loss: Loss
    metric: str
    activation: str
    units: Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]

    @property
    def quantiles(self) -> tuple[float, ...] | None:
        """Those of "quantile", ascending."""
        return self.loss.q if isinstance(self.loss, Quantile) and isinstance(self.loss.q, tuple) else None

    @property
    def each(self) -> int:
        """Outputs for a target, which stand side by side."""
        return self.loss.outputs_per_target

    @property
    def power(self) -> float | None:
        """Of the Tweedie deviance that the loss is a kind of."""
        powers: dict[str, float] = {"poisson": 1.0, "gamma": 2.0}
        return self.loss.power if isinstance(self.loss, TweedieDeviance) else powers.get(self.name)

    def learn(self, targets: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Units of the training targets, and the range that predictions stay in; (targets,) each."""
        centre, scale = self.units(targets)
        if self.power is not None and not scale.all():  # others, that are held out, may be greater
            raise ValueError(f"expected y to have a number > 0 to train on for loss {self.name!r}, got zeros only")
        low = targets.min(axis=0)
        if self.power is not None:
            low = np.maximum(low, _LEAST_MEAN * scale)
        return {"centre_": centre, "scale_": scale, "low_": low, "high_": targets.max(axis=0)}

    def widen(self, targets: NDArray[np.float64], learnt: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
        """The range that predictions stay in, of what was learnt and of later targets."""
        low = np.minimum(learnt["low_"], targets.min(axis=0)) if self.power is None else learnt["low_"]
        return {"low_": low, "high_": np.maximum(learnt["high_"], targets.max(axis=0))}

    def native(self, targets: NDArray[np.float64], learnt: Mapping[str, Any]) -> NDArray[np.float32]:
        """What the network is trained on."""
        found = (targets - learnt["centre_"]) / learnt["scale_"]
        native: NDArray[np.float32] = np.clip(found, -_FARTHEST, _FARTHEST).astype(np.float32)
        return native

    def finish(self, outputs: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[np.float64]:
        """The outputs in the targets' units, (n, targets * each): numbers, quantiles, or means and deviations."""
        parts = outputs.reshape(len(outputs), -1, self.each).astype(np.float64)
        centre, scale, low, high = (learnt[name][:, None] for name in ("centre_", "scale_", "low_", "high_"))
        deviations = np.exp(np.clip(parts[..., 1:] / 2, -40, 40)) * scale if self.name == "gaussian" else None
        found = np.clip(parts * scale + centre, low, high)
        if deviations is not None:
            farthest = np.where(high > low, high - low, np.inf)  # of targets that stay in the range, as means do
            found[..., 1:] = np.minimum(deviations, farthest)
        flat: NDArray[np.float64] = found.reshape(outputs.shape)
        return flat

    def point(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of finished outputs, a number for each target: the mean, or the quantile nearest to the median."""
        quantiles = self.quantiles
        best = 0 if quantiles is None else int(np.abs(np.array(quantiles) - 0.5).argmin())
        return found[:, best :: self.each]

    def constants(self, targets: NDArray[np.float64], weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Finished outputs (targets * each,) for all rows alike: of each metric the best one is among them."""
        mean, median = np.average(targets, axis=0, weights=weights), _quantile(targets, weights, 0.5)
        if self.quantiles is not None:
            each = np.stack([_quantile(targets, weights, q) for q in self.quantiles], axis=1).ravel()
            return [each, np.repeat(mean, self.each), np.repeat(median, self.each)]
        if self.name == "gaussian":
            unit = np.abs(targets).max() or 1.0  # squares of 1e200 would be infinite
            deviation = unit * np.sqrt(np.average(((targets - mean) / unit) ** 2, axis=0, weights=weights))
            deviation = np.where(deviation > 0, deviation, 1.0)
            return [np.stack([centre, deviation], axis=1).ravel() for centre in (mean, median)]
        return [mean, np.where(median > 0, median, mean)] if self.power is not None else [mean, median]

    def mean(self, found: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """One of the finished outputs of several networks; of normal distributions, the moments of their mixture."""
        mean: NDArray[np.float64] = np.mean(found, axis=0)
        if self.name == "gaussian":
            squares = np.mean([part[:, 1::2] ** 2 + (part[:, ::2] - mean[:, ::2]) ** 2 for part in found], axis=0)
            mean[:, 1::2] = np.sqrt(squares)
        return mean

    def check(self, targets: NDArray[np.float64], what: str = "y") -> None:
        """A ValueError that names the row, for targets that the loss does not take."""
        takes = self.loss.targets
        if takes.low < 0:
            return
        sign = "> 0" if takes.positive else ">= 0"
        wrong = ((targets <= 0) if takes.positive else (targets < 0)).any(axis=1)
        if wrong.any():
            row = int(np.argmax(wrong))
            number = targets[row][targets[row] <= 0][0]
            raise ValueError(f"expected numbers {sign} in {what} for loss {self.name!r}, got {number:g} in row {row}")
        if not targets.any(axis=0).all():
            raise ValueError(f"expected {what} to have a number > 0 for loss {self.name!r}, got zeros only")


def family_of(loss: Any, quantiles: Any = None) -> Family:
    """The family of a loss by its name, or of one of `mlpfast.losses`; ValueError or TypeError for what is none."""
    names = [name for name, *_ in _FAMILIES.values()]
    try:
        given = as_loss("gaussian_nll" if isinstance(loss, str) and loss == "gaussian" else loss)
    except (TypeError, ValueError):  # which would offer losses of classes
        raise unknown_name("loss", loss, names) from None
    if quantiles is not None:
        if not isinstance(given, (MeanSquaredError, Quantile)):
            raise ValueError(f"expected loss='quantile' with quantiles, got {loss!r}")
        given = Quantile(_ascending(quantiles))
    elif isinstance(given, Quantile):
        if isinstance(loss, str):
            raise ValueError("expected quantiles with loss='quantile', such as quantiles=[0.1, 0.5, 0.9], got None")
        given = Quantile(_ascending(given.q if isinstance(given.q, tuple) else [given.q]))
    if type(given) not in _FAMILIES:
        raise unknown_name("loss", given.name, names)
    name, metric, activation, units = _FAMILIES[type(given)]
    return Family(name, given, metric, activation, units)


def _ascending(quantiles: Any) -> tuple[float, ...]:
    found = tuple(
        real(f"quantiles[{i}]", q, above=0.0, below=1.0)
        for i, q in enumerate(quantiles if np.ndim(quantiles) else [quantiles])
    )
    if not found or list(found) != sorted(set(found)):
        raise ValueError(f"expected quantiles in ascending order, each once, got {list(found)}")
    return found


def _mean_and_deviation(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    largest = np.abs(y).max(axis=0)
    unit = np.where(largest > 0, largest, 1.0)  # squares of 1e200 would be infinite
    centre, scale = (y / unit).mean(axis=0) * unit, (y / unit).std(axis=0) * unit
    return centre, np.where((y != y[0]).any(axis=0) & (scale > 0), scale, 1.0)


def _median_and_quartiles(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of heavy tails, a standard deviation tells nothing."""
    low, centre, high = np.quantile(y / 2, (0.25, 0.5, 0.75), axis=0)  # the difference of two halves is finite
    scale = (high - low) * (2 / _QUARTILES_OF_NORMAL)
    return 2 * centre, np.where(scale > 0, scale, _mean_and_deviation(y)[1])


def _quantile(y: NDArray[np.float64], weights: NDArray[np.float64], q: float) -> NDArray[np.float64]:
    """The least target up to which rows have that share of the weight, (targets,)."""
    order = np.argsort(y, axis=0, kind="stable")
    reached = np.cumsum(weights[order], axis=0)
    places = (reached < q * reached[-1]).sum(axis=0)
    found: NDArray[np.float64] = np.take_along_axis(y, order, axis=0)[places, np.arange(y.shape[1])]
    return found


def _mean(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.zeros(y.shape[1]), (y / len(y)).sum(axis=0)


#: What each is called, what the epoch is chosen by, the activation of the outputs, and the units of targets.
_FAMILIES: dict[type[Loss], tuple[str, str, str, Callable[..., Any]]] = {
    MeanSquaredError: ("squared_error", "rmse", "identity", _mean_and_deviation),
    MeanAbsoluteError: ("absolute_error", "mae", "identity", _median_and_quartiles),
    Huber: ("huber", "mae", "identity", _median_and_quartiles),
    LogCosh: ("log_cosh", "mae", "identity", _median_and_quartiles),
    Quantile: ("quantile", "pinball", "identity", _median_and_quartiles),
    GaussianNLL: ("gaussian", "nll", "identity", _mean_and_deviation),
    Poisson: ("poisson", "deviance", "exponential", _mean),
    GammaDeviance: ("gamma", "deviance", "exponential", _mean),
    TweedieDeviance: ("tweedie", "deviance", "exponential", _mean),
}
