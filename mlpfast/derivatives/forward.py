"""Forward mode: tangents of the outputs along directions of the data, in one pass beside the way forward."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .. import validation
from ..core.results import BadCodeError, NotFiniteError
from ..losses import MeanSquaredError
from .net import Net, check_tangents, engine, explained, result_array, returned

__all__ = ["forward_jacobian", "jvp"]


def jvp(net: Net, X: Any, V: Any, out: NDArray[Any] | None, n_threads: int | None) -> NDArray[Any]:
    """J V, row by row, J being the Jacobian of the outputs by the inputs: see `mlpfast.Model.jvp`."""
    check_tangents("jvp", net.program, back=False)
    features = validation.as_features(X, net.inputs, net.dtype, finite=False)
    shape = validation.n_rows(features), net.inputs
    directions = validation.as_array(V, shape, net.dtype, "V")
    return _follow(net, X, features, directions, out, (shape[0], net.outputs), n_threads)


def forward_jacobian(net: Net, X: Any, out: NDArray[Any] | None, n_threads: int | None) -> NDArray[Any]:
    """The Jacobians (n, outputs, inputs), column by column: see `mlpfast.Model.jacobian`."""
    check_tangents("jacobian", net.program, back=False)
    features = validation.as_features(X, net.inputs, net.dtype, finite=False)
    shape = validation.n_rows(features), net.outputs, net.inputs
    return _follow(net, X, features, None, out, shape, n_threads)


def _follow(
    net: Net,
    given: Any,
    X: validation.Features,
    V: NDArray[Any] | None,
    out: NDArray[Any] | None,
    shape: tuple[int, ...],
    n_threads: int | None,
) -> NDArray[Any]:
    result = result_array(net, out, shape, X, V)
    # The loss plays no part; this one leaves the output activation where it is.
    kept = engine(net, "data", MeanSquaredError(), shape[0], n_threads)
    try:
        kept[1].jvp(X, V, result)
    except (NotFiniteError, BadCodeError) as error:
        raise explained(error, net, X, given) from None
    net._tangents["data"] = kept
    return returned(result, out)
