"""Named metrics against scikit-learn's, weighted and not; functions that take weights; what is refused."""

import pickle

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.metrics import METRICS, Pinball, TopK

sk = pytest.importorskip("sklearn.metrics")

ROWS = 300
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 3))
WEIGHTS = [None, RNG.uniform(0, 3, size=ROWS), np.where(RNG.random(ROWS) < 0.3, 0.0, 1e300)]


def evaluated(model, loss, y, metrics, weight):
    trainer = mf.Trainer(model, loss, metrics=metrics, batch_size=32)
    found = trainer.evaluate(X, y, sample_weight=weight)
    del found["loss"]
    return found


def scaled(weight):
    return None if weight is None else weight / weight.max()


@pytest.mark.parametrize("weight", WEIGHTS, ids=["plain", "weighted", "huge"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_of_numbers(dtype, weight):
    model = mf.mlp([3, 4, 2], "tanh", dtype=dtype, seed=1)
    y = RNG.normal(size=(ROWS, 2)).astype(dtype)
    names = ["mse", "rmse", "mae", "mape", "pinball", "r2", "mean_squared_error", "root_mean_squared_error"]
    found = evaluated(model, "mse", y, [*names, Pinball(0.9)], weight)
    p, w = model.predict(X), {"sample_weight": scaled(weight)}
    mse = np.average((y.astype(float) - p) ** 2, axis=0, weights=weight).mean()
    expected = {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": sk.mean_absolute_error(y, p, **w),
        "mape": sk.mean_absolute_percentage_error(y, p, **w),
        "pinball": sk.mean_pinball_loss(y, p, **w),
        "r2": sk.r2_score(y, p, **w),
        "mean_squared_error": mse,
        "root_mean_squared_error": mse**0.5,
        "pinball_0.9": sk.mean_pinball_loss(y, p, alpha=0.9, **w),
    }
    assert found == pytest.approx(expected, rel=1e-5 if dtype == "float32" else 1e-12)
    assert list(found) == list(expected)


@pytest.mark.parametrize("weight", WEIGHTS, ids=["plain", "weighted", "huge"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_of_classes(one_hot, weight):
    """Some classes are never predicted, and some not in y."""
    model = mf.mlp([3, 4, 6], "tanh", "softmax", dtype="float64", seed=1)
    labels = RNG.choice([0, 1, 2, 4], p=[0.6, 0.3, 0.05, 0.05], size=ROWS)
    names = ["accuracy", "top_k", "log_loss", "brier", "precision", "recall", "f1", "balanced_accuracy", "ece"]
    found = evaluated(model, "cross_entropy", np.eye(6)[labels] if one_hot else labels, [*names, TopK(2)], weight)
    p, w, all_classes = model.predict(X), {"sample_weight": scaled(weight)}, np.arange(6)
    guess = p.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0, **w}
    with np.errstate(all="ignore"):
        balanced = np.mean([sk.recall_score(labels == k, guess == k, **w) for k in (0, 1, 2, 4)])
    expected = {
        "accuracy": sk.accuracy_score(labels, guess, **w),
        "top_k": sk.top_k_accuracy_score(labels, p, k=5, labels=all_classes, **w),
        "log_loss": sk.log_loss(labels, p, labels=all_classes, **w),
        "brier": np.average(((p - np.eye(6)[labels]) ** 2).sum(axis=1), weights=weight),
        "precision": sk.precision_score(labels, guess, **macro),
        "recall": sk.recall_score(labels, guess, **macro),
        "f1": sk.f1_score(labels, guess, **macro),
        "balanced_accuracy": balanced,
        "ece": calibration_error(p.max(axis=1), guess == labels, weight),
        "top_2": sk.top_k_accuracy_score(labels, p, k=2, labels=all_classes, **w),
    }
    assert found == pytest.approx(expected, rel=1e-9)


def calibration_error(confidence, right, weight):
    weight = np.ones(ROWS) if weight is None else weight
    total = 0.0
    for k in range(15):
        inside = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        total += abs((weight[inside] * (right[inside] - confidence[inside])).sum() / weight.sum())
    return total


@pytest.mark.parametrize("weight", WEIGHTS, ids=["plain", "weighted", "huge"])
@pytest.mark.parametrize(
    ("loss", "output"), [("binary_cross_entropy", "sigmoid"), ("binary_focal", "sigmoid"), ("hinge", "identity")]
)
def test_of_yes_or_no(loss, output, weight):
    model = mf.mlp([3, 4, 1], "tanh", output, dtype="float64", seed=3)
    y = (RNG.random(ROWS) < 0.3).astype(int)
    names = ["accuracy", "precision", "recall", "f1", "balanced_accuracy", "roc_auc"]
    names += ["log_loss", "brier", "ece"] if output == "sigmoid" else []
    found = evaluated(model, loss, y, names, weight)
    p, w = model.predict(X)[:, 0], {"sample_weight": scaled(weight)}
    guess = p > (0.5 if output == "sigmoid" else 0)
    expected = {
        "accuracy": sk.accuracy_score(y, guess, **w),
        "precision": sk.precision_score(y, guess, **w),
        "recall": sk.recall_score(y, guess, **w),
        "f1": sk.f1_score(y, guess, **w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, guess, **w),
        "roc_auc": sk.roc_auc_score(y, p, **w),
    }
    if output == "sigmoid":
        expected |= {
            "log_loss": sk.log_loss(y, p, **w),
            "brier": sk.brier_score_loss(y, p, **w),
            "ece": calibration_error(np.maximum(p, 1 - p), guess == y, weight),
        }
    assert found == pytest.approx(expected, rel=1e-9)
    if loss == "hinge":
        assert evaluated(model, loss, 2 * y - 1, names, weight) == found


@pytest.mark.parametrize("weight", WEIGHTS, ids=["plain", "weighted", "huge"])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_of_several_scores_the_largest_is_the_class(loss, weight):
    model = mf.mlp([3, 4, 4], "tanh", dtype="float64", seed=3)
    labels = RNG.integers(4, size=ROWS)
    one_hot = np.eye(4)[labels]
    names = ["accuracy", "balanced_accuracy", "f1", "roc_auc", TopK(2)]
    found = evaluated(model, loss, one_hot, names, weight)
    p, w = model.predict(X), {"sample_weight": scaled(weight)}
    guess = p.argmax(axis=1)
    expected = {
        "accuracy": sk.accuracy_score(labels, guess, **w),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, guess, **w),
        "f1": sk.f1_score(labels, guess, average="macro", zero_division=0, **w),
        "roc_auc": sk.roc_auc_score(one_hot, p, **w),
        "top_2": sk.top_k_accuracy_score(labels, p, k=2, **w),
    }
    assert found == pytest.approx(expected, rel=1e-9)
    assert evaluated(model, loss, 2 * one_hot - 1, names, weight) == found
    trainer = mf.Trainer(model, loss, mf.SGD(1e-12), metrics=["accuracy"])
    history = trainer.fit(X, one_hot, sample_weight=weight, validation_fraction=0.2, stratify=True, verbose=0)
    chunked = trainer.fit([(X, one_hot) if weight is None else (X, one_hot, np.minimum(weight, 1))], verbose=0)
    assert 0 < history["accuracy"][0] < 1 and 0 < history["val_accuracy"][0] < 1 and 0 < chunked["accuracy"][0] < 1


def test_several_scores_of_several_labels_have_no_class():
    trainer = mf.Trainer(mf.mlp([3, 3]), "hinge", metrics=["mae", "accuracy"])
    y = np.tile([1, -1, -1], (ROWS, 1))
    y[7] = 1
    message = "metric 'accuracy': expected one class in each row of y{}, .* got 3 in row 7; for several labels, write a"
    for action in (trainer.fit, trainer.evaluate):
        with pytest.raises(ValueError, match=message.format("")):
            action(X, y)
    with pytest.raises(ValueError, match=message.format(" of validation_data")):
        trainer.fit(X[:7], y[:7], validation_data=(X, y), verbose=0)
    with pytest.raises(ValueError, match=message.format(" of chunk 1")):
        trainer.fit([(X[:7], y[:7]), (X, y)], verbose=0)
    trainer.evaluate(X, y, np.arange(ROWS) != 7)  # what has no weight need not have one
    trainer.metrics = ["mae"]
    trainer.fit(X, y, verbose=0)


def test_of_several_labels():
    model = mf.mlp([3, 4, 3], "tanh", "sigmoid", dtype="float64", seed=3)
    y = (RNG.random((ROWS, 3)) < 0.4).astype(int)
    found = evaluated(model, "binary_cross_entropy", y, ["f1", "roc_auc", "balanced_accuracy", "log_loss"], WEIGHTS[1])
    p, w = model.predict(X), {"sample_weight": WEIGHTS[1]}
    expected = {
        "f1": sk.f1_score(y, p > 0.5, average="macro", **w),
        "roc_auc": sk.roc_auc_score(y, p, **w),
        "balanced_accuracy": np.mean([sk.balanced_accuracy_score(y[:, k], p[:, k] > 0.5, **w) for k in range(3)]),
        "log_loss": np.mean([sk.log_loss(y[:, k], p[:, k], **w) for k in range(3)]),
    }
    assert found == pytest.approx(expected, rel=1e-9)


def test_of_ordered_classes():
    model = mf.mlp([3, 4, 3], "tanh", "sigmoid", dtype="float64", seed=3)
    y = RNG.integers(4, size=ROWS)
    found = evaluated(model, "ordinal", y, ["accuracy", "f1", "balanced_accuracy"], None)
    guess = (model.predict(X) > 0.5).sum(axis=1)
    assert found == pytest.approx(
        {
            "accuracy": np.mean(guess == y),
            "f1": sk.f1_score(y, guess, average="macro", zero_division=0),
            "balanced_accuracy": np.mean([np.mean(guess[y == k] == k) for k in range(4)]),
        }
    )


@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_the_area_under_the_curve_of_several_classes(output):
    model = mf.mlp([3, 4, 3], "tanh", output, dtype="float64", seed=3)
    y = RNG.integers(3, size=ROWS)
    found = evaluated(model, "cross_entropy", y, ["roc_auc"], WEIGHTS[1])
    p = model.predict(X)
    p = p if output == "softmax" else np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)
    expected = sk.roc_auc_score(y, p, multi_class="ovr", sample_weight=WEIGHTS[1])
    assert found["roc_auc"] == pytest.approx(expected, rel=1e-9)


def test_ties_count_half():
    model = mf.mlp([1, 1], output_activation="sigmoid", dtype="float64")
    model.parameters = [1.0, 0.0]
    x, y = RNG.integers(4, size=(200, 1)), RNG.integers(2, size=200)
    found = mf.Trainer(model, "binary_cross_entropy", metrics=["roc_auc"]).evaluate(x, y)["roc_auc"]
    assert found == pytest.approx(sk.roc_auc_score(y, x[:, 0]))


def test_no_area_without_both():
    trainer = mf.Trainer(mf.mlp([3, 1], output_activation="sigmoid"), "binary_cross_entropy", metrics=["roc_auc"])
    assert np.isnan(trainer.evaluate(X, np.ones(ROWS))["roc_auc"])


@pytest.mark.parametrize("y", [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
def test_a_constant_target_has_no_variance(y):
    model = mf.mlp([3, 1], dtype="float64")
    model.parameters = [0, 0, 0, 1.0]
    found = mf.Trainer(model, "mse", metrics=["r2"]).evaluate(X[:3], y)["r2"]
    assert found == sk.r2_score(y, np.ones(3))


def test_in_training_means_of_rows_are_over_the_epoch_and_others_after_it():
    """One batch without a step to speak of: both are those of the model."""
    model = mf.mlp([3, 4, 3], "tanh", "softmax", dtype="float64", seed=3)
    y = RNG.integers(3, size=ROWS)
    names = ["log_loss", "brier", TopK(1), TopK(2), "accuracy", "f1", "roc_auc", "mse", "mae", "rmse"]
    trainer = mf.Trainer(model, optimizer=mf.SGD(1e-12), batch_size=None, metrics=names)
    history = trainer.fit(X, y, validation_data=(X, y, WEIGHTS[1]), sample_weight=WEIGHTS[1], verbose=0)
    evaluation = trainer.evaluate(X, y, WEIGHTS[1])
    assert {name: values[0] for name, values in history.items() if name[:4] != "val_"} == pytest.approx(evaluation)
    assert {name: history[f"val_{name}"][0] for name in evaluation} == evaluation
    assert evaluation["top_1"] == evaluation["accuracy"] < evaluation["top_2"]
    assert trainer.evaluate(X, y)["log_loss"] == pytest.approx(trainer.evaluate(X, y)["loss"])


def test_the_root_is_of_the_whole_epoch():
    model = mf.mlp([3, 1], dtype="float64", seed=3)
    trainer = mf.Trainer(model, "mse", mf.SGD(1e-12), batch_size=7, metrics=["mse", "rmse"])
    history = trainer.fit(X, X[:, 0], verbose=0)
    assert history["rmse"][0] == history["mse"][0] ** 0.5


def test_threads_do_not_show():
    model = mf.mlp([3, 40, 11], "tanh", "softmax", seed=3)
    y = RNG.integers(11, size=2000)
    names = ["log_loss", "brier", TopK(3), "ece", "f1"]
    found = {
        str(mf.Trainer(model, metrics=names, n_threads=n).evaluate(RNG.permuted(np.ones((2000, 3))), y)) for n in (1, 2)
    }
    assert len(found) == 1


# --- functions ---


def third(y, p, weights):
    return 0.0 if weights is None else float(weights.sum())


def by_name(y, p, *, sample_weight=None):
    return -1.0 if sample_weight is None else float(sample_weight.sum())


def without(y, p, digits=3):
    return 7.0


@pytest.mark.parametrize("weight", WEIGHTS, ids=["plain", "weighted", "huge"])
def test_functions_are_given_weights(weight):
    model = mf.mlp([3, 1], dtype="float64", seed=3)
    found = evaluated(model, "mse", X[:, 0], [third, by_name, without], weight)
    total = None if weight is None else weight.sum()
    assert found == pytest.approx({"third": total or 0.0, "by_name": total or -1.0, "without": 7.0})


def test_a_trainer_with_metrics_is_pickled():
    trainer = mf.Trainer(mf.mlp([3, 2], output_activation="softmax"), metrics=["f1", TopK(1), third])
    copy = pickle.loads(pickle.dumps(trainer))
    assert copy.evaluate(X, X[:, 0] > 0) == trainer.evaluate(X, X[:, 0] > 0)


# --- what has no meaning ---


@pytest.mark.parametrize(
    ("metric", "loss", "outputs", "output", "message"),
    [
        ("f1", "mse", 1, "identity", "expected a classifier for metric 'f1'"),
        ("r2", "cross_entropy", 3, "softmax", "metric 'r2': expected a loss of numbers, got 'cross_entropy'"),
        ("mape", "cross_entropy", 3, "softmax", "metric 'mape': expected a loss of numbers"),
        ("mse", "ordinal", 3, "sigmoid", "metric 'mse': expected a loss of numbers, got 'ordinal', of classes"),
        ("log_loss", "cross_entropy", 3, "identity", "metric 'log_loss': expected probabilities, .* got 'identity'"),
        ("ece", "hinge", 1, "identity", "metric 'ece': expected probabilities"),
        ("brier", "ordinal", 3, "sigmoid", "metric 'brier': expected probabilities"),
        ("top_k", "binary_cross_entropy", 3, "sigmoid", "'top_k': expected an output for each of several classes"),
        ("roc_auc", "ordinal", 3, "sigmoid", "'roc_auc': expected an output for each of several classes"),
        ("r2", "gaussian_nll", 2, "identity", "metric 'r2': expected one output for each target, got 2"),
        ("rmse", "poisson", 1, "identity", "'rmse': expected outputs .* activation exponential, got log-rates"),
        ("r2", "gamma_deviance", 1, "identity", "'r2': expected outputs .* got log-means .'identity' with loss"),
        ("mae", "tweedie_deviance", 1, "identity", "'mae': expected outputs .* got log-means .* 'tweedie_deviance'"),
        ("mse", "cross_entropy", 3, "identity", "'mse': expected outputs .* activation softmax, got logits"),
    ],
)
def test_metrics_without_a_meaning(metric, loss, outputs, output, message):
    with pytest.raises(ValueError, match=message):
        mf.Trainer(mf.mlp([2, outputs], output_activation=output), loss, metrics=[metric])


@pytest.mark.parametrize("loss", ["poisson", "gamma_deviance", "tweedie_deviance"])
def test_rates_and_means_are_like_y(loss):
    model = mf.mlp([3, 1], output_activation="exponential", dtype="float64", seed=1)
    y = RNG.gamma(2, size=ROWS)
    assert evaluated(model, loss, y, ["r2"], None)["r2"] == pytest.approx(sk.r2_score(y, model.predict(X)))


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="expected k to be >= 1"):
        TopK(0)
    with pytest.raises(ValueError, match="expected q to be > 0 and < 1"):
        Pinball(1)


def test_as_many_as_one_likes():
    metrics = [*(TopK(k) for k in range(1, 21)), *(name for name in METRICS if name not in ("pinball", "r2", "mape"))]
    metrics = [name for name in metrics if name != "mean_absolute_percentage_error"]
    model = mf.mlp([3, 25], output_activation="softmax")
    assert len(evaluated(model, "cross_entropy", RNG.integers(25, size=ROWS), metrics, None)) == len(metrics) > 30


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "hinge"])
@pytest.mark.parametrize("weighted", [False, True])
def test_evaluation_keeps_its_outputs_for_metrics_of_all_rows(loss, weighted, monkeypatch):
    """No second pass is made, and the bits are those of `predict`; rows of weight zero have theirs, too."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 9)).astype(np.float32)
    outputs = 4 if loss == "cross_entropy" else 1
    y = rng.integers(0, outputs, 700) if outputs > 1 else rng.integers(0, 2, 700).astype(np.float32)
    weights = rng.uniform(0.5, 2, 700) if weighted else None
    model = mf.mlp([9, 20, outputs], "relu", "softmax" if outputs > 1 else "identity", dropout=0.3, seed=0)
    found = []

    def keep(y_true, y_pred):
        found.append(y_pred.copy())
        return 0.0

    trainer = mf.Trainer(model, loss, metrics=[keep], batch_size=64)
    expected = model.predict(X)
    with monkeypatch.context() as patch:
        patch.setattr(mf.Model, "predict", None)
        trainer.evaluate(X, y, weights)
    trainer.evaluate(X, y, np.r_[0.0, np.ones(699)])
    assert [each.tobytes() for each in found] == [expected.tobytes()] * 2


def test_an_engine_keeps_outputs_in_an_array_that_fits():
    trainer = mf.Trainer(mf.mlp([2, 3], seed=0), "mse")
    trainer.train_on_batch([[1.0, 2.0]], [[0.0, 0.0, 0.0]])
    X, y = np.ones((4, 2), np.float32), np.ones((4, 3), np.float32)
    for wrong in (np.empty((4, 2), np.float32), np.empty((4, 3)), np.empty((3, 4), np.float32).T):
        with pytest.raises(ValueError, match=r"outputs: expected contiguous float32 \(4, 3\), got"):
            trainer._engine.evaluate(X, y, outputs=wrong)
