"""Model files: what is written comes back bit by bit, and no damage gets further than a clear error."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpfast as mf
import mlpfast.io
from mlpfast.initializers import INITIALIZERS, Constant, Uniform


@pytest.fixture(scope="module")
def model():
    layers = [
        mf.Dense(5, mf.Activation("leaky_relu", 0.3), kernel_initializer=Uniform(0.7), dropout=0.25),
        mf.Dense(4, "selu", bias_initializer=Constant(-0.5)),
        mf.Dense(3, "softmax"),
    ]
    return mf.Model(6, layers, dtype="float64", seed=2**64 - 1)


@pytest.fixture(scope="module")
def content(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("io") / "model.npz"
    model.save(path)
    return path.read_bytes()


def same(a, b):
    return (
        a.parameters.tobytes() == b.parameters.tobytes()
        and (a.sizes, a.layers, a.dtype, a.seed) == (b.sizes, b.layers, b.dtype, b.seed)
    )  # fmt: skip


def load_bytes(tmp_path, content):
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    return mf.load(path)


def rewritten(content, change_header=None, change_members=None, compression=zipfile.ZIP_STORED):
    """The file with its header (a dict) or its members (name -> bytes) changed, and consistent in itself."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if change_header is not None:
        header = json.loads(members["header.json"])
        change_header(header)
        members["header.json"] = json.dumps(header).encode()
    if change_members is not None:
        change_members(members)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [[1, 1], [3, 2], [17, 65, 3, 129, 1]])
def test_round_trip(tmp_path, dtype, sizes):
    model = mf.mlp(sizes, activation="tanh", dtype=dtype, seed=3)
    model.save(tmp_path / "model.npz")
    twin = mf.load(tmp_path / "model.npz")
    assert same(twin, model)
    X = np.random.default_rng(0).normal(size=(5, sizes[0])).astype(dtype)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    twin.weights[0][:] = 0
    assert not twin.parameters[: twin.weights[0].size].any()


def test_the_module_io_has_both_ways(tmp_path, model, content):
    path = tmp_path / "model.npz"
    mlpfast.io.save(model, path)
    assert path.read_bytes() == content
    assert mlpfast.io.load is mf.load


def test_round_trip_of_everything_that_layers_have(tmp_path, model, content):
    assert same(load_bytes(tmp_path, content), model)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_round_trip_of_initializers(tmp_path, name):
    follows = INITIALIZERS[name].follows
    weights, biases = ("zeros" if follows not in (None, role) else name for role in ("weight", "bias"))
    model = mf.Model(2, [mf.Dense(3, kernel_initializer=weights, bias_initializer=biases)])
    model.save(tmp_path / "model.npz")
    assert same(mf.load(tmp_path / "model.npz"), model)


def test_equal_models_give_equal_files(tmp_path, model, content):
    model.copy().save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == content


def test_numpy_reads_the_arrays(tmp_path, model, content):
    (tmp_path / "model.npz").write_bytes(content)
    with np.load(tmp_path / "model.npz") as arrays:
        np.testing.assert_array_equal(arrays["W1"], model.weights[1])
        np.testing.assert_array_equal(arrays["b2"], model.biases[2])
        assert json.loads(arrays["header.json"])["version"] == 2


def test_paths_as_str_and_as_given(tmp_path, model):
    model.save(str(tmp_path / "no suffix"))
    assert same(mf.load(str(tmp_path / "no suffix")), model)
    assert os.listdir(tmp_path) == ["no suffix"]


def test_save_replaces_a_file_as_a_whole(tmp_path, model, content, monkeypatch):
    path = tmp_path / "model.npz"
    path.write_bytes(b"precious")

    def full_disk(*args, **kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(OSError, match="no space"):
            model.save(path)
    assert path.read_bytes() == b"precious" and os.listdir(tmp_path) == ["model.npz"]
    model.save(path)
    assert path.read_bytes() == content and os.listdir(tmp_path) == ["model.npz"]


def test_save_writes_through_a_link(tmp_path, model, content):
    (tmp_path / "real.npz").write_bytes(b"")
    (tmp_path / "link.npz").symlink_to("real.npz")
    model.save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink() and (tmp_path / "real.npz").read_bytes() == content


def test_missing_places(tmp_path, model):
    with pytest.raises(FileNotFoundError):
        mf.load(tmp_path / "nothing.npz")
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "nowhere" / "model.npz")


@pytest.mark.parametrize("garbage", [b"", b"PK", b"hello" * 100, b"PK\x05\x06" + bytes(18)])
def test_not_a_model_file(tmp_path, garbage):
    with pytest.raises(mf.ModelFileError, match=r"can't read a model from .*model\.npz"):
        load_bytes(tmp_path, garbage)


def test_an_npz_of_someone_else(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(mf.ModelFileError, match="not a model file"):
        mf.load(tmp_path / "other.npz")


def test_newer_version(tmp_path, content):
    changed = rewritten(content, lambda header: header.update(version=3, written_by="mlpfast 9.1"))
    with pytest.raises(mf.ModelFileError, match=r"format version 3 \(written by mlpfast 9.1\).*upgrade mlpfast"):
        load_bytes(tmp_path, changed)


def test_truncated_anywhere(tmp_path, content):
    for length in range(0, len(content), 7):
        with pytest.raises(mf.ModelFileError):
            load_bytes(tmp_path, content[:length])


def test_damaged_values_are_found(tmp_path, model, content):
    place = content.index(model.weights[1].tobytes())
    damaged = bytearray(content)
    damaged[place + 3] ^= 1
    with pytest.raises(mf.ModelFileError, match="CRC"):
        load_bytes(tmp_path, bytes(damaged))


@settings(max_examples=300)
@given(data=st.data())
def test_any_damage_is_an_error_or_harmless(tmp_path_factory, model, content, data):
    places = data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4))
    damaged = bytearray(content)
    for place in places:
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        loaded = load_bytes(tmp_path_factory.getbasetemp(), bytes(damaged))
    except mf.ModelFileError:
        return
    assert same(loaded, model)  # a byte that nothing depends on, such as a date


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(inputs=10**15), "inputs"),
        (lambda h: h["layers"][1].update(units=10**12), "W1"),
        (lambda h: h.update(inputs=10**400), "inputs"),
        (lambda h: h.update(inputs=-1), "inputs"),
        (lambda h: h.update(inputs="6"), "inputs"),
        (lambda h: h.update(dtype="object"), "dtype"),
        (lambda h: h.update(dtype="float32"), "W0"),
        (lambda h: h.update(seed=-1), "seed"),
        (lambda h: h.update(version=0), "version"),
        (lambda h: h.update(format="pickle"), "format"),
        (lambda h: h.update(layers=[]), "members do not fit"),
        (lambda h: h.update(layers=None), "layers in header.json to be of type list, got None"),
        (lambda h: h["layers"].pop(), "members do not fit"),
        (lambda h: h["layers"].append(h["layers"][0]), "members do not fit"),
        (lambda h: h.update(kind="trainer"), "expected a model file, got a file of kind 'trainer'"),
        (lambda h: h.update(kind="trainer", format="mlpfast trainer", version=7), "got a file of kind 'trainer'"),
        (lambda h: h.update(kind=None), "got a file of kind None"),
        (lambda h: h["layers"][0]["activation"].update(activation="rleu"), "layer 0: unknown activation.*'relu'"),
        (lambda h: h["layers"][0]["activation"].update(activation=["relu"]), "activation"),
        (lambda h: h["layers"][0]["activation"].update(beta=1), "beta"),
        (lambda h: h["layers"][0]["kernel_initializer"].update(initializer="os.system"), "unknown initializer"),
        (lambda h: h["layers"][0]["kernel_initializer"].update(initializer=None), "expected initializer"),
        (lambda h: h["layers"][0]["kernel_initializer"].update(limit=float("nan")), "layer 0.*limit"),
        (lambda h: h["layers"][0].update(dropout=1.0), "dropout"),
        (lambda h: h["layers"][2].update(dropout=0.5), "dropout"),
        (lambda h: h.pop("inputs"), "'inputs'"),
        (lambda h: h["layers"][1].update(layer="dence"), "layer 1: unknown layer 'dence'; did you mean 'dense'"),
        (lambda h: h["layers"][1].update(layer=["dense"]), "layer 1: expected layer to be one of activate, "),
        (lambda h: h["layers"][1].update(units_=3), "layer 1.*'units_'.*did you mean 'units'"),
        (lambda h: h["layers"][1].update(self=3), "layer 1.*'self'"),
        (lambda h: h["layers"][1].pop("units"), "layer 1.*'units'"),
        (lambda h: h["layers"][1].update(units=[4]), r"layer 1: expected units to be an integer, got \(4,\)"),
        (lambda h: h["layers"][1].update(units=h["layers"][0]), "layer 1: expected units to be an integer, got Dense"),
        (lambda h: h["layers"][1].update(dropout=2), "layer 1.*dropout"),
        (lambda h: h["layers"][1].update(bias_initializer=[["name", "zeros"]]), "layer 1: expected initializer"),
        (lambda h: h["layers"][1].update(bias_initializer=h["layers"][1]["activation"]), "layer 1: expected initiali"),
        (lambda h: h["layers"][0]["kernel_initializer"].pop("initializer"), "layer 0: expected an object with one of"),
        (lambda h: h["layers"][1].pop("layer"), "layer 1: expected an object with 'layer'"),
        (lambda h: h["layers"].__setitem__(0, 5), "layer 0: expected an object with 'layer', got 5"),
        (lambda h: h["layers"].__setitem__(1, h["layers"][1]["activation"]), "layer 1: .*'layer', got {'activation"),
        (lambda h: h["layers"].__setitem__(1, [h["layers"][1]]), "layer 1: .*'layer', got"),
        (lambda h: h.update(inputs=10**3000, layers=[{**h["layers"][0], "units": 10**3000}]), "inputs"),
        (lambda h: [layer.update(units=10**3000) for layer in h["layers"]], "units"),
    ],
)
def test_lies_in_the_header(tmp_path, content, change, message):
    with pytest.raises(mf.ModelFileError, match=message):
        load_bytes(tmp_path, rewritten(content, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update({"header.json": b"{"}), "JSON|Expecting|delimiter"),
        (lambda m: m.update({"header.json": b"[" * 100_000}), "recursion"),
        (lambda m: m.update({"header.json": b"[1, 2]"}), "not a model file"),
        (lambda m: m.update({"header.json": b" " * (1 << 21)}), "too large"),
        (lambda m: m.update({"W0.npy": npy(np.zeros((5, 6)))}), "W0"),
        (lambda m: m.update({"W0.npy": npy(np.zeros((6, 5), order="F"))}), "order': False.*got .*order': True"),
        (lambda m: m.update({"W0.npy": npy(np.zeros((6, 5), dtype="i8"))}), "W0"),
        (lambda m: m.update({"W0.npy": npy(np.zeros((6, 5), dtype=">f8"))}), "W0"),
        (lambda m: m.update({"W0.npy": m["W0.npy"][:-8]}), "W0"),
        (lambda m: m.update({"W0.npy": m["W0.npy"] + bytes(8)}), "reshape|W0"),
        (lambda m: m.update({"W0.npy": bytes(len(m["W0.npy"]))}), "npy format 1.0"),
        (lambda m: m.pop("b2.npy"), "b2"),
        (lambda m: m.update({"evil.npy": b""}), "evil"),
    ],
)
def test_lies_in_the_members(tmp_path, content, change, message):
    with pytest.raises(mf.ModelFileError, match=message):
        load_bytes(tmp_path, rewritten(content, change_members=change))


def test_pickled_objects_are_never_loaded(tmp_path, content):
    file = io.BytesIO()
    np.save(file, np.array([[print] * 5] * 6, dtype=object), allow_pickle=True)
    with pytest.raises(mf.ModelFileError):
        load_bytes(tmp_path, rewritten(content, change_members=lambda m: m.update({"W0.npy": file.getvalue()})))


def test_compressed_members_are_refused(tmp_path, content):
    with pytest.raises(mf.ModelFileError, match="compressed"):
        load_bytes(tmp_path, rewritten(content, compression=zipfile.ZIP_DEFLATED))


def test_the_directory_claims_more_than_the_file_holds(tmp_path, content):
    claimed = bytearray(content)
    start = content.index(b"PK\x01\x02")
    for size_at in (start + 20, start + 24):  # compressed and uncompressed size of the first member
        claimed[size_at : size_at + 4] = (2**31).to_bytes(4, "little")
    with pytest.raises(mf.ModelFileError, match="claim"):
        load_bytes(tmp_path, bytes(claimed))


def test_too_many_layers_for_a_file_are_refused_when_saving(tmp_path):
    model = mf.Model(1, [mf.Dense(1)] * 5000)
    with pytest.raises(ValueError, match="expected layers that fit .* got 5,000 layers"):
        model.save(tmp_path / "model.npz")
    assert not os.listdir(tmp_path)
