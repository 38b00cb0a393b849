"""Gradient descent scaled by the root of all squares so far."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..schedules.plain import Scheduled
from .base import Optimizer, explained

__all__ = ["Adagrad"]


@explained
@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Gradient descent scaled by the root of the sum of all squares so far (Duchi, Hazan and Singer, 2011).

    ``s = s + g^2; p -= lr g / (sqrt(s) + epsilon)``, as in PyTorch; Keras has the epsilon under the root.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.01
    initial_accumulator_value : float >= 0, default 0.0
        What ``s`` starts at.
    epsilon : float > 0, default 1e-10
        A `Trainer` refuses one that the model's dtype has no normal number for: below 1.2e-38 in float32.
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> trainer = mf.Trainer(model, "mse", mf.optimizers.Adagrad(0.1, initial_accumulator_value=3.0))
    >>> loss = trainer.train_on_batch([[1.0]], [0.0])
    >>> model.parameters.round(4).tolist()  # 0.1 / sqrt(3 + 1)
    [0.95, -0.05]
    """

    learning_rate: Scheduled = 0.01
    _: KW_ONLY
    initial_accumulator_value: float = 0.0
    epsilon: float = 1e-10
    name: ClassVar[str] = "adagrad"
    update: ClassVar[str] = "adagrad"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("initial_accumulator_value", at_least=0.0)
        self._check("epsilon", above=0.0)

    def check_precision(self, dtype: str, smallest: float) -> None:
        self._check_epsilon(self.epsilon, smallest, dtype)
