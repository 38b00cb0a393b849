"""Losses, as pure data. Each is a sum over the targets of a row and a (weighted) mean over rows.

With output ``h``, pre-activation ``z`` and target ``y``, the term of one target is:

- ``mse``: 1/2 (h - y)^2
- ``mae``: abs(h - y)
- ``huber``: 1/2 r^2 where r = abs(h - y) <= delta, delta (r - delta/2) beyond
- ``log_cosh``: log cosh(h - y)
- ``quantile``: q (y - h) or (1 - q) (h - y), whichever is not negative; of several quantiles, their sum
- ``gaussian_nll``: 1/2 (s + (m - y)^2 exp(-s)), of two outputs m and s; identity (mean and logarithm of the variance)
- ``poisson``: exp(z) - y z + y log y - y; output activation exponential, or identity (z is then the log-rate)
- ``gamma_deviance``: y exp(-z) - log y + z - 1; exponential, or identity (z is then the log-mean)
- ``tweedie_deviance``: exp(b z) / b + y exp(-a z) / a - y^b / (a b) with a = power - 1, b = 2 - power; the same
- ``binary_cross_entropy``: -w y log p - (1 - y) log(1 - p), w = 1 unless given; sigmoid, or identity (z is the logit)
- ``binary_focal``: -y (1 - p)^gamma log p - (1 - y) p^gamma log(1 - p); the same
- ``hinge``: max(0, 1 - y z), y being -1 or 1, or 0 or 1 in their place; identity (z is a score)
- ``squared_hinge``: max(0, 1 - y z)^2
- ``cross_entropy``: -y log p; softmax, or identity (z are then the logits)
- ``focal``: -y (1 - p)^gamma log p; the same
- ``kl_divergence``: y log(y / p); the same
- ``ordinal``: the binary cross-entropy of each "y is above class c", c = 0, 1, ..., there being one output less than
  classes; sigmoid (the probability of that), or identity (z are then the cumulative logits)

Those that name z are computed from it, whichever of the output activations the model has. They are exact where a
probability rounds to 0 or 1, and neither value nor gradient overflows unless the loss itself does: logarithms of
probabilities are max(z, 0) + log(1 + exp(-abs(z))) and its kin, powers of them exponentials of such, rates exponentials
of differences of logarithms.

Names of scikit-learn and Keras are taken too (see `mlpfast.names`), with the formulas above: ``mean_squared_error`` has
its factor 1/2 as a loss, not as a metric, and several outputs add up where Keras and PyTorch take their mean.
"""

from __future__ import annotations

from functools import cache

from ..errors import known_name
from .base import LOSSES, NUMBERS, Loss, Targets
from .binary import BinaryCrossEntropy, BinaryFocal, Hinge, SquaredHinge
from .custom import Custom
from .multiclass import CrossEntropy, Focal, KLDivergence, Ordinal
from .rates import GammaDeviance, Poisson, TweedieDeviance
from .regression import GaussianNLL, Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, Quantile

__all__ = [
    "LOSSES",
    "NUMBERS",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CrossEntropy",
    "Custom",
    "Focal",
    "GammaDeviance",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Ordinal",
    "Poisson",
    "Quantile",
    "SquaredHinge",
    "Targets",
    "TweedieDeviance",
    "as_loss",
]

# The compiled ones are listed in csrc/lists.h; tests/test_lists.py holds the two equal.
LOSSES.update(
    (cls.name, cls)
    for cls in (
        *(MeanSquaredError, MeanAbsoluteError, Huber, LogCosh, Quantile, GaussianNLL),
        *(Poisson, GammaDeviance, TweedieDeviance),
        *(BinaryCrossEntropy, BinaryFocal, Hinge, SquaredHinge),
        *(CrossEntropy, Focal, KLDivergence, Ordinal),
    )
)


def as_loss(loss: str | Loss) -> Loss:
    """A `Loss` from itself or from its name, or another library's (with its default parameters).

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.losses.as_loss("bce")
    BinaryCrossEntropy(label_smoothing=0.0, pos_weight=None)
    """
    if isinstance(loss, Loss):
        return loss
    return _default(known_name("loss", loss, LOSSES))


@cache
def _default(name: str) -> Loss:
    return LOSSES[name]()
