"""The network behind an estimator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..activations import Activation
from ..layers import Dense, one_for_each
from ..model import Model


def hidden_layers(sizes: Any, activation: Any, dropout: Any) -> list[Dense]:
    """The hidden layers, from the parameters `hidden_layer_sizes`, `activation` and `dropout`."""
    if isinstance(sizes, np.ndarray) and sizes.ndim == 0:
        raise ValueError(
            "expected hidden_layer_sizes to be an int, or a sequence of ints, one for each hidden layer, got the "
            f"0-dimensional {sizes!r}; write {sizes.item()!r} or ({sizes.item()!r},)"
        )
    sizes = list(sizes) if isinstance(sizes, Iterable) else [sizes]
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(f"expected hidden_layer_sizes to be whole numbers > 0, got {sizes}")
    activations = one_for_each("activation", activation, (str, Activation), len(sizes))
    rates = one_for_each("dropout", dropout, Real, len(sizes))
    return [
        Dense(int(size), activation, dropout=float(rate))
        for size, activation, rate in zip(sizes, activations, rates, strict=True)
    ]


def draw_parameters(model: Model, random_state: np.random.RandomState) -> None:
    """Draw Glorot and Bengio's uniform weights, and biases, in scikit-learn's order.

    The same `random_state` then starts from the same network.
    """
    program = model.program
    activations = [program.values[layer.makes].activation.name for layer in program.layers if layer.tensors]
    hidden = activations[:-1]
    for weights, biases, activation in zip(
        model.weights, model.biases, [*hidden, *hidden[-1:]] or ["identity"], strict=True
    ):
        fan_in, fan_out = weights.shape
        limit = np.sqrt((2.0 if activation == "sigmoid" else 6.0) / (fan_in + fan_out))
        weights[...] = random_state.uniform(-limit, limit, (fan_in, fan_out))
        biases[...] = random_state.uniform(-limit, limit, fan_out)


def with_layers(model: Model, layers: Sequence[Dense]) -> Model:
    """A model with the same parameters in other layers; a ValueError where these have other sizes."""
    old_sizes, new_sizes = list(model.sizes[1:]), [layer.units for layer in layers]
    if old_sizes != new_sizes:
        raise ValueError(
            f"expected the layers of the previous fit, {old_sizes} units, to go on from; got {new_sizes}. "
            "Set warm_start=False to start anew"
        )
    changed = Model(model.inputs, layers, dtype=model.dtype)
    changed.parameters[:] = model.parameters
    return changed
