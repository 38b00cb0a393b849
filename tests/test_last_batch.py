"""Where batches begin and end, and what becomes of the last rows: as the same steps by hand."""

import pickle
import warnings

import numpy as np
import pytest

import mlpfast as mf

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), RNG.integers(3, size=60)


def trainer(last_batch="keep", batch_size=16, norm=False, dtype="float64", **keywords):
    layers = [mf.Dense(6), mf.BatchNorm(), mf.Activate("tanh")] if norm else [mf.Dense(6, "tanh", dropout=0.2)]
    model = mf.Model(4, [*layers, mf.Dense(3, "softmax")], dtype=dtype, seed=1)
    return mf.Trainer(model, batch_size=batch_size, last_batch=last_batch, shuffle=False, **keywords)


def divided(n, batch_size, last_batch):
    """The rows of each batch, after what the issue says, by NumPy."""
    rows = np.arange(n)
    if last_batch == "spread":
        return np.array_split(rows, -(-n // batch_size))
    whole = n // batch_size * batch_size
    batches = [*rows[:whole].reshape(-1, batch_size)]
    return batches if whole and last_batch == "drop" else batches + [rows[whole:]] * (whole < n)


def by_hand(batches, **keywords):
    one = trainer(**keywords)
    for _ in range(2):
        for rows in batches:
            one.train_on_batch(X[rows], Y[rows])
    return one


@pytest.mark.parametrize("last_batch", ["keep", "drop", "spread"])
@pytest.mark.parametrize(
    ("n", "batch_size"), [(60, 16), (48, 16), (49, 16), (17, 16), (16, 16), (15, 16), (7, 2), (5, 1)]
)
def test_batches_are_those_of_numpy(n, batch_size, last_batch):
    batches = divided(n, batch_size, last_batch)
    one = trainer(last_batch, batch_size)
    one.fit(X[:n], Y[:n], epochs=2, verbose=0)
    assert one.steps == 2 * len(batches)
    np.testing.assert_array_equal(one.model.parameters, by_hand(batches).model.parameters)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("last_batch", ["drop", "spread"])
def test_sparse_rows_take_the_same_batches(last_batch, n_threads, as_many_threads_as_asked_for):
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.where(abs(X) > 0.7, X, 0.0)
    both = [trainer(last_batch, n_threads=n_threads) for _ in range(2)]
    for one, rows in zip(both, (dense, sparse.csr_array(dense)), strict=True):
        one.fit(rows, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(both[0].model.parameters, both[1].model.parameters)


@pytest.mark.parametrize(
    ("n", "batch_size", "last_batch", "sizes"),
    [
        (33, 16, "keep", [16, 17]),
        (33, 16, "drop", [16, 16]),
        (33, 16, "spread", [11, 11, 11]),
        (5, 2, "spread", [3, 2]),
        (5, 2, "keep", [2, 3]),
        (3, 2, "spread", [3]),
    ],
)
def test_a_batch_whose_statistics_are_taken_has_two_rows(n, batch_size, last_batch, sizes):
    one = trainer(last_batch, batch_size, norm=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one.fit(X[:n], Y[:n], epochs=2, verbose=0)
    assert [str(each.message)[:23] for each in caught] == ["the last of the batches"] * (last_batch == "keep")
    batches = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    np.testing.assert_array_equal(one.model.state, by_hand(batches, norm=True).model.state)


def test_the_search_for_a_diverged_step_goes_through_the_same_batches():
    one = trainer("spread", dtype="float32", optimizer=mf.Adam(lambda step: 1e300 if step == 3 else 0.1))
    with pytest.raises(mf.DivergenceError, match="step 3 of epoch 0"):
        one.fit(X, Y, verbose=0)
    twin = trainer(dtype="float32", optimizer=mf.Adam(0.1))
    for rows in divided(60, 16, "spread")[:3]:
        twin.train_on_batch(X[rows], Y[rows])
    np.testing.assert_array_equal(one.model.parameters, twin.model.parameters)


def test_it_may_be_assigned_and_is_kept():
    one = trainer()
    one.last_batch = "drop"
    one.fit(X, Y, verbose=0)
    assert one.steps == 3
    assert pickle.loads(pickle.dumps(one)).last_batch == "drop"
    one.last_batch = "spread"
    one.fit(X, Y, verbose=0)
    assert one.steps == 7
    with pytest.raises(ValueError, match="unknown last_batch 'skip'; expected one of drop, keep, spread"):
        one.last_batch = "skip"
