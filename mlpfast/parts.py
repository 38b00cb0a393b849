"""What a program consists of, as plain data: values, tensors, buffers, layers, tiles; phases and schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from .activations import Activation
from .initializers import Initializer

__all__ = [
    "DECAYING",
    "ROLES",
    "Buffer",
    "Layer",
    "Phase",
    "Role",
    "Rule",
    "Schedule",
    "Tensor",
    "Tile",
    "Value",
    "spans",
]

Role: TypeAlias = Literal["weight", "bias", "scale", "shift", "slope", "frequency", "table"]

#: What tensors are for.
ROLES: tuple[Role, ...] = ("weight", "bias", "scale", "shift", "slope", "frequency", "table")

#: The roles that penalties and weight decay reach, unless a tensor's rule says otherwise.
DECAYING = ("weight", "table")


class Value(NamedTuple):
    """Some columns of every row: h = g(z) with the activation g."""

    columns: int
    activation: Activation


class Rule(NamedTuple):
    """How a tensor is trained. None: what its role has."""

    trainable: bool = True
    learning_rate_scale: float = 1.0
    epsilon_scale: float = 1.0
    multiplier: float = 1.0  # the tensor is this times what is trained: steps are as if they were taken there
    weight_decay_scale: float | None = None
    l1: float | None = None  # in place of the trainer's
    l2: float | None = None
    max_norm: float | None = None  # of each unit's weights
    by_rows: bool = False  # a step updates the rows of it alone that the batch reads


class Tensor(NamedTuple):
    """A named span of the flat vectors: parameters, gradient, optimizer state."""

    name: str
    shape: tuple[int, ...]
    offset: int  # of its first element
    role: Role
    initializer: Initializer
    fans: tuple[int, int]  # fan-in and fan-out, for the initializer
    stream: int  # of random numbers, for the initial values
    rule: Rule = Rule()

    @property
    def matrix(self) -> tuple[int, int]:
        """Its shape as a matrix: a vector is one row."""
        rows, columns = (1, *self.shape)[-2:]
        return rows, columns

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def decays(self) -> bool:
        """Whether penalties and weight decay reach it by its role."""
        return self.role in DECAYING


class Buffer(NamedTuple):
    """A named span of the state behind the parameters: what is learnt otherwise than by gradients."""

    name: str
    shape: tuple[int, ...]
    offset: int  # of its first element, from the first buffer's
    initial: float | tuple[float, ...]  # of all its elements, or of each
    at_least: float = -math.inf  # below it, a value can't have been learnt
    ascends: bool = False  # along each row

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def adapts(self) -> bool:
        """Whether `mlpfast.Model.adapt` teaches it, and it is NaN until then."""
        return any(map(math.isnan, self.initial if isinstance(self.initial, tuple) else (self.initial,)))


class Layer(NamedTuple):
    """A kind of layer at work: what it reads and makes, and with which tensors."""

    kind: str
    reads: int  # a value
    makes: int
    also: int | None = None  # a second value that it reads
    tensors: tuple[int, ...] = ()
    buffers: tuple[int, ...] = ()
    numbers: tuple[float, ...] = ()  # those that the kind takes
    activation: Activation | None = None  # the one that the kind itself takes
    stream: int = 0  # of random numbers
    trains_only: bool = False  # elsewhere, its value is the one that it reads
    packs: bool = False  # it reads a weight matrix, its first tensor, and a bias, its second, in packed forms
    in_place: bool = False  # the delta of what it makes may have the place of the delta of what it reads
    passes_on: bool = False  # the same of the second value, of whose readers it is the first on the way back
    over_batch: bool = False  # in training it takes statistics over a batch, in passes along columns
    saves: int = 0  # columns of the matrix that it keeps for the way back,
    saves_in_place: bool = False  # which may have the place of what it reads
    row_notes: int = 0  # numbers that it keeps of each row,
    column_notes: int = 0  # and of each column
    notes: int = 0  # and others
    part: tuple[int, int] | None = None  # first and number of the columns that it makes, if not all
    columns: tuple[int, ...] = ()  # of what it reads, if not all
    codes: int = 0  # those hold whole numbers below this; anything else is an error


class Tile(NamedTuple):
    """A part of a tensor whose gradient one thread computes; a vector is one row."""

    layer: int
    tensor: int  # of the layer's
    rows: tuple[int, int]  # the first, and how many
    columns: tuple[int, int]


class Phase(NamedTuple):
    """Work in one direction, between two barriers. Layers are given by number, in the order in which they run.

    Along columns, `forward` takes statistics of what layers read, `back` sums of their deltas, and `updates` what is
    kept of the statistics. Along spans of the flat gradient, its norm is clipped; along units, the columns of weights,
    theirs are limited. A call is one of a loss that is a Python function, for all rows at once.
    """

    direction: Literal["rows", "columns", "tiles", "spans", "units", "call"]
    forward: tuple[int, ...] = ()
    back: tuple[int, ...] = ()
    gathers: bool = False
    compares: bool = False  # with the targets: loss, metrics, and the last value's delta
    updates: bool = False

    def __str__(self) -> str:
        if self.direction == "columns":
            what = "keep" if self.updates else "statistics" if self.forward else "sums"
            return f"columns  {what} {spans(self.forward or self.back)}"
        if self.direction == "spans":
            return "spans    clip"
        if self.direction == "call":
            return "call     loss"
        if self.direction == "units":
            return f"units    limit {spans(self.back)}"
        parts = [
            "gather" * self.gathers,
            f"forward {spans(self.forward)}" if self.forward else "",
            "compare" * self.compares,
            f"back {spans(self.back)}" if self.back and self.direction == "rows" else "",
            f"gradient {spans(self.back)}" if self.back and self.direction == "tiles" else "",
            "update" * self.updates,
        ]
        return f"{self.direction:<8} {', '.join(part for part in parts if part)}"


class Edge(NamedTuple):
    """How a layer reads a value on the way back, among its other readers."""

    adds: bool  # to the delta that others have written
    more: bool  # others follow: they add, and the last of them finishes the delta


class Schedule(NamedTuple):
    """A named list of phases, and what each layer reads in it (a layer that only trains may be passed over)."""

    name: str
    reads: tuple[int, ...]
    also: tuple[int | None, ...]
    output: int  # the value that is compared, or predicted
    phases: tuple[Phase, ...]
    wanted: tuple[bool, ...]  # whether each value's delta is
    edges: tuple[tuple[Edge, Edge], ...]  # of what each layer reads, and also reads
    over_batch: frozenset[int]  # the layers that take statistics over the batch

    @property
    def shared(self) -> set[int]:
        """The values whose delta several layers add up."""
        return {
            value
            for layer_edges, values in zip(self.edges, zip(self.reads, self.also, strict=True), strict=True)
            for edge, value in zip(layer_edges, values, strict=True)
            if value is not None and edge.adds
        }

    def __str__(self) -> str:
        return "\n".join([f"{self.name}:", *(f"  {phase}" for phase in self.phases)])


def spans(numbers: Sequence[int]) -> str:
    """``0-3``, ``3-0``, ``0, 2`` or ``0-3, 5``: those that follow each other, as one."""
    step = 1 if numbers[0] <= numbers[-1] else -1
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + step:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)
