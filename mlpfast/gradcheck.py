"""Checking derivatives: what a model computes against central differences of something simpler.

The reference is taken in float64 whatever the model's dtype is: ``(f(p + h) - f(p - h)) / 2h``, with the loss for f
where backpropagation is checked, predictions, gradients and so on for other derivatives (`mlpfast.checks.products`).

**The gradient**, parameter by parameter. The truncation error of a difference is of order h^2 and its rounding error of
order eps L / h; h = cbrt(eps) max(1, |p|), about 6e-6, makes both about as small as they get together.

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

**Other derivatives** are taken at all steps of a ladder, and of each element the difference counts that both its
neighbours confirm best (`mlpfast.checks.differences`); it is judged beside the norm of its tensor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks.backpropagation import DEVIATIONS, Reference, relative_error
from .checks.case import Case
from .checks.differences import STEPS, Compared, compare
from .checks.products import PRODUCTS, Product
from .checks.reference import in_float64, sample
from .checks.report import GradientReport, TensorReport
from .checks.verdict import by_differences, judge
from .errors import integer, real, unknown_name
from .losses import Loss, as_loss
from .model import Model

__all__ = ["GradientReport", "TensorReport", "gradcheck"]

_FEW = 4  # parameters of each tensor, or inputs, for a picture


def gradcheck(
    model: Model,
    X: Any,
    y: Any = None,
    loss: str | Loss = "cross_entropy",
    *,
    of: str = "gradient",
    sample_weight: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    training: bool = False,
    tolerance: float | None = None,
    max_parameters: int = 256,
    seed: int = 0,
) -> GradientReport:
    """Check a derivative that a model computes, `Model.loss_and_gradient` or another, against central differences.

    Parameters
    ----------
    model : Model
        It is not changed.
    X, y, loss, sample_weight, l1, l2, training
        As for `Model.loss_and_gradient`. A few dozen rows are enough. Parameters that are not trainable have to have a
        derivative of zero. y and loss play no part in "jvp", "vjp" and "jacobian"; l1 and training are for the gradient
        alone, sample_weight and l2 also for "hvp", "gauss_newton_product" and "hessian".
    of : str, default "gradient"
        Which derivative: "gradient" or the name of the model's method, "jvp", "vjp", "jacobian", "input_gradient",
        "input_hessian" (of the loss), "per_sample_gradients", "per_sample_gradient_norms", "fisher_diagonal" (of the
        labels that are given), "hvp", "gauss_newton_product", "hessian". What they are multiplied with is drawn at
        random.
    tolerance : float, optional
        The relative error up to which a derivative counts as right, where rounding does not explain more; by default
        1e-6 for a float64 model; for float32, 1e-5 of the gradient, 1e-4 of other derivatives.
    max_parameters : int, default 256
        Of a tensor with more, a random sample of so many is checked, the same for the same seed; of inputs likewise.
    seed : int >= 0, default 0
        Seed of the sample, and of directions.

    Returns
    -------
    GradientReport
        Printed, a table: of each tensor, or of the whole, the largest error and where it is. It also has the error of
        all for each length of step.

    Raises
    ------
    TypeError, ValueError
        For input that does not fit the model or the loss, or a model without parameters; for what the method itself
        refuses, such as second derivatives of a loss or a layer that has none.

    Notes
    -----
    The relative error of the gradient is ``|a - n| / max(|a|, |n|, floor)``, with a by backpropagation and n by
    differences. The floor keeps rounding errors from counting as relative errors of derivatives that are small by
    cancellation: it is ``8 (r + s / h) / tolerance``, with the standard errors r of a, in the model's dtype, and s of
    the loss, in float64, and the step h. r is about the dtype's roundoff times the size of all that was added up in a.

    What is wrong by less than ``8 (r + s / h)`` cannot be told from rounding. In a network that has not converged that
    is mostly far less than 1e-4 of a tensor's norm, in either dtype; the more of the gradient training has cancelled,
    or the more units are saturated, the less can be told.

    Of other derivatives, it is ``|a - n| / max(norm, floor)``, with the norm of all that is checked of the tensor, and
    the same floor, where r is how far the result moves when parameters and data are off by their roundoff, or the
    roundoff of 1 (a quarter of it), where that is more: in float32, small results can be told less well. A second
    derivative at a kink, such as that of relu at exactly 0, is none that differences could find: it is reported as
    wrong.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> model = mf.mlp([3, 5, 2], activation="tanh", output_activation="softmax", dtype="float64", seed=0)
    >>> report = mf.gradcheck(model, np.eye(3), [0, 1, 1], loss="cross_entropy")
    >>> report.ok, report.max_relative_error < 1e-6
    (True, True)
    >>> report = mf.gradcheck(model, np.eye(3), of="jacobian")
    >>> report.ok, report.worst.axes
    (True, ('row', 'output', 'input'))
    """
    loss, product = as_loss(loss), _product(model, y, of)
    max_parameters = integer("max_parameters", max_parameters)
    if tolerance is None:
        tolerance = 1e-6 if model.dtype == np.float64 else 1e-5 if product is None else 1e-4
    tolerance = real("tolerance", tolerance, above=0.0)
    if product is None:
        weights = {"sample_weight": sample_weight, "l1": l1, "l2": l2, "training": training}
        return _of_gradient(model, X, y, loss, weights, tolerance, max_parameters, seed)
    unused = {"l1": l1 != 0, "training": bool(training)}
    if not product.weighted:
        unused |= {"l2": l2 != 0, "sample_weight": sample_weight is not None}
    for name, given in unused.items():
        if given:
            raise ValueError(f"expected no {name} with of={of!r}, which takes none")
    case = Case(model, X, y if product.needs_y else None, loss, sample_weight, l2, max_parameters, seed)
    return judge(of, product, case, X, tolerance)


def errors_by_step(
    model: Model, X: Any, y: Any, loss: str | Loss, of: str, steps: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far a derivative is from forward and from central differences with each step, relative to the whole.

    Of a copy in float64; by few parameters or inputs, or along one direction.
    """
    loss, product = as_loss(loss), _product(model, y, of)
    by_parameters = product is None or product.by_parameters
    if by_parameters and not any(tensor.rule.trainable for tensor in model.program.tensors):
        raise ValueError("expected a model with trainable parameters, got one without")
    twin = in_float64(model)
    with np.errstate(all="ignore"):
        if product is None:
            gradient = twin.loss_and_gradient(X, y, loss)[1]
            found, size = _along(Reference(twin, X, y, loss, None, 0.0, 0.0, False), twin, gradient, steps, seed)
        else:
            case = Case(twin, X, y if product.needs_y else None, loss, None, 0.0, _FEW, seed)
            found = by_differences(product, case, product.of(case, twin, X), steps)
            size = float(np.linalg.norm(found.numeric))
    return found.forward / (size or 1.0), found.central / (size or 1.0)


def _product(model: Model, y: Any, of: str) -> Product | None:
    """The derivative of that name, if the model and what is given allow for it; None: the gradient."""
    if not isinstance(model, Model):
        raise TypeError(f"expected model to be a Model, got {type(model).__name__}")
    if not isinstance(of, str) or of not in ("gradient", *PRODUCTS):
        raise unknown_name("derivative", of, ("gradient", *PRODUCTS))
    product = PRODUCTS.get(of)
    if (product is None or product.by_parameters) and not model.n_parameters:
        raise ValueError("expected a model that has parameters, got one that has none")
    if (product is None or product.needs_y) and y is None:
        raise ValueError(f"expected targets as y with of={of!r}, got none")
    return product


def _of_gradient(
    model: Model,
    X: Any,
    y: Any,
    loss: Loss,
    weights: dict[str, Any],
    tolerance: float,
    max_parameters: int,
    seed: int,
) -> GradientReport:
    _, gradient = model.loss_and_gradient(X, y, loss, **weights)
    with np.errstate(all="ignore"):  # where the loss overflows, that is what the report says
        reference = Reference(model, X, y, loss, **weights)
        rounding = DEVIATIONS * reference.backpropagation_error()
        by_step, size = _along(reference, model, gradient, STEPS, seed)

    tensors = []
    for number, tensor in enumerate(model.program.tensors):
        indices = sample(seed, number, tensor.size, max_parameters)
        where = tensor.offset + indices
        if tensor.rule.trainable:
            checked = zip(where, gradient[where], rounding[where], strict=True)
            found = np.array([relative_error(reference, int(i), float(a), float(r), tolerance) for i, a, r in checked])
        else:
            found = np.where(gradient[where] == 0, 0.0, np.inf)
        worst = int(np.argmax(found))
        tensors.append(
            TensorReport(
                name=tensor.name,
                shape=tensor.shape,
                checked=len(indices),
                max_relative_error=float(found[worst]),
                worst_index=tuple(int(i) for i in np.unravel_index(indices[worst], tensor.shape)),
                ok=bool(found[worst] <= tolerance),
            )
        )
    return GradientReport(tolerance, tuple(tensors), steps=STEPS.copy(), errors=by_step.central / (size or 1.0))


def _along(
    reference: Reference, model: Model, gradient: NDArray[Any], steps: NDArray[np.float64], seed: int
) -> tuple[Compared, float]:
    """The gradient along a random direction of what is trained, beside differences; and how large it is there."""
    direction = np.random.default_rng(seed).normal(size=model.n_parameters)
    for tensor in model.program.tensors:
        direction[tensor.offset : tensor.offset + tensor.size] *= tensor.rule.trainable
    exact = np.array(gradient.astype(np.float64) @ direction)
    return compare(exact, [reference.along(direction)], steps), abs(float(exact))
