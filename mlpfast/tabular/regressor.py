"""The regressor of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from ..hints import TABULAR_ARGUMENTS, TABULAR_FIT_ARGUMENTS, explain_arguments
from .base import BaseTabular
from .conformal import half_widths, residuals_of
from .families import Family, family_of
from .goals import Goal
from .held import Held
from .later import changed
from .plans import ColumnTable
from .scoring import Scorer, of_numbers
from .targets import numbers

__all__ = ["TabularRegressor"]


class TabularRegressor(RegressorMixin, BaseTabular):
    """Numbers of a table's rows, by a network that needs no preparation and no tuning: RealMLP-TD, natively.

    Predictions stay within the range of the training targets, whose scale does not matter.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        What predictions are: "squared_error": means; "absolute_error": medians; "huber", "log_cosh": between the two,
        for heavy tails; "poisson" (counts, y >= 0), "tweedie" (sums of a random number of sizes, >= 0), "gamma" (sizes,
        y > 0): means that are positive, of which the logarithm is learnt; "gaussian": means and spreads, see `predict`;
        "quantile": `quantiles`. Names are scikit-learn's, where it has them (`HistGradientBoostingRegressor`); one of
        `mlpfast.losses` with numbers of its own, such as ``Huber(0.5)`` or ``TweedieDeviance(1.9)``, does too.
    quantiles : sequence of float in (0, 1), optional
        Ascending; they make the loss that of quantiles, which `predict_quantiles` gives, and which never cross.
    preset : {"default", "fast", "best"}, default "default"
        The recipe. "default" is RealMLP-TD's (Holzmüller et al., 2024) with ranks and tails of numbers beside them and
        fewer epochs; "fast" has a smaller network and half of the epochs, and takes a fifth of the time; "best" is
        eight networks of the default.
    n_ensemble : int, optional
        So many networks, side by side on the threads, whose predictions are averaged. Each holds out a fold of its own,
        of rows, or of groups, so that every row is held out once; with ``validation="time"``, or `X_val`, they have the
        same rows held out, and other seeds. By default the preset's.
    n_refit : int, default 0
        So many networks, trained once more on all rows, take the place of those that had rows held out, of which the
        mean of the best epochs tells when to end. These stay in `history_`, `oof_`, scores, and all that is learnt of
        rows held out. Not with `X_val` and `warm_start`, and not where `max_seconds` leaves too little time.
    categorical_features : "auto", sequence of str or int, or boolean mask, default "auto"
        See `TableEncoder`.
    epochs, batch_size : int, optional
        The preset's, and such as the number of rows asks for, unless given. Rows of an epoch that do not fill a batch
        are left out.
    validation : {"random", "group", "time"} or float in (0, 1), default "random"
        What is held out, to choose the epoch by: a fifth of the rows drawn at random, or the share that is given;
        whole groups, none of more rows than that where there are others; or the last fifth. With `X_val` and `y_val`
        nothing is.
    eval_metric : str or callable, optional
        What the epoch is chosen by: "rmse", "mae", "r2" or "pinball"; with positive losses "deviance", with "gaussian"
        "nll", the mean negative log-likelihood. By default what goes with the loss: "rmse", "mae" (of absolute_error,
        huber and log_cosh), "pinball" (of quantiles), "deviance" or "nll".
        A function ``f(y_true, y_pred)`` whose larger values are better may take their place; one with an argument
        ``sample_weight``, or a third, is given the weights of these rows, or None.
    max_seconds : float, optional
        How long `fit` may take. As many epochs are planned as fit, so that schedules come to their end; of several
        networks as many, one at least, as have half of their epochs. Where all of them fit, the bits are those without
        a limit.
    n_threads : int, optional
        Upper limit on threads; the bits do not depend on it.
    random_state : int, RandomState or None, default None
        Of the split, the initial values, the order of rows and dropout.
    verbose : bool or int >= 0, default 0
        1, or more: a progress bar.
    warm_start : bool, default False
        `fit` goes on from the networks of the last one: columns, units of targets stay as they are, the rate is small
        and steady, and the networks as they were are kept where no epoch is better on the rows held out. Another `loss`
        or `categorical_features`, other `quantiles`, or a `preset` with other layers, are errors then.

    Attributes
    ----------
    columns_ : ColumnTable
        What becomes of each column; it prints as a table.
    model_ : Model
        The network, of the columns that ``encoder_`` makes; of several the first of ``models_``.
    encoder_ : TableEncoder
    history_ : dict
        "loss" and "val_<eval_metric>" of each epoch.
    best_epoch_ : int
        The epoch, from 1, whose parameters are kept: the last one of the best; of several networks that of the first of
        ``best_epochs_``, as is ``history_``.
    refit_epoch_ : int
        The epoch that networks of all rows end with; 0 if there are none.
    best_score_ : float
        The metric of the validation rows then.
    centre_, scale_, low_, high_ : ndarray (targets,)
        The network is trained on ``(y - centre_) / scale_``; predictions stay from `low_` to `high_`.
    flat_ : bool
        Whether y was (n,), as predictions then are.
    residuals_, residual_ranks_ : ndarray (kept, targets)
        Absolute residuals of the validation rows, ascending, a thousand at most, and how many rows have no greater ones
        (with weights, their share of all weights, times the rows): what `predict_interval` is made of.
    feature_importances_, feature_importances_std_ : ndarray (columns,)
        By how much `eval_metric` (rmse, where that is a function) becomes worse when a column of validation rows is
        shuffled: mean and standard deviation of five repeats, each with rows of its own, a thousand at most; of fewer,
        where that is more than a few per cent of the training's work, and NaN, if less than two are left.
    baseline_score_ : float
        The metric of the validation rows for one answer, the best for all of them: their mean, median or quantiles;
        NaN, where it is a function.
    report_ : Report
        What was done to the data, what the curve says, what to try; it prints as text.
    oof_ : ndarray
        Of several networks: the predictions of each row by the one that held it out; NaN where none did.
        Not in files, pickles and copies, which are small.
    n_training_rows_, n_validation_rows_ : int
        Rows that were trained on, of several networks by the first one, and that are held out from any.
    n_epochs_planned_, n_networks_planned_ : int
        Epochs that there was time for, of which `history_` has fewer after Ctrl-C; and networks that were asked for, of
        which ``models_`` has fewer, if there was no time for all.
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
    >>> model = TabularRegressor(quantiles=[0.1, 0.5, 0.9], epochs=20, batch_size=16, random_state=0).fit(X, y)
    >>> low, median, high = model.predict_quantiles(X).T
    >>> bool((low <= median).all() and (median <= high).all())
    True
    """

    _classifier: ClassVar[bool] = False
    _taught: ClassVar[tuple[str, ...]] = ("n_outputs_", "flat_", "_family", "centre_", "scale_", "low_", "high_")
    centre_: NDArray[np.float64]
    scale_: NDArray[np.float64]
    low_: NDArray[np.float64]
    high_: NDArray[np.float64]
    flat_: bool
    residuals_: NDArray[np.float64]
    residual_ranks_: NDArray[np.float64]
    _family: Family

    @explain_arguments(TABULAR_ARGUMENTS)
    def __init__(
        self,
        *,
        loss: Any = "squared_error",
        quantiles: Any = None,
        preset: str = "default",
        n_ensemble: int | None = None,
        n_refit: int = 0,
        categorical_features: Any = "auto",
        epochs: int | None = None,
        batch_size: int | None = None,
        validation: Any = "random",
        eval_metric: Any = None,
        max_seconds: float | None = None,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: bool | int = 0,
        warm_start: bool = False,
    ) -> None:
        super().__init__(
            preset=preset,
            n_ensemble=n_ensemble,
            n_refit=n_refit,
            categorical_features=categorical_features,
            epochs=epochs,
            batch_size=batch_size,
            validation=validation,
            eval_metric=eval_metric,
            max_seconds=max_seconds,
            n_threads=n_threads,
            random_state=random_state,
            verbose=verbose,
            warm_start=warm_start,
        )
        self.loss = loss
        self.quantiles = quantiles

    @explain_arguments(TABULAR_FIT_ARGUMENTS)
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
            Rows to choose the epoch by, in place of some that are held out; each counts alike.
        groups : array_like of shape (n,), optional
            With ``validation="group"``.

        Returns
        -------
        TabularRegressor
        """
        self._fit(X, y, sample_weight, X_val, y_val, groups)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> TabularRegressor:
        """One pass through later rows, at a small and steady rate; of an estimator that is not fitted, `fit`.

        Columns, units of targets, and what the rows held out have taught stay as they are. A call depends on the order
        of the calls, not on the optimizer's state, which is not kept.

        Parameters
        ----------
        X : table (n, columns)
            With the columns of training.
        y : array_like of shape (n,) or (n, targets)
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        TabularRegressor
        """
        if "encoder_" not in vars(self):
            return self.fit(X, y, sample_weight)
        self._partial_fit(X, y, sample_weight)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predictions, of the shape of y in training.

        Parameters
        ----------
        X : table (n, columns)
        return_std : bool, default False
            With ``loss="gaussian"``: the standard deviations of new targets, too.

        Returns
        -------
        ndarray of float64, or two of them
            Means; medians with "absolute_error"; of `quantiles` the one nearest to 0.5.
        """
        found = self._outputs(X)
        if not return_std:
            return self._shaped(self._family.point(found))
        if self._family.name != "gaussian":
            raise ValueError(f"expected loss='gaussian' for return_std, got a fit with loss={self._family.name!r}")
        return self._shaped(found[:, ::2]), self._shaped(found[:, 1::2])

    def predict_quantiles(self, X: Any) -> NDArray[np.float64]:
        """The `quantiles`, in ascending order.

        Parameters
        ----------
        X : table (n, columns)

        Returns
        -------
        ndarray (n, quantiles), or (n, targets, quantiles) if y was (n, targets)
        """
        found = self._outputs(X)
        if self._family.quantiles is None:
            raise ValueError(f"expected quantiles for predict_quantiles, got a fit with loss={self._family.name!r}")
        return found if self.flat_ else found.reshape(len(found), -1, self._family.each)

    def predict_one(self, row: Mapping[str, Any] | Sequence[Any]) -> Any:
        """The prediction of a single row: values by name, or in the order of training."""
        found = self._family.point(self._outputs_of_one(row))[0]
        return float(found[0]) if self.flat_ else found

    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[np.float64]:
        """Intervals that hold a new row's target with a given probability, whatever the distribution.

        Around each prediction, as wide as the validation rows' residuals say (split-conformal prediction): half of the
        width is the residual of rank ceil((n + 1) * coverage) of n rows. It takes new rows to be as those held out
        (not, where time or groups change what is seen). The same rows have chosen the epoch, by which coverage may be
        a little lower; so may it with `n_refit`, as residuals are those of the networks before. Of several targets,
        each has the coverage by itself. With losses of targets >= 0, no end is below 0. With weights, a residual counts
        as much as its row, and a new row as one of mean weight.

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
        found = self._family.point(self._outputs(X))
        with np.errstate(over="ignore", under="ignore"):
            ends = np.stack([found - half, found + half], axis=-1)
        if self._family.power is not None:
            ends = np.maximum(ends, 0.0)
        return ends[:, 0] if self.flat_ else ends

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R², 1 - the squared errors over those of the mean; of several targets their mean.

        Parameters
        ----------
        X : table (n, columns)
        y : array_like of shape (n,) or (n, targets)
            As `fit` takes them.
        sample_weight : array_like of shape (n,), optional
        """
        found = self.predict(X)
        return float(r2_score(numbers(y, len(found))[0], found, sample_weight=sample_weight))

    def _mean(self, found: list[NDArray[Any]], learnt: Mapping[str, Any]) -> NDArray[Any]:
        family: Family = learnt["_family"]
        return family.mean(found)

    def _answers(self, found: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[Any]:
        points: NDArray[np.float64] = learnt["_family"].point(found)
        return points[:, 0] if learnt["flat_"] else points

    def _constants(self, held: Held, learnt: Mapping[str, Any]) -> list[NDArray[np.float64]]:
        family: Family = learnt["_family"]
        return family.constants(held.targets, held.relative_weights)

    def _after_fit(self, held: Held, columns: ColumnTable, learnt: Mapping[str, Any]) -> dict[str, Any]:
        family: Family = learnt["_family"]
        residuals, ranks = residuals_of(replace(held, found=family.point(held.found)))
        return {"residuals_": residuals, "residual_ranks_": ranks} | super()._after_fit(held, columns, learnt)

    def _shaped(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        return found[:, 0] if self.flat_ else found

    def _learn_targets(self, y: Any, n: int) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any] | None]:
        family = family_of(self.loss, self.quantiles)
        targets, flat = numbers(y, n)
        family.check(targets)
        return {"n_outputs_": targets.shape[1], "flat_": flat, "_family": family}, targets, None

    def _more_targets(self, y: Any, n: int, learnt: Mapping[str, Any], what: str = "y_val") -> NDArray[Any]:
        targets, _ = numbers(y, n, what)
        if targets.shape[1] != learnt["n_outputs_"]:
            raise ValueError(f"expected {learnt['n_outputs_']} targets in {what}, got {targets.shape[1]}")
        learnt["_family"].check(targets, what)
        return targets

    def _check_goes_on(self) -> None:
        super()._check_goes_on()
        before, now = self._family, family_of(self.loss, self.quantiles)
        if now.loss != before.loss:
            raise changed("loss", before.loss, now.loss)

    def _rescale(self, learnt: dict[str, Any], targets: NDArray[Any], later: bool = False) -> NDArray[Any]:
        family: Family = learnt["_family"]
        learnt |= family.widen(targets, learnt) if later else family.learn(targets)
        return family.native(targets, learnt)

    def _goal(self, learnt: Mapping[str, Any]) -> Goal:
        family: Family = learnt["_family"]
        outputs, ascending = learnt["n_outputs_"] * family.each, family.each if family.quantiles else 1
        return Goal(family.loss, outputs, family.activation, classifier=False, ascending=ascending)

    def _scorer(self, metric: Any, learnt: Mapping[str, Any]) -> tuple[str, Scorer, bool]:
        return of_numbers(metric, learnt["_family"])

    def _finish(self, outputs: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[Any]:
        family: Family = learnt["_family"]
        return family.finish(outputs, learnt)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
