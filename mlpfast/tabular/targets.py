"""Targets of tabular estimators, checked: none missing, one for each row."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight

from ..callers import levels_to_the_user
from ..errors import listed, real
from .objects import array_of, as_given, is_missing, kind_of, plain_date

__all__ = [
    "check_classes",
    "check_discrete",
    "indicators",
    "numbers",
    "one_column",
    "warn_of_untaught",
    "weights_of",
    "weights_of_classes",
]

_FEW = 20  # rows, of which any number of classes is nothing strange
_LARGE = 1e100  # of weights


def one_column(y: Any, n: int, what: str = "y") -> NDArray[Any]:
    """Labels (n,), of one kind."""
    labels = _array_of(y, what)
    if labels.ndim == 2 and labels.shape[1] == 1:
        message = "A column-vector y was passed when a 1d array was expected"
        warnings.warn(message, DataConversionWarning, stacklevel=levels_to_the_user())
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"expected {what} to be a 1d array of labels, got shape {labels.shape}")
    _check_rows(labels, n, what)
    _check_missing([is_missing(label) for label in labels.tolist()], what)
    if labels.dtype.kind in "cm":
        got = "complex numbers" if labels.dtype.kind == "c" else "durations"
        raise ValueError(f"expected strings, numbers, booleans or dates in {what}, got {got}")
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError(f"expected labels in {what}, got infinity in row {int(np.argmax(np.isinf(labels)))}")
    are_strings = [isinstance(label, str) for label in labels.tolist()]
    kinds = set(are_strings)
    if len(kinds) > 1:
        rows = are_strings.index(True), are_strings.index(False)
        raise TypeError(
            f"expected labels of one kind in {what}, got strings (row {rows[0]}) and others (row {rows[1]})"
        )
    return labels.astype(str) if kinds == {True} else _of_objects(labels, what) if labels.dtype == object else labels


def numbers(y: Any, n: int, what: str = "y", expected: str = "numbers") -> tuple[NDArray[np.float64], bool]:
    """Targets (n, targets), finite, and whether they were (n,)."""
    given = _array_of(y, what)
    if given.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {what} has complex numbers")
    if given.dtype.kind in "Mm":  # as float64 they would be of a unit that nobody has named
        raise TypeError(f"expected {expected} in {what}, got {'dates' if given.dtype.kind == 'M' else 'durations'}")
    if given.ndim not in (1, 2) or given.shape[1:] == (0,):
        raise ValueError(f"expected {what} of shape (n,) or (n, targets), got {given.shape}")
    _check_rows(given, n, what)
    if given.dtype == object:
        given = np.array([np.nan if is_missing(v) else v for v in given.ravel()], dtype=object).reshape(given.shape)
    targets = _as_floats(given, what, expected)
    _check_missing(np.isnan(targets).reshape(n, -1).any(axis=1), what)
    infinite = np.isinf(targets).reshape(n, -1).any(axis=1)
    if infinite.any():
        raise ValueError(f"expected finite numbers in {what}, got infinity (inf) in row {int(np.argmax(infinite))}")
    return targets.reshape(n, -1), given.ndim == 1


def check_discrete(labels: NDArray[Any]) -> None:
    """A ValueError that names the row, for numbers (n,) between integers; a warning for as many as regression has."""
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():  # in scikit-learn's words
        row = int(np.argmax(labels != np.floor(labels)))
        raise ValueError(
            f"Unknown label type: continuous. Expected classes in y, got {labels[row]:g} in row {row}; "
            "TabularRegressor is for numbers"
        )
    n, different = len(labels), len(np.unique(labels)) if labels.dtype.kind in "fiu" else 0
    if n > _FEW and different > n / 2:
        message = (
            f"y has {different:,} different numbers in {n:,} rows; if these are not classes, take TabularRegressor"
        )
        warnings.warn(message, stacklevel=levels_to_the_user())


def indicators(y: Any, n: int, what: str = "y") -> NDArray[np.float32] | None:
    """Several labels of a row, (n, labels) of 0 and 1; None for what is one column, or none."""
    given = _array_of(y, what)
    if given.ndim != 2 or given.shape[1] < 2:
        return None
    found, _ = numbers(given, n, what, "0 and 1 (of several labels)")
    wrong = (found != 0) & (found != 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"expected 0 and 1 (of several labels) in {what}, got {given[row, column]!s} in row {row}, column {column}"
        )
    return found.astype(np.float32)


def check_classes(given: Any, known: NDArray[Any], which: str) -> None:
    """A ValueError that names a class that only one of the two has; labels of both in any order."""
    told, there = set(np.asarray(given).ravel().tolist()), set(known.ravel().tolist())
    if told != there:
        new, missing = (sorted(map(repr, only)) for only in (told - there, there - told))
        got = f"{new[0]} as well" if new else f"them without {missing[0]}"
        raise ValueError(f"expected classes to be {which}, got {got}")


def warn_of_untaught(targets: NDArray[Any], classes: NDArray[Any]) -> None:
    """A warning that names classes that are not among targets (n,), the class numbers of rows that are trained on."""
    absent = np.delete(classes, np.unique(targets)).tolist()
    if absent:
        message = f"no row of class {listed(absent)} is trained on: all of them are held out, or have weight 0"
        warnings.warn(message, stacklevel=levels_to_the_user())


def weights_of_classes(class_weight: Any, labels: NDArray[Any]) -> NDArray[np.float64]:
    """Each row's weight (n,) by its class; a ValueError for a negative one, by which the class would be left out."""
    if isinstance(class_weight, Mapping):
        class_weight = {c: real(f"class_weight[{c!r}]", weight, at_least=0.0) for c, weight in class_weight.items()}
    elif not (isinstance(class_weight, str) and class_weight == "balanced"):
        raise ValueError(f"expected class_weight to be 'balanced', a dict or None, got {class_weight!r}")
    weights: NDArray[np.float64] = compute_sample_weight(class_weight, labels)
    return weights


def weights_of(classes: NDArray[np.float64] | None, given: Any, targets: NDArray[Any]) -> NDArray[np.float64] | None:
    """Weights of rows by their classes times those that are given for the rows."""
    if given is None:
        return classes if classes is None else _summable(classes)
    weights = _summable(weights_of_rows(given, targets))
    if classes is not None:
        weights = _summable(classes) * weights
    if not weights.any():
        raise ValueError("expected a positive sum of the rows' weights, got zeros only")
    return weights


def weights_of_rows(given: Any, y: NDArray[Any]) -> NDArray[np.float64]:
    """Weights (n,) >= 0, of which any number is one for all rows; a ValueError that names the row for what is none."""
    plain = as_given(given, "sample_weight")
    if plain.dtype.kind not in "iufb":
        for row, value in enumerate((plain.astype(str) if plain.dtype.kind in "Mm" else plain).ravel().tolist()):
            if kind_of(type(value)) not in ("number", "boolean"):
                where = f" in row {row}" if plain.ndim else ""
                raise ValueError(f"expected numbers in sample_weight, got {value!r:.60}{where}")
    if plain.shape == y.shape[:1]:
        weights = plain.astype(np.float64)
        wrong = ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"expected finite weights >= 0 in sample_weight, got {weights[row]:g} in row {row}")
    checked: NDArray[np.float64] = _check_sample_weight(
        plain if plain.ndim else plain.item(), y, dtype=np.float64, ensure_non_negative=True
    )
    return checked


def _summable(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """As they are, or in units of the largest, where that is so large that sums of products could be infinite."""
    largest = weights.max()
    return weights / largest if largest > _LARGE else weights


def _array_of(y: Any, what: str) -> NDArray[Any]:
    array: NDArray[Any] = y.toarray() if hasattr(y, "toarray") else as_given(y, what)
    return array


def _of_objects(labels: NDArray[Any], what: str) -> NDArray[Any]:
    """Objects (n,) that are no strings as NumPy's numbers, booleans or dates, or by their names; a TypeError else."""
    objects = labels.tolist()
    plain = np.array(objects)
    if plain.dtype != object:
        return plain
    kinds = [kind_of(type(label)) for label in objects]
    dtype = {"number": "float64", "string": "str", "date": "datetime64"}.get(kinds[0] or "")
    row = next((row for row, kind in enumerate(kinds) if kind != kinds[0]), 0)
    if dtype is not None and row == 0:
        with suppress(TypeError, ValueError):
            return array_of([plain_date(label) for label in objects]).astype(dtype)
    got = type(objects[row]).__name__
    raise TypeError(f"expected strings, numbers, booleans or dates in {what}, of one kind, got {got} in row {row}")


def _as_floats(y: NDArray[Any], what: str, expected: str) -> NDArray[np.float64]:
    try:
        return y.astype(np.float64)
    except (TypeError, ValueError):
        for row, values in enumerate(y.reshape(len(y), -1).tolist()):
            for value in values:
                try:
                    float(value)
                except (TypeError, ValueError):
                    raise ValueError(f"expected {expected} in {what}, got {value!r:.60} in row {row}") from None
        raise


def _check_rows(y: NDArray[Any], n: int, what: str) -> None:
    if len(y) != n:
        rows = "X" + what.removeprefix("y")  # in scikit-learn's words
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {rows} has {n}, {what} has {len(y)}"
        )


def _check_missing(missing: Any, what: str) -> None:
    rows = np.flatnonzero(missing)
    if len(rows):
        raise ValueError(
            f"expected no missing values in {what}, got {len(rows)} (NaN or None), the first one in row {rows[0]}"
        )
