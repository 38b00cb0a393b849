"""Layers as JSON: from their fields alone, whatever these are; in blocks, which have a depth; nothing else gets in."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
from test_hostile_files import refused
from test_io import load_bytes, rewritten

import mlpfast as mf
from mlpfast.files.fields import layers_from_json, layers_to_json
from mlpfast.initializers import Initializer, Uniform, Zeros
from mlpfast.layers import LAYERS, Layer

ELU, UNIFORM = mf.Activation("elu", 0.25), Uniform(0.125)


@dataclass(frozen=True)
class Block(Layer):
    """Layers one after the other."""

    layers: tuple[Layer, ...]
    name: ClassVar[str] = "block"

    def lower(self, program, reads, place):
        for i, layer in enumerate(self.layers):
            reads = layer.lower(program, reads, f"{place}.{i}")
        return reads

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 3, cls((mf.Dense(3, "tanh"),))


@dataclass(frozen=True)
class Everything(Layer):
    """A field of every kind, and one that the constructor makes."""

    columns: tuple
    rate: float = 0.5
    flag: bool = True
    mode: str = "all"
    limit: float | None = None
    activation: mf.Activation = ELU
    initializer: Initializer = UNIFORM
    inside: Layer | None = None
    made: int = field(init=False, default=0)
    name: ClassVar[str] = "everything"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "made", len(self.columns))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for cls in (Block, Everything):
        monkeypatch.setitem(LAYERS, cls.name, cls)


def there_and_back(*layers):
    return layers_from_json(json.loads(json.dumps(layers_to_json(layers))))


def nested(depth, innermost=None):
    """A layer in so many blocks."""
    layer = innermost or mf.Dense(3)
    for _ in range(depth):
        layer = Block((layer,))
    return layer


@pytest.mark.parametrize(
    "layer",
    [
        Everything(()),
        Everything((1, 2), rate=1e-300, flag=False, mode="é\n", limit=7.0),
        Everything((((0, 1), mf.Dense(4)), ((2,), Everything((3,)))), inside=mf.Dense(2, "swish", dropout=0.1)),
        Everything((None, True, 2**70, "x", mf.Activation("tanh"), Zeros())),
        mf.Dense(3, trainable=False, learning_rate_scale=0.5, weight_decay_scale=0.0),
        Block((mf.Dense(3), Block((), trainable=False), Everything((Block((mf.Dense(1),)),)))),
        nested(16),
    ],
)
def test_every_field_comes_back(layer):
    (back,) = there_and_back(layer)
    assert back == layer and repr(back) == repr(layer)


def test_what_stands_in_the_file():
    (written,) = layers_to_json((Everything((1, mf.Dense(2)), inside=Block(())),))
    dense, block = written["columns"].pop(), written.pop("inside")
    assert written == {
        "layer": "everything",
        "trainable": True,
        "learning_rate_scale": 1.0,
        "weight_decay_scale": None,
        "columns": [1],
        "rate": 0.5,
        "flag": True,
        "mode": "all",
        "limit": None,
        "activation": {"activation": "elu", "alpha": 0.25},
        "initializer": {"initializer": "uniform", "limit": 0.125},
    }
    assert block["layer"] == "block" and block["layers"] == []
    assert (
        dense.items()
        >= {
            "layer": "dense",
            "units": 2,
            "activation": {"activation": "identity", "alpha": 0.0},
            "kernel_initializer": {"initializer": "glorot_uniform"},
            "bias_initializer": {"initializer": "zeros"},
            "dropout": 0.0,
        }.items()
    )


def test_a_field_that_is_not_there_has_its_default():
    assert layers_from_json([{"layer": "dense", "units": 3, "activation": {"activation": "relu"}}]) == (
        mf.Dense(3, "relu"),
    )


def test_blocks_in_files(tmp_path):
    model = mf.Model(3, [nested(16, mf.Dense(2, "tanh", "normal")), Block((mf.Dense(4), mf.Dense(1)))], seed=3)
    model.save(tmp_path / "model.npz")
    loaded = mf.load(tmp_path / "model.npz")
    assert loaded.layers == model.layers
    assert loaded.tensors.keys() == model.tensors.keys()
    np.testing.assert_array_equal(loaded.parameters, model.parameters)


def test_too_deep_blocks_are_not_saved(tmp_path):
    model = mf.Model(3, [nested(17)])
    with pytest.raises(ValueError, match="expected layers to be nested at most 16 deep in a model file, got more"):
        model.save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("depth", [17, 100, 300, 5000])
@pytest.mark.parametrize("inner", ["layers", "inside"])
def test_too_deep_blocks_are_not_read(tmp_path, depth, inner):
    mf.mlp([3, 3]).save(tmp_path / "good.npz")
    dense = json.dumps(layers_to_json((mf.Dense(3),)))[1:-1]
    opening = {"layers": '{"layer": "block", "layers": [', "inside": '{"layer": "everything", "inside": '}[inner]
    text = opening * depth + dense + {"layers": "]}", "inside": "}"}[inner] * depth

    def deepen(members):
        header = json.loads(members["header.json"]) | {"layers": ["HERE"]}
        members["header.json"] = json.dumps(header).replace('"HERE"', text).encode()

    (tmp_path / "model.npz").write_bytes(rewritten((tmp_path / "good.npz").read_bytes(), change_members=deepen))
    refused(tmp_path / "model.npz", "nested at most 16 deep" if depth == 17 else "nested at most 16 deep|recursion")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layer: layer["layers"][1].update(layer="dens"), r"layer 0\.1: unknown layer 'dens'; did you mean 'de"),
        (lambda layer: layer["layers"][1].update(units=0), r"layer 0\.1: expected units to be >= 1, got 0"),
        (lambda layer: layer["layers"][1]["activation"].update(alpha=-1), r"layer 0\.1: .*alpha"),
        (lambda layer: layer["layers"][0].update(x=1), r"layer 0\.0: .*'x'"),
        (
            lambda layer: layer.update(layers=[{"class": "Dense"}]),
            r"layer 0\.0: expected an object with one of 'layer'",
        ),
    ],
)
def test_errors_in_blocks_name_the_place(tmp_path, change, message):
    mf.Model(3, [Block((mf.Dense(3), mf.Dense(4, "elu")))]).save(tmp_path / "good.npz")
    changed = rewritten((tmp_path / "good.npz").read_bytes(), lambda header: change(header["layers"][0]))
    with pytest.raises(mf.ModelFileError, match=message):
        load_bytes(tmp_path, changed)


@dataclass(frozen=True)
class Mine(Layer):
    name: ClassVar[str] = "mine"


@dataclass(frozen=True)
class Impostor(Block):
    """Another class under a name that is taken."""


@dataclass(frozen=True)
class Two(Initializer):
    name: ClassVar[str] = "two"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Mine(), r"expected layers of mlpfast in a model to save, got Mine\("),
        (Block((Mine(),)), r"expected layers of mlpfast in a model to save, got Mine\("),
        (Impostor(()), r"expected layers of mlpfast in a model to save, got Impostor"),
        (mf.Dense(3, kernel_initializer=Two()), r"expected initializers of mlpfast in a model to save, got Two\(\)"),
        (Everything((np.float32(1),)), "expected numbers, names, .* in a layer to save, got"),
        (Everything(({},)), "expected numbers, names, .* in a layer to save, got {}"),
        (Everything((print,)), "expected numbers, names, .* in a layer to save, got <built-in"),
    ],
)
def test_what_is_not_kept_is_refused(layer, message):
    with pytest.raises(TypeError, match=message):
        layers_to_json((layer,))
