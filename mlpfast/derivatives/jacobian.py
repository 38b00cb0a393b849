"""The Jacobian of the outputs by the inputs, by the mode that takes fewer passes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .forward import forward_jacobian
from .net import Net, lacking_tangents
from .reverse import jacobian as reverse_jacobian

__all__ = ["jacobian"]


def jacobian(model: Net, X: Any, out: NDArray[Any] | None, n_threads: int | None) -> NDArray[Any]:
    """As `mlpfast.Model.jacobian`; kinds of layers without tangents go back, however many outputs there are."""
    if model.inputs < model.outputs and lacking_tangents(model.program, back=False) is None:
        return forward_jacobian(model, X, out, n_threads)
    return reverse_jacobian(model, X, out, n_threads)
