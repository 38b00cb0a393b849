"""Input of training and evaluation, checked: as the engine takes it."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..classweight import weights_of_rows
from ..losses import Loss
from ..model import Model
from ..validation import (
    CSR,
    Features,
    as_features,
    as_targets,
    as_they_are,
    blank_weightless,
    check_finite,
    check_sample_weight,
    n_rows,
    scale_weights,
)

__all__ = ["Data", "check_batches", "check_data", "data_as_they_are"]


class Data(NamedTuple):
    """Checked input; `given_X` and `given_y` have all rows, for the user's metrics."""

    X: Features
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    given_X: Any = None
    given_y: Any = None
    weight_exponent: int = 0  # of the power of two that is in the weights

    def order(self, order: NDArray[np.int64] | None, over_batch: bool) -> NDArray[np.int64] | None:
        """The order without rows of weight zero, if statistics of a batch would notice them."""
        weights = self.sample_weight
        if weights is None or not over_batch or weights.all():
            return order
        rows = np.arange(len(weights)) if order is None else order
        return rows[weights[rows] > 0]

    def rows(self, order: NDArray[np.int64] | None) -> int:
        """Rows of an epoch in that order."""
        return len(self.y) if order is None else len(order)

    @property
    def given_weight(self) -> NDArray[np.float64] | None:
        """The sample weights as the user, and the class weights, gave them."""
        if self.sample_weight is None:
            return None
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self.sample_weight, -self.weight_exponent)


def check_data(
    model: Model,
    loss: Loss,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    of: str = "",
    finite: bool = True,
    class_weight: str | tuple[float, ...] | None = None,
) -> Data:
    """The input for this model and loss; TypeError or ValueError for what does not fit them.

    Parameters
    ----------
    model : Model
    loss : Loss
    X, y, sample_weight
        As for `Trainer.fit`.
    of : str
        What they are of, for errors: " of validation_data".
    finite : bool
        Whether X is looked through; if not, the loops find NaN as they read the rows.
    class_weight : str, tuple of float, or None
        As `mlpfast.classweight` returns it.
    """
    features = as_features(X, model.inputs, model.dtype, name=f"X{of}", finite=finite)
    n = n_rows(features)
    targets = as_targets(y, loss, model.outputs, model.dtype, n, name=f"y{of}", features=f"X{of}")
    given = check_sample_weight(sample_weight, n, name=f"sample_weight{of}", features=f"X{of}")
    of_classes = None if class_weight is None else weights_of_rows(class_weight, targets, loss, f"y{of}")
    weights, exponent = scale_weights(given, of_classes)
    if weights is not None and not weights.any():
        raise ValueError("expected a positive sum of class_weight times sample_weight, got zeros only")
    if not finite and weights is not None and not weights.all() and not isinstance(features, CSR):
        check_finite(features, model.dtype, f"X{of}", X)  # the loop would not see the rows of weight zero
    model.check_custom(loss, targets)
    return Data(*blank_weightless(features, targets, weights), weights, X, targets, exponent)


def data_as_they_are(model: Model, loss: Loss, X: Any, y: Any, sample_weight: Any) -> Data | None:
    """Input that needs no check before the loops make theirs; None for any other."""
    found = None
    if sample_weight is None:
        found = as_they_are(X, y, loss, model.inputs, model.outputs, model.dtype)
    return None if found is None else Data(*found, None, X, y)


def check_batches(n: int, batch_size: int | None, last_batch: str, stacklevel: int) -> None:
    """See that statistics can be taken over each batch of n rows: one of a single row has none."""
    rows = min(batch_size or n, n)
    if rows > 2 and n % rows != 1:
        return
    if rows < 2:
        raise ValueError(f"BatchNorm in training: expected batches of at least 2 rows, got {rows}")
    if n % rows == 1 and last_batch == "keep":
        warnings.warn(
            f"the last of the batches of {rows} rows would have a single one, of which BatchNorm can't take "
            "statistics: it goes with the batch before it",
            stacklevel=stacklevel,
        )
