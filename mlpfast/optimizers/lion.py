"""The signs of a momentum."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from .base import Optimizer, explained

__all__ = ["Lion"]


@explained
@dataclass(frozen=True)
class Lion(Optimizer):
    """Steps of one size, by the sign of a running mean (Chen et al., 2023).

    ``p -= lr sign(beta_1 m + (1 - beta_1) g); m = beta_2 m + (1 - beta_2) g``. Its authors take a learning rate
    three to ten times smaller than AdamW's, and a weight decay as much larger.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.001
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.99
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> loss = mf.Trainer(model, "mse", mf.optimizers.Lion(0.1)).train_on_batch([[1.0]], [-1000.0])
    >>> model.parameters.round(4).tolist()  # steps have one size, whatever the gradient
    [0.9, -0.1]
    """

    _: KW_ONLY
    beta_1: float = 0.9
    beta_2: float = 0.99
    name: ClassVar[str] = "lion"
    update: ClassVar[str] = "lion"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta_1", "beta_2", at_least=0.0, below=1.0)
