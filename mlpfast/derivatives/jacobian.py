"""The Jacobian of the outputs by the inputs, by the mode that takes fewer passes."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from ..core import kinds
from .forward import forward_jacobian
from .net import Net
from .reverse import jacobian as reverse_jacobian
from .rows import Differentiable

__all__ = ["jacobian"]


class _Both(Net, Differentiable, Protocol):
    """What either mode needs of a model."""


def jacobian(model: _Both, X: Any, out: NDArray[Any] | None, n_threads: int | None) -> NDArray[Any]:
    """As `mlpfast.Model.jacobian`; kinds of layers without tangents go back, however many outputs there are."""
    run = model.program.schedule("gradient").phases[0].forward
    if model.inputs < model.outputs and not any(
        kinds.lacks_tangents(model.program.layers[number].kind, False) for number in run
    ):
        return forward_jacobian(model, X, out, n_threads)
    return reverse_jacobian(model, X, out, n_threads)
