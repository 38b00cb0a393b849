"""Mutants of model files and of IDX files: every one loads, or is refused by the documented error with a fit message.

The mutants are the same in each run: a failure names a number, and `mutant(random.Random(number))` makes it again.
"""

import gzip
import io
import json
import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import mlpfast as mf

FORMAT_1 = Path(__file__).parent / "data" / "format_1.npz"
MUTANTS = 20_000  # of each kind of file

EXTREMES = [
    *(n.to_bytes(size, "little") for size in (1, 2, 4, 8) for n in (0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)),
    *(struct.pack(code, value) for code in ("<f", "<d") for value in (float("nan"), float("inf"), -1e-310)),
    *(signature + bytes(4) for signature in (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"\x1f\x8b")),
]
TOKENS = [*"(){}[,:'#\n\t\0", '"', "\\", "\n ", "-1", "1e999", "NaN", "9" * 30, "None", "lambda: 0", "'<f8'", "'|O'"]
TOKENS += ["0x", "(" * 300, "\x1b[31m", "\u202e", "A" * 2000]
TEXTS = [*(token.encode() for token in TOKENS), b"\xff", b"\xc3("]
VALUES = [None, True, 0, -1, 1, 2**31, 2**63, 10**300, 0.5, float("nan"), float("inf"), "", "relu", "float64"]
VALUES += ["x" * 3000, "\n\x07\u202e", [], {}, [[]], [1] * 500, {"\0": 1}, {"name": "zeros"}, {"stddev": -1}]
VALUES += [{"layer": "dense", "units": 3}, [{"layer": "dense"}], {"initializer": "zeros"}, {"activation": "elu"}]


def mutated(rng, content, inserted):
    """Bytes that are changed, overwritten, left out, repeated, inserted or cut off."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(content) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            content[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            new = rng.choice(inserted)
            content[place : place + len(new)] = new
        elif kind == 2:
            content[place:place] = rng.choice(inserted)
        elif kind == 3:
            del content[place : place + rng.randrange(1, 40)]
        elif kind == 4:
            content[place:place] = content[place - rng.randrange(1, 200) : place]
        elif rng.randrange(4) == 0:
            del content[place:]
    return bytes(content)


def random_place(rng, tree):
    """A random container within a tree of JSON, with one of its keys."""
    places, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                waiting.append(node[key])
    return rng.choice(places)


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member)
    return file.getvalue()


def members_of(file):
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_mutant(rng, kind, members, change):
    """An archive with damaged bytes (kind 0), a damaged member (1), or places of the header that `change` changes."""
    members = dict(members)
    if kind == 0:
        return mutated(rng, zipped(members), EXTREMES)
    if kind == 1:
        name = rng.choice(list(members))
        members[name] = mutated(rng, members[name], TEXTS if name == "header.json" else EXTREMES)
        return zipped(members)
    header = json.loads(members["header.json"])
    for _ in range(rng.choice((1, 1, 2))):
        change(rng, header)
    members["header.json"] = json.dumps(header).encode()
    return zipped(members)


class ModelFiles:
    """Damaged bytes; and archives that are whole, but for one member. Of both formats."""

    error = mf.ModelFileError
    longest = 300

    def __init__(self, folder):
        layers = [mf.Dense(3, mf.Activation("elu", 0.3), dropout=0.25), mf.Dense(1, bias_initializer="normal")]
        mf.Model(2, layers, seed=7).save(folder / "base")
        block = mf.Residual([mf.Dense(2, "tanh", use_bias=False), mf.BatchNorm(), mf.Residual([mf.Scale(0.5)])])
        mf.Model(2, [mf.Standardize(clip=3.0), block, mf.BatchNorm(0.5), mf.Dense(1)], seed=7).save(folder / "blocks")
        self.contents = [(folder / "base").read_bytes(), FORMAT_1.read_bytes(), (folder / "blocks").read_bytes()]

    def mutant(self, rng):
        kind, content = rng.randrange(5), rng.choice(self.contents)
        if kind < 2:
            return mutated(rng, content, EXTREMES)
        members = members_of(io.BytesIO(content))
        if kind == 2:
            members["header.json"] = mutated(rng, members["header.json"], TEXTS)
        elif kind == 3:
            tree = json.loads(members["header.json"])
            node, key = random_place(rng, tree)
            if rng.randrange(4):
                node[key] = rng.choice(VALUES)
            else:
                del node[key]
            members["header.json"] = json.dumps(tree).encode()
        else:
            name = rng.choice([name for name in members if name != "header.json"])
            member = members[name]
            split = len(member) - rng.randrange(64)
            members[name] = mutated(rng, member[:split], TEXTS + EXTREMES) + member[split:]
        return zipped(members)

    def load(self, path):
        model = mf.load(path)
        for name, array in model._arrays().items():
            untaught = name.startswith(("offset", "factor")) and np.isnan(array).all()
            assert untaught or np.isfinite(array).all()


class IdxFiles:
    """Damaged bytes, damaged bytes that are gzipped, and damaged gzip streams."""

    error = ValueError
    longest = 400

    def __init__(self, folder):
        shapes = [(0x08, "u1", (3, 4, 5)), (0x0D, ">f4", (7,)), (0x0B, ">i2", (2, 3))]
        self.contents = [
            bytes([0, 0, code, len(shape)]) + np.array(shape, ">u4").tobytes() + np.ones(shape, dtype).tobytes()
            for code, dtype, shape in shapes
        ]

    def mutant(self, rng):
        content = rng.choice(self.contents)
        kind = rng.randrange(4)
        if kind == 0:
            return mutated(rng, gzip.compress(content, 1, mtime=0), EXTREMES)
        content = mutated(rng, content, EXTREMES)
        return gzip.compress(content, 1, mtime=0) if kind == 1 else content

    def load(self, path):
        array = mf.datasets.read_idx(path)
        assert array.nbytes <= 10_000


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("kind", [ModelFiles, IdxFiles])
def test_mutants(tmp_path, kind, part):
    files, path = kind(tmp_path), tmp_path / "mutant"
    outcomes = {True: 0, False: 0}
    with open(path, "wb", buffering=0) as file:
        for number in range(part, MUTANTS, 4):
            content = files.mutant(random.Random(number))
            file.seek(0)
            file.truncate(file.write(content))  # never to 0: some file systems then wait for the disk
            try:
                files.load(path)
                outcomes[True] += 1
            except files.error as error:
                message = str(error)
                assert message.isprintable() and len(message) <= files.longest, (number, message)
                outcomes[False] += 1
            except Exception as error:
                raise AssertionError(f"mutant {number} of {kind.__name__}: {error!r}") from error
    assert outcomes[True] > 100 and outcomes[False] > 1000  # the mutants are neither harmless nor all refused at once
