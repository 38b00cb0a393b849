"""What all encoders have: layers that make something else of columns of a table."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from ..activations import Activation
from ..program import Program
from .base import Layer

__all__ = ["Encoder", "check_categories", "checked_unknown", "nothing_trained", "number_of_unknown"]

#: As the number of a layer that reads codes: what kernels take for the code of no category (enum of csrc/mlpfast.h).
_BAD, _NONE = -1.0, -2.0


class Encoder(Layer):
    """Base of the encoders: each column of what it reads becomes some columns of what it makes.

    It stands in `Columns`, for some of the columns; or as a layer of its own, for all. It reads the data, or what
    layers without parameters make of it: no gradient flows through it.
    """

    reads_codes: ClassVar[bool] = False  # whole numbers that stand for categories: it reads the data alone

    def width(self, n_columns: int) -> int:
        """The number of columns that it makes of so many."""
        raise NotImplementedError

    def check_reads(self, reads: int, place: str) -> None:
        """See that it reads the data, if it has to."""
        if self.reads_codes and reads != 0:
            raise ValueError(
                f"expected {type(self).__name__} as the first layer, got layer {place}: the data hold the codes of "
                "categories"
            )

    def encode(
        self, program: Program, reads: int, makes: int, part: tuple[int, int], columns: tuple[int, ...], place: str
    ) -> None:
        """Add to a program what makes a part of the value `makes`, its first column and their number.

        `columns` are those of the value `reads`, or, where there are none, all of them.
        """
        raise NotImplementedError

    def lower(self, program: Program, reads: int, place: str) -> int:
        nothing_trained(program, self, place)
        self.check_reads(reads, place)
        width = self.width(program.values[reads].columns)
        made = program.value(width, Activation("identity"))
        self.encode(program, reads, made, (0, width), (), place)
        return made


def nothing_trained(program: Program, layer: Layer, place: str) -> None:
    """See that no gradient need flow to what an encoder reads, or `Columns`."""
    if any(below.tensors for below in program.layers):
        raise ValueError(
            f"expected {type(layer).__name__} in front of all layers that have parameters, where it reads the data, "
            f"got layer {place}: no gradient flows through it"
        )


def checked_unknown(unknown: Any, categories: int, *, may_ignore: bool) -> str | int:
    """What to do with the code of no category, or the code to take for it; an error if it is neither."""
    if isinstance(unknown, str) and unknown in (("error", "ignore") if may_ignore else ("error",)):
        return str(unknown)
    if isinstance(unknown, Integral) and not isinstance(unknown, bool) and 0 <= int(unknown) < categories:
        return int(unknown)
    words = "'error', 'ignore'" if may_ignore else "'error'"
    raise ValueError(
        f"expected unknown to be {words} or the code to take instead, from 0 to {categories - 1}, got {unknown!r}"
    )


def number_of_unknown(unknown: str | int) -> float:
    """By which kernels know what to take for the code of no category."""
    if isinstance(unknown, int):
        return float(unknown)
    return _BAD if unknown == "error" else _NONE


def check_categories(layer: Layer, categories: int, dtype: np.dtype[Any]) -> None:
    """See that a dtype tells that many whole numbers apart."""
    most = 2 ** (np.finfo(dtype).nmant + 1)
    if categories > most:
        raise ValueError(
            f"{type(layer).__name__}: expected at most {most:,} categories in a {dtype.name} model, got {categories:,}"
        )
