"""Which elements of a product are wrong, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .case import Case
from .differences import STEPS, Compared, compare
from .products import Product
from .reference import moved
from .report import GradientReport, TensorReport

__all__ = ["by_differences", "judge"]

_DEVIATIONS = 8  # standard errors that rounding may explain
_UNSETTLED = 1e-3  # of the norm: differences that are farther apart at every step settle on nothing
_FRACTIONS = (0.5, 0.25)  # of the parameters
_LINES = 8  # along which the rounding of the product is measured


def judge(of: str, product: Product, case: Case, X: Any, tolerance: float) -> GradientReport:
    """The report on a product, named `of`, of a case's model with the data X as they were given."""
    exact = product.of(case, case.model, X).astype(np.float64)
    with np.errstate(all="ignore"):  # where something overflows, that is what the report says
        found = by_differences(product, case, exact)
        errors = np.full(exact.shape, np.nan)
        parts = list(_tensors(of, product, case, exact))
        rounding = _rounding(product, case, [part for _, part, _ in parts])
        found = found._replace(explained=found.explained + _DEVIATIONS * rounding)
        for _, part, _ in parts:
            errors[part] = _relative_errors(exact[part], found.part(part), tolerance)
        norm = float(np.linalg.norm(np.nan_to_num(found.numeric)))
    reports = [_report(name, errors[part].reshape(shape), product.axes, tolerance) for name, part, shape in parts]
    return GradientReport(tolerance, tuple(reports), of, STEPS.copy(), found.central / (norm or 1.0))


def by_differences(product: Product, case: Case, exact: NDArray[Any], steps: NDArray[Any] = STEPS) -> Compared:
    """A product beside differences; with zeros for what is not trained, or holds codes."""
    found = compare(exact, product.curves(case), steps)
    if product.by_parameters:
        for axis in range(exact.ndim - product.axes.count("row")):
            np.moveaxis(found.checked, -1 - axis, 0)[~case.trained] = True
    elif "input" in product.axes:
        found.checked[..., case.codes] = True
    return found


def _rounding(product: Product, case: Case, parts: Iterable[Any]) -> NDArray[np.float64]:
    """The standard error of each element in the model's dtype.

    How far it moves when what it is made of is off by its roundoff. And at least the roundoff of each part where fewer
    units are saturated and less has cancelled, as with smaller parameters: what is subtracted is still of that size;
    or that of 1, the size of probabilities, targets and directions.
    """
    roundoff = 0.5 * float(np.finfo(case.model.dtype).eps)
    rng, twin, here = np.random.default_rng(0), case.twin, case.twin.parameters.copy()
    terms = np.concatenate([np.full(t.size, t.matrix[0]) for t in case.model.program.tensors] or [np.zeros(0)])
    exact = product.of(case, twin, case.X)
    total = np.zeros(exact.shape)
    for _ in range(_LINES):
        twin.parameters[:] = moved(here, terms, roundoff, rng)
        X = moved(case.X, 1, roundoff, rng)
        X[:, case.codes] = case.X[:, case.codes]
        total += (product.of(case, twin, X) - exact) ** 2
    spread: NDArray[np.float64] = np.sqrt(total / _LINES)
    for fraction in _FRACTIONS:
        twin.parameters[:] = fraction * here
        smaller = product.of(case, twin, case.X)
        for part in parts:
            spread[part] = np.maximum(spread[part], roundoff * np.sqrt(np.mean(smaller[part] ** 2)))
    twin.parameters[:] = here
    least: NDArray[np.float64] = np.maximum(spread, 2 * roundoff / _DEVIATIONS)
    return least


def _tensors(of: str, product: Product, case: Case, exact: NDArray[Any]) -> Iterator[tuple[str, Any, tuple[int, ...]]]:
    """Name, index and shape of what belongs to each tensor, or of the whole."""
    if not product.by_parameters:
        yield of, ..., exact.shape
        return
    for tensor in case.model.program.tensors:
        span = slice(tensor.offset, tensor.offset + tensor.size)
        yield tensor.name, (..., span), (*exact.shape[:-1], *tensor.shape)


def _relative_errors(exact: NDArray[Any], found: Compared, tolerance: float) -> NDArray[np.float64]:
    """How far each element is from the differences, relative to the norm of all, or its floor; NaN: not checked."""
    here, numeric = found.checked, found.numeric
    norm = max(float(np.linalg.norm(exact[here])), float(np.linalg.norm(numeric[here])))
    floor = found.explained + np.minimum(found.uncertain, _UNSETTLED * norm)
    errors = np.abs(exact - numeric) / np.maximum(np.maximum(norm, floor / tolerance), np.finfo(np.float64).tiny)
    result: NDArray[np.float64] = np.where(here, np.where(np.isfinite(errors), errors, np.inf), np.nan)
    return result


def _report(name: str, errors: NDArray[Any], axes: tuple[str, ...], tolerance: float) -> TensorReport:
    checked = int(np.count_nonzero(~np.isnan(errors)))
    flat = int(np.nanargmax(errors)) if checked else 0
    worst = float(errors.flat[flat]) if checked else 0.0
    index = tuple(int(i) for i in np.unravel_index(flat, errors.shape))
    return TensorReport(name, errors.shape, checked, worst, index, worst <= tolerance, axes)
