"""Gradient descent with momentum."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..errors import boolean
from ..schedules.plain import Scheduled, scheduled_field
from .base import Optimizer, explained

__all__ = ["SGD"]


@explained
@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent with momentum, by velocity ``v``.

    ``v = momentum v - lr g; p += v``, and with Nesterov's look-ahead ``p += momentum v - lr g`` in place of ``p += v``
    (Sutskever et al., 2013).

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.01
    momentum : float in [0, 1] or Schedule, default 0.0
    nesterov : bool, default False
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]  # w, b: the gradient of 1/2 (w x + b - y)^2 at x = 1, y = 0 is [1, 1]
    >>> loss = mf.Trainer(model, "mse", mf.SGD(learning_rate=0.1)).train_on_batch([[1.0]], [0.0])
    >>> model.parameters.tolist()
    [0.9, -0.1]
    """

    learning_rate: Scheduled = 0.01
    _: KW_ONLY
    momentum: Scheduled = 0.0
    nesterov: bool = False
    name: ClassVar[str] = "sgd"
    update: ClassVar[str] = "sgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        scheduled_field(self, "momentum", at_least=0.0, at_most=1.0)
        object.__setattr__(self, "nesterov", boolean("nesterov", self.nesterov))
