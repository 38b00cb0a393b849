"""How far a fit has come: what a solver changes, and an estimator shows as its fitted attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..trainer import Trainer

_State = TypeVar("_State", bound="FitState")

#: Kept from call to call, but not shown: their attributes begin with an underscore instead of ending with one.
_PRIVATE = ("trainer", "no_improvement_count", "best_parameters")


@dataclass
class FitState:
    """What there is with every solver."""

    n_iter: int = 0  # epochs or iterations of the latest call
    t: int = 0  # rows trained on by all calls
    loss: float | None = None  # the last; None before the first

    @classmethod
    def of(cls: type[_State], attributes: Mapping[str, Any]) -> _State:
        """The state that an estimator's attributes tell; what is not among them is as at the beginning."""
        names = attribute_names(cls).items()
        return cls(**{name: attributes[attribute] for name, attribute in names if attribute in attributes})

    def attributes(self) -> dict[str, Any]:
        """The same as attributes of an estimator, which has no ``loss_`` before the first."""
        values = {attribute: getattr(self, name) for name, attribute in attribute_names(type(self)).items()}
        if self.loss is None:
            del values["loss_"]
        return values


@dataclass
class StochasticState(FitState):
    """What there is with "sgd" and "adam"."""

    loss_curve: list[float] = field(default_factory=list)  # a loss for each epoch of all calls
    best_loss: float | None = np.inf  # None with early stopping
    validation_scores: list[float] | None = None  # None without validation, as the next
    best_validation_score: float | None = None
    stopped_early: bool = False
    no_improvement_count: int = 0  # epochs
    best_parameters: NDArray[Any] | None = None  # with early stopping: those with the best score, once there is one
    trainer: Trainer | None = None  # has the optimizer's state


def attribute_names(kind: type[FitState]) -> dict[str, str]:
    """What an estimator calls each field of a state."""
    return {each.name: f"_{each.name}" if each.name in _PRIVATE else f"{each.name}_" for each in fields(kind)}


#: What only "sgd" and "adam" leave behind.
STOCHASTIC_ATTRIBUTES = tuple(
    attribute for name, attribute in attribute_names(StochasticState).items() if name not in attribute_names(FitState)
)
