"""What the tabular classifier and regressor share: the frame of `fit`, rows to outputs, and files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ..errors import integer, real
from ..model import Model
from .best import BestEpoch
from .encoder import TableEncoder
from .goals import Goal
from .held import Held
from .importances import baseline_score, permutation_importances
from .plans import ColumnTable
from .reading import read_table
from .recipe import make_trainer, network
from .report import Report, report_of
from .saving import AFTER, read_estimator, write_estimator
from .scoring import Scorer
from .splitting import split

__all__ = ["BaseTabular"]

_MOST_TO_ADAPT = 50_000  # rows from which initial values are drawn
_AFTER = 0.05  # of max_seconds, for what comes after training


class BaseTabular(BaseEstimator):
    """Base of `TabularClassifier` and `TabularRegressor`."""

    _classifier: ClassVar[bool]

    encoder_: TableEncoder
    model_: Model
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    history_: dict[str, list[float]]
    best_epoch_: int
    best_score_: float
    n_outputs_: int
    feature_importances_: NDArray[np.float64]
    feature_importances_std_: NDArray[np.float64]
    baseline_score_: float
    n_training_rows_: int
    n_validation_rows_: int
    n_epochs_planned_: int

    def __init__(
        self,
        *,
        preset: str = "default",
        categorical_features: Any = "auto",
        epochs: int = 256,
        batch_size: int = 256,
        validation: Any = "random",
        eval_metric: Any = None,
        max_seconds: float | None = None,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: bool | int = 0,
    ) -> None:
        self.preset = preset
        self.categorical_features = categorical_features
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.eval_metric = eval_metric
        self.max_seconds = max_seconds
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    @property
    def columns_(self) -> ColumnTable:
        """What becomes of each column; it prints as a table."""
        if "encoder_" not in vars(self):  # so that hasattr is False
            raise AttributeError(f"this {type(self).__name__} has no columns_ yet; call fit first")
        return self.encoder_.columns_

    @property
    def report_(self) -> Report:
        """What was done to the data, what the curve says, what to try; it prints as text."""
        if "encoder_" not in vars(self):
            raise AttributeError(f"this {type(self).__name__} has no report_ yet; call fit first")
        return report_of(self)

    # --- what the subclasses tell ---

    def _learn_targets(self, y: Any, n: int) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any] | None]:
        """Attributes that y teaches, targets for the network, and weights of the rows by their classes."""
        raise NotImplementedError

    def _more_targets(self, y: Any, n: int, learnt: Mapping[str, Any]) -> NDArray[Any]:
        """Targets for validation, as those that were learnt from."""
        raise NotImplementedError

    def _rescale(self, learnt: dict[str, Any], targets: NDArray[Any]) -> NDArray[Any]:
        """What the network is trained on, of the training rows' targets, which may teach more attributes."""
        return targets

    def _goal(self, learnt: Mapping[str, Any]) -> Goal:
        """What the network is trained for."""
        raise NotImplementedError

    def _scorer(self, metric: Any, learnt: Mapping[str, Any]) -> tuple[str, Scorer, bool]:
        """The name of a metric, its function, and whether more is better."""
        raise NotImplementedError

    def _finish(self, outputs: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[Any]:
        """Predictions as `eval_metric` takes them, of the network's outputs."""
        return outputs

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
            "n_training_rows_": held.trained,
            "n_validation_rows_": len(held.found),
            "n_epochs_planned_": held.planned,
        }

    # --- fit ---

    def _fit(self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any, groups: Any) -> None:
        if self.preset != "default":
            raise ValueError(f"expected preset to be 'default', got {self.preset!r}")
        epochs, batch = integer("epochs", self.epochs), integer("batch_size", self.batch_size)
        limit = None if self.max_seconds is None else real("max_seconds", self.max_seconds, above=0.0)
        if (X_val is None) != (y_val is None):
            raise ValueError("expected X_val and y_val together, got only one of them")
        owner = type(self).__name__
        if y is None:  # in scikit-learn's words
            raise ValueError(f"This {owner} estimator requires y to be passed, but the target y is None.")
        table = read_table(X, owner=owner)
        learnt, targets, weights = self._learn_targets(y, table.rows)
        if sample_weight is not None:
            given = _check_sample_weight(sample_weight, targets, dtype=np.float64, ensure_non_negative=True)
            weights = given if weights is None else weights * given
            if not weights.any():
                raise ValueError("expected a positive sum of the rows' weights, got zeros only")
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        encoder = TableEncoder(self.categorical_features)
        if X_val is None:
            labels = targets if self._classifier else None
            train, held = split(self.validation, table.rows, labels, groups, rng)
            if weights is not None:
                # Rows of weight zero are as if they weren't there
                train, held = (rows[weights[rows] > 0] if weights[rows].any() else rows for rows in (train, held))
            encoder._learn(table.taken(train))
            Z = encoder._encode(table)
            Z_val, held_targets, Z, targets = Z[held], targets[held], Z[train], targets[train]
            held_weights = None if weights is None else weights[held]
            weights = None if weights is None else weights[train]
            if weights is not None and not weights.any():
                raise ValueError("expected a positive sum of the training rows' weights, got zeros only")
        else:
            encoder._learn(table)
            Z, Z_val = encoder._encode(table), encoder.transform(X_val)
            held_targets, held_weights = self._more_targets(y_val, len(Z_val), learnt), None
        if Z.shape[1] == 0:
            raise ValueError("expected a column of X with values, got none: all of them are missing")
        name, function, more = self._scorer(self.eval_metric, learnt)
        if weights is not None:
            weights = weights / weights.mean()
        native = self._rescale(learnt, targets)
        goal = self._goal(learnt)
        model = network(encoder.columns_, goal, seed)
        model.adapt(np.ascontiguousarray(Z[:: -(-len(Z) // _MOST_TO_ADAPT)]))

        if held_weights is not None and not held_weights.any():
            held_weights = None

        def predicted(rows: NDArray[Any]) -> NDArray[Any]:
            return self._finish(model.predict(rows, n_threads=self.n_threads), learnt)

        def score() -> float:
            return function(held_targets, predicted(Z_val), held_weights)

        best = BestEpoch(score, more)
        trainer = make_trainer(model, goal, min(batch, len(Z)), seed, self.n_threads, [best])
        try:
            trainer.fit(Z, native, epochs, sample_weight=weights, verbose=self.verbose, max_seconds=limit)
        except KeyboardInterrupt:
            warnings.warn(f"interrupted after {len(best.scores)} epochs; the best of them is kept", stacklevel=3)
        best.restore(model)
        found = predicted(Z_val)
        best_score = function(held_targets, found, held_weights)
        held_out = Held(
            Z=Z_val,
            targets=held_targets,
            weights=held_weights,
            found=found,
            predict=predicted,
            metric=name,
            score=function,
            more_is_better=more,
            trained=len(Z),
            epochs=len(best.scores),
            planned=epochs,
            seed=seed,
            seconds=None if limit is None else limit * _AFTER,
        )
        learnt |= self._after_fit(held_out, encoder.columns_, learnt)
        for old in ("feature_names_in_", "classes_", *AFTER):
            self.__dict__.pop(old, None)
        history = {"loss": best.losses, f"val_{name}": best.scores}
        self._set(encoder, model, learnt, history, best.best_epoch, best_score)

    def _set(
        self,
        encoder: TableEncoder,
        model: Model,
        learnt: Mapping[str, Any],
        history: dict[str, list[float]],
        best_epoch: int,
        best_score: float,
    ) -> None:
        self.encoder_, self.model_, self.history_ = encoder, model, history
        self.best_epoch_, self.best_score_ = best_epoch, best_score
        self.n_features_in_ = encoder.n_features_in_
        if hasattr(encoder, "feature_names_in_"):
            self.feature_names_in_ = encoder.feature_names_in_
        self.__dict__.update(learnt)

    # --- predict ---

    def _outputs(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        table = read_table(X, owner=type(self).__name__)
        encoded = self.encoder_._encode(self.encoder_._arranged(table, type(self).__name__))
        return self._finish(self.model_.predict(encoded, n_threads=self.n_threads), vars(self))

    def _outputs_of_one(self, row: Mapping[str, Any] | Sequence[Any]) -> NDArray[Any]:
        check_is_fitted(self)
        return self._finish(self.model_.predict(self.encoder_.transform_one(row)), vars(self))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one file, without pickle: columns, network, and what targets are.

        Parameters
        ----------
        path : str or path-like
        """
        check_is_fitted(self)
        write_estimator(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Any:
        """Read an estimator that `save` wrote; its parameters are the defaults.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        ModelFileError
            If the file is damaged, or another one.
        """
        return read_estimator((cls,), path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags
