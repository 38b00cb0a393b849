"""CSR rows: the bits of the same rows made dense, in memory that is in proportion to the stored entries.

Run as a script, this file prints a hash of what each case gives, for comparison between instruction sets.
"""

import hashlib
import json
import threading
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isas import OTHER_ISAS, run_under
from memory_use import peak

import mlpfast as mf
from mlpfast.activations import Activation
from mlpfast.core.engine import Engine
from mlpfast.core.memory import aligned_zeros
from mlpfast.core.network import Network
from mlpfast.core.table import set_max_threads
from mlpfast.initializers import Zeros
from mlpfast.program import Program
from mlpfast.validation import as_features

sparse = pytest.importorskip("scipy.sparse")

DTYPES = ("float32", "float64")


def random_rows(seed, rows, columns, fill, source="float32", index="int32"):
    """CSR rows; some are empty, some entries are explicit zeros, as in `-0.0`."""
    rng = np.random.default_rng(seed)
    stored = rng.random((rows, columns)) < fill * rng.choice([0.0, 1.0, 1.0], (rows, 1))
    values = rng.integers(0, 9, rows * columns) if source in ("uint8", "int16") else rng.normal(size=rows * columns)
    values = np.where(rng.random(rows * columns) < 0.1, -0.0, values).reshape(rows, columns)[stored].astype(source)
    offsets = np.append(0, np.cumsum(stored.sum(axis=1))).astype(index)
    return sparse.csr_array((values, np.nonzero(stored)[1].astype(index), offsets), shape=(rows, columns))


def results(X, sizes, dtype, batch_size, n_threads, optimizer="adamw", loss="cross_entropy", activation="relu"):
    """All that may come of some rows: trained parameters, predictions, a loss and its gradient, an evaluation."""
    rng = np.random.default_rng(0)
    rows = X.shape[0]
    y = rng.integers(sizes[-1], size=rows) if loss == "cross_entropy" else rng.normal(size=(rows, sizes[-1]))
    weights = rng.uniform(0.5, 2, rows)
    output = "softmax" if loss == "cross_entropy" else "identity"
    model = mf.mlp(sizes, activation, output, dtype=dtype, dropout=0.1, seed=3)
    trainer = mf.Trainer(model, loss, optimizer, batch_size, l2=0.01, l1=0.001, n_threads=n_threads)
    trainer.fit(X, y, epochs=2, sample_weight=weights, verbose=0)
    value, gradient = model.loss_and_gradient(X, y, loss, sample_weight=weights, n_threads=n_threads)
    found = [model.parameters, gradient, np.float64(value), np.float64(trainer.evaluate(X, y)["loss"])]
    found += [model.predict(X[:n], n_threads=n_threads) for n in (1, 5, rows)]
    return b"".join(array.tobytes() for array in found)


@settings(max_examples=100)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(1, 150),
    columns=st.integers(1, 300),
    hidden=st.sampled_from([1, 2, 15, 16, 33, 64, 130, 300]),
    fill=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
    source=st.sampled_from(["uint8", "int16", "float32", "float64"]),
    index=st.sampled_from(["int32", "int64"]),
    dtype=st.sampled_from(DTYPES),
    batch_size=st.sampled_from([1, 7, 32, 67, None]),
    n_threads=st.integers(1, 3),
    activation=st.sampled_from(["relu", "tanh", "gelu", "identity", "softmax"]),
)
def test_the_bits_of_dense_rows(
    seed, rows, columns, hidden, fill, source, index, dtype, batch_size, n_threads, activation
):
    X = random_rows(seed, rows, columns, fill, source, index)
    given = [columns, hidden, 3], dtype, batch_size, n_threads
    assert results(X, *given, activation=activation) == results(X.toarray(), *given, activation=activation)


@pytest.fixture
def many_threads():
    """Also on a machine with fewer cores."""
    set_max_threads(16)
    yield
    set_max_threads(0)


CASES = {
    "wide": (300, 3000, 0.01, [3000, 70, 5], {}),
    "one unit": (150, 500, 0.05, [500, 1], {"loss": "mse", "optimizer": "adam"}),
    "columns of tiles": (100, 130, 0.1, [130, 600, 5], {"optimizer": "rmsprop"}),
    "chunks of a batch": (2500, 200, 0.05, [200, 20, 5], {"optimizer": "sgd"}),
}


def case(name, dtype, n_threads=1, dense=False):
    rows, columns, fill, sizes, keywords = CASES[name]
    X = random_rows(0, rows, columns, fill)
    batch_size = 2400 if rows > 2400 else 64
    return results(X.toarray() if dense else X, sizes, dtype, batch_size, n_threads, **keywords)


def digests():
    return {f"{name} {dtype}": hashlib.sha256(case(name, dtype)).hexdigest() for name in CASES for dtype in DTYPES}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_any_number_of_threads_gives_the_bits_of_dense_rows(name, dtype, many_threads):
    expected = case(name, dtype, dense=True)
    for n_threads in (1, 2, 3, 8):
        assert case(name, dtype, n_threads) == expected, n_threads


@pytest.mark.parametrize("isa", OTHER_ISAS)
def test_every_isa_gives_the_same_bits(isa):
    assert json.loads(run_under(isa, __file__)) == digests()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_in_any_order_with_repeated_columns(dtype):
    """What is not canonical is made so: repeated entries add up in the model's dtype, as they come."""
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 40, 600)
    offsets = np.append(0, np.sort(rng.integers(0, 600, 49)))
    offsets = np.append(offsets, 600)
    X = sparse.csr_array((rng.normal(size=600), columns, offsets), shape=(50, 40))
    dense = np.zeros((50, 40), dtype)
    np.add.at(dense, (np.repeat(np.arange(50), np.diff(offsets)), columns), X.data.astype(dtype))
    before = X.data.copy(), X.indices.copy(), X.indptr.copy()
    given = [40, 20, 3], dtype, 16, 1
    assert results(X, *given) == results(dense, *given)
    for array, old in zip((X.data, X.indices, X.indptr), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_repeated_entries_beyond_the_dtype_are_named():
    X = sparse.csr_array((np.full(3, 3e38), np.array([1, 0, 1]), np.array([0, 0, 3])), shape=(2, 3))
    with pytest.raises(ValueError, match="infinity at row 1, column 1, where repeated entries add up"):
        mf.mlp([3, 2]).predict(X)


# --- memory ---


def wide_rows(rows, columns=1_000_000, each=20):
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, columns // each, (rows, each)) + np.arange(0, columns, columns // each))
    offsets = np.arange(0, rows * each + 1, each)
    return sparse.csr_array((rng.normal(size=rows * each), indices.ravel(), offsets), shape=(rows, columns))


def size_of(X):
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes


@pytest.fixture(scope="module")
def wide_model():
    """8 MB of parameters; a single dense row has 4 MB."""
    return mf.mlp([1_000_000, 2, 2], "relu", "softmax")


def test_predicting_a_row(wide_model):
    assert peak(lambda: wide_model.predict(wide_rows(1))) < 100_000


@pytest.mark.parametrize("n_threads", [1, 16])
def test_predicting_many_rows(wide_model, n_threads, many_threads):
    X = wide_rows(2000)
    assert peak(lambda: wide_model.predict(X, n_threads=n_threads)) < size_of(X) + 1_000_000


@pytest.mark.parametrize("rows", [2000, 20_000])
def test_a_gradient_and_an_evaluation(wide_model, rows):
    """Beside the gradient (over many rows, its float64 sums): 12 bytes for an entry of a chunk, a chunk's arena."""
    X, y = wide_rows(rows), np.zeros(rows, np.int32)
    out = np.empty_like(wide_model.parameters)
    sums = 8 * out.size if rows > 4096 else 0
    assert peak(lambda: wide_model.loss_and_gradient(X, y, "cross_entropy", out=out)) < size_of(X) + sums + 3_000_000
    trainer = mf.Trainer(wide_model)
    assert peak(lambda: trainer.evaluate(X, y)) < size_of(X) + 3_000_000


def test_training(wide_model):
    """The parameters as they were and Adam's state are kept, which is five times the parameters in all."""
    X, y, model = wide_rows(2000), np.zeros(2000), wide_model.copy()

    def train():
        mf.Trainer(model, batch_size=200).fit(X, y, validation_data=(X, y), verbose=0)

    assert peak(train) < 5 * model.parameters.nbytes + 3 * size_of(X) + 3_000_000


def test_derivatives_of_a_few_rows_at_once():
    """They take rows in chunks, made dense, which a wide net bounds: 1,000 rows of this one have 800 MB."""
    X, y, model = wide_rows(1000, 200_000), np.zeros(1000, np.int32), mf.mlp([200_000, 2, 2], "tanh", "softmax")
    v = np.ones_like(model.parameters)
    assert peak(lambda: model.hvp(X[:40], y[:40], v, "cross_entropy")) < 150_000_000
    for call in (
        lambda: model.per_sample_gradient_norms(X[:40], y[:40], "cross_entropy"),
        lambda: model.fisher_diagonal(X[:40], y[:40], loss="cross_entropy"),
        lambda: model.activations(X[:40]),
    ):
        assert peak(call) < 100_000_000


def test_estimators():
    estimators = pytest.importorskip("mlpfast.estimators")
    X = wide_rows(400, columns=200_000)  # 640 MB if they were dense
    y = np.arange(400) % 2
    classifier = estimators.MLPClassifier((2,), max_iter=2, early_stopping=True, n_iter_no_change=5)
    with pytest.warns(Warning, match="2 epochs|iterations"):
        assert peak(lambda: classifier.fit(X, y)) < 100_000_000
    assert peak(lambda: classifier.predict_proba(X)) < 3 * size_of(X) + 1_000_000


@pytest.mark.parametrize("n_threads", [16, 64])
def test_scratch_for_dense_rows_does_not_grow_with_threads_times_width(n_threads):
    set_max_threads(n_threads)
    try:
        model = mf.mlp([20_000, 10])  # 0.8 MB
        X = np.zeros((1024, 20_000), np.uint8)
        assert peak(lambda: model.predict(X, n_threads=n_threads)) < 72_000_000
    finally:
        set_max_threads(0)


def test_scratch_for_a_few_dense_rows_is_in_proportion_to_them(wide_model):
    for rows, most in ((1, 1.1), (4, 2.2)):
        X = np.ones((rows, 1_000_000), np.uint8)
        expected = wide_model.predict(X.astype(np.float32))
        found = []
        assert peak(lambda X=X, found=found: found.append(wide_model.predict(X))) < most * 4 * X.size
        np.testing.assert_array_equal(found[0], expected)


# --- what the caller may do to the arrays ---


def test_columns_that_no_longer_ascend_are_refused():
    X, y = random_rows(0, 90, 30, 0.5), np.zeros(90, np.int32)
    model = mf.mlp([30, 8, 4], "tanh", "softmax")
    trainer = mf.Trainer(model, batch_size=16, shuffle=False)
    rows = as_features(X, 30, model.dtype)
    rows.columns[[3, 4]] = rows.columns[[4, 3]]
    before = model.parameters.copy()
    for use in (
        lambda: trainer.run_epoch(rows, y),
        lambda: trainer.loss_and_gradient(rows, y),
        lambda: model.network.predict_csr(rows),
    ):
        with pytest.raises(ValueError, match="X: expected .*CSR"):
            use()
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v, c, o: (v, c.astype(np.int64), o), "both int32 or both int64, got int64 and int32"),
        (lambda v, c, o: (v, c.astype(np.int16), o.astype(np.int16)), "both int32 or both int64, got int16"),
        (lambda v, c, o: (v, np.repeat(c, 2)[::2], o), "columns of CSR rows as a contiguous vector"),
        (lambda v, c, o: (v[:, None], c, o), "values of CSR rows as a contiguous vector"),
    ],
)
def test_arrays_of_other_kinds_are_refused(change, message):
    X = random_rows(0, 20, 30, 0.5)
    rows = change(X.data, X.indices, X.indptr)
    trainer = mf.Trainer(mf.mlp([30, 8, 4], "tanh", "softmax"), batch_size=16)
    with pytest.raises(ValueError, match=message):
        trainer.run_epoch(rows, np.zeros(20, np.int32))
    with pytest.raises(ValueError, match=message):
        trainer.model.network.predict_csr(rows)


def test_arrays_that_change_meanwhile_lead_nowhere():
    """Whatever another thread writes into them: a result or an error, and no parameter that is not finite."""
    X, y = random_rows(0, 300, 5000, 0.01), np.zeros(300, np.int32)
    model = mf.mlp([5000, 8, 4], "tanh", "softmax")
    trainer = mf.Trainer(model, batch_size=60)
    rows = as_features(X, 5000, model.dtype)
    good = [array.copy() for array in (rows.columns, rows.offsets)]
    rng = np.random.default_rng(0)
    done = threading.Event()

    def scribble():
        while not done.is_set():
            for array, kept in zip((rows.columns, rows.offsets), good, strict=True):
                array[rng.integers(len(array), size=9)] = rng.integers(-(2**31), 2**31, 9)
                array[:] = kept

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        for _ in range(100):
            with suppress(ValueError):
                trainer.run_epoch(rows, y, order=np.tile(np.arange(300), 3))
                model.network.predict_csr(rows)
    finally:
        done.set()
        thread.join()
    assert np.isfinite(model.parameters).all()
    assert trainer.run_epoch(rows, y).status == "ok"


# --- codes of categories: what is not stored is code 0 ---


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(1, 150),
    columns=st.integers(1, 40),
    categories=st.integers(1, 9),
    unknown=st.sampled_from(["error", "ignore", 0]),
    fill=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    source=st.sampled_from(["uint8", "int16", "float32", "float64"]),
    index=st.sampled_from(["int32", "int64"]),
    dtype=st.sampled_from(DTYPES),
    n_threads=st.integers(1, 3),
    some=st.booleans(),
)
def test_one_hot_codes_have_the_bits_of_dense_rows(
    seed, rows, columns, categories, unknown, fill, source, index, dtype, n_threads, some
):
    rng = np.random.default_rng(seed)
    codes = rng.integers(categories + (unknown != "error"), size=(rows, columns)) * (rng.random((rows, columns)) < fill)
    first = mf.OneHot(categories, unknown)
    if some:
        first = mf.Columns([(rng.permutation(columns)[: 1 + columns // 2], first)], remainder="drop")
    X, y, found = sparse.csr_array(codes.astype(source)), rng.normal(size=rows), []
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    for data in (X, X.toarray()):
        model = mf.Model(columns, [first, mf.Dense(3, "tanh"), mf.Dense(1)], dtype=dtype)
        trainer = mf.Trainer(model, "mse", batch_size=37, n_threads=n_threads)
        trainer.fit(data, y, epochs=2, verbose=0)
        _, gradient = model.loss_and_gradient(data, y, "mse")
        found.append(model.state.tobytes() + gradient.tobytes() + model.predict(data).tobytes())
        found[-1] += model.predict(data[:1]).tobytes() + np.float64(trainer.evaluate(data, y)["loss"]).tobytes()
    assert found[0] == found[1]


def codes_of_two_columns(columns=1_000_000, rows=500):
    X = sparse.lil_array((rows, columns))
    X[:, [5, 70_000]] = np.random.default_rng(0).integers(4, size=(rows, 2))
    return X.tocsr(), mf.Model(columns, [mf.Columns([([70_000, 5], mf.OneHot(4))], "drop"), mf.Dense(2)])


def test_one_hot_codes_are_read_where_they_are_stored():
    """A batch of dense rows would take 128 MB."""
    X, model = codes_of_two_columns()
    y = np.zeros((500, 2))
    assert peak(lambda: model.predict(X)) < 2_000_000
    assert peak(lambda: mf.Trainer(model, "mse", batch_size=32).fit(X, y, verbose=0)) < 3_000_000


def test_stored_entries_that_are_no_codes_are_told():
    X, model = codes_of_two_columns(100_000, 70)
    y = np.zeros((70, 2))
    trainer = mf.Trainer(model, "mse", batch_size=16, shuffle=False)
    before = model.state.copy()
    for column, value, message in (
        (5, 4.0, "a category's code in X, a whole number from 0 to 3, got 4 at row 33, column 5"),
        (70_000, 0.5, "a category's code in X, a whole number from 0 to 3, got 0.5 at row 33, column 70000"),
        (99_999, np.inf, "expected finite values in X, got infinity at row 33, column 99999"),  # that nobody reads
    ):
        wrong = X.tolil()
        wrong[33, column] = value
        wrong = wrong.tocsr()
        for use in (lambda X: model.predict(X), lambda X: trainer.fit(X, y, verbose=0)):
            with pytest.raises(ValueError, match=message):
                use(wrong)
    rows = as_features(X, 100_000, model.dtype)
    rows.columns[[0, 1]] = rows.columns[[1, 0]]
    for use in (lambda: trainer.run_epoch(rows, y.astype(np.float32)), lambda: model.network.predict_csr(rows)):
        with pytest.raises(ValueError, match="X: expected .*CSR"):
            use()
    np.testing.assert_array_equal(model.state, before)


# --- everything else ---


def test_other_kinds_of_first_layers_get_the_rows_made_dense():
    program = Program()
    data, fed = program.value(30, Activation("identity")), program.value(30, Activation("identity"))
    program.layer("dropout", data, fed, numbers=(0.5,), trains_only=True)
    tensors = (
        program.tensor("W0", (30, 3), "weight", Zeros(), (30, 3)),
        program.tensor("b0", (3,), "bias", Zeros(), (30, 3)),
    )
    program.layer("dense", fed, program.value(3, Activation("tanh")), tensors=tensors, packs=True)
    parameters = aligned_zeros(program.n_parameters, np.float64)
    parameters[:] = np.random.default_rng(1).normal(size=len(parameters))
    engine = Engine(Network(program, parameters), mf.losses.MeanSquaredError(), batch_rows=70)
    X, y = random_rows(0, 70, 30, 0.2, "float64"), np.ones((70, 3))
    loss, gradient = engine.loss_and_gradient(as_features(X, 30, parameters.dtype), y)
    expected_loss, expected = engine.loss_and_gradient(X.toarray(), y)
    assert loss == expected_loss
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize(
    "first",
    [
        [mf.BatchNorm()],
        [mf.Residual([mf.Dense(9, "relu", dropout=0.25)])],
        [mf.Residual([mf.Dense(9, use_bias=False), mf.BatchNorm(), mf.Activate("relu")])],
        [mf.Residual([mf.BatchNorm(), mf.Dense(9)]), mf.Dense(5, "tanh")],
    ],
)
def test_a_first_layer_that_reads_the_data_as_a_whole_gets_it_dense(first):
    """Beside a dense layer too, and behind statistics over the batch."""
    X, y = random_rows(0, 70, 9, 0.3, "float64"), np.random.default_rng(0).normal(size=70)
    models = [mf.Model(9, [*first, mf.Dense(1)], dtype="float64") for _ in range(2)]
    for model, rows in zip(models, (X, X.toarray()), strict=True):
        mf.Trainer(model, "mse", batch_size=20).fit(rows, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(models[0].state, models[1].state)
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X.toarray()))
    for training in (False, True):
        loss, gradient = models[0].loss_and_gradient(X, y, "mse", training=training)
        expected_loss, expected = models[1].loss_and_gradient(X.toarray(), y, "mse", training=training)
        assert loss == expected_loss
        np.testing.assert_array_equal(gradient, expected)


if __name__ == "__main__":
    print(json.dumps(digests()))
