"""Each derivative of a model as the derivative of something simpler along directions of the data or the parameters.

What is differentiated once more is itself checked against what is below it: second order against gradients, gradients
against losses, and forward and reverse mode against predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model import Model
from .case import Case
from .differences import STEPS, Curve, climb, settle
from .reference import derivative_of_outputs

__all__ = ["PRODUCTS", "Product"]


class Product(NamedTuple):
    """A derivative that a model computes."""

    of: Callable[[Case, Model, Any], NDArray[Any]]  # of a model of any dtype and its data
    curves: Callable[[Case], Iterator[Curve]]  # whose derivatives it consists of
    axes: tuple[str, ...]  # before those of the parameters
    by_parameters: bool = False
    needs_y: bool = True
    weighted: bool = False  # it takes sample_weight and l2


def _size(array: NDArray[Any]) -> float:
    return max(1.0, float(np.linalg.norm(array)))


def _tilted(at: Callable[[float], NDArray[Any]], slope: float) -> Callable[[float], NDArray[Any]]:
    """The same function with so much more of a derivative."""
    return lambda way: at(way) + slope * way


def _jvp(case: Case) -> Iterator[Curve]:
    V = case.V.copy()
    V[:, case.codes] = 0.0
    scale = _size(case.X) / max(float(np.linalg.norm(V)), 1e-300)
    yield Curve(case.moving_data(case.twin.predict, V), ..., scale)


def _vjp(case: Case) -> Iterator[Curve]:
    for j, unit, scale in case.inputs():
        at = case.moving_data(lambda X: (case.U * case.twin.predict(X)).sum(axis=1), unit)
        yield Curve(at, (slice(None), j), scale)


def _jacobian(case: Case) -> Iterator[Curve]:
    for j, unit, scale in case.inputs():
        yield Curve(case.moving_data(case.twin.predict, unit), (..., j), scale)


def _input_gradient(case: Case) -> Iterator[Curve]:
    rows = range(len(case.X))
    for j, unit, scale in case.inputs():
        at = case.moving_data(lambda X: [case.row_loss(row, X) for row in rows], unit)
        yield Curve(at, (slice(None), j), scale)


def _input_hessian(case: Case) -> Iterator[Curve]:
    for j, unit, scale in case.inputs():
        at = case.moving_data(lambda X: case.twin.input_gradient(X, case.y, case.loss), unit)
        yield Curve(at, (..., j), scale)


def _per_sample_gradients(case: Case) -> Iterator[Curve]:
    penalty, _ = case.penalties()
    for row, i, unit, scale in case.parameters(copies=len(case.X)):
        at = case.moving_parameters(partial(case.row_loss, row), unit)
        yield Curve(_tilted(at, -penalty[i]), (row, i), scale)


def _per_sample_gradient_norms(case: Case) -> Iterator[Curve]:
    """What a row's loss rises by along its own gradient; along any other direction it is less."""
    penalty, _ = case.penalties()
    gradients = case.twin.per_sample_gradients(case.X, case.y, case.loss)
    for row, gradient in enumerate(gradients):
        unit = gradient / max(float(np.linalg.norm(gradient)), 1e-300)
        at = case.moving_parameters(partial(case.row_loss, row), unit)
        yield Curve(_tilted(at, -float(penalty @ unit)), row, _size(case.twin.parameters))


def _fisher_diagonal(case: Case) -> Iterator[Curve]:
    penalty, _ = case.penalties()
    rows = range(len(case.X))
    for _, i, unit, scale in case.parameters():
        at = case.moving_parameters(lambda: [case.row_loss(row) for row in rows], unit)
        yield Curve(_tilted(at, -penalty[i]), i, scale, lambda found: (found**2).mean(axis=1))


def _hvp(case: Case) -> Iterator[Curve]:
    v = case.v * case.trained
    scale = _size(case.twin.parameters) / max(float(np.linalg.norm(v)), 1e-300)
    yield Curve(case.moving_parameters(case.gradient, v), ..., scale)


def _hessian(case: Case) -> Iterator[Curve]:
    for _, i, unit, scale in case.parameters():
        yield Curve(case.moving_parameters(case.gradient, unit), i, scale)


def _gauss_newton_product(case: Case) -> Iterator[Curve]:
    """From J v and H J v, by differences, on: what each parameter makes of what the loss reads, times that."""
    v, here = case.v * case.trained, case.read_by_loss()
    scale = _size(case.twin.parameters) / max(float(np.linalg.norm(v)), 1e-300)
    ladder = climb(Curve(case.moving_parameters(case.read_by_loss, v), ..., scale), STEPS)
    Jv, *_ = settle(ladder.central, ladder.noise)
    weight = np.ones(len(here)) if case.sample_weight is None else case.sample_weight
    at = lambda way: derivative_of_outputs(here + way * Jv, case.y, weight, case.loss)  # noqa: E731
    ladder = climb(Curve(at, ..., _size(here) / max(float(np.linalg.norm(Jv)), 1e-300)), STEPS)
    HJv, *_ = settle(ladder.central, ladder.noise)
    penalty = case.penalties(case.l2)[1] * v
    for _, i, unit, scale in case.parameters():
        at = case.moving_parameters(lambda: (HJv * case.read_by_loss()).sum(), unit)
        yield Curve(_tilted(at, penalty[i]), i, scale)


def _weights(case: Case) -> dict[str, Any]:
    return {"sample_weight": case.sample_weight, "l2": case.l2}


#: By the names of the model's methods.
PRODUCTS = {
    "jvp": Product(lambda case, model, X: model.jvp(X, case.V), _jvp, ("row", "output"), needs_y=False),
    "vjp": Product(lambda case, model, X: model.vjp(X, case.U), _vjp, ("row", "input"), needs_y=False),
    "jacobian": Product(lambda case, model, X: model.jacobian(X), _jacobian, ("row", "output", "input"), needs_y=False),
    "input_gradient": Product(
        lambda case, model, X: model.input_gradient(X, case.y, case.loss), _input_gradient, ("row", "input")
    ),
    "input_hessian": Product(
        lambda case, model, X: model.input_hessian(X, case.y, case.loss), _input_hessian, ("row", "input", "by input")
    ),
    "per_sample_gradients": Product(
        lambda case, model, X: model.per_sample_gradients(X, case.y, case.loss),
        _per_sample_gradients,
        ("row",),
        by_parameters=True,
    ),
    "per_sample_gradient_norms": Product(
        lambda case, model, X: model.per_sample_gradient_norms(X, case.y, case.loss),
        _per_sample_gradient_norms,
        ("row",),
    ),
    "fisher_diagonal": Product(
        lambda case, model, X: model.fisher_diagonal(X, case.y, loss=case.loss),
        _fisher_diagonal,
        (),
        by_parameters=True,
    ),
    "hvp": Product(
        lambda case, model, X: model.hvp(X, case.y, case.v, case.loss, **_weights(case)),
        _hvp,
        (),
        by_parameters=True,
        weighted=True,
    ),
    "gauss_newton_product": Product(
        lambda case, model, X: model.gauss_newton_product(X, case.y, case.v, case.loss, **_weights(case)),
        _gauss_newton_product,
        (),
        by_parameters=True,
        weighted=True,
    ),
    "hessian": Product(
        lambda case, model, X: model.hessian(X, case.y, case.loss, **_weights(case)),
        _hessian,
        ("parameter",),
        by_parameters=True,
        weighted=True,
    ),
}
