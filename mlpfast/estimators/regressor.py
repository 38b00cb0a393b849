"""The regressor."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from ..activations import Activation
from ..losses import Huber, Loss, MeanAbsoluteError, MeanSquaredError, Poisson, Quantile
from .base import BaseMLP, has_partial_fit
from .scores import r2


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multilayer perceptron regressor, for one target or several.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson"}, default "squared_error"
        "squared_error" is half of it; "poisson" is half the deviance, for y >= 0, and predicts through an exponential.
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer; ``()`` makes a linear model.
    activation : str, Activation or sequence of them, default "relu"
        Of the hidden layers, or one for each: "identity", "logistic" (or "sigmoid"), "tanh", "relu", "leaky_relu",
        "elu", "selu", "softplus", "gelu", "gelu_tanh", "silu", "mish", "exponential", "softmax" (see
        `mlpfast.activations`).
    solver : {"adam", "sgd", "lbfgs"}, default "adam"
        "adam" and "sgd" go by mini-batches, "lbfgs" by all rows at once. "lbfgs" is SciPy's, whose dot products are
        summed by a BLAS: see `random_state`.
    alpha : float >= 0, default 0.0001
        L2 penalty: ``alpha / 2 * sum(W**2)``, divided by the number of rows of the batch (by the sum of their weights,
        if there are sample weights). Weights are penalised, biases are not.
    batch_size : int or "auto", default "auto"
        Rows of a mini-batch; "auto" is the smaller of 200 and all rows.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        For "sgd". "invscaling" divides `learning_rate_init` by ``(t_ + 1)**power_t`` after each epoch; "adaptive"
        divides the rate by 5 whenever training would otherwise stop for lack of improvement, until it is below 1e-6.
    learning_rate_init : float > 0, default 0.001
        First learning rate of "sgd" and "adam".
    power_t : float >= 0, default 0.5
        Exponent of "invscaling".
    max_iter : int, default 200
        Most epochs of "sgd" and "adam", or iterations of "lbfgs".
    shuffle : bool, default True
        Take the rows in a new random order in each epoch.
    random_state : int, RandomState instance or None, default None
        Source of the initial weights, the validation rows and the order of rows, drawn as scikit-learn draws them: the
        same `random_state` trains the same network here and there, up to rounding. With "adam" and "sgd", an integer
        gives the same bits on every machine and for every number of threads; with "lbfgs", for every number of
        threads, but another processor or BLAS library may give another network of about the same loss.
    tol : float >= 0, default 1e-4
        Smallest change of the loss, or of the validation score, that counts as an improvement; for "lbfgs" the largest
        component of the gradient at which it stops.
    verbose : bool or int, default False
        True, or a number above 1, prints a line for each iteration; the number 1 shows a progress bar.
    warm_start : bool, default False
        Let `fit` go on from the weights of the previous call.
    momentum : float in [0, 1], default 0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default True
        Nesterov's momentum for "sgd".
    early_stopping : bool, default False
        Hold `validation_fraction` of the rows out (or use ``X_val``, where `fit` is given one), stop when their score
        has not improved for more than `n_iter_no_change` epochs, and go back to the weights with the best score. For
        "sgd" and "adam".
    validation_fraction : float in [0, 1), default 0.1
        The share held out.
    beta_1, beta_2 : float in [0, 1), default 0.9 and 0.999
        Decay rates of Adam's running means.
    epsilon : float > 0, default 1e-8
        Adam's epsilon, added to the uncorrected root (epsilon-hat of the paper).
    n_iter_no_change : int or inf, default 10
        How many epochs without an improvement are borne.
    max_fun : int, default 15000
        Most evaluations of the loss by "lbfgs".
    quantile : float in (0, 1), default 0.5
        The quantile that ``loss="quantile"`` predicts.
    huber_delta : float > 0, default 1.0
        The error at which ``loss="huber"`` goes over from quadratic to linear.
    dropout : float in [0, 1) or sequence of float, default 0.0
        Probability with which each output of the hidden layers (or of each) is zeroed in training.
    normalization : {"layer", "batch"} or None, default None
        Normalise between the product and the activation of each hidden layer: "layer" each row (`mlpfast.LayerNorm`),
        "batch" each column over a batch, whatever the weights of its rows, and in predictions by running averages
        (`mlpfast.BatchNorm`). "batch" is for "sgd" and "adam" with batches of at least two rows (a last one of a single
        row goes with the one before it), and takes the place of the biases.
    residual : bool, default False
        Put an identity beside each hidden layer that is as wide as its input: ``h = x + layer(x)``. There has to be
        one.
    weight_decay : float >= 0, default 0.0
        Decoupled weight decay: in each step, weights are multiplied by ``1 - learning rate * weight_decay``. With
        "adam" this is AdamW (set ``alpha=0`` for it alone).
    dtype : "auto" or the NumPy dtype float32 or float64 (or its name), default "auto"
        Of the network and its predictions. "auto" is float32 for float32 X, float64 for any other.
    n_threads : int, optional
        At most so many threads; by default as many as the process may use and as pay. The results do not depend on it.
    callbacks : sequence of Callback, optional
        Called at the start and end of training and of each epoch (each iteration of "lbfgs"); see `mlpfast.callbacks`.
        The logs have "loss" and, with validation, "val_r2". ``trainer.model`` is `model_`: training goes on from
        what a callback writes into its parameters. "lbfgs" then forgets the curvature that it has learnt, and begins
        anew with the iterations that are left.
    max_seconds : float > 0, optional
        Stop training after so much time, with a ConvergenceWarning.

    Attributes
    ----------
    model_ : mlpfast.Model
        The network itself.
    coefs_ : list of ndarray (fan_in, fan_out)
        Weights of each layer: views into ``model_.parameters``. Changing or assigning them, or one of them, changes the
        model.
    intercepts_ : list of ndarray (fan_out,)
        Biases of each layer, likewise. With ``normalization="batch"``, hidden layers have none: theirs are read-only
        zeros.
    n_iter_ : int
        Epochs or iterations of the last call.
    loss_ : float
        The last loss: of the last epoch's batches as they were trained on, or what "lbfgs" reached.
    loss_curve_ : list of float
        The loss of each epoch. "sgd" and "adam" only, as the next four.
    best_loss_ : float or None
        The smallest of them; None with early stopping.
    validation_scores_ : list of float or None
        R^2 on the validation rows after each epoch; None without early stopping and ``X_val``.
    best_validation_score_ : float or None
        The largest of them.
    stopped_early_ : bool
        Whether early stopping has ended the training.
    t_ : int
        Rows trained on so far, repetitions included.
    n_layers_ : int
        Layers, the input among them.
    n_outputs_ : int
        Units of the last layer.
    out_activation_ : str
        Activation of the last layer: "identity", or "exp" for the poisson loss.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Their names, where X had names that are all strings.

    Notes
    -----
    A drop-in replacement for ``sklearn.neural_network.MLPRegressor``; ``docs/migration.md`` lists what is the same,
    what is more and what differs. Adam is that of Kingma and Ba (2015), the initial weights are those of Glorot and
    Bengio (2010).

    Examples
    --------
    >>> import numpy as np
    >>> from mlpfast import MLPRegressor
    >>> X = np.linspace(-3, 3, 200).reshape(-1, 1)
    >>> mlp = MLPRegressor(hidden_layer_sizes=(20,), activation="tanh", solver="lbfgs", random_state=0)
    >>> mlp.fit(X, np.sin(X).ravel()).score(X, np.sin(X).ravel()) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "absolute_error", "huber", "quantile", "poisson"})],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
    }
    _numeric_targets = True
    _score_name = "r2"

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        quantile: float = 0.5,
        huber_delta: float = 1.0,
        dropout: float | Sequence[float] = 0.0,
        normalization: str | None = None,
        residual: bool = False,
        weight_decay: float = 0.0,
        dtype: str | type | np.dtype[Any] = "auto",
        n_threads: int | None = None,
        callbacks: Sequence[Any] | None = None,
        max_seconds: float | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.quantile = quantile
        self.huber_delta = huber_delta
        self.dropout = dropout
        self.normalization = normalization
        self.residual = residual
        self.weight_decay = weight_decay
        self.dtype = dtype
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.max_seconds = max_seconds

    # --- targets ---

    def _learn_targets(self, y: Any, incremental: bool, classes: Any) -> Any:
        y = self._as_targets(y, "y")
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if hasattr(self, "coefs_") and (self.warm_start or incremental) and n_outputs != self.n_outputs_:
            raise ValueError(f"expected y with {self.n_outputs_} columns, as in the previous call, got {n_outputs}")
        self.n_outputs_ = n_outputs
        self.out_activation_ = "exp" if "exponential" in self._make_loss().output_activations else "identity"
        return y

    def _validation_targets(self, y: Any) -> Any:
        y = self._as_targets(check_array(y, ensure_2d=False, dtype="numeric", input_name="y_val"), "y_val")
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if n_outputs != self.n_outputs_:
            raise ValueError(f"expected y_val with as many columns as y, {self.n_outputs_}, got {n_outputs}")
        return y

    def _as_targets(self, y: Any, name: str) -> Any:
        """One column becomes 1-D, with scikit-learn's DataConversionWarning; counts and rates are checked."""
        if y.dtype.kind in "SU":  # numbers that are written out
            y = y.astype(np.float64)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        low = self._make_loss().targets.low
        if y.min() < low:
            raise ValueError(f"expected {name} >= {low:g} for loss={self.loss!r}, got {y.min():g}")
        return y

    def _encode_targets(self, y: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        with np.errstate(all="ignore"):  # a cast rounds as it does, whatever the user has set
            return np.require(y.reshape(len(y), self.n_outputs_), dtype, ("C", "ALIGNED"))

    def _score_outputs(self, outputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None) -> float:
        return r2(outputs, targets, weights)

    def _make_loss(self) -> Loss:
        losses: dict[str, Loss] = {
            "squared_error": MeanSquaredError(),
            "absolute_error": MeanAbsoluteError(),
            "huber": Huber(float(self.huber_delta)),
            "quantile": Quantile(float(self.quantile)),
            "poisson": Poisson(),
        }
        return losses[self.loss]

    def _reported_loss(self, data_loss: float, penalty: float) -> float:
        # scikit-learn reports the squared error as a mean over outputs, though its gradient is that of the sum.
        return (data_loss / self.n_outputs_ if self.loss == "squared_error" else data_loss) + penalty

    # --- the public methods ---

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> MLPRegressor:
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 and float64 are used as they are; anything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), optional
            Weights >= 0, of any size, of the rows in the loss, which is a weighted mean over each batch.
        X_val, y_val : like X and y, optional
            Rows to validate with after each epoch, in place of a part of X: `validation_scores_` are their R^2, and
            with ``early_stopping=True`` they decide when training ends and which weights are kept.
        sample_weight_val : array-like, optional
            Weights of the rows of `X_val`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input or parameters that make no sense (the estimator is then as it was): among them sample weights that
            are negative, NaN, infinite or all zero, and an `alpha` that drowns the loss of rows with tiny weights. Also
            if the network's weights become infinite or NaN.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` or `max_seconds` ended the training.
        UserWarning
            If the scale of X or y is so far from 1 that the fit may come to nothing; it says what to do.
        """
        self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> MLPRegressor:
        """Train for one more epoch, over the given rows.

        Parameters
        ----------
        X, y, sample_weight, X_val, y_val, sample_weight_val
            As for `fit`. With ``early_stopping=True``, `X_val` and `y_val` are needed; when the score has not improved
            for more than `n_iter_no_change` calls, the best weights come back, `stopped_early_` becomes True, and later
            calls leave the weights as they are.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit`.
        """
        self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val, incremental=True)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The predicted targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Of the network's dtype.
        """
        outputs = self._outputs(X)
        return outputs.ravel() if self.n_outputs_ == 1 else outputs
