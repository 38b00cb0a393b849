"""scikit-learn's own tests of its MLPs, as its installed package has them, run with our classes in place of its own.

Two of them fill private state: here these have a test of the same numbers.
"""

from __future__ import annotations

import importlib.util
from typing import Any
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")  # the version whose wording ours keeps

import sklearn.neural_network

from mlpfast import MLPClassifier, MLPRegressor

SPEC = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
if SPEC is None or SPEC.loader is None:
    pytest.skip("this scikit-learn was installed without its tests", allow_module_level=True)

theirs = importlib.util.module_from_spec(SPEC)
with mock.patch.multiple(sklearn.neural_network, MLPClassifier=MLPClassifier, MLPRegressor=MLPRegressor):
    SPEC.loader.exec_module(theirs)

FILL_PRIVATE_STATE = ("test_fit", "test_gradient")
TESTS = {name: test for name, test in vars(theirs).items() if name.startswith("test_")}
globals().update({name: test for name, test in TESTS.items() if name not in FILL_PRIVATE_STATE})


@pytest.fixture
def global_random_seed() -> int:
    """scikit-learn's conftest has it; 42 is its default."""
    return 42


def test_our_classes_are_tested() -> None:
    assert theirs.MLPClassifier is MLPClassifier
    assert theirs.MLPRegressor is MLPRegressor
    assert len(TESTS) > 40
    assert all(name in TESTS for name in FILL_PRIVATE_STATE)


def test_a_step_worked_out_by_hand() -> None:
    """The numbers of scikit-learn's test_fit."""
    X = np.array([[0.6, 0.8, 0.7]])
    mlp = MLPClassifier(
        2, "logistic", solver="sgd", learning_rate_init=0.1, alpha=0.1, momentum=0, random_state=1, max_iter=1
    )
    mlp.partial_fit(X, [0], classes=[0, 1])
    mlp.coefs_ = [np.array([[0.1, 0.2], [0.3, 0.1], [0.5, 0]]), np.array([[0.1], [0.2]])]
    mlp.intercepts_ = [np.array([0.1, 0.1]), np.array([1.0])]
    mlp.partial_fit(X, [0])
    expected = [[0.098, 0.195756], [0.2956664, 0.096008], [0.4939998, -0.002244]]
    np.testing.assert_almost_equal(mlp.coefs_[0], expected, decimal=3)  # the last row was worked out roughly
    np.testing.assert_almost_equal(mlp.coefs_[1], [[0.04706], [0.154089]], decimal=3)
    np.testing.assert_almost_equal(mlp.intercepts_[0], [0.098333, 0.09626], decimal=3)
    np.testing.assert_almost_equal(mlp.intercepts_[1], [0.9235], decimal=3)
    np.testing.assert_almost_equal(mlp.predict_proba(X)[0, 1], 0.739, decimal=3)


@pytest.mark.parametrize("activation", theirs.ACTIVATION_TYPES)
@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_gradients_are_differences_of_the_loss(n_labels: int, activation: str) -> None:
    """The numbers of scikit-learn's test_gradient."""
    X = np.random.RandomState(seed=42).rand(5, 10)
    y = 1 + np.mod(np.arange(5) + 1, n_labels)
    mlp = MLPClassifier(10, activation, solver="lbfgs", alpha=1e-5, max_iter=1, random_state=1).fit(X, y)
    binary = n_labels == 2
    loss, targets = ("binary_cross_entropy", y == 2) if binary else ("cross_entropy", y - 1)

    def loss_and_gradient() -> tuple[float, Any]:
        return mlp.model_.loss_and_gradient(X, targets, loss, l2=mlp.alpha / len(X))

    _, gradient = loss_and_gradient()
    numeric = np.empty_like(gradient)
    parameters, h = mlp.model_.parameters, 1e-5
    for i, value in enumerate(parameters.copy()):
        parameters[i] = value + h
        above, _ = loss_and_gradient()
        parameters[i] = value - h
        below, _ = loss_and_gradient()
        parameters[i] = value
        numeric[i] = (above - below) / (2 * h)
    np.testing.assert_almost_equal(numeric, gradient)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_optimizer_is_known_by_its_old_name() -> None:
    mlp = MLPClassifier(2, solver="sgd", max_iter=1, random_state=0)
    assert not hasattr(mlp, "_optimizer")
    mlp.fit([[0.0], [1.0]], [0, 1])
    assert mlp._optimizer.learning_rate == mlp.learning_rate_init
    mlp._optimizer.learning_rate = 0.5  # as a schedule of one's own around partial_fit does
    before = mlp.model_.parameters.copy()
    mlp.partial_fit([[0.0], [1.0]], [0, 1])
    assert np.abs(mlp.model_.parameters - before).max() > 0.05
    assert not hasattr(mlp.set_params(solver="lbfgs").fit([[0.0], [1.0]], [0, 1]), "_optimizer")
