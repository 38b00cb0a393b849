"""Registered means tested: what each layer gets by standing in `LAYERS`, and somebody else's by its examples."""

import copy
import ctypes
import pickle

import layer_checks
import numpy as np
import pytest
import scipy.sparse as sp
from isas import OTHER_ISAS, run_under
from layer_checks import DTYPES, Shift, data, digest, models, trained

import mlpfast as mf
from mlpfast.core import kinds
from mlpfast.layers import LAYERS

pytestmark = pytest.mark.usefixtures("as_many_threads_as_asked_for")


@pytest.fixture(params=[*LAYERS.values(), Shift], ids=lambda cls: cls.name)
def layer_class(request):
    if request.param is Shift and not layer_checks.register_toy():
        pytest.skip("needs a C compiler")
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
def test_backpropagation_is_the_gradient(layer_class, dtype):
    for model in models(layer_class, dtype):
        report = mf.gradcheck(model, *data(model, 11), "mse", l2=0.1, max_parameters=8)
        assert report.ok, f"\n{model.program}\n{report}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_backpropagation_is_the_gradient_of_training(layer_class, dtype):
    """With statistics of the batch; of other layers, the same as without."""
    for model in models(layer_class, dtype):
        state = model.state.copy()
        report = mf.gradcheck(model, *data(model, 11), "mse", l2=0.1, max_parameters=8, training=True)
        assert report.ok, f"\n{model.program}\n{report}"
        np.testing.assert_array_equal(model.state, state)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_of_threads_gives_the_same_bits(layer_class, dtype):
    for model in models(layer_class, dtype):
        assert len({trained(model, n_threads) for n_threads in (1, 2, 3, 8)}) == 1


@pytest.mark.parametrize("isa", OTHER_ISAS)
def test_every_isa_gives_the_same_bits(layer_class, isa):
    there = run_under(isa, layer_checks.__file__, layer_class.name)
    assert there.strip() == digest(layer_class)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_row_is_as_one_of_many(layer_class, dtype):
    for model in models(layer_class, dtype):
        X, _ = data(model, 200)
        expected = model.predict(X, n_threads=1)
        np.testing.assert_array_equal(model.predict(X, n_threads=3), expected)
        for start, stop in [(0, 1), (3, 50), (1, 66), (199, 200)]:
            np.testing.assert_array_equal(model.predict(X[start:stop]), expected[start:stop])
        np.testing.assert_array_equal(model.predict(X[7])[0], expected[7])


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_rows_are_as_dense_ones(layer_class, dtype):
    for model in models(layer_class, dtype):
        X, y = data(model, 150)
        X[X < 0.5] = 0
        found = set()
        for given in (X, sp.csr_matrix(X)):
            twin = model.copy()
            mf.Trainer(twin, "mse", mf.SGD(0.01), batch_size=67, seed=1).fit(given, y, verbose=0)
            found.add(twin.state.tobytes() + twin.predict(given[:70]).tobytes() + twin.predict(given[:1]).tobytes())
        assert len(found) == 1, f"\n{model.program}"


def test_copies_and_pickles(layer_class):
    for model in models(layer_class):
        X, _ = data(model, 3)
        for twin in (model.copy(), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert twin.layers == model.layers
            np.testing.assert_array_equal(twin.predict(X), model.predict(X))


def test_it_prints(layer_class):
    for model in models(layer_class):
        for layer in model.layers:
            assert type(layer).__name__ in repr(layer)
        assert f"{model.n_parameters:,} parameters" in str(model)
        assert all(layer.kind in str(model.program) for layer in model.program.layers)
        assert "update" in str(mf.Trainer(model, "mse").program)


def test_files(layer_class, tmp_path):
    for model in models(layer_class):
        if layer_class is Shift:
            with pytest.raises(TypeError, match="expected layers of mlpfast in a model to save, got Shift"):
                model.save(tmp_path / "model.npz")
            continue
        model.save(tmp_path / "model.npz")
        loaded = mf.load(tmp_path / "model.npz")
        assert loaded.layers == model.layers
        np.testing.assert_array_equal(loaded.state, model.state)


def test_what_is_no_layer_kind_is_refused():
    with pytest.raises(TypeError, match=r"expected a PyCapsule named 'mlpfast.layer_kind', got 3"):
        kinds.register(3)
    if not layer_checks.register_toy():
        pytest.skip("needs a C compiler")
    table = (ctypes.c_int32 * 64)(99)  # another version
    make = ctypes.pythonapi.PyCapsule_New
    with pytest.raises(ValueError, match="expected a layer kind of version 5, got 99"):
        kinds.register(make(ctypes.addressof(table), b"mlpfast.layer_kind", None))


def test_an_unknown_kind_is_named():
    from mlpfast.program import Program

    class Nowhere(Shift):
        def lower(self, program: Program, reads: int, place: str) -> int:
            made = program.value(program.values[reads].columns, mf.Activation("tanh"))
            program.layer("nowhere", reads, made)
            return made

    with pytest.raises(ValueError, match="unknown kind of layer 'nowhere'; expected one of dense, dropout"):
        mf.Model(3, [Nowhere()])


def test_a_kind_without_tangents_is_refused_by_name():
    if not layer_checks.register_toy():
        pytest.skip("needs a C compiler")
    model = mf.Model(3, [mf.Dense(4, "tanh"), Shift(), mf.Dense(2)])
    X, y = np.zeros((2, 3)), np.zeros((2, 2))
    message = "{}: expected layers that have {}, got 'shift' \\(layer 1 of model.program\\)"
    with pytest.raises(ValueError, match=message.format("jvp", "tangents")):
        model.jvp(X, X)
    assert model.jacobian(X).shape == (2, 2, 3)  # by reverse mode, which every kind has
    with pytest.raises(ValueError, match=message.format("hvp", "second derivatives")):
        model.hvp(X, y, model.parameters, "mse")
    with pytest.raises(ValueError, match=message.format("gauss_newton_product", "tangents")):
        model.gauss_newton_product(X, y, model.parameters, "mse")
