"""The regressor of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from .base import BaseTabular
from .conformal import half_widths, residuals_of
from .held import Held
from .plans import ColumnTable
from .targets import numbers

__all__ = ["TabularRegressor"]


class TabularRegressor(RegressorMixin, BaseTabular):
    """Numbers of a table's rows, by a network that needs no preparation and no tuning: RealMLP-TD, natively.

    The loss is squared, of targets that are standardised; predictions stay within the range of the training targets.

    Parameters
    ----------
    preset : {"default"}, default "default"
        RealMLP-TD's recipe (Holzmüller et al., 2024).
    categorical_features : "auto", sequence of str or int, or boolean mask, default "auto"
        See `TableEncoder`.
    epochs, batch_size : int, default 256
        Rows of an epoch that do not fill a batch are left out.
    validation : {"random", "group", "time"} or float in (0, 1), default "random"
        What is held out, to choose the epoch by: a fifth of the rows drawn at random, or the share that is given;
        whole groups; or the last fifth. With `X_val` and `y_val` nothing is.
    eval_metric : str or callable, optional
        What the epoch is chosen by; "rmse" (the default), "mae" or "r2".
        A function ``f(y_true, y_pred)`` whose larger values are better may take their place.
    max_seconds : float, optional
        Stop after so much training, with the best epoch so far.
    n_threads : int, optional
        Upper limit on threads; the bits do not depend on it.
    random_state : int, RandomState or None, default None
        Of the split, the initial values, the order of rows and dropout.
    verbose : bool or int >= 0, default 0
        1, or more: a progress bar.

    Attributes
    ----------
    columns_ : ColumnTable
        What becomes of each column; it prints as a table.
    model_ : Model
        The network, of the columns that ``encoder_`` makes.
    encoder_ : TableEncoder
    history_ : dict
        "loss" and "val_<eval_metric>" of each epoch.
    best_epoch_ : int
        The epoch, from 1, whose parameters are kept: the last one of the best.
    best_score_ : float
        The metric of the validation rows then.
    residuals_, residual_ranks_ : ndarray (kept, targets)
        Absolute residuals of the validation rows, ascending, a thousand at most, and how many rows have no greater ones
        (with weights, their share of all weights, times the rows): what `predict_interval` is made of.
    feature_importances_, feature_importances_std_ : ndarray (columns,)
        By how much `eval_metric` (rmse, where that is a function) becomes worse when a column of validation rows is
        shuffled: mean and standard deviation of five repeats, each with rows of its own, a thousand at most; of fewer,
        where that is more than a few per cent of the training's work, and NaN, if less than two are left.
    baseline_score_ : float
        The metric of the validation rows for one answer, their mean or median; NaN, where it is a function.
    report_ : Report
        What was done to the data, what the curve says, what to try; it prints as text.
    n_features_in_, feature_names_in_, n_outputs_
        As scikit-learn has them.

    Examples
    --------
    >>> from mlpfast.tabular import TabularRegressor
    >>> X = [[i % 7, "ab"[i % 2]] for i in range(100)]
    >>> y = [1000.0 * row[0] for row in X]
    >>> model = TabularRegressor(epochs=20, batch_size=16, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _classifier: ClassVar[bool] = False
    centre_: NDArray[np.float64]
    scale_: NDArray[np.float64]
    low_: NDArray[np.float64]
    high_: NDArray[np.float64]
    flat_: bool
    residuals_: NDArray[np.float64]
    residual_ranks_: NDArray[np.float64]

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None, groups: Any = None
    ) -> TabularRegressor:
        """Train, and keep the best epoch.

        Parameters
        ----------
        X : table (n, columns)
            See `TableEncoder.fit`.
        y : array_like of shape (n,) or (n, targets)
        sample_weight : array_like of shape (n,), optional
            Weights >= 0 of the rows, in training and validation.
        X_val, y_val : optional
            Rows to choose the epoch by, in place of some that are held out.
        groups : array_like of shape (n,), optional
            With ``validation="group"``.

        Returns
        -------
        TabularRegressor
        """
        self._fit(X, y, sample_weight, X_val, y_val, groups)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predictions, of the shape of y in training."""
        found = self._outputs(X)
        return found[:, 0] if self.flat_ else found

    def predict_one(self, row: Mapping[str, Any] | Sequence[Any]) -> Any:
        """The prediction of a single row: values by name, or in the order of training."""
        found = self._outputs_of_one(row)[0]
        return float(found[0]) if self.flat_ else found

    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[np.float64]:
        """Intervals that hold a new row's target with a given probability, whatever the distribution.

        Around each prediction, as wide as the validation rows' residuals say (split-conformal prediction): half of the
        width is the residual of rank ceil((n + 1) * coverage) of n rows. It takes new rows to be as those held out
        (not, where time or groups change what is seen). The same rows have chosen the epoch, by which coverage may be
        a little lower. Of several targets, each has the coverage by itself. With weights, a residual counts as much
        as its row, and a new row as one of mean weight.

        Parameters
        ----------
        X : table (n, columns)
        coverage : float in (0, 1), default 0.9

        Returns
        -------
        ndarray (n, 2), or (n, targets, 2) if y had columns
            Lower and upper ends.

        Raises
        ------
        ValueError
            If the validation rows are too few for that coverage: fewer than ``coverage / (1 - coverage)``.

        Examples
        --------
        >>> from mlpfast import TabularRegressor
        >>> X = [[i % 7, "ab"[i % 2]] for i in range(100)]
        >>> model = TabularRegressor(epochs=20, batch_size=16, random_state=0).fit(X, [row[0] for row in X])
        >>> low, high = model.predict_interval([[3, "b"]])[0]
        >>> bool(low < 3 < high)
        True
        """
        check_is_fitted(self)
        half = half_widths(self.residuals_, self.residual_ranks_, coverage)
        found = self._outputs(X)
        ends = np.stack([found - half, found + half], axis=-1)
        return ends[:, 0] if self.flat_ else ends

    def _after_fit(self, held: Held, columns: ColumnTable) -> dict[str, Any]:
        residuals, ranks = residuals_of(held)
        return {"residuals_": residuals, "residual_ranks_": ranks} | super()._after_fit(held, columns)

    def _learn_targets(self, y: Any, n: int) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any] | None]:
        targets, flat = numbers(y, n)
        return {"n_outputs_": targets.shape[1], "flat_": flat}, targets, None

    def _more_targets(self, y: Any, n: int, learnt: Mapping[str, Any]) -> NDArray[Any]:
        targets, _ = numbers(y, n, "y_val")
        if targets.shape[1] != learnt["n_outputs_"]:
            raise ValueError(f"expected {learnt['n_outputs_']} targets in y_val, got {targets.shape[1]}")
        return targets

    def _rescale(self, learnt: dict[str, Any], targets: NDArray[Any]) -> NDArray[Any]:
        largest = np.abs(targets).max(axis=0)
        unit = np.where(largest > 0, largest, 1.0)  # squares of 1e200 would be infinite
        centre, scale = (targets / unit).mean(axis=0) * unit, (targets / unit).std(axis=0) * unit
        scale = np.where((targets != targets[0]).any(axis=0) & (scale > 0), scale, 1.0)
        learnt |= {"centre_": centre, "scale_": scale, "low_": targets.min(axis=0), "high_": targets.max(axis=0)}
        standardised: NDArray[np.float32] = ((targets - centre) / scale).astype(np.float32)
        return standardised

    def _finish(self, outputs: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[Any]:
        found = outputs * learnt["scale_"] + learnt["centre_"]
        within: NDArray[np.float64] = np.clip(found, learnt["low_"], learnt["high_"])
        return within

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
