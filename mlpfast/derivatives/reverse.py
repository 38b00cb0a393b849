"""Reverse mode: from the outputs, or each row's loss, back to every value and to the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..losses import Loss
from .rows import Differentiable, checked, result, run

__all__ = ["Activations", "activations", "deltas", "input_gradient", "jacobian", "vjp"]


class Activations(NamedTuple):
    """Of each value that a model makes, in the order of `print(model.program)`, an array (n, columns).

    Attributes
    ----------
    z : tuple of ndarray
        Pre-activations: of layer l, ``h[l - 1] W + b``.
    h : tuple of ndarray
        Outputs, g(z); the last are the model's.
    """

    z: tuple[NDArray[Any], ...]
    h: tuple[NDArray[Any], ...]


def activations(
    model: Differentiable, X: Any, out: tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]] | None, n_threads: Any
) -> Activations:
    """As `mlpfast.Model.activations`."""
    features = validation.as_features(X, model.inputs, model.dtype)
    shapes = _shapes(model, validation.n_rows(features))
    n = len(shapes)
    given = None
    if out is not None:
        given = [array for part in _each(out, 2, "(z, h)") for array in _each(part, n, "an array for each value")]
    returned, into = _results(model, [*shapes, *shapes], given, features)
    run(model, "values", X, features, [into[i + k] for i in range(n) for k in (0, n)], n_threads=n_threads)
    finished = _finished(returned, into)
    return Activations(finished[:n], finished[n:])


def deltas(
    model: Differentiable, X: Any, y: Any, loss: str | Loss, out: Sequence[NDArray[Any]] | None, n_threads: Any
) -> tuple[NDArray[Any], ...]:
    """As `mlpfast.Model.deltas`."""
    features, y, loss, n = checked(model, X, y, loss)
    returned, into = _results(model, _shapes(model, n), out, features, y)
    run(model, "deltas", X, features, into, y=y, loss=loss, n_threads=n_threads)
    return _finished(returned, into)


def input_gradient(
    model: Differentiable, X: Any, y: Any, loss: str | Loss, out: NDArray[Any] | None, n_threads: Any
) -> NDArray[Any]:
    """As `mlpfast.Model.input_gradient`."""
    features, y, loss, n = checked(model, X, y, loss)
    returned, into = result(model, (n, model.inputs), out, features, y)
    run(model, "inputs", X, features, into, y=y, loss=loss, n_threads=n_threads)
    return _finished([returned], [into])[0]


def vjp(model: Differentiable, X: Any, U: Any, out: NDArray[Any] | None, n_threads: Any) -> NDArray[Any]:
    """As `mlpfast.Model.vjp`."""
    features = validation.as_features(X, model.inputs, model.dtype)
    n = validation.n_rows(features)
    U = validation.as_array(U, (n, model.outputs), model.dtype, "U")
    returned, into = result(model, (n, model.inputs), out, features, U)
    run(model, "inputs", X, features, into, seed="given", given=U, n_threads=n_threads)
    return _finished([returned], [into])[0]


def jacobian(model: Differentiable, X: Any, out: NDArray[Any] | None, n_threads: Any) -> NDArray[Any]:
    """As `mlpfast.Model.jacobian`: a way back for each output."""
    features = validation.as_features(X, model.inputs, model.dtype)
    returned, into = result(model, (validation.n_rows(features), model.outputs, model.inputs), out, features)
    run(model, "inputs", X, features, into, seed="units", n_threads=n_threads)
    return _finished([returned], [into])[0]


def _shapes(model: Differentiable, n: int) -> list[tuple[int, int]]:
    """Of what each layer makes, but for those that only train."""
    program = model.program
    made = dict.fromkeys(layer.makes for layer in program.layers if not layer.trains_only)
    return [(n, program.values[value].columns) for value in made]


def _results(
    model: Differentiable, shapes: list[tuple[int, int]], out: Sequence[NDArray[Any]] | None, *read: Any
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """As `result`, of an array for each value."""
    given = [None] * len(shapes) if out is None else _each(out, len(shapes), "an array for each value")
    for i, array in enumerate(given):
        if any(array is not None and np.may_share_memory(array, other) for other in given[:i]):
            raise ValueError("expected arrays in out that do not overlap")
    pairs = [result(model, shape, array, *read) for shape, array in zip(shapes, given, strict=True)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _each(out: Any, count: int, what: str) -> Sequence[Any]:
    """The parts of what was given to write into, so many."""
    if not isinstance(out, (tuple, list)) or len(out) != count:
        got = f"{len(out)}" if isinstance(out, (tuple, list)) else type(out).__name__
        raise ValueError(f"expected out to be {what}, {count} in all, got {got}")
    return out


def _finished(returned: Sequence[NDArray[Any]], into: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """What is returned, once all is written."""
    for array, written in zip(returned, into, strict=True):
        if array is not written:
            array[...] = written
    return tuple(returned)
