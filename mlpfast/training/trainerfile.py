"""Files of trainers: model files of a kind of their own, with the trainer's settings and place beside the model.

The header has what a model file's has, and under "trainer" the settings, as `fields` writes them, and the state. Arrays
of the state are members ``trainer/<number>.npy``; where the state has one, its JSON has ``{"array": <number>}``, and a
list of their dtypes and shapes is in the header, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..core.memory import all_finite
from ..errors import NewerFileError, integer
from ..files import arrayfile, modelfile
from ..files.arrayfile import ArrayFile, member_of, required
from ..model import Model

__all__ = ["Saved", "read", "write"]

VERSION = 1
_DTYPES = ("float32", "float64", "int64")


class Saved(NamedTuple):
    """What a file holds."""

    model: Model
    settings: dict[str, Any]  # as JSON
    state: dict[str, Any]


def write(path: str, model: Model, settings: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a file, replacing the one that is there: it is the old one or the new one, whatever happens meanwhile."""
    arrays: list[NDArray[Any]] = []
    fields = {
        "version": VERSION,
        "settings": settings,
        "state": _without_arrays(state, arrays),
        "arrays": [[array.dtype.name, list(array.shape)] for array in arrays],
    }
    header = modelfile.Header(model.inputs, model.layers, model.dtype.name, model.seed)
    members = model._arrays() | {_name(i): array for i, array in enumerate(arrays)}
    arrayfile.write(path, modelfile.to_json(header, modelfile.TRAINER) | {"trainer": fields}, members)


def read(path: str) -> Saved:
    """All that a file holds; a `ModelFileError` if it is damaged, of another kind, or newer."""
    with arrayfile.reading(path, "a trainer") as file:
        part = modelfile.ModelFile(file, (modelfile.TRAINER,), beside=f"{modelfile.TRAINER}/")
        fields = required(file.header, "trainer", dict)
        version = integer("version", required(fields, "version"))
        if version > VERSION:
            raise NewerFileError(
                f"it has version {version} of trainers, mlpfast {__version__} reads versions up to {VERSION}; upgrade "
                "mlpfast to read it"
            )
        model = Model._read(part)
        arrays = _read_arrays(file, required(fields, "arrays", list))
        state = _with_arrays(required(fields, "state", dict), arrays)
        return Saved(model, required(fields, "settings", dict), state)


def _read_arrays(file: ArrayFile, listed: list[Any]) -> list[NDArray[Any]]:
    expected = {member_of(_name(i)) for i in range(len(listed))}
    differing = sorted({name for name in file.names if name.startswith(f"{modelfile.TRAINER}/")} ^ expected)
    if differing:
        raise ValueError(f"its members are not those of its list of arrays: {', '.join(differing[:5])}")
    for i, item in enumerate(listed):  # by the zip's directory alone, before anything is allocated
        dtype, shape = item
        if dtype not in _DTYPES or any(type(n) is not int or n < 0 for n in shape):
            raise ValueError(f"array {i}: expected one of {', '.join(_DTYPES)} and a shape, got {item!r}")
        file.check_size(member_of(_name(i)), tuple(shape), dtype)
    arrays = []
    for i, (dtype, shape) in enumerate(listed):
        arrays.append(np.empty(shape, dtype))
        file.read_into(member_of(_name(i)), arrays[-1])
    return arrays


def _name(i: int) -> str:
    return f"{modelfile.TRAINER}/{i}"


def _without_arrays(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """The value as JSON, its arrays put into the list."""
    if isinstance(value, np.ndarray):
        if value.dtype.name not in _DTYPES:
            raise TypeError(f"expected arrays of {', '.join(_DTYPES)} to save, got {value.dtype}")
        arrays.append(np.ascontiguousarray(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value) or "array" in value:
            raise TypeError(f"expected a dict of strings to save, got {value!r}")
        return {key: _without_arrays(each, arrays) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(each, arrays) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"expected numbers, strings, None, lists, dicts and arrays to save, got {value!r}")


def _with_arrays(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return arrays[integer("array", value["array"], at_least=0)]
        return {key: _with_arrays(each, arrays) for key, each in value.items()}
    return [_with_arrays(each, arrays) for each in value] if isinstance(value, list) else value


def check_finite(name: str, array: NDArray[Any]) -> None:
    """A ValueError if it holds NaN or infinity, from which nothing could be learnt."""
    if not all_finite(array):
        raise ValueError(f"expected finite numbers in {name}, got NaN or infinity")
