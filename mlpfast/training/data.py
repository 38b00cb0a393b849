"""Input of training and evaluation, checked: as the engine takes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..classweight import weights_of_rows
from ..errors import real
from ..losses import Loss
from ..metrics import Metric, check_one_class
from ..model import Model
from ..program import Program
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
    take_rows,
)
from .holdout import hold_out

__all__ = ["Data", "check_batches", "check_data", "data_as_they_are", "divide", "validation_sets"]


class Data(NamedTuple):
    """Checked input; `given_X` and `given_y` have all rows, for the user's metrics."""

    X: Features
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    given_X: Any = None
    given_y: Any = None
    weight_exponent: int = 0  # of the power of two that is in the weights
    chosen: NDArray[np.int64] | None = None  # the rows to train on; None for all
    term: Any = None  # of the loss, beside that of the outputs: a `sobolev.JacobianTerm`

    def order(self, order: NDArray[np.int64] | None, program: Program) -> NDArray[np.int64] | None:
        """The order without rows of weight zero, if a batch has none."""
        weights = self.sample_weight
        if weights is None or not program.skips_weightless or weights.all():
            return order
        rows = np.arange(len(weights)) if order is None else order
        return rows[weights[rows] > 0]

    def rows(self, order: NDArray[np.int64] | None) -> int:
        """Rows of an epoch in that order."""
        return len(self.y) if order is None else len(order)

    def trained(self, inputs: int) -> Data:
        """Those rows alone that are trained on, for metrics."""
        if self.chosen is None:
            return self
        X = take_rows(self.X, self.chosen)
        weights = None if self.sample_weight is None else self.sample_weight[self.chosen]
        return Data(X, self.y[self.chosen], weights, _as_given(X, inputs), self.y[self.chosen], self.weight_exponent)

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
    choose: Callable[[NDArray[Any]], NDArray[np.int64]] | None = None,
    metrics: Sequence[Metric] = (),
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
    choose : callable, optional
        From the targets to the rows to train on.
    metrics : sequence of Metric
        That are asked for of these rows.
    """
    features = as_features(X, model.inputs, model.dtype, name=f"X{of}", finite=finite)
    n = n_rows(features)
    targets = as_targets(y, loss, model.outputs, model.dtype, n, name=f"y{of}", features=f"X{of}")
    given = check_sample_weight(sample_weight, n, name=f"sample_weight{of}", features=f"X{of}")
    check_one_class(metrics, targets, given, f"y{of}")
    chosen = None if choose is None else choose(targets)
    of_classes = None
    if class_weight is not None:
        of_classes = np.ones(n)
        some = slice(None) if chosen is None else chosen
        of_classes[some] = weights_of_rows(class_weight, targets[some], loss, f"y{of}")
    weights, exponent = scale_weights(given, of_classes)
    if weights is not None and not (weights if chosen is None else weights[chosen]).any():
        raise ValueError("expected a positive sum of class_weight times sample_weight, got zeros only")
    if not finite and weights is not None and not weights.all() and not isinstance(features, CSR):
        check_finite(features, model.dtype, f"X{of}", X)  # the loop would not see the rows of weight zero
    model.check_custom(loss, targets)
    return Data(*blank_weightless(features, targets, weights), weights, X, targets, exponent, chosen)


def divide(
    check: Callable[..., Data],
    model: Model,
    loss: Loss,
    sample_weight: Any,
    fraction: Any,
    stratify: Any,
    *,
    seed: int,
) -> tuple[Data, Data]:
    """The rows to train on and those that are held out, as `hold_out` draws them; `check` is `check_data` of all."""
    fraction = real("validation_fraction", fraction, above=0.0, below=1.0)
    held: NDArray[np.int64] = np.empty(0, np.int64)

    def choose(targets: NDArray[Any]) -> NDArray[np.int64]:
        nonlocal held
        chosen, held = hold_out(len(targets), fraction, seed, _strata(stratify, targets))
        return chosen

    data = check(choose=choose)
    given = check_sample_weight(sample_weight, len(data.y))  # without what classes weigh
    X, weights = _as_given(take_rows(data.X, held), model.inputs), None if given is None else given[held]
    return data, check_data(model, loss, X, data.y[held], weights, of=" held out", finite=False)


def _strata(stratify: Any, targets: NDArray[Any]) -> NDArray[Any] | None:
    if stratify is None or isinstance(stratify, (bool, np.bool_)):
        if not stratify:
            return None
        if targets.ndim == 1:
            return targets
        if targets.shape[1] == 1 and len(np.unique(targets)) > 2:
            raise ValueError(
                "stratify=True: expected classes in y, got targets that the loss takes for numbers; where they are "
                "classes, give stratify=y, or any value for each row"
            )
        return targets[:, 0] if targets.shape[1] == 1 else targets.argmax(axis=1)
    strata = np.asarray(stratify)
    if strata.shape != (len(targets),):
        raise ValueError(f"stratify: expected a value for each of {len(targets)} rows, got shape {strata.shape}")
    return strata


def _as_given(X: Features, inputs: int) -> Any:
    """The rows as users give them."""
    if not isinstance(X, CSR):
        return X
    from scipy.sparse import csr_matrix  # it is there, as they came from there

    return csr_matrix((X.values, X.columns, X.offsets), shape=(len(X.offsets) - 1, inputs))


def validation_sets(given: Any) -> dict[str, tuple[Any, Any, Any]]:
    """X, y and sample_weight of each set by name, from what `fit` was given as validation_data."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return {"val": _set(given, "validation_data")}
    for name in given:
        if not isinstance(name, str) or not name:
            raise TypeError(f"expected names of validation sets to be strings, got {name!r}")
    return {name: _set(each, f"validation_data[{name!r}]") for name, each in given.items()}


def _set(given: Any, name: str) -> tuple[Any, Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        hint = ""
        if isinstance(given, (tuple, list)):
            hint = f" of length {len(given)}"
        elif callable(given) or isinstance(given, Iterator):
            hint = "; evaluate chunks in a callback, by trainer.evaluate"
        raise ValueError(f"expected {name} to be (X, y) or (X, y, sample_weight), got {type(given).__name__}{hint}")
    X, y, sample_weight = (*given, None)[:3]
    return X, y, sample_weight


def data_as_they_are(model: Model, loss: Loss, X: Any, y: Any, sample_weight: Any) -> Data | None:
    """Input that needs no check before the loops make theirs; None for any other."""
    found = None
    if sample_weight is None:
        found = as_they_are(X, y, loss, model.inputs, model.outputs, model.dtype)
    return None if found is None else Data(*found, None, X, y)


def check_batches(n: int, left_out: int, batch_size: int | None, last_batch: str, stacklevel: int) -> None:
    """See that statistics can be taken over each batch of n rows: one of a single row has none.

    `left_out` others have weight zero.
    """
    rows = min(batch_size or n, n)
    if rows > 2 and n % rows != 1:
        return
    if rows < 2:
        others = f" beside {left_out:,} of weight zero, which have no part in it" if left_out and n < 2 else ""
        raise ValueError(f"BatchNorm in training: expected batches of at least 2 rows, got {rows}{others}")
    if n % rows == 1 and last_batch == "keep":
        warnings.warn(
            f"the last of the batches of {rows} rows would have a single one, of which BatchNorm can't take "
            "statistics: it goes with the batch before it",
            stacklevel=stacklevel,
        )
