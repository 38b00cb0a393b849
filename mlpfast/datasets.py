"""Data to learn on: the handwritten digits that come with the package, and a reader of IDX files."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import excerpt

__all__ = ["load_digits", "read_idx"]

_GZIP_MAGIC = b"\x1f\x8b"
_IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_MAX_DIMENSIONS = 32  # what every supported NumPy can hold
_CHUNK = 1 << 20


def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the UCI optical digits: 1797 handwritten digits of 8 x 8 pixels.

    Returns
    -------
    X : ndarray of shape (1797, 64), float32
        One image a row, whole pixel values from 0 (paper) to 16 (ink).
    y : ndarray of shape (1797,), int64
        The digit, 0 to 9.

    Notes
    -----
    Alpaydin and Kaynak (1998), https://doi.org/10.24432/C50P49, CC BY 4.0: the test set of "Optical Recognition of
    Handwritten Digits", as scikit-learn's function of the same name has it.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> X.shape, X.dtype, int(X.max()), y[:5].tolist()
    ((1797, 64), dtype('float32'), 16, [0, 1, 2, 3, 4])
    """
    with np.load(Path(__file__).with_name("data") / "digits.npz", allow_pickle=False) as archive:
        return archive["images"].astype(np.float32), archive["labels"].astype(np.int64)


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, the format of MNIST and its relatives, gzipped or not.

    Parameters
    ----------
    path : str or path-like
        The file. Compression is told by its first bytes, not by its name.

    Returns
    -------
    ndarray
        A writable array of the shape and the type that the header names, in the machine's byte order: for MNIST's
        images (n, 28, 28) uint8, for its labels (n,) uint8.

    Raises
    ------
    OSError
        The file cannot be opened or read.
    ValueError
        It is not an IDX file, is damaged, or holds less or more data than its header claims. Memory grows with the
        data that is there, not with the header's claim.

    Notes
    -----
    The format (LeCun, Cortes and Burges, "The MNIST database"): two zero bytes, a byte for the type, a byte for the
    number of dimensions, the dimensions as big-endian 32-bit numbers, then the elements, big-endian, row-major.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import mlpfast as mf
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> mf.datasets.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    name = excerpt(os.fsdecode(path), 150)
    with open(path, "rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if not compressed:
            return _parse_idx(file, name)
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                return _parse_idx(stream, name)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{name}: the gzip stream is damaged or cut short ({error})") from error


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _parse_idx(stream: _Stream, name: str) -> NDArray[Any]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_DTYPES:
        raise ValueError(
            f"{name}: not an IDX file: expected it to begin with 00 00, one of "
            f"{', '.join(f'{code:02x}' for code in _IDX_DTYPES)}, and the number of dimensions; "
            f"got {magic.hex(' ') or 'nothing'}"
        )
    dtype, ndim = np.dtype(_IDX_DTYPES[magic[2]]), magic[3]
    if not 1 <= ndim <= _IDX_MAX_DIMENSIONS:
        raise ValueError(f"{name}: expected 1 to {_IDX_MAX_DIMENSIONS} dimensions, got {ndim}")
    header = stream.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise ValueError(f"{name}: cut short: expected {4 * ndim} bytes of dimensions, got {len(header)}")
    shape = tuple(int.from_bytes(header[4 * i : 4 * i + 4], "big") for i in range(ndim))
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > np.iinfo(np.intp).max:
        raise ValueError(f"{name}: the header claims shape {excerpt(str(shape), 100)}, more than any memory holds")

    expected = math.prod(shape) * dtype.itemsize
    data = bytearray()
    while len(data) <= expected and (chunk := stream.read(min(_CHUNK, expected + 1 - len(data)))):
        data += chunk
    if len(data) != expected:
        found = f"{len(data)}" if len(data) < expected else "more"
        claimed = f"shape {excerpt(str(shape), 100)} of {dtype.name}"
        raise ValueError(f"{name}: expected {expected} bytes of data for {claimed}, got {found}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
