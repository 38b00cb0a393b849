"""What the engine computes for a graph: layers that are no formula here, and losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..activations import Activation
from ..core.network import Network
from ..core.rowwise import Rowwise
from ..layers import Activate
from ..losses import Loss
from ..model import Model
from ..parts import Layer, Rule, Value
from ..validation import code_error
from .nodes import Array, Operation

__all__ = ["of_layer", "of_loss"]

_IDENTITY = Activation("identity")


def of_layer(model: Model, layer: Layer) -> Operation:
    """What a layer of the model's program makes: a network of its own, of which what it reads is the data.

    Raises
    ------
    ValueError
        If the layer reads two values.
    """
    if layer.also is not None:
        raise ValueError(f"graph.of: expected layers that read one value, got {layer.kind!r}, which reads two")
    twin, program = model.copy(), model.program
    reads, makes = (program.values[value].columns for value in (layer.reads, layer.makes))
    alone = layer._replace(reads=0, makes=1, part=layer.part and (0, layer.part[1]))
    program = replace(
        program.with_rules([Rule()] * len(program.tensors)),  # what is frozen in the model has derivatives here
        values=[Value(reads, _IDENTITY), Value(layer.part[1] if layer.part else makes, _IDENTITY)],
        layers=[alone],
        places=[next(place for each, place in zip(program.layers, program.places, strict=True) if each is layer)],
    )
    network = Network(program, twin.state)
    tensors = [program.tensors[t] for t in layer.tensors]

    def load(arrays: Sequence[Array]) -> None:
        for tensor, array in zip(tensors, arrays, strict=True):
            twin.tensors[tensor.name][...] = array

    def forward(x: Array, *arrays: Array) -> Array:
        load(arrays)
        if (error := code_error(x, program.codes)) is not None:
            raise error
        if not _finite(x):
            return np.full((len(x), program.values[1].columns), np.nan, x.dtype)
        return np.asarray(network.predict(x))

    def backward(delta: Array, h: Array, x: Array, *arrays: Array) -> tuple[Array, ...]:
        load(arrays)
        by_x, by_parameters = np.full_like(x, np.nan), np.full((len(x), program.n_parameters), np.nan, x.dtype)
        if _finite(x):
            Rowwise(network, "inputs", seed="given").run(x, None, delta, by_x)
            Rowwise(network, "gradients", seed="given").run(x, None, delta, by_parameters)
        whole = by_parameters.sum(axis=0)
        return by_x, *(whole[t.offset : t.offset + t.size].reshape(t.shape) for t in tensors)

    return Operation(layer.kind, forward, backward)


def of_loss(loss: Loss, y: Array, columns: int, dtype: np.dtype[Any]) -> Operation:
    """The mean loss of rows of what it reads."""
    model = Model(columns, [Activate(_IDENTITY)], dtype=dtype)

    def forward(rows: Array) -> Array:
        return np.asarray(model.loss_and_gradient(rows, y, loss)[0] if _finite(rows) else np.nan)

    def backward(delta: Array, value: Array, rows: Array) -> tuple[Array]:
        return (delta / len(rows) * (model.input_gradient(rows, y, loss) if _finite(rows) else np.nan * rows),)

    return Operation(loss.name, forward, backward)


def _finite(rows: Array) -> bool:
    """Whether the engine takes them for data; what comes of others is NaN, which is there to be seen."""
    return bool(np.isfinite(rows).all())
