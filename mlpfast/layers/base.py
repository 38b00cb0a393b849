"""What all layers are: pure data that lowers itself to a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..program import Program

__all__ = ["Layer"]


class Layer:
    """Base of the layers. A subclass is a frozen dataclass, so that equal layers are equal and hashable.

    Its fields are all that there is to it, and its constructor, one that is written by hand too
    (``dataclass(init=False)``), takes them by their names and checks them: so model files keep it and bring it back.
    They hold numbers, strings, booleans, None, activations, initializers, layers, and tuples of these; none is called
    ``layer``. One that is added later has a default, which the layers in older files then have.

    Attributes
    ----------
    name : str
        By which it is known, in `LAYERS` for example.
    """

    name: ClassVar[str]

    def lower(self, program: Program, reads: int, number: int) -> int:
        """Add to a program what the layer is made of.

        Parameters
        ----------
        program : Program
        reads : int
            The value that the layer reads.
        number : int
            Of the layer in its model, from 0: for the names of its tensors.

        Returns
        -------
        int
            The value that it makes.

        Raises
        ------
        ValueError
            If the layer does not fit that value.
        """
        raise NotImplementedError

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        """Layers by which the kind is checked, each with the columns of what it reads."""
        raise NotImplementedError
