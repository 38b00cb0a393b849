"""Adam with Nesterov's momentum."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..schedules.plain import Scheduled
from .base import Optimizer, explained

__all__ = ["NAdam"]


@explained
@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam that looks ahead, as Nesterov's momentum does (Dozat, 2016).

    With ``m`` and ``v`` as Adam's, the momenta ``mu_t = beta_1 (1 - 0.96^(t momentum_decay) / 2)`` at step t (from 1)
    and their products ``M_t = mu_1 mu_2 ... mu_t``, it is ``p -= lr m_hat / (sqrt(v_hat) + epsilon)``,
    ``m_hat = mu_(t+1) m / (1 - M_(t+1)) + (1 - mu_t) g / (1 - M_t)``, ``v_hat = v / (1 - beta_2^t)``: PyTorch's.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.002
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float > 0, default 1e-8
        A `Trainer` refuses one for whose product with ``sqrt(1 - beta_2)`` the model's dtype has no normal number:
        below 3.7e-37 in float32.
    momentum_decay : float >= 0, default 0.004
        How fast the momentum rises from about ``beta_1 / 2`` to ``beta_1``; Keras has 1.
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> trainer = mf.Trainer(model, "mse", mf.optimizers.NAdam(0.1))
    >>> losses = [trainer.train_on_batch([[1.0]], [0.0]) for step in range(20)]
    >>> losses[0], losses[-1] < 0.01
    (0.5, True)
    """

    learning_rate: Scheduled = 0.002
    _: KW_ONLY
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 0.004
    name: ClassVar[str] = "nadam"
    update: ClassVar[str] = "nadam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta_1", "beta_2", at_least=0.0, below=1.0)
        self._check("epsilon", above=0.0)
        self._check("momentum_decay", at_least=0.0)

    def check_precision(self, dtype: str, smallest: float) -> None:
        self._check_epsilon(self.epsilon, smallest / math.sqrt(1.0 - self.beta_2), dtype)
