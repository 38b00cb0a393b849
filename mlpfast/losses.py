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

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import inf
from numbers import Real
from typing import Any, ClassVar

from .activations import Activation
from .customloss import address_of, checked_result
from .errors import boolean, integer, known_name, real, real_field
from .schedules.plain import Scheduled, scheduled_field

__all__ = [
    "LOSSES",
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


@dataclass(frozen=True)
class Targets:
    """What a loss is compared with: numbers between `low` and `high`; or `classes`, as indices or as probabilities.

    `positive` numbers are above 0. `signs` are two classes as -1 and 1, or 0 and 1. `ordered` classes come as indices
    only, from 0 to the number of outputs; `indices` are of classes that come as indices only, too.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.losses.Poisson().targets.low, mf.losses.CrossEntropy().targets.classes
    (0.0, True)
    """

    low: float = -inf
    high: float = inf
    classes: bool = False
    positive: bool = False
    signs: bool = False
    ordered: bool = False
    indices: bool = False


#: Any of them.
NUMBERS = Targets()


class Loss:
    """Base of the losses. `name` is what ``loss=`` accepts in place of an instance.

    Examples
    --------
    >>> import mlpfast as mf
    >>> loss = mf.losses.as_loss("gaussian_nll")
    >>> loss.reads, loss.outputs_per_target, loss.output_activations
    ('means and log-variances', 2, ('identity',))
    """

    name: ClassVar[str]
    #: What it takes as targets.
    targets: ClassVar[Targets] = NUMBERS
    #: What it is computed from: the model's "outputs", or, by another name, the pre-activations of its last layer.
    reads: ClassVar[str] = "outputs"
    #: Names of the output activations that the loss takes, first the one that makes its predictions; empty means any.
    output_activations: ClassVar[tuple[str, ...]] = ()
    #: The metric that "accuracy" means with this loss; None where it means nothing.
    accuracy: ClassVar[str | None] = None

    #: A Python function of targets and outputs, or the address of a C function: in place of a compiled loss.
    called: ClassVar[Callable[..., Any] | None] = None
    address: ClassVar[int] = 0
    #: Whether its gradient is known to be right.
    checked: ClassVar[bool] = True

    @property
    def compiled(self) -> str:
        """The name of the compiled loss."""
        return self.name

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers that the compiled loss takes, such as delta of huber."""
        return ()

    @property
    def smoothing(self) -> float:
        """Label smoothing; 0 where there is none, or a schedule, which training steps alone follow."""
        return 0.0

    @property
    def outputs_per_target(self) -> int:
        """Outputs that a target takes; they stand side by side: ``prediction.reshape(n, targets, these)``."""
        return 1

    @property
    def is_called(self) -> bool:
        """Whether it is a function of the user's, in Python or in C, and no compiled loss."""
        return self.called is not None or bool(self.address)

    @property
    def has_second_derivatives(self) -> bool:
        """Whether it is a compiled loss: the user's own have first derivatives only."""
        return not self.is_called

    def classes(self, outputs: int) -> int:
        """How many classes a model of so many outputs tells apart, where targets are class indices."""
        return outputs

    def of_outputs(self, outputs: int) -> tuple[float, ...] | None:
        """A number for each output, such as the weights of their positive rows; None where the loss takes none."""
        return None

    def check_output(self, activation: Activation, outputs: int) -> None:
        """Raise a ValueError if a model of so many outputs, with this activation, can't be trained with the loss."""
        if self.output_activations and activation.name not in self.output_activations:
            expected = " or ".join(self.output_activations)
            fitting = [repr(name) for name, loss in LOSSES.items() if activation.name in loss.output_activations]
            raise ValueError(
                f"expected output activation {expected} for loss {self.name!r} (with identity, the outputs are "
                f"{self.reads}), got {activation.name!r}" + (f"; its loss is {' or '.join(fitting)}" if fitting else "")
            )
        each = self.outputs_per_target
        if outputs % each:
            raise ValueError(f"expected {each} outputs for each target of loss {self.name!r}, got {outputs} in all")


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """Half the squared error: 1/2 (h - y)^2, so that the mean over rows is 1/(2n) of the sum of squares.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("identity")])  # its outputs are its inputs
    >>> model.loss_and_gradient([[5.0], [1.0]], [1.0, 1.0], mf.losses.MeanSquaredError())[0]  # of errors 4 and 0
    4.0
    """

    name: ClassVar[str] = "mse"


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """The absolute error; its derivative at zero is taken as 0.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("identity")])  # its outputs are its inputs
    >>> model.loss_and_gradient([[5.0], [1.0]], [1.0, 1.0], mf.losses.MeanAbsoluteError())[0]  # of errors 4 and 0
    2.0
    """

    name: ClassVar[str] = "mae"


@dataclass(frozen=True)
class Huber(Loss):
    """Quadratic up to an error of `delta` > 0, linear beyond (Huber, 1964).

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("identity")])  # its outputs are its inputs
    >>> [model.loss_and_gradient([[error]], [0.0], mf.losses.Huber(delta=2))[0] for error in (1.0, 2.0, 10.0)]
    [0.5, 2.0, 18.0]
    """

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        real_field(self, "delta", above=0.0)

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.delta,)


@dataclass(frozen=True)
class LogCosh(Loss):
    """The logarithm of the error's hyperbolic cosine: quadratic for small errors, linear for large ones, and smooth.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("identity")], dtype="float64")  # its outputs are its inputs
    >>> [round(model.loss_and_gradient([[error]], [0.0], "log_cosh")[0], 4) for error in (0.1, 10.0)]
    [0.005, 9.3069]
    """

    name: ClassVar[str] = "log_cosh"


@dataclass(frozen=True)
class Quantile(Loss):
    """The pinball loss, whose minimum is the quantile `q` in (0, 1) (Koenker and Bassett, 1978).

    With a sequence of quantiles, the model has an output for each of them, for each target, and
    ``model.predict(X).reshape(n, targets, quantiles)`` are its predictions. They may cross, unless the model ends with
    an `Ascending` layer, whose groups are the quantiles of a target, in ascending order of q.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([4, 8, 3], "tanh")
    >>> trainer = mf.Trainer(model, mf.losses.Quantile([0.1, 0.5, 0.9]))
    >>> never_crossing = mf.Model(4, [mf.Dense(8, "tanh"), mf.Dense(3), mf.Ascending()])
    """

    q: float | tuple[float, ...] = 0.5
    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        object.__setattr__(self, "q", _one_or_several("q", self.q, above=0.0, below=1.0))

    @property
    def numbers(self) -> tuple[float, ...]:
        return () if isinstance(self.q, tuple) else (self.q,)

    @property
    def outputs_per_target(self) -> int:
        return len(self.q) if isinstance(self.q, tuple) else 1

    def of_outputs(self, outputs: int) -> tuple[float, ...] | None:
        return self.q * (outputs // len(self.q)) if isinstance(self.q, tuple) else None


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """The negative log-likelihood of normal distributions, less the constant 1/2 log(2 pi), in which both are learnt.

    A target takes two outputs, its mean and the logarithm of its variance: of
    ``model.predict(X).reshape(n, targets, 2)``, the last axis (Nix and Weigend, 1994).

    Examples
    --------
    >>> import mlpfast as mf
    >>> trainer = mf.Trainer(mf.mlp([4, 8, 2], "tanh"), "gaussian_nll")
    """

    name: ClassVar[str] = "gaussian_nll"
    reads: ClassVar[str] = "means and log-variances"
    output_activations: ClassVar[tuple[str, ...]] = ("identity",)

    @property
    def outputs_per_target(self) -> int:
        return 2


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the unit Poisson deviance, exp(z) - y z + y log y - y, for counts or rates y >= 0.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("exponential")])  # of log-rates
    >>> model.loss_and_gradient([[0.0]], [1.0], "poisson")[0]  # a rate of 1, and a count of 1
    0.0
    >>> round(model.loss_and_gradient([[0.0]], [3.0], "poisson")[0], 4)
    1.2958
    """

    name: ClassVar[str] = "poisson"
    targets: ClassVar[Targets] = Targets(low=0.0)
    reads: ClassVar[str] = "log-rates"
    output_activations: ClassVar[tuple[str, ...]] = ("exponential", "identity")


@dataclass(frozen=True)
class GammaDeviance(Loss):
    """Half the unit gamma deviance, y / mean - log(y / mean) - 1, for sizes y > 0: relative errors count.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("exponential")])  # of log-means
    >>> [round(model.loss_and_gradient([[0.0]], [size], "gamma_deviance")[0], 4) for size in (1.0, 2.0)]
    [0.0, 0.3069]
    """

    name: ClassVar[str] = "gamma_deviance"
    targets: ClassVar[Targets] = Targets(low=0.0, positive=True)
    reads: ClassVar[str] = "log-means"
    output_activations: ClassVar[tuple[str, ...]] = ("exponential", "identity")


@dataclass(frozen=True)
class TweedieDeviance(Loss):
    """Half the unit Tweedie deviance of `power` in (1, 2), for sums of a random number of sizes, y >= 0, zero included.

    Power 1 is `Poisson`, 2 is `GammaDeviance`. With the two, it is what scikit-learn has as ``mean_tweedie_deviance``,
    but for a factor of 2.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("exponential")])  # of log-means
    >>> loss = mf.losses.TweedieDeviance(power=1.5)
    >>> [round(model.loss_and_gradient([[0.0]], [amount], loss)[0], 4) for amount in (0.0, 1.0, 4.0)]
    [2.0, 0.0, 2.0]
    """

    power: float = 1.5
    name: ClassVar[str] = "tweedie_deviance"
    targets: ClassVar[Targets] = Targets(low=0.0)
    reads: ClassVar[str] = "log-means"
    output_activations: ClassVar[tuple[str, ...]] = ("exponential", "identity")

    def __post_init__(self) -> None:
        real_field(self, "power", above=1.0, below=2.0)

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.power,)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Cross-entropy of independent yes/no outputs, for targets in [0, 1].

    `label_smoothing` s in [0, 1), a number or a schedule, trains against ``(1 - s) y + s / 2``. `pos_weight` > 0, one
    for all outputs or one for each, multiplies the part of what is there, -y log p: above 1 it makes up for rare
    labels.

    Examples
    --------
    >>> import mlpfast as mf
    >>> loss = mf.losses.BinaryCrossEntropy(pos_weight=[1, 20, 3])
    >>> trainer = mf.Trainer(mf.mlp([4, 8, 3], "relu", "sigmoid"), loss)
    """

    label_smoothing: Scheduled = 0.0
    pos_weight: float | tuple[float, ...] | None = None
    name: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[Targets] = Targets(0.0, 1.0)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("sigmoid", "identity")
    accuracy: ClassVar[str | None] = "binary_accuracy"

    def __post_init__(self) -> None:
        scheduled_field(self, "label_smoothing", at_least=0.0, below=1.0)
        if self.pos_weight is not None:
            object.__setattr__(self, "pos_weight", _one_or_several("pos_weight", self.pos_weight, above=0.0))

    @property
    def smoothing(self) -> float:
        return self.label_smoothing if isinstance(self.label_smoothing, float) else 0.0

    def of_outputs(self, outputs: int) -> tuple[float, ...] | None:
        return (self.pos_weight,) * outputs if isinstance(self.pos_weight, float) else self.pos_weight

    def check_output(self, activation: Activation, outputs: int) -> None:
        super().check_output(activation, outputs)
        _check_length("pos_weight", self.pos_weight, outputs)


@dataclass(frozen=True)
class BinaryFocal(Loss):
    """The focal loss of independent yes/no outputs, for targets in [0, 1] (Lin et al., 2017).

    What is well classified counts less, the more so the larger `gamma` >= 0 is. `alpha` in (0, 1) is the weight of yes,
    1 - alpha that of no; None weighs neither. A target in between is both, as far as it goes.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("sigmoid")])  # of logits
    >>> [round(model.loss_and_gradient([[0.0]], [1.0], mf.losses.BinaryFocal(gamma))[0], 4) for gamma in (0, 2)]
    [0.6931, 0.1733]
    """

    gamma: float = 2.0
    alpha: float | None = None
    name: ClassVar[str] = "binary_focal"
    targets: ClassVar[Targets] = Targets(0.0, 1.0)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("sigmoid", "identity")
    accuracy: ClassVar[str | None] = "binary_accuracy"

    def __post_init__(self) -> None:
        real_field(self, "gamma", at_least=0.0)
        if self.alpha is not None:
            real_field(self, "alpha", above=0.0, below=1.0)

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.gamma, 1.0, 1.0) if self.alpha is None else (self.gamma, self.alpha, 1.0 - self.alpha)


@dataclass(frozen=True)
class Hinge(Loss):
    """The hinge loss, max(0, 1 - y z), of a score z, for targets -1 and 1; 0 and 1 stand for these.

    For several classes, targets are one-hot rows: each output tells its class from the others.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("identity")])  # its outputs are its inputs
    >>> [model.loss_and_gradient([[score]], [1], "hinge")[0] for score in (-1.0, 0.5, 2.0)]
    [2.0, 0.5, 0.0]
    """

    name: ClassVar[str] = "hinge"
    targets: ClassVar[Targets] = Targets(-1.0, 1.0, signs=True)
    reads: ClassVar[str] = "scores"
    output_activations: ClassVar[tuple[str, ...]] = ("identity",)
    accuracy: ClassVar[str | None] = "binary_accuracy"


@dataclass(frozen=True)
class SquaredHinge(Hinge):
    """The square of the hinge loss, which has a derivative everywhere; targets as for `Hinge`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.Activate("identity")])  # its outputs are its inputs
    >>> [model.loss_and_gradient([[score]], [1], "squared_hinge")[0] for score in (-1.0, 0.5, 2.0)]
    [4.0, 0.25, 0.0]
    """

    name: ClassVar[str] = "squared_hinge"


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of one class out of several, for class indices, one-hot rows or soft targets.

    `label_smoothing` s in [0, 1), a number or a schedule, trains against ``(1 - s) y + s / classes`` (Szegedy et al.,
    2016).

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.Activate("softmax")])  # of logits
    >>> round(model.loss_and_gradient([[0.0, 0.0]], [1], "cross_entropy")[0], 4)  # log 2
    0.6931
    >>> trainer = mf.Trainer(mf.mlp([4, 3], output_activation="softmax"), mf.losses.CrossEntropy(label_smoothing=0.1))
    """

    label_smoothing: Scheduled = 0.0
    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[Targets] = Targets(0.0, 1.0, classes=True)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("softmax", "identity")
    accuracy: ClassVar[str | None] = "accuracy"

    def __post_init__(self) -> None:
        scheduled_field(self, "label_smoothing", at_least=0.0, below=1.0)

    @property
    def smoothing(self) -> float:
        return self.label_smoothing if isinstance(self.label_smoothing, float) else 0.0


@dataclass(frozen=True)
class Focal(Loss):
    """The focal loss of one class out of several, for class indices, one-hot rows or soft targets (Lin et al., 2017).

    What is well classified counts less, the more so the larger `gamma` >= 0 is; where p rounds to 1 it counts nothing.
    `alpha` has a weight > 0 for each class; None weighs none.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.Activate("softmax")])  # of logits
    >>> loss = mf.losses.Focal(gamma=2, alpha=[1, 10])
    >>> [round(model.loss_and_gradient([[0.0, 0.0]], [label], loss)[0], 4) for label in (0, 1)]
    [0.1733, 1.7329]
    """

    gamma: float = 2.0
    alpha: tuple[float, ...] | None = None
    name: ClassVar[str] = "focal"
    targets: ClassVar[Targets] = Targets(0.0, 1.0, classes=True)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("softmax", "identity")
    accuracy: ClassVar[str | None] = "accuracy"

    def __post_init__(self) -> None:
        real_field(self, "gamma", at_least=0.0)
        if self.alpha is not None:
            weights = _one_or_several("alpha", self.alpha, above=0.0)
            if not isinstance(weights, tuple):
                raise TypeError(f"expected alpha to be a weight for each class, or None, got {self.alpha!r}")
            object.__setattr__(self, "alpha", weights)

    @property
    def numbers(self) -> tuple[float, ...]:
        return (self.gamma,)

    def of_outputs(self, outputs: int) -> tuple[float, ...] | None:
        return self.alpha

    def check_output(self, activation: Activation, outputs: int) -> None:
        super().check_output(activation, outputs)
        _check_length("alpha", self.alpha, outputs)


@dataclass(frozen=True)
class KLDivergence(Loss):
    """The Kullback-Leibler divergence of the outputs from targets that are probabilities (or class indices).

    Its gradient is that of the cross-entropy; its value is zero where the model gives the targets themselves.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.Activate("softmax")])  # of logits
    >>> [round(model.loss_and_gradient([[0.0, 0.0]], [p], "kl_divergence")[0], 4) for p in ([0.5, 0.5], [0.9, 0.1])]
    [0.0, 0.3681]
    """

    name: ClassVar[str] = "kl_divergence"
    targets: ClassVar[Targets] = Targets(0.0, 1.0, classes=True)
    reads: ClassVar[str] = "logits"
    output_activations: ClassVar[tuple[str, ...]] = ("softmax", "identity")
    accuracy: ClassVar[str | None] = "accuracy"


@dataclass(frozen=True)
class Ordinal(Loss):
    """Classes in an order, as grades are, for class indices from 0 to the number of outputs.

    A model of K - 1 outputs tells K classes: output c is the logit, or with sigmoid the probability, of "above class
    c", and the loss is the sum of their binary cross-entropies (Frank and Hall, 2001; Cao et al., 2020). The class is
    the number of outputs that say yes: ``(model.predict(X) > 0.5).sum(axis=1)``.

    Examples
    --------
    >>> import mlpfast as mf
    >>> stars = mf.mlp([4, 8, 4], "relu", "sigmoid")  # 0 to 4
    >>> trainer = mf.Trainer(stars, "ordinal", metrics=["accuracy"])
    """

    name: ClassVar[str] = "ordinal"
    targets: ClassVar[Targets] = Targets(classes=True, ordered=True)
    reads: ClassVar[str] = "cumulative logits"
    output_activations: ClassVar[tuple[str, ...]] = ("sigmoid", "identity")
    accuracy: ClassVar[str | None] = "ordinal_accuracy"

    def classes(self, outputs: int) -> int:
        return outputs + 1


class Custom(Loss):
    """A loss of the user's own, as a function that gives values and derivatives: in Python, or in C.

    A Python function ``f(y, outputs) -> (values, gradient)`` is called with many rows at once, once or more for a
    batch, between the way forward and the way back: `outputs` (n, outputs) are the model's, behind the output
    activation, and `y` are the targets, (n, targets) or, with `classes`, class indices (n,). It returns the loss of
    each row (n,), without its weight, and the derivative of that by the row's outputs (n, outputs).

    A C function is called for some rows at once by any thread, without the GIL, and must neither raise nor keep what it
    is given::

        void f(int64_t rows, int64_t outputs, int64_t targets,
               const double *y, const double *h,       // (rows, targets), (rows, outputs)
               double *values, double *gradient);      // (rows,), (rows, outputs), to write

    Everything is row-major double, class indices too, whatever the model's dtype. It may be a function of ctypes, what
    ``numba.cfunc`` gives, or a PyCapsule named "mlpfast.loss". NaN among the values ends the training as a divergence.

    The first time that a trainer or a model is given targets, the gradient is compared with central differences; a
    wrong one is an error.

    Parameters
    ----------
    function : callable, ctypes function, numba.cfunc or PyCapsule
    outputs_per_target : int, default 1
        Outputs that a target takes; they stand side by side.
    classes : bool, default False
        Targets are class indices, not numbers. One-hot rows and probabilities are numbers: they go without `classes`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> def quartic(y, h):
    ...     return ((h - y) ** 4).sum(axis=1), 4 * (h - y) ** 3
    >>> trainer = mf.Trainer(mf.mlp([2, 1]), mf.losses.Custom(quartic))
    >>> print(trainer.program)
    step:
      rows     gather, forward 0
      call     loss
      rows     compare, back 0
      tiles    gradient 0, update
    """

    name: ClassVar[str] = "custom"

    def __init__(self, function: Any, *, outputs_per_target: int = 1, classes: bool = False) -> None:
        self.function = function
        self.address = address_of(function)  # type: ignore[misc]
        if not self.address and not callable(function):
            raise TypeError(f"expected a function of Python or C, got {function!r} ({type(function).__name__})")
        self.targets = Targets(classes=True, indices=True) if boolean("classes", classes) else NUMBERS  # type: ignore[misc]
        self._each = integer("outputs_per_target", outputs_per_target)
        self.checked = False  # type: ignore[misc]
        if not self.address:
            self.called = self._call  # type: ignore[misc]

    @property
    def outputs_per_target(self) -> int:
        return self._each

    def __repr__(self) -> str:
        return f"Custom({self.function!r})"

    def _call(self, y: Any, outputs: Any) -> tuple[Any, Any]:
        """What the function returns, in shape."""
        return checked_result(self.function(y, outputs), outputs.shape)


#: Every loss by name. The compiled ones are listed in csrc/lists.h; tests/test_lists.py holds the two equal.
LOSSES: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        *(MeanSquaredError, MeanAbsoluteError, Huber, LogCosh, Quantile, GaussianNLL),
        *(Poisson, GammaDeviance, TweedieDeviance),
        *(BinaryCrossEntropy, BinaryFocal, Hinge, SquaredHinge),
        *(CrossEntropy, Focal, KLDivergence, Ordinal),
    )
}


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


def _one_or_several(name: str, value: Any, **bounds: float) -> float | tuple[float, ...]:
    """A number within the bounds, or a tuple of such."""
    if isinstance(value, (str, Real)) or not isinstance(value, Iterable):
        return real(name, value, **bounds)
    numbers = tuple(real(f"{name}[{i}]", each, **bounds) for i, each in enumerate(value))
    if not numbers:
        raise ValueError(f"expected {name} to be a number or several, got none")
    return numbers


def _check_length(name: str, value: float | tuple[float, ...] | None, outputs: int) -> None:
    if isinstance(value, tuple) and len(value) != outputs:
        raise ValueError(f"expected {name} to have a number for each of {outputs} outputs, got {len(value)}")
