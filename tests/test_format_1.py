"""Model files of format 1 are read for good: the last version that wrote them wrote tests/data/format_1.npz."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from test_io import load_bytes, rewritten

import mlpfast as mf
from mlpfast.initializers import Constant, Normal, Uniform

FILE = Path(__file__).parent / "data" / "format_1.npz"
LAYERS = (
    mf.Dense(8, mf.Activation("leaky_relu", 0.2), Normal(0.3), Constant(0.125), dropout=0.25),
    mf.Dense(6, "tanh", "lecun_normal", Uniform(0.25)),
    mf.Dense(3, "softmax"),
)
X = (np.arange(15.0).reshape(3, 5) % 7 - 3) / 2
PREDICTIONS = [  # of the model that was saved, after it was trained a little
    [0.18422360718250275, 0.22128678858280182, 0.5944896340370178],
    [0.3286171853542328, 0.5016371011734009, 0.16974575817584991],
    [0.2694353461265564, 0.47207221388816833, 0.25849249958992004],
]
DIGEST = "fd195a9d88d29c5f7a16e2712278c4fd909a53c90a9f3e4df62d6bbee8ea32f7"


def test_it_is_the_model_that_was_saved():
    model = mf.load(FILE)
    assert (model.inputs, model.layers, model.dtype.name, model.seed) == (5, LAYERS, "float32", 15)
    assert hashlib.sha256(model.parameters.tobytes()).hexdigest() == DIGEST
    np.testing.assert_array_equal(model.predict(X), np.array(PREDICTIONS, dtype=np.float32))


def test_it_trains_on_and_is_saved_again(tmp_path):
    model = mf.load(FILE)
    mf.Trainer(model, "cross_entropy").fit(X, [0, 1, 2], epochs=1, verbose=0)
    model.save(tmp_path / "again.npz")
    again = mf.load(tmp_path / "again.npz")
    assert pickle.dumps(again) == pickle.dumps(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["layers"][0]["activation"].update(name="rleu"), "layer 0: unknown activation 'rleu'.*'relu'"),
        (lambda h: h["layers"][0]["activation"].update(name=["relu"]), "layer 0: expected activation"),
        (lambda h: h["layers"][0]["activation"].pop("name"), "layer 0: expected an object with"),
        (lambda h: h["layers"][0]["activation"].update(beta=1), "beta"),
        (lambda h: h["layers"][0]["kernel_initializer"].update(name="os.system"), "unknown initializer"),
        (lambda h: h["layers"][0]["kernel_initializer"].update(stddev=float("nan")), "stddev"),
        (lambda h: h["layers"][1].pop("units"), "layer 1.*'units'"),
        (lambda h: h["layers"][1].update(dropout=2), "layer 1.*dropout"),
        (lambda h: h["layers"][1].update(bias_initializer=[["name", "zeros"]]), "layer 1: expected initializer"),
        (lambda h: h["layers"].__setitem__(0, 5), "layer 0"),
        (lambda h: h["layers"].__setitem__(0, {}), "layer 0"),
        (lambda h: h["layers"].pop(), "members do not fit"),
        (lambda h: h.update(dtype="float64"), "W0"),
    ],
)
def test_its_header_is_not_trusted_either(tmp_path, change, message):
    with pytest.raises(mf.ModelFileError, match=message):
        load_bytes(tmp_path, rewritten(FILE.read_bytes(), change))
