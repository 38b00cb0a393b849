"""What all pictures have in common: axes, colours, a quiet frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BACKWARD", "CLASS_COLOURS", "FORWARD", "GREY", "INK", "pyplot", "quiet", "take_axes"]

#: What goes forward, and training; what goes backward, and validation. Told apart by the colour-blind, too (Okabe and
#: Ito, 2008, darkened so that they may be read as text).
FORWARD, BACKWARD = "#0065a3", "#c4500a"
INK, GREY = "#222222", "#777777"
CLASS_COLOURS = (
    FORWARD,
    "#e08a00",
    "#00805e",
    "#b5588d",
    "#5aa9d6",
    "#8a6d00",
    "#7b4fb5",
    BACKWARD,
    "#4d4d4d",
    "#9a9a2e",
)


def take_axes(ax: Axes | None, width: float = 6.0, height: float = 3.8) -> Axes:
    """The axes given, or those of a new figure of this size in inches."""
    if ax is not None:
        if not hasattr(ax, "set_axis_off"):  # which pyplot and figures have not
            raise TypeError(
                f"expected ax to be Axes of matplotlib, got {type(ax).__name__}; write ax=axes[0] of several"
            )
        return ax
    _, new = pyplot().subplots(figsize=(width, height), layout="constrained")
    return new  # type: ignore[no-any-return]


def pyplot() -> Any:
    """`matplotlib.pyplot`; an ImportError that says what to install, where there is none."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "mlpfast.plot needs matplotlib; install it with: python -m pip install 'mlpfast[plot]'"
        ) from error
    return plt


def quiet(ax: Axes, grid: str | None = "both", **labels: Any) -> Axes:
    """Set titles and labels; leave of the frame what is read."""
    ax.set(**labels)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#aaaaaa")
    ax.tick_params(color="#aaaaaa", labelcolor=INK)
    if grid is not None:
        ax.grid(axis=grid, color="#e6e6e6", linewidth=0.8)  # type: ignore[arg-type]
        ax.set_axisbelow(True)
    return ax
