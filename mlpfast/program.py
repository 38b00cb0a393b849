"""What a model lowers to: values, tensors and layers, and the phases in which a step goes through them.

Plain data, made once, which the compiled side only gives addresses; `print(model.program)` and `print(trainer.program)`
show it. Value 0 is the data; each layer reads one value, or two, and makes another. A schedule is a list of phases with
a barrier after each: work goes along rows, along columns, or along tiles of the tensors; a new phase begins where the
direction changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .activations import Activation
from .initializers import Initializer
from .parts import Buffer, Edge, Layer, Phase, Role, Rule, Schedule, Tensor, Tile, Value, spans
from .settings import Computed

__all__ = ["Program"]

#: Streams of random numbers from here on belong to what is no dense layer, so that those draw the same beside it.
_OTHER_STREAMS = 1 << 16
_MOST_COLUMNS = 1 << 48  # beyond, sizes in the loops would overflow


@dataclass
class Program:
    """A model's values, tensors and layers.

    Layers add to it what they lower themselves to, by `value`, `tensor`, `buffer` and `layer`, in the order of the way
    forward. Printed, a layer shows its kind and numbers, the value that it reads, with the columns in brackets where it
    reads some alone, the one that it makes, and its tensors and buffers.

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
    buffers: list[Buffer] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # how many layers there are after each of the model's
    places: list[str] = field(default_factory=list, compare=False)  # each layer's in the model, as in tensors' names
    kept: set[int] = field(default_factory=set)  # values that will be read again: no activation may be put into them
    clips: bool = False  # the norm of a step's whole gradient
    calls: bool = False  # a loss that is a Python function
    _schedules: dict[tuple[str, int], Schedule] = field(init=False, repr=False, compare=False, default_factory=dict)

    # --- what layers add ---

    def value(self, columns: int, activation: Activation) -> int:
        """Add a value; returns its number."""
        if columns > _MOST_COLUMNS:
            raise ValueError(f"expected at most {_MOST_COLUMNS:,} inputs, or units of a layer, got {columns:,}")
        self.values.append(Value(columns, activation))
        return len(self.values) - 1

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        role: Role,
        initializer: Initializer,
        fans: tuple[int, int],
        *,
        stream: int | None = None,
        rule: Rule = Rule(),  # noqa: B008 - it is constant
    ) -> int:
        """Add a tensor behind the others in the flat vectors; returns its number.

        `stream` is that of its random initial values; by default one of its own.
        """
        if initializer.follows not in (None, role):
            raise ValueError(
                f"{name}: expected an initializer for a {role}, got {initializer!r}, "
                f"which is for a {initializer.follows}"
            )
        if stream is None:
            stream = _OTHER_STREAMS + len(self.tensors)
        self.tensors.append(Tensor(name, shape, self.n_parameters, role, initializer, fans, stream, rule))
        return len(self.tensors) - 1

    def buffer(self, name: str, shape: tuple[int, ...], initial: float | tuple[float, ...], **fields: Any) -> int:
        """Add a buffer behind the others in the state; returns its number. `fields` are others of `Buffer`."""
        self.buffers.append(Buffer(name, shape, self.n_buffered, initial, **fields))
        return len(self.buffers) - 1

    def layer(self, kind: str, reads: int, makes: int, **fields: Any) -> None:
        """Add a layer of a kind; `fields` are those of `Layer`."""
        self.layers.append(Layer(kind, reads, makes, **fields))
        self.places.append("")

    def put(self, first: int, place: str) -> None:
        """Say where in the model the layers from the first one on stand, as far as nobody within has said it."""
        self.places[first:] = [known or place for known in self.places[first:]]

    def dropout(self, reads: int, rate: float) -> int:
        """Add dropout; returns the value that it makes. Right after a dense layer it has the stream of that layer."""
        if self.layers and self.layers[-1].kind == "dense" and self.layers[-1].makes == reads:
            stream = self.n_dense - 1
        else:
            stream = _OTHER_STREAMS + sum(layer.kind == "dropout" for layer in self.layers)
        made = self.value(self.values[reads].columns, Activation("identity"))
        self.layer("dropout", reads, made, numbers=(rate,), stream=stream, trains_only=True, in_place=True)
        return made

    # --- parts ---

    def up_to(self, value: int) -> Program:
        """What makes a value, which is the last one there; all tensors and buffers are where they are."""
        needed, layers, places = {0, value}, [], []
        for layer, place in zip(reversed(self.layers), reversed(self.places), strict=True):
            if layer.makes in needed:
                layers.append(layer)
                places.append(place)
                needed |= {layer.reads} if layer.also is None else {layer.reads, layer.also}
        kept = [*sorted(needed - {value}), value]
        number = {old: new for new, old in enumerate(kept)}
        moved = [
            layer._replace(
                reads=number[layer.reads],
                makes=number[layer.makes],
                also=None if layer.also is None else number[layer.also],
            )
            for layer in reversed(layers)
        ]
        return replace(self, values=[self.values[old] for old in kept], layers=moved, places=places[::-1])

    # --- facts; those that are cached are asked for when all layers are there ---

    @property
    def n_parameters(self) -> int:
        """The size of the flat vectors."""
        return self.tensors[-1].offset + self.tensors[-1].size if self.tensors else 0

    @property
    def n_buffered(self) -> int:
        """The size of all buffers together."""
        return self.buffers[-1].offset + self.buffers[-1].size if self.buffers else 0

    @property
    def made(self) -> list[int]:
        """The values that layers make, in their order, but for those of layers that only train."""
        return list(dict.fromkeys(layer.makes for layer in self.layers if not layer.trains_only))

    @property
    def n_dense(self) -> int:
        """The number of dense layers."""
        return sum(layer.kind == "dense" for layer in self.layers)

    @Computed
    def over_batch(self) -> bool:
        """Whether training takes statistics over a batch."""
        return any(layer.over_batch and self._trains(number) for number, layer in enumerate(self.layers))

    @Computed
    def by_rows(self) -> list[Tensor]:
        """The tensors of which a step updates those rows alone that its batch reads."""
        return [tensor for tensor in self.tensors if tensor.rule.trainable and tensor.rule.by_rows]

    @Computed
    def skips_weightless(self) -> bool:
        """Whether batches have no rows of weight zero, which would count in statistics, or for entries they read."""
        return self.over_batch or bool(self.by_rows)

    @property
    def codes(self) -> list[tuple[int, int]]:
        """The columns of the data that hold codes of categories, and how many categories each has."""
        found = []
        for layer in self.layers:
            if layer.codes:
                columns = layer.columns or range(self.values[layer.reads].columns)
                found += [(column, layer.codes) for column in columns]
        return found

    def may_activate(self, value: int) -> bool:
        """Whether an activation can be put into a value: nobody else sees it, and its maker has none yet."""
        maker = self.layers[-1] if self.layers else None
        if maker is None or maker.makes != value or maker.trains_only or maker.part is not None or value in self.kept:
            return False
        return self.values[value].activation == Activation("identity")

    def with_loss(self, calls: bool) -> Program:
        """The same for a loss that is a Python function, or for one that is not."""
        return self if self.calls == calls else replace(self, calls=calls)

    def with_rules(self, rules: Sequence[Rule]) -> Program:
        """The same with a rule for each tensor."""
        tensors = [tensor._replace(rule=rule) for tensor, rule in zip(self.tensors, rules, strict=True)]
        return replace(self, tensors=tensors)

    # --- schedules ---

    def schedule(
        self,
        name: Literal["step", "gradient", "training_gradient", "input_gradient", "evaluation", "prediction"],
    ) -> Schedule:
        """The phases of a training step, of a gradient, of an evaluation, or of a prediction.

        A gradient is without dropout, and with running statistics; a training gradient is with those of the batch. An
        input gradient goes back to the data, through all layers, and leaves the tensors alone.
        """
        key = name, len(self.layers)  # engines ask again and again
        if key not in self._schedules:
            self._schedules[key] = self._scheduled(name)
        return self._schedules[key]

    def _scheduled(self, name: str) -> Schedule:
        stands_for = list(range(len(self.values)))
        run = []
        for number, layer in enumerate(self.layers):
            if layer.trains_only and name != "step":
                stands_for[layer.makes] = stands_for[layer.reads]
            else:
                run.append(number)
        reads = tuple(stands_for[layer.reads] for layer in self.layers)
        also = tuple(None if layer.also is None else stands_for[layer.also] for layer in self.layers)
        batch = {n for n in run if self.layers[n].over_batch and self._trains(n)}
        if name not in ("step", "training_gradient"):
            batch = set()
        wanted = self._wanted(run, reads, also) if name != "input_gradient" else [True] * len(self.values)
        back = [n for n in reversed(run) if wanted[self.layers[n].makes]]
        if name in ("evaluation", "prediction"):
            wanted, back = [False] * len(self.values), []
        sums = {n for n in batch if wanted[reads[n]]}
        phases = _along_rows(run, back, batch, sums, compares=name != "prediction", calls=self.calls)
        trained = tuple(n for n in run if self._trains(n))
        if name == "step" and self.clips:
            phases += [Phase("tiles", back=trained), Phase("spans", updates=True), Phase("tiles", updates=True)]
        elif name in ("step", "gradient", "training_gradient"):
            phases.append(Phase("tiles", back=trained, updates=name == "step"))
        limited = tuple(n for n in run if self._limited(n))
        if limited and name == "step":
            phases.append(Phase("units", back=limited, updates=True))
        if batch and name == "step":
            phases.append(Phase("columns", forward=tuple(sorted(batch)), updates=True))
        edges = self._edges(back, reads, also, wanted)
        return Schedule(name, reads, also, stands_for[-1], tuple(phases), tuple(wanted), edges, frozenset(batch))

    def _trains(self, number: int) -> bool:
        """Whether a layer has tensors that are trained."""
        return any(self.tensors[t].rule.trainable for t in self.layers[number].tensors)

    def _limited(self, number: int) -> bool:
        """Whether norms of a layer's tensors are limited."""
        rules = [self.tensors[t].rule for t in self.layers[number].tensors]
        return any(rule.trainable and rule.max_norm is not None for rule in rules)

    def _wanted(self, run: Sequence[int], reads: Sequence[int], also: Sequence[int | None]) -> list[bool]:
        """Whether each value's delta is: something at or below the layer that makes it is trained."""
        wanted = [False] * len(self.values)
        for number in run:
            below = (value for value in (reads[number], also[number]) if value is not None)
            wanted[self.layers[number].makes] |= self._trains(number) or any(wanted[value] for value in below)
        return wanted

    def delta_columns(self, value: int) -> tuple[int, int]:
        """The first column of a value whose delta is wanted, and the one behind the last: of parts that are trained."""
        makers = {number: layer for number, layer in enumerate(self.layers) if layer.makes == value}
        parts = [layer.part for number, layer in makers.items() if layer.part is not None and self._trains(number)]
        if not parts or any(layer.part is None for layer in makers.values()):
            return 0, self.values[value].columns
        return min(first for first, _ in parts), max(first + width for first, width in parts)

    def _edges(
        self, back: Sequence[int], reads: Sequence[int], also: Sequence[int | None], wanted: Sequence[bool]
    ) -> tuple[tuple[Edge, Edge], ...]:
        """How layers read what they read, going back: the first writes its delta, others add, the last one finishes."""
        edges = [[Edge(False, False), Edge(False, False)] for _ in self.layers]
        readers: dict[int, list[tuple[int, int]]] = {}
        for number in back:
            for which, value in enumerate((reads[number], also[number])):
                if value is not None and wanted[value]:
                    readers.setdefault(value, []).append((number, which))
        for uses in readers.values():
            for i, (number, which) in enumerate(uses):
                edges[number][which] = Edge(adds=i > 0, more=i < len(uses) - 1)
        return tuple((first, second) for first, second in edges)

    def slots(self, schedule: Schedule) -> list[int]:
        """A number for each value that a prediction makes, else -1: those needed at one time have different ones."""
        run = schedule.phases[0].forward
        needed_until = {}
        for position, number in enumerate(run):
            needed_until[schedule.reads[number]] = position
            if (also := schedule.also[number]) is not None:
                needed_until[also] = position
        needed_until[schedule.output] = len(run)
        slots = [-1] * len(self.values)
        for position, number in enumerate(run):
            if slots[self.layers[number].makes] < 0:
                taken = {slot for value, slot in enumerate(slots) if needed_until.get(value, -1) >= position}
                slots[self.layers[number].makes] = min(set(range(len(run) + 1)) - taken)
        return slots

    def tiles(self, panel: int, most: int, whole: int, together: int, parts: int) -> Iterator[Tile]:
        """The trained tensors in tiles, layer by layer: whole panels of the transpose, and whole rows where they fit.

        panel : columns of a panel, of W and of its transpose; tiles begin at multiples of it
        most : columns of a tile of one panel of the transpose, where it has no whole rows
        whole : columns of the widest tensor whose tiles have whole rows
        parts : tiles that such a tensor has at least, for the threads to share
        together : columns whose tiles follow each other, since they share what they read

        Vectors come first: what their gradients are sums of is still near. Tensors that are updated by rows come last.
        """
        for number, k, tensor in sorted(self._trained(), key=lambda t: (t[2].rule.by_rows, len(t[2].shape) > 1)):
            height, width = tensor.matrix
            rows = min(panel * max(1, most // width), height)
            wide = width if width <= whole and height >= parts * panel else most
            for first in range(0, width, together if len(tensor.shape) == 2 else width):
                last = min(first + together, width) if len(tensor.shape) == 2 else width
                for i in range(0, height, rows):
                    for j in range(first, last, wide):
                        yield Tile(number, k, (i, min(rows, height - i)), (j, min(wide, last - j)))

    def shares(self, most: int) -> Iterator[Tile]:
        """The tensors that are updated by rows, each in at most so many parts."""
        for number, k, tensor in self._trained():
            height, width = tensor.matrix
            rows = -(-height // most)
            for i in range(0, height if tensor.rule.by_rows else 0, rows):
                yield Tile(number, k, (i, min(rows, height - i)), (0, width))

    def tensor_of(self, tile: Tile) -> Tensor:
        """The tensor that it is a part of."""
        return self.tensors[self.layers[tile.layer].tensors[tile.tensor]]

    def strips(self, panel: int) -> Iterator[Tile]:
        """The tensors whose norms are limited, in strips of whole columns."""
        for number, k, tensor in self._trained():
            height, width = tensor.matrix
            if tensor.rule.max_norm is not None:
                for j in range(0, width, panel):
                    yield Tile(number, k, (0, height), (j, min(panel, width - j)))

    def _trained(self) -> Iterator[tuple[int, int, Tensor]]:
        """The trained tensors, each with the first layer that has it, and its place there."""
        for index, uses in self.uses.items():
            if self.tensors[index].rule.trainable:
                yield (*uses[0], self.tensors[index])

    @Computed
    def uses(self) -> dict[int, list[tuple[int, int]]]:
        """For each tensor, the layers that have it, with its place there: the first makes its gradient, others add."""
        uses: dict[int, list[tuple[int, int]]] = {}
        for number, layer in enumerate(self.layers):
            for k, index in enumerate(layer.tensors):
                uses.setdefault(index, []).append((number, k))
        return uses

    def __str__(self) -> str:
        values = [
            f"{'data' if i == 0 else value.activation!s:<12} {value.columns:,} columns"
            for i, value in enumerate(self.values)
        ]
        tensors = [
            f"  {t.name}  {t.role} {t.shape} at {t.offset:,}"
            + (", frozen" if not t.rule.trainable else ", by rows" if t.rule.by_rows else "")
            for t in self.tensors
        ]
        buffers = [f"  {b.name}  {b.shape} at {self.n_parameters + b.offset:,}" for b in self.buffers]
        layers = []
        for layer in self.layers:
            names = [self.tensors[t].name for t in layer.tensors] + [self.buffers[b].name for b in layer.buffers]
            numbers = "".join(f" {number:g}" for number in layer.numbers)
            layers.append(
                layer.kind
                + (f" {layer.activation}" if layer.activation is not None else "")
                + f"{numbers}: value {layer.reads}"
                + (f" ({spans(layer.columns)})" if layer.columns else "")
                + (f" and {layer.also}" if layer.also is not None else "")
                + f" -> {layer.makes}"
                + (f" ({spans(range(layer.part[0], sum(layer.part)))})" if layer.part is not None else "")
                + (f" with {', '.join(names)}" if names else "")
                + (", in training only" if layer.trains_only else "")
            )
        return "\n".join(
            ["values", *_numbered(values), "tensors", *tensors]
            + (["buffers", *buffers] if buffers else [])
            + ["layers", *_numbered(layers)]
        )


def _numbered(lines: Sequence[str]) -> list[str]:
    width = len(str(len(lines) - 1))
    return [f"  {number:<{width}}  {line}" for number, line in enumerate(lines)]


def _along_rows(
    run: Sequence[int],
    back: Sequence[int],
    statistics: set[int],
    sums: set[int],
    compares: bool,
    calls: bool,
) -> list[Phase]:
    """The phases along rows, and those along columns between them: before layers that want `statistics`, or `sums`.

    A loss that is called is so between the way forward and the way back.
    """
    phases: list[Phase] = []
    part: list[int] = []
    for number in run:
        if number in statistics:
            phases += [Phase("rows", tuple(part)), Phase("columns", (number,))]
            part = []
        part.append(number)
    phases.append(Phase("rows", tuple(part), compares=compares and not calls))
    if compares and calls:
        phases += [Phase("call"), Phase("rows", compares=True)]
    phases[0] = phases[0]._replace(gathers=True)
    part = []
    for number in back:
        if number in sums:
            phases[-1] = phases[-1]._replace(back=tuple(part))
            phases += [Phase("columns", back=(number,)), Phase("rows")]
            part = []
        part.append(number)
    phases[-1] = phases[-1]._replace(back=tuple(part))
    return phases
