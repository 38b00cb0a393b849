"""What takes all rows at once has in common."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from .base import Optimizer

__all__ = ["FullBatchOptimizer"]


@dataclass(frozen=True)
class FullBatchOptimizer(Optimizer):
    """Base of those that take all rows in each step. They stop where `tolerance_grad` or `tolerance_change` says so.

    Examples
    --------
    >>> import mlpfast as mf
    >>> [optimizer.name for optimizer in mf.optimizers.OPTIMIZERS.values() if optimizer.full_batch]
    ['lbfgs', 'levenberg_marquardt', 'newton_cg']
    """

    learning_rate: float = 1.0
    _: KW_ONLY
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9
    full_batch: ClassVar[bool] = True
    #: What takes a step or refuses it, and along what it has tried where no step was taken.
    judge: ClassVar[str]
    in_vain: ClassVar[str]
    #: Changes are measured in relation to the loss, or to this where that is smaller.
    least_loss: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("tolerance_grad", "tolerance_change", at_least=0.0)
        for field, why in (("weight_decay", "Trainer(l2=...) is a penalty"), ("ema", "whose steps don't scatter")):
            if getattr(self, field):
                raise ValueError(f"expected no {field} with {type(self).__name__}, {why}; got {getattr(self, field)!r}")
