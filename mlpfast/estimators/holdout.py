"""The rows that early stopping holds out where the user gives none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ..validation import scale_weights
from .rows import Rows


def hold_out(
    train: Rows,
    user_weights: NDArray[np.float64] | None,
    random_state: np.random.RandomState,
    fraction: float,
    *,
    stratify: NDArray[Any] | None,
    strata: str,
) -> tuple[NDArray[np.int64], Rows]:
    """The numbers of the rows to train on, and rows to validate with: those that scikit-learn takes.

    Parameters
    ----------
    train : Rows
        All rows, with the class weights in their weights.
    user_weights : ndarray (n,), or None
        The sample weights as given, for validation.
    random_state : RandomState
        Drawn from as scikit-learn does.
    fraction : float
        The share to hold out.
    stratify : ndarray (n,), or None
        What the split is stratified by.
    strata : str
        What its values mean, for errors.
    """
    try:
        kept, held_out = train_test_split(
            np.arange(len(train), dtype=np.int64), random_state=random_state, test_size=fraction, stratify=stratify
        )
    except ValueError as error:
        raise ValueError(f"{error}{strata if 'True' in str(error) else ''}") from None
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset. Early "
            f"stopping needs at least 2 rows, got {len(held_out)} of {len(train)}; or give X_val and y_val"
        )
    for what, weights, some in (("holds out", user_weights, held_out), ("leaves to train on", train.weights, kept)):
        if weights is not None and not weights[some].any():
            raise ValueError(
                f"expected rows with weights above 0 on both sides of the split, but the {len(some)} rows that early "
                f"stopping {what} weigh 0. Leave out rows without weight, or give X_val and y_val"
            )
    weights, _ = scale_weights(None if user_weights is None else user_weights[held_out])
    return kept, Rows(train.X[held_out], train.y[held_out], weights)
