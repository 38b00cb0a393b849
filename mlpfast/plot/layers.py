"""What layers hand back, and what the first of them has learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..callbacks import Doctor
from ..diagnosis import Report
from ..diagnosis.evidence import LayerFacts, gather
from ..errors import integer
from ..losses import Loss
from ..model import Model
from .style import BACKWARD, FORWARD, INK, quiet, take_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["first_layer", "gradient_flow"]

_MOST_UNITS = 64
_FEW, _LETTERS = 12, 75  # layers, and letters of their names, for which there is room


def gradient_flow(
    source: Model | Report | Doctor,
    X: Any = None,
    y: Any = None,
    loss: str | Loss = "cross_entropy",
    *,
    ax: Axes | None = None,
) -> Axes:
    """The size of what flows back, layer by layer: where it vanishes or explodes, the line falls or rises to the left.

    Parameters
    ----------
    source : Model, Report or Doctor
        A model, at the data given; a report of `mlpfast.diagnose`; or a `mlpfast.callbacks.Doctor` that has followed a
        training: then the deltas only, a line for each epoch at which it looked.
    X, y, loss
        Of a model: data and loss, as for `Model.loss_and_gradient`. 512 rows are looked at.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If `source` is something else, or has nothing to draw.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> ax = mf.plot.gradient_flow(mf.mlp([64, 32, 32, 10], "sigmoid", "softmax"), X / 16, y)
    """
    if isinstance(source, Doctor):
        if not source.layers:
            raise ValueError(
                "expected a Doctor that was given data and has followed a training, got one without layers"
            )
        return _over_epochs(source.layers, take_axes(ax))
    if isinstance(source, Model):
        source = Report((), gather(source, X, y, loss).layers, {}, math.nan, 0)
    if not isinstance(source, Report):
        raise TypeError(f"expected a Model, a Report or a Doctor, got {type(source).__name__}")
    ax = take_axes(ax)
    facts = [each for each in source.layers if each.gradient_rms is not None]
    place = np.arange(len(facts))
    deltas = [each.delta_norm for each in facts]
    gradients = [each.gradient_rms or 0.0 for each in facts]
    ax.plot(place, deltas, "o-", color=BACKWARD, label="deltas dL/dz (norm of a row)")
    ax.plot(place, gradients, "s-", color=FORWARD, label="gradient dL/dW (root mean square)")
    return _by_layer(ax, facts)


def _over_epochs(layers: Mapping[int, Sequence[LayerFacts]], ax: Axes) -> Axes:
    import matplotlib as mpl

    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(layers)))
    for colour, (epoch, facts) in zip(colours, layers.items(), strict=True):
        facts = [each for each in facts if each.gradient_rms is not None]
        name = "before" if epoch == 0 else f"after epoch {epoch}"
        ax.plot([each.delta_norm for each in facts], "o-", color=colour, label=name, markersize=4)
    ax = _by_layer(ax, facts)
    return quiet(ax, ylabel="deltas dL/dz (norm of a row)")


def _by_layer(ax: Axes, facts: Sequence[LayerFacts]) -> Axes:
    names = [each.name.removeprefix("layer ") for each in facts]
    if len(facts) <= _FEW:
        names = [f"{name}: {each.what}" for name, each in zip(names, facts, strict=True)]
    tilted = len(facts) <= _FEW and sum(map(len, names)) > _LETTERS
    ax.set_xticks(range(len(facts)), names, rotation=25 if tilted else 0, ha="right" if tilted else "center")
    drawn = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in ax.get_lines()])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    if drawn.size:
        ax.set_yscale("log")
        ax.set_ylim(float(drawn.min()) / 3, float(drawn.max()) * 3)
    ax.legend(frameon=False)
    return quiet(ax, xlabel="layer", ylabel="size")


def first_layer(
    model: Model, shape: tuple[int, int] | None = None, *, units: int = _MOST_UNITS, ax: Axes | None = None
) -> Axes:
    """The weights of the first dense layer as images, one for each unit: what it looks for in a picture.

    Parameters
    ----------
    model : Model
    shape : tuple of int, optional
        Height and width of the pictures that the model reads; by default they are square.
    units : int, default 64
        At most so many, those with the largest weights first.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type, the layer does not read pictures of that shape, or there is
        no dense layer.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import mlpfast as mf
    >>> ax = mf.plot.first_layer(mf.mlp([64, 16, 10], "relu", "softmax"))
    """
    if not isinstance(model, Model):
        raise TypeError(f"expected model to be a Model, got {type(model).__name__}")
    units = integer("units", units)
    if not model.weights:
        raise ValueError("expected a model with a dense layer, got one without")
    W = model.weights[0].astype(np.float64)
    side = math.isqrt(len(W))
    height, width = (side, side) if shape is None else _height_and_width(shape)
    if height * width != len(W):
        asked = "square pictures" if shape is None else f"pictures of shape {shape}"
        raise ValueError(f"expected {asked}, got a layer that reads {len(W)} columns; give shape=(height, width)")
    order = np.argsort(-np.linalg.norm(W, axis=0), kind="stable")[:units]
    columns = math.ceil(math.sqrt(len(order) * height / width))
    rows = math.ceil(len(order) / columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, unit in enumerate(order):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        sheet[top : top + height, left : left + width] = W[:, unit].reshape(height, width)
    ax = take_axes(ax, 5.0, 5.0 * sheet.shape[0] / sheet.shape[1] + 0.4)
    limit = float(np.abs(W[:, order]).max()) or 1.0
    image = ax.imshow(sheet, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    ax.set_axis_off()
    shown = f"{len(order)} of {W.shape[1]} units" if len(order) < W.shape[1] else f"{W.shape[1]} units"
    ax.set_title(f"weights of the first layer, {shown}", fontsize=10, color=INK)
    bar = ax.get_figure().colorbar(image, ax=ax, shrink=0.6, aspect=25)  # type: ignore[union-attr]
    bar.outline.set_visible(False)
    return ax


def _height_and_width(shape: Any) -> tuple[int, int]:
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise TypeError(f"expected shape to be (height, width), got {shape!r}")
    return integer("shape[0]", shape[0]), integer("shape[1]", shape[1])
