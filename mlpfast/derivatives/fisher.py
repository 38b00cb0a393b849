"""The diagonal of the Fisher information: the mean over rows of the squares of each row's gradient."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..errors import known_name
from ..losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError, as_loss
from .net import Net
from .rows import checked, run

__all__ = ["fisher_diagonal"]

_Seed = Literal["units", "classes", "yes_or_no"]


def fisher_diagonal(
    model: Net,
    X: Any,
    y: Any,
    labels: Literal["given", "model"],
    loss: str | Loss,
    out: NDArray[Any] | None,
    n_threads: Any,
) -> NDArray[Any]:
    """As `mlpfast.Model.fisher_diagonal`."""
    known_name("labels", labels, ("given", "model"))
    if (y is None) != (labels == "model"):
        what = "targets" if labels == "given" else "none"
        raise ValueError(f"expected {what} as y with labels={labels!r}, got {'none' if y is None else 'some'}")
    if out is not None:
        validation.check_out(out, (model.n_parameters,), model.dtype)
    squares = np.zeros(model.n_parameters)
    if labels == "given":
        features, y, loss, n = checked(model, X, y, loss)
        run(model, "squares", X, features, squares, y=y, loss=loss, n_threads=n_threads)
    else:
        loss = as_loss(loss)
        loss.check_output(model.output_activation, model.outputs)
        seed = _seed_of(loss)
        features = validation.as_features(X, model.inputs, model.dtype)
        n = validation.n_rows(features)
        run(model, "squares", X, features, squares, loss=loss, seed=seed, n_threads=n_threads)
    squares /= n
    with np.errstate(all="ignore"):
        if out is None:
            return squares.astype(model.dtype)
        out[...] = squares
    return out


def _seed_of(loss: Loss) -> _Seed:
    """How the labels are distributed of which the loss is the negative logarithm of the likelihood."""
    if loss == CrossEntropy():
        return "classes"
    if loss == BinaryCrossEntropy():
        return "yes_or_no"
    if loss == MeanSquaredError():
        return "units"
    raise ValueError(
        "expected a loss that is a negative log-likelihood with labels='model': 'cross_entropy', "
        f"'binary_cross_entropy' (neither with options) or 'mse', got {loss!r}"
    )
