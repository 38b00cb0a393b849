"""What a model lowers to: values, tensors and layers, and the phases in which a step goes through them.

Plain data, made once, which the compiled side only gives addresses; `print(model.program)` and `print(trainer.program)`
show it. Value 0 is the data; each layer reads one value and makes another. A schedule is a list of phases with a
barrier after each: work goes along rows, or along tiles of the tensors; a new phase begins where the direction changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from .activations import Activation
from .initializers import Initializer

__all__ = ["Layer", "Phase", "Program", "Schedule", "Tensor", "Tile", "Value"]


#: What tensors are for; penalties and decays reach weights alone.
ROLES = ("weight", "bias")


class Value(NamedTuple):
    """Some columns of every row: h = g(z) with the activation g."""

    columns: int
    activation: Activation


class Tensor(NamedTuple):
    """A named span of the flat vectors: parameters, gradient, optimizer state."""

    name: str
    shape: tuple[int, ...]
    offset: int  # of its first element
    role: Literal["weight", "bias"]  # by which penalties and decays find it
    initializer: Initializer
    fans: tuple[int, int]  # fan-in and fan-out, for the initializer

    @property
    def matrix(self) -> tuple[int, int]:
        """Its shape as a matrix: a vector is one row."""
        rows, columns = (1, *self.shape)[-2:]
        return rows, columns

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Layer(NamedTuple):
    """A kind of layer at work: what it reads and makes, and with which tensors."""

    kind: str
    reads: int  # a value
    makes: int
    tensors: tuple[int, ...] = ()
    number: float = 0.0  # the one that the kind takes
    stream: int = 0  # of random numbers
    trains_only: bool = False  # elsewhere, its value is the one that it reads
    packs: bool = False  # it reads a weight matrix, its first tensor, and a bias, its second, in packed forms
    in_place: bool = False  # the delta of what it makes has the place of the delta of what it reads


class Tile(NamedTuple):
    """A part of a tensor whose gradient one thread computes; a vector is one row."""

    layer: int
    tensor: int  # of the layer's
    rows: tuple[int, int]  # the first, and how many
    columns: tuple[int, int]


class Phase(NamedTuple):
    """Work in one direction, between two barriers. Layers are given by number, in the order in which they run."""

    direction: Literal["rows", "tiles"]
    forward: tuple[int, ...] = ()
    back: tuple[int, ...] = ()
    gathers: bool = False
    compares: bool = False  # with the targets: loss, metrics, and the last value's delta
    updates: bool = False

    def __str__(self) -> str:
        parts = [
            "gather" * self.gathers,
            f"forward {_numbers(self.forward)}" if self.forward else "",
            "compare" * self.compares,
            f"back {_numbers(self.back)}" if self.back and self.direction == "rows" else "",
            f"gradient {_numbers(self.back)}" if self.direction == "tiles" else "",
            "update" * self.updates,
        ]
        return f"{self.direction:<8} {', '.join(part for part in parts if part)}"


class Schedule(NamedTuple):
    """A named list of phases, and what each layer reads in it (a layer that only trains may be passed over)."""

    name: str
    reads: tuple[int, ...]
    output: int  # the value that is compared, or predicted
    phases: tuple[Phase, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.name}:", *(f"  {phase}" for phase in self.phases)])


@dataclass
class Program:
    """A model's values, tensors and layers.

    Layers add to it what they lower themselves to, by `value`, `tensor` and `layer`, in the order of the way forward.

    Examples
    --------
    >>> import mlpfast as mf
    >>> print(mf.mlp([4, 8, 3], "tanh", "softmax").program)
    values
      0  data         4 columns
      1  tanh         8 columns
      2  softmax      3 columns
    tensors
      W0  weight (4, 8) at 0
      b0  bias (8,) at 32
      W1  weight (8, 3) at 40
      b1  bias (3,) at 64
    layers
      0  dense: value 0 -> 1 with W0, b0
      1  dense: value 1 -> 2 with W1, b1
    """

    values: list[Value] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)

    def value(self, columns: int, activation: Activation) -> int:
        """Add a value; returns its number."""
        self.values.append(Value(columns, activation))
        return len(self.values) - 1

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        role: Literal["weight", "bias"],
        initializer: Initializer,
        fans: tuple[int, int],
    ) -> int:
        """Add a tensor behind the others in the flat vectors; returns its number."""
        self.tensors.append(Tensor(name, shape, self.n_parameters, role, initializer, fans))
        return len(self.tensors) - 1

    def layer(self, kind: str, reads: int, makes: int, **fields: Any) -> None:
        """Add a layer of a kind; `fields` are those of `Layer`."""
        self.layers.append(Layer(kind, reads, makes, **fields))

    @property
    def n_parameters(self) -> int:
        """The size of the flat vectors."""
        return self.tensors[-1].offset + self.tensors[-1].size if self.tensors else 0

    def schedule(self, name: Literal["step", "gradient", "evaluation", "prediction"]) -> Schedule:
        """The phases of a training step, of a gradient without dropout, of an evaluation, or of a prediction."""
        training = name == "step"
        stands_for = list(range(len(self.values)))
        run = []
        for number, layer in enumerate(self.layers):
            if layer.trains_only and not training:
                stands_for[layer.makes] = stands_for[layer.reads]
            else:
                run.append(number)
        forward = Phase("rows", tuple(run), gathers=True, compares=name != "prediction")
        phases = [forward]
        if name in ("step", "gradient"):
            phases = [
                forward._replace(back=tuple(reversed(run))),
                Phase("tiles", back=tuple(n for n in run if self.layers[n].tensors), updates=training),
            ]
        return Schedule(name, tuple(stands_for[layer.reads] for layer in self.layers), stands_for[-1], tuple(phases))

    def slots(self, schedule: Schedule) -> list[int]:
        """A number for each value that a prediction makes, else -1: those needed at one time have different ones."""
        run = schedule.phases[0].forward
        needed_until = {schedule.reads[number]: position for position, number in enumerate(run)}
        needed_until[schedule.output] = len(run)
        slots = [-1] * len(self.values)
        for position, number in enumerate(run):
            taken = {slot for value, slot in enumerate(slots) if needed_until.get(value, -1) >= position}
            slots[self.layers[number].makes] = min(set(range(len(run) + 1)) - taken)
        return slots

    def tiles(self, panel: int, most: int, together: int) -> Iterator[Tile]:
        """The tensors in tiles, layer by layer: whole panels of the transpose, and whole rows where they fit.

        panel : columns of a panel, of W and of its transpose; tiles begin at multiples of it
        most : columns of the widest tile, for one panel of the transpose
        together : columns whose tiles follow each other, since they share what they read
        """
        for number, layer in enumerate(self.layers):
            for k, tensor in enumerate(self.tensors[t] for t in layer.tensors):
                height, width = tensor.matrix
                rows = min(panel * max(1, most // width), height)
                for first in range(0, width, together if len(tensor.shape) == 2 else width):
                    last = min(first + together, width) if len(tensor.shape) == 2 else width
                    for i in range(0, height, rows):
                        for j in range(first, last, most):
                            yield Tile(number, k, (i, min(rows, height - i)), (j, min(most, last - j)))

    def __str__(self) -> str:
        values = [
            f"  {i}  {'data' if i == 0 else value.activation!s:<12} {value.columns:,} columns"
            for i, value in enumerate(self.values)
        ]
        tensors = [f"  {t.name}  {t.role} {t.shape} at {t.offset:,}" for t in self.tensors]
        layers = []
        for i, layer in enumerate(self.layers):
            names = ", ".join(self.tensors[t].name for t in layer.tensors)
            number = f" {layer.number:g}" if layer.number else ""
            layers.append(
                f"  {i}  {layer.kind}{number}: value {layer.reads} -> {layer.makes}"
                + (f" with {names}" if names else "")
                + (", in training only" if layer.trains_only else "")
            )
        return "\n".join(["values", *values, "tensors", *tensors, "layers", *layers])


def _numbers(layers: Sequence[int]) -> str:
    """``0-3``, ``3-0`` or ``0, 2``."""
    step = 1 if layers[0] <= layers[-1] else -1
    if len(layers) > 1 and list(layers) == list(range(layers[0], layers[-1] + step, step)):
        return f"{layers[0]}-{layers[-1]}"
    return ", ".join(map(str, layers))
