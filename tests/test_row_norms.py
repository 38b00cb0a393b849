"""LayerNorm and RMSNorm beside the formulas in float64."""

import numpy as np
import pytest
from test_batch_norm import drawn, rows

import mlpfast as mf


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-14)])
@pytest.mark.parametrize("columns", [2, 7, 16, 33, 200])
def test_row_norms(columns, dtype, tolerance):
    X = rows(columns, offset=1.0).astype(dtype)
    for layer, centres in ((mf.LayerNorm(0.01), True), (mf.RMSNorm(0.01), False)):
        model = drawn(mf.Model(columns, [layer], dtype=dtype))
        x = X.astype(np.float64)
        centred = x - x.mean(axis=1, keepdims=True) * centres
        expected = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 0.01) * model.tensors["scale0"]
        if centres:
            expected += model.tensors["shift0"]
        np.testing.assert_allclose(model.predict(X), expected, rtol=tolerance, atol=tolerance * 10)


def test_row_norms_see_one_row_at_a_time():
    """In training, too: there is nothing that runs along."""
    model = mf.Model(3, [mf.LayerNorm(), mf.RMSNorm()], dtype="float64")
    assert not model.buffers and not model.program.over_batch
    X, y = rows(3), rows(3, seed=1)
    np.testing.assert_array_equal(
        model.loss_and_gradient(X, y, "mse", training=True)[1], model.loss_and_gradient(X, y, "mse")[1]
    )


@pytest.mark.parametrize("layer", [mf.LayerNorm, mf.RMSNorm])
def test_a_row_of_one_value(layer):
    """Without deviation there is nothing to divide by but epsilon."""
    model = mf.Model(4, [layer()], dtype="float64")
    h = model.predict(np.full((2, 4), 3.0))
    np.testing.assert_allclose(h, 0 if layer is mf.LayerNorm else 3 / np.sqrt(9 + 1e-5), atol=1e-12)
    assert (model.predict(np.zeros((2, 4))) == 0).all()
