"""`normalization` and `residual` of the estimators."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import scipy.sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import mlpfast as mf
from mlpfast import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = mf.datasets.load_digits()
X = X[:, 8:24].astype(np.float64) / 16
ESTIMATORS = [MLPClassifier, MLPRegressor]
NORMS: list[Any] = [None, "layer", "batch"]
SETTINGS = [(norm, residual) for norm in NORMS for residual in (False, True)]


@pytest.fixture(params=ESTIMATORS)
def MLP(request: pytest.FixtureRequest) -> Any:
    return request.param


def fitted(MLP: Any, rows: int = 300, **settings: Any) -> Any:
    settings = {"hidden_layer_sizes": (16, 8), "max_iter": 4, "random_state": 0} | settings
    return MLP(**settings).fit(X[:rows], Y[:rows])


def by_hand(norm: str | None, residual: bool) -> list[mf.Layer]:
    """16-16-8-10 with tanh, and dropout behind the second hidden layer."""
    norms = {None: [], "layer": [mf.LayerNorm()], "batch": [mf.BatchNorm()]}
    blocks = [
        [mf.Dense(units, use_bias=norm != "batch"), *norms[norm], mf.Activate("tanh"), *dropout]
        for units, dropout in ((16, []), (8, [mf.Dropout(0.25)]))
    ]
    first = [mf.Residual(blocks[0])] if residual else blocks[0]
    return [*first, *blocks[1], mf.Dense(10, "softmax")]


@pytest.mark.parametrize(("norm", "residual"), SETTINGS)
def test_it_is_a_model_of_these_layers(norm: Any, residual: bool) -> None:
    """The same bits as a trainer's, from the same start, in the same order; the last batch of one row among them."""
    rows, batch_size, alpha = 101, 20, 0.01
    settings = {"activation": "tanh", "dropout": [0.0, 0.25], "batch_size": batch_size, "alpha": alpha}
    mlp = fitted(MLPClassifier, rows, normalization=norm, residual=residual, shuffle=False, **settings)
    start = fitted(
        MLPClassifier, rows, normalization=norm, residual=residual, learning_rate_init=1e-300, max_iter=1, **settings
    )
    model = mf.Model(16, by_hand(norm, residual), dtype="float64")
    model.parameters = start.model_.parameters
    seed = np.random.RandomState(0)
    for fan_in, fan_out in ((16, 16), (16, 8), (8, 10)):
        seed.uniform(size=(fan_in + 1, fan_out))
    trainer = mf.Trainer(
        model,
        "cross_entropy",
        mf.Adam(1e-3, epsilon_hat=True),
        batch_size,
        l2=alpha,
        penalty_over_weights=True,
        shuffle=False,
        seed=int(seed.randint(np.iinfo(np.int32).max)),
    )
    for _ in range(4):
        trainer.run_epoch(X[:rows], Y[:rows].astype(np.int32))
    np.testing.assert_array_equal(mlp.model_.state, model.state)
    np.testing.assert_array_equal(mlp.predict_proba(X), model.predict(X))


@pytest.mark.parametrize(("norm", "residual"), SETTINGS)
def test_the_initial_weights_are_those_without(MLP: Any, norm: Any, residual: bool) -> None:
    """And so are the rows held out and the order of rows, which are drawn later."""
    settings: dict[str, Any] = {"learning_rate_init": 1e-300, "max_iter": 1, "early_stopping": True}
    plain, other = fitted(MLP, **settings), fitted(MLP, **settings, normalization=norm, residual=residual)
    for expected, weights in zip(plain.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(weights, expected)
    if norm != "batch":
        for expected, biases in zip(plain.intercepts_, other.intercepts_, strict=True):
            np.testing.assert_array_equal(biases, expected)
    assert other.n_layers_ == plain.n_layers_ == 4
    states = [np.random.RandomState(0) for _ in range(2)]
    for name, state in zip((None, norm), states, strict=True):
        fitted(MLP, normalization=name, max_iter=2, random_state=state)
    assert states[0].randint(1 << 30) == states[1].randint(1 << 30)


@pytest.mark.parametrize(("norm", "residual"), SETTINGS)
def test_digits(norm: Any, residual: bool) -> None:
    images, labels = mf.datasets.load_digits()
    test = np.arange(len(labels)) % 4 == 0
    mlp = MLPClassifier((64, 64), normalization=norm, residual=residual, max_iter=40, random_state=0, tol=0)
    assert mlp.fit(images[~test] / 16, labels[~test]).score(images[test] / 16, labels[test]) > 0.96


@pytest.mark.parametrize("norm", NORMS)
def test_early_stopping_goes_back_to_the_best_state(MLP: Any, norm: Any) -> None:
    """The running statistics are part of it."""
    mlp = fitted(MLP, normalization=norm, early_stopping=True, max_iter=60, learning_rate_init=0.05, n_iter_no_change=3)
    watched = fitted(MLP, normalization=norm, max_iter=60, learning_rate_init=0.05)
    watched.set_params(early_stopping=True, n_iter_no_change=3, random_state=0).fit(
        X[:200], Y[:200], X_val=X[200:300], y_val=Y[200:300]
    )
    assert watched.stopped_early_
    assert watched.validation_scores_[-1] < watched.best_validation_score_
    assert watched.score(X[200:300], Y[200:300]) == pytest.approx(watched.best_validation_score_)
    assert mlp.best_validation_score_ == max(mlp.validation_scores_)


@pytest.mark.parametrize(("norm", "residual"), SETTINGS)
def test_copies_and_pickles_go_on_as_they_would(MLP: Any, norm: Any, residual: bool) -> None:
    mlp = fitted(MLP, normalization=norm, residual=residual, dropout=0.1)
    twins = [copy.deepcopy(mlp), pickle.loads(pickle.dumps(mlp)), mlp]
    states = [twin.partial_fit(X[:200], Y[:200]).model_.state for twin in twins]
    np.testing.assert_array_equal(states[0], states[2])
    np.testing.assert_array_equal(states[1], states[2])
    other = clone(mlp)
    assert (other.normalization, other.residual) == (norm, residual)
    assert not hasattr(other, "model_")
    assert (norm is None) == ("normalization" not in repr(other))


@pytest.mark.parametrize("norm", NORMS)
def test_a_warm_start_keeps_the_running_statistics(MLP: Any, norm: Any) -> None:
    mlp = fitted(MLP, normalization=norm, learning_rate_init=1e-300, warm_start=True)
    state = mlp.model_.state.copy()
    mlp.set_params(activation="tanh", max_iter=1, solver="sgd").fit(X[:300], Y[:300])
    n = mlp.model_.n_parameters
    np.testing.assert_allclose(mlp.model_.parameters, state[:n], rtol=0, atol=1e-290)
    if norm == "batch":
        first = mf.BatchNorm().momentum ** 4  # of the initial mean, after four epochs; the batches alternate
        assert np.abs(mlp.model_.buffers["mean1"] - state[n : n + 16]).max() < first * np.abs(state[n:]).max()


def test_other_norms_are_no_continuation(MLP: Any) -> None:
    mlp = fitted(MLP, normalization="layer", warm_start=True)
    before = mlp.model_.state.copy()
    for norm, got in ((None, "units"), ("batch", "units with normalization='batch'")):
        with pytest.raises(ValueError, match=rf"units with normalization='layer', to go on from; got \[.*\] {got}"):
            mlp.set_params(normalization=norm).fit(X[:300], Y[:300])
    np.testing.assert_array_equal(mlp.model_.state, before)
    mlp.set_params(normalization="layer", residual=True).fit(X[:300], Y[:300])  # has the same parameters
    assert isinstance(mlp.model_.layers[0], mf.Residual)


def test_hidden_layers_without_biases_have_zeros(MLP: Any) -> None:
    mlp = fitted(MLP, normalization="batch")
    assert [array.shape for array in mlp.intercepts_] == [(16,), (8,), (mlp.n_outputs_,)]
    assert not mlp.intercepts_[0].any() and mlp.intercepts_[2].any()
    before = mlp.model_.state.copy()
    with pytest.raises(ValueError, match="expected zeros for layer 1, which has no biases but the shift of a norm"):
        mlp.intercepts_ = [np.zeros(16), np.ones(8), np.ones(mlp.n_outputs_)]
    with pytest.raises(ValueError, match="expected zeros for layer 0"):
        mlp.intercepts_[0] = np.ones(16)
    with pytest.raises(ValueError, match="read-only"):
        mlp.intercepts_[0][:] = 1.0
    np.testing.assert_array_equal(mlp.model_.state, before)
    mlp.intercepts_ = [*mlp.intercepts_[:2], mlp.intercepts_[2] + 1.0]
    mlp.coefs_ = [coefs * 2 for coefs in mlp.coefs_]
    assert (mlp.model_.state != before).sum() == sum(array.size for array in mlp.coefs_) + mlp.n_outputs_


def test_the_penalty_reaches_weights_alone(MLP: Any) -> None:
    settings: dict[str, Any] = {"solver": "sgd", "momentum": 0.0, "batch_size": 300, "max_iter": 1, "shuffle": False}
    for norm in ("layer", "batch"):
        plain = fitted(MLP, **settings, normalization=norm, alpha=0.0).model_
        penalised = fitted(MLP, **settings, normalization=norm, alpha=100.0).model_
        for name, tensor in plain.tensors.items():
            assert (tensor != penalised.tensors[name]).any() == name.startswith("W"), name


@pytest.mark.parametrize(("norm", "residual"), SETTINGS)
def test_sparse_rows_and_threads_give_the_same_bits(MLP: Any, norm: Any, residual: bool) -> None:
    settings = {"normalization": norm, "residual": residual, "hidden_layer_sizes": 16, "max_iter": 2, "random_state": 0}
    dense = MLP(**settings).fit(X[:300], Y[:300])
    for rows, n_threads in ((scipy.sparse.csr_array(X[:300]), None), (X[:300], 1), (X[:300], 2)):
        other = MLP(**settings, n_threads=n_threads).fit(rows, Y[:300])
        np.testing.assert_array_equal(other.model_.state, dense.model_.state)
        np.testing.assert_array_equal(other.predict(rows), dense.predict(X[:300]))


@pytest.mark.parametrize(("norm", "residual"), [("layer", False), (None, True), ("layer", True)])
def test_lbfgs(MLP: Any, norm: Any, residual: bool) -> None:
    mlp = fitted(MLP, solver="lbfgs", max_iter=200, normalization=norm, residual=residual)
    start = fitted(MLP, max_iter=1, learning_rate_init=1e-300, normalization=norm, residual=residual)
    assert mlp.loss_ < start.loss_ / 3


def test_lbfgs_has_no_batches(MLP: Any) -> None:
    with pytest.raises(ValueError, match="normalization='batch' needs solver 'sgd' or 'adam'"):
        MLP(solver="lbfgs", normalization="batch").fit(X, Y)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_float32_and_weights(MLP: Any, norm: str) -> None:
    weights = np.linspace(0.5, 2.0, 300)
    mlp = MLP(hidden_layer_sizes=(16, 8), normalization=norm, dtype="float32", max_iter=5)
    mlp.fit(X[:300], Y[:300], sample_weight=weights)
    assert mlp.model_.dtype == np.float32
    assert np.isfinite(mlp.loss_curve_).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"normalization": "lyer"},
            "unknown normalization 'lyer'; did you mean 'layer'?; expected one of batch, layer",
        ),
        ({"normalization": "group"}, "unknown normalization 'group'; expected one of batch, layer"),
        ({"normalization": 1}, "'normalization' parameter of .* must be an instance of 'str' or None"),
        ({"normalization": "layer", "hidden_layer_sizes": (4, 1)}, r"at least 2 units .*='layer', got \[4, 1\]"),
        ({"residual": "yes"}, "'residual' parameter of .* must be"),
        ({"residual": True}, r"hidden layer as wide as its input .* got \[100\] units behind 16 features"),
        ({"residual": True, "hidden_layer_sizes": ()}, r"got \[\] units behind 16 features"),
        ({"normalization": "batch", "batch_size": 1}, "at least 2 samples for normalization='batch', got batch_size=1"),
    ],
)
def test_what_makes_no_sense_is_refused(MLP: Any, settings: dict[str, Any], message: str) -> None:
    mlp = MLP(**settings)
    with pytest.raises(ValueError, match=message.replace("?;", r"\?;")):
        mlp.fit(X, Y)
    assert not [name for name in vars(mlp) if name.endswith("_") and not name.endswith("__")]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rows_of_weight_zero_are_no_part_of_the_statistics() -> None:
    rng = np.random.default_rng(0)
    X, y, weight = rng.normal(size=(80, 4)), rng.normal(size=80), np.tile([0.0, 1.0], 40)
    settings = {"hidden_layer_sizes": (8,), "normalization": "batch", "batch_size": 16, "max_iter": 3, "shuffle": False}
    wild = np.where(weight[:, None] > 0, X, 1e30)
    one, other = (
        MLPRegressor(**settings, random_state=1).fit(x, t, sample_weight=w).model_.state
        for x, t, w in ((wild, y, weight), (X[1::2], y[1::2], weight[1::2]))
    )
    np.testing.assert_array_equal(one, other)


def test_statistics_of_one_row_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 samples for normalization='batch', got one sample to train on"):
        MLPRegressor(normalization="batch").fit(X[:1], Y[:1])
    mlp = fitted(MLPClassifier, normalization="batch")
    before = mlp.model_.state.copy()
    with pytest.raises(ValueError, match="got one sample"):
        mlp.partial_fit(X[:1], Y[:1])
    np.testing.assert_array_equal(mlp.model_.state, before)
    MLPClassifier((), normalization="batch", max_iter=1).fit(X[:1], Y[:1])  # there is no hidden layer


#: Statistics of a batch are those of its rows, whatever their weights.
WEIGHTED = ["check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"]


@parametrize_with_checks(
    [MLPClassifier(max_iter=100, normalization="layer"), MLPRegressor(max_iter=100, normalization="batch")],
    expected_failed_checks=lambda mlp: dict.fromkeys(WEIGHTED * (mlp.normalization == "batch"), "by design"),
)
def test_scikit_learn_check(estimator: Any, check: Any) -> None:
    check(estimator)
