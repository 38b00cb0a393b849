"""Model files made to do harm: without an end, with huge claims, with deep or long contents, with values not finite."""

import io
import json
import os
import socket
import struct
import traceback
import zipfile

import numpy as np
import pytest
from test_memory import peak

import mlpfast as mf


@pytest.fixture
def members(tmp_path):
    """Name -> bytes, of the file of a small model."""
    mf.mlp([6, 5, 3], dtype="float64").save(tmp_path / "good.npz")
    with zipfile.ZipFile(tmp_path / "good.npz") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refused(path, message=None):
    """The error of loading; small, printable, and all that a traceback shows."""
    errors = []

    def load():
        with pytest.raises(mf.ModelFileError, match=message) as raised:
            mf.load(path)
        errors.append(raised.value)

    assert peak(load) < 8 << 20
    (error,) = errors
    assert str(error).isprintable() and len(str(error)) <= 300
    shown = "".join(traceback.format_exception(error))
    assert len(shown) < 2000 and shown.replace("\n", "").isprintable()
    return error


def zeros(path):
    path.symlink_to("/dev/zero")


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"), [(zeros, "a character device"), (os.mkfifo, "a FIFO"), (unix_socket, "a socket")]
)
def test_files_without_an_end(tmp_path, make, kind):
    make(tmp_path / "model.npz")
    refused(tmp_path / "model.npz", f"expected a regular file, got {kind}$")


def test_a_folder_is_an_error_of_the_system(tmp_path):
    with pytest.raises(IsADirectoryError):
        mf.load(tmp_path)


GIGABYTES = 4 << 30


def end_of_archive(directory_bytes, directory_at, entries=3):
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries, entries, directory_bytes, directory_at, 0)


@pytest.mark.parametrize("claimed", [GIGABYTES - 23, 1 << 31, 2 << 20])
def test_a_sparse_file_whose_directory_is_a_hole(tmp_path, claimed):
    path = tmp_path / "model.npz"
    with open(path, "wb") as file:
        file.truncate(GIGABYTES - 22)
        file.seek(0, os.SEEK_END)
        file.write(end_of_archive(claimed, GIGABYTES - 22 - claimed))
    refused(path, "parts .* one claims")


def test_sparse_files_without_an_archive(tmp_path):
    path = tmp_path / "model.npz"
    path.touch()
    os.truncate(path, GIGABYTES)
    refused(path, "not a zip file")


def test_a_directory_of_many_members(tmp_path, members):
    many = {f"{i:06}": b"" for i in range(30_000)}
    refused(write(tmp_path / "model.npz", members | many), "parts .* one claims")


@pytest.mark.parametrize("inputs", [1 << 25, 1 << 40, (1 << 53) + 1, 1 << 62, 1 << 70])
@pytest.mark.parametrize(
    "layers",
    [
        [mf.Columns([(0, mf.OneHot(3)), (1, mf.Periodic(3))]), mf.Dense(2)],
        [mf.Columns([(0, mf.OneHot(3))])],
        [mf.Residual([mf.Columns([(0, mf.Embedding(3, 1))])]), mf.Activate("tanh")],
        [mf.Residual([mf.Activate("tanh")]), mf.Activate("tanh")],
        [mf.Columns([(0, mf.OneHot(3))], "drop"), mf.Dense(2)],
    ],
)
def test_inputs_that_no_array_tells(tmp_path, layers, inputs):
    """Not all layers have arrays that are as wide as the data; a few columns may be read of very many."""
    mf.Model(6, layers).save(tmp_path / "good.npz")
    with zipfile.ZipFile(tmp_path / "good.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["header.json"]) | {"inputs": inputs}
    path = write(tmp_path / "model.npz", members | {"header.json": json.dumps(header)})
    if getattr(layers[0], "remainder", "") == "drop" and inputs < 1 << 48:
        assert peak(lambda: mf.load(path)) < 8 << 20
    else:
        refused(path, "inputs")


def test_a_compressed_bomb(tmp_path, members):
    bomb = members | {"W0.npy": bytes(100 << 20)}
    refused(write(tmp_path / "model.npz", bomb, zipfile.ZIP_DEFLATED), "compressed")


def test_members_that_lie_in_one_place(tmp_path, members):
    """Together they claim more than the file has."""
    path = write(tmp_path / "model.npz", members | {name: bytes(100_000) for name in ("W0.npy", "W1.npy")})
    content = bytearray(path.read_bytes())
    entries = [content.rindex(name) - 46 for name in (b"W0.npy", b"b0.npy", b"W1.npy", b"b1.npy")]
    for entry in entries:  # CRC, sizes and place of W0
        content[entry + 16 : entry + 28] = content[entries[0] + 16 : entries[0] + 28]
        content[entry + 42 : entry + 46] = content[entries[0] + 42 : entries[0] + 46]
    path.write_bytes(content)
    refused(path, "members claim 4.*bytes, the file has 2")


@pytest.mark.parametrize("text", [b"[" * 1_000_000, b'{"a":' * 200_000, b'{"format": ' + b"[" * 900_000])
def test_deep_json(tmp_path, members, text):
    refused(write(tmp_path / "model.npz", members | {"header.json": text}), "recursion|JSON|Expecting")


@pytest.mark.parametrize("digits", [400, 3000, 20_000])
def test_long_numbers(tmp_path, members, digits):
    header = json.loads(members["header.json"])
    del header["inputs"]
    text = json.dumps(header)[:-1] + f', "inputs": {"9" * digits}}}'
    refused(write(tmp_path / "model.npz", members | {"header.json": text}))


@pytest.mark.parametrize(
    "text",
    [
        "(((",  # tokenize.TokenError, where NumPy reads the header
        "{\n  1,\n 2}",  # IndentationError
        "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "-" * 60 + "6, 5), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (6, 5), }",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (6, 5), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (6, 5)}.__class__",
        "\x1b[31m\u202e\x00",
        "",
    ],
)
def test_array_headers_are_compared_not_evaluated(tmp_path, members, text):
    text = text.encode()
    length = len(text).to_bytes(2, "little")
    array = b"\x93NUMPY\1\0" + length + text + bytes(6 * 5 * 8)
    refused(write(tmp_path / "model.npz", members | {"W0.npy": array}), "W0.npy")


def test_what_numpy_saves_is_read(tmp_path, members):
    """The header's padding depends on the version of NumPy that wrote it."""
    file = io.BytesIO()
    np.save(file, np.arange(30.0).reshape(6, 5))
    content = file.getvalue()
    (length,) = struct.unpack("<H", content[8:10])
    header = content[10 : 10 + length].rstrip()
    for padding in (b"", b"\n", b" " * 30 + b"\n", b" " * 900 + b"\n"):
        text = header + padding
        array = content[:8] + len(text).to_bytes(2, "little") + text + content[10 + length :]
        model = mf.load(write(tmp_path / "model.npz", members | {"W0.npy": array}))
        np.testing.assert_array_equal(model.weights[0], np.arange(30.0).reshape(6, 5))


LONG = 'x\n\x1b[31m\u202e"' * 20_000


@pytest.mark.parametrize(
    "keys",
    [
        *([key] for key in ("format", "kind", "version", "written_by", "inputs", "dtype", "seed", "layers")),
        *(["layers", 0, key] for key in ("layer", "units", "activation", "kernel_initializer", "dropout", LONG)),
        ["layers", 0, "activation", "activation"],
        ["layers", 0, "kernel_initializer", "initializer"],
        ["layers", 0, "kernel_initializer", LONG],
        ["layers", 0, "activation", LONG],
    ],
    ids=lambda keys: ".".join(str(key)[:20] for key in keys).replace(LONG[:20], "long"),
)
def test_errors_repeat_little_of_the_header(tmp_path, members, keys):
    header = node = json.loads(members["header.json"])
    header["version"] = 3 if keys == ["written_by"] else 2  # whose error names who wrote it
    *path, last = keys
    for key in path:
        node = node[key]
    node[last] = LONG
    error = refused(write(tmp_path / "model.npz", members | {"header.json": json.dumps(header, ensure_ascii=False)}))
    assert "xx" not in str(error)


@pytest.mark.parametrize("name", [LONG[:30_000], "\n" * 60_000])
def test_errors_repeat_little_of_names(tmp_path, members, name):
    refused(write(tmp_path / "model.npz", members | {name: b""}), "do not fit")


def test_errors_repeat_little_of_the_path(tmp_path):
    folder = tmp_path / ("\n" * 250) / ("\x07" * 250)
    folder.mkdir(parents=True)
    (folder / "model.npz").write_bytes(b"hello")
    with pytest.raises(mf.ModelFileError, match=r"model\.npz': File is not a zip file$") as raised:
        mf.load(folder / "model.npz")
    assert str(raised.value).isprintable() and len(str(raised.value)) <= 300


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("value", "shown"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize(("tensor", "place"), [("weights", (2, 1)), ("biases", (1,))])
def test_parameters_that_are_not_finite(tmp_path, dtype, value, shown, tensor, place):
    model = mf.mlp([6, 5, 3], dtype=dtype)
    getattr(model, tensor)[1][place] = value
    model.save(tmp_path / "model.npz")  # what the model holds is kept
    name = f"{tensor[0].upper() if tensor == 'weights' else 'b'}1.npy"
    where = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place, strict=False))
    refused(tmp_path / "model.npz", f"expected finite values in {name}, got {shown} at {where} .*allow_non_finite=True")
    loaded = mf.load(tmp_path / "model.npz", allow_non_finite=True)
    assert loaded.parameters.tobytes() == model.parameters.tobytes()


def test_allow_non_finite_is_a_bool(tmp_path):
    mf.mlp([1, 1]).save(tmp_path / "model.npz")
    with pytest.raises(TypeError, match="expected allow_non_finite to be True or False, got 'yes'"):
        mf.load(tmp_path / "model.npz", allow_non_finite="yes")
    with pytest.raises(TypeError, match="positional"):
        mf.load(tmp_path / "model.npz", True)
