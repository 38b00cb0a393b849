"""Quasi-Newton, from the last steps and gradients."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..errors import integer
from .base import explained
from .full_batch import FullBatchOptimizer

__all__ = ["LBFGS"]


@explained
@dataclass(frozen=True)
class LBFGS(FullBatchOptimizer):
    """L-BFGS: a quasi-Newton method on the loss of all rows (Nocedal, 1980), for small nets and smooth problems.

    An epoch is an iteration: the direction ``-H g`` follows from the gradient and the last pairs of steps and changes
    of the gradient (Nocedal and Wright, 2006, algorithm 7.4); a line search goes along it until the strong Wolfe
    conditions hold (algorithms 3.5 and 3.6). `Trainer.fit` records the loss after the iteration, and stops before its
    epochs are done where the tolerances say so: ``history.stopped_by`` is "convergence" then, and ``history.reason`` in
    words.

    Vectors are float64, with inner products of a fixed order. Loss and gradient are of the model's dtype: in float32,
    whose rounding hides the last improvements from a line search, a loss that is the same but for rounding will do
    where the slope has become flatter (Hager and Zhang, 2005).

    Parameters
    ----------
    learning_rate : float > 0, default 1.0
        The first step that a line search tries, in relation to the direction. (The very first is of length 1 at most.)
    history_size : int, default 10
        Pairs that are remembered: 2 * history_size vectors of float64.
    max_line_search : int, default 25
        Evaluations of the loss and its gradient in a line search.
    c1, c2 : float, 0 < c1 < c2 < 1, default 1e-4 and 0.9
        The loss has to fall by c1 times what the slope promises, and the slope to c2 times what it was.
    tolerance_grad : float >= 0, default 1e-7
        Stop when no element of the gradient is larger.
    tolerance_change : float >= 0, default 1e-9
        Stop when an iteration lowers the loss by no more, in relation to ``max(abs(loss), 1)``.

    Raises
    ------
    ValueError
        For ``weight_decay`` (`l2` is a penalty) and ``ema``. A `Trainer` refuses it with batches, schedules, ``l1``,
        clipping, `max_norm`, `Dropout`, and `BatchNorm` that is trained.

    Notes
    -----
    `learning_rate_scale` of layers and groups scales the first approximation of the inverse Hessian. Where a callback
    writes other parameters, it begins anew from there. On ``max_seconds`` and Ctrl-C, the model is that of the last
    whole iteration.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = mf.mlp([1, 8, 1], "tanh", dtype="float64", seed=0)
    >>> trainer = mf.Trainer(model, "mse", mf.LBFGS(tolerance_change=1e-6), batch_size=None)
    >>> history = trainer.fit(X, np.sin(3 * X), epochs=500, verbose=0)
    >>> history.stopped_by, history.epochs < 100, history["loss"][-1] < 1e-3
    ('convergence', True, True)
    """

    _: KW_ONLY
    history_size: int = 10
    max_line_search: int = 25
    c1: float = 1e-4
    c2: float = 0.9
    name: ClassVar[str] = "lbfgs"
    update: ClassVar[str] = "lbfgs"
    judge: ClassVar[str] = "line search"
    in_vain: ClassVar[str] = "along the gradient"
    least_loss: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("history_size", "max_line_search"):
            object.__setattr__(self, field, integer(field, getattr(self, field)))
        self._check("c2", above=0.0, below=1.0)
        self._check("c1", above=0.0, below=self.c2)
