"""Columns of a table and their encoders against NumPy and scikit-learn, and what they refuse."""

import re

import numpy as np
import pytest
from layer_checks import data
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

import mlpfast as mf

DTYPES = ("float32", "float64")
TABLE = mf.Columns([([0, 2], mf.Periodic(5)), (3, mf.Embedding(9, 4)), ([1, 5], mf.OneHot(3))])


def numbers(rows, columns, dtype="float64"):
    return np.random.default_rng(rows).normal(size=(rows, columns)).astype(dtype)


def made(layer, X, dtype="float64"):
    """What a layer makes of X, and the model that is nothing but the layer."""
    model = mf.Model(X.shape[1], [layer], dtype=dtype)
    return model.predict(X), model


# --- values ---


@pytest.mark.parametrize("units", [1, 3, 4, 6])
@pytest.mark.parametrize("dtype", DTYPES)
def test_periodic_is_a_linear_map_of_cosines_and_the_number(dtype, units):
    X = numbers(70, 4, dtype)
    got, model = made(mf.Periodic(frequencies=21, units=units, sigma=0.7), X, dtype)
    f, p, b = (model.tensors[name].astype(np.float64) for name in ("frequency0", "phase0", "b0"))
    W = model.tensors["W0"].astype(np.float64).reshape(4, 21, units)
    h = np.cos(2 * np.pi * X[:, :, None] * f + p)
    e = np.einsum("rif,ifk->rik", h, W) + b
    expected = np.concatenate([e.reshape(70, -1), X], axis=1)
    np.testing.assert_allclose(got, expected, atol=2e-5 if dtype == "float32" else 1e-13)
    np.testing.assert_array_equal(got, [model.predict(row)[0] for row in X])


def test_plain_periodic_is_cosines_and_sines():
    X = numbers(30, 3)
    got, model = made(mf.Periodic(frequencies=7, units=None), X)
    angle = 2 * np.pi * X[:, :, None] * model.tensors["frequency0"]
    expected = np.concatenate([np.cos(angle), np.sin(angle)], axis=2).reshape(30, 42)
    np.testing.assert_allclose(got, expected, atol=1e-14)


def test_periodic_is_right_for_huge_numbers():
    X = np.array([[1e15], [-3e200]])
    got, model = made(mf.Periodic(frequencies=3, units=None), X)
    with np.errstate(all="ignore"):
        angle = (2 * np.pi * model.tensors["frequency0"][0]) * X
    np.testing.assert_allclose(got, np.concatenate([np.cos(angle), np.sin(angle)], axis=1), atol=1e-14)


def encoding(x, edges):
    """By the definition, bin by bin."""
    p = (x[:, None] - edges[:-1]) / np.diff(edges)
    return np.clip(p, [-np.inf] + [0] * (len(edges) - 2), [1] * (len(edges) - 2) + [np.inf])


@pytest.mark.parametrize("bins", [1, 2, 5, 48, 130])
def test_piecewise_linear_encodes_as_defined(bins):
    X = 3 * numbers(200, 2)
    edges = np.sort(np.random.default_rng(bins).normal(size=(2, bins + 1)), axis=1)
    X[:2] = edges[:, 0], edges[:, -1]  # on edges, too
    got, _ = made(mf.PiecewiseLinear(units=None, edges=edges.tolist()), X)
    expected = np.concatenate([encoding(X[:, i], edges[i]) for i in range(2)], axis=1)
    np.testing.assert_allclose(got, expected, atol=1e-9)
    one_by_one = [made(mf.PiecewiseLinear(units=None, edges=edges.tolist()), X[i : i + 1])[0][0] for i in range(9)]
    np.testing.assert_array_equal(one_by_one, got[:9])


@pytest.mark.parametrize("units", [1, 16, 37])
def test_piecewise_linear_maps_as_the_encoding_times_weights(units):
    X = numbers(150, 3)
    model = mf.Model(3, [mf.PiecewiseLinear(bins=20, units=units)], dtype="float64")
    model.adapt(numbers(500, 3))
    assert not model.tensors["W0"].any()
    W = model.tensors["W0"]
    W[:] = np.random.default_rng(1).normal(size=W.shape)
    V, b = model.tensors["V0"], model.tensors["b0"]
    p = np.stack([encoding(X[:, i], model.buffers["edges0"][i]) for i in range(3)], axis=1)
    expected = np.einsum("rij,ijk->rik", p, W.reshape(3, 20, units)) + X[:, :, None] * V + b
    np.testing.assert_allclose(model.predict(X), expected.reshape(150, 3 * units), atol=1e-12)


def test_edges_are_quantiles_and_bins_left_over_stay_at_zero():
    X = numbers(400, 2)
    X[:, 1] = np.round(X[:, 1])
    model = mf.Model(2, [mf.PiecewiseLinear(bins=10, units=None)], dtype="float64")
    model.adapt(X)
    shares = np.linspace(0, 1, 11)
    np.testing.assert_array_equal(model.buffers["edges0"][0], np.quantile(X[:, 0], shares))
    different = np.unique(np.quantile(X[:, 1], shares))
    assert len(different) < 11
    np.testing.assert_array_equal(model.buffers["edges0"][1, : len(different)], different)
    encoded = model.predict(X)
    np.testing.assert_allclose(encoded[:, 10 : 9 + len(different)], encoding(X[:, 1], different), atol=1e-12)
    assert not encoded[:, 9 + len(different) :].any()


def test_one_hot_is_scikit_learns():
    X = np.random.default_rng(0).integers(4, size=(60, 3))
    expected = OneHotEncoder(categories=[range(4)] * 3, sparse_output=False).fit(X).transform(X)
    got, _ = made(mf.OneHot(4), X.astype(np.uint8))
    np.testing.assert_array_equal(got, expected)


def test_codes_of_no_category_may_be_ignored_or_have_a_code_of_their_own():
    X = np.array([[1.0], [3.0], [-1.0], [0.5]])
    np.testing.assert_array_equal(made(mf.OneHot(3, unknown="ignore"), X)[0], [[0, 1, 0], [0] * 3, [0] * 3, [0] * 3])
    np.testing.assert_array_equal(made(mf.OneHot(3, unknown=2), X)[0], [[0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    for rows in (X, X[1:2]):
        got, model = made(mf.Embedding(3, 5, unknown=0), rows)
        np.testing.assert_array_equal(got[-1], model.tensors["table0"][0])


def test_embedding_looks_up_each_columns_own_table():
    codes = np.random.default_rng(0).integers(50, size=(90, 3))
    got, model = made(mf.Embedding(50, 7), codes.astype(np.float64))
    tables = model.tensors["table0"].reshape(3, 50, 7)
    np.testing.assert_array_equal(got, np.concatenate([tables[i][codes[:, i]] for i in range(3)], axis=1))


def test_the_gradient_of_a_table_is_the_sum_over_the_rows_of_each_category():
    rng = np.random.default_rng(0)
    codes, y = rng.integers(40, size=(3000, 2)), rng.normal(size=(3000, 6))
    model = mf.Model(2, [mf.Embedding(1000, 3)], dtype="float64")
    _, gradient = model.loss_and_gradient(codes.astype(np.float64), y, "mse", n_threads=2)
    delta = (model.predict(codes.astype(np.float64)) - y) / 3000
    expected = np.zeros((2, 1000, 3))
    for i in range(2):
        np.add.at(expected[i], codes[:, i], delta[:, 3 * i : 3 * i + 3])
    np.testing.assert_allclose(gradient.reshape(2, 1000, 3), expected, rtol=1e-9, atol=1e-12)


def trained_by(update, optimizer, codes, batch_size, epochs=3, n_threads=1):
    layer = mf.Columns([([0, 1], mf.Embedding(12, 20, update=update, unknown=0))])
    model = mf.Model(3, [layer, mf.Dense(5, "tanh"), mf.Dense(1)], dtype="float64")
    X = np.column_stack([codes, numbers(len(codes), 1)])
    trainer = mf.Trainer(model, "mse", optimizer, batch_size=batch_size, n_threads=n_threads, seed=3)
    trainer.fit(X, numbers(len(codes), 1), epochs=epochs, verbose=0)
    return model


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(
    "optimizer", [mf.SGD(0.1), mf.Adam(0.01), mf.AdamW(0.01, weight_decay=0.1), mf.SGD(0.1, momentum=0.9)]
)
def test_updates_by_rows_are_those_of_all_where_each_batch_has_all(optimizer, n_threads):
    codes = np.concatenate([np.random.default_rng(i).permutation(12)[:, None] for i in range(20)])
    codes = np.concatenate([codes, codes[::-1]], axis=1)
    every = [trained_by(update, optimizer, codes, 240, 5, n_threads) for update in ("all", "rows")]
    np.testing.assert_array_equal(every[0].parameters, every[1].parameters)


def test_sgd_by_rows_is_sgd():
    codes = np.random.default_rng(0).integers(-3, 15, size=(700, 2))
    every = [trained_by(update, mf.SGD(0.1), codes, 30) for update in ("all", "rows")]
    np.testing.assert_array_equal(every[0].parameters, every[1].parameters)


def test_adam_by_rows_leaves_other_rows_as_they_are():
    codes = np.random.default_rng(0).integers(1, 6, size=(64, 2))
    model = trained_by("rows", mf.AdamW(0.01), codes, 64)
    start = mf.Model(3, model.layers, dtype="float64")
    same = (model.tensors["table0.0"] == start.tensors["table0.0"]).all(axis=1).reshape(2, 12)
    np.testing.assert_array_equal(same, [[True] + [False] * 5 + [True] * 6] * 2)


def test_lazy_adam_by_its_formula():
    optimizer = mf.Adam(0.01)
    batches = [np.array([[0], [2], [0]]), np.array([[2], [1], [2]]), np.array([[0], [0], [0]])]
    model = mf.Model(1, [mf.Embedding(4, 2, update="rows")], dtype="float64")
    table, y = model.tensors["table0"].copy(), numbers(3, 2)
    trainer = mf.Trainer(model, "mse", optimizer, batch_size=3, shuffle=False)
    m, v = np.zeros((4, 2)), np.zeros((4, 2))
    for step, codes in enumerate(batches, start=1):
        trainer.train_on_batch(codes.astype(np.float64), y)
        g = np.zeros((4, 2))
        np.add.at(g, codes[:, 0], (table[codes[:, 0]] - y) / 3)
        for k in set(codes[:, 0]):
            m[k] += 0.1 * (g[k] - m[k])
            v[k] += 0.001 * (g[k] ** 2 - v[k])
            table[k] -= 0.01 * (m[k] / (1 - 0.9**step)) / (np.sqrt(v[k] / (1 - 0.999**step)) + optimizer.epsilon)
    np.testing.assert_allclose(model.tensors["table0"], table, rtol=1e-9)


def test_large_tables_are_updated_by_rows_by_default():
    assert mf.Embedding(131_072, 2).update == "all"
    assert mf.Embedding(131_073, 2).update == "rows"
    assert repr(mf.Embedding(131_073, 2)) == "Embedding(131073, 2)"
    assert repr(mf.Embedding(3, 2, update="rows")) == "Embedding(3, 2, update='rows')"
    with pytest.raises(ValueError, match="unknown update 'lazy'"):
        mf.Embedding(3, 2, update="lazy")


def test_batches_longer_than_an_arena_are_updated_by_rows_too():
    codes = np.random.default_rng(0).integers(12, size=(5000, 2))
    every = [trained_by(update, mf.SGD(0.1), codes, 3000) for update in ("all", "rows")]
    np.testing.assert_allclose(every[0].parameters, every[1].parameters, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"l1": 0.1}, "l1"),
        ({"l2": 0.1}, "l2"),
        ({"clip_norm": 1.0}, "clip_norm"),
        ({"groups": {"embeddings": {"max_norm": 1.0}}}, "max_norm"),
        ({"groups": {"table0": {"l2": 1.0}}}, "l2"),
        ({"optimizer": mf.Adam(ema=0.9)}, "ema"),
        ({"optimizer": mf.ScheduleFreeAdamW()}, "ScheduleFreeAdamW"),
    ],
)
def test_what_is_of_a_whole_table_is_refused_by_rows(settings, name):
    model = mf.Model(1, [mf.Embedding(9, 2, update="rows"), mf.Dense(1)])
    with pytest.raises(ValueError, match=f"expected no {name} for 'table0', of which each step updates only the rows"):
        mf.Trainer(model, "mse", **settings).fit(np.zeros((4, 1)), np.zeros(4), epochs=1, verbose=0)
    trainer = mf.Trainer(model, "mse", l2=0.1, groups={"table0": mf.Group(l2=0.0)})
    trainer.fit(np.zeros((4, 1)), np.zeros(4), epochs=1, verbose=0)


def test_the_order_is_that_of_a_column_transformer_which_passes_the_rest_first():
    X = numbers(20, 8)
    X[:, [1, 5]] = np.random.default_rng(0).integers(3, size=(20, 2))
    hot = OneHotEncoder(categories=[range(3)] * 2, sparse_output=False)
    by_hand = ColumnTransformer([("rest", "passthrough", [0, 2, 3, 4, 6, 7]), ("hot", hot, [5, 1])])
    np.testing.assert_array_equal(made(mf.Columns([([5, 1], mf.OneHot(3))]), X)[0], by_hand.fit_transform(X))
    np.testing.assert_array_equal(made(mf.Columns([(5, mf.OneHot(3))], "drop"), X)[0], np.eye(3)[X[:, 5].astype(int)])


def test_many_columns_pass_as_they_are():
    X = numbers(33, 200, "float32")
    X[:, 77] = 1
    got, _ = made(mf.Columns([(77, mf.OneHot(2))]), X, "float32")
    np.testing.assert_array_equal(got, np.concatenate([np.delete(X, 77, axis=1), [[0, 1]] * 33], axis=1))


def test_steps_of_one_encoder_are_as_layers_by_themselves():
    X = 5 * numbers(300, 2) + 3
    model = mf.Model(2, [mf.Columns([([1, 0], [mf.Standardize("robust", clip=3.0), mf.PiecewiseLinear(7)])])], seed=1)
    model.adapt(X)
    alone = mf.Model(2, [mf.Standardize("robust", clip=3.0), mf.PiecewiseLinear(7)], seed=1)
    alone.adapt(X[:, [1, 0]])
    assert list(model.buffers) == ["offset0.0.0", "factor0.0.0", "edges0.0.1"]
    np.testing.assert_allclose(model.buffers["edges0.0.1"], alone.buffers["edges1"], rtol=1e-6)
    alone.state = model.state
    np.testing.assert_array_equal(model.predict(X), alone.predict(X[:, [1, 0]]))


def test_one_hot_columns_may_be_standardized():
    codes = np.random.default_rng(0).integers(3, size=(100, 1)).astype(np.float64)
    layer = mf.Columns([(0, [mf.OneHot(3), mf.Standardize()])])
    model = mf.Model(1, [layer], dtype="float64")
    model.adapt(codes)
    got = model.predict(codes)
    np.testing.assert_allclose([got.mean(axis=0), got.std(axis=0)], [[0] * 3, [1] * 3], atol=1e-12)


def test_rules_of_encoders_and_of_columns_multiply():
    layer = mf.Columns(
        [(0, mf.Periodic(learning_rate_scale=0.1)), (1, mf.Embedding(3, 2, trainable=False))], learning_rate_scale=0.5
    )
    rules = {tensor.name: tensor.rule for tensor in mf.Model(2, [layer, mf.Dense(1)]).program.tensors}
    assert rules["frequency0.0"].learning_rate_scale == pytest.approx(0.05)
    assert rules["table0.1"].learning_rate_scale == 0.5
    assert not rules["table0.1"].trainable
    assert rules["W1"].trainable


@pytest.mark.parametrize("optimizer", [mf.AdamW(0.1, weight_decay=0.1), mf.SGD(0.1, momentum=0.9, weight_decay=0.1)])
def test_a_row_of_weight_zero_updates_no_entry(optimizer):
    """Neither that of its code, nor that of code 0, which stands in its place."""
    X, y = np.array([[1], [3], [2], [3]], np.float32), np.arange(4.0, dtype=np.float32)
    weight = np.array([1.0, 0.0, 2.0, 0.0])
    counted = weight > 0
    model = mf.Model(1, [mf.Embedding(5, 2, update="rows"), mf.Dense(1)])
    expected = model.copy()
    mf.Trainer(expected, "mse", optimizer).fit(
        X[counted], y[counted], sample_weight=weight[counted], epochs=3, verbose=0
    )
    by_hand, in_chunks, at_once = model.copy(), model.copy(), model.copy()
    trainer = mf.Trainer(by_hand, "mse", optimizer)
    for _ in range(3):
        trainer.train_on_batch(X, y, sample_weight=weight)
    mf.Trainer(in_chunks, "mse", optimizer).fit([(X, y, weight)], epochs=3, verbose=0)
    mf.Trainer(at_once, "mse", optimizer).fit(X, y, sample_weight=weight, epochs=3, verbose=0)
    np.testing.assert_array_equal(expected.tensors["table0"][[0, 3, 4]], model.tensors["table0"][[0, 3, 4]])
    for trained in (by_hand, in_chunks, at_once):
        np.testing.assert_allclose(trained.state, expected.state, rtol=1e-6)
        np.testing.assert_array_equal(trained.tensors["table0"][[0, 3, 4]], model.tensors["table0"][[0, 3, 4]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_table_is_learnt(dtype):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.uniform(-2, 2, 2000), rng.integers(9, size=2000)])
    y = np.sin(6 * X[:, 0]) + rng.normal(size=9)[X[:, 1].astype(int)]
    layer = mf.Columns([(0, mf.Periodic(sigma=0.5)), (1, mf.Embedding(9, 3))])
    model = mf.Model(2, [layer, mf.Dense(32, "relu"), mf.Dense(1)], dtype=dtype)
    trainer = mf.Trainer(model, "mse", mf.Adam(0.01), batch_size=1500)
    trainer.fit(X, y, epochs=150, verbose=0)
    assert trainer.evaluate(X, y)["loss"] < 0.05 * y.var()


def test_sparse_rows_are_those_of_dense_ones():
    model = mf.Model(6, [TABLE, mf.Dense(3)], dtype="float64")
    X = data(model, 90)[0]
    np.testing.assert_array_equal(model.predict(sparse.csr_array(X)), model.predict(X))


def test_deltas_end_with_the_last_part_that_is_trained():
    parts = [(0, mf.OneHot(5)), (1, mf.Embedding(5, 40)), ([2, 3], mf.Periodic()), (4, mf.OneHot(9))]
    program = mf.Model(6, [mf.Columns(parts), mf.Dense(3)]).program
    assert program.delta_columns(1) == (1 + 5, 1 + 5 + 40 + 6)
    assert program.delta_columns(2) == (0, 3)


# --- bad input ---


def table_with_a_bad_code(code=2.5):
    model = mf.Model(6, [TABLE, mf.Dense(3)])
    X, y = data(model, 120)
    X[71, 5] = code
    return model, X, y


@pytest.mark.parametrize("code", [2.5, 3, -1, 1e30])
def test_a_code_of_no_category_is_named(code):
    model, X, y = table_with_a_bad_code(code)
    where = rf"a category's code in X, a whole number from 0 to 2, got {re.escape(f'{code:g}')} at row 71, column 5"
    before = model.state.copy()
    with pytest.raises(ValueError, match=where):
        model.predict(X)
    with pytest.raises(ValueError, match=where):
        model.predict(X.astype("float64").tolist())
    with pytest.raises(ValueError, match=where):
        model.predict(sparse.csr_array(X))
    with pytest.raises(ValueError, match=where.replace("row 71", "row 0")):
        model.predict(X[71:72])
    with pytest.raises(ValueError, match=where.replace("row 71, ", "row 0, ")):
        model.predict(X[71])
    with pytest.raises(ValueError, match=where):
        model.loss_and_gradient(X, y, "mse")
    trainer = mf.Trainer(model, "mse", batch_size=50, shuffle=False)
    with pytest.raises(ValueError, match=where):
        trainer.fit(X, y, epochs=2, verbose=0)
    with pytest.raises(ValueError, match=where):
        trainer.evaluate(X, y)
    np.testing.assert_array_equal(model.state, before)


def test_the_column_of_a_data_frame_is_named():
    pandas = pytest.importorskip("pandas")
    model, X, _ = table_with_a_bad_code()
    with pytest.raises(ValueError, match=r"got 2.5 at row 71, column 5 \('colour'\)"):
        model.predict(pandas.DataFrame(X, columns=["a", "b", "c", "d", "e", "colour"]))


def test_missing_numbers_are_told_before_codes():
    model, X, _ = table_with_a_bad_code()
    X[3, 3] = np.nan
    with pytest.raises(ValueError, match="expected finite values in X, got NaN at row 3, column 3"):
        model.predict(X)


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        ([], "expected at least one"),
        (
            [([0, 1], mf.Periodic()), ([3, 1], mf.OneHot(2))],
            "expected each column once, got column 1 in encoders 0 and 1",
        ),
        ([([0, 0], mf.Periodic())], "expected each column once, got column 0 in encoders 0 and 0"),
        ([(-1, mf.Periodic())], "columns of encoder 0 to be >= 0, got -1"),
        ([([], mf.Periodic())], "expected columns of encoder 0, got none"),
        ([(0, [mf.Periodic(), mf.Standardize()])], r"expected nothing behind Periodic\(\) in encoder 0"),
        ([(0, [mf.Standardize(), mf.OneHot(2)])], r"expected nothing before OneHot\(2\) in encoder 0"),
    ],
)
def test_columns_that_do_not_fit_each_other(encoders, message):
    with pytest.raises(ValueError, match=message):
        mf.Columns(encoders)


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        (mf.Periodic(), r"expected a sequence of \(columns, encoder\)"),
        ([mf.Periodic()], r"expected a sequence of \(columns, encoder\)"),
        ([("age", mf.Periodic())], "expected columns of encoder 0 to be a number or a sequence of them, got 'age'"),
        ([(1.5, mf.Periodic())], "columns of encoder 0 to be an integer, got 1.5"),
        ([(0, mf.Dense(3))], "expected encoder 0 to be Periodic, .* got Dense"),
        ([(0, "passthrough")], "expected encoder 0 to be Periodic, .* got 'passthrough'"),
    ],
)
def test_columns_of_other_types(encoders, message):
    with pytest.raises(TypeError, match=message):
        mf.Columns(encoders)


def test_columns_beyond_the_data():
    with pytest.raises(ValueError, match=r"Columns: expected columns from 0 to 4, got 5 \(layer 0\)"):
        mf.Model(5, [mf.Columns([([2, 5], mf.Periodic())])])


@pytest.mark.parametrize("layer", [TABLE, mf.Periodic(), mf.Embedding(3, 2)])
def test_they_come_first(layer):
    with pytest.raises(
        ValueError, match=f"expected {type(layer).__name__} in front of all layers that have parameters"
    ):
        mf.Model(6, [mf.Dense(6), layer])


def test_codes_are_in_the_data_alone():
    mf.Model(4, [mf.Standardize(), mf.Columns([(0, mf.Periodic())]), mf.Dense(1)])
    with pytest.raises(ValueError, match=r"expected OneHot as the first layer, got layer 1\.0: the data hold"):
        mf.Model(4, [mf.Standardize(), mf.Columns([(0, mf.OneHot(3))])])


@pytest.mark.parametrize("make", [mf.OneHot, lambda n: mf.Embedding(n, 1), lambda n: mf.Columns([(0, mf.OneHot(n))])])
def test_categories_that_a_dtype_does_not_tell_apart(make):
    with pytest.raises(ValueError, match="expected at most 16,777,216 categories in a float32 model, got 16,777,217"):
        mf.Model(1, [make(2**24 + 1)])


@pytest.mark.parametrize("unknown", [3, -1, "zeros", True, None, 1.0])
def test_what_unknown_may_be(unknown):
    with pytest.raises(
        ValueError, match="expected unknown to be 'error', 'ignore' or the code to take instead, from 0 to 2"
    ):
        mf.OneHot(3, unknown=unknown)
    with pytest.raises(ValueError, match="expected unknown to be 'error' or the code to take instead, from 0 to 2"):
        mf.Embedding(3, 2, unknown=unknown)


@pytest.mark.parametrize("integer", [np.int64, np.uint8])
def test_unknown_may_be_an_integer_of_numpy(integer):
    for given, same in (
        (mf.OneHot(3, unknown=integer(2)), mf.OneHot(3, unknown=2)),
        (mf.Embedding(3, 2, unknown=integer(2)), mf.Embedding(3, 2, unknown=2)),
    ):
        assert given == same
        assert repr(given) == repr(same)


def test_a_class_is_no_encoder_yet():
    for steps in (mf.Periodic, [mf.Standardize(), mf.Periodic]):
        with pytest.raises(TypeError, match=r"expected encoder 0 to .*, got the class Periodic; write Periodic\(...\)"):
            mf.Columns([(0, steps)])


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        (slice(0, 3), "; write range(0, 3)"),
        (slice(None, 4, 2), "; write range(0, 4, 2)"),
        ("age", "; a model's columns have numbers"),
        (["age", "sex"], "; a model's columns have numbers"),
        ([True, False, True], "; write [0, 2]"),
        (np.array([False, True]), "; write [1]"),
        (slice(2, None), "; write range(2, columns)"),
    ],
)
def test_columns_of_other_kinds_are_told_how_to_be_written(columns, hint):
    with pytest.raises(TypeError, match=rf"columns of encoder 0 to be a number .*{re.escape(hint)}"):
        mf.Columns([(columns, mf.Periodic())])


def test_edges_in_a_file_or_a_state_ascend(tmp_path):
    model = mf.Model(2, [mf.PiecewiseLinear(edges=[0, 1, 3]), mf.Dense(1)])
    state = model.state.copy()
    twin = model.copy()
    twin.buffers["edges0"][1] = [0, 3, 1]
    twin.save(tmp_path / "model.npz")
    message = "expected edges0 to ascend along each row, got 3.0 and 1.0 at row 1, column 1"
    with pytest.raises(mf.ModelFileError, match=message):
        mf.load(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=message):
        model.load_tensors(twin)
    with pytest.raises(ValueError, match=message):
        model.state = twin.state
    np.testing.assert_array_equal(model.state, state)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([0, 1, 1, 2], "expected edges that ascend, got 1 and 2 that coincide: 1, 1"),
        ([0, 2, 1], "expected edges that ascend, got 1 and 2 that descend: 2, 1"),
        ([[0, 1], [0, 1, 1]], "expected edges of column 1 that ascend"),
        ([0], "expected edges to be at least two numbers"),
        ([0, np.inf], "edges, 1 to be finite"),
        (range(300), "bins to be >= 1 and <= 256, got 299"),
    ],
)
def test_edges_that_make_no_bins(edges, message):
    with pytest.raises(ValueError, match=message):
        mf.PiecewiseLinear(edges=edges)


def test_edges_that_do_not_fit():
    with pytest.raises(ValueError, match="expected bins to be left out or 2 beside the edges, got 5"):
        mf.PiecewiseLinear(5, edges=[0, 1, 2])
    with pytest.raises(ValueError, match=r"expected edges for 3 columns, got them for 2 \(layer 0\)"):
        mf.Model(3, [mf.PiecewiseLinear(edges=[[0, 1], [0, 2]])])
    close = mf.PiecewiseLinear(edges=[1.0, 1.0 + 1e-12, 2.0])
    mf.Model(1, [close], dtype="float64")
    with pytest.raises(ValueError, match="expected edges that differ in float32"):
        mf.Model(1, [close])


def test_a_column_of_one_number_has_no_bins():
    model = mf.Model(3, [mf.Columns([([0, 2], mf.PiecewiseLinear())])])
    with pytest.raises(
        ValueError, match="at least two different numbers in each column, got 4 alone in column 1 of those"
    ):
        model.adapt(np.array([[1.0, 2.0, 4.0], [3.0, 4.0, 4.0]]))


def test_a_forgotten_adapt_is_told_by_training():
    model = mf.Model(2, [mf.Columns([(1, mf.PiecewiseLinear(units=4))]), mf.Standardize(), mf.Dense(1)])
    with pytest.raises(ValueError, match=r"expected model.adapt\(X\) first: layer 0.0 \(piecewise_linear\) has"):
        mf.Trainer(model, "mse").fit(np.zeros((4, 2)), np.zeros(4), epochs=1, verbose=0)


def test_other_libraries_names_are_told():
    with pytest.raises(TypeError, match="it is called frequencies"):
        mf.Periodic(n_frequencies=3)
    with pytest.raises(TypeError, match="it is called units"):
        mf.Embedding(3, embedding_dim=2)


def test_repr_is_what_one_writes():
    for layer in (
        mf.Columns(
            [(0, mf.Periodic(4, units=None)), (range(1, 9), mf.Embedding(5, 2, unknown=0)), ([9, 11], mf.OneHot(3))]
        ),
        mf.Columns([([0], [mf.Standardize("robust"), mf.PiecewiseLinear(edges=[0.0, 1.0])])], remainder="drop"),
    ):
        assert eval(repr(layer), vars(mf)) == layer
    assert repr(mf.Columns([(range(20), mf.Periodic())])) == "Columns([(range(0, 20), Periodic())])"
