"""Layers and settings as plain JSON and back, from their dataclass fields alone: a new layer needs nothing here.

An object names what it is under a tag, and has the fields beside it: ``{"layer": "dense", "units": 3, ...}``. Numbers,
strings, booleans and null are themselves, lists are tuples. What comes back goes through the constructors, so that
their checks see it; a field that is not there has its default, so that a layer may gain fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..activations import Activation
from ..errors import unknown_name
from ..groups import Group
from ..initializers import INITIALIZERS, Initializer
from ..layers import LAYERS, Layer
from ..losses import LOSSES, Loss
from ..metrics import Pinball, TopK
from ..optimizers import OPTIMIZERS, Optimizer
from ..schedules import SCHEDULES, Schedule

__all__ = ["layers_from_json", "layers_to_json", "setting_from_json", "setting_to_json"]

#: So many blocks may be around a layer: each is some frames of Python's stack where layers lower themselves.
DEEPEST = 16

#: What an object may be, by its tag: the first that it has counts, since a layer may have a field called "activation".
_REGISTERED: dict[str, tuple[type | tuple[type, ...], Mapping[str, Any]]] = {
    "layer": (Layer, LAYERS),
    "initializer": (Initializer, INITIALIZERS),
    "loss": (Loss, LOSSES),
    "optimizer": (Optimizer, OPTIMIZERS),
    "scheduled": (Schedule, {name: cls for name, cls in SCHEDULES.items() if name != "function"}),
    "group": (Group, {"Group": Group}),
    "metric": ((TopK, Pinball), {"TopK": TopK, "Pinball": Pinball}),
}
_ACTIVATION = "activation"  # the names of those are no classes
_TAGS = (*_REGISTERED, _ACTIVATION)


def layers_to_json(layers: tuple[Layer, ...]) -> list[Any]:
    """What `json.dumps` takes; a TypeError for layers that are not mlpfast's, a ValueError for blocks too deep."""
    return [_encoded(layer, 0) for layer in layers]


def layers_from_json(items: list[Any]) -> tuple[Layer, ...]:
    """The layers; a ValueError that names the place (1.0 is the first layer of the block that is layer 1)."""
    for i, item in enumerate(items):
        if not isinstance(item, dict) or "layer" not in item:
            raise ValueError(f"layer {i}: expected an object with 'layer', got {item!r}")
    return tuple(_decoded(item, str(i), 0) for i, item in enumerate(items))


def setting_to_json(value: object) -> Any:
    """A number, name, loss, optimizer, schedule, group or metric, or a list or mapping of these; a TypeError else."""
    if isinstance(value, Mapping):
        return {"mapping": [[key, setting_to_json(each)] for key, each in value.items()]}
    if isinstance(value, (tuple, list)):
        return [setting_to_json(each) for each in value]
    return _encoded(value, 0)


def setting_from_json(item: Any, name: str) -> Any:
    """What `setting_to_json` was given; a ValueError, with the name, for what it would not give."""
    if isinstance(item, dict) and isinstance(item.get("mapping"), list):
        return {key: setting_from_json(each, name) for key, each in item["mapping"]}
    if isinstance(item, list):
        return tuple(setting_from_json(each, name) for each in item)
    return _decoded(item, name, 0)


def _encoded(value: object, depth: int) -> Any:
    """A field's value; it has `depth` layers around it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [_encoded(each, depth) for each in value]
    if isinstance(value, Activation):
        return {_ACTIVATION: value.name, "alpha": value.alpha}
    for tag, (base, registry) in _REGISTERED.items():
        if isinstance(value, base):
            return _registered_encoded(tag, value, registry, depth)
    raise TypeError(f"expected numbers, names, activations, initializers and layers in a layer to save, got {value!r}")


def _registered_encoded(tag: str, value: Any, registry: Mapping[str, Any], depth: int) -> dict[str, Any]:
    name = getattr(value, "name", type(value).__name__)
    if registry.get(str(name)) is not type(value):
        raise TypeError(f"expected {tag}s of mlpfast in a model to save, got {value!r}")
    inside = _deeper(depth, tag)
    values = {each.name: _encoded(getattr(value, each.name), inside) for each in fields(value) if each.init}
    return {tag: name, **values}


def _decoded(item: Any, place: str, depth: int) -> Any:
    if isinstance(item, list):
        return tuple(_decoded(each, f"{place}.{i}", depth) for i, each in enumerate(item))
    if not isinstance(item, dict):
        return item
    tag = next((tag for tag in _TAGS if tag in item), "")
    inside = _deeper(depth, tag)
    arguments = {key: _decoded(value, place, inside) for key, value in item.items() if key != tag}
    try:
        if not tag:
            raise ValueError(f"expected an object with one of {', '.join(map(repr, _TAGS))}, got {item!r}")
        if tag == _ACTIVATION:
            return Activation(item[tag], **arguments)
        _, registry = _REGISTERED[tag]
        if not isinstance(item[tag], str) or item[tag] not in registry:
            raise unknown_name(tag, item[tag], registry)
        return registry[item[tag]](**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {place}: {error}") from None


def _deeper(depth: int, tag: str) -> int:
    """How many layers are around the fields of what has this tag."""
    if tag == "layer" and depth > DEEPEST:
        raise ValueError(f"expected layers to be nested at most {DEEPEST} deep in a model file, got more")
    return depth + (tag == "layer")
