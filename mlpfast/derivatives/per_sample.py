"""The gradient of each row's own loss by the parameters, and its norm."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..losses import Loss
from .net import Net, result_array, returned
from .rows import checked, run

__all__ = ["per_sample_gradient_norms", "per_sample_gradients"]


def per_sample_gradients(
    model: Net, X: Any, y: Any, loss: str | Loss, out: NDArray[Any] | None, n_threads: Any
) -> NDArray[Any]:
    """As `mlpfast.Model.per_sample_gradients`."""
    features, y, loss, n = checked(model, X, y, loss)
    result = result_array(model, out, (n, model.n_parameters), features, y)
    run(model, "gradients", X, features, result, y=y, loss=loss, n_threads=n_threads)
    return returned(result, out)


def per_sample_gradient_norms(
    model: Net, X: Any, y: Any, loss: str | Loss, out: NDArray[Any] | None, n_threads: Any
) -> NDArray[Any]:
    """As `mlpfast.Model.per_sample_gradient_norms`."""
    features, y, loss, n = checked(model, X, y, loss)
    result = result_array(model, out, (n,), features, y)
    run(model, "norms", X, features, result, y=y, loss=loss, n_threads=n_threads)
    return returned(result, out)
