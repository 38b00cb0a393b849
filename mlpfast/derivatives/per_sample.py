"""The gradient of each row's own loss by the parameters, and its norm."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..losses import Loss
from .rows import Differentiable, checked, result, run

__all__ = ["per_sample_gradient_norms", "per_sample_gradients"]


def per_sample_gradients(
    model: Differentiable, X: Any, y: Any, loss: str | Loss, out: NDArray[Any] | None, n_threads: Any
) -> NDArray[Any]:
    """As `mlpfast.Model.per_sample_gradients`."""
    features, y, loss, n = checked(model, X, y, loss)
    returned, into = result(model, (n, model.n_parameters), out, features, y)
    run(model, "gradients", X, features, into, y=y, loss=loss, n_threads=n_threads)
    if returned is not into:
        returned[...] = into
    return returned


def per_sample_gradient_norms(
    model: Differentiable, X: Any, y: Any, loss: str | Loss, out: NDArray[Any] | None, n_threads: Any
) -> NDArray[Any]:
    """As `mlpfast.Model.per_sample_gradient_norms`."""
    features, y, loss, n = checked(model, X, y, loss)
    returned, into = result(model, (n,), out, features, y)
    run(model, "norms", X, features, into, y=y, loss=loss, n_threads=n_threads)
    if returned is not into:
        returned[...] = into
    return returned
