"""Model files: an uncompressed ``.npz`` (a zip of ``.npy`` arrays) with a JSON header; no pickle, nothing executable.

Members: ``header.json``, then ``W0.npy`` (fan_in, fan_out), ``b0.npy`` (fan_out,), ``W1.npy``, ... The arrays can be
read without mlpfast, by `numpy.load`. The header tells the format's version and everything of the model but the values.

A file is not trusted: the sizes that it claims are compared with its own length before anything is allocated, and the
shape and dtype of every array with the header's layers. Nothing of it is evaluated, and errors repeat little of it.
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from . import validation
from ._files import as_path, kind_of, replacing
from ._version import __version__
from .activations import Activation
from .errors import ModelFileError, boolean, excerpt, integer, unknown_name
from .initializers import INITIALIZERS, Initializer
from .layers import Dense
from .model import Model

__all__ = ["load", "save"]

FORMAT = "mlpfast model"
VERSION = 1

_HEADER = "header.json"
_HEADER_BYTES = 1 << 20  # thousands of layers
_NPY_HEADER_BYTES = 1 << 12
_CHUNK_BYTES = 1 << 20
_MESSAGE_LENGTH = 300
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that equal models give equal files


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model to a file; see `Model.save`."""
    with replacing(as_path(path)) as file:
        _write(model, file)


def load(path: str | os.PathLike[str], *, allow_non_finite: bool = False) -> Model:
    """Read a model that `Model.save` wrote.

    Parameters
    ----------
    path : str or path-like
    allow_non_finite : bool, default False
        Whether parameters may be NaN or infinite, as those of a model that was saved with such may be. Predictions of
        such a model may depend on the number of rows.

    Returns
    -------
    Model
        With the saved layers, dtype and parameters, bit by bit.

    Raises
    ------
    ModelFileError
        If the file is damaged, cut short, not a model file, not even a regular file, of a newer version, claims more
        than it holds, or holds parameters that are not finite. It is a ValueError, with a message of at most 300
        printable characters.
    OSError
        If the file can't be opened.
    MemoryError
        If the model does not fit into memory. Loading needs little more than the parameters, whose size is below that
        of the file.

    Examples
    --------
    >>> model = load("digits.npz")  # doctest: +SKIP
    """
    path, allow_non_finite = as_path(path), boolean("allow_non_finite", allow_non_finite)
    name = excerpt(repr(path), 120)
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a FIFO would wait to be written, a device may have no end
        raise ModelFileError(f"can't read a model from {name}: expected a regular file, got {kind_of(mode)}")
    with _Reader(io.FileIO(path)) as file:
        try:
            return _read(file, allow_non_finite)
        except MemoryError:
            raise MemoryError(f"not enough memory for the model of {name}") from None
        except Exception as error:  # zipfile, json and the constructors raise many kinds for bad content
            message = f"can't read a model from {name}: "
            # The cause is left out, since it may repeat whatever the file says.
            raise ModelFileError(message + excerpt(str(error), _MESSAGE_LENGTH - len(message))) from None


class _Reader(io.BufferedReader):
    """A file that reads little at once: zipfile would read a directory of the length that the file claims for it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = _CHUNK_BYTES
        if size > _CHUNK_BYTES:
            raise ValueError(f"expected its parts to have at most {_CHUNK_BYTES:,} bytes, one claims {size:,}")
        return super().read(size)


def _write(model: Model, file: IO[bytes]) -> None:
    header = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mlpfast {__version__}",
        "dtype": model.dtype.name,
        "seed": model.seed,
        "inputs": model.inputs,
        "layers": [_layer_to_json(layer) for layer in model.layers],
    }
    text = json.dumps(header, indent=1) + "\n"
    if len(text) > _HEADER_BYTES:
        layers = f"{len(model.layers):,} layers ({len(text):,} bytes)"
        raise ValueError(f"expected layers that fit into a header of {_HEADER_BYTES:,} bytes, got {layers}")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_HEADER, _EPOCH), text)
        for name, array in _tensors(model):
            with archive.open(zipfile.ZipInfo(name, _EPOCH), "w", force_zip64=True) as member:
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                np.lib.format.write_array(member, little, allow_pickle=False)


def _read(file: _Reader, allow_non_finite: bool) -> Model:
    length = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        for info in members.values():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ValueError(f"expected uncompressed members, got {info.filename!r} compressed")
        claimed = sum(info.file_size for info in members.values())
        if claimed > length:
            raise ValueError(f"its members claim {claimed:,} bytes, the file has {length:,}")
        header = _read_header(archive, members)
        inputs = integer("inputs", _field(header, "inputs"))
        layers = [_layer_from_json(i, item) for i, item in enumerate(_field(header, "layers", list))]
        dtype, seed = _field(header, "dtype"), _field(header, "seed")
        if dtype not in ("float32", "float64"):
            raise unknown_name("dtype", dtype, ("float32", "float64"))
        _check_sizes(members, inputs, layers, np.dtype(dtype).itemsize)
        model = Model.__new__(Model)
        model._build(inputs, layers, dtype, seed)
        for name, array in _tensors(model):
            _read_array(archive, members[name], array)
            if not allow_non_finite:
                _check_finite(name, array)
    return model


def _read_header(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> dict[str, Any]:
    if _HEADER not in members or members[_HEADER].file_size > _HEADER_BYTES:
        raise ValueError(f"not a model file: no {_HEADER}" if _HEADER not in members else f"{_HEADER} is too large")
    header = json.loads(archive.read(_HEADER))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"not a model file: {_HEADER} does not name the format {FORMAT!r}")
    version = integer("version", _field(header, "version"))
    if version > VERSION:
        raise ValueError(
            f"it has format version {version} (written by {header.get('written_by')!s:.40}), mlpfast {__version__} "
            f"reads versions up to {VERSION}; upgrade mlpfast to read it"
        )
    return header


def _field(item: object, name: str, kind: type = object) -> Any:
    """A field of an object in the header's JSON; an error if it is not there, or of another type than expected."""
    if not isinstance(item, dict) or name not in item:
        raise ValueError(f"expected {_HEADER} to have an object with {name!r}, got {item!r}")
    value = item[name]
    if not isinstance(value, kind):
        raise TypeError(f"expected {name} in {_HEADER} to be of type {kind.__name__}, got {value!r}")
    return value


def _check_sizes(members: dict[str, zipfile.ZipInfo], inputs: int, layers: list[Dense], itemsize: int) -> None:
    """Compare the members with the layers, by the zip's directory alone."""
    expected: dict[str, tuple[int, ...]] = {}
    fan_in = inputs
    for i, layer in enumerate(layers):
        expected[f"W{i}.npy"], expected[f"b{i}.npy"] = (fan_in, layer.units), (layer.units,)
        fan_in = layer.units
    differing = sorted(set(members) ^ {_HEADER, *expected})
    if differing:
        raise ValueError(f"its members do not fit its {len(layers)} layers: {', '.join(differing[:5])}")
    for name, shape in expected.items():
        size = math.prod(shape) * itemsize
        if not size < members[name].file_size <= size + _NPY_HEADER_BYTES:
            raise ValueError(f"{name} has {members[name].file_size:,} bytes in all, which do not fit its shape {shape}")


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, array: NDArray[Any]) -> None:
    """Fill `array` from a member that has to be exactly what `numpy.save` writes for it; its size is known to fit."""
    little, name = array.dtype.newbyteorder("<"), info.filename
    expected = f"{{'descr': {little.str!r}, 'fortran_order': False, 'shape': {array.shape}, }}"
    with archive.open(info) as member:
        header = member.read(info.file_size - array.nbytes)
        if header[:8] != b"\x93NUMPY\1\0" or int.from_bytes(header[8:10], "little") != len(header) - 10:
            raise ValueError(f"expected {name} to begin with a header of npy format 1.0, got {header[:10]!r}")
        stored = header[10:].decode("latin-1").rstrip(" \n")
        if stored != expected:
            raise ValueError(f"expected {name} to hold {expected}, got {stored}")
        flat = array.reshape(-1)  # a view
        for start in range(0, flat.size, _CHUNK_BYTES // little.itemsize):
            part = flat[start : start + _CHUNK_BYTES // little.itemsize]
            values = member.read(part.nbytes)  # the last read checks the CRC
            if len(values) < part.nbytes:
                raise ValueError(f"{name} ends early")
            part[...] = np.frombuffer(values, little)


def _check_finite(name: str, array: NDArray[Any]) -> None:
    try:
        validation.check_finite(array, array.dtype, name)
    except ValueError as error:
        raise ValueError(f"{error}; mlpfast.load(..., allow_non_finite=True) reads it") from None


def _tensors(model: Model) -> Iterator[tuple[str, NDArray[Any]]]:
    """The names and views of all tensors, in the order of `Model.parameters`."""
    for i, (W, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        yield f"W{i}.npy", W
        yield f"b{i}.npy", b


def _layer_to_json(layer: Dense) -> dict[str, Any]:
    return {
        "units": layer.units,
        "activation": asdict(layer.activation),
        "kernel_initializer": _initializer_to_json(layer.kernel_initializer),
        "bias_initializer": _initializer_to_json(layer.bias_initializer),
        "dropout": layer.dropout,
    }


def _layer_from_json(i: int, item: object) -> Dense:
    try:
        return Dense(
            _field(item, "units"),
            Activation(**_field(item, "activation", dict)),
            _initializer_from_json(_field(item, "kernel_initializer", dict)),
            _initializer_from_json(_field(item, "bias_initializer", dict)),
            _field(item, "dropout"),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"layer {i}: {error}") from None


def _initializer_to_json(initializer: Initializer) -> dict[str, Any]:
    if INITIALIZERS.get(initializer.name) is not type(initializer):
        raise TypeError(f"expected initializers of mlpfast in a model to save, got {initializer!r}")
    return {"name": initializer.name, **vars(initializer)}


def _initializer_from_json(item: dict[str, Any]) -> Initializer:
    name = _field(item, "name")
    if not isinstance(name, str) or name not in INITIALIZERS:
        raise unknown_name("initializer", name, INITIALIZERS)
    return INITIALIZERS[name](**{key: value for key, value in item.items() if key != "name"})
