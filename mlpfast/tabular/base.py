"""What the tabular classifier and regressor share: the frame of `fit`, rows to outputs, and files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..model import Model
from .encoder import TableEncoder
from .finishing import one_at_a_time
from .fitting import fitted
from .goals import Goal
from .held import Held
from .importances import baseline_score, permutation_importances
from .later import check_goes_on, gone_on, settled
from .plans import ColumnTable
from .report import Report, report_of
from .saving import AFTER, read_estimator, write_estimator
from .scoring import Scorer

__all__ = ["BaseTabular"]


class BaseTabular(BaseEstimator):
    """Base of `TabularClassifier` and `TabularRegressor`."""

    _classifier: ClassVar[bool]
    #: What targets have taught, and later ones do not change.
    _taught: ClassVar[tuple[str, ...]]

    _settled: dict[str, Any]
    encoder_: TableEncoder
    models_: list[Model]
    _oof: NDArray[np.float64] | None
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    history_: dict[str, list[float]]
    best_epochs_: list[int]
    best_score_: float
    n_outputs_: int
    feature_importances_: NDArray[np.float64]
    feature_importances_std_: NDArray[np.float64]
    baseline_score_: float
    n_training_rows_: int
    n_validation_rows_: int
    n_epochs_planned_: int
    n_networks_planned_: int
    refit_epoch_: int

    def __init__(
        self,
        *,
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
        self.preset = preset
        self.n_ensemble = n_ensemble
        self.n_refit = n_refit
        self.categorical_features = categorical_features
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.eval_metric = eval_metric
        self.max_seconds = max_seconds
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start

    @property
    def columns_(self) -> ColumnTable:
        """What becomes of each column; it prints as a table."""
        self._check_has("columns_")
        return self.encoder_.columns_

    @property
    def model_(self) -> Model:
        """The network; of several the first."""
        self._check_has("model_")
        return self.models_[0]

    @property
    def best_epoch_(self) -> int:
        """The epoch, from 1, whose parameters are kept; of several networks that of the first."""
        self._check_has("best_epoch_")
        return int(self.best_epochs_[0])

    @property
    def report_(self) -> Report:
        """What was done to the data, what the curve says, what to try; it prints as text."""
        self._check_has("report_")
        return report_of(self)

    @property
    def oof_(self) -> NDArray[np.float64]:
        """Of several networks: what the one that held a row out says of it. Files, pickles and copies have none."""
        self._check_has("oof_")
        oof = vars(self).get("_oof")
        if oof is None:
            if "_oof" not in vars(self):
                why = "files, pickles and copies do not hold what each row of the table has a part of"
            elif self.n_networks_planned_ == 1:
                why = "one network does not hold out every row; take several, by n_ensemble or preset='best'"
            else:
                why = "X_val was held out, and no row of X"
            raise AttributeError(f"this {type(self).__name__} has no oof_: {why}")
        found: NDArray[np.float64] = oof
        return found

    def _check_has(self, name: str) -> None:
        """An AttributeError, so that hasattr is False, for a property of what is not fitted."""
        if "encoder_" not in vars(self):
            raise AttributeError(f"this {type(self).__name__} has no {name} yet; call fit first")

    # --- what the subclasses tell ---

    def _learn_targets(self, y: Any, n: int) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any] | None]:
        """Attributes that y teaches, targets for the network, and weights of the rows by their classes."""
        raise NotImplementedError

    def _more_targets(self, y: Any, n: int, learnt: Mapping[str, Any], what: str = "y_val") -> NDArray[Any]:
        """Targets for validation, or later ones, as those that were learnt from."""
        raise NotImplementedError

    def _later_targets(self, y: Any, n: int) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any] | None]:
        """As `_learn_targets`, of later rows, which teach nothing of that."""
        learnt = {name: vars(self)[name] for name in self._taught}
        return learnt, self._more_targets(y, n, learnt, "y"), None

    def _check_goes_on(self) -> None:
        """A ValueError for parameters that have changed, and that later rows cannot follow."""
        check_goes_on(self)

    def _rescale(self, learnt: dict[str, Any], targets: NDArray[Any], later: bool = False) -> NDArray[Any]:
        """What the network is trained on, of the training rows' targets, which may teach more attributes."""
        return targets

    def _goal(self, learnt: Mapping[str, Any]) -> Goal:
        """What the network is trained for."""
        raise NotImplementedError

    def _scorer(self, metric: Any, learnt: Mapping[str, Any]) -> tuple[str, Scorer, bool]:
        """The name of a metric, its function, and whether more is better."""
        raise NotImplementedError

    def _check_held(self, name: str, targets: NDArray[Any], learnt: Mapping[str, Any]) -> None:
        """An error for rows held out, of one network, that the metric of this name is not defined for."""

    def _warn_of_untaught(self, targets: NDArray[Any], learnt: Mapping[str, Any]) -> None:
        """For classes that no row is of that is trained on, of which these are the targets."""

    def _finish(self, outputs: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[Any]:
        """Predictions as `eval_metric` takes them, of the network's outputs."""
        return outputs

    def _mean(self, found: list[NDArray[Any]], learnt: Mapping[str, Any]) -> NDArray[Any]:
        """One of the finished predictions of several networks."""
        mean: NDArray[Any] = np.mean(found, axis=0)
        return mean

    def _answers(self, found: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[Any]:
        """Finished predictions of rows held out, as users are given them."""
        return found

    def _constants(self, held: Held, learnt: Mapping[str, Any]) -> list[NDArray[np.float64]]:
        """Answers for all validation rows alike, as `_finish` has them, of which one is the best."""
        raise NotImplementedError

    def _after_fit(self, held: Held, columns: ColumnTable, learnt: Mapping[str, Any]) -> dict[str, Any]:
        """Attributes that a network, when it is trained, teaches by what it says of the validation rows."""
        if callable(self.eval_metric):  # which may want all of these rows, and take long
            name, score, more = self._scorer(None, learnt)
            held = replace(held, metric=name, score=score, more_is_better=more)
        means, deviations = permutation_importances(held, columns)
        return {
            "feature_importances_": means,
            "feature_importances_std_": deviations,
            "baseline_score_": np.nan
            if callable(self.eval_metric)
            else baseline_score(held, self._constants(held, learnt)),
        }

    # --- fit ---

    def _fit(self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, groups: Any) -> None:
        users = np.geterr()
        with one_at_a_time(), np.errstate(all="ignore"):  # small values may round to zero, whatever the user has set
            learnt = fitted(self, X, y, sample_weight, X_val, y_val, groups, users)
        for old in ("feature_names_in_", "classes_", *AFTER):
            self.__dict__.pop(old, None)
        self._set(**learnt)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        with np.errstate(all="ignore"):
            learnt = gone_on(self, X, y, sample_weight)
        self.__dict__.update(learnt)

    def _set(
        self,
        encoder: TableEncoder,
        models: list[Model],
        learnt: Mapping[str, Any],
        history: dict[str, list[float]],
        best_epochs: list[int],
        best_score: float,
    ) -> None:
        self.encoder_, self.models_, self.history_ = encoder, models, history
        self.best_epochs_, self.best_score_ = best_epochs, best_score
        self.n_features_in_ = encoder.n_features_in_
        self._settled = settled(self)
        if hasattr(encoder, "feature_names_in_"):
            self.feature_names_in_ = encoder.feature_names_in_
        self.__dict__.update(learnt)

    # --- predict ---

    def _outputs(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        with np.errstate(all="ignore"):
            return self._predicted(self.encoder_._rows_of(X, type(self).__name__, self.n_threads))

    def _outputs_of_one(self, row: Mapping[str, Any] | Sequence[Any]) -> NDArray[Any]:
        check_is_fitted(self)
        with np.errstate(all="ignore"):
            return self._predicted(self.encoder_.transform_one(row))

    def _predicted(self, Z: NDArray[np.float32]) -> NDArray[Any]:
        learnt = vars(self)
        found = [self._finish(model.predict(Z, n_threads=self.n_threads), learnt) for model in self.models_]
        return found[0] if len(found) == 1 else self._mean(found, learnt)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one file, without pickle: parameters, columns, networks, what targets are.

        All that it has learnt but `oof_`, of which each row of the table has a part; see `load`.

        Parameters
        ----------
        path : str or path-like
        """
        check_is_fitted(self)
        write_estimator(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Any:
        """Read an estimator that `save` wrote: as it was, without `oof_`.

        Parameters that are functions or random generators, and `n_threads`, are not in files; they are the defaults.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        ModelFileError
            If the file is damaged, or another one.
        """
        return read_estimator((cls,), path)

    def __getstate__(self) -> dict[str, Any]:
        """For pickles and copies: no row of the table has a part in it."""
        return {name: value for name, value in super().__getstate__().items() if name != "_oof"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags
