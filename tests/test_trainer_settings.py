"""What a trainer was made with may be assigned later: checked, and in force from then on; the rest is read-only."""

import numpy as np
import pytest

import mlpfast as mf

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), RNG.integers(3, size=60)


def trainer(**keywords):
    keywords = {"batch_size": 16, "seed": 1, **keywords}
    return mf.Trainer(mf.mlp([4, 8, 3], "tanh", "softmax", dropout=0.3, dtype="float64", seed=1), **keywords)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", mf.losses.CrossEntropy(label_smoothing=0.3)),
        ("optimizer", mf.SGD(0.1)),
        ("optimizer", "rmsprop"),
        ("batch_size", 7),
        ("batch_size", None),
        ("l1", 0.1),
        ("l2", 0.1),
        ("shuffle", False),
        ("n_threads", 1),
        ("seed", 5),
        ("penalty_over_weights", True),
        ("class_weight", {1: 3.0}),
        ("class_weight", "balanced"),
        ("metrics", ["mse"]),
        ("metrics", [lambda y, p: 0.0]),
        ("callbacks", [mf.callbacks.Callback()]),
        ("clip_norm", 0.1),
        ("clip_value", 0.01),
        ("groups", {"biases": mf.Group(learning_rate_scale=0.1)}),
        ("groups", {"W0": mf.Group(trainable=False)}),
        ("dropout_scale", 0.5),
        ("dropout_scale", mf.schedules.Polynomial(1.0)),
        ("last_batch", "drop"),
        ("last_batch", "spread"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_assigned_after_an_epoch_is_as_made_with(name, value):
    """An epoch, then another setting: as a new trainer with it, from the same parameters, state and counts."""
    changed = trainer(l2=0.01)
    changed.fit(X, Y, verbose=0)
    made = trainer(**{"l2": 0.01, name: value})
    made.model.parameters = changed.model.parameters
    made._counts[:] = changed._counts
    made._counts[2] = changed.steps if name == "optimizer" else 0
    if name != "optimizer":
        made._state[:] = changed._state
    setattr(changed, name, value)
    histories = [each.fit(X, Y, epochs=2, verbose=0) for each in (changed, made)]
    assert dict(histories[0]) == dict(histories[1])
    np.testing.assert_array_equal(changed.model.parameters, made.model.parameters)
    assert changed.evaluate(X, Y) == made.evaluate(X, Y)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("loss", "mse2", ValueError),
        ("loss", "binary_cross_entropy", ValueError),
        ("optimizer", "adma", ValueError),
        ("batch_size", 0, ValueError),
        ("batch_size", 1.5, TypeError),
        ("l1", -1, ValueError),
        ("l2", "much", TypeError),
        ("shuffle", 1, TypeError),
        ("n_threads", 0, ValueError),
        ("seed", -1, ValueError),
        ("penalty_over_weights", None, TypeError),
        ("metrics", ["acuracy"], ValueError),
        ("callbacks", [print], TypeError),
        ("learning_rate", 0, ValueError),
        ("model", mf.mlp([4, 3]), AttributeError),
        ("steps", -1, ValueError),
        ("epochs", 1.5, TypeError),
        ("clip_norm", 0, ValueError),
        ("clip_value", -1, ValueError),
        ("groups", {"W7": mf.Group()}, ValueError),
        ("dropout_scale", -1, ValueError),
        ("last_batch", "skip", ValueError),
        ("class_weight", [1.0], ValueError),
        ("run_id", "mine", AttributeError),
        ("schedules", {}, AttributeError),
        ("program", None, AttributeError),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(name, value, error):
    one = trainer(metrics=["accuracy"])
    before = getattr(one, name)
    with pytest.raises(error):
        setattr(one, name, value)
    assert getattr(one, name) is before or getattr(one, name) == before
    one.fit(X, Y, verbose=0)


def test_another_loss_means_another_accuracy():
    model = mf.mlp([4, 1], output_activation="identity")
    one = mf.Trainer(model, "binary_cross_entropy", metrics=["accuracy"])
    with pytest.raises(ValueError, match="expected a classifier"):
        one.loss = "mse"
    assert one.loss == mf.losses.BinaryCrossEntropy()
    one.metrics = []
    one.loss = "mse"
    assert list(one.evaluate(X, RNG.normal(size=60))) == ["loss"]


def test_the_rate_of_an_assigned_optimizer():
    one = trainer(optimizer=mf.Adam(0.1))
    one.learning_rate = 0.05
    one.optimizer = mf.AdamW(0.1, weight_decay=0.3)  # the same rate, the same kind: the current rate and the state stay
    assert one.learning_rate == 0.05
    one.fit(X, Y, verbose=0)
    state = one._state.copy()
    one.optimizer = mf.Adam(0.2)
    assert one.learning_rate == 0.2
    np.testing.assert_array_equal(one._state, state)
    one.optimizer = mf.SGD(0.2, momentum=0.5)
    assert not one._state.any()


def test_a_new_optimizer_corrects_its_means_from_its_first_step():
    """Adam's first step is the learning rate times the gradient's sign, whenever it comes."""
    one = trainer(optimizer=mf.SGD(0.01), batch_size=None)
    one.fit(X, Y, epochs=50, verbose=0)
    one.optimizer = mf.Adam(0.25)
    before = one.model.parameters.copy()
    one.fit(X, Y, verbose=0)
    moved = np.abs(one.model.parameters - before)
    assert np.median(moved) == pytest.approx(0.25, rel=1e-4)
