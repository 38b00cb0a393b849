"""`np.seterr` is the user's: whatever is set, the package computes the same and raises nothing."""

import numpy as np
import pytest

import mlpfast as mf
from mlpfast import kernels
from mlpfast.initializers import Constant, Normal, Uniform

TINY = 1e-300  # 0 in float32; its square is 0 in float64


def trained(dtype, loss, output):
    """Data, targets, weights, penalties and initial values that all underflow somewhere."""
    X = np.full((40, 3), TINY)
    X[0] = 1.0
    y = np.zeros(40, int) if loss == "cross_entropy" else np.full((40, 2), TINY)
    layers = [mf.Dense(4, "elu", Normal(1e-40), Uniform(1e-40)), mf.Dense(2, output, bias_initializer=Constant(1e-44))]
    model = mf.Model(3, layers, dtype=dtype)
    trainer = mf.Trainer(model, loss, "rmsprop", l1=TINY, l2=TINY, metrics=["mae"], batch_size=16)
    history = trainer.fit(X, y, epochs=3, verbose=0, validation_data=(X, y))
    trainer.fit(X.astype(np.longdouble) * 1e-100, y, verbose=0, sample_weight=np.full(40, 1e-200))
    loss_value, gradient = model.loss_and_gradient(X.astype(object), y, loss)
    parameters = model.parameters.copy()
    model.parameters = np.full(model.n_parameters, TINY)
    return [
        history["val_loss"],
        history["val_mae"],
        loss_value,
        gradient,
        parameters,
        model.parameters,
        model.predict(X),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "output"),
    [
        ("mse", "identity"),
        ("poisson", "exponential"),
        ("binary_cross_entropy", "sigmoid"),
        ("cross_entropy", "softmax"),
    ],
)
def test_training_is_the_same_bit_by_bit(dtype, loss, output):
    with np.errstate(all="ignore"):
        expected = trained(dtype, loss, output)
    with np.errstate(all="raise"):
        got = trained(dtype, loss, output)
        assert set(np.geterr().values()) == {"raise"}
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_users_setting_holds_in_callbacks_and_metrics():
    seen = []

    def metric(y_true, y_pred):
        seen.append(np.geterr())
        return 0.0

    with np.errstate(all="raise", under="warn"):
        setting = np.geterr()
        mf.Trainer(mf.mlp([1, 1]), "mse", metrics=[metric]).fit([[TINY]], [TINY], verbose=0)
    assert seen == [setting]


def test_kernels():
    s = np.array([TINY, TINY, 1.0])
    with np.errstate(all="raise"):
        jacobian = kernels.softmax_jacobian(s)
        rounded = kernels.softmax(np.array([1e-4000, 0.0], dtype=np.longdouble))
    np.testing.assert_array_equal(jacobian, np.diag(s) - np.outer(s, s))
    np.testing.assert_array_equal(rounded, [0.5, 0.5])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:The scale of:UserWarning")
def test_estimators():
    pytest.importorskip("sklearn")
    X, y = np.linspace(-1, 1, 60).reshape(-1, 1), np.arange(60) % 2
    mlp = mf.MLPClassifier(4, max_iter=2, solver="sgd", random_state=0, dtype="float32").fit(X, y)
    with np.errstate(all="raise"):
        mlp.coefs_ = [np.full((1, 4), TINY), np.full((4, 1), TINY)]
        mlp.intercepts_ = [np.full(4, TINY), np.array([1e3])]
        assert mlp.predict_log_proba(X[:1]).tolist() == [[-np.inf, 0.0]]
        huge = mf.MLPRegressor(hidden_layer_sizes=4, activation="identity", max_iter=2, early_stopping=True)
        huge.fit(X, y, X_val=np.full((2, 1), 1e308), y_val=[0, 1])
        mf.MLPClassifier(4, max_iter=2, class_weight={0: 1e308, 1: 1e-308}).fit(X, y)
    targets = y * 1e-320
    tiny = [
        {"dtype": dtype, "solver": solver, "max_iter": 2}
        for dtype in ("float32", "auto")
        for solver in ("adam", "lbfgs")
    ]
    for keywords in tiny:
        with np.errstate(all="raise"):
            mf.MLPRegressor(hidden_layer_sizes=4, **keywords).fit(X, targets)
            mf.MLPRegressor(hidden_layer_sizes=4, **keywords).fit(targets[:, None], targets)
    assert not mlp.coefs_[0].any()
    assert not np.isfinite(huge.validation_scores_).any()
