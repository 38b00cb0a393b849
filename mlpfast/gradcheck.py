"""Gradient checking: backpropagation against central differences, parameter by parameter.

The reference is taken in float64 whatever the model's dtype is: ``(L(p + h) - L(p - h)) / 2h`` for each checked
parameter p. Its truncation error is of order h^2 and its rounding error of order eps L / h; h = cbrt(eps) max(1, |p|),
about 6e-6, makes both about as small as they get together.

Where a relu's, or an absolute error's, kink lies between p - h and p + h, the difference is wrong, not the gradient. A
kink shows: the one-sided differences then disagree by twice the error that it causes. A derivative that such an
asymmetry can explain is measured again with h / 16 and h / 256, and the best agreement counts: a kink hardly ever stays
within a shrinking interval, while a wrong gradient is wrong at every step. (Exactly at a kink there is no derivative to
agree with: give inputs that do not make a pre-activation exactly zero.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core.data import SPLIT, aligned_zeros, permutation
from .core.engine import Engine
from .core.network import Network
from .errors import integer, real
from .losses import Loss, as_loss
from .model import Model
from .validation import CSR, as_features, as_sample_weight, as_targets, n_rows

__all__ = ["GradientReport", "TensorReport", "gradcheck"]

_EPS64 = float(np.finfo(np.float64).eps)
_SHRINK = (1 / 16, 1 / 256)  # of the step, where there may be a kink


@dataclass(frozen=True)
class TensorReport:
    """How well the gradient of one parameter tensor agrees."""

    name: str
    shape: tuple[int, ...]
    checked: int
    max_relative_error: float
    worst_index: tuple[int, ...]
    ok: bool


@dataclass(frozen=True, repr=False)
class GradientReport:
    """The outcome of `gradcheck`; printed or looked at, a table with a row for each parameter tensor.

    Attributes
    ----------
    ok : bool
        Whether every checked derivative is within `tolerance`.
    max_relative_error : float
        The largest relative error of all.
    tolerance : float
    tensors : tuple of TensorReport
        W0, b0, W1, b1, ...
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
    tolerance: float | None = None,
    max_parameters: int = 256,
    seed: int = 0,
) -> GradientReport:
    """Check `Model.loss_and_gradient` against central differences.

    Parameters
    ----------
    model : Model
        It is not changed.
    X, y, loss, sample_weight, l1, l2
        As for `Model.loss_and_gradient`. A few dozen rows are enough.
    tolerance : float, optional
        The relative error up to which a derivative counts as right; by default 1e-6 for a float64 model, 1e-3 for
        float32.
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
        For input that does not fit the model or the loss.

    Notes
    -----
    The relative error is ``|a - n| / max(|a|, |n|, floor)``, with a by backpropagation and n by differences. The floor
    keeps the rounding errors of both from counting as relative errors of derivatives that are almost zero: it is
    ``(8 eps64 L / h + 64 eps max |n|) / tolerance``, with the maximum over the tensor and eps of the model's dtype.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> model = mf.mlp([3, 5, 2], activation="tanh", output_activation="softmax", dtype="float64", seed=0)
    >>> report = mf.gradcheck(model, np.eye(3), [0, 1, 1], loss="cross_entropy")
    >>> report.ok, report.max_relative_error < 1e-6
    (True, True)
    """
    loss = as_loss(loss)
    max_parameters = integer("max_parameters", max_parameters)
    if tolerance is None:
        tolerance = 1e-6 if model.dtype == np.float64 else 1e-3
    tolerance = real("tolerance", tolerance, above=0.0)
    _, gradient = model.loss_and_gradient(X, y, loss, sample_weight=sample_weight, l1=l1, l2=l2)
    reference = _Reference(model, X, y, loss, sample_weight, l1, l2)

    names = [f"{kind}{i}" for i in range(len(model.layers)) for kind in "Wb"]
    shapes = [tensor.shape for pair in zip(model.weights, model.biases, strict=True) for tensor in pair]
    tensors = []
    start = 0
    for number, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        size = int(np.prod(shape))
        indices = np.arange(size)
        if size > max_parameters:
            indices = np.sort(permutation(seed, SPLIT, number, size)[:max_parameters])
        errors = _relative_errors(reference, gradient, start + indices, tolerance)
        worst = int(np.argmax(errors))
        tensors.append(
            TensorReport(
                name=name,
                shape=shape,
                checked=len(indices),
                max_relative_error=float(errors[worst]),
                worst_index=tuple(int(i) for i in np.unravel_index(indices[worst], shape)),
                ok=bool(errors[worst] <= tolerance),
            )
        )
        start += size
    return GradientReport(tolerance, tuple(tensors))


class _Reference:
    """The loss as a function of one parameter, in float64, at the parameters of a model of any dtype."""

    def __init__(self, model: Model, X: Any, y: Any, loss: Loss, sample_weight: Any, l1: float, l2: float) -> None:
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
        self.l1, self.l2 = l1, l2
        self.parameters = aligned_zeros(model.n_parameters, float64)
        self.parameters[:] = model.parameters
        self.engine = Engine(
            Network(model.program, self.parameters),
            loss.name,
            loss_parameter=loss.parameter,
            label_smoothing=loss.smoothing,
            batch_rows=n,
        )
        self.loss = self._evaluate()

    def _evaluate(self) -> float:
        loss, _ = self.engine.evaluate(self.X, self.y, self.sample_weight, l1=self.l1, l2=self.l2)
        return float(loss)

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
        asymmetry = (loss_above - self.loss) / (above - p) - (self.loss - loss_below) / (p - below)
        return float((loss_above - loss_below) / (above - below)), float(abs(asymmetry))


def _relative_errors(
    reference: _Reference, gradient: NDArray[Any], indices: NDArray[np.intp], tolerance: float
) -> NDArray[np.float64]:
    analytic = gradient[indices].astype(np.float64)
    steps = np.cbrt(_EPS64) * np.maximum(1.0, np.abs(reference.parameters[indices]))
    first = [reference.derivative(int(i), h) for i, h in zip(indices, steps, strict=True)]
    rounding = 64 * float(np.finfo(gradient.dtype).eps) * max(abs(numeric) for numeric, _ in first)

    def error(a: float, n: float, h: float) -> float:
        floor = (8 * _EPS64 * abs(reference.loss) / h + rounding) / tolerance
        relative = abs(a - n) / max(abs(a), abs(n), floor, float(np.finfo(np.float64).tiny))
        return relative if np.isfinite(relative) else np.inf

    errors = np.empty(len(indices))
    for k, (a, (n, asymmetry)) in enumerate(zip(analytic, first, strict=True)):
        errors[k] = error(a, n, steps[k])
        if asymmetry < abs(a - n):
            continue
        for h in steps[k] * np.array(_SHRINK):
            if errors[k] > tolerance:
                errors[k] = min(errors[k], error(a, reference.derivative(int(indices[k]), h)[0], h))
    return errors
