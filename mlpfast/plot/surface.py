"""The loss as a function of a step: the error of a gradient check, and the surface that an optimizer goes over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..callbacks import Snapshots
from ..checks.reference import in_float64
from ..errors import integer, real
from ..gradcheck import errors_by_step
from ..losses import Loss
from ..model import Model
from .style import BACKWARD, FORWARD, INK, quiet, take_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gradient_check", "loss_surface"]


def gradient_check(
    model: Model,
    X: Any,
    y: Any = None,
    loss: str | Loss = "cross_entropy",
    *,
    of: str = "gradient",
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """The error of differences against a derivative, by the step: first that of the formula, then that of rounding.

    In float64: forward differences are off by about h, central ones by h^2; both by rounding, about 1e-16 / h. Where
    the derivative is wrong, the curves do not go down.

    Parameters
    ----------
    model : Model
        Of any dtype; a copy in float64 is looked at.
    X, y, loss
        As for `Model.loss_and_gradient`. A few dozen rows are enough.
    of : str, default "gradient"
        Which derivative, as for `mlpfast.gradcheck`: of the loss along a random direction of the parameters, or what
        the method of this name returns, by a few of its parameters or inputs.
    seed : int >= 0, default 0
        Of the direction, and of which these are.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        For input that does not fit the model or the loss.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> model = mf.mlp([3, 5, 2], "tanh", "softmax")
    >>> ax = mf.plot.gradient_check(model, np.eye(3), [0, 1, 1])
    >>> ax = mf.plot.gradient_check(model, np.eye(3), [0, 1, 1], of="hvp")
    """
    seed, steps = integer("seed", seed, at_least=0), np.logspace(-12, 0, 49)
    forward, central = errors_by_step(model, X, y, loss, of, steps, seed)
    ax = take_axes(ax)
    for errors, name, colour in ((forward, "forward difference", BACKWARD), (central, "central difference", FORWARD)):
        relative = np.maximum(errors, 1e-17)
        best = int(np.nanargmin(relative))
        ax.loglog(
            steps, relative, ".-", color=colour, label=f"{name}, best {relative[best]:.0e} at h = {steps[best]:.0e}"
        )
    ax.legend(frameon=False)
    what = "the derivative" if of == "gradient" else of
    return quiet(ax, xlabel="step h", ylabel=f"relative error of {what}")


def loss_surface(
    model: Model,
    X: Any,
    y: Any,
    loss: str | Loss = "cross_entropy",
    *,
    path: Snapshots | Sequence[Any] | None = None,
    directions: tuple[Any, Any] | None = None,
    extent: float | None = None,
    resolution: int = 41,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """The loss around a model's parameters along two directions, with the way that an optimizer has gone.

    Parameters
    ----------
    model : Model
        Its parameters are the origin. It is not changed.
    X, y, loss
        As for `Model.loss_and_gradient`.
    path : Snapshots, or sequence of ndarray (n_parameters,), optional
        Parameters on the way, projected on the plane of the directions.
    directions : two of ndarray (n_parameters,), optional
        By default, with a path, its two principal components, seen from the origin (Lorch, 2016); without, random ones
        that have in each tensor the norm of the parameters there (Li et al., 2018).
    extent : float > 0, optional
        How far to go to each side, in lengths of the directions; by default around the whole path, or 1.
    resolution : int, default 41
        Points to a side: the loss is computed at the square of this number.
    seed : int >= 0, default 0
        Of random directions.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        For input that does not fit the model or the loss, parameters of another size, or directions that are parallel.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model, path = mf.mlp([1, 8, 1], "tanh"), mf.callbacks.Snapshots()
    >>> trainer = mf.Trainer(model, "mse", mf.Adam(0.05), callbacks=[path])
    >>> history = trainer.fit(X, X**2, epochs=20, verbose=0)
    >>> ax = mf.plot.loss_surface(model, X, X**2, "mse", path=path, resolution=9)
    """
    if not isinstance(model, Model):
        raise TypeError(f"expected model to be a Model, got {type(model).__name__}")
    model = in_float64(model)
    here, resolution = model.parameters.copy(), integer("resolution", resolution, at_least=2)
    extent = None if extent is None else real("extent", extent, above=0.0)
    seed = integer("seed", seed, at_least=0)
    way = _way(path, model)
    explained = None
    if directions is not None:
        a, b = _two(directions)
    elif len(way) > 2:
        _, sizes, components = np.linalg.svd(way - here, full_matrices=False)
        (a, b), explained = components[:2], sizes[:2] ** 2 / max(float((sizes**2).sum()), 1e-300)
    else:
        rng = np.random.default_rng(seed)
        a, b = (_like_the_parameters(rng.normal(size=len(here)), model) for _ in range(2))
    if a.shape != here.shape or b.shape != here.shape:
        raise ValueError(f"expected directions of {len(here)} parameters, got {a.size} and {b.size}")
    plane = np.stack([a, b])
    if not np.isfinite(plane).all():
        raise ValueError("expected directions of finite numbers, got NaN or infinity")
    if np.linalg.matrix_rank(plane) < 2:
        raise ValueError("expected two directions that are not parallel")
    on_plane = (way - here) @ np.linalg.pinv(plane) if len(way) else np.zeros((1, 2))
    spans = [_span(on_plane[:, i], extent) for i in (0, 1)]
    axis = [np.linspace(*span, resolution) for span in spans]
    values = [[_loss_at(model, here + s * a + t * b, X, y, loss) for s in axis[0]] for t in axis[1]]
    if not np.isfinite(values).any():
        raise ValueError("expected a finite loss somewhere around the model, got none; try a smaller extent")
    ax = take_axes(ax, 5.4, 4.2)
    _draw_surface(ax, axis, np.array(values))
    if len(way):
        ax.plot(*on_plane.T, ".-", color=BACKWARD, markersize=4, linewidth=1.2, label="path of the optimizer")
        ax.plot(*on_plane[0], "s", color=BACKWARD, markersize=7, markeredgecolor="white", label="start")
    ax.plot(0, 0, "*", color=INK, markersize=12, markeredgecolor="white", label="the model")
    ax.legend(loc="best", fontsize=8, framealpha=0.85, edgecolor="none")
    names = ["direction 1", "direction 2"]
    if explained is not None:
        names = [f"principal component {i + 1} ({explained[i]:.0%} of the path)" for i in (0, 1)]
    ax.locator_params(nbins=5)
    return quiet(ax, None, xlabel=names[0], ylabel=names[1])


def _draw_surface(ax: Axes, axis: Sequence[NDArray[Any]], values: NDArray[np.float64]) -> None:
    """Levels are even in the logarithm where values go over more than a decade."""
    from matplotlib.colors import LogNorm

    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    values = np.where(np.isfinite(values), values, high)
    if high - low <= 1e-12 * abs(low):  # flat, to rounding
        high = low + max(abs(low), 1.0)
    log = low > 0 and high > 10 * low
    levels = np.geomspace(low, high, 25) if log else np.linspace(low, high, 25)
    filled = ax.contourf(*axis, values, levels=levels, cmap="Blues_r", norm=LogNorm() if log else None, extend="both")
    ax.contour(*axis, values, levels=levels[::2], colors="white", linewidths=0.5, alpha=0.7)
    bar = ax.get_figure().colorbar(filled, ax=ax, label="loss", format="%.2g")  # type: ignore[union-attr]
    bar.outline.set_visible(False)
    bar.set_ticks(levels[::6])  # type: ignore[arg-type]
    bar.minorticks_off()


def _span(place: NDArray[np.float64], extent: float | None) -> tuple[float, float]:
    if extent is not None:
        return -float(extent), float(extent)
    low, high = min(0.0, float(place.min())), max(0.0, float(place.max()))
    if high == low:
        return -1.0, 1.0
    margin = 0.2 * (high - low)
    return low - margin, high + margin


def _like_the_parameters(direction: NDArray[np.float64], model: Model) -> NDArray[np.float64]:
    if not model.parameters.any():
        return direction
    for tensor in model.program.tensors:
        span = slice(tensor.offset, tensor.offset + tensor.size)
        size = float(np.linalg.norm(model.parameters[span]))
        direction[span] *= size / float(np.linalg.norm(direction[span]))
    return direction


def _way(path: Any, model: Model) -> NDArray[np.float64]:
    """The parameters on it, a row each; of snapshots, states without the buffers behind the parameters."""
    states: Sequence[Any] | NDArray[Any] = []
    if isinstance(path, (Snapshots, list, tuple, np.ndarray)):
        states = path.states if isinstance(path, Snapshots) else path
    elif path is not None:
        raise TypeError(f"expected path to be Snapshots, or a sequence of parameters, got {type(path).__name__}")
    n = model.n_parameters
    for state in states:
        if np.size(state) not in (n, model.state.size):
            raise ValueError(f"expected a path of {n} parameters, got {np.size(state)}")
    way = np.array([np.asarray(state, np.float64).ravel()[:n] for state in states]).reshape(-1, n)
    if not np.isfinite(way).all():
        raise ValueError("expected a path of finite parameters, got NaN or infinity")
    return way


def _two(directions: Any) -> list[NDArray[np.float64]]:
    if not isinstance(directions, (tuple, list, np.ndarray)) or len(directions) != 2:
        got = len(directions) if hasattr(directions, "__len__") else type(directions).__name__
        raise ValueError(f"expected two directions, got {got}")
    return [np.asarray(each, np.float64).ravel() for each in directions]


def _loss_at(model: Model, parameters: NDArray[np.float64], X: Any, y: Any, loss: str | Loss) -> float:
    model.parameters[:] = parameters
    with np.errstate(all="ignore"):
        return model.loss_and_gradient(X, y, loss)[0]
