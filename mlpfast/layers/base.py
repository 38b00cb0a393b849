"""What every layer has, and how layers become a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation
from ..errors import boolean, real
from ..parts import Rule
from ..program import Program

__all__ = ["Layer", "add_rule", "as_layers", "described", "lower_all", "refuse_width"]


@dataclass(frozen=True)
class Layer:
    """Base of the layers. A subclass is a frozen dataclass, so that equal layers are equal and hashable.

    Its fields are all that there is to it, and its constructor, one that is written by hand too
    (``dataclass(init=False)``), takes them by their names and checks them: so model files keep it and bring it back.
    They hold numbers, strings, booleans, None, activations, initializers, layers, and tuples of these; none is called
    ``layer``. One that is added later has a default, which the layers in older files then have. `repr` shows those that
    differ from it.

    Parameters
    ----------
    trainable : bool, default True
        Whether its parameters are trained. No gradient is computed where none is needed: none flows below the lowest
        layer that is trained.
    learning_rate_scale : float >= 0, default 1.0
        Of its parameters, in relation to the trainer's learning rate.
    weight_decay_scale : float >= 0, optional
        Of its parameters, in relation to the optimizer's weight decay. By default decay reaches weights and tables, as
        1, and nothing else; a number is for all of them.

    Attributes
    ----------
    name : str
        By which it is known, in `LAYERS` for example.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.Dense(3, trainable=False), issubclass(mf.Dense, mf.layers.Layer)
    (Dense(3, activation='identity', trainable=False), True)
    >>> mf.Model(2, [mf.Dense(4, "tanh", learning_rate_scale=0.1), mf.Dense(1)]).n_parameters
    17
    """

    _: KW_ONLY
    trainable: bool = True
    learning_rate_scale: float = 1.0
    weight_decay_scale: float | None = None
    name: ClassVar[str]

    def __post_init__(self) -> None:
        self._set_training(self.trainable, self.learning_rate_scale, self.weight_decay_scale)

    def _set_training(self, trainable: Any, learning_rate_scale: Any, weight_decay_scale: Any) -> None:
        decay = None if weight_decay_scale is None else real("weight_decay_scale", weight_decay_scale, at_least=0.0)
        rate = real("learning_rate_scale", learning_rate_scale, at_least=0.0)
        object.__setattr__(self, "trainable", boolean("trainable", trainable))
        object.__setattr__(self, "learning_rate_scale", rate)
        object.__setattr__(self, "weight_decay_scale", decay)

    def lower(self, program: Program, reads: int, place: str) -> int:
        """Add to a program what the layer is made of.

        Parameters
        ----------
        program : Program
        reads : int
            The value that the layer reads.
        place : str
            Of the layer in its model, from "0"; of one within another layer "1.0", for example. The names of its
            tensors end with it.

        Returns
        -------
        int
            The value that it makes.

        Raises
        ------
        ValueError
            If the layer does not fit that value.
        """
        raise NotImplementedError

    @property
    def adapts(self) -> bool:
        """Whether it learns from data, by `adapt`."""
        return False

    def adapt(self, X: NDArray[Any], place: str) -> Mapping[str, NDArray[Any]]:
        """What the layer learns from its input (n, columns), once: values of its buffers by name."""
        return {}

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        """Raise a ValueError if a model of that dtype can't have the layer."""

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        """Layers by which the kind is checked, each with the columns of what it reads."""
        raise NotImplementedError

    def __repr__(self) -> str:
        parts = []
        for position, field in enumerate(f for f in dataclasses.fields(self) if not f.kw_only):
            value = getattr(self, field.name)
            if position == 0 and field.default is dataclasses.MISSING:
                parts.append(repr(value))
            elif value != field.default:
                parts.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join([*parts, *self._shown_training()])})"

    def _shown(self, activation: Activation) -> str:
        """An activation as an argument."""
        return repr(activation.name if activation == Activation(activation.name) else activation)

    def _shown_training(self) -> list[str]:
        """What differs from the default among the fields that every layer has, as arguments."""
        return [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if field.kw_only and getattr(self, field.name) != field.default
        ]


def as_layers(layers: Any, of: str = "", hint: str = "") -> tuple[Layer, ...]:
    """A sequence of layers as a tuple; errors begin with `of`, and one about what is no sequence ends with `hint`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.layers.as_layers([mf.Dense(3), mf.Dropout(0.5)])
    (Dense(3, activation='identity'), Dropout(0.5))
    """
    if isinstance(layers, Layer):
        raise TypeError(f"{of}expected layers to be a sequence of layers, got a single one; write [{layers!r}]")
    try:
        checked: tuple[Layer, ...] = tuple(layers)
    except TypeError:
        got = f"{layers!r} ({type(layers).__name__}){hint}"
        raise TypeError(f"{of}expected layers to be a sequence of layers, got {got}") from None
    if not checked:
        raise ValueError(f"{of}expected at least one layer, got none")
    for i, layer in enumerate(checked):
        if not isinstance(layer, Layer):
            raise TypeError(f"{of}expected layer {i} to be a layer such as Dense, got {described(layer)}")
    return checked


def described(value: Any) -> str:
    """What is no layer, and what to write in place of it."""
    if isinstance(value, type):
        return f"the class {value.__name__}" + (f"; write {value.__name__}(...)" if issubclass(value, Layer) else "")
    hint = "; a block of layers is a Residual" if isinstance(value, (list, tuple)) else ""
    return f"{value!r} ({type(value).__name__}){hint}"


def refuse_width(layer: Layer, field: str, such_as: float) -> None:
    """Raise a TypeError where a field has a number of columns, as PyTorch's layers take it first: here none does."""
    value = getattr(layer, field)
    if isinstance(value, int) and value > 1:
        raise TypeError(
            f"{type(layer).__name__}: expected {field} to be a number such as {such_as:g}, got {value}; "
            "the layer is as wide as what it reads"
        )


def lower_all(program: Program, reads: int, layers: Iterable[Layer], within: str = "") -> Iterator[int]:
    """Lower layers one after the other; yields the value that each makes. `within` begins their places."""
    for number, layer in enumerate(layers):
        tensors, first, place = len(program.tensors), len(program.layers), f"{within}{number}"
        reads = layer.lower(program, reads, place)
        add_rule(program, tensors, layer)
        program.put(first, place)
        yield reads


def add_rule(program: Program, first: int, layer: Layer) -> None:
    """Put a layer's rule on top of those that the tensors from the first one on have."""
    for t in range(first, len(program.tensors)):
        tensor = program.tensors[t]
        program.tensors[t] = tensor._replace(rule=_ruled(tensor.rule, layer))


def _ruled(rule: Rule, layer: Layer) -> Rule:
    """The rule of a tensor, and on top of it that of the layer around it."""
    decay = rule.weight_decay_scale
    if layer.weight_decay_scale is not None:
        decay = layer.weight_decay_scale * (1.0 if decay is None else decay)
    return rule._replace(
        trainable=rule.trainable and layer.trainable,
        learning_rate_scale=rule.learning_rate_scale * layer.learning_rate_scale,
        weight_decay_scale=decay,
    )
