"""Reverse mode: from the outputs, or each row's loss, back to every value and to the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..losses import Loss
from .net import Net, result_array, returned
from .rows import checked, run

__all__ = ["Activations", "activations", "deltas", "input_gradient", "jacobian", "vjp"]


class Activations(NamedTuple):
    """Of each value that a model makes, in the order of `print(model.program)`, an array (n, columns).

    Attributes
    ----------
    z : tuple of ndarray
        Pre-activations: of layer l, ``h[l - 1] W + b``.
    h : tuple of ndarray
        Outputs, g(z); the last are the model's.

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> model = mf.mlp([2, 3, 1], "tanh", dtype="float64", seed=0)
    >>> found = model.activations([[1.0, 2.0]])
    >>> [h.shape for h in found.h], np.allclose(found.h[0], np.tanh(found.z[0]))
    ([(1, 3), (1, 1)], True)
    """

    z: tuple[NDArray[Any], ...]
    h: tuple[NDArray[Any], ...]


def activations(
    model: Net, X: Any, out: tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]] | None, n_threads: Any
) -> Activations:
    """As `mlpfast.Model.activations`."""
    features = validation.as_features(X, model.inputs, model.dtype)
    shapes = _shapes(model, validation.n_rows(features))
    n = len(shapes)
    parts = None
    if out is not None:
        parts = [array for part in _each(out, 2, "(z, h)") for array in _each(part, n, "an array for each value")]
    results, given = _results(model, [*shapes, *shapes], parts, features)
    run(model, "values", X, features, [results[i + k] for i in range(n) for k in (0, n)], n_threads=n_threads)
    found = tuple(map(returned, results, given))
    return Activations(found[:n], found[n:])


def deltas(
    model: Net, X: Any, y: Any, loss: str | Loss, out: Sequence[NDArray[Any]] | None, n_threads: Any
) -> tuple[NDArray[Any], ...]:
    """As `mlpfast.Model.deltas`."""
    features, y, loss, n = checked(model, X, y, loss)
    results, given = _results(model, _shapes(model, n), out, features, y)
    run(model, "deltas", X, features, results, y=y, loss=loss, n_threads=n_threads)
    return tuple(map(returned, results, given))


def input_gradient(
    model: Net, X: Any, y: Any, loss: str | Loss, out: NDArray[Any] | None, n_threads: Any
) -> NDArray[Any]:
    """As `mlpfast.Model.input_gradient`."""
    features, y, loss, n = checked(model, X, y, loss)
    result = result_array(model, out, (n, model.inputs), features, y)
    run(model, "inputs", X, features, result, y=y, loss=loss, n_threads=n_threads)
    return returned(result, out)


def vjp(model: Net, X: Any, U: Any, out: NDArray[Any] | None, n_threads: Any) -> NDArray[Any]:
    """As `mlpfast.Model.vjp`."""
    features = validation.as_features(X, model.inputs, model.dtype)
    n = validation.n_rows(features)
    U = validation.as_array(U, (n, model.outputs), model.dtype, "U")
    result = result_array(model, out, (n, model.inputs), features, U)
    run(model, "inputs", X, features, result, seed="given", given=U, n_threads=n_threads)
    return returned(result, out)


def jacobian(model: Net, X: Any, out: NDArray[Any] | None, n_threads: Any) -> NDArray[Any]:
    """As `mlpfast.Model.jacobian`: a way back for each output."""
    features = validation.as_features(X, model.inputs, model.dtype)
    result = result_array(model, out, (validation.n_rows(features), model.outputs, model.inputs), features)
    run(model, "inputs", X, features, result, seed="units", n_threads=n_threads)
    return returned(result, out)


def _shapes(model: Net, n: int) -> list[tuple[int, int]]:
    """Of what each layer makes, but for those that only train."""
    return [(n, model.program.values[value].columns) for value in model.program.made]


def _results(
    model: Net, shapes: list[tuple[int, int]], out: Sequence[NDArray[Any]] | None, *read: Any
) -> tuple[list[NDArray[Any]], Sequence[NDArray[Any] | None]]:
    """As `result_array`, of an array for each value; and what was given to write into, or None, for each."""
    given: Sequence[NDArray[Any] | None] = (
        [None] * len(shapes) if out is None else _each(out, len(shapes), "an array for each value")
    )
    for i, array in enumerate(given):
        if any(array is not None and np.may_share_memory(array, other) for other in given[:i]):
            raise ValueError("expected arrays in out that do not overlap")
    return [result_array(model, array, shape, *read) for shape, array in zip(shapes, given, strict=True)], given


def _each(out: Any, count: int, what: str) -> Sequence[Any]:
    """The parts of what was given to write into, so many."""
    if not isinstance(out, (tuple, list)) or len(out) != count:
        got = f"{len(out)}" if isinstance(out, (tuple, list)) else type(out).__name__
        raise ValueError(f"expected out to be {what}, {count} in all, got {got}")
    return out
