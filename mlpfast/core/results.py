"""What the engine reports of an epoch."""

from __future__ import annotations

from typing import Literal, NamedTuple


class NotFiniteError(ValueError):
    """A row of X holds NaN or infinity. Steps may have been made before it was read."""

    def __init__(self) -> None:
        super().__init__("X: expected finite numbers, got NaN or infinity")


class BadCodeError(ValueError):
    """A row of X holds no code of a category where one is needed. Steps may have been made before it was read."""

    def __init__(self) -> None:
        super().__init__("X: expected whole numbers within range as the codes of categories")


class NotAdaptedError(ValueError):
    """A layer that learns from data once has not done so, and nothing was done."""

    def __init__(self, kind: str, place: str) -> None:
        super().__init__(f"expected model.adapt(X) first: layer {place} ({kind}) has learnt nothing from data yet")


class NotFiniteParametersError(ValueError):
    """The parameters held NaN or infinity before the first step, and nothing was done."""


class EpochResult(NamedTuple):
    """Totals of the steps that an epoch has made, in earlier calls too where it is done in pieces.

    Attributes
    ----------
    status : "ok", "interrupted" (a signal), "diverged" (the loss of the step after `steps` is not finite), "deadline",
        "converged" (no other epoch should follow)
    steps : optimizer steps made in this call
    rows : rows that the epoch saw
    loss : float
        Data loss and penalty, averaged over the rows.
    data_loss, penalty : float
        The two parts of it; NaN where only their sum is known, as after an iteration over all rows.
    metrics : the metrics asked for, averaged over the rows by sample weight
    error : the exception that a signal handler raised, where the status is "interrupted"
    last : loss of the latest step, penalty included
    reason : why no other epoch should follow, where the status is "converged"
    """

    status: Literal["ok", "interrupted", "diverged", "deadline", "converged"]
    steps: int
    rows: int
    loss: float
    data_loss: float
    penalty: float
    metrics: dict[tuple[str, float], float]
    error: BaseException | None
    last: float
    reason: str | None = None
