"""Adam, and with decoupled weight decay."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..errors import boolean
from ..schedules.plain import Scheduled
from .base import Optimizer, explained

__all__ = ["Adam", "AdamW"]


@explained
@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): steps by the ratio of two running means, of the gradient and of its square.

    At step t (from 1), ``m = beta_1 m + (1 - beta_1) g``, ``v = beta_2 v + (1 - beta_2) g^2`` and
    ``p -= lr m_hat / (sqrt(v_hat) + epsilon)``, ``m_hat = m / (1 - beta_1^t)``, ``v_hat = v / (1 - beta_2^t)``.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.001
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float > 0, default 1e-8
        A `Trainer` refuses one for whose product with ``sqrt(1 - beta_2)`` the model's dtype has no normal number:
        below 3.7e-37 in float32.
    epsilon_hat : bool, default False
        Add epsilon to the uncorrected ``sqrt(v)`` instead, as at the end of section 2 of the paper (its epsilon-hat);
        scikit-learn and Keras do.
    amsgrad : bool, default False
        Divide by the root of the largest ``v`` so far (Reddi et al., 2018).
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> loss = mf.Trainer(model, "mse", mf.Adam(learning_rate=0.1)).train_on_batch([[1.0]], [0.0])
    >>> model.parameters.round(4).tolist()  # the first step has the length of the rate, whatever the gradient
    [0.9, -0.1]
    """

    _: KW_ONLY
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False
    amsgrad: bool = False
    name: ClassVar[str] = "adam"
    update: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta_1", "beta_2", at_least=0.0, below=1.0)
        self._check("epsilon", above=0.0)
        object.__setattr__(self, "epsilon_hat", boolean("epsilon_hat", self.epsilon_hat))
        object.__setattr__(self, "amsgrad", boolean("amsgrad", self.amsgrad))

    def check_precision(self, dtype: str, smallest: float) -> None:
        # Beside the uncorrected sqrt(v), which is what is computed, epsilon is multiplied by sqrt(1 - beta_2^t).
        factor = 1.0 if self.epsilon_hat else math.sqrt(1.0 - self.beta_2)
        self._check_epsilon(self.epsilon, smallest / factor, dtype)


@explained
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay on by default (Loshchilov and Hutter, 2019); parameters as `Adam`'s.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> loss = mf.Trainer(model, "mse", mf.AdamW(0.1, weight_decay=0.5)).train_on_batch([[1.0]], [0.0])
    >>> model.parameters.round(4).tolist()  # Adam's step, and 0.1 * 0.5 of the weight
    [0.85, -0.1]
    """

    _: KW_ONLY
    weight_decay: Scheduled = 0.01
    name: ClassVar[str] = "adamw"
