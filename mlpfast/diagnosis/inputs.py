"""What a network multiplies first, whose scale matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..parts import Layer
from ..program import Program

__all__ = ["Values", "first_reads"]

#: Pre-activations, outputs and deltas, by the number of the value.
Values: TypeAlias = "Mapping[int, tuple[NDArray[Any], ...]]"


def first_reads(program: Program, values: Values, probe: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """What the first dense layer reads, and the numbers of its columns.

    Of a table it is what the encoders read and multiply: what they make is of whatever size they learn, and codes, or
    places among bins, are none.
    """
    first = next((layer.reads for layer in program.layers if layer.kind == "dense"), 0)
    makers = {layer.makes: layer for layer in program.layers}
    while first in makers and makers[first].kind == "dropout":
        first = makers[first].reads
    parts = [layer for layer in program.layers if layer.makes == first and layer.part is not None]
    if not parts:
        reads = values[first][1] if first in values else probe
        return reads, np.arange(reads.shape[1])
    found: dict[int, NDArray[Any]] = {}
    for part in parts:
        made = probe if part.reads == 0 else values[part.reads][1]
        origin = _origin(makers, part)
        if part.kind in ("copy_columns", "periodic") or (part.kind == "piecewise_linear" and part.tensors):
            found |= {c: made[:, k] for c, k in zip(origin, part.columns or range(made.shape[1]), strict=False)}
    columns = sorted(found)
    return np.stack([found[c] for c in columns], axis=1) if found else probe[:, :0], np.array(columns, dtype=np.int64)


def _origin(makers: Mapping[int, Layer], layer: Layer) -> Sequence[int]:
    """Which columns of X a layer reads, through those before it; none of codes."""
    columns: Sequence[int] | None = layer.columns or None
    while layer.reads != 0:
        layer = makers[layer.reads]
        if layer.kind == "one_hot":
            return ()
        if layer.columns:
            columns = layer.columns if columns is None else [layer.columns[c] for c in columns]
    return columns or ()
