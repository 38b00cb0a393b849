"""What all derivatives of single rows have in common: checked input, one crossing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from .. import validation
from ..core.results import BadCodeError, NotFiniteError
from ..core.rowwise import Rowwise
from ..errors import integer
from ..losses import Loss, as_loss
from .net import Net, explained

__all__ = ["checked", "run"]

_KEPT, _KEPT_BYTES = 4, 1 << 22  # plans of a model's last calls, as far as they are small


def checked(model: Net, X: Any, y: Any, loss: str | Loss) -> tuple[validation.Features, NDArray[Any], Loss, int]:
    """X and y as the loops take them, the loss, and the number of rows."""
    loss = as_loss(loss)
    loss.check_output(model.output_activation, model.outputs)
    features = validation.as_features(X, model.inputs, model.dtype)
    n = validation.n_rows(features)
    y = validation.as_targets(y, loss, model.outputs, model.dtype, n)
    model.check_custom(loss, y)
    return features, y, loss, n


def run(
    model: Net,
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
    except (NotFiniteError, BadCodeError) as error:
        raise explained(error, model, features, X) from None
    if job.size <= _KEPT_BYTES:
        if len(model._rowwise) >= _KEPT:
            model._rowwise.clear()
        model._rowwise[key] = job
