"""Columns of a table, each with its encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation
from ..errors import integer, known_name
from ..hints import COLUMNS_ARGUMENTS, explain_arguments
from ..program import Program
from .base import Layer, add_rule, described
from .embedding import Embedding
from .encoder import Encoder, nothing_trained
from .one_hot import OneHot
from .periodic import Periodic
from .piecewise_linear import PiecewiseLinear
from .standardize import Standardize

__all__ = ["Columns"]

_REMAINDERS = ("passthrough", "drop")

#: Columns, and what becomes of them, in steps.
_Entry: TypeAlias = tuple[tuple[int, ...], tuple[Layer, ...]]


@dataclass(frozen=True, init=False, repr=False)
class Columns(Layer):
    """Parts of a table's rows, each with its encoder, in the manner of scikit-learn's `ColumnTransformer`.

    It comes first in a model, and makes one row of all: the columns that no encoder has, in their order and as they
    are, then what each encoder makes of its own, in the order in which they are given.

    Parameters
    ----------
    encoders : sequence of (columns, encoder)
        `columns`: a number, or a sequence of them, none in two places. `encoder`: `Periodic`, `PiecewiseLinear`,
        `OneHot`, `Embedding` or `Standardize`; or a sequence, in which `Standardize` and `OneHot` may come before
        another one.
    remainder : {"passthrough", "drop"}, default "passthrough"
        What becomes of the columns that no encoder has.
    trainable, learning_rate_scale, weight_decay_scale
        Of all encoders: see `Layer`. Scales multiply those that they have themselves.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type, or a column is named twice; when a model is made of it, if a
        column is beyond the data's, or the layer does not come first. No gradient flows through it.

    Notes
    -----
    The names of tensors and buffers end with the layer's number and that of the encoder: ``table0.1``; in a sequence,
    with the step's number too: ``offset0.1.0``.

    Examples
    --------
    Four columns: two numbers, a code of 100 categories, and a further number, which is passed through:

    >>> import mlpfast as mf
    >>> first = mf.Columns([([0, 1], mf.Periodic(units=3)), (2, mf.Embedding(100, 8))])
    >>> model = mf.Model(4, [first, mf.Dense(64, "relu"), mf.Dense(1)])
    >>> model.tensors["table0.1"].shape, model.tensors["W1"].shape
    ((100, 8), (17, 64))
    """

    encoders: tuple[_Entry, ...]
    remainder: Literal["passthrough", "drop"]
    name: ClassVar[str] = "columns"

    @explain_arguments(COLUMNS_ARGUMENTS)
    def __init__(
        self,
        encoders: Sequence[tuple[int | Sequence[int], Layer | Sequence[Layer]]],
        remainder: Literal["passthrough", "drop"] = "passthrough",
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        entries = _checked_entries(encoders)
        known_name("remainder", remainder, _REMAINDERS)
        object.__setattr__(self, "encoders", entries)
        object.__setattr__(self, "remainder", remainder)
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    @property
    def adapts(self) -> bool:
        return any(step.adapts for _, steps in self.encoders for step in steps)

    def lower(self, program: Program, reads: int, place: str) -> int:
        inputs = program.values[reads].columns
        nothing_trained(program, self, place)
        rest = self._rest(inputs, place)
        ready = [
            _lower_steps(program, reads, columns, steps, f"{place}.{number}")
            for number, (columns, steps) in enumerate(self.encoders)
        ]
        widths = [_width(steps, len(columns)) for columns, steps in self.encoders]
        made = program.value(len(rest) + sum(widths), Activation("identity"))
        if rest:
            program.layer("copy_columns", reads, made, columns=rest, part=(0, len(rest)))
        first = len(rest)
        for number, ((_, steps), (value, columns), width) in enumerate(zip(self.encoders, ready, widths, strict=True)):
            encoder, before, layers = steps[-1], len(program.tensors), len(program.layers)
            where = _places(steps, f"{place}.{number}")[-1]
            if isinstance(encoder, Encoder):
                encoder.encode(program, value, made, (first, width), columns, where)
                add_rule(program, before, encoder)
            else:
                program.layer("copy_columns", value, made, columns=columns, part=(first, width))
            program.put(layers, where)
            first += width
        return made

    def _rest(self, inputs: int, place: str) -> tuple[int, ...]:
        """The columns that are passed through, of so many."""
        named = {column for columns, _ in self.encoders for column in columns}
        if max(named) >= inputs:
            raise ValueError(f"Columns: expected columns from 0 to {inputs - 1}, got {max(named)} (layer {place})")
        return tuple(c for c in range(inputs) if c not in named) if self.remainder == "passthrough" else ()

    def adapt(self, X: NDArray[Any], place: str) -> Mapping[str, NDArray[Any]]:
        learnt: dict[str, NDArray[Any]] = {}
        for number, (columns, steps) in enumerate(self.encoders):
            part = X[:, columns]
            for i, (step, where) in enumerate(zip(steps, _places(steps, f"{place}.{number}"), strict=True)):
                found = step.adapt(part, where)
                learnt |= found
                if i < len(steps) - 1:
                    assert isinstance(step, (Standardize, OneHot))
                    part = step.transform(part, [*found.values()])
        return learnt

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        for _, steps in self.encoders:
            for step in steps:
                step.check_dtype(dtype)

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 3, cls([(1, Periodic(5, units=2))])
        yield 9, cls([([7, 0, 2], Periodic()), (3, Embedding(9, 5)), ([1, 4], OneHot(6)), (8, PiecewiseLinear(8))])
        yield 5, cls([([0, 1], [Standardize("robust", clip=3.0), Periodic(7, None)]), (4, OneHot(3))], "drop")
        yield 40, cls([(range(3, 35), Embedding(2, 1)), (0, [OneHot(4), Standardize()]), (39, Standardize())])

    def __repr__(self) -> str:
        entries = ", ".join(
            f"({_shown(columns)}, {steps[0]!r})" if len(steps) == 1 else f"({_shown(columns)}, {list(steps)!r})"
            for columns, steps in self.encoders
        )
        parts = [f"[{entries}]"]
        if self.remainder != "passthrough":
            parts.append(f"remainder={self.remainder!r}")
        return f"Columns({', '.join([*parts, *self._shown_training()])})"


def _shown(columns: tuple[int, ...]) -> str:
    if len(columns) > 3 and columns == tuple(range(columns[0], columns[0] + len(columns))):
        return repr(range(columns[0], columns[-1] + 1))
    return repr(columns[0] if len(columns) == 1 else list(columns))


def _checked_entries(encoders: Any) -> tuple[_Entry, ...]:
    try:
        entries = [(columns, steps) for columns, steps in encoders]
    except (TypeError, ValueError):
        raise TypeError(
            f"Columns: expected a sequence of (columns, encoder), such as [([0, 1], Periodic())], got {encoders!r}"
        ) from None
    if not entries:
        raise ValueError("Columns: expected at least one (columns, encoder), got none")
    places: dict[int, int] = {}
    checked = []
    for number, (columns, steps) in enumerate(entries):
        numbers = _checked_columns(columns, f"columns of encoder {number}")
        for column in numbers:
            if column in places:
                raise ValueError(
                    f"Columns: expected each column once, got column {column} in encoders {places[column]} and {number}"
                )
            places[column] = number
        checked.append((numbers, _checked_steps(steps, number)))
    return tuple(checked)


def _checked_columns(columns: Any, what: str) -> tuple[int, ...]:
    if np.ndim(columns) == 0 and not isinstance(columns, (range, slice, str)):
        return (integer(what, columns, at_least=0),)
    try:
        numbers = tuple(integer(what, column, at_least=0) for column in columns)
    except TypeError:
        got = f"{columns!r}{_written_here(columns)}"
        raise TypeError(f"Columns: expected {what} to be a number or a sequence of them, got {got}") from None
    if not numbers:
        raise ValueError(f"Columns: expected {what}, got none")
    return numbers


def _written_here(columns: Any) -> str:
    """How columns are written that come in another way which `ColumnTransformer` takes."""
    if isinstance(columns, slice):
        step = f", {columns.step}" if columns.step else ""
        return f"; write range({columns.start or 0}, {columns.stop or 'columns'}{step})"
    if isinstance(columns, str) or any(isinstance(column, str) for column in columns):
        return "; a model's columns have numbers, the estimators of mlpfast.tabular take them by name"
    if all(isinstance(column, (bool, np.bool_)) for column in columns):
        return f"; write {np.flatnonzero(columns).tolist()}"
    return ""


def _checked_steps(steps: Any, number: int) -> tuple[Layer, ...]:
    found = (steps,) if isinstance(steps, Layer) else tuple(steps) if isinstance(steps, (list, tuple)) else ()
    if not found or not all(isinstance(step, (Encoder, Standardize)) for step in found):
        made = next((step for step in found or [steps] if isinstance(step, type)), None)  # to be, by its user
        raise TypeError(
            f"Columns: expected encoder {number} to be Periodic, PiecewiseLinear, OneHot, Embedding or Standardize, or "
            f"a sequence of them, got {repr(steps) if made is None else described(made)}"
        )
    for i, step in enumerate(found):
        if i < len(found) - 1 and not isinstance(step, (Standardize, OneHot)):
            raise ValueError(f"Columns: expected nothing behind {step!r} in encoder {number}, got {found[i + 1]!r}")
        if i > 0 and getattr(step, "reads_codes", False):
            raise ValueError(f"Columns: expected nothing before {step!r} in encoder {number}, got {found[i - 1]!r}")
    return found


def _width(steps: tuple[Layer, ...], n_columns: int) -> int:
    for step in steps:
        n_columns = step.width(n_columns) if isinstance(step, Encoder) else n_columns
    return n_columns


def _places(steps: tuple[Layer, ...], place: str) -> list[str]:
    return [place] if len(steps) == 1 else [f"{place}.{i}" for i in range(len(steps))]


def _lower_steps(
    program: Program, reads: int, columns: tuple[int, ...], steps: tuple[Layer, ...], place: str
) -> tuple[int, tuple[int, ...]]:
    """Make a value of each step from some columns of another, but of an encoder that is the last one.

    Returns the value that is left to read, and which of its columns.
    """
    for i, (step, where) in enumerate(zip(steps, _places(steps, place), strict=True)):
        first = len(program.layers)
        if isinstance(step, Encoder):
            step.check_reads(reads, where)
            if i == len(steps) - 1:
                break
            width = step.width(len(columns))
            made = program.value(width, Activation("identity"))
            step.encode(program, reads, made, (0, width), columns, where)
        else:
            if columns:
                alone = program.value(len(columns), Activation("identity"))
                program.layer("copy_columns", reads, alone, columns=columns, part=(0, len(columns)))
                reads = alone
            made = step.lower(program, reads, where)
        program.put(first, where)
        reads, columns = made, ()
    return reads, columns
