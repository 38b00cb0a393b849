"""Losses of numbers: of errors, on either side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..errors import real_field
from .base import Loss, one_or_several

__all__ = ["GaussianNLL", "Huber", "LogCosh", "MeanAbsoluteError", "MeanSquaredError", "Quantile"]


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
        object.__setattr__(self, "q", one_or_several("q", self.q, above=0.0, below=1.0))

    @property
    def numbers(self) -> tuple[float, ...]:
        return () if isinstance(self.q, tuple) else (self.q,)

    @property
    def outputs_per_target(self) -> int:
        return len(self.q) if isinstance(self.q, tuple) else 1

    def of_outputs(self, outputs: int) -> tuple[float, ...] | None:
        return self.q * (outputs // len(self.q)) if isinstance(self.q, tuple) else None
