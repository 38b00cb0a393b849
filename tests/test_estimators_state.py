"""How far a fit has come: in the estimator while callbacks look, after a fit that ends early, in old pickles."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris

from mlpfast import MLPClassifier, MLPRegressor
from mlpfast.callbacks import Callback

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
STOCHASTIC = ("loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_", "stopped_early_")


class Watcher(Callback):
    """Notes the estimator's attributes in each hook, and does something at the end of an epoch."""

    def __init__(self, epoch=None, action=None):
        self.epoch, self.action, self.seen = epoch, action, []

    def note(self, hook, trainer):
        mlp = self.mlp
        loss = getattr(mlp, "loss_", None)
        self.seen.append((hook, mlp.n_iter_, mlp.t_, loss, len(getattr(mlp, "loss_curve_", ()))))
        assert mlp.model_ is trainer.model
        assert not hasattr(mlp, "_optimizer") or mlp._optimizer is trainer

    def on_train_begin(self, trainer, logs):
        self.note("train_begin", trainer)

    def on_epoch_begin(self, trainer, logs):
        self.note("epoch_begin", trainer)

    def on_epoch_end(self, trainer, logs):
        self.note("epoch_end", trainer)
        assert self.mlp.loss_ == logs["loss"]
        if self.mlp.n_iter_ == self.epoch:
            self.action(self)

    def on_train_end(self, trainer, logs):
        self.note("train_end", trainer)


def watched(MLP, solver, *arguments, **settings):
    watcher = Watcher(*arguments)
    settings = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0} | settings
    watcher.mlp = MLP(solver=solver, callbacks=[watcher], **settings)
    return watcher


@pytest.mark.parametrize("MLP", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_callbacks_find_in_the_estimator_how_far_it_is(MLP, solver):
    watcher = watched(MLP, solver)
    curve = watcher.mlp.fit(X, Y).loss_curve_
    expected = [("train_begin", 0, 0, None, 0)]
    for n in range(3):
        expected.append(("epoch_begin", n, n * len(X), curve[n - 1] if n else None, n))
        expected.append(("epoch_end", n + 1, (n + 1) * len(X), curve[n], n + 1))
    assert watcher.seen == [*expected, ("train_end", 3, 3 * len(X), curve[2], 3)]


@pytest.mark.parametrize("MLP", [MLPClassifier, MLPRegressor])
def test_callbacks_find_the_iterations_of_lbfgs(MLP):
    watcher = watched(MLP, "lbfgs")
    watcher.mlp.fit(X, Y)
    ends = [(n_iter, t) for hook, n_iter, t, _, _ in watcher.seen if hook == "epoch_end"]
    assert ends == [(1, 0), (2, 0), (3, 0)]
    assert watcher.seen[-1] == ("train_end", 3, 0, watcher.mlp.loss_, 0)
    assert not [name for name in STOCHASTIC if hasattr(watcher.mlp, name)]


def fail(watcher):
    raise RuntimeError("no more")


def interrupt(watcher):
    raise KeyboardInterrupt


@pytest.mark.parametrize("MLP", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("action", [fail, interrupt])
@pytest.mark.filterwarnings("ignore:Training interrupted")
def test_a_fit_that_ends_early_leaves_what_it_has_learnt(MLP, early_stopping, action):
    settings = {"early_stopping": early_stopping, "warm_start": True}
    whole = watched(MLP, "adam", **settings, max_iter=2).mlp.fit(X, Y)
    broken = watched(MLP, "adam", 2, action, **settings).mlp
    try:
        broken.fit(X, Y)
    except RuntimeError as error:
        assert str(error) == "no more" and action is fail
    for name in ("n_iter_", "t_", "loss_", *STOCHASTIC):
        assert getattr(broken, name) == getattr(whole, name), name
    broken.set_params(callbacks=None)
    assert len(broken.fit(X, Y).loss_curve_) == 5


def test_an_estimator_pickled_in_mid_fit_goes_on_from_there():
    def keep(watcher):
        watcher.kept = pickle.dumps(watcher.mlp.model_), pickle.dumps(watcher.mlp.set_params(callbacks=None))

    watcher = watched(MLPClassifier, "adam", 2, keep)
    watcher.mlp.fit(X, Y)
    model, twin = map(pickle.loads, watcher.kept)
    assert (twin.n_iter_, twin.t_, twin.loss_curve_) == (2, 2 * len(X), watcher.mlp.loss_curve_[:2])
    np.testing.assert_array_equal(twin.model_.parameters, model.parameters)
    twin.partial_fit(X, Y)
    assert (twin._optimizer.epochs, len(twin.loss_curve_)) == (3, 3)


def test_the_curves_of_later_calls_are_the_same_lists():
    mlp = watched(MLPClassifier, "adam", warm_start=True, early_stopping=True).mlp.fit(X, Y)
    curve, scores = mlp.loss_curve_, mlp.validation_scores_
    mlp.fit(X, Y)
    assert mlp.loss_curve_ is curve and mlp.validation_scores_ is scores and len(curve) == len(scores) == 6
    cold = mlp.set_params(warm_start=False).fit(X, Y)
    assert cold.loss_curve_ is not curve and len(cold.loss_curve_) == 3


def partial(mlp, X, y):
    mlp.partial_fit(X, y, X_val=X[:10], y_val=y[:10])


def warm(mlp, X, y):
    mlp.fit(X, X[:, 0])


def lbfgs(mlp, X, y):
    mlp.set_params(solver="adam").fit(X, X[:, 0])


@pytest.mark.parametrize("go_on", [partial, warm, lbfgs])
def test_what_older_versions_pickled_goes_on_with_the_same_bits(go_on):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn, about versions
        old = pickle.loads((Path(__file__).parent / "data" / "before_issue_15.pickle").read_bytes())
    estimator, then, parameters = old[go_on.__name__].values()
    go_on(estimator, old["X"], old["y"])
    assert {name: getattr(estimator, name) for name in then} == then
    np.testing.assert_array_equal(estimator.model_.parameters, parameters)


@pytest.mark.parametrize("MLP", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_epsilon_that_the_dtype_rounds_to_zero_changes_nothing(MLP, method):
    new = MLP(dtype="float32", epsilon=1e-40, random_state=0, warm_start=True)
    before = dict(vars(new))
    classes = {"classes": [0, 1, 2]} if MLP is MLPClassifier and method == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"expected epsilon of Adam to be >= 1.18e-38 for a model of float32"):
        getattr(new, method)(X, Y, **classes)
    assert vars(new) == before
    fitted = new.set_params(epsilon=1e-8, max_iter=3).fit(X, Y).set_params(epsilon=1e-40)
    before, weights = dict(vars(fitted)), fitted.model_.parameters.copy()
    with pytest.raises(ValueError, match="expected epsilon of Adam"):
        getattr(fitted, method)(X, Y)
    assert vars(fitted).keys() == before.keys()
    assert all(vars(fitted)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(fitted.model_.parameters, weights)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
@pytest.mark.parametrize("MLP", [MLPClassifier, MLPRegressor])
def test_a_warm_start_from_weights_that_are_not_finite_names_them(MLP, solver):
    mlp = MLP(hidden_layer_sizes=5, solver=solver, max_iter=3, warm_start=True, random_state=0).fit(X, Y)
    mlp.coefs_[1][2, 0] = np.nan
    before = dict(vars(mlp))
    where = r"expected finite values in model.weights\[1\], got NaN at row 2, column 0"
    with pytest.raises(ValueError, match=where):
        mlp.fit(X, Y)
    assert all(vars(mlp)[name] is value for name, value in before.items())
