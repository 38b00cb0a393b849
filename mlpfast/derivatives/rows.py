"""What all derivatives of single rows have in common: checked input, memory for the result, one crossing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..activations import Activation
from ..core.network import Network
from ..core.results import BadCodeError
from ..core.rowwise import Rowwise
from ..errors import integer
from ..losses import Loss, as_loss
from ..program import Program

__all__ = ["Differentiable", "checked", "result", "run"]

_KEPT, _KEPT_BYTES = 4, 1 << 22  # plans of a model's last calls, as far as they are small


class Differentiable(Protocol):
    """What is needed of a `mlpfast.Model`."""

    dtype: np.dtype[Any]
    program: Program
    network: Network
    _rowwise: dict[Any, Rowwise]

    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def state(self) -> NDArray[Any]: ...
    @property
    def output_activation(self) -> Activation: ...
    def check_custom(self, loss: Loss, y: NDArray[Any]) -> None: ...


def checked(
    model: Differentiable, X: Any, y: Any, loss: str | Loss
) -> tuple[validation.Features, NDArray[Any], Loss, int]:
    """X and y as the loops take them, the loss, and the number of rows."""
    loss = as_loss(loss)
    loss.check_output(model.output_activation, model.outputs)
    features = validation.as_features(X, model.inputs, model.dtype)
    n = validation.n_rows(features)
    y = validation.as_targets(y, loss, model.outputs, model.dtype, n)
    model.check_custom(loss, y)
    return features, y, loss, n


def result(
    model: Differentiable, shape: tuple[int, ...], out: NDArray[Any] | None, *read: Any
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The array that is returned, and the one to write into: another one where that shares memory with what is read."""
    if out is not None:
        validation.check_out(out, shape, model.dtype)
        if not validation.shares_memory(out, model.state, *read):
            return out, out
    try:
        into = np.empty(shape, model.dtype)
    except (MemoryError, ValueError):
        size = int(np.prod([float(n) for n in shape])) * model.dtype.itemsize
        raise MemoryError(f"a result of shape {shape} takes {size:,} bytes, which are not there") from None
    return (into if out is None else out), into


def run(
    model: Differentiable,
    wanted: Literal["values", "deltas", "inputs", "gradients", "norms", "squares"],
    X: Any,
    features: validation.Features,
    out: NDArray[Any] | Sequence[NDArray[Any]],
    *,
    y: NDArray[Any] | None = None,
    loss: Loss | None = None,
    seed: Literal["loss", "given", "units", "classes", "yes_or_no"] = "loss",
    given: NDArray[Any] | None = None,
    n_threads: int | None = None,
) -> None:
    """One crossing; X is what the user gave, for errors."""
    if n_threads is not None:
        n_threads = integer("n_threads", n_threads)
    key = wanted, seed, loss, n_threads
    job = model._rowwise.pop(key, None)  # who comes meanwhile makes another
    if job is None:
        job = Rowwise(model.network, wanted, loss, seed=seed, n_threads=n_threads)
    try:
        job.run(features, y, given, out)
    except BadCodeError as error:
        raise validation.code_error(features, model.program.codes, X) or error from None
    if job.size <= _KEPT_BYTES:
        if len(model._rowwise) >= _KEPT:
            model._rowwise.clear()
        model._rowwise[key] = job
