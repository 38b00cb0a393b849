"""Optimizers, as pure data: names and hyper-parameters. The update rules are compiled, one fused pass each; those
that take all rows at once, `LBFGS`, `LevenbergMarquardt` and `NewtonCG`, ask for the loss of them and its derivatives.

Below, ``g`` is the gradient (with the penalties of the trainer's ``l1`` and ``l2`` in it), ``p`` the parameters and
``lr`` the learning rate. What follows is of those that take batches; the others say what they refuse.

Every one has a decoupled ``weight_decay`` (Loshchilov and Hutter, 2019): before its step, weights, not biases, are
multiplied by ``1 - lr * weight_decay``. The other kind of decay, coupled, is ``l2``. ``learning_rate``,
``weight_decay`` and ``momentum`` may be schedules: see `mlpfast.schedules`.

With ``ema``, every one but `ScheduleFreeAdamW` keeps an exponential average of the parameters: after step t (from 1),
``average += (1 - ema) / (1 - ema^t) (p - average)``, where the division takes the start out of it, as Adam's does.
Between epochs `Model.parameters` are the average, so that is what `Trainer.evaluate`, callbacks and `Model.save` see;
the trainer keeps the others, and goes on from them. What is written to `Model.parameters` between epochs replaces both.
(Running statistics, as of `BatchNorm`, are those of the others.)
"""

from __future__ import annotations

from ..errors import known_name
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .base import Optimizer
from .full_batch import FullBatchOptimizer
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .lion import Lion
from .nadam import NAdam
from .newton_cg import NewtonCG
from .rmsprop import RMSprop
from .schedule_free import ScheduleFreeAdamW
from .sgd import SGD

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "FullBatchOptimizer",
    "LevenbergMarquardt",
    "Lion",
    "NAdam",
    "NewtonCG",
    "Optimizer",
    "RMSprop",
    "ScheduleFreeAdamW",
    "as_optimizer",
]

#: Every optimizer by name. tests/test_lists.py holds their updates and those of csrc/lists.h equal.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.name: cls
    for cls in (
        *(SGD, RMSprop, Adam, AdamW, Adagrad, NAdam, Lion, ScheduleFreeAdamW),
        *(LBFGS, LevenbergMarquardt, NewtonCG),
    )
}


def as_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """An `Optimizer` from itself or from its name, or another library's (with its default hyper-parameters).

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.optimizers.as_optimizer("sgd").learning_rate
    0.01
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    return OPTIMIZERS[known_name("optimizer", optimizer, OPTIMIZERS)]()
