"""Training: the steps against their formulas in NumPy, and what the trainer promises around them."""

import contextlib
import copy
import fcntl
import io
import json
import math
import os
import pickle
import re
import struct
import sys
import termios
import time
from xml.etree import ElementTree

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.core.random import permutation
from mlpfast.progress import with_si_prefix
from mlpfast.trainer import History

OPTIMIZERS = [
    mf.SGD(0.1),
    mf.SGD(0.1, momentum=0.9),
    mf.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    mf.RMSprop(0.01),
    mf.RMSprop(0.01, rho=0.8, momentum=0.5, weight_decay=0.1),
    mf.Adam(0.01),
    mf.Adam(0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-3),
    mf.Adam(0.01, epsilon=1e-3, epsilon_hat=True),
    mf.Adam(0.01, amsgrad=True, beta_2=0.5),
    mf.AdamW(0.01),
    mf.Adagrad(0.01),
    mf.Adagrad(0.1, initial_accumulator_value=0.1, epsilon=1e-3, weight_decay=0.1),
    mf.NAdam(0.01),
    mf.NAdam(0.01, beta_1=0.3, beta_2=0.9, epsilon=1e-3, momentum_decay=1.0, weight_decay=0.1),
    mf.Lion(0.001),
    mf.Lion(0.01, beta_1=0.5, beta_2=0.8, weight_decay=0.1),
    mf.ScheduleFreeAdamW(0.01),
    mf.ScheduleFreeAdamW(0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-3, r=1.5, weight_decay=0.1),
]


def regression(n=50, inputs=3, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, inputs))
    return X, np.sin(X @ rng.normal(size=(inputs, outputs)))


def classification(n=60, inputs=4, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, inputs))
    return X, (X @ rng.normal(size=(inputs, classes))).argmax(axis=1)


def classifier(dtype="float64", **keywords):
    model = mf.mlp([4, 8, 3], "tanh", "softmax", dtype=dtype, seed=1)
    return mf.Trainer(model, **{"batch_size": 16, "seed": 3, **keywords})


class Reference:
    """The optimizers in NumPy, as their docstrings have them."""

    def __init__(self, optimizer, model):
        self.optimizer, self.t = optimizer, 0
        self.p = model.parameters.copy()
        self.m, self.v, self.largest = (np.zeros_like(self.p) for _ in range(3))
        self.momenta, self.weights = 1.0, 0.0
        self.z = self.x = self.p
        if optimizer.name == "adagrad":
            self.v += optimizer.initial_accumulator_value
        self.is_weight = np.zeros(self.p.size, bool)
        start = 0
        for W, b in zip(model.weights, model.biases, strict=True):
            self.is_weight[start : start + W.size] = True
            start += W.size + b.size

    def step(self, g):
        o, lr = self.optimizer, self.optimizer.learning_rate
        self.t += 1
        decay = np.where(self.is_weight, lr * o.weight_decay, 0) * self.p
        if o.name == "schedule_free_adamw":
            self.v = o.beta_2 * self.v + (1 - o.beta_2) * g**2
            self.z = self.z - lr * g / (np.sqrt(self.v / (1 - o.beta_2**self.t)) + o.epsilon) - decay
            weight = lr**2 * self.t**o.r
            self.weights += weight
            self.x = self.x + weight / self.weights * (self.z - self.x)
            self.p = (1 - o.beta_1) * self.z + o.beta_1 * self.x
            return
        self.p = self.p - decay
        if o.name == "sgd":
            self.m = o.momentum * self.m - lr * g
            self.p += o.momentum * self.m - lr * g if o.nesterov else self.m
        elif o.name == "rmsprop":
            self.v = o.rho * self.v + (1 - o.rho) * g**2
            self.m = o.momentum * self.m - lr * g / (np.sqrt(self.v) + o.epsilon)
            self.p += self.m
        elif o.name == "adagrad":
            self.v += g**2
            self.p -= lr * g / (np.sqrt(self.v) + o.epsilon)
        elif o.name == "lion":
            self.p -= lr * np.sign(o.beta_1 * self.m + (1 - o.beta_1) * g)
            self.m = o.beta_2 * self.m + (1 - o.beta_2) * g
        elif o.name == "nadam":
            now, following = (o.beta_1 * (1 - 0.5 * 0.96 ** (t * o.momentum_decay)) for t in (self.t, self.t + 1))
            self.momenta *= now
            self.m = o.beta_1 * self.m + (1 - o.beta_1) * g
            self.v = o.beta_2 * self.v + (1 - o.beta_2) * g**2
            m_hat = following * self.m / (1 - self.momenta * following) + (1 - now) * g / (1 - self.momenta)
            self.p -= lr * m_hat / (np.sqrt(self.v / (1 - o.beta_2**self.t)) + o.epsilon)
        else:
            self.m = o.beta_1 * self.m + (1 - o.beta_1) * g
            self.v = o.beta_2 * self.v + (1 - o.beta_2) * g**2
            self.largest = np.maximum(self.largest, self.v)
            v = self.largest if o.amsgrad else self.v
            correct_m, correct_v = 1 - o.beta_1**self.t, 1 - o.beta_2**self.t
            if o.epsilon_hat:
                self.p -= lr * math.sqrt(correct_v) / correct_m * self.m / (np.sqrt(v) + o.epsilon)
            else:
                self.p -= lr * (self.m / correct_m) / (np.sqrt(v / correct_v) + o.epsilon)


def test_every_optimizer_has_a_reference():
    assert {type(optimizer) for optimizer in OPTIMIZERS} == {
        each for each in mf.optimizers.OPTIMIZERS.values() if not each.full_batch
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_epochs_are_the_formulas(optimizer, weighted):
    X, y = regression(50)  # batches of 16, 16, 16 and 2
    weight = np.random.default_rng(1).uniform(0.1, 2, 50) if weighted else None
    model = mf.mlp([3, 5, 2], "tanh", dtype="float64", seed=2)
    penalties = {"l1": 0.003, "l2": 0.02}
    reference, gradients_of = Reference(optimizer, model), model.copy()
    trainer = mf.Trainer(model, "mse", optimizer, batch_size=16, seed=5, **penalties)
    history = trainer.fit(X, y, epochs=3, sample_weight=weight, verbose=0)
    for epoch in range(3):
        order = permutation(5, 1, epoch, 50)
        losses, weights = [], []
        for start in range(0, 50, 16):
            rows = order[start : start + 16]
            w = None if weight is None else weight[rows]
            gradients_of.parameters = reference.p
            loss, g = gradients_of.loss_and_gradient(X[rows], y[rows], "mse", sample_weight=w, **penalties)
            data_loss, _ = gradients_of.loss_and_gradient(X[rows], y[rows], "mse", sample_weight=w)
            reference.step(g)
            total = len(rows) if w is None else w.sum()
            losses.append((data_loss * total, (loss - data_loss) * len(rows)))
            weights.append(total)
        data_losses, penalty = np.sum(losses, axis=0)
        assert history["loss"][epoch] == pytest.approx(data_losses / sum(weights) + penalty / 50, rel=1e-12)
    shown = reference.x if optimizer.averages else reference.p
    np.testing.assert_allclose(model.parameters, shown, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ema", [None, 0.5])
def test_the_formulas_hold_where_bias_corrections_are_over(ema):
    steps, optimizer = 130, mf.Adam(1e-4, beta_1=0.5, beta_2=0.6, ema=ema)  # 0.6^130 is less than 2^-54
    X, y = regression(50)
    model = mf.mlp([3, 5, 2], "tanh", dtype="float64", seed=2)
    reference, gradients_of, average = Reference(optimizer, model), model.copy(), np.zeros(model.n_parameters)
    mf.Trainer(model, "mse", optimizer, batch_size=None, shuffle=False).fit(X, y, epochs=steps, verbose=0)
    for _ in range(steps):
        gradients_of.parameters = reference.p
        reference.step(gradients_of.loss_and_gradient(X, y, "mse")[1])
        average += 0.5 * (reference.p - average)
    shown = average / (1 - 0.5**steps) if optimizer.averages else reference.p
    np.testing.assert_allclose(model.parameters, shown, rtol=1e-8, atol=1e-10)


def test_roots_and_quotients_are_rounded_once():
    """As NumPy's are, by IEEE 754, also where an instruction set has a faster way to the root."""
    ordinary = np.arange(1, 900_000) / 2**19  # 1 + g^2 is in float64 what it is, and goes through [1, 4)
    wide = np.ldexp(np.linspace(1, 2, 100_000), np.arange(100_000) % 121 - 60)
    for g, initial in [(ordinary, 1.0), (wide, 0.0)]:
        g = g.astype(np.float32)
        model = mf.Model(len(g), [mf.Dense(1, use_bias=False)])
        model.parameters[:] = 0
        optimizer = mf.Adagrad(1.0, initial_accumulator_value=initial)
        mf.Trainer(model, "mse", optimizer, batch_size=1).fit(g[None], np.array([[-1.0]], np.float32), verbose=0)
        s = (g.astype(np.float64) ** 2 + initial).astype(np.float32)
        np.testing.assert_array_equal(model.parameters, -(g / (np.sqrt(s) + np.float32(1e-10))))


def test_each_epoch_sees_each_row_once_in_a_new_order():
    orders = [permutation(0, 1, epoch, 1000) for epoch in range(5)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert len({order.tobytes() for order in orders}) == 5


def test_without_shuffling_rows_come_as_they_are():
    X, y = regression()
    trainers = [
        mf.Trainer(mf.mlp([3, 2], dtype="float64"), "mse", batch_size=16, shuffle=False, seed=s) for s in (0, 1)
    ]
    for trainer in trainers:
        trainer.fit(X, y, epochs=2, verbose=0)
    by_hand = mf.Trainer(mf.mlp([3, 2], dtype="float64"), "mse")
    for start in [*range(0, 50, 16)] * 2:
        by_hand.train_on_batch(X[start : start + 16], y[start : start + 16])
    for trainer in trainers:
        np.testing.assert_array_equal(trainer.model.parameters, by_hand.model.parameters)


def test_full_batch():
    X, y = regression()
    full = mf.Trainer(mf.mlp([3, 2], dtype="float64"), "mse", mf.SGD(0.1), batch_size=None, shuffle=False)
    model = full.model.copy()
    full.fit(X, y, epochs=1, verbose=0)
    assert full.steps == 1
    _, gradient = model.loss_and_gradient(X, y, "mse")
    np.testing.assert_allclose(full.model.parameters, model.parameters - 0.1 * gradient, rtol=1e-13)
    larger = mf.Trainer(model, "mse", mf.SGD(0.1), batch_size=10**9, shuffle=False)
    larger.fit(X, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(larger.model.parameters, full.model.parameters)


def test_a_full_batch_of_many_rows():
    X, y = regression(5000)
    trainer = mf.Trainer(mf.mlp([3, 7, 2], "tanh", dtype="float64"), "mse", mf.SGD(0.1), batch_size=None, shuffle=False)
    model = trainer.model.copy()
    _, gradient = model.loss_and_gradient(X, y, "mse")
    trainer.fit(X, y, epochs=1, verbose=0)
    np.testing.assert_allclose(trainer.model.parameters, model.parameters - 0.1 * gradient, rtol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_fitting_twice_is_fitting_longer(optimizer):
    X, y = classification()
    twice, once = classifier(optimizer=optimizer), classifier(optimizer=optimizer)
    twice.fit(X, y, epochs=2, verbose=0)
    twice.fit(X, y, epochs=3, verbose=0)
    once.fit(X, y, epochs=5, verbose=0)
    np.testing.assert_array_equal(twice.model.parameters, once.model.parameters)
    assert (twice.epochs, twice.steps) == (once.epochs, once.steps) == (5, 20)


def test_a_pickled_trainer_goes_on_where_it_was():
    X, y = classification()
    trainer = classifier(metrics=["accuracy"])
    trainer.fit(X, y, epochs=2, verbose=0)
    twin = pickle.loads(pickle.dumps(trainer))
    for each in (trainer, twin):
        each.fit(X, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(twin.model.parameters, trainer.model.parameters)
    assert twin.model is not trainer.model
    assert twin.history["loss"] == trainer.history["loss"]


def test_the_seed_decides():
    X, y = classification()
    results = []
    for seed in (1, 1, 2):
        trainer = classifier(seed=seed)
        trainer.fit(X, y, epochs=2, verbose=0)
        results.append(trainer.model.parameters)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


def test_weights_count_rows():
    """Integer weights do what repeated rows do."""
    X, y = classification()
    counts = np.random.default_rng(0).integers(1, 4, len(y))
    weighted, repeated = (
        mf.Trainer(mf.mlp([4, 3], output_activation="softmax", dtype="float64"), batch_size=None, metrics=["accuracy"])
        for _ in range(2)
    )
    of_weights = weighted.fit(X, y, epochs=5, sample_weight=counts, verbose=0)
    of_rows = repeated.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts), epochs=5, verbose=0)
    np.testing.assert_allclose(weighted.model.parameters, repeated.model.parameters, rtol=1e-9)
    np.testing.assert_allclose(of_weights["accuracy"], of_rows["accuracy"], rtol=1e-12)
    evaluated = weighted.evaluate(X, y, counts), weighted.evaluate(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert evaluated[0] == pytest.approx(evaluated[1], rel=1e-12)


def test_rows_of_weight_zero_do_not_count():
    X, y = classification()
    weight = np.ones(60)
    weight[16:32] = 0  # one whole batch among them
    trainer = classifier(shuffle=False, optimizer=mf.SGD(0.1))
    history = trainer.fit(X, y, epochs=1, sample_weight=weight, verbose=0)
    without = classifier(shuffle=False, optimizer=mf.SGD(0.1))
    keep = weight > 0
    expected = without.fit(X[keep], y[keep], epochs=1, verbose=0)
    np.testing.assert_array_equal(trainer.model.parameters, without.model.parameters)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_evaluate(dtype):
    X, y = classification()
    trainer = classifier(dtype, metrics=["accuracy", "mse", "mae"], l2=0.1, l1=0.05)
    got = trainer.evaluate(X, y)
    p = trainer.model.predict(X).astype(np.float64)
    one_hot = np.eye(3)[y]
    penalty = sum(0.05 * np.abs(W).sum() + 0.05 * (W**2).sum() for W in trainer.model.weights)
    expected = {
        "loss": -np.log(p[np.arange(60), y]).mean() + penalty,
        "accuracy": (p.argmax(axis=1) == y).mean(),
        "mse": ((p - one_hot) ** 2).mean(),
        "mae": np.abs(p - one_hot).mean(),
    }
    assert got == pytest.approx(expected, rel=1e-5 if dtype == "float32" else 1e-12)
    assert list(got) == ["loss", "accuracy", "mse", "mae"]


def test_evaluate_changes_nothing_and_needs_no_fit():
    X, y = classification()
    trainer = classifier()
    before = trainer.model.parameters.copy()
    first = trainer.evaluate(X, y)
    np.testing.assert_array_equal(trainer.model.parameters, before)
    trainer.fit(X, y, epochs=1, verbose=0)
    trainer.model.parameters = before
    assert trainer.evaluate(X, y) == first


def test_binary_accuracy():
    X, _ = classification()
    y = (X[:, 0] > 0).astype(float)
    for output in ("sigmoid", "identity"):  # probabilities, logits
        trainer = mf.Trainer(
            mf.mlp([4, 1], output_activation=output), "binary_cross_entropy", mf.Adam(0.05), metrics=["accuracy"]
        )
        trainer.fit(X, y, epochs=60, verbose=0)
        predicted = trainer.model.predict(X)[:, 0] > (0.5 if output == "sigmoid" else 0)
        accuracy = trainer.evaluate(X, y)["accuracy"]
        assert accuracy == pytest.approx((predicted == y).mean())
        assert accuracy > 0.9


def test_metrics_of_functions():
    X, y = classification()
    seen = []

    def top1(y_true, y_pred):
        seen.append((y_true.shape, y_pred.shape))
        return (y_pred.argmax(axis=1) == y_true).mean()

    trainer = classifier(metrics=["accuracy", top1])
    history = trainer.fit(X, y, epochs=2, validation_data=(X[:20], y[:20]), verbose=0)
    assert list(history) == ["loss", "accuracy", "top1", "val_loss", "val_accuracy", "val_top1"]
    assert history["val_top1"] == pytest.approx(history["val_accuracy"])
    assert seen == [((60,), (60, 3)), ((20,), (20, 3))] * 2
    assert trainer.evaluate(X, y)["top1"] == trainer.evaluate(X, y)["accuracy"] == history["top1"][-1]


def test_two_names_of_one_metric():
    X, y = regression()
    trainer = mf.Trainer(mf.mlp([3, 2]), "mse", metrics=["mse", "mean_squared_error", "mae", "mean_absolute_error"])
    got = trainer.evaluate(X, y)
    assert got["mse"] == got["mean_squared_error"] == pytest.approx(got["loss"], rel=1e-5)  # 1/2, but of 2 outputs
    assert got["mae"] == got["mean_absolute_error"]


def test_history():
    X, y = classification()
    trainer = classifier(metrics=["accuracy"])
    history = trainer.fit(X, y, epochs=4, validation_data=(X, y, np.ones(60)), verbose=0)
    assert history is trainer.history
    assert isinstance(history, History)
    assert dict(history).keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert {len(values) for values in history.values()} == {4}
    assert all(type(value) is float for values in history.values() for value in values)
    assert history.epochs == len(history.seconds) == len(history.samples_per_second) == 4
    assert history.stopped_by == "epochs"
    assert history["loss"][-1] < history["loss"][0]
    assert history["val_loss"][-1] == pytest.approx(trainer.evaluate(X, y)["loss"])
    with pytest.raises(KeyError):
        history["lsos"]


def test_a_history_is_a_table():
    pandas = pytest.importorskip("pandas")
    X, y = classification()
    history = classifier(metrics=["accuracy"]).fit(X, y, epochs=4, validation_data=(X, y), verbose=0)
    frame = history.to_frame()
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert frame.index.name == "epoch"
    for table in (frame, pandas.DataFrame(history), pandas.read_json(io.StringIO(json.dumps(history)))):
        assert table.columns.tolist() == ["loss", "accuracy", "val_loss", "val_accuracy"]
        np.testing.assert_allclose(table.to_numpy(), np.array(list(history.values())).T)
    assert History().to_frame().empty


def test_a_frame_without_pandas_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"to_frame needs pandas; install it with: python -m pip install pandas"):
        History().to_frame()


def test_a_history_may_be_copied():
    X, y = classification()
    history = classifier().fit(X, y, epochs=2, verbose=0)
    for twin in (pickle.loads(pickle.dumps(history)), copy.deepcopy(history)):
        assert (twin, vars(twin)) == (history, vars(history))
        assert twin["loss"] is not history["loss"]


def test_reprs():
    X, y = classification()
    trainer = classifier(metrics=["accuracy"])
    assert repr(trainer) == (
        "<Trainer of a 4-8-3 model: loss cross_entropy, adam at 0.001, batch_size=16; 0 epochs, 0 steps>"
    )
    history = trainer.fit(X, y, epochs=12, verbose=0)
    last = f"loss={history['loss'][-1]:.4g}, accuracy={history['accuracy'][-1]:.4g}"
    assert repr(history) == f"<History of 12 epochs, {last}; all epochs done>"
    assert repr(trainer).endswith(f"; 12 epochs, 48 steps, {last}>")
    assert repr(History()) == "<History of 0 epochs>"


def cells(page):
    """The text of the cells of an HTML table, row by row; the parser checks that it is well-formed."""
    return [[cell.text for cell in row] for row in ElementTree.fromstring(page).iter("tr")]


def test_a_history_in_a_notebook():
    def one(y, p):
        return 1.0

    one.__name__ = "<one> & only"
    X, y = classification()
    history = classifier(metrics=[one]).fit(X, y, epochs=12, verbose=0)
    rows = cells(history._repr_html_())
    assert rows[0] == ["epoch", "loss", "<one> & only"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2", "3", "4", "...", "7", "8", "9", "10", "11"]
    assert rows[-1] == ["11", f"{history['loss'][-1]:.4g}", "1"]
    short = classifier().fit(X, y, epochs=2, verbose=0)
    assert [row[0] for row in cells(short._repr_html_())] == ["epoch", "0", "1"]
    assert cells(History()._repr_html_()) == [["epoch"]]


# --- parameters that are shown ---


def test_shown_parameters_are_put_back_by_fit():
    X, y = regression()
    results = []
    for shows in (0, 1, 2):
        trainer = mf.Trainer(mf.mlp([3, 4, 2]), "mse")
        trainer.fit(X, y, verbose=0)
        for i in range(shows):
            trainer.show(np.full(trainer.model.n_parameters, i))
            np.testing.assert_array_equal(trainer.model.parameters, i)
        trainer.fit(X, y, verbose=0)
        results.append(trainer.model.parameters)
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


def test_a_fit_that_is_refused_leaves_them():
    X, y = regression()
    trainer = mf.Trainer(mf.mlp([3, 4, 2]), "mse")
    last = trainer.model.parameters.copy()
    trainer.show(np.zeros(trainer.model.n_parameters))
    with pytest.raises(ValueError, match="expected 3 features"):
        trainer.fit(X[:, :2], y)
    with pytest.raises(ValueError, match="shape"):
        trainer.show(np.zeros(3))
    np.testing.assert_array_equal(trainer.model.parameters, 0)
    trainer.take_up()
    np.testing.assert_array_equal(trainer.model.parameters, last)
    trainer.model.parameters[:] = 3
    trainer.take_up()  # once
    np.testing.assert_array_equal(trainer.model.parameters, 3)


def test_training_metrics_are_averages_over_the_epoch():
    X, y = classification()
    trainer = classifier(metrics=["accuracy"], optimizer=mf.SGD(1e-12))  # so that the model stays as it is
    history = trainer.fit(X, y, epochs=1, verbose=0)
    evaluated = trainer.evaluate(X, y)
    assert history["accuracy"][0] == pytest.approx(evaluated["accuracy"])
    assert history["loss"][0] == pytest.approx(evaluated["loss"])


def test_train_on_batch():
    X, y = classification()
    trainer = classifier()
    loss = trainer.evaluate(X[:10], y[:10])["loss"]
    assert trainer.train_on_batch(X[:10], y[:10]) == pytest.approx(loss)
    assert trainer.train_on_batch(X[:10], y[:10]) < loss
    assert trainer.train_on_batch(X[:40], y[:40], np.ones(40)) > 0  # more than batch_size: one step nevertheless
    assert (trainer.epochs, trainer.steps) == (0, 3)


def test_the_learning_rate_may_change():
    X, y = regression()
    model = mf.mlp([3, 2], dtype="float64")
    start = model.copy()
    trainer = mf.Trainer(model, "mse", mf.SGD(0.1), batch_size=None)
    assert trainer.learning_rate == 0.1
    trainer.learning_rate = 0.2
    trainer.fit(X, y, epochs=1, verbose=0)
    _, gradient = start.loss_and_gradient(X, y, "mse")
    np.testing.assert_allclose(model.parameters, start.parameters - 0.2 * gradient, rtol=1e-12)
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="learning_rate"):
            trainer.learning_rate = wrong


def test_a_time_budget():
    X, y = classification()
    trainer = classifier()
    started = time.monotonic()
    history = trainer.fit(X, y, epochs=10**6, verbose=0, max_seconds=0.2, validation_data=(X, y))
    assert time.monotonic() - started >= 0.2
    assert history.stopped_by == "max_seconds"
    assert 0 < history.epochs < 10**6
    assert len(history["loss"]) == len(history["val_loss"]) == history.epochs
    with pytest.raises(ValueError, match="max_seconds"):
        trainer.fit(X, y, max_seconds=0)


def test_out_of_time_at_once():
    X, y = classification()
    trainer = classifier(batch_size=1)
    history = trainer.fit(X, y, epochs=10**6, verbose=0, max_seconds=1e-9)
    assert history.stopped_by == "max_seconds"
    assert history.epochs <= 1


def test_penalty_over_weights():
    X, y = regression()
    trainer = mf.Trainer(
        mf.mlp([3, 2], dtype="float64"), "mse", mf.SGD(0.1), batch_size=None, l2=0.5, penalty_over_weights=True
    )
    start = trainer.model.copy()
    history = trainer.fit(X, y, epochs=1, verbose=0)
    loss, gradient = start.loss_and_gradient(X, y, "mse", l2=0.5 / 50)
    np.testing.assert_allclose(trainer.model.parameters, start.parameters - 0.1 * gradient, rtol=1e-12)
    assert history["loss"] == pytest.approx([loss])


# --- input ---


def test_any_input_will_do():
    X, y = classification()
    X = np.round(10 * X)
    results = []
    for features, targets in [
        (X, y),
        (np.asfortranarray(X), y.astype(np.uint8)),
        (X.astype(np.int64), y.astype(np.int8)[:, None]),
        (X.tolist(), y.tolist()),
        (X.astype(np.float32), np.eye(3)[y]),
    ]:
        trainer = classifier("float32")
        trainer.fit(features, targets, epochs=2, verbose=0)
        results.append(trainer.model.parameters)
    for other in results[1:-1]:
        np.testing.assert_array_equal(other, results[0])
    np.testing.assert_allclose(results[-1], results[0], rtol=1e-4, atol=1e-6)  # one-hot targets add zeros


def test_frames():
    pandas = pytest.importorskip("pandas")
    X, y = classification()
    trainer, with_frames = classifier(), classifier()
    trainer.fit(X, y, verbose=0)
    with_frames.fit(pandas.DataFrame(X), pandas.Series(y), verbose=0)
    np.testing.assert_array_equal(with_frames.model.parameters, trainer.model.parameters)


def test_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    X = sparse.random(60, 4, density=0.4, format="csr", random_state=0)
    y = np.random.default_rng(0).integers(3, size=60)
    dense, csr, csc = classifier(metrics=["accuracy"]), classifier(metrics=["accuracy"]), classifier()
    history = dense.fit(X.toarray(), y, epochs=2, verbose=0)
    assert csr.fit(X, y, epochs=2, verbose=0, validation_data=(X, y))["loss"] == history["loss"]
    csc.fit(X.tocsc(), y, epochs=2, verbose=0)
    for trainer in (csr, csc):
        np.testing.assert_array_equal(trainer.model.parameters, dense.model.parameters)
    assert csr.evaluate(X, y) == dense.evaluate(X.toarray(), y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones((60, 5))}, r"expected 4 features, got 5 \(X has shape \(60, 5\)\)"),
        ({"X": np.ones(60)}, "2-D"),
        ({"X": np.ones((0, 4))}, "at least one row"),
        ({"y": np.zeros(59, int)}, "59"),
        ({"y": np.full(60, 3)}, "from 0 to 2, got 3"),
        ({"y": np.zeros((60, 2))}, "y"),
        ({"sample_weight": np.zeros(60)}, "positive sum"),
        ({"sample_weight": np.full(60, -1.0)}, ">= 0"),
        ({"sample_weight": np.ones(59)}, "59"),
        ({"epochs": 0}, "epochs"),
        ({"validation_data": 3}, "validation_data"),
        ({"validation_data": (np.ones((5, 4)),)}, "of length 1"),
        ({"validation_data": (np.ones((5, 3)), np.zeros(5, int))}, "X of validation_data"),
        ({"validation_data": (np.ones((5, 4)), np.zeros(4, int))}, "y of validation_data"),
    ],
)
def test_bad_input_is_a_clear_error_and_changes_nothing(change, message):
    X, y = classification()
    trainer = classifier()
    before = trainer.model.parameters.copy()
    with pytest.raises(ValueError, match=message):
        trainer.fit(**{"X": X, "y": y, "verbose": 0, **change})
    np.testing.assert_array_equal(trainer.model.parameters, before)
    assert trainer.steps == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(value):
    X, y = classification()
    X[3, 1] = value
    with pytest.raises(ValueError, match="row 3, column 1"):
        classifier().fit(X, y, verbose=0)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"loss": "cross_entrpy"}, ValueError, "did you mean 'cross_entropy'"),
        ({"optimizer": "adma"}, ValueError, "did you mean 'adam'"),
        ({"metrics": ["acuracy"]}, ValueError, "did you mean 'accuracy'"),
        ({"metrics": "accuracy"}, TypeError, r"write \['accuracy'\]"),
        ({"metrics": ["mse", "mse"]}, ValueError, "names of their own"),
        ({"metrics": [3]}, TypeError, "metric"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 1.5}, TypeError, "batch_size"),
        ({"l1": -1}, ValueError, "l1"),
        ({"l2": math.nan}, ValueError, "l2"),
        ({"shuffle": "no"}, TypeError, "shuffle"),
        ({"n_threads": 0}, ValueError, "n_threads"),
        ({"seed": -1}, ValueError, "seed"),
        ({"callbacks": [print]}, TypeError, "callback"),
        ({"loss": "binary_cross_entropy"}, ValueError, "sigmoid"),
    ],
)
def test_bad_arguments(keywords, error, message):
    with pytest.raises(error, match=message):
        classifier(**keywords)


def test_accuracy_needs_a_classifier():
    with pytest.raises(ValueError, match="expected a classifier"):
        mf.Trainer(mf.mlp([3, 2]), "mse", metrics=["accuracy"])
    with pytest.raises(TypeError, match="expected model to be a Model"):
        mf.Trainer("model")
    squared = mf.Trainer(mf.mlp([4, 3], output_activation="softmax"), "mse", metrics=["accuracy"])
    X, y = classification()
    p = squared.model.predict(X)
    assert squared.evaluate(X, np.eye(3)[y])["accuracy"] == pytest.approx((p.argmax(axis=1) == y).mean())


# --- a loss that goes away ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_keeps_the_last_finite_parameters(dtype):
    X, y = regression(200)
    trainer = mf.Trainer(mf.mlp([3, 8, 2], "relu", dtype=dtype), "mse", mf.SGD(2.0), batch_size=10)
    with pytest.raises(mf.DivergenceError, match="smaller learning rate") as caught:
        trainer.fit(X, y, epochs=100, verbose=0)
    assert np.isfinite(trainer.model.parameters).all()
    assert caught.value.step == trainer.steps > 0
    assert f"optimizer step {trainer.steps}" in str(caught.value)
    assert "learning rate 2" in str(caught.value)
    assert trainer.history.stopped_by == "divergence"
    # They are those after `steps` steps: another trainer, step by step, comes to the same.
    twin = mf.Trainer(mf.mlp([3, 8, 2], "relu", dtype=dtype), "mse", mf.SGD(2.0), batch_size=10)
    for step in range(trainer.steps):
        rows = permutation(0, 1, step // 20, 200)[step % 20 * 10 :][:10]
        twin.train_on_batch(X[rows], y[rows])
    np.testing.assert_array_equal(twin.model.parameters, trainer.model.parameters)
    np.testing.assert_array_equal(twin._state, trainer._state)
    # And they are the last: the next step, or the loss before it, is not finite.
    rows = permutation(0, 1, trainer.steps // 20, 200)[trainer.steps % 20 * 10 :][:10]
    with pytest.raises(mf.DivergenceError):
        twin.train_on_batch(X[rows], y[rows])
    np.testing.assert_array_equal(twin.model.parameters, trainer.model.parameters)


@pytest.mark.parametrize(("dtype", "steps"), [("float32", 38), ("float64", 308)])
def test_divergence_behind_a_saturated_activation(dtype, steps):
    """An infinite weight before a tanh leaves the loss finite: it is found at the end of the epoch, and undone."""
    model = mf.mlp([1, 1, 1], "tanh", dtype=dtype)
    model.parameters = [1, 0, 0, 0]  # the output, and with it every gradient, is zero; the target is, too
    optimizer = mf.SGD(1.0, weight_decay=11)  # the weights are multiplied by -10 in each step
    trainer = mf.Trainer(model, "mse", optimizer, batch_size=1)
    with pytest.raises(mf.DivergenceError):
        trainer.fit(np.ones((1000, 1)), np.zeros(1000), verbose=0)
    assert trainer.steps == steps
    np.testing.assert_allclose(model.parameters, [10.0**steps, 0, 0, 0], rtol=1e-5)


OVERFLOWING = [
    mf.Adam(),
    mf.Adam(amsgrad=True),
    mf.AdamW(),
    mf.RMSprop(),
    mf.Adagrad(),
    mf.NAdam(),
    mf.ScheduleFreeAdamW(),
]


@pytest.mark.parametrize("optimizer", OVERFLOWING, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_square_of_a_gradient_that_overflows(optimizer, dtype):
    """By its infinite running mean the parameter would never move again, and nothing else would tell."""
    large = float(np.finfo(dtype).max) ** 0.4  # its square is finite, as the loss is; that of the gradient is not
    trainer = mf.Trainer(mf.mlp([2, 1], dtype=dtype, seed=0), "mse", optimizer, batch_size=4, shuffle=False)
    X, y = np.ones((12, 2)), np.zeros(12)
    X[8:], y[8:] = large, large
    twin = mf.Trainer(trainer.model.copy(), "mse", optimizer)
    with pytest.raises(mf.DivergenceError, match="step 2 of epoch 0.* optimizer's state are not finite") as caught:
        trainer.fit(X, y, verbose=0)
    assert caught.value.step == trainer.steps == 2
    for _ in range(2):
        twin.train_on_batch(X[:4], y[:4])
    np.testing.assert_array_equal(trainer.model.parameters, twin.model.parameters)
    np.testing.assert_array_equal(trainer._state, twin._state)


def test_divergence_in_one_step():
    X, y = regression()
    trainer = mf.Trainer(mf.mlp([3, 2]), "mse", mf.SGD(1e38), batch_size=None)
    before = trainer.model.parameters.copy()
    with pytest.raises(mf.DivergenceError):
        trainer.fit(1e3 * X, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(trainer.model.parameters, before)
    trainer.learning_rate = 1e-8
    trainer.fit(1e3 * X, y, epochs=1, verbose=0)  # and it can go on
    assert trainer.history.stopped_by == "epochs"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_that_is_not_finite_is_not_hidden(dtype):
    X, y = regression()
    model = mf.mlp([3, 8, 2], "relu", dtype=dtype)
    model.parameters[:] = np.finfo(dtype).max / 8
    trainer = mf.Trainer(model, "mse")
    for loss in (
        trainer.evaluate(X, y)["loss"],
        model.loss_and_gradient(X, y, "mse")[0],
        trainer.loss_and_gradient(X.astype(dtype), y.astype(dtype))[0],
    ):
        assert not math.isfinite(loss)


def test_loss_and_gradient_of_checked_data():
    X, y = regression()
    trainer = mf.Trainer(mf.mlp([3, 8, 2], "tanh", dtype="float64"), "mse", l1=0.01, l2=0.1, batch_size=16)
    for penalties, expected in [({}, {"l1": 0.01, "l2": 0.1}), ({"l1": 0.0, "l2": 0.5}, {"l2": 0.5})]:
        loss, gradient = trainer.loss_and_gradient(X, y, **penalties)
        expected_loss, expected_gradient = trainer.model.loss_and_gradient(X, y, "mse", **expected)
        assert loss == expected_loss
        np.testing.assert_array_equal(gradient, expected_gradient)


def test_earlier_epochs_stay_in_the_history():
    X, y = regression()
    trainer = mf.Trainer(mf.mlp([3, 8, 2], "relu", dtype="float64"), "mse", mf.SGD(2.0), batch_size=10)
    with pytest.raises(FloatingPointError):  # what DivergenceError is
        trainer.fit(X, y, epochs=1000, verbose=0)
    assert trainer.history.epochs == trainer.epochs - 1 > 0
    assert np.isfinite(trainer.history["loss"]).all()


# --- what one sees ---


class Terminal:
    """A terminal of so many columns, in the place of stderr; `lines` are all that were shown, one over another too."""

    def __init__(self, columns):
        self._master, self._slave = os.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def __enter__(self):
        self._stderr, sys.stderr = sys.stderr, os.fdopen(self._slave, "w", encoding="utf-8")
        return self

    def __exit__(self, *_):
        sys.stderr.flush()
        os.set_blocking(self._master, False)
        written = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                written += os.read(self._master, 1 << 16)
        sys.stderr.close()
        os.close(self._master)
        sys.stderr = self._stderr
        self.lines = [line.rstrip() for line in re.split(r"[\r\n]+", written.decode()) if line.strip()]


def shown_at(columns, epochs=3, callbacks=(), trainer=None, **keywords):
    X, y = classification()
    trainer = trainer or classifier(metrics=["accuracy"], callbacks=callbacks)
    with Terminal(columns) as terminal:
        trainer.fit(X, y, epochs=epochs, verbose=1, **{"validation_data": (X, y), **keywords})
    assert max(map(len, terminal.lines)) <= columns
    return terminal.lines


def test_the_bar_takes_the_room_that_the_numbers_leave():
    wide, narrow, at_80 = shown_at(140)[-1], shown_at(104)[-1], shown_at(80)[-1]
    number = r"\d+\.\d+"
    numbers = f"loss={number} val_loss={number} accuracy={number} val_accuracy={number}"
    assert re.fullmatch(rf"epoch 3/3 \|█+\| [\d:]+<[\d:?]+ {numbers} samples/s=\S+", wide)
    assert re.fullmatch(rf"epoch 3/3 [\d:]+<[\d:?]+ {numbers} samples/s=\S+", narrow)
    assert re.fullmatch(rf"epoch 3/3 {numbers}", at_80)


@pytest.mark.parametrize("epochs", [40, 100, 2000])
@pytest.mark.parametrize("metric", ["accuracy", "mae", "mean_absolute_error"])
def test_at_80_columns_nothing_is_cut(epochs, metric):
    X, _ = classification()
    y = np.zeros((60, 3))
    y[:, 0] = 1
    trainer = mf.Trainer(mf.mlp([4, 3], output_activation="softmax"), "mse", metrics=[metric, "mse"])
    trainer.callbacks = [Until(epochs // 2)]
    X, y = X[:1], y[:1]
    with Terminal(80) as terminal:
        trainer.fit(X, y, epochs=epochs, validation_data=(X, y), verbose=1)
    *_, line, why = terminal.lines
    assert len(line) <= 80
    assert why == "Training ended: stopped by Until"
    history = trainer.history
    assert f"{epochs // 2}/{epochs} " in line
    for name in ("loss", metric):
        value, validation = (re.escape(f"{history[key][-1]:#.4g}") for key in (name, f"val_{name}"))
        assert re.search(rf"\b{name}={value} (val_{name}={validation}|\(val {validation}\))", line)


@pytest.mark.parametrize("columns", range(15, 50, 2))
def test_in_few_columns_numbers_are_whole_or_left_out(columns):
    """Small losses are long numbers."""
    X, y = np.ones((1, 1)), np.zeros((1, 1))
    trainer = mf.Trainer(mf.mlp([1, 1], seed=0), "mse", mf.SGD(1e-9))
    trainer.model.parameters[:] = 0.003
    with Terminal(columns) as terminal:
        trainer.fit(X, y, epochs=1000, validation_data=(X, y), verbose=1)
    loss, validation = (f"{trainer.history[key][-1]:#.4g}" for key in ("loss", "val_loss"))
    assert len(loss) == 9
    words = ("epoch", "1000/1000", f"loss={loss}", f"val_loss={validation}", "(val", f"{validation})")
    assert set(terminal.lines[-1].split()) <= set(words)
    assert f"loss={loss}" in terminal.lines[-1]
    assert ("(val" in terminal.lines[-1]) == (f"{validation})" in terminal.lines[-1])


class Until(mf.callbacks.Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, trainer, logs):
        return trainer.epochs == self.epochs


def test_more_metrics_than_fit():
    def braces(y, p):
        return 0.25

    braces.__name__ = "{n} {"
    trainer = classifier(metrics=["accuracy", "mse", braces])
    for columns, names in ((80, ["loss", "accuracy"]), (110, ["loss", "accuracy", "mse"])):
        line = shown_at(columns, trainer=trainer)[-1]
        assert re.findall(r"(\w+)=", line) == [key for name in names for key in (name, f"val_{name}")]
    assert re.fullmatch(r"epoch 3/3 loss=\S+ \(val \S+\)", shown_at(40, trainer=trainer)[-1])
    assert re.fullmatch(r"loss=0\.\d+", shown_at(13, trainer=trainer)[-1])
    assert re.fullmatch(r"loss=0\.\d", shown_at(9, trainer=trainer)[-1])  # cut
    assert "{n} {=0.2500 val_{n} {=0.2500" in shown_at(300, trainer=trainer)[-1]


def test_the_progress_bar_outside_a_terminal(capsys):
    X, y = classification()
    trainer = classifier(metrics=["accuracy"])
    trainer.fit(X, y, epochs=3, validation_data=(X, y), verbose=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    for piece in ("epoch 3/3 |█", "loss=", "accuracy=", "val_loss=", "val_accuracy=", "samples/s="):
        assert piece in captured.err
    assert "ended" not in captured.err


def test_the_bar_says_why_training_ended():
    def last_line(*callbacks, error=None, **keywords):
        optimizer = keywords.pop("optimizer", "adam")
        trainer = mf.Trainer(mf.mlp([3, 8, 2]), "mse", optimizer, callbacks=callbacks)
        with Terminal(80) as terminal, pytest.raises(error) if error else contextlib.nullcontext():
            trainer.fit(*regression(), **{"epochs": 50, **keywords})
        return terminal.lines[-1]

    class Values(mf.callbacks.Callback):
        def on_epoch_end(self, trainer, logs):
            logs["loss"] = abs(trainer.epochs - 5)

    class Fails(mf.callbacks.Callback):
        def __init__(self, error):
            self.error = error

        def on_epoch_end(self, trainer, logs):
            if trainer.epochs == 2:
                raise self.error

    stopping = mf.callbacks.EarlyStopping("loss", patience=2)
    assert last_line(Values(), stopping) == "Training ended: early stopping at epoch 7, best 5"
    assert last_line(epochs=10**6, max_seconds=0.05) == "Training ended: out of time (max_seconds)"
    assert last_line(Fails(KeyboardInterrupt), error=KeyboardInterrupt) == "Training ended: Ctrl-C"
    assert last_line(optimizer=mf.SGD(1e20), error=mf.DivergenceError) == "Training ended: diverged"
    assert last_line(Fails(RuntimeError), error=RuntimeError).startswith("epoch 1/50")  # the error speaks for itself
    assert last_line(epochs=3).startswith("epoch 3/3")


def test_no_bar_hides_an_error_before_it():
    class Fails(mf.callbacks.Callback):
        def on_train_begin(self, trainer, logs):
            raise RuntimeError("here")

    trainer = classifier(callbacks=[Fails()])
    with pytest.raises(RuntimeError, match="here"):
        trainer.fit(*classification(), verbose=1)


def test_no_empty_bar_above_an_error():
    X, y = classification()
    X[3, 1] = np.nan
    with Terminal(80) as terminal, pytest.raises(ValueError, match="row 3"):
        classifier().fit(X, y, epochs=5)
    assert terminal.lines[1:] == []  # the one with which it began has been wiped out


def test_silence(capsys):
    X, y = classification()
    classifier().fit(X, y, epochs=2, verbose=0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (999.4, "999"), (999.6, "1k"), (1234567, "1.23M"), (5e12, "5e+03G")]
)
def test_speeds_have_prefixes(value, text):
    assert with_si_prefix(value) == text


def test_in_a_notebook_the_bar_is_the_notebooks(monkeypatch):
    """`tqdm.auto` decides; the trainer only uses what every tqdm has."""
    import tqdm.auto
    from tqdm.std import tqdm as standard

    made = []

    class Notebook(standard):
        def __init__(self, *arguments, **keywords):
            made.append(self)
            super().__init__(*arguments, file=io.StringIO(), gui=True, **keywords)

        def display(self, *arguments, **keywords):
            pass

    monkeypatch.setattr(tqdm.auto, "tqdm", Notebook)
    X, y = classification()
    history = classifier(callbacks=[Until(2)]).fit(X, y, epochs=3, verbose=1)
    assert [bar.n for bar in made] == [2]
    assert made[0].desc == "epochs"
    assert made[0].bar_format is None  # its layout is the notebook's
    speed = with_si_prefix(history.samples_per_second[-1])
    assert made[0].postfix == f"loss={history['loss'][-1]:.4g}, samples/s={speed}, ended=stopped by Until"
