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

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, TypeVar

from .errors import boolean, integer, known_name, real_field
from .hints import OPTIMIZER_ARGUMENTS, explain_arguments
from .schedules.plain import Scheduled, scheduled_field

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


_T = TypeVar("_T", bound=Optimizer)


def _explained(cls: type[_T]) -> type[_T]:
    cls.__init__ = explain_arguments(OPTIMIZER_ARGUMENTS)(cls.__init__)  # type: ignore[method-assign]
    return cls


@_explained
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


@_explained
@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradient descent scaled by a running root mean square of the gradient (Tieleman and Hinton, 2012).

    ``s = rho s + (1 - rho) g^2; p -= lr g / (sqrt(s) + epsilon)``; with momentum the step goes into a velocity first:
    ``v = momentum v - lr g / (sqrt(s) + epsilon); p += v``.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.001
    rho : float in [0, 1), default 0.9
        Decay of the running mean of squares.
    momentum : float in [0, 1] or Schedule, default 0.0
    epsilon : float > 0, default 1e-8
        A `Trainer` refuses one that the model's dtype has no normal number for: below 1.2e-38 in float32.
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]  # w, b: the gradient of 1/2 (w x + b - y)^2 at x = 1, y = 0 is [1, 1]
    >>> loss = mf.Trainer(model, "mse", mf.optimizers.RMSprop(0.1)).train_on_batch([[1.0]], [0.0])
    >>> model.parameters.round(4).tolist()  # 0.1 / sqrt(0.1)
    [0.6838, -0.3162]
    """

    _: KW_ONLY
    rho: float = 0.9
    momentum: Scheduled = 0.0
    epsilon: float = 1e-8
    name: ClassVar[str] = "rmsprop"
    update: ClassVar[str] = "rmsprop"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("rho", at_least=0.0, below=1.0)
        scheduled_field(self, "momentum", at_least=0.0, at_most=1.0)
        self._check("epsilon", above=0.0)

    def check_precision(self, dtype: str, smallest: float) -> None:
        self._check_epsilon(self.epsilon, smallest, dtype)


@_explained
@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): steps by the ratio of two running means, of the gradient and of its square.

    At step t (from 1), ``m = beta_1 m + (1 - beta_1) g``, ``v = beta_2 v + (1 - beta_2) g^2`` and
    ``p -= lr m_hat / (sqrt(v_hat) + epsilon)``, ``m_hat = m / (1 - beta_1^t)``, ``v_hat = v / (1 - beta_2^t)``.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.001
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float > 0, default 1e-8
        A `Trainer` refuses one for whose product with ``sqrt(1 - beta_2)`` the model's dtype has no normal number:
        below 3.7e-37 in float32.
    epsilon_hat : bool, default False
        Add epsilon to the uncorrected ``sqrt(v)`` instead, as at the end of section 2 of the paper (its epsilon-hat);
        scikit-learn and Keras do.
    amsgrad : bool, default False
        Divide by the root of the largest ``v`` so far (Reddi et al., 2018).
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> loss = mf.Trainer(model, "mse", mf.Adam(learning_rate=0.1)).train_on_batch([[1.0]], [0.0])
    >>> model.parameters.round(4).tolist()  # the first step has the length of the rate, whatever the gradient
    [0.9, -0.1]
    """

    _: KW_ONLY
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False
    amsgrad: bool = False
    name: ClassVar[str] = "adam"
    update: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta_1", "beta_2", at_least=0.0, below=1.0)
        self._check("epsilon", above=0.0)
        object.__setattr__(self, "epsilon_hat", boolean("epsilon_hat", self.epsilon_hat))
        object.__setattr__(self, "amsgrad", boolean("amsgrad", self.amsgrad))

    def check_precision(self, dtype: str, smallest: float) -> None:
        # Beside the uncorrected sqrt(v), which is what is computed, epsilon is multiplied by sqrt(1 - beta_2^t).
        factor = 1.0 if self.epsilon_hat else math.sqrt(1.0 - self.beta_2)
        self._check_epsilon(self.epsilon, smallest / factor, dtype)


@_explained
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay on by default (Loshchilov and Hutter, 2019); parameters as `Adam`'s.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> loss = mf.Trainer(model, "mse", mf.AdamW(0.1, weight_decay=0.5)).train_on_batch([[1.0]], [0.0])
    >>> model.parameters.round(4).tolist()  # Adam's step, and 0.1 * 0.5 of the weight
    [0.85, -0.1]
    """

    _: KW_ONLY
    weight_decay: Scheduled = 0.01
    name: ClassVar[str] = "adamw"


@_explained
@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Gradient descent scaled by the root of the sum of all squares so far (Duchi, Hazan and Singer, 2011).

    ``s = s + g^2; p -= lr g / (sqrt(s) + epsilon)``, as in PyTorch; Keras has the epsilon under the root.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.01
    initial_accumulator_value : float >= 0, default 0.0
        What ``s`` starts at.
    epsilon : float > 0, default 1e-10
        A `Trainer` refuses one that the model's dtype has no normal number for: below 1.2e-38 in float32.
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> trainer = mf.Trainer(model, "mse", mf.optimizers.Adagrad(0.1, initial_accumulator_value=3.0))
    >>> loss = trainer.train_on_batch([[1.0]], [0.0])
    >>> model.parameters.round(4).tolist()  # 0.1 / sqrt(3 + 1)
    [0.95, -0.05]
    """

    learning_rate: Scheduled = 0.01
    _: KW_ONLY
    initial_accumulator_value: float = 0.0
    epsilon: float = 1e-10
    name: ClassVar[str] = "adagrad"
    update: ClassVar[str] = "adagrad"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("initial_accumulator_value", at_least=0.0)
        self._check("epsilon", above=0.0)

    def check_precision(self, dtype: str, smallest: float) -> None:
        self._check_epsilon(self.epsilon, smallest, dtype)


@_explained
@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam that looks ahead, as Nesterov's momentum does (Dozat, 2016).

    With ``m`` and ``v`` as Adam's, the momenta ``mu_t = beta_1 (1 - 0.96^(t momentum_decay) / 2)`` at step t (from 1)
    and their products ``M_t = mu_1 mu_2 ... mu_t``, it is ``p -= lr m_hat / (sqrt(v_hat) + epsilon)``,
    ``m_hat = mu_(t+1) m / (1 - M_(t+1)) + (1 - mu_t) g / (1 - M_t)``, ``v_hat = v / (1 - beta_2^t)``: PyTorch's.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.002
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float > 0, default 1e-8
        A `Trainer` refuses one for whose product with ``sqrt(1 - beta_2)`` the model's dtype has no normal number:
        below 3.7e-37 in float32.
    momentum_decay : float >= 0, default 0.004
        How fast the momentum rises from about ``beta_1 / 2`` to ``beta_1``; Keras has 1.
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay.
    ema : float in (0, 1), optional
        Decay of the average of the parameters.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> model.parameters = [1.0, 0.0]
    >>> trainer = mf.Trainer(model, "mse", mf.optimizers.NAdam(0.1))
    >>> losses = [trainer.train_on_batch([[1.0]], [0.0]) for step in range(20)]
    >>> losses[0], losses[-1] < 0.01
    (0.5, True)
    """

    learning_rate: Scheduled = 0.002
    _: KW_ONLY
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 0.004
    name: ClassVar[str] = "nadam"
    update: ClassVar[str] = "nadam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta_1", "beta_2", at_least=0.0, below=1.0)
        self._check("epsilon", above=0.0)
        self._check("momentum_decay", at_least=0.0)

    def check_precision(self, dtype: str, smallest: float) -> None:
        self._check_epsilon(self.epsilon, smallest / math.sqrt(1.0 - self.beta_2), dtype)


@_explained
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


@_explained
@dataclass(frozen=True)
class ScheduleFreeAdamW(Optimizer):
    """Adam without a schedule of the learning rate: in its place, an average (Defazio et al., 2024).

    Gradients are taken at ``y = (1 - beta_1) z + beta_1 x``. At step t (from 1), with ``v`` as Adam's,
    ``z = z - lr g / (sqrt(v_hat) + epsilon) - lr weight_decay y``, and ``x = (1 - c) x + c z`` with ``c = w_t / (w_1 +
    ... + w_t)``, ``w_t = lr_max^2 t^r``, where ``lr_max`` is the largest learning rate so far. Between epochs,
    `Model.parameters` are ``x``, as with ``ema`` (see above). Its authors advise a warm-up of the learning rate:
    ``ScheduleFreeAdamW(mlpfast.schedules.Warmup(0.0025, epochs=1))``.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, default 0.0025
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float > 0, default 1e-8
        A `Trainer` refuses one for whose product with ``sqrt(1 - beta_2)`` the model's dtype has no normal number:
        below 3.7e-37 in float32.
    r : float >= 0, default 0.0
        The power of a step's number in its weight.
    weight_decay : float >= 0 or Schedule, default 0.0
        Decoupled weight decay, taken at ``y``.

    Raises
    ------
    ValueError
        For ``ema``: it has an average. A `Trainer` refuses it for layers or groups with `max_norm`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> optimizer = mf.optimizers.ScheduleFreeAdamW(mf.schedules.Warmup(0.01, epochs=1))
    >>> trainer = mf.Trainer(mf.mlp([64, 32, 10], "relu", "softmax", seed=0), optimizer=optimizer)
    >>> trainer.fit(X / 16, y, epochs=20, verbose=0)["loss"][-1] < 0.1
    True
    """

    learning_rate: Scheduled = 0.0025
    _: KW_ONLY
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    r: float = 0.0
    name: ClassVar[str] = "schedule_free_adamw"
    update: ClassVar[str] = "schedule_free"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta_1", "beta_2", at_least=0.0, below=1.0)
        self._check("epsilon", above=0.0)
        self._check("r", at_least=0.0)
        if self.ema is not None:
            raise ValueError(f"expected no ema with {type(self).__name__}, which has an average; got {self.ema:g}")

    @property
    def averages(self) -> bool:
        return True

    def check_precision(self, dtype: str, smallest: float) -> None:
        self._check_epsilon(self.epsilon, smallest / math.sqrt(1.0 - self.beta_2), dtype)


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


@_explained
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


@_explained
@dataclass(frozen=True)
class LevenbergMarquardt(FullBatchOptimizer):
    """Levenberg-Marquardt (1944, 1963): damped Gauss-Newton steps, for squared error, small nets, fits to many digits.

    An epoch is an iteration. ``J`` is the Jacobian of the residuals by the parameters, row by row and output by output;
    ``A = J'J`` has the weights of rows and the penalties in it, as the gradient ``g`` has. A step solves
    ``(A + mu D) d = -g``, where ``D`` is the diagonal of ``A`` with no element below a hundredth of the largest. ``mu``
    grows until the loss is lower, and then follows how far the step kept its promise (Nielsen, 1999; Madsen, Nielsen
    and Tingleff, 2004, algorithm 3.16). It needs SciPy: ``pip install 'mlpfast[scipy]'``.

    ``J`` is never whole: it comes in blocks of rows, in the model's dtype; sums and the system are float64. That takes
    two float64 matrices of the parameters squared, and time that grows with rows times parameters squared, and with
    parameters cubed. `Trainer.fit` records the loss after the iteration, and stops before its epochs are done where the
    tolerances say so, as with `LBFGS`.

    Parameters
    ----------
    learning_rate : float > 0, default 1.0
        A factor of each step.
    damping : float > 0, default 1e-3
        The first ``mu``.
    damping_factor : float > 1, default 2.0
        What ``mu`` grows by where a step is refused; the next time by twice as much, and so on.
    max_damping : float > 0, default 1e10
        Training ends where it is passed.
    tolerance_grad : float >= 0, default 1e-10
        Stop when no element of the gradient is larger.
    tolerance_change : float >= 0, default 1e-9
        Stop when an iteration lowers the loss by no more, in relation to the loss.

    Raises
    ------
    ValueError
        For ``weight_decay`` and ``ema``. A `Trainer` refuses it with other losses than "mse", with
        `learning_rate_scale`, and with whatever it refuses with `LBFGS`.
    MemoryError
        By a `Trainer`, where the matrices take more than the machine has.
    ImportError
        By a `Trainer`, where SciPy is missing.

    Notes
    -----
    With fewer rows than parameters, or units that are dead, ``A`` is singular; damped, it is not. The same bits come
    from the same BLAS with the same number of threads. In float32, it ends where rounding hides from the loss what is
    left.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = mf.mlp([1, 8, 1], "tanh", dtype="float64", seed=0)
    >>> trainer = mf.Trainer(model, "mse", mf.LevenbergMarquardt(), batch_size=None)
    >>> trainer.fit(X, np.sin(3 * X), epochs=300, verbose=0)["loss"][-1] < 1e-6
    True
    """

    _: KW_ONLY
    damping: float = 1e-3
    damping_factor: float = 2.0
    max_damping: float = 1e10
    tolerance_grad: float = 1e-10
    name: ClassVar[str] = "levenberg_marquardt"
    update: ClassVar[str] = "levenberg_marquardt"
    judge: ClassVar[str] = "damping"
    in_vain: ClassVar[str] = "however much damping there is (max_damping)"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("damping", "max_damping", above=0.0)
        self._check("damping_factor", above=1.0)


@_explained
@dataclass(frozen=True)
class NewtonCG(FullBatchOptimizer):
    """Newton's method by conjugate gradients in a trust region, for small nets and smooth losses: SciPy's "trust-ncg".

    An epoch is an iteration: the quadratic model of the loss, with its true Hessian, is minimised within a radius
    (Steihaug, 1983; Nocedal and Wright, 2006, algorithms 7.2 and 4.1), from products with the Hessian alone
    (`Model.hvp`). Where the curvature is negative, the step follows it to the edge: saddles don't hold it up. The
    radius shrinks until the loss is lower, and follows how far the model was right. `Trainer.fit` records the loss
    after the iteration, and stops before its epochs are done where the tolerances say so, as with `LBFGS`. It needs
    SciPy: ``pip install 'mlpfast[scipy]'``.

    Parameters
    ----------
    learning_rate : float > 0, default 1.0
        A factor of the radius.
    initial_trust_radius, max_trust_radius : float > 0, default 1.0 and 1000.0
        The radius of the first step (Euclidean, of all parameters), and of any.
    eta : float in [0, 0.25), default 0.15
        A step is taken that lowers the loss by more than this times what the model promises.
    tolerance_grad : float >= 0, default 1e-7
        Stop when no element of the gradient is larger.
    tolerance_change : float >= 0, default 1e-9
        Stop when an iteration lowers the loss by no more, in relation to the loss.

    Raises
    ------
    ValueError
        For ``weight_decay`` and ``ema``. A `Trainer` refuses it with losses and layers that have no second derivatives,
        with `learning_rate_scale`, and with whatever it refuses with `LBFGS`.

    Notes
    -----
    Defaults are SciPy's, but for the tolerances. Each step takes as many products with the Hessian as its conjugate
    gradients need, each of about two gradients' time. Inner products are those of NumPy's and SciPy's BLAS: the bits
    are repeatable with one BLAS, and don't depend on the threads of `Trainer`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> model = mf.mlp([64, 10], output_activation="softmax", dtype="float64", seed=0)
    >>> trainer = mf.Trainer(model, optimizer=mf.NewtonCG(tolerance_grad=1e-6), batch_size=None, l2=1e-3)
    >>> history = trainer.fit(X / 16, y, epochs=100, verbose=0)
    >>> history.stopped_by, history.epochs < 20
    ('convergence', True)
    """

    _: KW_ONLY
    initial_trust_radius: float = 1.0
    max_trust_radius: float = 1000.0
    eta: float = 0.15
    name: ClassVar[str] = "newton_cg"
    update: ClassVar[str] = "newton_cg"
    judge: ClassVar[str] = "trust region"
    in_vain: ClassVar[str] = "in any trust region"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("max_trust_radius", above=0.0)
        self._check("initial_trust_radius", above=0.0, at_most=self.max_trust_radius)
        self._check("eta", at_least=0.0, below=0.25)


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
