"""Initial values of weights and biases, as pure data: an initializer tells the distribution, the model draws from it.

The default for a layer's weights follows its activation (`default_initializer`):

- ``he_uniform`` for relu and its relatives (leaky_relu, elu, gelu, gelu_tanh, silu, mish): they pass about half of the
  input's second moment, which the factor 2 of He et al. (2015) restores at each layer;
- ``lecun_normal`` for selu: its fixed point of mean 0 and variance 1 holds for weights of variance 1 / fan_in
  (Klambauer et al., 2017);
- ``glorot_uniform`` for all others: a compromise that keeps the variance of both the outputs and the deltas near one
  where the activation is close to linear (Glorot and Bengio, 2010).

Uniform rather than normal, since the variance is what matters: bounded draws give no outliers in a narrow layer.

``data_driven`` and ``he_plus`` are distributions until `Model.adapt` is given data, from which it then draws anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from .activations import Activation
from .errors import integer, known_name, real_field

__all__ = [
    "Constant",
    "DataDriven",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HePlus",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "Normal",
    "Orthogonal",
    "TruncatedNormal",
    "Uniform",
    "Zeros",
    "as_initializer",
    "default_initializer",
]

#: ("constant", value), ("normal", standard deviation), ("truncated_normal", standard deviation of the whole: values are
#: within two of it), ("uniform", limit: values are in [-limit, limit)), or ("orthogonal", length of rows or columns).
Distribution: TypeAlias = tuple[Literal["constant", "normal", "truncated_normal", "uniform", "orthogonal"], float]


class Initializer:
    """Base of the initializers. `name` is what a layer's ``kernel_initializer=`` accepts in place of an instance.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.initializers.as_initializer("he_normal").distribution(fan_in=50, fan_out=10)
    ('normal', 0.2)
    """

    name: ClassVar[str]
    follows: ClassVar[Literal["weight", "bias"] | None] = None  # `Model.adapt` draws such tensors anew, from data

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        """The distribution of the values, for a layer with `fan_in` inputs and `fan_out` units."""
        raise NotImplementedError


@dataclass(frozen=True)
class Zeros(Initializer):
    """All zero.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.Model(2, [mf.Dense(3, kernel_initializer="zeros")]).weights[0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    name: ClassVar[str] = "zeros"

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "constant", 0.0


@dataclass(frozen=True)
class Constant(Initializer):
    """All equal to `value`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.Model(2, [mf.Dense(3, bias_initializer=mf.initializers.Constant(0.5))]).biases[0].tolist()
    [0.5, 0.5, 0.5]
    """

    value: float = 0.0
    name: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        real_field(self, "value")

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "constant", self.value


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal, with mean 0 and standard deviation `stddev`; not truncated.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(100, [mf.Dense(100, kernel_initializer=mf.initializers.Normal(stddev=0.1))], seed=0)
    >>> round(float(model.weights[0].std()), 2), bool(abs(model.weights[0]).max() > 0.3)
    (0.1, True)
    """

    stddev: float = 0.05
    name: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        real_field(self, "stddev", at_least=0.0)

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "normal", self.stddev


@dataclass(frozen=True)
class Uniform(Initializer):
    """Uniform in [-limit, limit).

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(100, [mf.Dense(100, kernel_initializer=mf.initializers.Uniform(limit=0.1))], seed=0)
    >>> round(float(abs(model.weights[0]).max()), 2)
    0.1
    """

    limit: float = 0.05
    name: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        real_field(self, "limit", at_least=0.0)

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "uniform", self.limit


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """Uniform with limit sqrt(6 / (fan_in + fan_out)): variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010).

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.initializers.GlorotUniform().distribution(fan_in=100, fan_out=50)
    ('uniform', 0.2)
    """

    name: ClassVar[str] = "glorot_uniform"

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "uniform", math.sqrt(6.0 / (fan_in + fan_out))


@dataclass(frozen=True)
class GlorotNormal(Initializer):
    """Normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010); not truncated.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.initializers.GlorotNormal().distribution(fan_in=100, fan_out=100)
    ('normal', 0.1)
    """

    name: ClassVar[str] = "glorot_normal"

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "normal", math.sqrt(2.0 / (fan_in + fan_out))


@dataclass(frozen=True)
class HeUniform(Initializer):
    """Uniform with limit sqrt(6 / fan_in): variance 2 / fan_in (He et al., 2015).

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.initializers.HeUniform().distribution(fan_in=600, fan_out=50)
    ('uniform', 0.1)
    """

    name: ClassVar[str] = "he_uniform"

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "uniform", math.sqrt(6.0 / fan_in)


@dataclass(frozen=True)
class HeNormal(Initializer):
    """Normal with variance 2 / fan_in (He et al., 2015); not truncated.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.initializers.HeNormal().distribution(fan_in=200, fan_out=50)
    ('normal', 0.1)
    """

    name: ClassVar[str] = "he_normal"

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "normal", math.sqrt(2.0 / fan_in)


@dataclass(frozen=True)
class LecunNormal(Initializer):
    """Normal with variance 1 / fan_in (LeCun et al., 1998); not truncated.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.initializers.LecunNormal().distribution(fan_in=100, fan_out=50)
    ('normal', 0.1)
    """

    name: ClassVar[str] = "lecun_normal"

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "normal", math.sqrt(1.0 / fan_in)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """Orthonormal columns times `gain`, or rows where there are fewer of those (Saxe et al., 2014, arXiv:1312.6120).

    W (fan_in, units) with ``W^T W = gain^2 I`` for fan_in >= units, ``W W^T = gain^2 I`` otherwise: a layer that keeps
    lengths, in one of its directions at least. Uniform among all such matrices: the Q of a matrix of normal numbers
    with a positive diagonal of R (Mezzadri, 2007, arXiv:math-ph/0609050). A vector counts as one row. Takes some
    seconds, and several times the memory of W, for thousands of rows and columns.

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> W = mf.Model(5, [mf.Dense(3, kernel_initializer="orthogonal")], dtype="float64", seed=0).weights[0]
    >>> np.allclose(W.T @ W, np.eye(3))
    True
    """

    gain: float = 1.0
    name: ClassVar[str] = "orthogonal"

    def __post_init__(self) -> None:
        real_field(self, "gain", at_least=0.0)

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "orthogonal", self.gain


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Normal, with mean 0, without the values beyond two standard deviations.

    `stddev` is that of the normal distribution before those are left out, as in Keras; theirs is 0.88 of it. (PyTorch's
    ``trunc_normal_`` has limits of its own, which are 2 and not 2 `std`.)

    Examples
    --------
    >>> import mlpfast as mf
    >>> layer = mf.Dense(100, kernel_initializer=mf.initializers.TruncatedNormal(stddev=0.1))
    >>> bool(abs(mf.Model(100, [layer], seed=0).weights[0]).max() <= 0.2)
    True
    """

    stddev: float = 0.05
    name: ClassVar[str] = "truncated_normal"

    def __post_init__(self) -> None:
        real_field(self, "stddev", at_least=0.0)

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "truncated_normal", self.stddev


@dataclass(frozen=True)
class DataDriven(Initializer):
    """Weights by which all pre-activations have standard deviation 1 over data (Krähenbühl et al., 2016; RealMLP).

    `Model.adapt` divides each unit's weights by the standard deviation of ``x W`` over its rows, the population's.
    Until then they are those of "lecun_normal", and remain so for a unit that is the same for all rows. RealMLP
    (Holzmüller et al., 2024) has them with ``parametrization="ntp"``.

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 4)) * 100
    >>> model = mf.Model(4, [mf.Dense(3, kernel_initializer="data_driven")], dtype="float64", seed=0)
    >>> model.adapt(X)
    >>> (X @ model.weights[0]).std(axis=0).round(6).tolist()
    [1.0, 1.0, 1.0]
    """

    name: ClassVar[str] = "data_driven"
    follows: ClassVar[Literal["weight", "bias"] | None] = "weight"

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "normal", math.sqrt(1.0 / fan_in)


@dataclass(frozen=True)
class HePlus(Initializer):
    """Biases by which the hyperplane of each unit, ``x W + b = 0``, goes through the data (Steinwart, 2019).

    `Model.adapt` draws, for each unit, `points` of its rows with replacement, and their weights in a random convex
    combination: exponential numbers over their sum. The bias is minus the combination's ``x W``. Until then it is zero.
    With 5 points it is he+5 of the paper (arXiv:1903.11482) and of RealMLP (Holzmüller et al., 2024).

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> X = np.random.default_rng(0).normal(loc=10.0, size=(500, 2))
    >>> model = mf.Model(2, [mf.Dense(8, "relu", bias_initializer="he_plus")], seed=0)
    >>> model.adapt(X)
    >>> z = X @ model.weights[0] + model.biases[0]
    >>> bool(((z > 0).any(axis=0) & (z < 0).any(axis=0)).all())  # each unit has rows on both sides
    True
    """

    points: int = 5
    name: ClassVar[str] = "he_plus"
    follows: ClassVar[Literal["weight", "bias"] | None] = "bias"

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", integer("points", self.points))

    def distribution(self, fan_in: int, fan_out: int) -> Distribution:
        return "constant", 0.0


#: Every initializer by name.
INITIALIZERS: dict[str, type[Initializer]] = {
    cls.name: cls
    for cls in (
        *(Zeros, Constant, Normal, TruncatedNormal, Uniform, Orthogonal),
        *(GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunNormal),
        *(DataDriven, HePlus),
    )
}

_HE = ("relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "mish")


def as_initializer(initializer: str | Initializer) -> Initializer:
    """An `Initializer` from itself or from its name, or another library's (with its default parameters).

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.initializers.as_initializer("xavier_uniform")
    GlorotUniform()
    """
    if isinstance(initializer, Initializer):
        return initializer
    return INITIALIZERS[known_name("initializer", initializer, INITIALIZERS)]()


def default_initializer(activation: Activation) -> Initializer:
    """The initializer of a layer's weights where the user names none; the module's text says why.

    Examples
    --------
    >>> import mlpfast as mf
    >>> [mf.initializers.default_initializer(mf.Activation(name)) for name in ("relu", "selu", "tanh")]
    [HeUniform(), LecunNormal(), GlorotUniform()]
    """
    if activation.name in _HE:
        return HeUniform()
    return LecunNormal() if activation.name == "selu" else GlorotUniform()
