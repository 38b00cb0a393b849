"""The network behind an estimator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation, as_activation
from ..errors import unknown_name
from ..layers import Activate, BatchNorm, Dense, Dropout, Layer, LayerNorm, Residual, one_for_each
from ..model import Model

#: What `normalization` may be, besides None.
NORMS: dict[str, type[Layer]] = {"layer": LayerNorm, "batch": BatchNorm}


@dataclass(frozen=True)
class HiddenLayer:
    """A hidden layer as an estimator's parameters describe it."""

    units: int
    activation: Activation
    dropout: float
    layers: tuple[Layer, ...]  # of the network


def hidden_layers(sizes: Any, activation: Any, dropout: Any, normalization: Any) -> list[HiddenLayer]:
    """The hidden layers, from the parameters `hidden_layer_sizes`, `activation`, `dropout` and `normalization`."""
    if isinstance(sizes, np.ndarray) and sizes.ndim == 0:
        raise ValueError(
            "expected hidden_layer_sizes to be an int, or a sequence of ints, one for each hidden layer, got the "
            f"0-dimensional {sizes!r}; write {sizes.item()!r} or ({sizes.item()!r},)"
        )
    sizes = list(sizes) if isinstance(sizes, Iterable) else [sizes]
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(f"expected hidden_layer_sizes to be whole numbers > 0, got {sizes}")
    if normalization is not None and normalization not in NORMS:
        raise unknown_name("normalization", normalization, NORMS)
    if normalization == "layer" and 1 in sizes:
        raise ValueError(f"expected hidden layers of at least 2 units for normalization='layer', got {sizes}")
    activations = one_for_each("activation", activation, (str, Activation), len(sizes))
    rates = one_for_each("dropout", dropout, Real, len(sizes))
    return [
        _hidden_layer(int(size), as_activation(activation), float(rate), normalization)
        for size, activation, rate in zip(sizes, activations, rates, strict=True)
    ]


def _hidden_layer(units: int, activation: Activation, dropout: float, normalization: str | None) -> HiddenLayer:
    """Its norm is between the product and the activation."""
    layers: tuple[Layer, ...] = (Dense(units, activation, dropout=dropout),)
    if normalization is not None:
        # A batch's mean takes away whatever bias there is. Not so a row's, in which biases differ.
        product = Dense(units, use_bias=normalization != "batch")
        layers = product, NORMS[normalization](), Activate(activation), *([Dropout(dropout)] if dropout else [])
    return HiddenLayer(units, activation, dropout, layers)


def all_layers(hidden: Sequence[HiddenLayer], output: Dense, inputs: int, residual: bool) -> tuple[Layer, ...]:
    """The layers of a network with so many inputs; with `residual`, an identity beside those that keep the width."""
    widths = [inputs, *(each.units for each in hidden)]
    beside = [residual and before == after for before, after in pairwise(widths)]
    if residual and not any(beside):
        raise ValueError(
            "expected a hidden layer as wide as its input for residual=True, "
            f"got {widths[1:]} units behind {inputs} features"
        )
    layers: list[Layer] = []
    for each, has_identity in zip(hidden, beside, strict=True):
        layers += [Residual(each.layers)] if has_identity else each.layers
    return (*layers, output)


def dense_tensors(model: Model) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Weights and biases of each dense layer; read-only zeros where it has no biases."""
    program, found = model.program, []
    for layer in program.layers:
        if layer.kind == "dense":
            arrays = [model.tensors[program.tensors[t].name] for t in layer.tensors]
            if len(arrays) == 1:
                arrays.append(np.zeros(arrays[0].shape[1], model.dtype))
                arrays[1].flags.writeable = False
            found.append((arrays[0], arrays[1]))
    return found


def draw_parameters(model: Model, hidden: Sequence[HiddenLayer], random_state: np.random.RandomState) -> None:
    """Draw Glorot and Bengio's uniform weights, and biases, in scikit-learn's order.

    The same `random_state` then starts from the same network. Biases are drawn where there are none, too, so that what
    is drawn later does not depend on the normalisation.
    """
    activations = [each.activation.name for each in hidden]
    for (weights, biases), activation in zip(
        dense_tensors(model), [*activations, *activations[-1:]] or ["identity"], strict=True
    ):
        fan_in, fan_out = weights.shape
        limit = np.sqrt((2.0 if activation == "sigmoid" else 6.0) / (fan_in + fan_out))
        weights[...] = random_state.uniform(-limit, limit, (fan_in, fan_out))
        drawn = random_state.uniform(-limit, limit, fan_out)
        if biases.flags.writeable:
            biases[...] = drawn


def with_layers(model: Model, layers: Sequence[Layer]) -> Model:
    """A model with the same state in other layers; a ValueError where these have other sizes or norms."""
    changed = Model(model.inputs, layers, dtype=model.dtype)
    old, new = _structure(model), _structure(changed)
    if old != new:
        raise ValueError(
            f"expected the layers of the previous fit, {old}, to go on from; got {new}. "
            "Set warm_start=False to start anew"
        )
    changed.state[:] = model.state
    return changed


def _structure(model: Model) -> str:
    """What has to be the same for a state to fit, in words."""
    kinds = {layer.kind for layer in model.program.layers}
    norms = [f" with normalization={name!r}" for name, norm in NORMS.items() if norm.name in kinds]
    return f"{list(model.sizes[1:])} units{''.join(norms)}"
