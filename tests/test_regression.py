"""Models without a hidden layer are the classical ones: linear, logistic, softmax and Poisson regression."""

import numpy as np
import pytest

import mlpfast as mf

linear_model = pytest.importorskip("sklearn.linear_model")
datasets = pytest.importorskip("sklearn.datasets")


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


def minimise(model, X, y, loss, *, l2=0.0, sample_weight=None, rate=0.5, epochs=4000):
    """Full-batch gradient descent with momentum, until it stands still."""
    optimizer = mf.SGD(rate, momentum=0.9)
    trainer = mf.Trainer(model, loss, optimizer, batch_size=None, shuffle=False, l2=l2)
    trainer.fit(X, y, epochs=epochs, sample_weight=sample_weight, verbose=0)
    _, gradient = model.loss_and_gradient(X, y, loss, l2=l2, sample_weight=sample_weight)
    assert np.abs(gradient).max() < 1e-8
    return model


@pytest.fixture(scope="module")
def diabetes():
    X, y = datasets.load_diabetes(return_X_y=True)
    return standardised(X), standardised(y)


@pytest.fixture(scope="module")
def cancer():
    X, y = datasets.load_breast_cancer(return_X_y=True)
    return standardised(X)[:, :10], y


def test_linear_regression_is_least_squares():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    Y = rng.normal(size=(80, 3))
    model = minimise(mf.mlp([5, 3], dtype="float64"), X, Y, "mse", epochs=1000)
    closed_form, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(80)]), Y, rcond=None)
    np.testing.assert_allclose(model.weights[0], closed_form[:-1], atol=1e-8)
    np.testing.assert_allclose(model.biases[0], closed_form[-1], atol=1e-8)


def test_weighted_least_squares():
    rng = np.random.default_rng(1)
    X, y, weight = rng.normal(size=(60, 3)), rng.normal(size=60), rng.uniform(0.1, 3, 60)
    model = minimise(mf.mlp([3, 1], dtype="float64"), X, y, "mse", sample_weight=weight, epochs=1000)
    expected = linear_model.LinearRegression().fit(X, y, weight)
    np.testing.assert_allclose(model.weights[0][:, 0], expected.coef_, atol=1e-8)
    np.testing.assert_allclose(model.biases[0][0], expected.intercept_, atol=1e-8)


def test_ridge_regression_is_its_closed_form(diabetes):
    X, y = diabetes
    n, l2 = len(y), 0.3
    model = minimise(mf.mlp([10, 1], dtype="float64"), X, y, "mse", l2=l2, rate=0.1)
    # The minimum of 1/(2n) |X w - y|^2 + l2/2 |w|^2, with X and y centred.
    closed_form = np.linalg.solve(X.T @ X / n + l2 * np.eye(10), X.T @ y / n)
    np.testing.assert_allclose(model.weights[0][:, 0], closed_form, atol=1e-8)
    np.testing.assert_allclose(model.biases[0], 0, atol=1e-8)


def test_logistic_regression_is_scikit_learns(cancer):
    X, y = cancer
    l2 = 0.01
    expected = linear_model.LogisticRegression(C=1 / (l2 * len(y)), tol=1e-10, max_iter=10_000).fit(X, y)
    for output in ("sigmoid", "identity"):  # from probabilities, and from logits
        model = mf.mlp([10, 1], output_activation=output, dtype="float64")
        minimise(model, X, y, "binary_cross_entropy", l2=l2)
        np.testing.assert_allclose(model.weights[0][:, 0], expected.coef_[0], atol=1e-6)
        np.testing.assert_allclose(model.biases[0], expected.intercept_, atol=1e-6)


def test_softmax_over_two_classes_is_the_logistic_sigmoid(cancer):
    """With u = w_1 - w_0 the two models agree; the penalty of the pair is least at w_1 = -w_0 = u/2, half that of u."""
    X, y = cancer
    sigmoid = minimise(
        mf.mlp([10, 1], output_activation="sigmoid", dtype="float64"), X, y, "binary_cross_entropy", l2=0.01
    )
    softmax = minimise(mf.mlp([10, 2], output_activation="softmax", dtype="float64"), X, y, "cross_entropy", l2=0.02)
    difference = softmax.weights[0][:, 1] - softmax.weights[0][:, 0]
    np.testing.assert_allclose(difference, sigmoid.weights[0][:, 0], atol=1e-6)
    np.testing.assert_allclose(softmax.predict(X)[:, 1], sigmoid.predict(X)[:, 0], atol=1e-7)


def test_softmax_regression_is_scikit_learns():
    X, y = datasets.load_wine(return_X_y=True)
    X, l2 = standardised(X), 0.05
    expected = linear_model.LogisticRegression(C=1 / (l2 * len(y)), tol=1e-10, max_iter=10_000).fit(X, y)
    model = minimise(mf.mlp([13, 3], output_activation="softmax", dtype="float64"), X, y, "cross_entropy", l2=l2)
    np.testing.assert_allclose(model.weights[0], expected.coef_.T, atol=1e-6)
    np.testing.assert_allclose(model.predict(X), expected.predict_proba(X), atol=1e-6)


def test_poisson_regression_is_scikit_learns():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 4))
    y = rng.poisson(np.exp(X @ [0.3, -0.2, 0.1, 0.4] + 0.5))
    l2 = 0.1
    expected = linear_model.PoissonRegressor(alpha=l2, tol=1e-12, max_iter=10_000).fit(X, y)
    model = minimise(
        mf.mlp([4, 1], output_activation="exponential", dtype="float64"), X, y, "poisson", l2=l2, rate=0.05
    )
    np.testing.assert_allclose(model.weights[0][:, 0], expected.coef_, atol=1e-5)
    np.testing.assert_allclose(model.predict(X)[:, 0], expected.predict(X), rtol=1e-5)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
def test_the_quantile_loss_finds_quantiles(q):
    y = np.random.default_rng(3).exponential(size=1001)
    model = mf.mlp([1, 1], kernel_initializer="zeros", dtype="float64")
    trainer = mf.Trainer(model, mf.losses.Quantile(q), mf.SGD(0.05), batch_size=None)
    for _ in range(4):
        trainer.fit(np.zeros((1001, 1)), y, epochs=500, verbose=0)
        trainer.learning_rate /= 5
    assert model.biases[0][0] == pytest.approx(np.quantile(y, q), abs=0.02)


def test_float32_comes_to_the_same(cancer):
    X, y = cancer
    models = []
    for dtype in ("float32", "float64"):
        model = mf.mlp([10, 1], output_activation="sigmoid", dtype=dtype)
        trainer = mf.Trainer(model, "binary_cross_entropy", mf.SGD(0.5, momentum=0.9), batch_size=None, l2=0.01)
        trainer.fit(X, y, epochs=1000, verbose=0)
        models.append(model)
    np.testing.assert_allclose(models[0].parameters, models[1].parameters, atol=1e-4)
