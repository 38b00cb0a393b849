"""Gradient checking: backpropagation against central differences, parameter by parameter.

The reference is taken in float64 whatever the model's dtype is: ``(L(p + h) - L(p - h)) / 2h`` for each checked
parameter p. Its truncation error is of order h^2 and its rounding error of order eps L / h; h = cbrt(eps) max(1, |p|),
about 6e-6, makes both about as small as they get together.

Neither side is exact, and where a derivative is small by cancellation, its relative error may be of any size. So an
error counts as far as the rounding of both sides does not explain it: that of backpropagation, in the model's dtype, as
estimated by `mlpfast.rounding`; that of the loss, by differences of higher order (Moré and Wild, 2011, "Estimating
computational noise").

Where a relu's, or an absolute error's, kink lies between p - h and p + h, the difference is wrong, not the gradient;
and where the loss is strongly curved, h is too long. Both show: a shorter step then gives another difference. So a
derivative that seems wrong is looked at again with h / 4, h / 16 ... h / 4096, and the first difference counts that the
next one confirms: a wrong gradient is wrong at every step. Exactly at a kink there is no derivative to agree with: all
between the one-sided ones is right (Clarke, 1975, "Generalized gradients and applications"), and what the other side
makes of the gradient counts as rounding. (It tells more to give inputs that make no pre-activation exactly zero, as a
row of zeros does while all biases are zero.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activations import Activation
from .core.engine import Engine
from .core.memory import aligned_zeros
from .core.network import Network
from .core.random import SPLIT, permutation
from .errors import integer, real
from .layers import Dense, lower
from .losses import Loss, as_loss
from .model import Model
from .parts import Rule
from .rounding import gradient_rounding
from .validation import CSR, as_features, as_sample_weight, as_targets, n_rows, without_weightless

__all__ = ["GradientReport", "TensorReport", "gradcheck"]

_EPS64 = float(np.finfo(np.float64).eps)
_SHRINK = 4  # of the step, where it may be too long
_STEPS = 7
_LINES = 8  # along which the noise of the loss is measured
_ONE_HOT_ROWS = 256  # at most at a time
_DEVIATIONS = 8  # standard errors that rounding may explain: 5.3 was the most in 2,000 random networks


@dataclass(frozen=True)
class TensorReport:
    """How well the gradient of one parameter tensor agrees.

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> report = mf.gradcheck(mf.mlp([3, 4, 1], "tanh", seed=0), X, X.sum(axis=1), "mse")
    >>> [(tensor.name, tensor.shape, tensor.ok) for tensor in report.tensors]
    [('W0', (3, 4), True), ('b0', (4,), True), ('W1', (4, 1), True), ('b1', (1,), True)]
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    max_relative_error: float
    worst_index: tuple[int, ...]
    ok: bool


@dataclass(frozen=True)
class GradientReport:
    """The outcome of `gradcheck`; printed, a table with a row for each parameter tensor.

    Attributes
    ----------
    ok : bool
        Whether every checked derivative is within `tolerance`.
    max_relative_error : float
        The largest relative error of all.
    tolerance : float
    tensors : tuple of TensorReport
        W0, b0, W1, b1, ...

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> report = mf.gradcheck(mf.mlp([3, 4, 1], "tanh", seed=0), X, X.sum(axis=1), "mse")
    >>> report.ok, report.max_relative_error < report.tolerance
    (True, True)
    """

    tolerance: float
    tensors: tuple[TensorReport, ...]

    @property
    def ok(self) -> bool:
        """Whether every checked derivative is within the tolerance."""
        return all(tensor.ok for tensor in self.tensors)

    @property
    def max_relative_error(self) -> float:
        """The largest relative error of all checked derivatives."""
        return max(tensor.max_relative_error for tensor in self.tensors)

    def __str__(self) -> str:
        rows = [("tensor", "shape", "checked", "max relative error", "at", "")]
        for t in self.tensors:
            at = "[" + ", ".join(map(str, t.worst_index)) + "]"
            checked = f"{t.checked} of {int(np.prod(t.shape))}"
            rows.append((t.name, str(t.shape), checked, f"{t.max_relative_error:.2e}", at, "ok" if t.ok else "WRONG"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        verdict = "ok" if self.ok else "WRONG"
        return "\n".join([*lines, f"{verdict}: {self.max_relative_error:.2e}, tolerance {self.tolerance:g}"])

    __repr__ = __str__


def gradcheck(
    model: Model,
    X: Any,
    y: Any,
    loss: str | Loss = "cross_entropy",
    *,
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    training: bool = False,
    tolerance: float | None = None,
    max_parameters: int = 256,
    seed: int = 0,
) -> GradientReport:
    """Check `Model.loss_and_gradient` against central differences.

    Parameters
    ----------
    model : Model
        It is not changed.
    X, y, loss, sample_weight, l1, l2, training
        As for `Model.loss_and_gradient`. A few dozen rows are enough. Parameters that are not trainable have to have a
        derivative of zero.
    tolerance : float, optional
        The relative error up to which a derivative counts as right, where rounding does not explain more; by default
        1e-6 for a float64 model, 1e-5 for float32.
    max_parameters : int, default 256
        Of a tensor with more, a random sample of so many is checked, the same for the same seed.
    seed : int >= 0, default 0
        Seed of the sample.

    Returns
    -------
    GradientReport

    Raises
    ------
    TypeError, ValueError
        For input that does not fit the model or the loss, or a model without parameters.

    Notes
    -----
    The relative error is ``|a - n| / max(|a|, |n|, floor)``, with a by backpropagation and n by differences. The floor
    keeps rounding errors from counting as relative errors of derivatives that are small by cancellation: it is
    ``8 (r + s / h) / tolerance``, with the standard errors r of a, in the model's dtype, and s of the loss, in float64,
    and the step h. r is about the dtype's roundoff times the size of all that was added up in a.

    What is wrong by less than ``8 (r + s / h)`` cannot be told from rounding. In a network that has not converged that
    is mostly far less than 1e-4 of a tensor's norm, in either dtype; the more of the gradient training has cancelled,
    or the more units are saturated, the less can be told.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> model = mf.mlp([3, 5, 2], activation="tanh", output_activation="softmax", dtype="float64", seed=0)
    >>> report = mf.gradcheck(model, np.eye(3), [0, 1, 1], loss="cross_entropy")
    >>> report.ok, report.max_relative_error < 1e-6
    (True, True)
    """
    loss = as_loss(loss)
    if not model.n_parameters:
        raise ValueError("expected a model that has parameters, got one that has none")
    max_parameters = integer("max_parameters", max_parameters)
    if tolerance is None:
        tolerance = 1e-6 if model.dtype == np.float64 else 1e-5
    tolerance = real("tolerance", tolerance, above=0.0)
    _, gradient = model.loss_and_gradient(X, y, loss, sample_weight=sample_weight, l1=l1, l2=l2, training=training)
    with np.errstate(all="ignore"):  # where the loss overflows, that is what the report says
        reference = _Reference(model, X, y, loss, sample_weight, l1, l2, training)
        rounding = _DEVIATIONS * reference.backpropagation_error()

    tensors = []
    for number, tensor in enumerate(model.program.tensors):
        indices = np.arange(tensor.size)
        if tensor.size > max_parameters:
            indices = np.sort(permutation(seed, SPLIT, number, tensor.size)[:max_parameters])
        where = tensor.offset + indices
        if tensor.rule.trainable:
            checked = zip(where, gradient[where], rounding[where], strict=True)
            errors = np.array(
                [_relative_error(reference, int(i), float(a), float(r), tolerance) for i, a, r in checked]
            )
        else:
            errors = np.where(gradient[where] == 0, 0.0, np.inf)
        worst = int(np.argmax(errors))
        tensors.append(
            TensorReport(
                name=tensor.name,
                shape=tensor.shape,
                checked=len(indices),
                max_relative_error=float(errors[worst]),
                worst_index=tuple(int(i) for i in np.unravel_index(indices[worst], tensor.shape)),
                ok=bool(errors[worst] <= tolerance),
            )
        )
    return GradientReport(tolerance, tuple(tensors))


class _Reference:
    """The loss as a function of one parameter, in float64, at the parameters of a model of any dtype."""

    def __init__(
        self, model: Model, X: Any, y: Any, loss: Loss, sample_weight: Any, l1: float, l2: float, training: bool
    ) -> None:
        # The model saw its input rounded to its dtype: so does the reference.
        features = as_features(X, model.inputs, model.dtype, cast=True)
        n = n_rows(features)
        targets = as_targets(y, loss, model.outputs, model.dtype, n)
        float64 = np.dtype(np.float64)
        if isinstance(features, CSR):
            self.X: Any = features._replace(values=features.values.astype(float64))
        else:
            self.X = features.astype(float64)
        self.y = targets if targets.dtype == np.int32 else targets.astype(float64)
        self.sample_weight = as_sample_weight(sample_weight, n)
        if training and model.program.over_batch:
            self.X, self.y, self.sample_weight = without_weightless(self.X, self.y, self.sample_weight)
        self.rows, self.model, self.loss = len(self.y), model, loss
        self.weight = np.ones(self.rows) if self.sample_weight is None else self.sample_weight
        self.fused = loss.reads != "outputs"  # the loss is a function of z
        self.l1, self.l2, self.training = l1, l2, training
        state = aligned_zeros(model.state.size, float64)
        state[:] = model.state
        self.parameters = state[: model.n_parameters]
        self.engine = self._engine(Network(model.program, state))
        self.value = self._evaluate()
        self.noise = self._noise()

    def _engine(self, network: Network) -> Engine:
        return Engine(network, self.loss, batch_rows=self.rows)

    def _evaluate(self) -> float:
        if self.training:
            return self._gradient(self.sample_weight)[0]
        loss, _ = self.engine.evaluate(self.X, self.y, self.sample_weight, l1=self.l1, l2=self.l2)
        return float(loss)

    def _gradient(self, weight: NDArray[Any] | None) -> tuple[float, NDArray[Any]]:
        loss, gradient = self.engine.loss_and_gradient(
            self.X, self.y, weight, l1=self.l1, l2=self.l2, training=self.training
        )
        return float(loss), gradient

    def _noise(self) -> float:
        """The standard error of the loss: third differences over so short a way that only rounding is left in them."""
        here = self.parameters.copy()
        rng = np.random.default_rng(0)
        thirds = []
        for _ in range(_LINES):
            step = rng.choice((-1e-10, 1e-10), here.size) * np.maximum(1.0, np.abs(here))
            values = []
            for i in range(4):
                self.parameters[:] = here + i * step
                values.append(self._evaluate())
            thirds.append(values[3] - 3 * values[2] + 3 * values[1] - values[0])
        self.parameters[:] = here
        # Nothing moves where all is lost: a probability beside 1, an increment beside the loss.
        least = 0.5 * _EPS64 * (abs(self.value) + self.fused)
        return max(float(np.sqrt(np.mean(np.square(thirds)) / (1 + 9 + 9 + 1))), least)

    def derivative(self, index: int, h: float) -> tuple[float, float]:
        """The central difference with respect to one parameter, and how far apart the one-sided ones are."""
        p = self.parameters[index]
        above, below = p + h, p - h
        self.parameters[index] = above
        loss_above = self._evaluate()
        self.parameters[index] = below
        loss_below = self._evaluate()
        self.parameters[index] = p
        # above - p is what was really stepped; h may have been rounded.
        asymmetry = (loss_above - self.value) / (above - p) - (self.value - loss_below) / (p - below)
        return float((loss_above - loss_below) / (above - below)), float(abs(asymmetry))

    def backpropagation_error(self) -> NDArray[Any]:
        """The standard error of each derivative by backpropagation, in the model's dtype."""
        roundoff = 0.5 * float(np.finfo(self.model.dtype).eps)
        float64 = np.dtype(np.float64)
        program = self.model.program
        plain = all(tensor.rule == Rule() for tensor in program.tensors)
        plain = plain and len(program.tensors) == 2 * program.n_dense == 2 * len(self.model.biases)
        if not plain or any(layer.kind not in ("dense", "dropout") for layer in program.layers):
            return self._spread(roundoff)
        activations = [program.values[layer.makes].activation for layer in program.layers if layer.tensors]
        layers = [
            (W.astype(float64), b.astype(float64), activation)
            for W, b, activation in zip(self.model.weights, self.model.biases, activations, strict=True)
        ]
        if self.fused:
            layers[-1] = (*layers[-1][:2], Activation("identity"))
        rounding = gradient_rounding(layers, self._dense(), self._derivative_of_outputs, self._terms(), roundoff)
        start = 0
        for W, b, _ in layers:
            rounding[start : start + W.size] += roundoff * (self.l1 + self.l2 * np.abs(W)).ravel()
            start += W.size + b.size
        return rounding

    def _spread(self, roundoff: float) -> NDArray[Any]:
        """The same for layers whose arithmetic `mlpfast.rounding` does not know: from inputs that are off.

        How far the gradient moves when each parameter and each row's weight is off by its roundoff, or by as much more
        as a long running sum of such terms is.
        """
        rng, here = np.random.default_rng(0), self.parameters.copy()
        terms = np.concatenate([np.full(tensor.size, tensor.matrix[0]) for tensor in self.model.program.tensors])

        def moved(array: NDArray[Any], terms: NDArray[Any] | int) -> NDArray[Any]:
            off = roundoff * np.sqrt(np.maximum(1, terms / 16)) * rng.choice((-1.0, 1.0), array.shape)
            result: NDArray[Any] = array * (1 + off)
            return result

        exact, total = self._gradient(self.weight)[1], np.zeros(here.size)
        for _ in range(_LINES):
            self.parameters[:] = moved(here, terms)
            total += (self._gradient(moved(self.weight, self.rows))[1] - exact) ** 2
        self.parameters[:] = here
        spread: NDArray[Any] = np.sqrt(total / _LINES)
        return spread

    def _dense(self) -> NDArray[np.float64]:
        dense = np.zeros((self.rows, self.model.inputs))
        if isinstance(self.X, CSR):
            row = np.repeat(np.arange(self.rows), np.diff(self.X.offsets))
            np.add.at(dense, (row, self.X.columns), self.X.values)
        else:
            dense[...] = self.X
        return dense

    def _derivative_of_outputs(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """The loss's derivative with respect to the outputs (of z, where it is a function of z).

        It is the gradient of a layer that has the outputs for weights, and for inputs the rows' numbers, one-hot.
        """
        derivative = np.empty_like(outputs)
        for first in range(0, self.rows, _ONE_HOT_ROWS):
            rows = slice(first, min(first + _ONE_HOT_ROWS, self.rows))
            n, m = outputs[rows].shape
            parameters = aligned_zeros((n + 1) * m, np.dtype(np.float64))
            parameters[: n * m] = outputs[rows].ravel()
            engine = self._engine(Network(lower(n, [Dense(m)]), parameters))
            one_hot = CSR(np.ones(n), np.arange(n), np.arange(n + 1))
            _, gradient = engine.loss_and_gradient(one_hot, self.y[rows], self.weight[rows])
            share = self.weight[rows].sum() / self.weight.sum()
            derivative[rows] = share * gradient[: n * m].reshape(n, m)
        return derivative

    def _terms(self) -> NDArray[np.float64]:
        """The size of what is subtracted in that derivative, targets from probabilities (or rates), beside itself."""
        shape = (self.rows, self.model.outputs)
        if not self.fused:
            return np.zeros(shape)
        column, each = np.arange(shape[1]), self.loss.outputs_per_target
        if self.y.ndim == 2:
            targets = np.repeat(np.abs(self.y), each, axis=1) + (each > 1)
        else:
            targets = column < self.y[:, None] if self.loss.targets.ordered else column == self.y[:, None]
        terms: NDArray[np.float64] = 2 * (self.weight / self.weight.sum())[:, None] * (targets + self.loss.smoothing)
        return terms


def _relative_error(reference: _Reference, index: int, a: float, rounding: float, tolerance: float) -> float:
    """How far a derivative by backpropagation is from the differences, relative to what it, or its floor, is."""
    noise = _DEVIATIONS * reference.noise
    tiny = float(np.finfo(reference.model.dtype).tiny)

    def error(n: float, noise: float) -> float:
        relative = abs(a - n) / max(abs(a), abs(n), (rounding + noise) / tolerance, tiny)
        return relative if np.isfinite(relative) else np.inf

    h = np.cbrt(_EPS64) * max(1.0, abs(reference.parameters[index]))
    n, asymmetry = reference.derivative(index, h)
    first = error(n, noise / h)
    if first <= tolerance:
        return first
    for _ in range(_STEPS - 1):
        shorter = h / _SHRINK
        confirming, asymmetry_there = reference.derivative(index, shorter)
        unclear = noise / h + noise / shorter
        if abs(n - confirming) <= unclear:
            # What curvature makes of the asymmetry shrinks with the step.
            kink = asymmetry_there if asymmetry_there > max(asymmetry / 2, unclear) else 0.0
            # What is wrong with n, and the noise of both, may have cancelled.
            return error(n, 2 * unclear + kink / 2)
        n, asymmetry, h = confirming, asymmetry_there, shorter
    return error(n, noise / h + asymmetry / 2)  # there are kinks at each distance
