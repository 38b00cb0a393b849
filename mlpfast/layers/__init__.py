"""Layers, as pure data: a file for each, and a row here. Registered means tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..activations import Activation
from ..program import Program
from .activate import Activate
from .ascending import Ascending
from .base import Layer, as_layers, lower_all
from .batch_norm import BatchNorm
from .columns import Columns
from .dense import Dense
from .dropout import Dropout
from .embedding import Embedding
from .one_hot import OneHot
from .parametric import Parametric, PReLU
from .periodic import Periodic
from .piecewise_linear import PiecewiseLinear
from .residual import Residual
from .row_norms import LayerNorm, RMSNorm
from .scale import Scale
from .standardize import Standardize

__all__ = [
    "LAYERS",
    "Activate",
    "Ascending",
    "BatchNorm",
    "Columns",
    "Dense",
    "Dropout",
    "Embedding",
    "Layer",
    "LayerNorm",
    "OneHot",
    "PReLU",
    "Parametric",
    "Periodic",
    "PiecewiseLinear",
    "RMSNorm",
    "Residual",
    "Scale",
    "Standardize",
    "as_layers",
    "lower",
]

#: Every layer by name.
LAYERS: dict[str, type[Layer]] = {
    cls.name: cls
    for cls in (
        Dense,
        Dropout,
        Activate,
        PReLU,
        Parametric,
        Scale,
        Standardize,
        LayerNorm,
        RMSNorm,
        BatchNorm,
        Residual,
        Columns,
        Periodic,
        PiecewiseLinear,
        OneHot,
        Embedding,
        Ascending,
    )
}


def lower(inputs: int, layers: Iterable[Layer]) -> Program:
    """What layers lower themselves to, one after the other, for rows of so many inputs.

    Examples
    --------
    >>> import mlpfast as mf
    >>> program = mf.layers.lower(4, [mf.Dense(3, "relu"), mf.Dense(1)])
    >>> [(tensor.name, tensor.shape) for tensor in program.tensors]
    [('W0', (4, 3)), ('b0', (3,)), ('W1', (3, 1)), ('b1', (1,))]
    """
    program = Program()
    data = program.value(inputs, Activation("identity"))
    for _ in lower_all(program, data, layers):
        program.ends.append(len(program.layers))
    return program


def one_for_each(name: str, value: Any, single: type | tuple[type, ...], hidden_layers: int) -> Sequence[Any]:
    """One value for each hidden layer: `value` itself, or where it is of a `single` type, as often as needed."""
    if isinstance(value, single):
        return [value] * hidden_layers
    try:
        values = list(value)
    except TypeError:  # neither; the layer says what it wants
        return [value] * hidden_layers
    if len(values) != hidden_layers:
        raise ValueError(
            f"expected one {name} for each of the {hidden_layers} hidden layers, got {len(values)}: {value!r}"
        )
    return values
