"""Names of other libraries: what means the same is taken, anything else is told where it lives here."""

import re
from pathlib import Path

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.activations import ACTIVATIONS, as_activation
from mlpfast.initializers import INITIALIZERS, as_initializer
from mlpfast.losses import LOSSES, as_loss
from mlpfast.metrics import METRICS, as_metrics
from mlpfast.names import ALIASES, UNLIKE, squeezed
from mlpfast.optimizers import OPTIMIZERS, as_optimizer

MAKERS = {
    "activation": (as_activation, ACTIVATIONS),
    "loss": (as_loss, LOSSES),
    "optimizer": (as_optimizer, OPTIMIZERS),
    "initializer": (as_initializer, INITIALIZERS),
    "metric": (lambda name: as_metrics([name], as_loss("mse"), as_activation("softmax")), METRICS),
}


def every(table):
    return [(kind, name) for kind, names in table.items() for name in names]


@pytest.mark.parametrize(
    ("kind", "theirs", "ours"),
    [
        ("activation", "swish", "silu"),
        ("activation", "linear", "identity"),
        ("activation", "logistic", "sigmoid"),
        ("activation", "exp", "exponential"),
        ("activation", "gelu_new", "gelu_tanh"),
        ("loss", "bce", "binary_cross_entropy"),
        ("loss", "binary_crossentropy", "binary_cross_entropy"),
        ("loss", "categorical_crossentropy", "cross_entropy"),
        ("loss", "sparse_categorical_crossentropy", "cross_entropy"),
        ("loss", "log_loss", "cross_entropy"),
        ("loss", "mean_squared_error", "mse"),
        ("loss", "squared_error", "mse"),
        ("loss", "mean_absolute_error", "mae"),
        ("loss", "absolute_error", "mae"),
        ("optimizer", "Adam", "adam"),
        ("optimizer", "AdamW", "adamw"),
        ("optimizer", "RMSprop", "rmsprop"),
        ("optimizer", "SGD", "sgd"),
        ("initializer", "xavier_uniform", "glorot_uniform"),
        ("initializer", "kaiming_normal", "he_normal"),
        ("initializer", "random_normal", "normal"),
    ],
)
def test_aliases_are_our_objects(kind, theirs, ours):
    make, _ = MAKERS[kind]
    assert make(theirs) == make(ours)
    assert make(theirs).name == ours
    assert repr(make(theirs)) == repr(make(ours))


@pytest.mark.parametrize(("kind", "alias"), every(ALIASES))
def test_an_alias_stands_for_a_name_and_hides_none(kind, alias):
    make, registry = MAKERS[kind]
    assert ALIASES[kind][alias] in registry
    assert alias not in registry or kind == "metric"
    make(alias)


@pytest.mark.parametrize(("kind", "name"), every(UNLIKE))
def test_what_is_not_here_says_what_is(kind, name):
    make, registry = MAKERS[kind]
    assert name == squeezed(name) and name not in {squeezed(other) for other in (*registry, *ALIASES[kind])}
    with pytest.raises(ValueError, match=rf"unknown {kind} '{name}'; {re.escape(UNLIKE[kind][name])}; expected one of"):
        make(name)


@pytest.mark.parametrize(("kind", "name"), every(UNLIKE))
def test_the_names_in_a_hint_exist(kind, name):
    """What stands in quotes is a name of ours, of that kind unless the hint says so."""
    every_name = {key for _, registry in MAKERS.values() for key in registry} | {"lbfgs"}
    assert set(re.findall(r"'([a-z_0-9]+)'", UNLIKE[kind][name])) <= every_name


@pytest.mark.parametrize(
    ("kind", "theirs", "offered"),
    [
        ("activation", "ReLU", "'relu'"),
        ("activation", "LeakyReLU", "'leaky_relu'"),
        ("activation", "leakyrelu", "'leaky_relu'"),
        ("activation", "Swish", "'silu'"),
        ("activation", "swsh", "'silu'"),
        ("activation", "softsign", "'tanh'"),
        ("activation", "hard_sigmoid", "'sigmoid'"),
        ("activation", "log_softmax", "'cross_entropy'"),
        ("loss", "CrossEntropyLoss", "'cross_entropy'"),
        ("loss", "CategoricalCrossentropy", "'cross_entropy'"),
        ("loss", "MSELoss", "'mse'"),
        ("loss", "MeanSquaredError", "'mse'"),
        ("loss", "huber_loss", "'huber'"),
        ("loss", "logloss", "'cross_entropy'"),
        ("loss", "nll", "'cross_entropy'"),
        ("loss", "NLLLoss", "log-probabilities"),
        ("loss", "bce_with_logits", "'identity' for logits"),
        ("loss", "BCEWithLogitsLoss", "'binary_cross_entropy'"),
        ("loss", "SmoothL1Loss", "'huber'"),
        ("loss", "kl_div", "'kl_divergence'"),
        ("optimizer", "ADAM", "'adam'"),
        ("optimizer", "adam_w", "'adamw'"),
        ("optimizer", "radam", "'adam'"),
        ("optimizer", "bfgs", "'lbfgs'"),
        ("optimizer", "nesterov", "nesterov=True"),
        ("initializer", "xavier_uniform_", "'glorot_uniform'"),
        ("initializer", "HeNormal", "'he_normal'"),
        ("initializer", "xavier", "'glorot_normal'"),
        ("initializer", "TruncatedNormal", "'truncated_normal'"),
        ("initializer", "trunc_normal_", "'truncated_normal'"),
        ("initializer", "Orthogonal", "'orthogonal'"),
        ("initializer", "ones", "Constant"),
        ("metric", "binary_accuracy", "'accuracy'"),
        ("metric", "matthews_corrcoef", "function"),
    ],
)
def test_the_right_name_is_offered(kind, theirs, offered):
    with pytest.raises(ValueError, match=f"unknown {kind} .*{offered}.*; expected one of"):
        MAKERS[kind][0](theirs)


@pytest.mark.parametrize(
    ("make", "value", "hint"),
    [
        (as_activation, None, "a layer without one has 'identity'"),
        (as_activation, np.tanh, "did you mean 'tanh'"),
        (as_optimizer, mf.Adam, "did you mean 'adam'"),
        (as_loss, mf.losses.CrossEntropy, "did you mean 'cross_entropy'"),
        (as_initializer, mf.initializers.HeUniform(), None),
    ],
)
def test_functions_and_classes_have_names_too(make, value, hint):
    if hint is None:
        assert make(value) is value
        return
    with pytest.raises(TypeError, match=f"expected .* to be one of .*; got .*{hint}"):
        make(value)


def test_a_network_of_keras_names_is_ours_bit_by_bit(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), rng.integers(3, size=40)
    results = []
    for activation, output, kernel, loss, optimizer, metric in [
        ("swish", "linear", "kaiming_normal", "sparse_categorical_crossentropy", "Adam", "acc"),
        ("silu", "identity", "he_normal", "cross_entropy", "adam", "accuracy"),
    ]:
        model = mf.mlp([4, 8, 3], activation, output, kernel_initializer=kernel)
        trainer = mf.Trainer(model, loss, optimizer, metrics=[metric])
        history = trainer.fit(X, y, epochs=2, verbose=0)
        assert set(history) == {"loss", metric}
        model.save(tmp_path / "model.npz")
        results.append((repr(model), str(model), (tmp_path / "model.npz").read_bytes(), history[metric]))
    assert results[0] == results[1]


def test_squared_error_has_its_half_as_a_loss_and_not_as_a_metric():
    X, y = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 4.0])
    trainer = mf.Trainer(mf.mlp([2, 1], dtype="float64"), "mean_squared_error", metrics=["mean_squared_error"])
    got = trainer.evaluate(X, y)
    expected = np.mean((trainer.model.predict(X)[:, 0] - y) ** 2)
    assert got["mean_squared_error"] == pytest.approx(expected)
    assert got["loss"] == pytest.approx(expected / 2)


@pytest.mark.parametrize(
    ("output", "loss", "hint"),
    [
        ("sigmoid", "log_loss", "its loss is 'binary_cross_entropy'"),
        ("softmax", "bce", "its loss is 'cross_entropy'"),
        ("exponential", "cross_entropy", "its loss is 'poisson'"),
    ],
)
def test_an_output_activation_tells_its_loss(output, loss, hint):
    with pytest.raises(ValueError, match=hint):
        mf.Trainer(mf.mlp([2, 3], output_activation=output), loss)


@pytest.mark.parametrize("activation", ["swish", "linear", "logistic", ["swish", "gelu_new"]])
def test_estimators_take_aliases(activation):
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), rng.integers(2, size=40)
    names = [activation] * 2 if isinstance(activation, str) else activation
    mlp = mf.MLPClassifier((5, 4), activation, max_iter=1, solver="sgd").fit(X, y)
    assert [layer.activation.name for layer in mlp.model_.layers] == [
        *(ALIASES["activation"][name] for name in names),
        "sigmoid",
    ]


def test_the_reference_lists_every_alias():
    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    listed, kind = {}, ""
    for row in re.findall(r"^\| (\w*) ?\| (`.*) \| (`.*) \|$", text, re.MULTILINE):
        kind = row[0] or kind
        for alias in re.findall(r"`([^`]+)`", row[2]):
            listed.setdefault(kind, {})[alias] = row[1].strip("`")
    assert listed == ALIASES


def test_a_misspelt_leaky_relu_is_not_taken_for_relu():
    with pytest.raises(ValueError, match="'lrelu'; did you mean 'leaky_relu'"):
        mf.Dense(3, "lrelu")
