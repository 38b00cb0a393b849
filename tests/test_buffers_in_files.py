"""Buffers, learnt otherwise than by gradients, go where tensors go: into files, and by name between models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from test_hostile_files import refused
from test_io import npy, rewritten

import mlpfast as mf
from mlpfast.layers import LAYERS, Layer


@dataclass(frozen=True)
class Remembers(Layer):
    """Passes its value on, and has a buffer."""

    name: ClassVar[str] = "remembers"

    def lower(self, program, reads, place):
        program.buffer(f"mean{place}", (program.values[reads].columns,), 0.5)
        return reads

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 3, cls()


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setitem(LAYERS, Remembers.name, Remembers)
    model = mf.Model(4, [Remembers(), mf.Dense(5), Remembers(), mf.Dense(2)], dtype="float64", seed=1)
    model.buffers["mean2"][:] = range(5)
    return model


def test_there_and_back(model, tmp_path):
    model.save(tmp_path / "model.npz")
    loaded = mf.load(tmp_path / "model.npz")
    assert loaded.state.tobytes() == model.state.tobytes()
    assert list(loaded.buffers) == ["mean0", "mean2"]
    with np.load(tmp_path / "model.npz") as arrays:
        np.testing.assert_array_equal(arrays["mean2"], range(5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("mean2.npy"), "its members do not fit its 4 layers; missing: mean2.npy"),
        (lambda m: m.update({"mean1.npy": m["mean2.npy"]}), "do not fit its 4 layers; of none of them: mean1.npy"),
        (lambda m: m.update({"mean2.npy": npy(np.zeros(1000))}), "mean2.npy has .* bytes .* do not fit its shape"),
        (lambda m: m.update({"mean2.npy": npy(np.zeros((1, 5)))}), "expected mean2.npy to hold .*got"),
        (lambda m: m.update({"mean2.npy": npy(np.zeros(5, "i8"))}), "expected mean2.npy to hold .*got"),
        (lambda m: m.update({"mean2.npy": npy(np.zeros(5, "f4"))}), "expected mean2.npy to hold .*<f8.* got .*<f4"),
        (lambda m: m.update({"mean2.npy": npy(np.zeros(6))}), r"expected mean2.npy to hold .*\(5,\).* got .*\(6,\)"),
        (lambda m: m.update({"mean2.npy": m["mean2.npy"][:-8]}), "expected mean2.npy to have 40 bytes .*, got 32"),
        (lambda m: m.update({"mean2.npy": npy([0, 0, np.nan, 0, 0])}), "finite values in mean2.npy, got NaN at row 2"),
        (lambda m: m.update({"mean0.npy": npy([0, 0, 0, -np.inf])}), "finite values in mean0.npy, got infinity at row"),
    ],
)
def test_what_is_not_a_buffer_of_the_model(model, tmp_path, change, message):
    model.save(tmp_path / "good.npz")
    (tmp_path / "model.npz").write_bytes(rewritten((tmp_path / "good.npz").read_bytes(), change_members=change))
    refused(tmp_path / "model.npz", message)


def test_not_finite_on_request(model, tmp_path):
    model.buffers["mean2"][3] = np.nan
    model.save(tmp_path / "model.npz")
    refused(tmp_path / "model.npz", "mean2.npy, got NaN at row 3 .*allow_non_finite=True")
    loaded = mf.load(tmp_path / "model.npz", allow_non_finite=True)
    assert loaded.state.tobytes() == model.state.tobytes()


def test_by_name_between_models(model):
    other = mf.Model(4, [mf.Dense(5), mf.Dense(2)], dtype="float32", seed=2)
    assert set(model.load_tensors(other, strict=False)) == {"W1", "b1", "W3", "b3", "mean0", "mean2", "W0", "b0"}
    twin = mf.Model(4, model.layers, dtype="float32", seed=9)
    assert twin.load_tensors(model) == {}
    np.testing.assert_array_equal(twin.state, model.state.astype(np.float32))
    without = mf.Model(4, [Remembers(), mf.Dense(5)])
    assert without.load_tensors(model, strict=False).keys() == {"W3", "b3", "mean2"}
    with pytest.raises(ValueError, match="mean0 is missing"):
        twin.load_tensors(dict(model.tensors))
