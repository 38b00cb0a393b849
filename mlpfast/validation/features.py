"""What a model reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import native, numeric
from .finite import QUIET, check_finite, place_of
from .rows import CSR, Features, is_sparse
from .sparse import as_csr

__all__ = ["as_features", "code_error"]

_ENCODE_FEATURES = "encode strings first, by sklearn.preprocessing.OneHotEncoder or pandas.get_dummies for example"


def as_features(
    X: object,
    n_features: int,
    dtype: np.dtype[Any],
    *,
    name: str = "X",
    one_row: bool = False,
    cast: bool = False,
    finite: bool = True,
) -> Features:
    """Features for the compiled loops.

    Parameters
    ----------
    X : array-like (n, n_features) or SciPy sparse
        Integers are cast to `dtype`; float32, float64, uint8, int16 and bool are kept as they are.
    n_features : int
        The width that the model expects.
    dtype : numpy.dtype
        The model's dtype.
    name : str
        The argument's name, for errors.
    one_row : bool
        Accept a 1-D X (n_features,) as one row, and return it 1-D.
    cast : bool
        Cast everything to `dtype`.
    finite : bool
        Look for NaN and infinity in a dense X. The training loop does so too, as it reads the rows, at no cost: see
        `check_finite`.

    Raises
    ------
    TypeError
        If X is not numeric; a data frame's column is named.
    ValueError
        If X is empty, has the wrong rank or width, or holds NaN, infinity or missing values.
    """
    if is_sparse(X):
        return as_csr(X, n_features, dtype, name, cast)
    array = numeric(X, name, _ENCODE_FEATURES)
    shape = array.shape
    if len(shape) != 2 and not (one_row and len(shape) == 1):
        hint = "; use X.reshape(1, -1) for one row, X.reshape(-1, 1) for one feature" if len(shape) == 1 else ""
        raise ValueError(
            f"expected {name} to be 2-D (rows, {n_features}), got {len(shape)}-D ({name} has shape {shape}{hint})"
        )
    if shape[-1] != n_features:
        raise ValueError(f"expected {n_features} features, got {shape[-1]} ({name} has shape {shape})")
    if shape[0] == 0:
        raise ValueError(f"expected at least one row, got none ({name} has shape {shape})")
    if finite:
        check_finite(array, dtype, name, given=X)
    return native(array, dtype, cast)


def code_error(X: Features, codes: list[tuple[int, int]], given: object = None, name: str = "X") -> ValueError | None:
    """The error that names the first code of no category, or None. `codes`: columns, and the categories of each."""
    found: tuple[int, int, float, int] | None = None  # row, column, value, categories
    for column, categories in codes:
        if isinstance(X, CSR):
            stored = np.flatnonzero(X.columns == column)  # what is not stored is category 0
            rows, values = np.searchsorted(X.offsets, stored, side="right") - 1, X.values[stored]
        else:
            values = np.atleast_2d(X)[:, column]
            rows = np.arange(len(values))
        with QUIET():
            bad = np.flatnonzero(~((values >= 0) & (values < categories) & (values == np.floor(values))))
        if len(bad) and (found is None or rows[bad[0]] < found[0]):
            found = int(rows[bad[0]]), column, values[bad[0]], categories
    if found is None:
        return None
    row, column, value, categories = found
    width = column + 1 if isinstance(X, CSR) else X.shape[-1]
    where = place_of(row * width + column, (row + 1, width), given)
    return ValueError(
        f"expected a category's code in {name}, a whole number from 0 to {categories - 1}, got {value:g} at {where}"
    )
