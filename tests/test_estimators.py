"""scikit-learn's own conformance checks. None is expected to fail; scikit-learn marks none for its own MLP either."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import check_sample_weight_equivalence_on_dense_data, parametrize_with_checks

from mlpfast import MLPClassifier, MLPRegressor

# As scikit-learn checks its own MLPs: with fewer iterations, and with other solvers in the check that needs them.
ESTIMATORS = [MLPClassifier(max_iter=100), MLPRegressor(max_iter=100), MLPClassifier(solver="lbfgs", max_iter=100)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sample_weights_are_repetitions_with_sgd():
    check_sample_weight_equivalence_on_dense_data(
        "MLPRegressor", MLPRegressor(solver="sgd", max_iter=100, tol=1e-2, random_state=42)
    )
