"""What optimizers have in common."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..errors import real_field
from ..hints import OPTIMIZER_ARGUMENTS, explain_constructor
from ..schedules.plain import Scheduled, scheduled_field

__all__ = ["Optimizer", "explained"]


@dataclass(frozen=True)
class Optimizer:
    """Base of the optimizers. `name` is what ``optimizer=`` accepts in place of an instance.

    Examples
    --------
    >>> import mlpfast as mf
    >>> isinstance(mf.AdamW(), mf.optimizers.Optimizer), mf.AdamW().averages, mf.AdamW(ema=0.999).averages
    (True, False, True)
    """

    learning_rate: Scheduled = 0.001
    _: KW_ONLY
    weight_decay: Scheduled = 0.0
    ema: float | None = None
    name: ClassVar[str]
    #: The compiled update, a row of csrc/lists.h; those that differ in their defaults share it.
    update: ClassVar[str]
    #: Whether a step takes all rows, and may look at their loss several times: there is no compiled update then.
    full_batch: ClassVar[bool] = False

    def __post_init__(self) -> None:
        scheduled_field(self, "learning_rate", above=0.0)
        scheduled_field(self, "weight_decay", at_least=0.0)
        if self.ema is not None:
            self._check("ema", above=0.0, below=1.0)

    @property
    def averages(self) -> bool:
        """Whether the parameters that evaluation sees are an average."""
        return self.ema is not None

    def check_precision(self, dtype: str, smallest: float) -> None:
        """Raise a ValueError if a step would divide by zero in this dtype, whose smallest normal number is given.

        Training flushes smaller numbers to zero: of an epsilon that small, 0/0 is left where the gradient is zero.
        """

    def _check(self, *names: str, **bounds: float) -> None:
        for name in names:
            real_field(self, name, **bounds)

    def _check_epsilon(self, epsilon: float, least: float, dtype: str) -> None:
        if epsilon < least:
            raise ValueError(
                f"expected epsilon of {type(self).__name__} to be >= {least:.3g} for a model of {dtype}, which rounds "
                f"smaller ones to zero; got {epsilon:g}"
            )


#: The class, whose errors say what other libraries' names for its arguments are called here.
explained = explain_constructor(OPTIMIZER_ARGUMENTS)
