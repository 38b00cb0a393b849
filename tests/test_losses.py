"""Losses: values and derivatives against formulas in NumPy, also far out; what they say of targets and outputs."""

import numpy as np
import pytest
from loss_targets import fitting_outputs, targets_of

import mlpfast as mf
from mlpfast.losses import (
    LOSSES,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    GammaDeviance,
    GaussianNLL,
    Hinge,
    KLDivergence,
    LogCosh,
    Ordinal,
    Poisson,
    Quantile,
    SquaredHinge,
    TweedieDeviance,
)

DTYPES = ("float32", "float64")


def softplus(x):
    return np.logaddexp(0, x)


def log_softmax(z):
    z = z - z.max()
    return z - np.log(np.exp(z).sum())


def of_sign(y):
    return np.where(y > 0, 1, -1)


def xlogx(y):
    return y * np.log(np.where(y > 0, y, 1))


def binary_focal(z, y, gamma, yes=1.0, no=1.0):
    focal = [np.exp(-gamma * softplus(x)) * softplus(-x) for x in (z, -z)]
    return yes * y * focal[0] + no * (1 - y) * focal[1]


def focal(z, y, gamma):
    log_p = log_softmax(z)
    return -y * (-np.expm1(log_p)) ** gamma * log_p


def tweedie(z, y, power):
    a, b = power - 1, 2 - power
    times = np.exp(np.log(np.where(y > 0, y, 1)) - a * z) * (y > 0)
    return np.exp(b * z) / b + times / a - y**b / (a * b)


def gaussian(z, y):
    mean, log_variance = z[::2], z[1::2]
    return 0.5 * (log_variance + ((mean - y) * np.exp(-log_variance / 2)) ** 2)


#: What a row costs: outputs z (k,) and targets y, in long double.
REFERENCES = {
    LogCosh(): lambda z, y: np.abs(z - y) + np.log1p(np.exp(-2 * np.abs(z - y))) - np.log(np.longdouble(2)),
    Quantile((0.1, 0.5, 0.7)): lambda z, y: np.maximum(
        np.array([0.1, 0.5, 0.7] * len(y)) * (np.repeat(y, 3) - z),
        np.array([-0.9, -0.5, -0.3] * len(y)) * (np.repeat(y, 3) - z),
    ),
    GaussianNLL(): gaussian,
    Poisson(): lambda z, y: np.exp(z) - y * z + xlogx(y) - y,
    GammaDeviance(): lambda z, y: np.expm1(np.log(y) - z) - (np.log(y) - z),
    TweedieDeviance(1.5): lambda z, y: tweedie(z, y, 1.5),
    TweedieDeviance(1.2): lambda z, y: tweedie(z, y, np.longdouble(1.2)),
    BinaryCrossEntropy(): lambda z, y: y * softplus(-z) + (1 - y) * softplus(z),
    BinaryCrossEntropy(pos_weight=4): lambda z, y: 4 * y * softplus(-z) + (1 - y) * softplus(z),
    BinaryCrossEntropy(pos_weight=(1, 2, 3, 4, 5, 6)): lambda z, y: (
        np.arange(1, 7) * y * softplus(-z) + (1 - y) * softplus(z)
    ),
    BinaryFocal(): lambda z, y: binary_focal(z, y, 2),
    BinaryFocal(0.5, alpha=0.25): lambda z, y: binary_focal(z, y, 0.5, 0.25, 0.75),
    Hinge(): lambda z, y: np.maximum(0, 1 - of_sign(y) * z),
    SquaredHinge(): lambda z, y: np.maximum(0, 1 - of_sign(y) * z) ** 2,
    CrossEntropy(): lambda z, y: -y * log_softmax(z),
    Focal(): lambda z, y: focal(z, y, 2),
    Focal(1, alpha=(1, 2, 3, 4, 5, 6)): lambda z, y: np.arange(1, 7) * focal(z, y, 1),
    KLDivergence(): lambda z, y: xlogx(y) - y * log_softmax(z),
    Ordinal(): lambda z, y: np.where(np.arange(6) < y, softplus(-z), softplus(z)),
}


def compared(loss, z, y, dtype):
    """The value and the derivative with respect to z: of a model that passes its input on."""
    k = len(z)
    model = mf.mlp([k, k], dtype=dtype)
    model.parameters = np.vstack([np.eye(k), np.zeros(k)]).ravel()
    value, gradient = model.loss_and_gradient(z[None], y, loss)
    return value, gradient[-k:]


def wide(z, y, loss):
    """As references take them: long doubles, class indices one-hot, one row."""
    y = np.asarray(y)
    if loss.targets.classes and not loss.targets.ordered and y.ndim == 1:
        y = np.eye(len(z))[y]
    return z.astype(np.longdouble), y.astype(np.longdouble)[0]


def derivative(f, z, y):
    """By central differences of long doubles."""
    h = np.longdouble(1e-6)
    steps = [np.where(np.arange(len(z)) == i, h, 0) for i in range(len(z))]
    return np.array([(f(z + step, y) - f(z - step, y)).sum() / (2 * h) for step in steps])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("loss", REFERENCES, ids=repr)
def test_values_and_derivatives(loss, soft, dtype):
    rng = np.random.default_rng(0)
    for scale in (0.1, 1, 5, 20):
        z = (scale * rng.normal(size=6)).astype(dtype)
        y = targets_of(loss, 6, 1, rng, soft=soft).astype(dtype if not loss.targets.classes or soft else int)
        value, delta = compared(loss, z, y if not loss.targets.ordered else y.astype(int), dtype)
        arguments = wide(z, y, loss)
        size = np.abs(arguments[1]).sum() + scale  # of what is subtracted
        tolerance = {"float32": 1e-5, "float64": 1e-9}[dtype]
        expected = REFERENCES[loss](*arguments).sum()
        np.testing.assert_allclose(value, float(expected), rtol=tolerance, atol=tolerance * size)
        slopes = derivative(REFERENCES[loss], *arguments).astype(float)
        np.testing.assert_allclose(delta, slopes, rtol=10 * tolerance, atol=tolerance * size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", [loss for loss in REFERENCES if loss.name not in ("squared_hinge",)], ids=repr)
def test_far_out_nothing_overflows_unless_the_loss_does(loss, dtype):
    """Outputs up to 1e4: values are right where `dtype` holds them, and derivatives are never NaN."""
    rng = np.random.default_rng(1)
    largest = np.finfo(dtype).max
    with np.errstate(all="ignore"):
        for size in (40, 80, 100, 700, 1e4):
            for z in (np.full(6, size), np.full(6, -size), size * rng.choice([-1.0, 0.0, 1.0], 6)):
                z = z.astype(dtype)
                y = targets_of(loss, 6, 1, rng)
                y = y if loss.targets.classes else y.astype(dtype)
                expected = float(REFERENCES[loss](*wide(z, y, loss)).sum())
                if not abs(expected) < largest / 1e3:
                    continue
                value, delta = compared(loss, z, y, dtype)
                rounding = 1e-4 * size if dtype == "float32" and loss.reads.startswith("log") else 1e-5
                np.testing.assert_allclose(value, expected, rtol=rounding, atol=1e-6)
                assert np.isfinite(delta).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_errors_keep_their_digits(dtype):
    error = np.array([1e-4, -1e-6], dtype)
    for i in range(2):
        value, delta = compared(LogCosh(), error[i : i + 1], np.zeros((1, 1), dtype), dtype)
        assert value == pytest.approx(0.5 * float(error[i]) ** 2, rel=1e-6)
        assert delta[0] == pytest.approx(error[i], rel=1e-6)


def test_focal_losses_without_gamma_are_cross_entropies():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=5), rng.integers(2, size=(1, 5))
    for got, expected in [
        (compared(BinaryFocal(0), z, y, "float64"), compared(BinaryCrossEntropy(), z, y, "float64")),
        (compared(Focal(0), z, [3], "float64"), compared(CrossEntropy(), z, [3], "float64")),
    ]:
        assert got[0] == pytest.approx(expected[0], rel=1e-12)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-12)


def test_a_focal_loss_counts_nothing_where_a_probability_rounds_to_one():
    for gamma in (0.5, 1, 2):
        value, delta = compared(Focal(gamma), np.array([0.0, 200.0, 0.0]), [1], "float32")
        assert value == 0 and not delta.any()


def test_divergence_from_the_targets_themselves_is_zero():
    y = np.random.default_rng(0).dirichlet(np.ones(6), 1)
    value, delta = compared(KLDivergence(), np.log(y[0]), y, "float64")
    assert abs(value) < 1e-15
    np.testing.assert_allclose(delta, 0, atol=1e-15)
    assert compared(KLDivergence(), y[0], [2], "float64")[0] == compared(CrossEntropy(), y[0], [2], "float64")[0]


def test_several_quantiles_are_the_sum_of_each():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=6), rng.normal(size=(1, 2))
    value, delta = compared(Quantile([0.1, 0.5, 0.9]), z, y, "float64")
    parts = [compared(Quantile(q), z[i::3], y, "float64") for i, q in enumerate((0.1, 0.5, 0.9))]
    assert value == pytest.approx(sum(part[0] for part in parts))
    np.testing.assert_array_equal(delta.reshape(2, 3), np.stack([part[1] for part in parts], axis=1))


def test_signs_as_minus_one_or_as_zero():
    z, y = np.random.default_rng(0).normal(size=6), np.array([[1, 0, 0, 1, 1, 0]])
    for loss in (Hinge(), SquaredHinge()):
        ones, zeros = compared(loss, z, 2 * y - 1, "float64"), compared(loss, z, y, "float64")
        assert ones[0] == zeros[0]
        np.testing.assert_array_equal(ones[1], zeros[1])


@pytest.mark.parametrize("name", LOSSES)
def test_a_wide_row_and_many_rows(name):
    """More outputs than a strip has room for, and rows that fill several, by any number of threads."""
    loss, rng = LOSSES[name](), np.random.default_rng(0)
    for rows, outputs in [(5, 1302), (300, 14)]:
        outputs = fitting_outputs(loss, outputs)
        model = mf.mlp([3, outputs], dtype="float64", seed=1)
        X, y = rng.normal(size=(rows, 3)), targets_of(loss, outputs, rows, rng)
        value, gradient = model.loss_and_gradient(X, y, loss, n_threads=1)
        each = [model.loss_and_gradient(X[i : i + 1], y[i : i + 1], loss) for i in range(rows)]
        assert value == pytest.approx(np.mean([part[0] for part in each]), rel=1e-12)
        np.testing.assert_allclose(gradient, np.mean([part[1] for part in each], axis=0), rtol=1e-9, atol=1e-13)
        again = model.loss_and_gradient(X, y, loss, n_threads=2)
        assert again[0] == value and (again[1] == gradient).all()


# --- what losses learn ---


def test_quantiles_are_learnt():
    rng = np.random.default_rng(0)
    X, y = np.ones((2000, 1)), rng.normal(size=2000)
    model = mf.mlp([1, 3])
    mf.Trainer(model, Quantile((0.1, 0.5, 0.9)), "adam", batch_size=None).fit(X, y, epochs=3000, verbose=0)
    np.testing.assert_allclose(model.predict(X[:1])[0], np.quantile(y, [0.1, 0.5, 0.9]), atol=0.05)


def test_mean_and_variance_are_learnt():
    rng = np.random.default_rng(0)
    X = rng.integers(2, size=(4000, 1))
    y = 3 * X[:, 0] + rng.normal(size=4000) * np.where(X[:, 0], 2.0, 0.5)
    model = mf.mlp([1, 2])
    mf.Trainer(model, "gaussian_nll", mf.Adam(0.01), batch_size=None).fit(X, y, epochs=2000, verbose=0)
    prediction = model.predict([[0.0], [1.0]])
    np.testing.assert_allclose(prediction[:, 0], [0, 3], atol=0.1)
    np.testing.assert_allclose(np.exp(prediction[:, 1] / 2), [0.5, 2.0], rtol=0.1)


def test_ordered_classes_are_learnt():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2))
    y = np.digitize(X[:, 0], [-0.7, 0, 0.7])
    model = mf.mlp([2, 16, 3], "relu", "sigmoid", seed=0)
    history = mf.Trainer(model, "ordinal", mf.Adam(0.02), metrics=["accuracy"], seed=0).fit(X, y, epochs=60, verbose=0)
    found = (model.predict(X) > 0.5).sum(axis=1)
    accuracy = mf.Trainer(model, "ordinal", metrics=["accuracy"]).evaluate(X, y)["accuracy"]
    assert accuracy == np.mean(found == y) > 0.9
    assert history["accuracy"][-1] > 0.9


@pytest.mark.parametrize(("name", "output"), [("hinge", "identity"), ("focal", "softmax"), ("binary_focal", "sigmoid")])
def test_classes_are_learnt(name, output):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    model = mf.mlp([2, 16, 1 if name != "focal" else 2], "tanh", output, seed=0)
    trainer = mf.Trainer(model, name, mf.Adam(0.02), metrics=["accuracy"], seed=0)
    assert trainer.fit(X, y, epochs=60, verbose=0)["accuracy"][-1] > 0.95
    if name == "hinge":
        expected = np.mean((model.predict(X)[:, 0] > 0) == y)
        assert trainer.evaluate(X, 2 * y - 1)["accuracy"] == expected


# --- what they refuse ---


@pytest.mark.parametrize(
    ("loss", "outputs", "y", "message"),
    [
        ("hinge", 1, [0, 1, 2], "expected targets of 'hinge' in y to be -1 and 1, or 0 and 1, got 2 in row 2"),
        ("hinge", 1, [-1, 1, 0], "-1 and 1, or 0 and 1, got 0 in row 2"),
        ("gamma_deviance", 1, [1, 0, 2], "'gamma_deviance' in y to be > 0, got 0 in row 1"),
        ("tweedie_deviance", 1, [1, 0, -2], "'tweedie_deviance' in y to be >= 0, got -2 in row 2"),
        ("binary_focal", 1, [1, 0, 2], "between 0 and 1, got 2 in row 2"),
        ("ordinal", 3, [0, 3, 4], "from 0 to 3, got 4 at row 2"),
        ("ordinal", 3, np.zeros((3, 3)), "expected y of shape .n,. with class indices for loss 'ordinal'"),
        ("focal", 3, [0, 3, 1], "from 0 to 2, got 3 at row 1"),
        ("gaussian_nll", 4, np.zeros((3, 4)), "expected y of shape .n, 2. for loss 'gaussian_nll', got .3, 4."),
        (Quantile([0.2, 0.8]), 2, np.zeros((3, 2)), "expected y of shape .n,. or .n, 1. for loss 'quantile'"),
    ],
)
def test_targets_out_of_range(loss, outputs, y, message):
    output = "softmax" if loss == "focal" else "identity"
    trainer = mf.Trainer(mf.mlp([2, outputs], output_activation=output), loss)
    before = trainer.model.parameters.copy()
    for call in (trainer.train_on_batch, trainer.evaluate, lambda X, y: trainer.fit(X, y, verbose=0)):
        with pytest.raises(ValueError, match=message):
            call(np.zeros((3, 2)), y)
    np.testing.assert_array_equal(trainer.model.parameters, before)


@pytest.mark.parametrize(
    ("loss", "outputs", "message"),
    [
        ("gaussian_nll", 3, "expected 2 outputs for each target of loss 'gaussian_nll', got 3 in all"),
        (Quantile((0.1, 0.5, 0.9)), 4, "expected 3 outputs for each target of loss 'quantile', got 4"),
        (BinaryCrossEntropy(pos_weight=(1, 2)), 3, "expected pos_weight to have a number for each of 3 outputs, got 2"),
        (Focal(alpha=(1, 2)), 3, "expected alpha to have a number for each of 3 outputs, got 2"),
    ],
)
def test_outputs_that_do_not_fit(loss, outputs, message):
    model = mf.mlp([2, outputs])
    with pytest.raises(ValueError, match=message):
        mf.Trainer(model, loss)
    with pytest.raises(ValueError, match=message):
        model.loss_and_gradient(np.zeros((1, 2)), np.zeros((1, outputs)), loss)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantile([0.1, 1]), r"expected q\[1\] to be > 0 and < 1, got 1"),
        (lambda: Quantile([]), "expected q to be a number or several, got none"),
        (lambda: Quantile("0.5"), "expected q to be a number, got '0.5'"),
        (lambda: TweedieDeviance(2), "expected power to be > 1 and < 2, got 2"),
        (lambda: BinaryFocal(-1), "expected gamma to be >= 0, got -1"),
        (lambda: BinaryFocal(alpha=1), "expected alpha to be > 0 and < 1, got 1"),
        (lambda: Focal(alpha=0.25), "expected alpha to be a weight for each class, or None, got 0.25"),
        (lambda: Focal(alpha=[1, 0]), r"expected alpha\[1\] to be > 0, got 0"),
        (lambda: BinaryCrossEntropy(pos_weight=0), "expected pos_weight to be > 0, got 0"),
    ],
)
def test_parameters_out_of_range(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_named_metrics_need_an_output_for_each_target():
    with pytest.raises(ValueError, match="metric 'mse': expected one output for each target, got 2 of loss"):
        mf.Trainer(mf.mlp([2, 2]), "gaussian_nll", metrics=["mse"])


def test_rows_of_weight_zero_may_be_out_of_the_way():
    """Their targets are blanked to 0, which some losses do not take otherwise."""
    model = mf.mlp([1, 1], output_activation="exponential")
    X, y, weight = np.array([[1.0], [3e38]]), [2.0, 3e38], [1, 0]
    for loss in ("gamma_deviance", "tweedie_deviance"):
        value, gradient = model.loss_and_gradient(X, y, loss, sample_weight=weight)
        expected, of_one = model.loss_and_gradient(X[:1], y[:1], loss)
        assert value == expected
        np.testing.assert_array_equal(gradient, of_one)
