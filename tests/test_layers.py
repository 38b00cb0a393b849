"""The pure data (layers, activations, initializers, losses, optimizers): defaults, errors, equality."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlpfast as mf
from mlpfast.activations import ACTIVATIONS, as_activation
from mlpfast.initializers import (
    INITIALIZERS,
    Constant,
    GlorotUniform,
    HeUniform,
    LecunNormal,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
    as_initializer,
)
from mlpfast.losses import LOSSES, BinaryCrossEntropy, CrossEntropy, Huber, Quantile, as_loss
from mlpfast.optimizers import OPTIMIZERS, as_optimizer

VALUES = [
    mf.Activation("elu", 0.5),
    mf.Dense(3, "selu", "normal", Constant(0.1), 0.25),
    mf.SGD(0.1, momentum=0.9, nesterov=True),
    mf.AdamW(),
    Huber(2.0),
    Normal(0.1),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_immutable_and_compare_by_content(value):
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, 1)
    for twin in (copy.deepcopy(value), pickle.loads(pickle.dumps(value)), dataclasses.replace(value)):
        assert twin == value and hash(twin) == hash(value)
    assert eval(repr(value), {**vars(mf), **vars(mf.initializers), **vars(mf.losses)}) == value


@pytest.mark.parametrize(
    ("make", "nearest"),
    [
        (lambda: mf.Dense(3, "rleu"), "relu"),
        (lambda: mf.Dense(3, "Sigmoid"), "sigmoid"),
        (lambda: mf.Activation("gelu-tanh"), "gelu_tanh"),
        (lambda: mf.Dense(3, kernel_initializer="he_unifrm"), "he_uniform"),
        (lambda: mf.Dense(3, bias_initializer="zero"), "zeros"),
        (lambda: as_loss("crossentropy"), "cross_entropy"),
        (lambda: as_optimizer("adamm"), "adam"),
    ],
)
def test_unknown_names_offer_the_nearest(make, nearest):
    with pytest.raises(ValueError, match=f"did you mean '{nearest}'"):
        make()


@pytest.mark.parametrize("make", [as_activation, as_initializer, as_loss, as_optimizer])
@pytest.mark.parametrize("value", [3, None, ["relu"], mf.Adam], ids=repr)
def test_names_of_another_type(make, value):
    with pytest.raises(TypeError, match=r"expected \w+ to be one of .*; got"):
        make(value)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_default_initializer_follows_the_activation(activation):
    kernel = mf.Dense(4, activation).kernel_initializer
    if activation == "selu":
        assert kernel == LecunNormal()
    elif activation in ("relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "mish"):
        assert kernel == HeUniform()
    else:
        assert kernel == GlorotUniform()


def test_activation_parameters():
    assert mf.Activation("leaky_relu").alpha == 0.01
    assert mf.Activation("elu").alpha == 1.0
    assert mf.Dense(3, mf.Activation("leaky_relu", 0.2)).activation.alpha == 0.2
    with pytest.raises(ValueError, match="alpha"):
        mf.Activation("relu", 0.1)
    with pytest.raises(ValueError, match="alpha"):
        mf.Activation("elu", -1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"units": 0}, ValueError),
        ({"units": -3}, ValueError),
        ({"units": 2.5}, TypeError),
        ({"units": True}, TypeError),
        ({"units": "3"}, TypeError),
        ({"units": 3, "dropout": 1}, ValueError),
        ({"units": 3, "dropout": -0.1}, ValueError),
        ({"units": 3, "dropout": float("nan")}, ValueError),
        ({"units": 3, "dropout": "half"}, TypeError),
    ],
)
def test_bad_layers(arguments, error):
    with pytest.raises(error, match=list(arguments)[-1]):
        mf.Dense(**arguments)


def test_layers_take_numpy_numbers():
    assert mf.Dense(np.int64(3), dropout=np.float32(0.5)) == mf.Dense(3, dropout=0.5)


@pytest.mark.parametrize("name", INITIALIZERS)
@given(fan_in=st.integers(1, 10**6), fan_out=st.integers(1, 10**6))
def test_initializers_tell_a_distribution(name, fan_in, fan_out):
    kind, scale = INITIALIZERS[name]().distribution(fan_in, fan_out)
    variance = {
        "constant": 0.0,
        "normal": scale**2,
        "truncated_normal": scale**2,
        "uniform": scale**2 / 3,
        "orthogonal": scale**2 / max(fan_in, fan_out),
    }[kind]
    expected = {
        "zeros": 0.0,
        "constant": 0.0,
        "normal": 0.05**2,
        "truncated_normal": 0.05**2,  # of the whole
        "uniform": 0.05**2 / 3,
        "orthogonal": 1 / max(fan_in, fan_out),
        "glorot_uniform": 2 / (fan_in + fan_out),
        "glorot_normal": 2 / (fan_in + fan_out),
        "he_uniform": 2 / fan_in,
        "he_normal": 2 / fan_in,
        "lecun_normal": 1 / fan_in,
        "data_driven": 1 / fan_in,  # until it is given data
        "he_plus": 0.0,
    }[name]
    assert variance == pytest.approx(expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Normal(x),
        lambda x: Uniform(x),
        lambda x: Orthogonal(x),
        lambda x: TruncatedNormal(x),
        lambda x: Huber(x),
        lambda x: Quantile(x),
        lambda x: CrossEntropy(x),
        lambda x: BinaryCrossEntropy(x),
        lambda x: mf.Adam(x),
        lambda x: mf.SGD(x),
        lambda x: mf.SGD(momentum=x),
        lambda x: mf.RMSprop(rho=x),
        lambda x: mf.RMSprop(momentum=x),
        lambda x: mf.RMSprop(epsilon=x),
        lambda x: mf.Adam(beta_1=x),
        lambda x: mf.Adam(beta_2=x),
        lambda x: mf.Adam(epsilon=x),
        lambda x: mf.AdamW(weight_decay=x),
        lambda x: mf.Adagrad(initial_accumulator_value=x),
        lambda x: mf.Adagrad(epsilon=x),
        lambda x: mf.NAdam(beta_1=x),
        lambda x: mf.NAdam(beta_2=x),
        lambda x: mf.NAdam(epsilon=x),
        lambda x: mf.NAdam(momentum_decay=x),
        lambda x: mf.Lion(beta_1=x),
        lambda x: mf.Lion(beta_2=x),
        lambda x: mf.ScheduleFreeAdamW(beta_1=x),
        lambda x: mf.ScheduleFreeAdamW(beta_2=x),
        lambda x: mf.ScheduleFreeAdamW(epsilon=x),
        lambda x: mf.ScheduleFreeAdamW(r=x),
    ],
)
@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf"), "0.1", None, True, 1j])
def test_numbers_out_of_range(make, value):
    error = ValueError if isinstance(value, float) else TypeError
    with pytest.raises(error, match=r"expected \w+ to be"):
        make(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: mf.Adam(0),
        lambda: mf.Adam(beta_1=1),
        lambda: mf.Adam(beta_2=1.0),
        lambda: mf.Adam(epsilon=0),
        lambda: mf.RMSprop(rho=1),
        lambda: mf.Adagrad(epsilon=0),
        lambda: mf.NAdam(beta_1=1),
        lambda: mf.NAdam(epsilon=0),
        lambda: mf.Lion(beta_2=1),
        lambda: mf.SGD(momentum=1.1),
        lambda: Quantile(0),
        lambda: Quantile(1),
        lambda: Huber(0),
        lambda: CrossEntropy(label_smoothing=1),
    ],
)
def test_ends_of_open_ranges(make):
    with pytest.raises(ValueError, match=r"expected \w+ to be"):
        make()


def test_switches_are_booleans():
    assert mf.Adam(amsgrad=np.True_).amsgrad is True
    for make in (lambda: mf.SGD(nesterov=1), lambda: mf.Adam(amsgrad="no"), lambda: mf.Adam(epsilon_hat=None)):
        with pytest.raises(TypeError, match="True or False"):
            make()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_by_name_have_their_defaults(name):
    assert as_optimizer(name) == OPTIMIZERS[name]()
    assert as_optimizer(name).name == name


def test_only_adamw_decays_by_default():
    assert {name for name, make in OPTIMIZERS.items() if make().weight_decay} == {"adamw"}
    assert as_optimizer("adamw").weight_decay == 0.01


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_losses_check_the_output_activation(name, activation):
    takes = {
        **dict.fromkeys(("cross_entropy", "focal", "kl_divergence"), ("softmax", "identity")),
        **dict.fromkeys(("binary_cross_entropy", "binary_focal", "ordinal"), ("sigmoid", "identity")),
        **dict.fromkeys(("poisson", "gamma_deviance", "tweedie_deviance"), ("exponential", "identity")),
        **dict.fromkeys(("hinge", "squared_hinge", "gaussian_nll"), ("identity",)),
    }.get(name, tuple(ACTIVATIONS))
    loss = as_loss(name)
    if activation in takes:
        loss.check_output(mf.Activation(activation), 2)
    else:
        with pytest.raises(ValueError, match=f"{' or '.join(takes)} .*{name}.*{activation}"):
            loss.check_output(mf.Activation(activation), 2)


def test_pure_data_needs_no_compiled_code():
    """The modules import alone, with the package's own __init__ and the compiled core out of the way."""
    package = mf.__path__[0]
    program = f"""
import importlib, sys, types
package = types.ModuleType("mlpfast"); package.__path__ = [{package!r}]; sys.modules["mlpfast"] = package
for name in ("activations", "initializers", "layers", "losses", "optimizers", "errors"):
    importlib.import_module("mlpfast." + name)
assert not [name for name in sys.modules if name.startswith("mlpfast.core")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
