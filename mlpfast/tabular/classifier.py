"""The classifier of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from ..errors import unknown_name
from ..hints import TABULAR_ARGUMENTS, TABULAR_FIT_ARGUMENTS, explain_arguments
from ..losses import BinaryCrossEntropy, CrossEntropy
from .base import BaseTabular
from .calibrating import CALIBRATIONS, PROBABILITIES, calibrated, fit_temperature
from .goals import Goal
from .held import Held
from .plans import ColumnTable
from .scoring import Scorer, check_held, of_classes, of_labels
from .targets import check_classes, check_discrete, indicators, one_column, warn_of_untaught, weights_of_classes
from .thresholding import DECISIONS, DEFAULT, choose_threshold, threshold_of

__all__ = ["TabularClassifier"]


class TabularClassifier(ClassifierMixin, BaseTabular):
    """Classes of a table's rows, by a network that needs no preparation and no tuning: RealMLP-TD, natively.

    Parameters
    ----------
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
        What the epoch is chosen by; "accuracy" (the default), "log_loss", "auc", "f1" or "balanced_accuracy"; "f1" is
        that of the second one of two classes, ``classes_[1]``, or the mean over more. Of several labels of a row:
        "log_loss" (the default), "auc" and "f1", means over the labels, or "accuracy", the share of rows of which every
        label is right.
        A function ``f(y_true, y_pred)`` whose larger values are better may take their place. One whose second argument
        is called ``y_score``, ``y_prob`` or ``y_proba``, as of ``roc_auc_score``, is given probabilities in place of
        classes, (n, classes) or, of two, those of the second; one with an argument ``sample_weight``, or a third, is
        given the weights of these rows, or None.
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
        `fit` goes on from the networks of the last one: columns, classes stay as they are, the rate is small
        and steady, and the networks as they were are kept where no epoch is better on the rows held out. Another
        `categorical_features`, or a `preset` with other layers, is an error then.
    class_weight : "balanced", dict or None, default None
        Factors of the training rows' weights by class, as scikit-learn has them.
    calibration : {"auto", "temperature"} or None, default "auto"
        "temperature": the logits of `predict_proba` are divided by `temperature_`, which has the least log loss of the
        validation rows (Guo et al., 2017). "auto": so, where `eval_metric` is one of probabilities, as "log_loss" is.

    Attributes
    ----------
    classes_ : ndarray (classes,)
        Of several labels of a row, their numbers.
    multilabel_ : bool
        Whether y had several labels of each row.
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
        The metric of the validation rows then, before what follows.
    temperature_ : float
        1 without calibration, and where it would not lessen the validation rows' log loss.
    decision_threshold_ : float
        Of two classes: the second one is predicted where its probability is greater. The best on the validation rows
        if `eval_metric` is "f1" or "balanced_accuracy", the nearest to 0.5 of several; else 0.5. It may be set.
    feature_importances_, feature_importances_std_ : ndarray (columns,)
        By how much `eval_metric` (accuracy, where that is a function) becomes worse when a column of validation rows is
        shuffled: mean and standard deviation of five repeats, each with rows of its own, a thousand at most; of fewer,
        where that is more than a few per cent of the training's work, and NaN, if less than two are left.
    baseline_score_ : float
        The metric of the validation rows for one answer, the best for all of them: their classes' shares or, where that
        is better, a class; NaN, where it is a function.
    report_ : Report
        What was done to the data, what the curve says, what to try; it prints as text.
    oof_ : ndarray
        Of several networks: the probabilities (n, classes) of each row by the one that held it out; NaN where none did.
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
    >>> from mlpfast.tabular import TabularClassifier
    >>> X = [[i % 7, "ab"[i % 2]] for i in range(100)]
    >>> y = ["yes" if row[0] > 3 else "no" for row in X]
    >>> model = TabularClassifier(epochs=20, batch_size=16, random_state=0).fit(X, y)
    >>> model.predict([[6, "a"], [0, "b"]])
    array(['yes', 'no'], dtype='<U3')
    >>> labels = [[row[0] > 3, row[1] == "a"] for row in X]
    >>> model = TabularClassifier(epochs=20, batch_size=16, random_state=0).fit(X, labels)
    >>> model.predict([[6, "a"], [0, "b"]])
    array([[1, 1],
           [0, 0]])
    """

    _classifier: ClassVar[bool] = True
    _taught: ClassVar[tuple[str, ...]] = ("classes_", "n_outputs_", "multilabel_")
    classes_: NDArray[Any]
    multilabel_: bool
    temperature_: float
    decision_threshold_: float

    @explain_arguments(TABULAR_ARGUMENTS)
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
        class_weight: Any = None,
        calibration: str | None = "auto",
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
        self.class_weight = class_weight
        self.calibration = calibration

    @explain_arguments(TABULAR_FIT_ARGUMENTS)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None, groups: Any = None
    ) -> TabularClassifier:
        """Train, and keep the best epoch.

        Parameters
        ----------
        X : table (n, columns)
            See `TableEncoder.fit`.
        y : array_like of shape (n,), or (n, labels)
            Labels of any kind, two classes or more (dates are taken to UTC); or several labels of a row, each 0 or 1.
        sample_weight : array_like of shape (n,), optional
            Weights >= 0 of the rows, in training and validation.
        X_val, y_val : optional
            Rows to choose the epoch by, in place of some that are held out; each counts alike.
        groups : array_like of shape (n,), optional
            With ``validation="group"``.

        Returns
        -------
        TabularClassifier
        """
        if self.calibration not in (None, *CALIBRATIONS):
            raise unknown_name("calibration", self.calibration, CALIBRATIONS)
        self._fit(X, y, sample_weight, X_val, y_val, groups)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> TabularClassifier:
        """One pass through later rows, at a small and steady rate; of an estimator that is not fitted, `fit`.

        Columns, classes, and what the rows held out have taught stay as they are. A call depends on the order of the
        calls, not on the optimizer's state, which is not kept.

        Parameters
        ----------
        X : table (n, columns)
            With the columns of training.
        y : array_like of shape (n,), or (n, labels)
            Of the classes of training.
        classes : array_like, optional
            For scikit-learn: those of y in the first call, and no others. Of several labels of a row they mean nothing.
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        TabularClassifier
        """
        if "encoder_" not in vars(self):
            labels = np.asarray(y)
            if classes is not None and labels.size == len(labels):
                check_classes(classes, labels, "the labels in y of the first call")
            return self.fit(X, y, sample_weight)
        if classes is not None and not self.multilabel_:
            check_classes(classes, self.classes_, "those of the first call")
        self._partial_fit(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, (n,); of two, by `decision_threshold_`.

        Of several labels of a row, (n, labels): 1 for those whose probability is above one half, and 0.
        """
        return self._decided(self.predict_proba(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (n, classes), in the order of `classes_`; of several labels, (n, labels), each by itself."""
        return self._outputs(X)

    def predict_one(self, row: Mapping[str, Any] | Sequence[Any]) -> Any:
        """The class of a single row, values by name, or in the order of training: as Python's own, but for dates."""
        found = self._decided(self._outputs_of_one(row))[0]
        return found.item() if isinstance(found, np.generic) and found.dtype.kind in "biufU" else found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows whose class is right; of several labels of a row, all of them.

        Parameters
        ----------
        X : table (n, columns)
        y : array_like of shape (n,), or (n, labels)
            Labels of any kind that `fit` takes; those that were not there in training are none that is predicted.
        sample_weight : array_like of shape (n,), optional
        """
        found = self.predict(X)
        labels = indicators(y, len(found)) if self.multilabel_ else one_column(y, len(found))
        return float(accuracy_score(y if labels is None else labels, found, sample_weight=sample_weight))

    def _decided(self, p: NDArray[np.float64]) -> NDArray[Any]:
        threshold = threshold_of(self)
        if self.multilabel_:
            return (p > DEFAULT).astype(np.int64)
        numbers = p.argmax(axis=1) if threshold == DEFAULT else (p[:, 1] > threshold).astype(np.int64)
        found: NDArray[Any] = self.classes_[numbers]
        return found

    def _learn_targets(self, y: Any, n: int) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any] | None]:
        several = indicators(y, n)
        if several is not None:
            self._check_several_labels()
            k = several.shape[1]
            return {"classes_": np.arange(k), "n_outputs_": k, "multilabel_": True}, several, None
        labels = one_column(y, n)
        check_discrete(labels)
        classes, targets = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"expected at least two classes in y, got 1 class: {classes.tolist()[0]!r:.60}")
        weights = None if self.class_weight is None else weights_of_classes(self.class_weight, labels)
        learnt = {"classes_": classes, "n_outputs_": len(classes), "multilabel_": False}
        return learnt, targets.astype(np.int32), weights

    def _more_targets(self, y: Any, n: int, learnt: Mapping[str, Any], what: str = "y_val") -> NDArray[Any]:
        if learnt["multilabel_"]:
            several = indicators(y, n, what)
            if several is None or several.shape[1] != learnt["n_outputs_"]:
                raise ValueError(
                    f"expected {what} of shape ({n}, {learnt['n_outputs_']}), as y had in training, got {np.shape(y)}"
                )
            return several
        labels, classes = one_column(y, n, what), learnt["classes_"]
        known = np.isin(labels, classes)
        if not known.all():
            row = int(np.argmin(known))
            raise ValueError(
                f"expected classes that were there in training in {what}, got {labels.tolist()[row]!r:.60} in row {row}"
            )
        return np.searchsorted(classes, labels).astype(np.int32)

    def _check_goes_on(self) -> None:
        super()._check_goes_on()
        if self.multilabel_:
            self._check_several_labels()

    def _check_several_labels(self) -> None:
        if self.class_weight is not None or self.calibration == "temperature":
            raise ValueError("expected class_weight=None, and calibration='auto' or None, with several labels of a row")

    def _later_targets(self, y: Any, n: int) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any] | None]:
        learnt, targets, weights = super()._later_targets(y, n)
        if self.class_weight is not None:
            weights = weights_of_classes(self.class_weight, learnt["classes_"][targets])
        return learnt, targets, weights

    def _goal(self, learnt: Mapping[str, Any]) -> Goal:
        if learnt["multilabel_"]:  # smoothing would promise 5 % to labels that are rarer
            return Goal(BinaryCrossEntropy(), learnt["n_outputs_"], "sigmoid", classifier=True)
        return Goal(CrossEntropy(label_smoothing=0.1), learnt["n_outputs_"], "softmax", classifier=True)

    def _scorer(self, metric: Any, learnt: Mapping[str, Any]) -> tuple[str, Scorer, bool]:
        return of_labels(metric) if learnt["multilabel_"] else of_classes(metric, learnt["classes_"])

    def _check_held(self, name: str, targets: NDArray[Any], learnt: Mapping[str, Any]) -> None:
        if not (learnt["multilabel_"] or callable(self.eval_metric)):
            check_held(name, targets, learnt["classes_"])

    def _warn_of_untaught(self, targets: NDArray[Any], learnt: Mapping[str, Any]) -> None:
        if not learnt["multilabel_"]:
            warn_of_untaught(targets, learnt["classes_"])

    def _finish(self, outputs: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[Any]:
        p = outputs.astype(np.float64)
        if learnt["multilabel_"]:
            return p
        return calibrated(p / p.sum(axis=1, keepdims=True), learnt.get("temperature_", 1.0))

    def _answers(self, found: NDArray[Any], learnt: Mapping[str, Any]) -> NDArray[Any]:
        return found if learnt["multilabel_"] else calibrated(found, learnt["temperature_"])

    def _constants(self, held: Held, learnt: Mapping[str, Any]) -> list[NDArray[np.float64]]:
        weights = held.relative_weights
        if learnt["multilabel_"]:
            rows, numbers = np.unique(held.targets, axis=0, return_inverse=True)
            most = rows[np.bincount(numbers.ravel(), weights).argmax()]  # of which an accuracy asks for every label
            return [np.average(held.targets, axis=0, weights=weights), most, np.ones(held.found.shape[1])]
        shares = np.bincount(held.targets, weights, held.found.shape[1]) / len(held.targets)
        return [shares, np.array([0.0, 1.0])] if len(shares) == 2 else [shares]  # f1 is that of the second one

    def _after_fit(self, held: Held, columns: ColumnTable, learnt: Mapping[str, Any]) -> dict[str, Any]:
        if learnt["multilabel_"]:
            return super()._after_fit(held, columns, learnt)
        metric = None if callable(self.eval_metric) else held.metric  # a function may have the name of one
        wanted = self.calibration == "temperature" or (self.calibration and metric in PROBABILITIES)
        temperature = fit_temperature(held) if wanted else 1.0
        p = calibrated(held.found, temperature)
        more: dict[str, Any] = {"temperature_": temperature}
        if p.shape[1] == 2:
            more["decision_threshold_"] = choose_threshold(held, p[:, 1]) if metric in DECISIONS else DEFAULT
        tempered = replace(held, found=p, predict=lambda Z, rows: calibrated(held.predict(Z, rows), temperature))
        return more | super()._after_fit(tempered, columns, learnt)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
