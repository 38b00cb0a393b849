"""The digits that come with the package, and IDX files: good, gzipped, damaged, lying."""

import gzip
import struct

import numpy as np
import pytest

import mlpfast as mf

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}


def idx_header(code, *shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def test_digits_are_the_uci_digits():
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = mf.datasets.load_digits()
    expected_X, expected_y = datasets.load_digits(return_X_y=True)
    assert X.dtype == np.float32 and y.dtype == np.int64
    np.testing.assert_array_equal(X, expected_X)
    np.testing.assert_array_equal(y, expected_y)


def test_digits_are_the_callers_own():
    X, _ = mf.datasets.load_digits()
    X[:] = -1
    assert mf.datasets.load_digits()[0].min() == 0


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4), (0, 5)])
def test_read_idx_round_trip(tmp_path, compress, code, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(DTYPES[code])
    content = idx_header(code, *shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(content) if compress else content)
    for name in (path, str(path)):
        result = mf.datasets.read_idx(name)
        np.testing.assert_array_equal(result, array)
        assert result.dtype == array.dtype and result.dtype.isnative and result.flags.writeable


GOOD = idx_header(0x08, 2, 3) + bytes(6)


def zipped(content: bytes) -> bytes:
    """Without the time of day, which would make the names of the tests differ between the workers of one run."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not an IDX file.*got nothing"),
        (b"\0\0\x08", r"not an IDX file.*got 00 00 08"),
        (b"PK\x03\x04 and more", r"not an IDX file.*got 50 4b 03 04"),
        (b"\0\0\x0a\x01\0\0\0\x01x", r"not an IDX file"),
        (b"\0\0\x08\x00", r"expected 1 to 32 dimensions, got 0"),
        (b"\0\0\x08\xff" + bytes(4 * 255), r"expected 1 to 32 dimensions, got 255"),
        (GOOD[:9], r"cut short: expected 8 bytes of dimensions, got 5"),
        (GOOD[:-1], r"expected 6 bytes of data for shape \(2, 3\) of uint8, got 5"),
        (GOOD + b"x", r"expected 6 bytes of data for shape \(2, 3\) of uint8, got more"),
        (idx_header(0x0E, 2**32 - 1, 1000) + bytes(99), r"expected 34359738360000 bytes .* got 99"),
        (idx_header(0x08, *[2**32 - 1] * 3), r"more than any memory holds"),
        (zipped(GOOD)[:-9], r"gzip stream is damaged or cut short"),
        (zipped(GOOD)[:5], r"gzip stream is damaged or cut short"),
        (zipped(GOOD)[:-8] + bytes(8), r"gzip stream is damaged or cut short"),
        (b"\x1f\x8bnonsense", r"gzip stream is damaged or cut short"),
        (zipped(GOOD[:-1]), r"expected 6 bytes .* got 5"),
        (zipped(idx_header(0x08, 2**31, 1000)), r"got 0"),
    ],
)
def test_read_idx_says_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "bad-idx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as raised:
        mf.datasets.read_idx(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("content", [b"hello", idx_header(0x08, *[2**32 - 1] * 32), idx_header(0x08, *[1] * 31, 10**6)])
def test_read_idx_says_it_in_few_printable_characters(tmp_path, content):
    path = tmp_path / ("\n\x1b[31m" * 40)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="read_idx_says") as raised:
        mf.datasets.read_idx(path)
    assert str(raised.value).isprintable() and len(str(raised.value)) <= 400


def test_read_idx_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        mf.datasets.read_idx(tmp_path / "nowhere")
