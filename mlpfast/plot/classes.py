"""What a classifier does: where its classes lie, which of them it confuses, and how far its confidence goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import integer
from ..model import Model
from .labels import class_numbers, numbers_among, predicted_classes
from .style import BACKWARD, CLASS_COLOURS, FORWARD, GREY, quiet, take_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["calibration", "confusion_matrix", "decision_boundary"]


def decision_boundary(
    predictor: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    resolution: int = 200,
    padding: float = 0.08,
    ax: Axes | None = None,
) -> Axes:
    """The plane of two features, coloured by what is predicted there, the paler the less sure.

    Parameters
    ----------
    predictor : Model, an object with `predict_proba`, or a callable
        Of two features. What a model or a callable gives are outputs (n,) or (n, 1), yes where they are above 0.5, or
        above 0 where the model's last activation is the identity or y is -1 and 1; or (n, classes).
    X : array-like (n, 2)
        The rows, drawn as points.
    y : array-like (n,), optional
        Their classes: numbers from 0, or -1 and 1; or labels among the `classes_` of an estimator.
    resolution : int, default 200
        Points to a side at which is predicted.
    padding : float, default 0.08
        Around the rows, as a part of their extent.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If X has not two columns of finite numbers, or y is no class for each row.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> y = X[:, 0] * X[:, 1] > 0
    >>> ax = mf.plot.decision_boundary(mf.mlp([2, 16, 1], "tanh", "sigmoid"), X, y)
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] != 2:
        raise ValueError(f"expected X to have two columns, got shape {X.shape}")
    if not len(X) or not np.isfinite(X).all():
        raise ValueError(f"expected rows of finite numbers in X, got {'NaN or infinity' if len(X) else 'none'}")
    classes, signed = None, False
    names: Any = getattr(predictor, "classes_", None)
    if y is not None:
        classes = class_numbers("y", y) if names is None else numbers_among("y", y, names)
        signed = names is None and bool((np.asarray(y) == -1).any())
        if len(classes) != len(X):
            raise ValueError(f"expected y of {len(X)} rows, got {len(classes)}")
    resolution = integer("resolution", resolution, at_least=2)
    low, high = X.min(axis=0), X.max(axis=0)
    margin = padding * np.where(high > low, high - low, 1.0)
    axis = [np.linspace(low[i] - margin[i], high[i] + margin[i], resolution) for i in (0, 1)]
    plane = np.stack([each.ravel() for each in np.meshgrid(*axis)], axis=1)
    shares = _shares(predictor, plane, signed)
    if classes is not None and classes.max() >= shares.shape[1]:
        raise ValueError(f"expected classes below {shares.shape[1]} in y, as are predicted, got {classes.max()}")
    names = [-1, 1] if signed else range(shares.shape[1]) if names is None else names
    ax = take_axes(ax, 4.8, 4.2)
    colours = _colours(shares.shape[1])
    extent = (axis[0][0], axis[0][-1], axis[1][0], axis[1][-1])
    # What is least sure is nearly white: at an equal share of all classes there is nothing left of their colours.
    sure = (shares.max(axis=1, keepdims=True) - 1 / shares.shape[1]) / (1 - 1 / shares.shape[1])
    paint = 1 - (1 - colours[shares.argmax(axis=1)]) * (0.12 + 0.33 * np.clip(sure, 0, 1))
    image = paint.reshape(resolution, resolution, 3)
    ax.imshow(image, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    for k in range(1 if shares.shape[1] == 2 else 0, shares.shape[1]):
        others = np.delete(shares, k, axis=1).max(axis=1)
        ahead = (shares[:, k] - others).reshape(resolution, resolution)
        if ahead.min() < 0 < ahead.max():
            ax.contour(*axis, ahead, levels=[0.0], colors=["#555555"], linewidths=1.0)
    if classes is None:
        ax.scatter(X[:, 0], X[:, 1], s=16, color=GREY, edgecolors="white", linewidths=0.5)
    else:
        for k in np.unique(classes):
            points, label = X[classes == k], f"class {names[k]}"
            ax.scatter(
                points[:, 0], points[:, 1], s=18, color=[colours[k]], edgecolors="white", linewidths=0.5, label=label
            )
        if len(np.unique(classes)) <= len(CLASS_COLOURS):
            ax.legend(loc="upper right", fontsize=8, framealpha=0.85, edgecolor="none")
    return quiet(ax, None, xlabel="feature 0", ylabel="feature 1")


def _shares(predictor: Any, plane: NDArray[Any], signed: bool) -> NDArray[np.float64]:
    """Probabilities of classes at the points of the plane."""
    if hasattr(predictor, "predict_proba"):
        return np.asarray(predictor.predict_proba(plane), np.float64)
    outputs = np.asarray(predictor(plane), np.float64).reshape(len(plane), -1)
    logits = isinstance(predictor, Model) and predictor.output_activation.name == "identity"
    if outputs.shape[1] == 1:
        bounded = (1 + np.clip(outputs, -1, 1)) / 2 if signed else np.clip(outputs, 0, 1)
        yes = 1 / (1 + np.exp(-np.clip(outputs, -30, 30))) if logits else bounded
        return np.concatenate([1 - yes, yes], axis=1)
    if outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1.0, atol=1e-3):
        return outputs
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def _colours(n: int) -> NDArray[np.float64]:
    from matplotlib.colors import to_rgb

    return np.array([to_rgb(CLASS_COLOURS[k % len(CLASS_COLOURS)]) for k in range(n)])


def confusion_matrix(
    y: ArrayLike,
    predicted: ArrayLike,
    labels: Sequence[Any] | None = None,
    *,
    normalize: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """How many rows of each class are taken for which.

    Parameters
    ----------
    y : array-like (n,)
        True classes, as numbers from 0, or -1 and 1.
    predicted : array-like (n,), (n, 1) or (n, classes)
        Predicted ones; or outputs, of which the largest counts; or a column of probabilities, yes above 0.5.
    labels : sequence, optional
        Names of the classes.
    normalize : bool, default False
        Whether to write shares of the rows of each class, rather than numbers.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the two differ in length, labels are not whole, or there are fewer labels than classes.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import mlpfast as mf
    >>> ax = mf.plot.confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2], labels=["cat", "dog", "cow"])
    """
    true, found = class_numbers("y", y), predicted_classes(predicted)
    if len(true) != len(found):
        raise ValueError(f"expected a prediction for each of {len(true)} rows, got {len(found)}")
    n = int(max(true.max(), found.max())) + 1
    if labels is not None and len(labels) < n:
        raise ValueError(f"expected a label for each of {n} classes, got {len(labels)}")
    names = [str(name) for name in (labels if labels is not None else range(n))]
    n = len(names)
    counts = np.zeros((n, n), int)
    np.add.at(counts, (true, found), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 1.8 + 0.42 * n
    ax = take_axes(ax, size, size)
    ax.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for i, j in np.ndindex(n, n):
        if counts[i, j]:
            text = f"{shares[i, j]:.2f}".lstrip("0") if normalize and shares[i, j] < 1 else f"{counts[i, j]}"
            text = "1" if normalize and shares[i, j] == 1 else text
            colour = "white" if shares[i, j] > 0.55 else BACKWARD if i != j else "#222222"
            ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=9 if n <= 12 else 7)
    turned = max(map(len, names)) > 3
    ax.set_xticks(range(n), names, rotation=45 if turned else 0, ha="right" if turned else "center")
    ax.set_yticks(range(n), names)
    ax.set_xticks(np.arange(n - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(n - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="predicted", ylabel="true", title=f"{np.trace(counts) / len(true):.1%} of {len(true):,} right")
    ax.title.set_fontsize(10)
    return ax


def calibration(y: ArrayLike, probabilities: ArrayLike, *, bins: int = 15, ax: Axes | None = None) -> Axes:
    """How often a classifier is right, by how sure it is: on the diagonal, it knows what it knows.

    Parameters
    ----------
    y : array-like (n,)
        True classes, as numbers from 0; or yes and no.
    probabilities : array-like (n,), (n, 1) or (n, classes)
        Of yes, or of each class.
    bins : int, default 15
        Into which confidence, the probability of what is predicted, is divided.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Its title has the expected calibration error (Guo et al., 2017): with 15 bins, that of the metric
        "calibration_error".

    Raises
    ------
    ValueError
        If the two differ in length, some of `probabilities` are none or do not sum to 1, or y has classes beyond them.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import mlpfast as mf
    >>> ax = mf.plot.calibration([0, 1, 1, 0], [0.1, 0.7, 0.9, 0.6])
    >>> ax.get_title()
    'expected calibration error 0.275'
    """
    classes = class_numbers("y", y)
    p = np.asarray(probabilities, np.float64).reshape(len(probabilities), -1)  # type: ignore[arg-type]
    bins = integer("bins", bins)
    if len(p) != len(classes):
        raise ValueError(f"expected probabilities of each of {len(classes)} rows, got {len(p)}")
    if not (p.min() >= 0.0 and p.max() <= 1.0 + 1e-6):
        raise ValueError(f"expected probabilities between 0 and 1, got {p.min():g} to {p.max():g}")
    if p.shape[1] == 1:
        p = np.concatenate([1 - p, p], axis=1)
    if (off := float(np.abs(p.sum(axis=1) - 1.0).max())) > 1e-3:
        raise ValueError(f"expected probabilities that sum to 1 in each row, got a row that is off by {off:.3g}")
    if classes.max() >= p.shape[1]:
        raise ValueError(f"expected classes below {p.shape[1]} in y, got {classes.max()}")
    found = np.where(p[:, 1] > 0.5, 1, 0) if p.shape[1] == 2 else p.argmax(axis=1)
    confidence = p[np.arange(len(p)), found]
    right = found == classes
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    rows = np.bincount(place, minlength=bins)
    accuracy = np.bincount(place, weights=right, minlength=bins) / np.maximum(rows, 1)
    mean = np.bincount(place, weights=confidence, minlength=bins) / np.maximum(rows, 1)
    error = float((rows * np.abs(accuracy - mean)).sum() / len(p))
    ax = take_axes(ax, 4.6, 4.2)
    ax.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="calibrated")
    there = rows > 0
    centres = (np.arange(bins) + 0.5) / bins
    ax.bar(centres[there], (rows / len(p))[there], width=0.92 / bins, color="#d5e4ee", label="share of rows")
    ax.vlines(mean[there], np.minimum(accuracy, mean)[there], np.maximum(accuracy, mean)[there], color=BACKWARD, lw=1.5)
    ax.plot(mean[there], accuracy[there], "o-", color=FORWARD, markersize=5, label="accuracy")
    ax.set_xlim(min(1 / p.shape[1], float(confidence.min())) - 0.02, 1.01)
    ax.set_ylim(0.0, 1.02)
    ax.legend(frameon=False, loc="upper left")
    quiet(ax, xlabel="confidence", ylabel="accuracy", title=f"expected calibration error {error:.3f}")
    ax.title.set_fontsize(10)
    return ax
