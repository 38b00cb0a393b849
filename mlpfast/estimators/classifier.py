"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from ..activations import Activation
from ..losses import BinaryCrossEntropy, CrossEntropy, Loss
from .base import BaseMLP, has_partial_fit
from .scores import accuracy


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron classifier: cross-entropy over classes, or over independent labels.

    Parameters
    ----------
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
    class_weight : "balanced", dict or None, default None
        Weight of each class in the loss, multiplied with the sample weights; "balanced" makes all classes weigh the
        same, sample weights aside. A list of dicts, one for each label, for multilabel.
    label_smoothing : float in [0, 1), default 0.0
        Train towards ``(1 - s) y + s / classes`` (Szegedy et al., 2016).
    weight_decay : float >= 0, default 0.0
        Decoupled weight decay: in each step, weights are multiplied by ``1 - learning rate * weight_decay``. With
        "adam" this is AdamW (set ``alpha=0`` for it alone).
    dtype : "auto" or the NumPy dtype float32 or float64 (or its name), default "auto"
        Of the network and its predictions. "auto" is float32 for float32 X, float64 for any other.
    n_threads : int, optional
        At most so many threads; by default as many as the process may use and as pay. The results do not depend on it.
    callbacks : sequence of Callback, optional
        Called at the start and end of training and of each epoch (each iteration of "lbfgs"); see `mlpfast.callbacks`.
        The logs have "loss" and, with validation, "val_accuracy". ``trainer.model`` is `model_`: training goes on from
        what a callback writes into its parameters. "lbfgs" then forgets the curvature that it has learnt, and begins
        anew with the iterations that are left.
    max_seconds : float > 0, optional
        Stop training after so much time, with a ConvergenceWarning.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
        Class labels, sorted.
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
        Accuracy on the validation rows after each epoch; None without early stopping and ``X_val``.
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
        Activation of the last layer: "softmax" for several classes, "logistic" for two and for multilabel.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Their names, where X had names that are all strings.

    Notes
    -----
    A drop-in replacement for ``sklearn.neural_network.MLPClassifier``; ``docs/migration.md`` lists what is the same,
    what is more and what differs. Adam is that of Kingma and Ba (2015), the initial weights are those of Glorot and
    Bengio (2010).

    Examples
    --------
    >>> from mlpfast import MLPClassifier, datasets
    >>> X, y = datasets.load_digits()
    >>> mlp = MLPClassifier(hidden_layer_sizes=(64,), max_iter=30, tol=0.01, random_state=0).fit(X / 16, y)
    >>> mlp.predict_proba(X[:5] / 16).shape
    (5, 10)
    >>> mlp.score(X / 16, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }
    _numeric_targets = False
    _score_name = "accuracy"

    classes_: NDArray[Any]

    def __init__(
        self,
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
        dropout: float | Sequence[float] = 0.0,
        normalization: str | None = None,
        residual: bool = False,
        class_weight: str | Mapping[Any, float] | Sequence[Mapping[Any, float]] | None = None,
        label_smoothing: float = 0.0,
        weight_decay: float = 0.0,
        dtype: str | type | np.dtype[Any] = "auto",
        n_threads: int | None = None,
        callbacks: Sequence[Any] | None = None,
        max_seconds: float | None = None,
    ) -> None:
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
        self.dropout = dropout
        self.normalization = normalization
        self.residual = residual
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.weight_decay = weight_decay
        self.dtype = dtype
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.max_seconds = max_seconds

    # --- targets ---

    def _learn_targets(self, y: Any, incremental: bool, classes: ArrayLike | None) -> Any:
        y = _as_labels(y, "y")
        known = hasattr(self, "classes_")
        if incremental and not known:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit: y need not have them all")
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
            self.classes_ = unique_labels(classes)
        elif not known or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
            )
        if known or incremental:
            self._check_classes(y, incremental)
        kind = self._label_binarizer.y_type_
        self.n_outputs_ = 1 if kind == "binary" else len(self._label_binarizer.classes_)
        self.out_activation_ = "softmax" if kind == "multiclass" else "logistic"
        return y

    def _check_classes(self, y: Any, incremental: bool) -> None:
        if not incremental and not self.warm_start:
            return
        classes, unknown, why = self._compare(y)
        if self.warm_start and not incremental and (len(unknown) or set(classes) != set(self.classes_)):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}{why}"
            )
        if len(unknown):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}{why}"
            )

    def _compare(self, y: Any) -> tuple[NDArray[Any], NDArray[Any], str]:
        """The classes in y, those that are not in `classes_`, and, where y is of another kind, how."""
        classes = unique_labels(y)
        learnt = self._label_binarizer
        n_columns = len(learnt.classes_) if learnt.y_type_.startswith("multilabel") else 1
        expected, got = _kind(self.classes_, n_columns), _kind(classes, 1 if y.ndim == 1 else y.shape[1])
        if expected != got:  # NumPy would compare them all the same, numbers with strings as strings
            return classes, classes, f"; expected {expected}, got {got}"
        return classes, np.setdiff1d(classes, self.classes_, assume_unique=True), ""

    def _encode_targets(self, y: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        if self.out_activation_ == "softmax" and y.ndim == 1:
            return np.searchsorted(self.classes_, y).astype(np.int32)
        indicators: NDArray[Any] = self._label_binarizer.transform(y)
        return np.require(indicators, dtype, ("C", "ALIGNED"))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Mean accuracy of ``predict(X)``; of independent labels, the fraction of rows that are right in all columns.

        Parameters
        ----------
        X : array-like or SciPy sparse (n, n_features)
        y : array-like (n,) or (n, n_outputs)
            The true labels.
        sample_weight : array-like (n,), optional

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        ValueError
            Also where y holds labels of another kind than `classes_`, strings for numbers for example.
        """
        score = super().score(X, y, sample_weight)
        _, _, why = self._compare(_checked_labels(y, "y"))
        if why:  # some versions of scikit-learn compare them all the same
            raise ValueError(f"Labels in y are of another kind than `classes_`{why}")
        return float(score)

    def _validation_targets(self, y: Any) -> Any:
        y = _checked_labels(y, "y_val")
        _, unknown, why = self._compare(y)
        if len(unknown):
            raise ValueError(f"y_val has classes that y has not: expected some of {self.classes_}, got {unknown}{why}")
        return y

    def _target_weights(self, y: Any, incremental: bool) -> list[NDArray[np.float64]]:
        if self.class_weight is None:
            return []
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' needs all of y, which partial_fit does not see; compute the weights with "
                "sklearn.utils.class_weight.compute_class_weight and give them as a dict"
            )
        if isinstance(self.class_weight, dict):
            _check_class_weight(self.class_weight)
        if y.ndim == 1:
            of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            return [of_class[np.searchsorted(self.classes_, y)]]
        columns = [y[:, [k]].toarray().ravel() if issparse(y) else y[:, k] for k in range(y.shape[1])]
        of_column: Any = self.class_weight
        if isinstance(of_column, str):
            of_column = [of_column] * len(columns)
        if not isinstance(of_column, list) or len(of_column) != len(columns):
            raise ValueError(
                "For multi-output, class_weight should be a list of dicts, or the string 'balanced': expected one dict "
                f"for each of the {len(columns)} columns of y, got {of_column!r}"
            )
        for of_labels in of_column:
            if isinstance(of_labels, dict):
                _check_class_weight(of_labels)
        return [compute_sample_weight(of_labels, column) for of_labels, column in zip(of_column, columns, strict=True)]

    def _stratify(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        return targets.astype(bool) if self.n_outputs_ == 1 else None  # scikit-learn stratifies binary targets only

    def _strata(self) -> str:
        return "" if self.n_outputs_ != 1 else f": True is class {self.classes_[-1]}, False is class {self.classes_[0]}"

    def _score_outputs(self, outputs: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None) -> float:
        return 1.0 if len(self.classes_) == 1 else accuracy(outputs, targets, weights)

    def _make_loss(self) -> Loss:
        smoothing = float(self.label_smoothing)
        return CrossEntropy(smoothing) if self.out_activation_ == "softmax" else BinaryCrossEntropy(smoothing)

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
    ) -> MLPClassifier:
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 and float64 are used as they are; anything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels; several columns of zeros and ones for multilabel.
        sample_weight : array-like of shape (n_samples,), optional
            Weights >= 0, of any size, of the rows in the loss, which is a weighted mean over each batch.
        X_val, y_val : like X and y, optional
            Rows to validate with after each epoch, in place of a part of X: `validation_scores_` are their accuracies,
            and with ``early_stopping=True`` they decide when training ends and which weights are kept.
        sample_weight_val : array-like, optional
            Weights of the rows of `X_val`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input or parameters that make no sense (the estimator is then as it was): among them labels of another
            kind than those learnt, weights of rows or classes that are negative, NaN, infinite or all zero, and an
            `alpha` that drowns the loss of rows with tiny weights. Also if the network's weights become infinite or
            NaN.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` or `max_seconds` ended the training.
        UserWarning
            If the scale of X is so far from 1 that the fit may come to nothing; it says what to do.
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
        classes: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> MLPClassifier:
        """Train for one more epoch, over the given rows.

        Parameters
        ----------
        X, y, sample_weight, X_val, y_val, sample_weight_val
            As for `fit`. With ``early_stopping=True``, `X_val` and `y_val` are needed; when the score has not improved
            for more than `n_iter_no_change` calls, the best weights come back, `stopped_early_` becomes True, and later
            calls leave the weights as they are.
        classes : array-like of shape (n_classes,), optional
            All classes that will ever come; needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit`; also if `classes` is missing or differs from the first call's, or y has other classes.
        """
        self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val, incremental=True, classes=classes)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row; for multilabel, the labels with a probability above one half.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._outputs(X)
        labels = self._label_binarizer.inverse_transform(outputs.ravel() if self.n_outputs_ == 1 else outputs)
        return labels  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """The probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, of the network's dtype. Rows sum to 1, except for multilabel. A single class has
            one column of ones.
        """
        outputs = self._outputs(X)
        if len(self.classes_) == 1:
            return np.ones_like(outputs)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """The logarithm of `predict_proba`, with the same parameters and shape."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):  # log(0) is minus infinity, whatever the user has set
            np.log(probabilities, out=probabilities)
        return probabilities

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _as_labels(y: Any, name: str) -> Any:
    """One column of labels becomes 1-D, with scikit-learn's DataConversionWarning; mixed kinds are refused."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.dtype == object:
        other = next((i for i, label in enumerate(y.flat) if not isinstance(label, str)), None)
        if other is not None:
            raise ValueError(
                f"Unknown label type: expected {name} with strings only, or with numbers in an array of their own "
                f"dtype (as {name}.astype(int) is), got an object array with {y.flat[other]!r} of type "
                f"{type(y.flat[other]).__name__} at row {np.unravel_index(other, y.shape)[0]}"
            )
    return y


def _checked_labels(y: Any, name: str) -> Any:
    return _as_labels(check_array(y, dtype=None, ensure_2d=False, accept_sparse="csr", input_name=name), name)


def _kind(labels: NDArray[Any], n_columns: int) -> str:
    """What labels are, in words that are equal where they can be compared."""
    names = {**dict.fromkeys("biuf", "numbers"), **dict.fromkeys("OU", "strings")}
    columns = "one column" if n_columns == 1 else f"{n_columns} columns"
    return f"{columns} of {names.get(labels.dtype.kind, labels.dtype.name)}"


def _check_class_weight(class_weight: Mapping[Any, Any]) -> None:
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0.0 <= float(weight) < np.inf):
            raise ValueError(f"expected class_weight to be finite numbers >= 0, got {weight!r} for class {label!r}")
