"""Gradient descent scaled by a running root mean square of the gradient."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..schedules.plain import Scheduled, scheduled_field
from .base import Optimizer, explained

__all__ = ["RMSprop"]


@explained
@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradient descent scaled by a running root mean square of the gradient (Tieleman and Hinton, 2012).

    ``s = rho s + (1 - rho) g^2; p -= lr g / (sqrt(s) + epsilon)``; with momentum the step goes into a velocity first:
    ``v = momentum v - lr g / (sqrt(s) + epsilon); p += v``.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.001
    rho : float in [0, 1), default 0.9
        Decay of the running mean of squares.
    momentum : float in [0, 1] or Schedule, default 0.0
    epsilon : float > 0, default 1e-8
        A `Trainer` refuses one that the model's dtype has no normal number for: below 1.2e-38 in float32.
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]  # w, b: the gradient of 1/2 (w x + b - y)^2 at x = 1, y = 0 is [1, 1]
    >>> loss = mf.Trainer(model, "mse", mf.optimizers.RMSprop(0.1)).train_on_batch([[1.0]], [0.0])
    >>> model.parameters.round(4).tolist()  # 0.1 / sqrt(0.1)
    [0.6838, -0.3162]
    """

    _: KW_ONLY
    rho: float = 0.9
    momentum: Scheduled = 0.0
    epsilon: float = 1e-8
    name: ClassVar[str] = "rmsprop"
    update: ClassVar[str] = "rmsprop"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("rho", at_least=0.0, below=1.0)
        scheduled_field(self, "momentum", at_least=0.0, at_most=1.0)
        self._check("epsilon", above=0.0)

    def check_precision(self, dtype: str, smallest: float) -> None:
        self._check_epsilon(self.epsilon, smallest, dtype)
