"""Each rule of the diagnosis is provoked, and healthy models are left in peace."""

import warnings

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.diagnosis import RULES

DIGITS, LABELS = mf.datasets.load_digits()
DIGITS /= 16


def data(n=400, inputs=5, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, inputs))
    return X, np.sin(X.sum(axis=1))


def rules(report):
    return {finding.rule for finding in report.findings}


def deep(activation, initializer, hidden_layers=8, inputs=5, units=32):
    layers = [mf.Dense(units, activation, initializer) for _ in range(hidden_layers)]
    return mf.Model(inputs, [*layers, mf.Dense(1)], seed=1)


HEALTHY = {
    "relu on digits": (mf.mlp([64, 64, 10], "relu", "softmax"), DIGITS, LABELS, "cross_entropy"),
    "sigmoid on digits": (mf.mlp([64, 32, 32, 10], "sigmoid", "softmax"), DIGITS, LABELS, "cross_entropy"),
    "logits": (mf.mlp([64, 32, 10], "gelu"), DIGITS, LABELS, "cross_entropy"),
    "deep relu": (deep("relu", "he_uniform"), *data(), "mse"),
    "tanh": (mf.mlp([5, 30, 30, 1], "tanh"), *data(), "mse"),
    "a line": (mf.mlp([5, 1]), *data(), "mae"),
    "one row": (mf.mlp([5, 3, 1]), *data(1), "huber"),
    "bounded targets": (mf.mlp([5, 20, 1], "silu", "tanh"), *data(), "mse"),
    "yes or no": (mf.mlp([5, 20, 1], "relu", "sigmoid"), data()[0], data()[1] > 0, "binary_cross_entropy"),
    "counts": (mf.mlp([5, 20, 1], "relu", "exponential"), data()[0], data()[1].round() + 1, "poisson"),
    "batch norm": (
        mf.Model(5, [mf.Dense(32, use_bias=False), mf.BatchNorm(), mf.Activate("relu"), mf.Dense(1)]),
        *data(),
        "mse",
    ),
    "zero head": (
        mf.Model(64, [mf.Dense(32, "relu"), mf.Dense(10, "identity", "zeros")]),
        DIGITS,
        LABELS,
        "cross_entropy",
    ),
    "several yes or no": (
        mf.mlp([5, 20, 3], "relu", "sigmoid"),
        data()[0],
        data()[0][:, :3] > 0.3,
        "binary_cross_entropy",
    ),
    "one of ten": (mf.mlp([64, 32, 10], "relu", "sigmoid"), DIGITS, np.eye(10)[LABELS], "binary_cross_entropy"),
    "residual": (
        mf.Model(5, [mf.Dense(16), *[mf.Residual([mf.LayerNorm(), mf.Dense(16, "relu")])] * 4, mf.Dense(1)]),
        *data(),
        "mse",
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_is_left_in_peace_before_and_after_training(name):
    model, X, y, loss = HEALTHY[name]
    model = model.copy()
    report = mf.diagnose(model, X, y, loss)
    assert report.ok, report
    doctor = mf.callbacks.Doctor(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mf.Trainer(model, loss, batch_size=64, callbacks=[doctor]).fit(X, y, epochs=15, verbose=0)
    assert not doctor.findings
    report = mf.diagnose(model, X, y, loss)
    assert report.ok, report


def test_a_model_that_has_learnt_is_left_in_peace_when_it_is_trained_again():
    """With dropout the losses of epochs are noise, and far above that of the model without it."""
    model = mf.mlp([64, 64, 32, 10], "relu", dropout=0.5)
    mf.Trainer(model, batch_size=64).fit(DIGITS, LABELS, epochs=30, verbose=0)
    doctors = [mf.callbacks.Doctor(DIGITS, LABELS), mf.callbacks.Doctor()]
    trainer = mf.Trainer(model, optimizer=mf.Adam(3e-4), batch_size=8, callbacks=doctors)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.fit(DIGITS[:200], LABELS[:200], epochs=20, verbose=0)
    assert mf.diagnose(model, DIGITS, LABELS).ok


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "mse"])
def test_a_classifier_that_is_sure_of_itself_is_left_in_peace(loss):
    X = np.random.default_rng(1).uniform(-1, 1, size=(400, 2))
    y = X[:, 0] > X[:, 1]
    model = mf.mlp([2, 4, 1], "tanh", "sigmoid", kernel_initializer=mf.initializers.Normal(20.0))
    mf.Trainer(model, loss, mf.Adam(0.1), batch_size=50).fit(X, y, epochs=150, verbose=0)
    report = mf.diagnose(model, X, y, loss, optimizer=mf.Adam(1e-3))
    assert max(facts.saturated or 0.0 for facts in report.layers) > 0.6
    assert report.ok, report


X5, Y5 = data()
RARE = np.where(np.arange(400) % 100 == 0, 1, 0)
DYING = mf.mlp([5, 32, 1], "relu", bias_initializer=mf.initializers.Constant(-30.0))
MANY = np.c_[X5[:, :2] > 0, RARE == 1]
SHARP = mf.mlp([5, 32, 1], "tanh", kernel_initializer=mf.initializers.Normal(30.0))

PROVOKED = {
    "large inputs": ("unscaled_inputs", mf.mlp([5, 8, 1]), 1000 * X5, Y5, "mse"),
    "small inputs": ("unscaled_inputs", mf.mlp([5, 8, 1]), 1e-3 * X5, Y5, "mse"),
    "uneven inputs": ("unscaled_inputs", mf.mlp([5, 8, 1]), X5 * [1, 1, 1, 1, 1e-4], Y5, "mse"),
    "inputs off zero": ("unscaled_inputs", mf.mlp([5, 8, 1]), 0.1 * X5 + 5, Y5, "mse"),
    "a column of ones": ("constant_features", mf.mlp([5, 8, 1]), np.c_[X5[:, :4], np.ones(400)], Y5, "mse"),
    "mostly zeros": ("constant_features", mf.mlp([5, 8, 1]), X5 * [1, 0, 0, 0, 1], Y5, "mse"),
    "rare class": ("class_imbalance", mf.mlp([5, 8, 2], "relu", "softmax"), X5, RARE, "cross_entropy"),
    "rare yes": ("class_imbalance", mf.mlp([5, 8, 1], "relu", "sigmoid"), X5, RARE, "binary_cross_entropy"),
    "rare one-hot": ("class_imbalance", mf.mlp([5, 8, 2], "relu"), X5, np.eye(2)[RARE], "cross_entropy"),
    "no such class": ("class_imbalance", mf.mlp([5, 8, 3], "relu"), X5, np.arange(400) % 2, "cross_entropy"),
    "negative for relu": ("output_range", mf.mlp([5, 8, 1], "relu", "relu"), X5, Y5, "mse"),
    "above sigmoid": ("output_range", mf.mlp([5, 8, 1], "relu", "sigmoid"), X5, 2 + Y5, "mse"),
    "beyond tanh": ("output_range", mf.mlp([5, 8, 1], "relu", "tanh"), X5, 3 * Y5, "huber"),
    "beyond elu": ("output_range", mf.mlp([5, 8, 1], "relu", "elu"), X5, 3 * Y5, "mae"),
    "lonely softmax": ("output_range", mf.mlp([5, 8, 1], "relu", "softmax"), X5, abs(Y5), "mse"),
    "softmax of no shares": ("output_range", mf.mlp([5, 8, 2], "relu", "softmax"), X5, abs(X5[:, :2]) % 1, "mse"),
    "rare among several": ("class_imbalance", mf.mlp([5, 8, 3]), X5, MANY, "binary_cross_entropy"),
    "nearly always": ("class_imbalance", mf.mlp([5, 8, 3]), X5, ~MANY, "binary_cross_entropy"),
    "large targets": ("unscaled_targets", mf.mlp([5, 8, 1]), X5, 1000 * Y5, "mse"),
    "deep sigmoid": ("vanishing_gradients", deep("sigmoid", "glorot_uniform"), X5, Y5, "mse"),
    "small weights": ("vanishing_gradients", deep("tanh", mf.initializers.Normal(0.02)), X5, Y5, "mse"),
    "three large layers": (
        "exploding_gradients",
        deep("relu", mf.initializers.Normal(1.0), hidden_layers=3),
        X5,
        Y5,
        "mse",
    ),
    "slowly": ("exploding_gradients", deep("relu", mf.initializers.Normal(0.4)), X5, Y5, "mse"),
    "large weights": ("exploding_gradients", deep("relu", mf.initializers.Normal(1.0)), X5, Y5, "mse"),
    "beyond float32": ("exploding_gradients", deep("relu", mf.initializers.Normal(1e6)), X5, Y5, "mse"),
    "biases of -30": ("dead_units", DYING, X5, Y5, "mse"),
    "sharp tanh": ("saturated_units", SHARP, X5, Y5, "mse"),
    "zeros": ("repeated_units", mf.mlp([5, 8, 1], "tanh", kernel_initializer="zeros"), X5, Y5, "mse"),
    "zeros in sigmoid": ("repeated_units", mf.mlp([5, 8, 1], "sigmoid", kernel_initializer="zeros"), X5, Y5, "mse"),
    "a constant": (
        "repeated_units",
        mf.mlp([5, 8, 1], "relu", kernel_initializer=mf.initializers.Constant(0.1)),
        X5,
        Y5,
        "mse",
    ),
    "saturated output": (
        "saturated_units",
        mf.mlp([5, 1], "relu", "sigmoid", bias_initializer=mf.initializers.Constant(20.0)),
        X5,
        Y5 > 0,
        "mse",
    ),
}


@pytest.mark.parametrize("name", PROVOKED)
def test_what_is_wrong_with_data_and_layers_is_found(name):
    rule, model, X, y, loss = PROVOKED[name]
    before = model.state.copy()
    report = mf.diagnose(model, X, y, loss, optimizer=None)
    assert rule in report
    np.testing.assert_array_equal(model.state, before)
    (finding,) = [finding for finding in report.findings if finding.rule == rule]
    assert finding.message in " ".join(str(report).split())
    assert max(map(len, str(report).splitlines())) <= 100
    assert finding.advice


STEPS = {
    "diverges": ("rate_too_large", mf.SGD(10.0), mf.mlp([5, 32, 1]), X5, Y5, "mse"),
    "rises": ("rate_too_large", mf.SGD(2.0), mf.mlp([5, 1]), X5, X5[:, 0], "mse"),
    "peaks": ("rate_too_large", mf.SGD(mf.schedules.CosLog4(2.0)), mf.mlp([5, 1]), X5, X5[:, 0], "mse"),
    "too small": ("rate_too_small", mf.SGD(1e-6), mf.mlp([5, 32, 1]), X5, Y5, "mse"),
    "far too small": ("rate_too_small", mf.Adam(1e-8), mf.mlp([5, 32, 1]), X5, Y5, "mse"),
    "slow by a hundred": ("rate_too_small", mf.Adam(1e-5), mf.mlp([64, 32, 10]), DIGITS, LABELS, "cross_entropy"),
    "slow regression": ("rate_too_small", mf.Adam(1e-5), mf.mlp([5, 30, 30, 1]), X5, Y5, "mse"),
    "noise": ("noise", mf.Adam(1.0), mf.mlp([64, 32, 10]), DIGITS, LABELS, "cross_entropy"),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_rate_that_does_not_fit_is_found_in_some_steps_of_a_copy(name):
    rule, optimizer, model, X, y, loss = STEPS[name]
    before = model.state.copy()
    report = mf.diagnose(model, X, y, loss, optimizer=optimizer)
    assert rules(report) == {rule}, report
    np.testing.assert_array_equal(model.state, before)


COURSES = {
    "diverges": ("rate_too_large", mf.SGD(10.0), mf.mlp([5, 32, 1]), X5, Y5, False),
    "rises": ("rate_too_large", mf.SGD(1.7), mf.mlp([5, 1]), X5[:100], X5[:100, 0], False),
    "jumps": ("rate_too_large", mf.Adam(1.0), mf.mlp([5, 32, 1], "tanh"), X5, Y5, True),
    "stands still": ("rate_too_small", mf.SGD(1e-7), mf.mlp([5, 32, 1]), X5, Y5, True),
    "creeps": ("rate_too_small", mf.Adam(1e-5), mf.mlp([5, 32, 1]), X5, Y5, True),
    "noise": ("noise", mf.SGD(0.4), mf.mlp([5, 1]), X5[:64], Y5[:64], True),
}


@pytest.mark.parametrize("name", COURSES)
def test_the_doctor_warns_once_of_a_rate_that_does_not_fit(name):
    rule, optimizer, model, X, y, with_data = COURSES[name]
    doctor = mf.callbacks.Doctor(X, y) if with_data else mf.callbacks.Doctor()
    trainer = mf.Trainer(model.copy(), "mse", optimizer, 8 if rule == "noise" else 128, callbacks=[doctor])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            trainer.fit(X, y, epochs=16, verbose=0)
        except mf.DivergenceError:
            assert name == "diverges"
    assert rule in [finding.rule for finding in doctor.findings]
    assert len({(finding.rule, finding.where) for finding in doctor.findings}) == len(doctor.findings)
    for finding, warning in zip(doctor.findings, caught, strict=True):
        assert str(finding) in str(warning.message)
        assert warning.filename == __file__


def test_what_weighs_classes_may_be_rare():
    model, X, y = mf.mlp([5, 8, 2], "relu", "softmax"), X5, RARE
    assert "class_imbalance" in mf.diagnose(model, X, y, optimizer=None)
    assert mf.diagnose(model, X, y, class_weight="balanced").ok
    assert mf.diagnose(model, X, y, mf.losses.Focal(alpha=[1, 99]), optimizer=None).ok
    several = mf.losses.BinaryCrossEntropy(pos_weight=[1, 1, 99])
    assert mf.diagnose(mf.mlp([5, 8, 3]), X, MANY, several, optimizer=None).ok
    doctor = mf.callbacks.Doctor(X, y)
    mf.Trainer(model, class_weight={0: 1, 1: 99}, callbacks=[doctor]).fit(X, y, epochs=3, verbose=0)
    assert not doctor.findings
    missing = mf.diagnose(mf.mlp([5, 8, 3]), X, y, optimizer=None, class_weight="balanced")
    assert "class 2 has 0 of 400 rows" in missing.findings[0].message
    assert "class_weight" not in missing.findings[0].advice
    with pytest.raises(ValueError, match="expected class_weight to have a weight for each of 2 classes, got 3"):
        mf.diagnose(model, X, y, class_weight=[1, 1, 1])


TABLE = np.c_[X5[:, :4] * [1, 50, 1000, 3], np.arange(400) % 3]
SCALED = mf.Standardize()
ENCODERS = {
    "standardized": ([(range(4), [SCALED, mf.PiecewiseLinear(8)])], None),
    "places among bins": ([(range(4), mf.PiecewiseLinear(8, units=None))], None),
    "waves": ([(range(4), [SCALED, mf.Periodic()]), (4, mf.OneHot(3))], None),
    "codes": ([(range(4), SCALED), (4, [mf.OneHot(3), mf.Standardize()])], None),
    "the line beside the bins": ([(range(4), mf.PiecewiseLinear(8))], 2),
    "fast waves": ([([3, 2], mf.Periodic()), ([0, 1], SCALED)], 2),
    "left as they are": ([([3, 2], SCALED), (4, mf.Embedding(3, 4))], 1),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_of_a_table_it_is_what_encoders_multiply_that_has_to_be_scaled(name):
    encoders, column = ENCODERS[name]
    model = mf.Model(5, [mf.Columns(encoders), mf.Dropout(0.1), mf.Dense(8, "relu"), mf.Dense(1)])
    model.adapt(TABLE)
    for tensor in model.tensors.values():
        tensor *= 100  # what encoders make may be large
    report = mf.diagnose(model, TABLE, Y5, "mse", optimizer=None)
    found = [finding.message for finding in report.findings if finding.rule == "unscaled_inputs"]
    assert len(found) == (column is not None)
    assert all(f"column {column} reaches" in message for message in found)


def test_every_rule_is_provoked():
    provoked = {case[0] for cases in (PROVOKED, STEPS, COURSES) for case in cases.values()}
    assert provoked == set(RULES)
    assert all(f"\n{rule} " in mf.diagnosis.__doc__ for rule in RULES)


def test_the_doctor_sees_units_die():
    X = np.abs(X5)
    doctor = mf.callbacks.Doctor(X, Y5, warn=False)
    trainer = mf.Trainer(mf.mlp([5, 32, 1], "relu", "relu"), "mse", mf.SGD(3.0), callbacks=[doctor])
    trainer.fit(X, Y5 - 3, epochs=2, verbose=0)
    assert {"output_range", "dead_units"} <= {finding.rule for finding in doctor.findings}


def test_the_doctor_changes_nothing_and_goes_on():
    fits = []
    for callbacks in ([], [mf.callbacks.Doctor(X5, Y5)]):
        trainer = mf.Trainer(mf.mlp([5, 16, 1], dropout=0.1), "mse", callbacks=callbacks)
        for _ in range(3):
            trainer.fit(X5, Y5, epochs=3, verbose=0)
        fits.append(trainer.model.state.copy())
    np.testing.assert_array_equal(*fits)
    (doctor,) = callbacks
    assert sorted(doctor.layers) == [0, 1, 2, 4, 8]
    assert sorted(doctor.update_ratios) == [1, 2, 4, 8]
    assert set(doctor.update_ratios[4]) == {"W0", "W1"}
    again = mf.callbacks.Doctor(X5, Y5)
    again.load_state_dict(doctor.state_dict())
    again.on_train_begin(trainer, {})
    assert not again.layers  # it knows the trainer
    mf.Trainer(mf.mlp([5, 1]), "mse", callbacks=[doctor]).fit(X5, Y5, verbose=0)
    assert sorted(doctor.layers) == [0, 1]


def test_what_is_measured():
    model = mf.Model(4, [mf.Dense(3, "relu"), mf.Dense(2, "tanh")], dtype="float64", seed=1)
    X, y = np.random.default_rng(1).normal(size=(50, 4)), np.zeros((50, 2))
    report = mf.diagnose(model, X, y, "mse", optimizer=mf.SGD(1e-3), batch_size=50)
    z0 = X @ model.weights[0] + model.biases[0]
    h0 = np.maximum(z0, 0)
    h1 = np.tanh(h0 @ model.weights[1] + model.biases[1])
    delta1 = h1 * (1 - h1**2)
    delta0 = (delta1 @ model.weights[1].T) * (z0 > 0)
    first, last = report.layers
    assert (first.name, first.what, first.weight, first.hidden) == ("layer 0", "dense 3 relu", "W0", True)
    assert (last.name, last.what, last.weight, last.hidden) == ("layer 1", "dense 2 tanh", "W1", False)
    assert report.loss == pytest.approx(0.5 * (h1**2).sum(axis=1).mean())
    for facts, h, delta, below in ((first, h0, delta0, X), (last, h1, delta1, h0)):
        assert facts.output_rms == pytest.approx(np.sqrt((h**2).mean()))
        assert facts.delta_norm == pytest.approx(np.sqrt((delta**2).sum(axis=1).mean()))
        gradient = below.T @ delta / 50
        assert facts.gradient_rms == pytest.approx(np.sqrt((gradient**2).mean()))
        ratio = 1e-3 * np.linalg.norm(gradient) / np.linalg.norm(model.tensors[facts.weight])
        assert report.update_ratios[facts.weight] == pytest.approx(ratio, rel=0.1)
    assert first.dead == (h0.max(axis=0) == 0).mean()
    assert last.saturated == (h1**2 > 0.98).mean()


def test_it_takes_what_a_fit_takes():
    sparse = pytest.importorskip("scipy.sparse")
    frame = pytest.importorskip("pandas").DataFrame
    model = mf.mlp([5, 8, 1])
    reports = [str(mf.diagnose(model, X, Y5, "mse")) for X in (X5, sparse.csr_matrix(X5), frame(X5))]
    assert reports[0] == reports[1] == reports[2]
    table = mf.Model(2, [mf.Columns([(0, mf.Embedding(3, 4)), (1, mf.Periodic())]), mf.Dense(8, "relu"), mf.Dense(1)])
    X = np.c_[np.arange(400) % 3, X5[:, 0]]
    assert mf.diagnose(table, X, Y5, "mse").ok


def test_optimizers_with_schedules_and_without_a_rate():
    model = mf.mlp([5, 16, 1])
    warm = mf.schedules.Warmup(mf.schedules.Cosine(0.003), epochs=1)
    report = mf.diagnose(model, X5, Y5, "mse", optimizer=mf.AdamW(warm))
    assert report.ok, report
    assert "rate_too_large" in mf.diagnose(model, X5, Y5, "mse", optimizer=mf.SGD(mf.schedules.Cosine(10.0)))
    assert not mf.diagnose(model, X5, Y5, "mse", optimizer="lbfgs").update_ratios


def test_it_prints_for_terminals_and_notebooks():
    report = mf.diagnose(mf.mlp([5, 8, 1], "tanh"), 1000 * X5, Y5, "mse", optimizer=None)
    first, head, *_ = repr(report).splitlines()
    assert first.startswith("Diagnosis of 400 rows, loss ")
    assert head.split() == ["layer", "outputs", "deltas", "gradient", "weights", "update/weight", "dead", "saturated"]
    assert "saturated_units" in report._repr_html_()
    assert "Nothing was found." in mf.diagnose(mf.mlp([5, 8, 1]), X5, Y5, "mse")._repr_html_()


def test_what_is_refused():
    with pytest.raises(TypeError, match="expected model to be a Model, got str"):
        mf.diagnose("model", X5, Y5, "mse")
    with pytest.raises(ValueError, match="expected 5 features, got 4"):
        mf.diagnose(mf.mlp([5, 1]), X5[:, :4], Y5, "mse")
    with pytest.raises(ValueError, match="batch_size"):
        mf.diagnose(mf.mlp([5, 1]), X5, Y5, "mse", batch_size=0)
    with pytest.raises(ValueError, match="expected X and y, or neither, got only X"):
        mf.callbacks.Doctor(X5)
