"""Weights of classes in a trainer: those of scikit-learn, times the sample weights; what they may be."""

import pickle

import numpy as np
import pytest

import mlpfast as mf

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
Y = RNG.choice(3, size=90, p=[0.7, 0.25, 0.05])
SAMPLE_WEIGHT = RNG.uniform(0.5, 2, size=90)


def trainer(loss="cross_entropy", outputs=3, output="softmax", **keywords):
    return mf.Trainer(mf.mlp([3, 5, outputs], "tanh", output, dtype="float64", seed=0), loss, batch_size=32, **keywords)


def assert_trains_as(weighted, y, weights, plain, sample_weight=None):
    histories = (
        weighted.fit(X, y, 3, sample_weight=sample_weight, verbose=0),
        plain.fit(X, y, 3, sample_weight=weights if sample_weight is None else weights * sample_weight, verbose=0),
    )
    assert dict(histories[0]) == dict(histories[1])
    np.testing.assert_array_equal(weighted.model.parameters, plain.model.parameters)


@pytest.mark.parametrize("sample_weight", [None, SAMPLE_WEIGHT])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 0.5, 2: 4.0}, [0.5, 1, 4], np.array([0, 1, 4])])
def test_they_multiply_sample_weights(class_weight, sample_weight):
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    named = class_weight if isinstance(class_weight, (str, dict)) else dict(enumerate(class_weight))
    expected = compute(named, classes=np.unique(Y), y=Y)[Y]
    metrics = ["accuracy"]
    weighted = trainer(class_weight=class_weight, metrics=metrics)
    assert_trains_as(weighted, Y, expected, trainer(metrics=metrics), sample_weight)


@pytest.mark.parametrize("class_weight", ["balanced", [0.5, 1, 4]])
def test_one_hot_rows_are_their_classes(class_weight):
    labels, one_hot = trainer(class_weight=class_weight), trainer(class_weight=class_weight)
    labels.fit(X, Y, 3, verbose=0)
    one_hot.fit(X, np.eye(3)[Y], 3, verbose=0)
    np.testing.assert_allclose(labels.model.parameters, one_hot.model.parameters, rtol=1e-9)


@pytest.mark.parametrize(
    ("loss", "output", "no"),
    [("binary_cross_entropy", "sigmoid", 0), ("binary_focal", "sigmoid", 0), ("hinge", "identity", -1)],
)
def test_yes_and_no(loss, output, no):
    y = np.where(Y > 0, 1, no)
    weights = np.where(Y > 0, 5.0, 0.5)
    assert_trains_as(trainer(loss, 1, output, class_weight={no: 0.5, 1: 5}), y, weights, trainer(loss, 1, output))
    assert_trains_as(trainer(loss, 1, output, class_weight=[0.5, 5]), y, weights, trainer(loss, 1, output))


def test_ordered_classes():
    weights = np.array([1, 2, 6.0])[Y]
    ordinal = "ordinal", 2, "sigmoid"
    assert_trains_as(trainer(*ordinal, class_weight=[1, 2, 6]), Y, weights, trainer(*ordinal))


def of_classes(y, h):
    return -np.log(h[np.arange(len(y)), y]), -np.eye(3)[y] / h


@pytest.mark.parametrize("class_weight", ["balanced", {0: 0.5, 2: 4.0}])
def test_a_custom_loss_of_classes(class_weight):
    weights = trainer(class_weight=class_weight).class_weight
    weights = len(Y) / (3 * np.bincount(Y)) if weights == "balanced" else np.array(weights)
    loss = mf.losses.Custom(of_classes, classes=True)
    assert_trains_as(trainer(loss, class_weight=class_weight), Y, weights[Y], trainer(loss))
    with pytest.raises(ValueError, match="expected a loss of classes, got 'custom'; give Custom classes=True, or rows"):
        trainer(mf.losses.Custom(of_classes), class_weight=class_weight)


def test_evaluation_and_validation_are_without_them():
    weighted, plain = trainer(class_weight=[1, 0, 0]), trainer()
    history = weighted.fit(X, Y, validation_data=(X, Y), verbose=0)
    plain.model.parameters = weighted.model.parameters
    assert history["val_loss"][-1] == weighted.evaluate(X, Y)["loss"] == plain.evaluate(X, Y)["loss"]


def test_a_single_step():
    weighted, plain = trainer(class_weight=[1, 2, 3]), trainer()
    assert weighted.train_on_batch(X, Y) == plain.train_on_batch(X, Y, sample_weight=Y + 1.0)
    weighted.class_weight = "balanced"
    with pytest.raises(ValueError, match="train_on_batch: class_weight='balanced' needs all of y"):
        weighted.train_on_batch(X, Y)


def test_a_class_that_is_not_there():
    """As in scikit-learn, classes are those in y."""
    y = np.where(Y == 1, 0, Y)
    weights = np.where(y == 0, 45 / np.sum(y == 0), 45 / np.sum(y == 2))
    assert_trains_as(trainer(class_weight="balanced"), y, weights, trainer())


def test_copies_keep_them():
    weighted = trainer(class_weight={1: 7})
    assert pickle.loads(pickle.dumps(weighted)).class_weight == weighted.class_weight == (1.0, 7.0, 1.0)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("balance", "expected class_weight to be 'balanced', a mapping or a sequence of 3 weights, got 'balance'"),
        ({3: 1.0}, "class indices from 0 to 2 for keys, got 3"),
        ({-1: 1.0}, "class indices from 0 to 2 for keys, got -1"),
        ({"a": 1.0}, "class indices from 0 to 2 for keys, got 'a'"),
        ({0: -1.0}, r"expected class_weight\[0\] to be >= 0, got -1"),
        ([1, np.nan, 1], r"expected class_weight\[1\] to be finite"),
        ([1, 2], "a weight for each of 3 classes, got 2"),
        (3, r"a sequence of 3 weights, got 3 \(int\)"),
    ],
)
def test_what_they_may_not_be(class_weight, message):
    with pytest.raises((ValueError, TypeError), match=message):
        trainer(class_weight=class_weight)
    made = trainer()
    with pytest.raises((ValueError, TypeError), match=message):
        made.class_weight = class_weight
    assert made.class_weight is None


def test_losses_without_classes():
    with pytest.raises(ValueError, match="class_weight: expected a loss of classes, got 'mse'"):
        trainer("mse", output="identity", class_weight="balanced")
    with pytest.raises(ValueError, match="one class for each row, got 3 outputs for yes or no .* pos_weight"):
        trainer("binary_cross_entropy", output="sigmoid", class_weight="balanced")
    made = trainer(class_weight="balanced")
    with pytest.raises(ValueError, match="expected a loss of classes"):
        made.loss = "mse"
    assert made.loss.name == "cross_entropy"


def test_rows_of_several_classes():
    soft = np.tile([0.2, 0.8, 0.0], (90, 1))
    with pytest.raises(ValueError, match="class_weight: expected one class for each row of y, got 0.8 in row 0"):
        trainer(class_weight="balanced").fit(X, soft, verbose=0)


def test_no_weight_at_all():
    made = trainer(class_weight=[0, 1, 1])
    with pytest.raises(ValueError, match="expected a positive sum of class_weight times sample_weight"):
        made.fit(X, np.zeros(90, int), verbose=0)
