"""Rows of weight zero: whatever finite numbers they hold, as "no data" often is the lowest float, count for nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import scipy.sparse
from sklearn.metrics import r2_score

import mlpfast
from mlpfast import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:The scale of"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = np.sin(X[:, 0]) + 0.5 * X[:, 1]
LABELS = (Y > 0).astype(int)
WEIGHTS = np.ones(200)
WEIGHTS[::7] = 0.0
OUT = WEIGHTS == 0


def no_data(array: np.ndarray, dtype: Any) -> np.ndarray:
    """The array with the lowest number of `dtype` where the weights are zero."""
    array = array.astype(dtype)
    array[OUT] = np.finfo(dtype).min
    return array


CONTAINERS = [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csr_array]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "poisson"])
def test_rows_of_weight_zero_count_for_nothing_in_the_trainer(dtype: str, container: Any, loss: str) -> None:
    def results(features: Any, targets: np.ndarray) -> list[Any]:
        activation = "exponential" if loss == "poisson" else "identity"
        trainer = mlpfast.Trainer(
            mlpfast.mlp([4, 8, 1], output_activation=activation, dtype=dtype), loss=loss, metrics=["mse"], batch_size=32
        )
        history = trainer.fit(
            features, targets, epochs=3, sample_weight=WEIGHTS, validation_data=(features, targets, WEIGHTS), verbose=0
        )
        step = trainer.train_on_batch(features, targets, WEIGHTS)
        value, gradient = trainer.model.loss_and_gradient(features, targets, loss, sample_weight=WEIGHTS)
        numbers = [*history["loss"], *history["val_loss"], *history["val_mse"], step, value]
        return [*numbers, *gradient, *trainer.model.parameters, *trainer.evaluate(features, targets, WEIGHTS).values()]

    targets = np.abs(Y)
    huge = np.abs(no_data(targets, dtype)) if loss == "poisson" else no_data(targets, dtype)
    given = no_data(X, dtype)
    kept = given.copy(), huge.copy()
    found = results(container(given), huge)
    expected = results(container(X.astype(dtype)), targets.astype(dtype))
    assert np.isfinite(expected).all()
    assert found == expected
    assert (given == kept[0]).all()
    assert (huge == kept[1]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("settings", [{"solver": "adam"}, {"solver": "sgd"}, {"solver": "lbfgs"}])
def test_rows_of_weight_zero_count_for_nothing_in_estimators(dtype: Any, container: Any, settings: Any) -> None:
    for MLP, targets in ((MLPRegressor, Y.astype(dtype)), (MLPClassifier, LABELS)):
        mlp = MLP(hidden_layer_sizes=6, activation="exponential", max_iter=5, random_state=0, **settings)
        huge = no_data(targets, dtype) if MLP is MLPRegressor else targets
        validation = {"y_val": huge, "sample_weight_val": WEIGHTS} if settings["solver"] != "lbfgs" else {}
        fitted = [
            MLP(**mlp.get_params()).fit(
                container(features), y, WEIGHTS, **({"X_val": container(features), **validation} if validation else {})
            )
            for features, y in ((no_data(X, dtype), huge), (X.astype(dtype), targets))
        ]
        assert (fitted[0].model_.parameters == fitted[1].model_.parameters).all()
        assert fitted[0].loss_ == fitted[1].loss_
        if validation:
            expected = fitted[1].score(X.astype(dtype), targets, WEIGHTS)
            assert fitted[0].validation_scores_[-1] == pytest.approx(expected, abs=1e-5)


def test_held_out_rows_of_a_class_without_weight_are_scored_as_they_are() -> None:
    settings = {"early_stopping": True, "max_iter": 10, "random_state": 0}
    zero, tiny = (MLPClassifier(class_weight={0: 1.0, 1: w}, **settings).fit(X, LABELS) for w in (0.0, 1e-300))
    assert zero.validation_scores_ == tiny.validation_scores_


def test_functions_of_the_user_see_the_rows_of_weight_zero() -> None:
    seen = []

    def r2(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        seen.append(y_true.copy())
        return float(r2_score(y_true, y_pred))

    trainer = mlpfast.Trainer(mlpfast.mlp([4, 1]), loss="mse", metrics=[r2])
    trainer.fit(X, Y, sample_weight=WEIGHTS, verbose=0)
    assert (seen[0].ravel() == Y.astype(np.float32)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_of_weight_zero_have_to_be_finite(bad: float) -> None:
    features = X.copy()
    features[7, 1] = bad
    trainer = mlpfast.Trainer(mlpfast.mlp([4, 1]), loss="mse")
    with pytest.raises(ValueError, match="expected finite values in X, got .* at row 7, column 1"):
        trainer.fit(features, Y, sample_weight=WEIGHTS, verbose=0)
