"""What a network of a table is trained for."""

from __future__ import annotations

from dataclasses import dataclass

from ..losses import Loss

__all__ = ["Goal"]


@dataclass(frozen=True)
class Goal:
    """A loss, and the outputs that it is of.

    Attributes
    ----------
    loss : Loss
    outputs : int
        Of the network.
    activation : str
        Of the outputs.
    classifier : bool
        Which of the recipe's two sets of numbers is for it.
    ascending : int, default 1
        Each so many outputs are in ascending order.
    """

    loss: Loss
    outputs: int
    activation: str
    classifier: bool
    ascending: int = 1
