"""An average of the parameters in place of a schedule."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..schedules.plain import Scheduled
from .base import Optimizer, explained

__all__ = ["ScheduleFreeAdamW"]


@explained
@dataclass(frozen=True)
class ScheduleFreeAdamW(Optimizer):
    """Adam without a schedule of the learning rate: in its place, an average (Defazio et al., 2024).

    Gradients are taken at ``y = (1 - beta_1) z + beta_1 x``. At step t (from 1), with ``v`` as Adam's,
    ``z = z - lr g / (sqrt(v_hat) + epsilon) - lr weight_decay y``, and ``x = (1 - c) x + c z`` with ``c = w_t / (w_1 +
    ... + w_t)``, ``w_t = lr_max^2 t^r``, where ``lr_max`` is the largest learning rate so far. Between epochs,
    `Model.parameters` are ``x``, as with ``ema`` (see `mlpfast.optimizers`). Its authors advise a warm-up of the
    learning rate: ``ScheduleFreeAdamW(mlpfast.schedules.Warmup(0.0025, epochs=1))``.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.0025
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float > 0, default 1e-8
        A `Trainer` refuses one for whose product with ``sqrt(1 - beta_2)`` the model's dtype has no normal number:
        below 3.7e-37 in float32.
    r : float >= 0, default 0.0
        The power of a step's number in its weight.
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay, taken at ``y``.

    Raises
    ------
    ValueError
        For ``ema``: it has an average. A `Trainer` refuses it for layers or groups with `max_norm`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> optimizer = mf.optimizers.ScheduleFreeAdamW(mf.schedules.Warmup(0.01, epochs=1))
    >>> trainer = mf.Trainer(mf.mlp([64, 32, 10], "relu", "softmax", seed=0), optimizer=optimizer)
    >>> trainer.fit(X / 16, y, epochs=20, verbose=0)["loss"][-1] < 0.1
    True
    """

    learning_rate: Scheduled = 0.0025
    _: KW_ONLY
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    r: float = 0.0
    name: ClassVar[str] = "schedule_free_adamw"
    update: ClassVar[str] = "schedule_free"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta_1", "beta_2", at_least=0.0, below=1.0)
        self._check("epsilon", above=0.0)
        self._check("r", at_least=0.0)
        if self.ema is not None:
            raise ValueError(f"expected no ema with {type(self).__name__}, which has an average; got {self.ema:g}")

    @property
    def averages(self) -> bool:
        return True

    def check_precision(self, dtype: str, smallest: float) -> None:
        self._check_epsilon(self.epsilon, smallest / math.sqrt(1.0 - self.beta_2), dtype)
