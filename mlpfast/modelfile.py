"""Model files: an uncompressed ``.npz`` (a zip of ``.npy`` arrays) with a JSON header; no pickle, nothing executable.

Members: ``header.json``, then an array for each tensor and each buffer of the model: ``W0.npy`` (fan_in, fan_out),
``b0.npy`` (fan_out,), ``W1.npy``, ... They can be read without mlpfast, by `numpy.load`. The header tells the format's
version, the kind of file, and everything of the model but the values. Its layers are as `_json` writes them; format 1
knew Dense alone.

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
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import validation
from ._files import kind_of, replacing
from ._json import layers_from_json, layers_to_json
from ._version import __version__
from .errors import ModelFileError, excerpt, integer, unknown_name
from .layers import Dense, Layer, lower
from .program import Program

__all__ = ["Header", "ModelFile", "reading", "write"]

FORMAT = "mlpfast model"
KIND = "model"  # what else is kept in such files has another
VERSION = 2

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


def write(path: str, header: Header, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a model file, replacing the one that is there; see `Model.save`."""
    with replacing(path) as file:
        _write(file, header, arrays)


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

    def read_into(
        self, arrays: Mapping[str, NDArray[Any]], *, allow_non_finite: bool, unlearnt: Collection[str] = ()
    ) -> None:
        """Fill the arrays, which have the names, shapes and dtype that the header tells.

        Those that are `unlearnt` to begin with may be NaN throughout.
        """
        for name, array in arrays.items():
            _read_array(self._archive, self._members[_member(name)], array)
            if not allow_non_finite and not (name in unlearnt and np.isnan(array).all()):
                _check_finite(_member(name), array)


class _Reader(io.BufferedReader):
    """A file that reads little at once: zipfile would read a directory of the length that the file claims for it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = _CHUNK_BYTES
        if size > _CHUNK_BYTES:
            raise ValueError(f"expected its parts to have at most {_CHUNK_BYTES:,} bytes, one claims {size:,}")
        return super().read(size)


def _member(array: str) -> str:
    """The name of the file in the zip that holds an array."""
    return f"{array}.npy"


def _write(file: IO[bytes], header: Header, arrays: Mapping[str, NDArray[Any]]) -> None:
    fields = {
        "format": FORMAT,
        "kind": KIND,
        "version": VERSION,
        "written_by": f"mlpfast {__version__}",
        "dtype": header.dtype,
        "seed": header.seed,
        "inputs": header.inputs,
        "layers": layers_to_json(header.layers),
    }
    text = json.dumps(fields, indent=1) + "\n"
    if len(text) > _HEADER_BYTES:
        layers = f"{len(header.layers):,} layers ({len(text):,} bytes)"
        raise ValueError(f"expected layers that fit into a header of {_HEADER_BYTES:,} bytes, got {layers}")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_HEADER, _EPOCH), text)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(_member(name), _EPOCH), "w", force_zip64=True) as member:
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                np.lib.format.write_array(member, little, allow_pickle=False)


def _read_header(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> Header:
    if _HEADER not in members or members[_HEADER].file_size > _HEADER_BYTES:
        raise ValueError(f"not a model file: no {_HEADER}" if _HEADER not in members else f"{_HEADER} is too large")
    fields = json.loads(archive.read(_HEADER))
    if isinstance(fields, dict) and fields.get("kind", KIND) != KIND:
        raise ValueError(f"expected a model file, got a file of kind {fields['kind']!r}")
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ValueError(f"not a model file: {_HEADER} does not name the format {FORMAT!r}")
    version = integer("version", _field(fields, "version"))
    if version > VERSION:
        raise ValueError(
            f"it has format version {version} (written by {fields.get('written_by')!s:.40}), mlpfast {__version__} "
            f"reads versions up to {VERSION}; upgrade mlpfast to read it"
        )
    inputs = integer("inputs", _field(fields, "inputs"))
    items = _field(fields, "layers", list)
    layers = layers_from_json(items if version > 1 else [_from_format_1(item) for item in items])
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


def arrays_of(program: Program) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the arrays in the file of a model: of its tensors, then of its buffers."""
    tensors = {tensor.name: tensor.shape for tensor in program.tensors}
    return tensors | {buffer.name: buffer.shape for buffer in program.buffers}


def _check_sizes(members: Mapping[str, zipfile.ZipInfo], header: Header) -> None:
    """Compare the members with the layers, by the zip's directory alone."""
    expected = {_member(name): shape for name, shape in arrays_of(lower(header.inputs, header.layers)).items()}
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


def _from_format_1(item: object) -> object:
    """A layer of format 1, which knew Dense alone and had no tags, as format 2 has it."""
    if not isinstance(item, dict):
        return item
    layer: dict[str, Any] = {"layer": Dense.name, **item}
    tags = {"activation": "activation", "kernel_initializer": "initializer", "bias_initializer": "initializer"}
    for field, tag in tags.items():
        if isinstance(layer.get(field), dict):
            layer[field] = {tag if key == "name" else key: value for key, value in layer[field].items()}
    return layer
