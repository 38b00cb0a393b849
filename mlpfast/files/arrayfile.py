"""Array files: an uncompressed ``.npz`` (a zip of ``.npy`` arrays) with a JSON header; no pickle, nothing executable.

Members: ``header.json``, then ``<name>.npy`` for each array. They can be read without mlpfast, by `numpy.load`. The
header is an object whose "format" and "kind" tell what the file holds.

A file is not trusted: the sizes that it claims are compared with its own length before anything is allocated, and the
shape and dtype of every array with what is expected. Nothing of it is evaluated, and errors repeat little of it.
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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, NewerFileError, excerpt
from .replacing import kind_of, replacing

__all__ = ["ArrayFile", "member_of", "reading", "required", "write"]

HEADER = "header.json"

_HEADER_BYTES = 1 << 20  # thousands of layers
_NPY_HEADER_BYTES = 1 << 12
_CHUNK_BYTES = 1 << 20
_MESSAGE_LENGTH = 300
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that equal contents give equal files


def write(path: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a file, replacing the one that is there; a ValueError for a header that is too long."""
    text = json.dumps(header, indent=1) + "\n"
    if len(text) > _HEADER_BYTES:
        what = "layers" if "layers" in header else "columns"
        got = f"{len(header['layers']):,} layers ({len(text):,} bytes)" if what == "layers" else f"{len(text):,} bytes"
        raise ValueError(f"expected {what} that fit into a header of {_HEADER_BYTES:,} bytes, got {got}")
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, _EPOCH), text)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(member_of(name), _EPOCH), "w", force_zip64=True) as member:
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                np.lib.format.write_array(member, little, allow_pickle=False)


@contextlib.contextmanager
def reading(path: str, what: str) -> Iterator[ArrayFile]:
    """The file at `path`, for as long as the block runs; what is raised in it becomes a `ModelFileError`.

    `what` is to be read of it: "a model".
    """
    name = excerpt(repr(path), 120)
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a FIFO would wait to be written, a device may have no end
        raise ModelFileError(f"can't read {what} from {name}: expected a regular file, got {kind_of(mode)}")
    with _Reader(io.FileIO(path)) as file:
        try:
            length = file.seek(0, io.SEEK_END)
            with zipfile.ZipFile(file) as archive:
                yield ArrayFile(archive, length)
        except MemoryError:
            raise MemoryError(f"not enough memory for {what.replace('a ', 'the ', 1)} of {name}") from None
        except Exception as error:  # zipfile, json and the constructors raise many kinds for bad content
            message = f"can't read {what} from {name}: "
            # The cause is left out, since it may repeat whatever the file says.
            kind = NewerFileError if isinstance(error, NewerFileError) else ModelFileError
            raise kind(message + excerpt(str(error), _MESSAGE_LENGTH - len(message))) from None


class ArrayFile:
    """A file that is open.

    Attributes
    ----------
    header : object
        What the JSON holds.
    names : set of str
        Of the members beside the header, as `member_of` gives them.
    length : int
        Of the file, in bytes.
    """

    def __init__(self, archive: zipfile.ZipFile, length: int) -> None:
        self._archive, self.length = archive, length
        self._members = {info.filename: info for info in archive.infolist()}
        for info in self._members.values():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ValueError(f"expected uncompressed members, got {info.filename!r} compressed")
        claimed = sum(info.file_size for info in self._members.values())
        if claimed > length:
            raise ValueError(f"its members claim {claimed:,} bytes, the file has {length:,}")
        header = self._members.pop(HEADER, None)
        if header is None or header.file_size > _HEADER_BYTES:
            raise ValueError(f"not a model file: no {HEADER}" if header is None else f"{HEADER} is too large")
        self.header = json.loads(archive.read(HEADER))
        self.names = set(self._members)

    def check_size(self, name: str, shape: tuple[int, ...], dtype: str) -> None:
        """Compare a member with the array that is expected, by the zip's directory alone."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        claimed = self._members[name].file_size
        if not size < claimed <= size + _NPY_HEADER_BYTES:
            raise ValueError(f"{name} has {claimed:,} bytes in all, which do not fit its shape {shape}")

    def read_into(self, name: str, array: NDArray[Any]) -> None:
        """Fill `array` from a member that has to be exactly what `numpy.save` writes for it; its size is checked."""
        info, little = self._members[name], array.dtype.newbyteorder("<")
        expected = f"{{'descr': {little.str!r}, 'fortran_order': False, 'shape': {array.shape}, }}"
        with self._archive.open(info) as member:
            begin = member.read(10)
            length = int.from_bytes(begin[8:], "little")
            if begin[:8] != b"\x93NUMPY\1\0" or length > _NPY_HEADER_BYTES:
                raise ValueError(f"expected {name} to begin with a header of npy format 1.0, got {begin!r}")
            stored = member.read(length).decode("latin-1").rstrip(" \n")
            if stored != expected:
                raise ValueError(f"expected {name} to hold {expected}, got {stored}")
            if (rest := info.file_size - len(begin) - length) != array.nbytes:
                raise ValueError(f"expected {name} to have {array.nbytes:,} bytes of numbers, got {rest:,}")
            flat = array.reshape(-1)  # a view
            for start in range(0, flat.size, _CHUNK_BYTES // little.itemsize):
                part = flat[start : start + _CHUNK_BYTES // little.itemsize]
                values = member.read(part.nbytes)  # the last read checks the CRC
                if len(values) < part.nbytes:
                    raise ValueError(f"{name} ends early")
                part[...] = np.frombuffer(values, little)


class _Reader(io.BufferedReader):
    """A file that reads little at once: zipfile would read a directory of the length that the file claims for it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = _CHUNK_BYTES
        if size > _CHUNK_BYTES:
            raise ValueError(f"expected its parts to have at most {_CHUNK_BYTES:,} bytes, one claims {size:,}")
        return super().read(size)


def member_of(array: str) -> str:
    """The name of the file in the zip that holds an array."""
    return f"{array}.npy"


def required(item: object, name: str, kind: type = object) -> Any:
    """A field of an object in the header's JSON; an error if it is not there, or of another type than expected."""
    if not isinstance(item, dict) or name not in item:
        raise ValueError(f"expected {HEADER} to have an object with {name!r}, got {item!r}")
    value = item[name]
    if not isinstance(value, kind):
        raise TypeError(f"expected {name} in {HEADER} to be of type {kind.__name__}, got {value!r}")
    return value
