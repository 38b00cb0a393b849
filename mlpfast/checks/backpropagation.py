"""Backpropagation against central differences of the loss, parameter by parameter, and the rounding of both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation
from ..core.engine import Engine
from ..core.memory import aligned_zeros
from ..core.network import Network
from ..losses import Loss
from ..model import Model
from ..parts import Rule
from ..rounding import gradient_rounding
from ..validation import CSR, as_features, as_sample_weight, as_targets, dense_rows, n_rows, without_weightless
from .differences import Curve
from .reference import FLOAT64, derivative_of_outputs, moved

__all__ = ["DEVIATIONS", "Reference", "relative_error"]

_EPS64 = float(np.finfo(np.float64).eps)
_SHRINK = 4  # of the step, where it may be too long
_STEPS = 7
_LINES = 8  # along which the noise of the loss is measured
DEVIATIONS = 8  # standard errors that rounding may explain: 5.3 was the most in 2,000 random networks


class Reference:
    """The loss as a function of one parameter, in float64, at the parameters of a model of any dtype."""

    def __init__(
        self, model: Model, X: Any, y: Any, loss: Loss, sample_weight: Any, l1: float, l2: float, training: bool
    ) -> None:
        # The model saw its input rounded to its dtype: so does the reference.
        features = as_features(X, model.inputs, model.dtype, cast=True)
        n = n_rows(features)
        targets = as_targets(y, loss, model.outputs, model.dtype, n)
        if isinstance(features, CSR):
            self.X: Any = features._replace(values=features.values.astype(FLOAT64))
        else:
            self.X = features.astype(FLOAT64)
        self.y = targets if targets.dtype == np.int32 else targets.astype(FLOAT64)
        self.sample_weight = as_sample_weight(sample_weight, n)
        if training and model.program.over_batch:
            self.X, self.y, self.sample_weight = without_weightless(self.X, self.y, self.sample_weight)
        self.rows, self.model, self.loss = len(self.y), model, loss
        self.weight = np.ones(self.rows) if self.sample_weight is None else self.sample_weight
        self.fused = loss.reads != "outputs"  # the loss is a function of z
        self.l1, self.l2, self.training = l1, l2, training
        state = aligned_zeros(model.state.size, FLOAT64)
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

    def along(self, direction: NDArray[np.float64]) -> Curve:
        """The loss along a direction of the parameters."""
        here = self.parameters.copy()

        def at(way: float) -> NDArray[Any]:
            self.parameters[:] = here + way * direction
            value = self._evaluate()
            self.parameters[:] = here
            return np.array(value)

        return Curve(at, ..., max(1.0, float(np.linalg.norm(here))) / max(float(np.linalg.norm(direction)), 1e-300))

    def backpropagation_error(self) -> NDArray[Any]:
        """The standard error of each derivative by backpropagation, in the model's dtype."""
        roundoff = 0.5 * float(np.finfo(self.model.dtype).eps)
        program = self.model.program
        plain = all(tensor.rule == Rule() for tensor in program.tensors)
        plain = plain and len(program.tensors) == 2 * program.n_dense == 2 * len(self.model.biases)
        if not plain or any(layer.kind not in ("dense", "dropout") for layer in program.layers):
            return self._spread(roundoff)
        activations = [program.values[layer.makes].activation for layer in program.layers if layer.tensors]
        layers = [
            (W.astype(FLOAT64), b.astype(FLOAT64), activation)
            for W, b, activation in zip(self.model.weights, self.model.biases, activations, strict=True)
        ]
        if self.fused:
            layers[-1] = (*layers[-1][:2], Activation("identity"))
        rounding = gradient_rounding(
            *(layers, dense_rows(self.X, self.model.inputs, FLOAT64)),
            lambda outputs: derivative_of_outputs(outputs, self.y, self.weight, self.loss),
            *(self._terms(), roundoff),
        )
        start = 0
        for W, b, _ in layers:
            rounding[start : start + W.size] += roundoff * (self.l1 + self.l2 * np.abs(W)).ravel()
            start += W.size + b.size
        return rounding

    def _spread(self, roundoff: float) -> NDArray[Any]:
        """The same for layers whose arithmetic `mlpfast.rounding` does not know: from inputs that are off.

        How far the gradient moves when each parameter and each row's weight is off.
        """
        rng, here = np.random.default_rng(0), self.parameters.copy()
        terms = np.concatenate([np.full(tensor.size, tensor.matrix[0]) for tensor in self.model.program.tensors])
        exact, total = self._gradient(self.weight)[1], np.zeros(here.size)
        for _ in range(_LINES):
            self.parameters[:] = moved(here, terms, roundoff, rng)
            total += (self._gradient(moved(self.weight, self.rows, roundoff, rng))[1] - exact) ** 2
        self.parameters[:] = here
        spread: NDArray[Any] = np.sqrt(total / _LINES)
        return spread

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


def relative_error(reference: Reference, index: int, a: float, rounding: float, tolerance: float) -> float:
    """How far a derivative by backpropagation is from the differences, relative to what it, or its floor, is."""
    noise = DEVIATIONS * reference.noise
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
