"""What our estimators do beyond scikit-learn's."""

from __future__ import annotations

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.neural_network
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController

import mlpfast
from mlpfast import MLPClassifier, MLPRegressor
from mlpfast.core.table import max_threads
from mlpfast.estimators.blas import OneBlasThread
from mlpfast.estimators.scores import accuracy, r2

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
ESTIMATORS = [MLPClassifier, MLPRegressor]


@pytest.fixture(params=ESTIMATORS)
def MLP(request: pytest.FixtureRequest) -> Any:
    return request.param


def parameters(mlp: Any) -> np.ndarray:
    return mlp.model_.parameters.copy()


def fitted(MLP: Any, **settings: Any) -> Any:
    return MLP(**{"hidden_layer_sizes": 8, "max_iter": 10, "random_state": 0} | settings).fit(X, Y)


# --- the model behind the estimator ---


def test_the_model_is_an_mlpfast_model(MLP: Any, tmp_path: Any) -> None:
    mlp = fitted(MLP)
    assert isinstance(mlp.model_, mlpfast.Model)
    mlp.model_.save(tmp_path / "model.npz")
    outputs = mlpfast.load(tmp_path / "model.npz").predict(X)
    expected = mlp.predict_proba(X) if MLP is MLPClassifier else mlp.predict(X).reshape(-1, 1)
    assert (outputs == expected).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda mlp: pickle.loads(pickle.dumps(mlp))])
def test_views_stay_views_in_copies(MLP: Any, copied: Any) -> None:
    mlp = copied(fitted(MLP))
    assert mlp._trainer.model is mlp.model_
    assert all(np.shares_memory(array, mlp.model_.parameters) for array in mlp.coefs_ + mlp.intercepts_)


def test_assigned_weights_must_fit() -> None:
    mlp = fitted(MLPClassifier)
    before = parameters(mlp)
    with pytest.raises(ValueError, match=r"expected shape \(8, 3\) for layer 1, got \(8, 4\)"):
        mlp.coefs_ = [np.zeros((4, 8)), np.zeros((8, 4))]
    with pytest.raises(ValueError, match="expected 2 arrays, one for each layer, got 1"):
        mlp.intercepts_ = [np.zeros(8)]
    assert (parameters(mlp) == before).all()
    mlp.coefs_[:] = [np.zeros((4, 8)), np.zeros((8, 3))]
    assert not np.concatenate([coefs.ravel() for coefs in mlp.coefs_]).any()
    with pytest.raises(AttributeError, match="has no weights yet"):
        MLPClassifier().coefs_ = []


# --- activations, dropout, losses, penalties ---


@pytest.mark.parametrize(
    "activation", [*sorted(mlpfast.activations.ACTIVATIONS), ["gelu", "tanh"], ("logistic", "silu")]
)
def test_activations_train(activation: Any) -> None:
    mlp = MLPClassifier((12, 8), activation, learning_rate_init=0.01, max_iter=60, random_state=0).fit(X, Y)
    assert mlp.score(X, Y) > 0.8
    if not isinstance(activation, str):
        assert [layer.activation.name for layer in mlp.model_.layers] == [
            {"logistic": "sigmoid"}.get(name, name) for name in activation
        ] + ["softmax"]


def test_names_of_the_logistic_sigmoid_are_equal() -> None:
    assert (
        parameters(fitted(MLPClassifier, activation="logistic"))
        == parameters(fitted(MLPClassifier, activation="sigmoid"))
    ).all()


def test_an_activation_may_have_a_parameter() -> None:
    leaky = mlpfast.activations.Activation("leaky_relu", 0.2)
    for activation in (leaky, [leaky]):
        mlp = clone(MLPClassifier(8, activation, max_iter=2)).fit(X, Y)
        assert mlp.model_.layers[0].activation == leaky


def test_one_setting_for_each_layer_must_match_the_layers() -> None:
    with pytest.raises(ValueError, match="expected one activation for each of the 2 hidden layers, got 3"):
        MLPClassifier((5, 5), ["relu", "tanh", "relu"]).fit(X, Y)
    with pytest.raises(ValueError, match="expected one dropout for each of the 1 hidden layers, got 2"):
        MLPClassifier(5, dropout=[0.1, 0.2]).fit(X, Y)
    with pytest.raises(ValueError, match="unknown activation 'rleu'; did you mean 'relu'"):
        MLPClassifier(5, ["rleu"]).fit(X, Y)


def test_dropout_is_reproducible_and_only_in_training() -> None:
    settings = {"hidden_layer_sizes": (20, 20), "dropout": (0.5, 0.1), "max_iter": 80, "learning_rate_init": 0.01}
    mlp = fitted(MLPClassifier, **settings)
    assert [layer.dropout for layer in mlp.model_.layers] == [0.5, 0.1, 0.0]
    assert (mlp.predict_proba(X) == mlp.predict_proba(X)).all()
    assert mlp.score(X, Y) > 0.9
    assert (parameters(mlp) == parameters(fitted(MLPClassifier, **settings))).all()
    assert (parameters(mlp) == parameters(fitted(MLPClassifier, **settings, n_threads=1))).all()
    assert (parameters(mlp) != parameters(fitted(MLPClassifier, **settings | {"dropout": 0.0}))).any()
    assert (parameters(mlp) != parameters(fitted(MLPClassifier, **settings | {"random_state": 1}))).any()


def noisy_line(n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(n, 1))
    return x, x.ravel() + rng.exponential(1.0, size=n)


@pytest.mark.parametrize(
    ("settings", "offset"),
    [
        ({"loss": "squared_error"}, 1.0),  # the mean of the noise
        ({"loss": "absolute_error"}, np.log(2)),  # its median
        ({"loss": "quantile", "quantile": 0.9}, np.log(10)),
        ({"loss": "quantile", "quantile": 0.1}, -np.log(0.9)),
        ({"loss": "huber", "huber_delta": 1e-3}, np.log(2)),
        ({"loss": "huber", "huber_delta": 100.0}, 1.0),
    ],
)
def test_losses_estimate_what_they_should(settings: dict[str, Any], offset: float) -> None:
    x, y = noisy_line()
    scale = 100 if settings.get("huber_delta") == 1e-3 else 1  # the gradient of a narrow Huber loss is tiny
    mlp = MLPRegressor(
        hidden_layer_sizes=(), alpha=0, learning_rate_init=0.02, max_iter=150, random_state=0, tol=0, **settings
    ).fit(x, y, sample_weight=np.full(len(y), float(scale)))
    assert mlp.intercepts_[0][0] == pytest.approx(offset, abs=0.12)
    assert mlp.coefs_[0][0, 0] == pytest.approx(1.0, abs=0.25)


def test_poisson_needs_counts() -> None:
    with pytest.raises(ValueError, match="expected y >= 0 for loss='poisson', got -1"):
        MLPRegressor(loss="poisson").fit(X, Y - 1.0)


def test_label_smoothing_tempers_probabilities() -> None:
    settings = {"solver": "lbfgs", "max_iter": 200, "alpha": 0.0}
    for labels in (Y, Y == 0):
        plain = MLPClassifier(8, random_state=0, **settings).fit(X, labels)
        smooth = MLPClassifier(8, random_state=0, label_smoothing=0.2, **settings).fit(X, labels)
        largest = 0.9 if labels.dtype == bool else 1 - 0.2 * 2 / 3
        assert np.median(plain.predict_proba(X).max(axis=1)) > 0.999
        assert np.median(smooth.predict_proba(X).max(axis=1)) == pytest.approx(largest, abs=0.02)
        assert smooth.score(X, labels) > 0.95


def test_class_weight_equals_sample_weight() -> None:
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    by_class = MLPClassifier(8, class_weight=weights, max_iter=5, random_state=0).fit(X, Y)
    by_row = MLPClassifier(8, max_iter=5, random_state=0).fit(X, Y, sample_weight=np.vectorize(weights.get)(Y))
    assert (parameters(by_class) == parameters(by_row)).all()
    few = np.r_[0:50, 50:60]  # ten of the second class
    balanced = MLPClassifier(8, class_weight="balanced", max_iter=5, random_state=0).fit(X[few], Y[few])
    rows = np.where(Y[few] == 0, 60 / (2 * 50), 60 / (2 * 10))
    expected = MLPClassifier(8, max_iter=5, random_state=0).fit(X[few], Y[few], sample_weight=rows)
    np.testing.assert_allclose(parameters(balanced), parameters(expected), rtol=1e-12)
    both = MLPClassifier(8, class_weight=weights, max_iter=5, random_state=0).fit(X, Y, sample_weight=np.full(150, 2.0))
    twice = MLPClassifier(8, max_iter=5, random_state=0).fit(X, Y, sample_weight=2 * np.vectorize(weights.get)(Y))
    assert (parameters(both) == parameters(twice)).all()


def test_class_weight_of_strings_multilabel_and_partial_fit() -> None:
    names = np.array(["a", "b", "c"])[Y]
    MLPClassifier(4, class_weight={"a": 1, "b": 2, "c": 3}, max_iter=2).fit(X, names)
    features, labels = make_multilabel_classification(40, n_classes=2, random_state=0)
    MLPClassifier(4, class_weight=[{0: 1, 1: 3}, {0: 1, 1: 1}], max_iter=2).fit(features, labels)
    with pytest.raises(ValueError, match="class_weight='balanced' needs all of y"):
        MLPClassifier(4, class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])
    MLPClassifier(4, class_weight={0: 1, 1: 2, 2: 3}).partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_weight_decay_is_decoupled(MLP: Any, solver: str) -> None:
    """With rate r and decay d, one step of AdamW or decayed SGD is the step without, less r d W of the old weights."""
    settings = {"solver": solver, "alpha": 0.0, "max_iter": 1, "batch_size": 150, "learning_rate_init": 0.01}
    start = fitted(MLP, **settings | {"learning_rate_init": 1e-300})
    plain, decayed = fitted(MLP, **settings), fitted(MLP, **settings, weight_decay=0.5)
    for old, new, less in zip(start.coefs_, plain.coefs_, decayed.coefs_, strict=True):
        np.testing.assert_allclose(less, new - 0.01 * 0.5 * old, atol=1e-14)
    for new, same in zip(plain.intercepts_, decayed.intercepts_, strict=True):
        np.testing.assert_allclose(same, new, atol=1e-14)


def test_a_batch_without_weight_is_skipped(MLP: Any) -> None:
    settings = {"solver": "sgd", "batch_size": 50, "shuffle": False, "max_iter": 3, "random_state": 0}
    order = np.arange(150).reshape(50, 3).T.ravel()  # all classes in each batch
    weights = np.r_[np.zeros(50), np.ones(100)]
    skipped = MLP(**settings).fit(X[order], Y[order], sample_weight=weights)
    without = MLP(**settings).fit(X[order][50:], Y[order][50:])
    assert (parameters(skipped) == parameters(without)).all()
    for useless in (np.zeros(150), np.full(150, -1.0)):
        with pytest.raises(ValueError, match="weight"):
            MLP(**settings).fit(X, Y, sample_weight=useless)


@pytest.mark.parametrize("setting", [{"dropout": 0.1}, {"weight_decay": 0.1}])
def test_lbfgs_refuses_what_it_cannot_do(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need solver 'sgd' or 'adam'"):
        MLPClassifier(solver="lbfgs", **setting).fit(X, Y)


# --- dtype and threads ---


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_dtype_can_be_chosen(MLP: Any, solver: str) -> None:
    for dtype in ("float32", "float64", np.float32, np.dtype("float32")):
        mlp = fitted(MLP, dtype=dtype, solver=solver)
        assert mlp.model_.dtype == np.dtype(dtype)
        assert mlp.coefs_[0].dtype == np.dtype(dtype)
    with pytest.raises(ValueError, match="dtype"):
        fitted(MLP, dtype="float16")


def test_threads_do_not_change_the_result(MLP: Any) -> None:
    features, labels = load_digits(return_X_y=True)
    results = [
        parameters(MLP(hidden_layer_sizes=64, max_iter=3, random_state=0, n_threads=n).fit(features, labels))
        for n in (1, 2, 3, None)
    ]
    assert all((result == results[0]).all() for result in results)


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    joblib = pytest.importorskip("joblib")
    monkeypatch.delenv("MLPFAST_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads = joblib.Parallel(n_jobs=2)(joblib.delayed(max_threads)() for _ in range(2))
    assert max(threads) <= max(1, joblib.cpu_count() // 2)


def test_grid_search_with_two_jobs() -> None:
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(16, max_iter=20, random_state=0)),
        {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__solver": ["adam", "lbfgs"]},
        cv=2,
        n_jobs=2,
    )
    MLPClassifier(64, max_iter=1).fit(X, Y)  # the parent has a thread pool of its own
    assert search.fit(X, Y).best_score_ > 0.9


def test_forked_workers_do_not_hang() -> None:
    MLPClassifier(256, max_iter=1).fit(np.tile(X, (10, 1)), np.tile(Y, 10))
    joblib = pytest.importorskip("joblib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forks in a process with threads
        with joblib.parallel_config("multiprocessing", n_jobs=2):
            search = GridSearchCV(MLPClassifier(256, max_iter=2, random_state=0), {"alpha": [0.1, 1.0]}, cv=2)
            search.set_params(n_jobs=2).fit(np.tile(X, (10, 1)), np.tile(Y, 10))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_overlapping_lbfgs_fits_give_blas_its_threads_back() -> None:
    blas = ThreadpoolController().select(user_api="blas")
    with blas.limit(limits=2):
        threads = [library["num_threads"] for library in blas.info()]
        limit = OneBlasThread()
        first, second = limit(), limit()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert {library["num_threads"] for library in blas.info()} <= {1}
        second.__exit__(None, None, None)
        assert [library["num_threads"] for library in blas.info()] == threads


def test_the_thread_whose_fit_ends_last_gives_blas_its_threads_back() -> None:
    """Whichever thread's fit was the first, and though that thread lives on."""
    blas = ThreadpoolController().select(user_api="blas")
    limit = OneBlasThread()
    here, there = limit(), limit()
    with blas.limit(limits=2), ThreadPoolExecutor(1) as other:
        threads = [library["num_threads"] for library in blas.info()]
        here.__enter__()
        other.submit(there.__enter__).result()
        here.__exit__(None, None, None)
        assert {library["num_threads"] for library in blas.info()} <= {1}
        other.submit(there.__exit__, None, None, None).result()
        assert [library["num_threads"] for library in blas.info()] == threads


# --- validation on the user's own rows ---


def test_early_stopping_on_own_rows(MLP: Any) -> None:
    train, held_out = np.arange(150) % 3 != 0, np.arange(150) % 3 == 0
    weights = np.linspace(0.5, 2.0, held_out.sum())
    mlp = MLP(early_stopping=True, max_iter=300, learning_rate_init=0.02, random_state=0)
    mlp.fit(X[train], Y[train], X_val=X[held_out], y_val=Y[held_out], sample_weight_val=weights)
    assert mlp.stopped_early_
    assert len(mlp.validation_scores_) == mlp.n_iter_ < 300
    assert mlp.best_validation_score_ == max(mlp.validation_scores_)
    assert mlp.score(X[held_out], Y[held_out], weights) == pytest.approx(mlp.best_validation_score_)
    assert mlp.t_ == mlp.n_iter_ * train.sum()  # nothing of X is held out


def test_own_rows_without_early_stopping_only_watch(MLP: Any) -> None:
    watched = MLP(max_iter=5, random_state=0).fit(X, Y, X_val=X[::5], y_val=Y[::5])
    assert len(watched.validation_scores_) == 5
    assert watched.validation_scores_[-1] == pytest.approx(watched.score(X[::5], Y[::5]))
    assert watched.best_loss_ == min(watched.loss_curve_)
    assert (parameters(watched) == parameters(MLP(max_iter=5, random_state=0).fit(X, Y))).all()


def test_own_rows_are_checked(MLP: Any) -> None:
    with pytest.raises(ValueError, match="expected X_val and y_val together"):
        MLP().fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match="4 features"):
        MLP().fit(X, Y, X_val=X[:, :2], y_val=Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MLP().fit(X, Y, X_val=X, y_val=Y[:-1])
    with pytest.warns(UserWarning, match="not used by solver='lbfgs'"):
        MLP(solver="lbfgs", max_iter=2).fit(X, Y, X_val=X, y_val=Y)


def test_one_row_has_no_r2() -> None:
    with pytest.raises(ValueError, match="expected at least 2 rows in X_val, for their R\\^2, got 1"):
        MLPRegressor().fit(X, Y, X_val=X[:1], y_val=Y[:1])
    MLPClassifier(max_iter=2).fit(X, Y, X_val=X[:1], y_val=Y[:1])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_without_a_score_the_last_weights_stay() -> None:
    """The initial ones came back where no score was finite."""
    huge = np.full((2, 4), 1e308)
    settings = {"activation": "identity", "hidden_layer_sizes": 8, "max_iter": 3, "random_state": 0}
    mlp = MLPRegressor(**settings, early_stopping=True).fit(X, Y, X_val=huge, y_val=[0, 1])
    assert not np.isfinite(mlp.validation_scores_).any()
    assert (parameters(mlp) == parameters(MLPRegressor(**settings).fit(X, Y))).all()


def test_own_labels_must_be_known() -> None:
    with pytest.raises(ValueError, match="y_val has classes that y has not"):
        MLPClassifier().fit(X[:100], Y[:100], X_val=X, y_val=Y)
    with pytest.raises(ValueError, match="expected y_val with as many columns as y, 1, got 2"):
        MLPRegressor().fit(X, Y, X_val=X, y_val=np.c_[Y, Y])


def test_own_rows_may_be_sparse_or_multilabel() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    features, labels = make_multilabel_classification(80, random_state=0)
    for kind in (np.asarray, sparse.csr_array, sparse.csc_array):
        mlp = MLPClassifier(8, max_iter=4, early_stopping=True, random_state=0)
        mlp.fit(kind(features[:60]), labels[:60], X_val=kind(features[60:]), y_val=labels[60:])
        assert mlp.best_validation_score_ == pytest.approx(mlp.score(kind(features[60:]), labels[60:]))


def test_partial_fit_with_early_stopping(MLP: Any) -> None:
    classes = {"classes": [0, 1, 2]} if MLP is MLPClassifier else {}
    mlp = MLP(early_stopping=True, learning_rate_init=0.02, random_state=0, n_iter_no_change=3, tol=1e-3)
    scores = []
    for _ in range(500):
        mlp.partial_fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2], **classes)
        if mlp.stopped_early_:
            break
        scores.append(mlp.score(X[1::2], Y[1::2]))
    assert mlp.stopped_early_
    np.testing.assert_allclose(mlp.validation_scores_[:-1], scores)
    assert mlp.score(X[1::2], Y[1::2]) == pytest.approx(max(mlp.validation_scores_))
    rested = parameters(mlp)
    mlp.partial_fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert (parameters(mlp) == rested).all()
    mlp.set_params(early_stopping=False).partial_fit(X[::2], Y[::2])
    assert (parameters(mlp) != rested).any()


def test_validation_rows_are_routed_through_pipelines() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        mlp = MLPClassifier(8, max_iter=40, learning_rate_init=0.02, early_stopping=True, random_state=0)
        mlp.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        model = make_pipeline(StandardScaler(), mlp, transform_input=["X_val"])
        shifted = 100 * X + 7  # useless before the scaler has seen it
        model.fit(shifted, Y, X_val=shifted[::3], y_val=Y[::3], sample_weight_val=np.ones(50))
    assert model[-1].best_validation_score_ > 0.6
    assert model[-1].best_validation_score_ == pytest.approx(model.score(shifted[::3], Y[::3]))


@pytest.mark.parametrize("weights", [None, np.random.default_rng(1).uniform(size=40)])
def test_scores_are_those_of_scikit_learn(weights: Any) -> None:
    rng = np.random.default_rng(0)
    outputs = rng.random((40, 3))
    labels, indicators = rng.integers(0, 3, 40), rng.integers(0, 2, (40, 3))
    given = {"sample_weight": weights}
    assert accuracy(outputs, labels, weights) == pytest.approx(accuracy_score(labels, outputs.argmax(1), **given))
    assert accuracy(outputs, indicators, weights) == pytest.approx(accuracy_score(indicators, outputs > 0.5, **given))
    targets = rng.normal(size=(40, 3))
    assert r2(outputs, targets, weights) == pytest.approx(r2_score(targets, outputs, **given))
    targets[:, 1] = 2.0
    assert r2(outputs, targets, weights) == pytest.approx(r2_score(targets, outputs, **given))
    outputs[:, 1] = 2.0
    assert r2(outputs, targets, weights) == pytest.approx(r2_score(targets, outputs, **given))
    assert np.isnan(r2(outputs[:1], targets[:1], None))


# --- watching and ending ---


class Recorder(mlpfast.callbacks.Callback):
    """Notes what it is called with, and stops training after `stop_after` epochs."""

    def __init__(self, stop_after: int | None = None, interrupt_after: int | None = None) -> None:
        self.stop_after, self.interrupt_after = stop_after, interrupt_after
        self.calls: list[str] = []
        self.losses: list[float] = []
        self.keys: set[str] = set()

    def on_train_begin(self, trainer: Any, logs: Any) -> None:
        self.calls.append("train begin")

    def on_epoch_end(self, trainer: Any, logs: Any) -> bool:
        self.losses.append(logs["loss"])
        self.keys |= set(logs)
        if len(self.losses) == self.interrupt_after:
            raise KeyboardInterrupt
        return len(self.losses) == self.stop_after

    def on_train_end(self, trainer: Any, logs: Any) -> None:
        self.calls.append("train end")


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_callbacks_are_called_and_stop(MLP: Any, solver: str) -> None:
    mlp = fitted(MLP, solver=solver, callbacks=[Recorder(stop_after=4)], max_iter=50)
    (recorder,) = mlp.callbacks
    assert recorder.calls == ["train begin", "train end"]
    assert mlp.n_iter_ == len(recorder.losses) == 4
    assert recorder.losses[-1] == pytest.approx(mlp.loss_)
    assert recorder.keys == {"loss"}
    if solver != "lbfgs":
        assert recorder.losses == mlp.loss_curve_


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_may_stop_before_the_first_epoch(MLP: Any, solver: str, hook: str) -> None:
    stop = mlpfast.callbacks.Callback()
    setattr(stop, hook, lambda trainer, logs: True)
    mlp = fitted(MLP, solver=solver, callbacks=[stop])
    assert mlp.n_iter_ == 0
    assert (parameters(mlp) == parameters(fitted(MLP, max_iter=1, learning_rate_init=1e-300))).all()


def test_the_end_of_training_sees_the_best_weights(MLP: Any) -> None:
    seen = []

    class Last(mlpfast.callbacks.Callback):
        def on_epoch_end(self, trainer: Any, logs: Any) -> None:
            seen.append(trainer.model.parameters.copy())

        on_train_end = on_epoch_end

    mlp = MLP(early_stopping=True, learning_rate_init=0.1, max_iter=60, random_state=0, callbacks=[Last()]).fit(X, Y)
    assert (seen[-2] != parameters(mlp)).any()
    assert (seen[-1] == parameters(mlp)).all()


def test_callbacks_see_scores_and_may_set_the_rate(MLP: Any) -> None:
    recorder = Recorder()
    MLP(callbacks=[recorder], max_iter=3, early_stopping=True).fit(X, Y)
    assert recorder.keys == {"loss", "val_accuracy" if MLP is MLPClassifier else "val_r2"}

    class Freeze(mlpfast.callbacks.Callback):
        def on_epoch_end(self, trainer: Any, logs: Any) -> None:
            trainer.learning_rate = 1e-300

    frozen = fitted(MLP, callbacks=[Freeze()], max_iter=5)
    assert (parameters(frozen) == parameters(fitted(MLP, max_iter=1))).all()
    with pytest.raises(TypeError, match="expected a callback"):
        fitted(MLP, callbacks=[print])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_time_budget_ends_training(MLP: Any, solver: str) -> None:
    mlp = MLP(solver=solver, max_seconds=0.05, max_iter=10**6, tol=0.0, n_iter_no_change=np.inf, random_state=0)
    if solver == "lbfgs":
        mlp.set_params(max_fun=10**6, hidden_layer_sizes=(300, 300))
    for features, labels in (load_digits(return_X_y=True), (X, Y)):
        with pytest.warns(ConvergenceWarning, match="the time budget of 0.05 seconds was used up"):
            mlp.fit(features, labels)
        assert np.isfinite(mlp.loss_)
        assert mlp.predict(features).shape == labels.shape
        assert mlp.n_iter_ < 10**6


def test_the_progress_bar(MLP: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fitted(MLP, verbose=1, max_iter=3)
    captured = capsys.readouterr()
    assert "3/3" in captured.err
    assert "loss" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_interrupt_leaves_a_usable_estimator(MLP: Any, solver: str) -> None:
    recorder = Recorder(interrupt_after=3)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        mlp = fitted(MLP, solver=solver, callbacks=[recorder])
    assert mlp.n_iter_ == 3
    assert recorder.calls == ["train begin", "train end"]
    assert np.isfinite(mlp.predict(X)).all()


def test_control_c_stops_within_an_epoch(ctrl_c_after: Any) -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(20000, 50)), rng.integers(0, 5, 20000)
    mlp = MLPClassifier(
        (200, 200), max_iter=10**6, tol=0.0, n_iter_no_change=np.inf, random_state=0, early_stopping=True
    )
    ctrl_c_after(0.5)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        mlp.fit(features, labels)
    assert np.isfinite(parameters(mlp)).all()
    assert mlp.predict(features[:10]).shape == (10,)


# --- going on ---


def test_a_warm_start_may_change_what_keeps_the_shapes() -> None:
    mlp = fitted(MLPClassifier, warm_start=True)
    weights = parameters(mlp)
    mlp.set_params(activation="tanh", learning_rate_init=1e-300, max_iter=1).fit(X, Y)
    np.testing.assert_allclose(parameters(mlp), weights, atol=1e-12)
    assert mlp.model_.layers[0].activation.name == "tanh"
    mlp.set_params(solver="lbfgs", max_iter=5).fit(X, Y).set_params(solver="adam").fit(X, Y)
    with pytest.raises(ValueError, match=r"expected the layers of the previous fit, \[8, 3\] units, .* got \[9, 3\]"):
        mlp.set_params(hidden_layer_sizes=9).fit(X, Y)


def test_a_warm_start_from_lbfgs(MLP: Any) -> None:
    mlp = fitted(MLP, solver="lbfgs", warm_start=True)
    loss = mlp.loss_
    mlp.set_params(solver="adam", learning_rate_init=1e-4, max_iter=3).fit(X, Y)
    assert len(mlp.loss_curve_) == 3
    assert mlp.loss_curve_[0] == pytest.approx(loss, rel=0.2)


def test_early_stopping_may_be_switched_between_fits(MLP: Any) -> None:
    mlp = fitted(MLP, warm_start=True, max_iter=3)
    mlp.set_params(early_stopping=True).fit(X, Y)
    assert len(mlp.validation_scores_) == 3
    mlp.set_params(early_stopping=False).fit(X, Y)
    assert len(mlp.loss_curve_) == 9
    assert mlp.best_loss_ is not None
    mlp.partial_fit(X, Y)
    assert not hasattr(MLP(solver="lbfgs"), "partial_fit")


def test_a_failed_fit_leaves_the_fitted_model() -> None:
    mlp = fitted(MLPRegressor, warm_start=True)
    before = parameters(mlp)
    with pytest.raises(ValueError, match="expected y with 1 columns"):
        mlp.fit(X, np.c_[Y, Y])
    with pytest.raises(ValueError, match="NaN"):
        mlp.fit(np.full_like(X, np.nan), Y)
    assert (parameters(mlp) == before).all()
    assert mlp.predict(X).shape == (150,)


@pytest.mark.parametrize(
    ("settings", "data"),
    [
        ({"callbacks": [print]}, {}),
        ({"early_stopping": True, "validation_fraction": 0.001}, {}),
        ({}, {"X_val": X[:, :2], "y_val": Y}),
        ({}, {"sample_weight": np.ones(3)}),
        ({"hidden_layer_sizes": 5, "activation": "rleu"}, {}),
        ({"class_weight": {7: 1.0}}, {}),
    ],
)
def test_a_rejected_fit_leaves_everything(settings: dict[str, Any], data: dict[str, Any]) -> None:
    mlp = fitted(MLPClassifier).set_params(**settings)
    before = dict(vars(mlp))
    weights = parameters(mlp)
    with pytest.raises((TypeError, ValueError)):
        mlp.fit(X[:, :4], Y > 0, **data)
    assert vars(mlp).keys() == before.keys()
    assert all(vars(mlp)[name] is value for name, value in before.items())
    assert (parameters(mlp) == weights).all()


def test_a_cold_lbfgs_fit_forgets_the_epochs(MLP: Any) -> None:
    mlp = fitted(MLP, early_stopping=True).set_params(solver="lbfgs").fit(X, Y)
    assert vars(mlp).keys() == vars(fitted(MLP, solver="lbfgs")).keys()
    mlp.set_params(solver="adam", warm_start=True, early_stopping=False).fit(X, Y)
    assert len(mlp.loss_curve_) == 10


@pytest.mark.parametrize(
    ("MLP", "settings"),
    [
        (MLPRegressor, {"loss": "huber"}),
        (MLPClassifier, {"label_smoothing": 0.5}),
        (MLPClassifier, {"weight_decay": 0.5}),
        (MLPClassifier, {"solver": "sgd"}),
    ],
)
def test_partial_fit_obeys_set_params(MLP: Any, settings: dict[str, Any]) -> None:
    plain, changed = fitted(MLP), fitted(MLP)
    plain.partial_fit(X, Y)
    steps = changed._trainer.steps
    changed.set_params(**settings).partial_fit(X, Y)
    assert (parameters(changed) != parameters(plain)).any()
    assert changed._trainer.steps == (1 if "solver" in settings else steps + 1)


def test_partial_fit_goes_on_with_other_threads(MLP: Any) -> None:
    plain, changed = fitted(MLP).partial_fit(X, Y), fitted(MLP).set_params(n_threads=1).partial_fit(X, Y)
    assert changed._trainer.n_threads == 1
    assert (parameters(changed) == parameters(plain)).all()


def test_extras_default_to_nothing_new() -> None:
    if "loss" not in sklearn.neural_network.MLPRegressor().get_params():
        pytest.skip("this scikit-learn's regressor has no loss yet")
    extras = {
        "dropout": 0.0, "weight_decay": 0.0, "dtype": "auto", "n_threads": None, "callbacks": None, "max_seconds": None,
        "normalization": None, "residual": False,
    }  # fmt: skip
    expected = {
        MLPClassifier: extras | {"class_weight": None, "label_smoothing": 0.0},
        MLPRegressor: extras | {"quantile": 0.5, "huber_delta": 1.0},
    }
    for MLP, more in expected.items():
        theirs = getattr(sklearn.neural_network, MLP.__name__)().get_params()
        assert clone(MLP()).get_params() == theirs | more
