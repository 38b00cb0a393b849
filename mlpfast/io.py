"""Model files: an uncompressed ``.npz`` (a zip of ``.npy`` arrays) with a JSON header; no pickle, nothing executable.

Members: ``header.json``, then ``W0.npy`` (fan_in, fan_out), ``b0.npy`` (fan_out,), ``W1.npy``, ... The arrays can be
read without mlpfast, by `numpy.load`. The header tells the format's version and everything of the model but the values.

A file is not trusted: the sizes that it claims are compared with its own length before anything is allocated, and the
shape and dtype of every array with the header's layers.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ._files import as_path, replacing
from ._version import __version__
from .activations import Activation
from .errors import ModelFileError, integer, unknown_name
from .initializers import INITIALIZERS, Initializer
from .layers import Dense
from .model import Model

__all__ = ["load", "save"]

FORMAT = "mlpfast model"
VERSION = 1

_HEADER = "header.json"
_HEADER_BYTES = 1 << 20  # more than any header of ours
_NPY_HEADER_BYTES = 1 << 12
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that equal models give equal files


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model to a file; see `Model.save`."""
    with replacing(as_path(path)) as file:
        _write(model, file)


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model that `Model.save` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Model
        With the saved layers, dtype and parameters, bit by bit.

    Raises
    ------
    ModelFileError
        If the file is damaged, cut short, not a model file, of a newer version, or claims more than it holds. It is a
        ValueError.
    OSError
        If the file can't be opened.

    Examples
    --------
    >>> model = load("digits.npz")  # doctest: +SKIP
    """
    path = as_path(path)
    with open(path, "rb") as file:
        try:
            return _read(file)
        except MemoryError as error:
            raise MemoryError(f"not enough memory for the model of {path!r}") from error
        except _DAMAGE as error:
            raise ModelFileError(f"can't read a model from {path!r}: {error}") from error


#: What zipfile, numpy and the constructors raise for bad content.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)


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
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_HEADER, _EPOCH), json.dumps(header, indent=1) + "\n")
        for name, array in _tensors(model):
            with archive.open(zipfile.ZipInfo(name, _EPOCH), "w", force_zip64=True) as member:
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                np.lib.format.write_array(member, little, allow_pickle=False)


def _read(file: IO[bytes]) -> Model:
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
        inputs, layers = integer("inputs", header["inputs"]), [_layer_from_json(item) for item in header["layers"]]
        dtype, seed = header["dtype"], header["seed"]
        if dtype not in ("float32", "float64"):
            raise unknown_name("dtype", dtype, ("float32", "float64"))
        _check_sizes(members, inputs, layers, np.dtype(dtype).itemsize)
        model = Model.__new__(Model)
        model._build(inputs, layers, dtype, seed)
        for name, array in _tensors(model):
            array[...] = _read_array(archive, name, array.shape, dtype)
    return model


def _read_header(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> dict[str, Any]:
    if _HEADER not in members or members[_HEADER].file_size > _HEADER_BYTES:
        raise ValueError(f"not a model file: no {_HEADER}" if _HEADER not in members else f"{_HEADER} is too large")
    header = json.loads(archive.read(_HEADER))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"not a model file: {_HEADER} does not name the format {FORMAT!r}")
    version = integer("version", header.get("version"))
    if version > VERSION:
        raise ValueError(
            f"it has format version {version} (written by {header.get('written_by')!s:.40}), mlpfast {__version__} "
            f"reads versions up to {VERSION}; upgrade mlpfast to read it"
        )
    return header


def _check_sizes(members: dict[str, zipfile.ZipInfo], inputs: int, layers: list[Dense], itemsize: int) -> None:
    """Compare the members with the layers, by the zip's directory alone."""
    expected, fan_in = {}, inputs
    for i, layer in enumerate(layers):
        expected[f"W{i}.npy"], expected[f"b{i}.npy"] = fan_in * layer.units * itemsize, layer.units * itemsize
        fan_in = layer.units
    differing = sorted(set(members) ^ {_HEADER, *expected})
    if differing:
        raise ValueError(f"its members do not fit its {len(layers)} layers: {', '.join(differing[:5])}")
    for name, size in expected.items():
        if not size < members[name].file_size <= size + _NPY_HEADER_BYTES:
            raise ValueError(f"expected {size:,} bytes of values in {name}, it has {members[name].file_size:,} in all")


def _read_array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    file = io.BytesIO(archive.read(name))  # checks the CRC; its size is known to fit the file
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"expected {name} of npy format 1.0, got {version[0]}.{version[1]}")
    claimed, fortran_order, stored = np.lib.format.read_array_header_1_0(file)
    little = np.dtype(dtype).newbyteorder("<")
    if claimed != shape or fortran_order or stored != little:
        raise ValueError(f"expected {name} of shape {shape}, {little.str}, in C order; got {claimed}, {stored.str}")
    values, expected = file.read(), math.prod(shape) * little.itemsize
    if len(values) != expected:
        raise ValueError(f"expected {expected:,} bytes of values in {name}, got {len(values):,}")
    return np.frombuffer(values, dtype=little).reshape(shape)


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


def _layer_from_json(item: dict[str, Any]) -> Dense:
    return Dense(
        item["units"],
        Activation(**item["activation"]),
        _initializer_from_json(item["kernel_initializer"]),
        _initializer_from_json(item["bias_initializer"]),
        item["dropout"],
    )


def _initializer_to_json(initializer: Initializer) -> dict[str, Any]:
    if INITIALIZERS.get(initializer.name) is not type(initializer):
        raise TypeError(f"expected initializers of mlpfast in a model to save, got {initializer!r}")
    return {"name": initializer.name, **vars(initializer)}


def _initializer_from_json(item: dict[str, Any]) -> Initializer:
    arguments = dict(item)
    name = arguments.pop("name")
    if not isinstance(name, str) or name not in INITIALIZERS:
        raise unknown_name("initializer", name, INITIALIZERS)
    return INITIALIZERS[name](**arguments)
