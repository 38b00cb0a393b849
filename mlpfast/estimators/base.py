"""What the classifier and the regressor share: parameters, the network behind them, and the frame of `fit`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..callbacks.protocol import check_callbacks
from ..layers import Dense
from ..losses import Loss
from ..model import Model
from ..trainer import Trainer
from ..training.faults import parameters_error
from ..validation import as_features, check_finite, scale_weights
from .cells import explained
from .constraints import CONSTRAINTS
from .holdout import hold_out
from .inputs import features, features_and_targets, sample_weights
from .lbfgs import fit_lbfgs
from .network import HiddenLayer, all_layers, dense_tensors, draw_parameters, hidden_layers, with_layers
from .reporting import Reporter
from .rows import Rows
from .scales import warn_of_scale
from .settings import lbfgs_settings, optimizer_of, stochastic_settings
from .state import STOCHASTIC_ATTRIBUTES, FitState, StochasticState
from .stochastic import fit_stochastic
from .views import ParameterViews

STOCHASTIC_SOLVERS = ("sgd", "adam")


class BaseMLP(BaseEstimator):
    """Base of `MLPClassifier` and `MLPRegressor`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    #: Whether y is numbers, rather than labels.
    _numeric_targets: ClassVar[bool]
    #: What callbacks find `validation_scores_` under.
    _score_name: ClassVar[str]

    # Set by fit.
    model_: Model
    n_outputs_: int
    n_layers_: int
    out_activation_: str

    # Set by training, from a `FitState`; the last eight by "sgd" and "adam" alone.
    n_iter_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    stopped_early_: bool
    _no_improvement_count: int
    _best_parameters: NDArray[Any] | None
    _trainer: Trainer | None

    # --- what the subclasses tell ---

    def _make_loss(self) -> Loss:
        """The loss, with its parameters."""
        raise NotImplementedError

    def _reported_loss(self, data_loss: float, penalty: float) -> float:
        """What `loss_` shows, given the loss as a sum over outputs and the penalty."""
        return data_loss + penalty

    def _learn_targets(self, y: Any, incremental: bool, classes: Any) -> Any:
        """Learn what the targets are (`classes_`, `n_outputs_`, `out_activation_`), or check that they still are it.

        Returns y, a single column made 1-D.
        """
        raise NotImplementedError

    def _validation_targets(self, y: Any) -> Any:
        """Check `y_val`. Returns it, a single column made 1-D."""
        raise NotImplementedError

    def _encode_targets(self, y: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Targets for the native loops: (n,) int32 class indices, or (n, outputs) of `dtype`."""
        raise NotImplementedError

    def _target_weights(self, y: Any, incremental: bool) -> list[NDArray[np.float64]]:
        """Weights (n,) that rows get by their targets: factors beside the sample weights."""
        return []

    def _score_outputs(self, outputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None) -> float:
        """What `validation_scores_` hold, given outputs (n, n_outputs_) and targets as `_encode_targets` has them."""
        raise NotImplementedError

    def _stratify(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        """What the validation split is stratified by."""
        return None

    def _strata(self) -> str:
        """What its values mean, for errors."""
        return ""

    # --- the network ---

    @property
    def coefs_(self) -> list[NDArray[Any]]:
        """Weight matrices (fan_in, fan_out), one for each layer: views into ``model_.parameters``."""
        return ParameterViews(weights for weights, _ in dense_tensors(self._fitted_model()))

    @coefs_.setter
    def coefs_(self, arrays: Iterable[Any]) -> None:
        self.coefs_[:] = arrays

    @property
    def intercepts_(self) -> list[NDArray[Any]]:
        """Bias vectors (fan_out,), one for each layer: views into ``model_.parameters``.

        Read-only zeros for a layer without biases.
        """
        return ParameterViews(biases for _, biases in dense_tensors(self._fitted_model()))

    @intercepts_.setter
    def intercepts_(self, arrays: Iterable[Any]) -> None:
        self.intercepts_[:] = arrays

    @property
    def _optimizer(self) -> Trainer:
        """Under the name that scikit-learn's users know: ``_optimizer.learning_rate`` is the current rate."""
        trainer: Trainer | None = vars(self).get("_trainer")
        if trainer is None:
            raise AttributeError(f"this {type(self).__name__} has no optimizer; fit it with solver 'sgd' or 'adam'")
        return trainer

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"normalization": None, "residual": False} | state)  # an older version has not these

    def _fitted_model(self) -> Model:
        if "model_" not in vars(self):  # an AttributeError, so that hasattr(estimator, "coefs_") is False
            raise AttributeError(f"this {type(self).__name__} has no weights yet; call fit or partial_fit first")
        return self.model_

    # --- fit ---

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
        incremental: bool = False,
        classes: Any = None,
    ) -> None:
        with self._left_alone_if_rejected():
            first_pass = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
            hidden = hidden_layers(self.hidden_layer_sizes, self.activation, self.dropout, self.normalization)
            check_callbacks(self.callbacks or ())
            if self.solver == "lbfgs" and (self.weight_decay or any(layer.dropout for layer in hidden)):
                raise ValueError("dropout and weight_decay need solver 'sgd' or 'adam'; 'lbfgs' takes alpha alone")
            if self.solver == "lbfgs" and self.normalization == "batch":
                raise ValueError(
                    "normalization='batch' needs solver 'sgd' or 'adam', whose steps move its running statistics on; "
                    "'lbfgs' takes normalization='layer'"
                )
            if (X_val is None) != (y_val is None):
                raise ValueError("expected X_val and y_val together, got only one of them")
            if incremental and self.early_stopping and X_val is None:
                raise ValueError("partial_fit does not support early_stopping=True without X_val and y_val")

            X, y = features_and_targets(self, X, y, self.dtype, numeric=self._numeric_targets, reset=first_pass)
            sample_weight = sample_weights(sample_weight, X, "sample_weight")
            with explained(y=(y, self._target_dtype)):
                y = self._learn_targets(y, incremental, classes)
            random_state = check_random_state(self.random_state)
            self._prepare_model(hidden, X, random_state, first_pass)
            if self.solver in STOCHASTIC_SOLVERS:
                dtype = self.model_.dtype
                optimizer_of(self).check_precision(dtype.name, float(np.finfo(dtype).tiny))
            if (error := parameters_error(self.model_)) is not None:
                raise error
            state = self._prepare_state(first_pass)

            if X.dtype != self.model_.dtype:  # in a warm start, X may have a wider one
                as_features(X, self.model_.inputs, self.model_.dtype)
            weights, exponent = self._row_weights(y, sample_weight, incremental)
            train = Rows(X, self._native_targets(y, "y"), weights, exponent)
            train.penalty(self.alpha, np.dtype(np.float64) if self.solver == "lbfgs" else self.model_.dtype)
            validation = None if X_val is None else self._validation_rows(X_val, y_val, sample_weight_val)
            kept = None
            if self.early_stopping and validation is None and self.solver in STOCHASTIC_SOLVERS:
                # After the weights: the order in which scikit-learn draws.
                kept, validation = hold_out(
                    train,
                    sample_weight,
                    random_state,
                    self.validation_fraction,
                    stratify=self._stratify(train.y),
                    strata=self._strata(),
                )
            self._check_batches(len(train) if kept is None else len(kept))
        if first_pass:
            scaled = self._numeric_targets and self.out_activation_ == "identity"
            steps = self.solver in STOCHASTIC_SOLVERS
            warn_of_scale(type(self).__name__, X, y if scaled else None, train.weights, steps=steps)
        loss, reported_loss = self._make_loss(), self._reported_loss
        try:
            if isinstance(state, StochasticState):
                settings = stochastic_settings(
                    self, loss=loss, reported_loss=reported_loss, score=self._score_outputs, incremental=incremental
                )
                reporter = self._reporter(state, settings.epochs)
                fit_stochastic(settings, self.model_, train, kept, validation, random_state, state, reporter)
            else:
                if validation is not None:
                    warnings.warn("X_val and y_val are not used by solver='lbfgs'", stacklevel=4)
                of_lbfgs = lbfgs_settings(self, loss=loss, reported_loss=reported_loss)
                fit_lbfgs(of_lbfgs, self.model_, train, state, self._reporter(state, self.max_iter))
        finally:
            self._show_state(state)

    def _prepare_model(self, hidden: list[HiddenLayer], X: Any, random_state: Any, first_pass: bool) -> None:
        """A new network, or the old one with what `set_params` may have changed in it."""
        output = Dense(self.n_outputs_, self.out_activation_)
        layers = all_layers(hidden, output, X.shape[1], self.residual)
        if first_pass:
            self.model_ = Model(X.shape[1], layers, dtype=X.dtype)
            draw_parameters(self.model_, hidden, random_state)
            self.n_layers_ = len(hidden) + 2
        elif layers != self.model_.layers:
            self.model_ = with_layers(self.model_, layers)
            self._trainer = None

    def _check_batches(self, rows: int) -> None:
        """Where statistics are taken over a batch, one of a single row has none."""
        if any(layer.over_batch for layer in self.model_.program.layers) and 1 in (rows, self.batch_size):
            got = "one sample to train on" if rows == 1 else "batch_size=1"
            raise ValueError(f"expected batches of at least 2 samples for normalization='batch', got {got}")

    def _prepare_state(self, first_pass: bool) -> FitState:
        """A new state, or that which the calls before have left."""
        if first_pass:
            for name in STOCHASTIC_ATTRIBUTES:  # of which "lbfgs" has nothing
                self.__dict__.pop(name, None)
        left = {} if first_pass else vars(self)
        state = StochasticState.of(left) if self.solver in STOCHASTIC_SOLVERS else FitState.of(left)
        if isinstance(state, StochasticState) and "loss_curve_" not in left:
            state.best_loss = None if self.early_stopping else np.inf
        self._show_state(state)
        return state

    def _show_state(self, state: FitState) -> None:
        """Fill the fitted attributes that training changes; no other place does."""
        self.__dict__.update(state.attributes())

    def _reporter(self, state: FitState, epochs: int) -> Reporter:
        score = f"val_{self._score_name}"
        hint = f"give fit() X_val and y_val, or set early_stopping=True, and monitor {score!r}"
        return Reporter(
            self.callbacks,
            self.verbose,
            epochs=epochs,
            score_name=score,
            validation_hint="solver='lbfgs' has no validation; monitor 'loss'" if self.solver == "lbfgs" else hint,
            show_state=lambda: self._show_state(state),
        )

    def _row_weights(
        self, y: Any, sample_weight: NDArray[np.float64] | None, incremental: bool
    ) -> tuple[NDArray[np.float64] | None, int]:
        """The weight of each row in training, and the exponent of the power of two in it."""
        weights, exponent = scale_weights(*self._target_weights(y, incremental), sample_weight)
        if weights is not None and not weights.any():
            raise ValueError(
                "expected a positive sum of the rows' weights, class_weight times sample_weight, got zeros only"
            )
        return weights, exponent

    @contextmanager
    def _left_alone_if_rejected(self) -> Iterator[None]:
        """Leave the estimator as it was where an argument turns out to be wrong."""
        before = vars(self).copy()
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise

    @property
    def _target_dtype(self) -> type[np.float64] | None:
        """What numeric targets have to fit at first; None for labels."""
        return np.float64 if self._numeric_targets else None

    def _native_targets(self, y: Any, name: str) -> NDArray[Any]:
        """Targets for the native loops; a ValueError that says where, if the network's dtype cannot hold a number."""
        if self._numeric_targets:
            try:
                check_finite(y, self.model_.dtype, name)
            except ValueError as error:
                raise ValueError(f"{error}; scale the targets, or use dtype='float64'") from None
        return self._encode_targets(y, self.model_.dtype)

    def _validation_rows(self, X: Any, y: Any, sample_weight: Any) -> Rows:
        X = features(self, X, "X_val")
        if X.dtype != self.model_.dtype:
            as_features(X, self.model_.inputs, self.model_.dtype, name="X_val")
        with explained(y_val=(y, self._target_dtype)):
            y = self._validation_targets(y)
        check_consistent_length(X, y)
        if self._numeric_targets and len(y) < 2:
            raise ValueError(f"expected at least 2 rows in X_val, for their R^2, got {len(y)}")
        weights, _ = scale_weights(sample_weights(sample_weight, X, "sample_weight_val"))
        return Rows(X, self._native_targets(y, "y_val"), weights)

    # --- predict ---

    def _outputs(self, X: Any) -> NDArray[Any]:
        """The network's outputs (n, n_outputs_) for X (n, n_features_in_), in the network's dtype."""
        check_is_fitted(self)
        return self.model_.predict(features(self, X), n_threads=self.n_threads)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def has_partial_fit(mlp: BaseMLP) -> bool:
    """Whether the solver goes by epochs; an AttributeError otherwise, so that hasattr tells."""
    if mlp.solver not in STOCHASTIC_SOLVERS:
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers, solver 'sgd' or 'adam'. "
            f"{mlp.solver} is not stochastic."
        )
    return True
