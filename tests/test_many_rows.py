"""Sums over many rows keep their digits; counts keep counting."""

import numpy as np
import pytest

import mlpfast as mf


@pytest.mark.parametrize("rows", [4097, 300_000])
def test_a_float32_gradient_over_many_rows_is_that_of_float64(rows):
    """Equal rows are the worst case of a running sum: each adds the same to an ever larger number."""
    X, y = np.full((rows, 3), [0.1, -0.7, 0.3], np.float32), np.full((rows, 1), 3.0, np.float32)
    models = [mf.mlp([3, 5, 1], "tanh", dtype=dtype, seed=1) for dtype in ("float32", "float64")]
    models[1].parameters = models[0].parameters
    gradients = [model.loss_and_gradient(X, y, "mse", l2=0.01)[1] for model in models]
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=2e-5, atol=1e-7)
    for n_threads in (1, 2):
        again = models[0].loss_and_gradient(X, y, "mse", l2=0.01, n_threads=n_threads)[1]
        np.testing.assert_array_equal(again, gradients[0])


def test_a_step_on_many_rows_is_one_along_that_gradient():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5000, 3)).astype(np.float32), rng.normal(size=(5000, 1)).astype(np.float32)
    model = mf.mlp([3, 70, 1], "tanh", seed=1)
    before, gradient = model.parameters.copy(), model.loss_and_gradient(X, y, "mse")[1]
    mf.Trainer(model, "mse", mf.SGD(0.5), batch_size=None, shuffle=False).fit(X, y, verbose=0)
    np.testing.assert_allclose(model.parameters, before - np.float32(0.5) * gradient, rtol=1e-6, atol=1e-8)


def test_float64_and_fewer_rows_keep_one_running_sum():
    """Their bits are those of rows that come in any chunks."""
    rng = np.random.default_rng(0)
    for dtype, rows in (("float32", 4096), ("float64", 6000)):
        X, y = rng.normal(size=(rows, 3)).astype(dtype), rng.normal(size=(rows, 1)).astype(dtype)
        model = mf.mlp([3, 5, 1], "tanh", dtype=dtype, seed=1)
        expected = model.loss_and_gradient(X, y, "mse")[1]
        weights = np.concatenate([np.zeros(rows - 4000), np.ones(4000)])
        part = model.loss_and_gradient(X[-4000:], y[-4000:], "mse")[1]
        np.testing.assert_array_equal(model.loss_and_gradient(X, y, "mse", sample_weight=weights)[1], part)
        assert np.isfinite(expected).all()


def test_labels_may_have_any_integer_dtype_where_they_lie():
    X, y = np.eye(3, dtype=np.float32), np.array([0, 2, 1])
    model = mf.mlp([3, 3], output_activation="softmax")
    found = {model.loss_and_gradient(X, y.astype(t), "cross_entropy")[0] for t in ("i1", "u2", "i4", "i8", "u8", "f4")}
    assert len(found) == 1
    for wrong in (3, -1, 2**32, -(2**32), 2**62):
        for use in (
            lambda labels: model.loss_and_gradient(X, labels, "cross_entropy"),
            lambda labels: mf.Trainer(model).train_on_batch(X, labels),
            lambda labels: mf.Trainer(model).fit(X, labels, verbose=0),
        ):
            with pytest.raises(ValueError, match=rf"class indices in y from 0 to 2, got {wrong} at row 1"):
                use(np.array([0, wrong, 1]))


def test_what_a_quick_call_meets_is_explained_as_ever():
    X, y = np.ones((2, 3), np.float32), np.ones((2, 1), np.float32)
    model = mf.mlp([3, 1], seed=1)
    trainer = mf.Trainer(model, "mse")
    for use in (lambda X, y: model.loss_and_gradient(X, y, "mse"), trainer.train_on_batch):
        before = model.parameters.copy()
        for bad, message in ((X * np.nan, "NaN at row 0, column 0"), (X[:, :2], "expected 3 features, got 2")):
            with pytest.raises(ValueError, match=message):
                use(bad, y)
        with pytest.raises(ValueError, match="finite values in y, got infinity at row 0"):
            use(X, y * np.inf)
        np.testing.assert_array_equal(model.parameters, before)
    assert trainer.steps == 0
    model.parameters[:] = 1e30
    assert not np.isfinite(model.loss_and_gradient(X * np.float32(1e30), y, "mse")[0])


def test_more_classes_than_float32_can_number_are_refused():
    from mlpfast.losses import CrossEntropy
    from mlpfast.validation import as_targets

    y = np.array([2**24])
    with pytest.raises(ValueError, match="expected at most 16,777,216 classes: float32 has no more whole numbers"):
        as_targets(y, CrossEntropy(), 2**24 + 1, np.dtype(np.float32), 1)
    assert as_targets(y, CrossEntropy(), 2**24 + 1, np.dtype(np.float64), 1) == y
