"""Layers with arguments out of range, and models that can't be made of layers: refused before anything is built."""

import numpy as np
import pytest

import mlpfast as mf


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: mf.Dense(3, use_bias=1), TypeError, "expected use_bias to be True or False, got 1"),
        (lambda: mf.Dense(3, l1=-0.1), ValueError, "expected l1 to be >= 0"),
        (lambda: mf.Dense(3, l2="x"), TypeError, "expected l2 to be a number, got 'x'"),
        (lambda: mf.Dense(3, max_norm=0), ValueError, "expected max_norm to be > 0"),
        (lambda: mf.Dense(3, trainable=None), TypeError, "expected trainable to be True or False"),
        (lambda: mf.Dense(3, learning_rate_scale=-1), ValueError, "expected learning_rate_scale to be >= 0, got -1"),
        (lambda: mf.Scale(learning_rate_scale=float("inf")), ValueError, "expected learning_rate_scale to be finite"),
        (lambda: mf.Scale(weight_decay_scale=-1), ValueError, "expected weight_decay_scale to be >= 0"),
        (lambda: mf.Scale(weight_decay_scale=True), TypeError, "expected weight_decay_scale to be a number"),
        (lambda: mf.Scale(float("nan")), ValueError, "expected initial to be finite"),
        (lambda: mf.PReLU("0.1"), TypeError, "expected initial to be a number"),
        (lambda: mf.Parametric("relu", None), TypeError, "expected initial to be a number"),
        (lambda: mf.Parametric("softmax"), ValueError, "expected an activation that goes element by element"),
        (lambda: mf.Parametric("rleu"), ValueError, "unknown activation 'rleu'; did you mean 'relu'"),
        (lambda: mf.Activate("rleu"), ValueError, "unknown activation 'rleu'; did you mean 'relu'"),
        (lambda: mf.Activate(3), TypeError, "expected activation to be one of"),
        (lambda: mf.Dropout(1), ValueError, "expected rate to be >= 0 and < 1, got 1"),
        (lambda: mf.Dropout(-0.1), ValueError, "expected rate to be >= 0"),
        (lambda: mf.Dropout("half"), TypeError, "expected rate to be a number"),
        (lambda: mf.Standardize(np.eye(3)), TypeError, "expected method to be one of robust, standard; got array"),
        (lambda: mf.Dense(3, parametrization=np.eye(3)), TypeError, "expected parametrization to be one of ntp, stan"),
        (lambda: mf.Embedding(3, 2, update=np.eye(3)), TypeError, "expected update to be one of all, rows; got array"),
        (
            lambda: mf.OneHot(3, unknown=np.eye(3)),
            ValueError,
            "expected unknown to be 'error', 'ignore' or the code to",
        ),
        (lambda: mf.kernels.elementary("sin", np.eye(3)), TypeError, "expected function to be one of cos, erf"),
        (lambda: mf.LayerNorm(64), TypeError, "LayerNorm: expected epsilon to be a number such as 1e-05, got 64"),
        (lambda: mf.RMSNorm(64), TypeError, "RMSNorm: expected epsilon to be a number such as 1e-05, got 64"),
        (lambda: mf.BatchNorm(64), TypeError, "BatchNorm: expected momentum to be a number such as 0.9, got 64"),
        (
            lambda: mf.PReLU(64),
            TypeError,
            "initial to be a number such as 0.25, got 64; the layer is as wide as what",
        ),
        (lambda: mf.LayerNorm(0), ValueError, "expected epsilon to be > 0, got 0"),
        (lambda: mf.RMSNorm(-1e-5), ValueError, "expected epsilon to be > 0"),
        (lambda: mf.BatchNorm(1.0), ValueError, "expected momentum to be >= 0 and < 1"),
        (lambda: mf.BatchNorm(epsilon=0), ValueError, "expected epsilon to be > 0"),
        (lambda: mf.BatchNorm(momentum=None), TypeError, "expected momentum to be a number"),
        (lambda: mf.Standardize("minmax"), ValueError, "unknown method 'minmax'; expected one of robust, standard"),
        (lambda: mf.Standardize(None), TypeError, "expected method to be one of"),
        (lambda: mf.Standardize(clip=0), ValueError, "expected clip to be > 0"),
        (
            lambda: mf.Model(1, [mf.LayerNorm()]),
            ValueError,
            "LayerNorm: expected rows of at least two columns, got one",
        ),
        (lambda: mf.Model(4, [mf.Dense(1), mf.RMSNorm()]), ValueError, "RMSNorm: expected rows of at least two"),
        (lambda: mf.Model(4, [mf.Dense(1), mf.Residual([mf.LayerNorm()])]), ValueError, r"got one \(layer 1\.0\)"),
        (lambda: mf.Model(4, [mf.BatchNorm]), TypeError, r"layer 0 .* got the class BatchNorm; write BatchNorm\(...\)"),
        (lambda: mf.Model(4, [[mf.Dense(3)]]), TypeError, "layer 0 .*; a block of layers is a Residual"),
        (lambda: mf.Model(4, [mf.Dense(3), mf.Adam()]), TypeError, r"layer 1 to be a layer such as Dense, got Adam"),
        (lambda: mf.Model(4, [mf.Dropout(0.0)]), ValueError, "expected layers that make something of the data"),
    ],
)
def test_bad_layers(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("where", ["state", "buffers"])
def test_states_that_no_training_starts_from(where):
    model = mf.Model(4, [mf.Dense(3), mf.BatchNorm(), mf.Dense(1)])
    trainer = mf.Trainer(model, "mse")
    if where == "state":
        for bad in (np.full(model.state.size, np.nan), np.zeros(model.n_parameters), "x"):
            with pytest.raises((ValueError, TypeError), match="state"):
                model.state = bad
        assert np.isfinite(model.state).all()
        return
    model.buffers["variance1"][1] = np.nan
    with pytest.raises(ValueError, match=r"model.buffers\['variance1'\], got NaN at row 1"):
        trainer.fit(np.ones((4, 4)), np.ones(4), verbose=0)
    assert trainer.steps == 0
