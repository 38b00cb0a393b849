"""Memory beside the parameters, as tracemalloc sees it (NumPy reports to it): a model never needs a second one."""

import hashlib

import pytest
from memory_use import peak

import mlpfast as mf


def large(initializer, dtype):
    """32 MB of parameters, or 64 MB in float64."""
    return mf.Model(2000, [mf.Dense(4000, kernel_initializer=initializer), mf.Dense(10)], dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("initializer", ["uniform", "normal", "constant", "truncated_normal", "data_driven"])
def test_drawing_initial_weights(initializer, dtype):
    size = 8_044_010 * int(dtype[-2:]) // 8
    assert size <= peak(lambda: large(initializer, dtype)) <= 1.2 * size


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [
        ("float32", "184c048fdb99d9a95d5c8667ac670e12baa0851eb7176b77e2e75bb89de31363"),
        ("float64", "ba3e3995f66a8ec93d1b634cff333df1d4e50bb453d6aeee79a76bd403c90d6b"),
    ],
)
def test_weights_drawn_in_parts_are_those_that_were_drawn_at_once(dtype, bits):
    """Tensors of odd sizes, larger than a part; the bits are those of mlpfast before it drew in parts."""
    layers = [
        mf.Dense(333, kernel_initializer="normal", bias_initializer="uniform"),
        mf.Dense(401, kernel_initializer="uniform", bias_initializer="normal"),
    ]
    model = mf.Model(401, layers, dtype=dtype, seed=5)
    assert hashlib.sha256(model.parameters.tobytes()).hexdigest() == bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_saving_and_loading(tmp_path, dtype):
    path = tmp_path / "model.npz"
    model = large("he_uniform", dtype)
    assert peak(lambda: model.save(path)) <= 0.6 * model.parameters.nbytes
    assert model.parameters.nbytes <= peak(lambda: mf.load(path)) <= 1.2 * model.parameters.nbytes


def test_orthogonal_matrices_take_one_of_float64_beside_them():
    """And products of spans of it, for which 1,000 rows are few."""

    def make():
        return mf.Model(1000, [mf.Dense(1000, kernel_initializer="orthogonal")])

    assert peak(make) <= 4.5 * make().parameters.nbytes


def test_loading_a_trainer(tmp_path):
    """What the file has, and the new trainer's state before it takes the file's place."""
    trainer = mf.Trainer(large("he_uniform", "float32"), "mse", mf.Adam())
    trainer.train_on_batch([[0.0] * 2000], [[0.0] * 10])
    trainer.save(tmp_path / "trainer.npz")
    assert peak(lambda: mf.Trainer.load(tmp_path / "trainer.npz")) <= 1.2 * 5 * trainer.model.parameters.nbytes
