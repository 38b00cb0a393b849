"""Model files: an uncompressed ``.npz`` (a zip of ``.npy`` arrays) with a JSON header; no pickle, nothing executable.

Members: ``header.json``, then ``W0.npy`` (fan_in, fan_out), ``b0.npy`` (fan_out,), ``W1.npy``, ... The arrays can be
read without mlpfast, by `numpy.load`. The header tells the format's version and everything of the model but the values.

What is written and read here is a header and arrays by name: models are made elsewhere.

A file is not trusted: the sizes that it claims are compared with its own length before anything is allocated, and the
shape and dtype of every array with the header's layers. Nothing of it is evaluated, and errors repeat little of it.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import validation
from ._files import kind_of, replacing
from ._version import __version__
from .activations import Activation
from .errors import ModelFileError, excerpt, integer, unknown_name
from .initializers import INITIALIZERS, Initializer
from .layers import Dense, Layer, lower

__all__ = ["Header", "ModelFile", "reading", "write"]

FORMAT = "mlpfast model"
VERSION = 1

_HEADER = "header.json"
_HEADER_BYTES = 1 << 20  # thousands of layers
_NPY_HEADER_BYTES = 1 << 12
_CHUNK_BYTES = 1 << 20
_MESSAGE_LENGTH = 300
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that equal models give equal files


class Header(NamedTuple):
    """Everything of a model but the values of its parameters, in the order of the arguments that build it."""

    inputs: int
    layers: tuple[Layer, ...]
    dtype: str
    seed: int


def write(path: str, header: Header, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write a model file, replacing the one that is there; see `Model.save`."""
    with replacing(path) as file:
        _write(file, header, tensors)


@contextlib.contextmanager
def reading(path: str) -> Iterator[ModelFile]:
    """The model file at `path`, for as long as the block runs; what is raised in it becomes a `ModelFileError`."""
    name = excerpt(repr(path), 120)
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a FIFO would wait to be written, a device may have no end
        raise ModelFileError(f"can't read a model from {name}: expected a regular file, got {kind_of(mode)}")
    with _Reader(io.FileIO(path)) as file:
        try:
            length = file.seek(0, io.SEEK_END)
            with zipfile.ZipFile(file) as archive:
                yield ModelFile(archive, length)
        except MemoryError:
            raise MemoryError(f"not enough memory for the model of {name}") from None
        except Exception as error:  # zipfile, json and the constructors raise many kinds for bad content
            message = f"can't read a model from {name}: "
            # The cause is left out, since it may repeat whatever the file says.
            raise ModelFileError(message + excerpt(str(error), _MESSAGE_LENGTH - len(message))) from None


class ModelFile:
    """A model file that is open, with a header that is read and sizes that fit it.

    Attributes
    ----------
    header : Header
        Its layers and dtype are valid ones; whether they make a model is for the model to say.
    """

    def __init__(self, archive: zipfile.ZipFile, length: int) -> None:
        self._archive = archive
        self._members = {info.filename: info for info in archive.infolist()}
        for info in self._members.values():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ValueError(f"expected uncompressed members, got {info.filename!r} compressed")
        claimed = sum(info.file_size for info in self._members.values())
        if claimed > length:
            raise ValueError(f"its members claim {claimed:,} bytes, the file has {length:,}")
        self.header = _read_header(archive, self._members)
        _check_sizes(self._members, self.header)

    def read_into(self, tensors: Mapping[str, NDArray[Any]], *, allow_non_finite: bool) -> None:
        """Fill the tensors, which have the names, shapes and dtype that the header tells."""
        for name, tensor in tensors.items():
            _read_array(self._archive, self._members[_member(name)], tensor)
            if not allow_non_finite:
                _check_finite(_member(name), tensor)


class _Reader(io.BufferedReader):
    """A file that reads little at once: zipfile would read a directory of the length that the file claims for it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = _CHUNK_BYTES
        if size > _CHUNK_BYTES:
            raise ValueError(f"expected its parts to have at most {_CHUNK_BYTES:,} bytes, one claims {size:,}")
        return super().read(size)


def _member(tensor: str) -> str:
    """The name of the file in the zip that holds a tensor."""
    return f"{tensor}.npy"


def _write(file: IO[bytes], header: Header, tensors: Mapping[str, NDArray[Any]]) -> None:
    fields = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mlpfast {__version__}",
        "dtype": header.dtype,
        "seed": header.seed,
        "inputs": header.inputs,
        "layers": [_layer_to_json(layer) for layer in header.layers],
    }
    text = json.dumps(fields, indent=1) + "\n"
    if len(text) > _HEADER_BYTES:
        layers = f"{len(header.layers):,} layers ({len(text):,} bytes)"
        raise ValueError(f"expected layers that fit into a header of {_HEADER_BYTES:,} bytes, got {layers}")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_HEADER, _EPOCH), text)
        for name, array in tensors.items():
            with archive.open(zipfile.ZipInfo(_member(name), _EPOCH), "w", force_zip64=True) as member:
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                np.lib.format.write_array(member, little, allow_pickle=False)


def _read_header(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> Header:
    if _HEADER not in members or members[_HEADER].file_size > _HEADER_BYTES:
        raise ValueError(f"not a model file: no {_HEADER}" if _HEADER not in members else f"{_HEADER} is too large")
    fields = json.loads(archive.read(_HEADER))
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ValueError(f"not a model file: {_HEADER} does not name the format {FORMAT!r}")
    version = integer("version", _field(fields, "version"))
    if version > VERSION:
        raise ValueError(
            f"it has format version {version} (written by {fields.get('written_by')!s:.40}), mlpfast {__version__} "
            f"reads versions up to {VERSION}; upgrade mlpfast to read it"
        )
    inputs = integer("inputs", _field(fields, "inputs"))
    layers = tuple(_layer_from_json(i, item) for i, item in enumerate(_field(fields, "layers", list)))
    dtype, seed = _field(fields, "dtype"), _field(fields, "seed")
    if dtype not in ("float32", "float64"):
        raise unknown_name("dtype", dtype, ("float32", "float64"))
    return Header(inputs, layers, dtype, seed)


def _field(item: object, name: str, kind: type = object) -> Any:
    """A field of an object in the header's JSON; an error if it is not there, or of another type than expected."""
    if not isinstance(item, dict) or name not in item:
        raise ValueError(f"expected {_HEADER} to have an object with {name!r}, got {item!r}")
    value = item[name]
    if not isinstance(value, kind):
        raise TypeError(f"expected {name} in {_HEADER} to be of type {kind.__name__}, got {value!r}")
    return value


def _check_sizes(members: Mapping[str, zipfile.ZipInfo], header: Header) -> None:
    """Compare the members with the layers, by the zip's directory alone."""
    expected = {_member(tensor.name): tensor.shape for tensor in lower(header.inputs, header.layers).tensors}
    differing = sorted(set(members) ^ {_HEADER, *expected})
    if differing:
        raise ValueError(f"its members do not fit its {len(header.layers)} layers: {', '.join(differing[:5])}")
    for name, shape in expected.items():
        size = math.prod(shape) * np.dtype(header.dtype).itemsize
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


def _layer_to_json(layer: Layer) -> dict[str, Any]:
    if type(layer) is not Dense:
        raise TypeError(f"expected layers of mlpfast in a model to save, got {layer!r}")
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
