"""A fit as it went."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..callbacks import Snapshots
from ..errors import integer
from ..model import Model
from .style import take_axes

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

__all__ = ["animate"]

_MEGABYTES = 200  # of pictures in a page: matplotlib leaves out what is beyond its limit of 20


def animate(
    snapshots: Snapshots,
    draw: Callable[[Model, Axes], Any],
    path: str | os.PathLike[str] | None = None,
    *,
    fps: int = 10,
    dpi: int = 100,
    ax: Axes | None = None,
) -> FuncAnimation:
    """An animation of a fit: a picture of the model after each epoch that was kept.

    Parameters
    ----------
    snapshots : Snapshots
        A `mlpfast.callbacks.Snapshots` that has followed a training.
    draw : callable
        Called with the model of an epoch and axes that were cleared; draws a picture there, as
        ``lambda model, ax: mf.plot.decision_boundary(model, X, y, ax=ax)`` does.
    path : str or path-like, optional
        Where to save it: ``.gif``, or ``.html``, a page that plays by itself.
    fps : int, default 10
        Pictures in a second.
    dpi : int, default 100
        Points to an inch, of a saved one.
    ax : matplotlib.axes.Axes, optional
        By default, those of a new figure.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep it for as long as it plays; in a notebook, ``HTML(animation.to_jshtml())`` shows it.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type, nothing was kept, or a path ends in something else.
    FileNotFoundError
        If there is no such folder.
    ImportError
        If there is no matplotlib.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> y = X[:, 0] * X[:, 1] > 0
    >>> snapshots = mf.callbacks.Snapshots()
    >>> trainer = mf.Trainer(mf.mlp([2, 16, 1], "tanh", "sigmoid"), "bce", callbacks=[snapshots])
    >>> history = trainer.fit(X, y, epochs=5, verbose=0)
    >>> def draw(model, ax):
    ...     mf.plot.decision_boundary(model, X, y, ax=ax)
    >>> animation = mf.plot.animate(snapshots, draw, "fit.gif")  # doctest: +SKIP
    """
    if not isinstance(snapshots, Snapshots):
        raise TypeError(f"expected a Snapshots callback, got {type(snapshots).__name__}")
    if not callable(draw):
        raise TypeError(f"expected draw to be a function of a model and axes, got {type(draw).__name__}")
    if not snapshots.states:
        raise ValueError("expected Snapshots that have followed a training, got some without states")
    fps, dpi, suffix = integer("fps", fps), integer("dpi", dpi), None if path is None else _suffix(path)
    ax = take_axes(ax, 4.8, 4.2)
    import matplotlib as mpl
    from matplotlib.animation import FuncAnimation, PillowWriter

    def show(number: int) -> list[Any]:
        ax.clear()
        draw(snapshots.model(number), ax)
        ax.set_title(f"epoch {snapshots.epochs[number]}", fontsize=10, loc="left")
        return []

    show(0)  # what is wrong with the function is said here, and not hidden by what saves its pictures
    figure: Any = ax.get_figure()
    animation = FuncAnimation(figure, show, frames=len(snapshots.states), interval=1000 / fps, init_func=list)
    if path is not None and suffix == ".gif":
        animation.save(os.fspath(path), writer=PillowWriter(fps=fps), dpi=dpi)
    elif path is not None:
        with mpl.rc_context({"savefig.dpi": dpi, "animation.embed_limit": _MEGABYTES}):
            page = animation.to_jshtml(fps=fps)
        Path(path).write_text(page, encoding="utf-8")
    show(len(snapshots.states) - 1)  # until it plays
    return animation


def _suffix(path: Any) -> str:
    """What the path ends in, if a file can be there."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"expected path to be a str or a path, got {type(path).__name__}")
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in (".gif", ".html"):
        raise ValueError(f"expected a path that ends in .gif or .html, got {str(path)!r}")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"expected a path in a folder that is there, got {str(path)!r}")
    return suffix
