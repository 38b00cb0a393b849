"""Data frames and Arrow tables: without a copy where they are one block of rows, else with one."""

import numpy as np
import pytest
from memory_use import peak

import mlpfast as mf
from mlpfast.validation import as_features

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5000, 12)).astype(np.float32)
NAMES = [f"c{i}" for i in range(12)]
F32 = np.dtype(np.float32)


def mixed(array):
    """Columns of several dtypes, by name."""
    kinds = ["float32", "float64", "int16", "uint8", "bool", "int64"]
    return {name: (array[:, i] * 20).astype(kinds[i % 6]) for i, name in enumerate(NAMES)}


def pandas(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def nullable(columns):
    return pandas(columns).convert_dtypes()


def polars(columns):
    return pytest.importorskip("polars").DataFrame(columns)


def arrow(columns):
    return pytest.importorskip("pyarrow").table(columns)


FRAMES = [pandas, nullable, polars, arrow]


@pytest.mark.parametrize("make", FRAMES)
@pytest.mark.parametrize("same", [True, False])
def test_a_frame_trains_and_predicts_as_its_array(make, same):
    columns = {name: X[:, i] for i, name in enumerate(NAMES)} if same else mixed(X)
    array = np.column_stack(list(columns.values()))
    found = []
    for data in (make(columns), array):
        model = mf.mlp([12, 5, 1], "tanh", seed=0)
        mf.Trainer(model, "mse", batch_size=500).fit(data, X[:, 0], epochs=2, verbose=0)
        found.append((model.parameters.tobytes(), model.predict(data).tobytes()))
    assert found[0] == found[1]


@pytest.mark.parametrize("make", [pandas, polars, arrow])
@pytest.mark.parametrize("same", [True, False])
def test_one_copy_at_most(make, same):
    columns = {name: X[:, i].copy() for i, name in enumerate(NAMES)} if same else mixed(X)
    frame = make(columns)
    features = as_features(frame, 12, F32)
    assert features.flags.c_contiguous
    assert peak(lambda: as_features(frame, 12, F32)) < 1.2 * features.nbytes + 200_000


def test_no_copy_of_a_block_of_rows():
    frame = pytest.importorskip("pandas").DataFrame(X, columns=NAMES, copy=False)
    assert np.shares_memory(as_features(frame, 12, F32), X)


@pytest.mark.parametrize("make", [pandas, polars, arrow])
def test_no_copy_of_a_single_column(make):
    frame = make({"a": X[:, 0].copy()})
    features = as_features(frame, 1, F32)
    np.testing.assert_array_equal(features, X[:, :1])
    assert np.shares_memory(features, as_features(frame, 1, F32))


@pytest.mark.parametrize("make", FRAMES)
@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ([1.0, None, 2.0], ValueError, r"at row 1, column 1 \('b'\)"),
        (["x", "y", "z"], TypeError, r"got 'x' \(str\) at row 0, column 1 \('b'\)"),
        (
            np.array(["2024-01-01"] * 3, "datetime64[ms]"),
            TypeError,
            r"Timestamp.* \('b'\)|column 'b' has dtype datetime64",
        ),
    ],
)
def test_bad_columns_are_named(make, column, error, message):
    frame = make({"a": [1, 2, 3], "b": column})
    with pytest.raises(error, match=message) as info:
        mf.mlp([2, 1]).predict(frame)
    assert "X" in str(info.value)


def test_frames_are_chunks():
    frame = pandas(mixed(X))
    parts = [(frame[i : i + 900], X[i : i + 900, 0]) for i in range(0, 5000, 900)]
    found = []
    for data in ((parts,), (frame, X[:, 0])):
        model = mf.mlp([12, 5, 1], "tanh", seed=0)
        mf.Trainer(model, "mse", shuffle=False).fit(*data, verbose=0)
        found.append(model.parameters.tobytes())
    assert found[0] == found[1]
