"""Memory that the caller still holds: results that overlap inputs, arrays that change between or during epochs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpfast as mf


@settings(max_examples=60)
@given(rows=st.integers(1, 200), shift=st.integers(-70, 70), dtype=st.sampled_from(["float32", "float64"]))
def test_a_prediction_may_overlap_its_input(rows, shift, dtype):
    width, room = 5, 70
    memory = np.random.default_rng(rows).normal(size=(rows + 2 * room, width)).astype(dtype)
    model = mf.mlp([width, 9, width], "tanh", dtype=dtype)
    X, out = memory[room : room + rows], memory[room + shift : room + shift + rows]
    expected = model.predict(X.copy())
    assert model.predict(X, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("sparse", [False, True])
def test_results_may_overlap_the_parameters_and_other_inputs(sparse):
    model = mf.mlp([6, 6], dtype="float64")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 6)), rng.normal(size=(7, 6))
    if sparse:
        X = pytest.importorskip("scipy.sparse").csr_array(X)
    expected = model.predict(X)
    copy = model.copy()
    np.testing.assert_array_equal(copy.predict(X, out=copy.parameters[:36].reshape(6, 6)), expected)
    _, gradient = model.loss_and_gradient(X, y[:6], "mse")
    weights = rng.uniform(1, 2, 42)
    _, weighted = model.loss_and_gradient(X, y[:6], "mse", sample_weight=weights[:6])
    _, got = model.loss_and_gradient(X, y[:6], "mse", sample_weight=weights[:6], out=weights)
    np.testing.assert_array_equal(got, weighted)
    _, got = model.loss_and_gradient(X, y[:6], "mse", out=y.reshape(-1))
    np.testing.assert_array_equal(got, gradient)
    copy = model.copy()
    y = rng.normal(size=(6, 6))
    expected = model.loss_and_gradient(X, y, "mse")[1]
    np.testing.assert_array_equal(copy.loss_and_gradient(X, y, "mse", out=copy.parameters)[1], expected)


def test_bad_out_is_refused_as_ever():
    model = mf.mlp([5, 5])
    X = np.zeros((4, 5), np.float32)
    with pytest.raises(ValueError, match="out: expected"):
        model.predict(X, out=X[:3])


class Changes(mf.callbacks.Callback):
    """Changes what the caller has handed to `fit`, after the first epoch."""

    def __init__(self, change):
        self.change = change

    def on_epoch_end(self, trainer, logs):
        self.change()


def sparse_data():
    sparse = pytest.importorskip("scipy.sparse")
    X = sparse.random(90, 30, density=0.2, format="csr", random_state=0, dtype=np.float64)
    return X, np.random.default_rng(0).integers(4, size=90).astype(np.int32)


def put(array, value):
    array[len(array) // 2] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: put(X.indices, 2_000_000_000), "X: expected the rows of a CSR"),
        (lambda X, y: put(X.indices, -5), "X: expected the rows of a CSR"),
        (lambda X, y: put(X.indices, 30), "X: expected the rows of a CSR"),
        (lambda X, y: put(X.indptr, 2_000_000_000), "X: expected the rows of a CSR"),
        (lambda X, y: put(X.indptr, -1), "X: expected the rows of a CSR"),
        (lambda X, y: put(y, 4), "class indices from 0 to 3, got 0 to 4"),
        (lambda X, y: put(y, -2_000_000_000), "class indices from 0 to 3"),
        (lambda X, y: put(X.data, np.nan), "finite"),
    ],
)
def test_what_changes_between_epochs_is_looked_at(change, message):
    X, y = sparse_data()
    model = mf.mlp([30, 8, 4], "tanh", "softmax")
    trainer = mf.Trainer(model, batch_size=16, n_threads=1, callbacks=[Changes(lambda: change(X, y))])
    twin, (X_twin, y_twin) = mf.Trainer(model.copy(), batch_size=16), sparse_data()
    twin.fit(X_twin, y_twin, epochs=1, verbose=0)
    with pytest.raises(ValueError, match=message):
        trainer.fit(X, y, epochs=3, verbose=0)
    np.testing.assert_array_equal(model.parameters, twin.model.parameters)  # as after the last whole epoch
    assert (trainer.steps, trainer.epochs) == (twin.steps, twin.epochs)


def misaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    result = memory[1:].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


@pytest.mark.parametrize(
    "form", [misaligned, lambda a: a.astype(a.dtype.newbyteorder()), lambda a: np.repeat(a, 2, 0)[::2]]
)
@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "order"])
def test_the_loops_read_only_what_the_machine_can(name, form):
    given = {"X": np.ones((30, 4)), "y": np.zeros((30, 2)), "sample_weight": np.ones(30), "order": np.arange(30)}
    given[name] = form(given[name])
    trainer = mf.Trainer(mf.mlp([4, 2], dtype="float64"), "mse")
    before = trainer.model.parameters.copy()
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        trainer.run_epoch(**given)
    order = given.pop("order")
    if name != "order":
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            trainer.loss_and_gradient(**given)
    assert len(order) == 30 and trainer.steps == 0
    np.testing.assert_array_equal(trainer.model.parameters, before)


def test_misaligned_labels_and_targets_are_copied():
    X = np.random.default_rng(0).normal(size=(40, 3))
    for y in (np.arange(40, dtype=np.int32) % 3, np.arange(40) % 3, X[:, :3] * 1.0):
        loss = "mse" if y.ndim == 2 else "cross_entropy"
        twins = [mf.Trainer(mf.mlp([3, 3], output_activation="softmax", dtype="float64"), loss) for _ in range(2)]
        for trainer, targets in zip(twins, (y, misaligned(y)), strict=True):
            trainer.fit(X, targets, verbose=0, validation_data=(X, targets))
        np.testing.assert_array_equal(*(trainer.model.parameters for trainer in twins))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("columns", [1, 2])
def test_misaligned_targets_of_estimators_are_copied(solver, columns):
    pytest.importorskip("sklearn")
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = X[:, :columns].copy() if columns > 1 else X[:, 0].copy()
    made = [mf.MLPRegressor(hidden_layer_sizes=4, solver=solver, max_iter=2, random_state=0) for _ in range(2)]
    made[0].fit(X, y, sample_weight=np.ones(40))
    made[1].fit(misaligned(X), misaligned(y), sample_weight=misaligned(np.ones(40)))
    np.testing.assert_array_equal(*(mlp.model_.parameters for mlp in made))


def test_rows_of_another_width_are_refused():
    X, y = sparse_data()
    trainer = mf.Trainer(mf.mlp([20, 8, 4], "tanh", "softmax"), batch_size=16)
    before = trainer.model.parameters.copy()
    with pytest.raises(ValueError, match="with 20 columns"):
        trainer.run_epoch((X.data, X.indices, X.indptr), y)
    np.testing.assert_array_equal(trainer.model.parameters, before)
    with pytest.raises(ValueError, match="with 20 columns"):
        trainer.loss_and_gradient((X.data, X.indices, X.indptr), y)


def test_duplicates_that_add_to_infinity_are_not_finite():
    sparse = pytest.importorskip("scipy.sparse")
    huge = np.finfo(np.float64).max
    X = sparse.csr_array((np.array([huge, huge]), np.array([1, 1]), np.array([0, 2])), shape=(1, 3))
    model = mf.mlp([3, 2], output_activation="softmax", dtype="float64")
    for use in (
        lambda: model.predict(X),
        lambda: model.loss_and_gradient(X, [1], "cross_entropy"),
        lambda: mf.Trainer(model).fit(X, [1], verbose=0),
    ):
        with pytest.raises(ValueError, match="finite"):
            use()
