"""Who looks for something where another library has it is told where it is."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest

import mlpfast as mf
from mlpfast import hints
from mlpfast.layers import LAYERS
from mlpfast.optimizers import OPTIMIZERS

X, Y = np.linspace(-1, 1, 12).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])


def model():
    return mf.mlp([2, 3, 2], output_activation="softmax")


def trainer(**keywords):
    return mf.Trainer(model(), **keywords)


ARGUMENTS = {
    "fit": (lambda **keywords: trainer().fit(X, Y, verbose=0, **keywords), mf.Trainer.fit, hints.FIT_ARGUMENTS),
    "Trainer": (trainer, mf.Trainer.__init__, hints.TRAINER_ARGUMENTS),
    "mlp": (lambda **keywords: mf.mlp([2, 1], **keywords), mf.mlp, hints.MLP_ARGUMENTS),
    "Model": (lambda **keywords: mf.Model(2, [mf.Dense(1)], **keywords), mf.Model.__init__, hints.MODEL_ARGUMENTS),
    "Dense": (lambda **keywords: mf.Dense(1, **keywords), mf.Dense.__init__, hints.DENSE_ARGUMENTS),
    "BatchNorm": (mf.BatchNorm, mf.BatchNorm.__init__, hints.BATCH_NORM_ARGUMENTS),
    "LayerNorm": (mf.LayerNorm, mf.LayerNorm.__init__, hints.NORM_ARGUMENTS),
    "RMSNorm": (mf.RMSNorm, mf.RMSNorm.__init__, hints.NORM_ARGUMENTS),
    "Dropout": (lambda **keywords: mf.Dropout(0.5, **keywords), mf.Dropout.__init__, hints.DROPOUT_ARGUMENTS),
    "PReLU": (mf.PReLU, mf.PReLU.__init__, hints.PRELU_ARGUMENTS),
    "Standardize": (mf.Standardize, mf.Standardize.__init__, hints.STANDARDIZE_ARGUMENTS),
    "Adam": (mf.Adam, mf.Adam.__init__, hints.OPTIMIZER_ARGUMENTS),
}
OWNERS = {
    "Model": (model, hints.MODEL_ATTRIBUTES),
    "Trainer": (trainer, hints.TRAINER_ATTRIBUTES),
    "package": (lambda: mf, hints.PACKAGE_ATTRIBUTES),
}


@pytest.mark.parametrize("where", ARGUMENTS)
def test_arguments_of_other_libraries(where):
    call, function, table = ARGUMENTS[where]
    for name, hint in table.items():
        if name != hints.TOO_MANY:
            assert name not in inspect.signature(function).parameters
            with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'; {re.escape(hint)}$") as caught:
                call(**{name: 1})
            assert caught.value.__context__ is None


@pytest.mark.parametrize("where", OWNERS)
def test_attributes_of_other_libraries(where):
    make, table = OWNERS[where]
    owner = make()
    for name, hint in table.items():
        assert not hasattr(owner, name)
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'; {re.escape(hint)}$"):
            getattr(owner, name)
        if not inspect.ismodule(owner):
            with pytest.raises(AttributeError, match=re.escape(hint)):  # it would have no effect
                setattr(owner, name, 1)


@pytest.mark.parametrize(
    ("where", "name", "place"),
    [
        ("fit", "batch_size", "Trainer(model, batch_size=...)"),
        ("fit", "callbacks", "Trainer(model, callbacks=...)"),
        ("fit", "validation_split", "validation_fraction"),
        ("fit", "x", "did you mean 'X'?"),
        ("fit", "epoch", "did you mean 'epochs'?"),
        ("Trainer", "lr", "optimizer=Adam(learning_rate=...)"),
        ("Trainer", "epochs", "trainer.fit(X, y, epochs=...)"),
        ("Trainer", "learning_rate_init", "learning_rate"),
        ("Trainer", "batchsize", "did you mean 'batch_size'?"),
        ("mlp", "hidden_layer_sizes", "[inputs, units of hidden layer 0, ..., outputs]"),
        ("mlp", "learning_rate", "optimizer"),
        ("Dense", "input_shape", "Model(inputs, layers)"),
        ("Dense", "unit", "did you mean 'units'?"),
        ("BatchNorm", "eps", "it is called epsilon"),
        ("LayerNorm", "normalized_shape", "all of them"),
        ("RMSNorm", "epsilom", "did you mean 'epsilon'?"),
        ("Dropout", "p", "it is called rate"),
        ("PReLU", "num_parameters", "each column"),
        ("Standardize", "clipping", "did you mean 'clip'?"),
        ("Adam", "lr", "learning_rate"),
        ("Adam", "beta1", "did you mean 'beta_1'?"),
        ("Adam", "foreach", "expected one of learning_rate, weight_decay, ema, beta_1"),
    ],
)
def test_the_place_of_an_argument(where, name, place):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'; .*{re.escape(place)}"):
        ARGUMENTS[where][0](**{name: 1})


@pytest.mark.parametrize("make", LAYERS.values(), ids=lambda make: make.__name__)
def test_every_layer_explains(make):
    needed = [p for p in inspect.signature(make).parameters.values() if p.default is p.empty]
    with pytest.raises(TypeError, match=rf"{make.__name__}.__init__\(\) .*'trainble'; did you mean 'trainable'\?"):
        make(*[None for _ in needed], trainble=False)


@pytest.mark.parametrize(
    ("make", "name", "place"),
    [
        (trainer, "learning_rte", "did you mean 'learning_rate'?"),
        (trainer, "batchsize", "did you mean 'batch_size'?"),
        (trainer, "callback", "did you mean 'callbacks'?"),
        (trainer, "optimiser", "did you mean 'optimizer'?"),
        (trainer, "alpha", "the penalty on squared weights is l2"),
        (trainer, "verbose", "fit has it: trainer.fit(X, y, verbose=...)"),
        (trainer, "lr", "it is called learning_rate"),
        (model, "parameter", "did you mean 'parameters'?"),
        (model, "weight", "did you mean 'weights'?"),
        (model, "trainable", "layers have it: Dense(units, trainable=False)"),
    ],
)
def test_what_would_have_no_effect_is_not_assigned(make, name, place):
    owner = make()
    before = dict(vars(owner))
    with pytest.raises(AttributeError, match=f"object has no attribute '{name}'; {re.escape(place)}"):
        setattr(owner, name, 1)
    assert vars(owner) == before


def test_other_attributes_are_the_users_own():
    class Noted(mf.Trainer):
        pass

    for owner, name in ((trainer(), "note"), (model(), "note"), (Noted(model()), "callback")):
        setattr(owner, name, [1])
        assert getattr(owner, name) == [1]
        assert getattr(owner.copy(), name) == [1]


@pytest.mark.parametrize("make", OPTIMIZERS.values())
def test_every_optimizer_explains(make):
    with pytest.raises(TypeError, match=rf"{make.__name__}.__init__\(\) .*'lr'; it is called learning_rate"):
        make(lr=0.1)


@pytest.mark.parametrize(
    ("owner", "name", "place"),
    [
        (model, "fit", r"Trainer\(model, loss=..., optimizer=...\).fit"),
        (model, "compile", r"Trainer\(model, loss=..., optimizer=..., metrics="),
        (model, "evaluate", "evaluate"),
        (model, "summary", r"print\(model\)"),
        (trainer, "predict", r"trainer.model.predict\(X\)"),
        (trainer, "lr", "learning_rate"),
        (lambda: mf, "EarlyStopping", "it is mlpfast.callbacks.EarlyStopping"),
        (lambda: mf, "Huber", "it is mlpfast.losses.Huber"),
        (lambda: mf, "Sequential", r"Model\(inputs, layers\)"),
    ],
)
def test_the_place_of_an_attribute(owner, name, place):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; .*{place}"):
        getattr(owner(), name)


def test_other_attributes_are_missed_as_ever():
    for owner in (model(), trainer()):
        assert getattr(owner, "nothing", None) is None
        with pytest.raises(
            AttributeError, match=f"'{type(owner).__name__}' object has no attribute 'nothing'$"
        ) as caught:
            owner.nothing  # noqa: B018
        assert (caught.value.name, caught.value.obj) == ("nothing", owner)  # from which Python offers the nearest


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_and_pickles(clone):
    for made in (model(), trainer()):
        twin = clone(made)
        assert type(twin) is type(made) and vars(twin).keys() == vars(made).keys()
    assert clone(mf.Adam(0.1)) == mf.Adam(0.1)


def test_the_signatures_are_our_own():
    assert [*inspect.signature(mf.Adam).parameters][:2] == ["learning_rate", "weight_decay"]
    assert [*inspect.signature(mf.Trainer).parameters][:3] == ["model", "loss", "optimizer"]
    assert [*inspect.signature(mf.mlp).parameters][:3] == ["sizes", "activation", "output_activation"]


def test_a_model_may_be_called():
    made = model()
    np.testing.assert_array_equal(made(X), made.predict(X))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mf.mlp(5, 8, 3), r"expected sizes to be a sequence .*, got 5 \(int\); write mlp\(\[5, 8, 3\]\)"),
        (lambda: mf.mlp(5, [8, 4], 3), r"write mlp\(\[5, 8, 4, 3\]\)"),
        (lambda: mf.mlp(5, 8), r"write mlp\(\[5, 8\]\)"),
        (lambda: mf.mlp(5, 8, 8, 3), r"at most 3 positional arguments but 4 were given; .*mlp\(\[5, 8, 3\]\)"),
        (lambda: mf.mlp(5), r"got 5 \(int\)$"),
        (lambda: mf.mlp(np.array(5)), "sequence"),
        (lambda: mf.mlp("583"), r"got '583' \(str\)"),
        (lambda: mf.mlp([5, "8", 3]), "units.*'8'"),
        (lambda: mf.Model([mf.Dense(3)], 4), r"layers to be a sequence of layers, got 4 .*Model\(inputs, layers\)"),
        (lambda: mf.mlp([5, 8, 3], dropout="half"), "dropout to be a number, got 'half'"),
        (lambda: mf.mlp([5, 8, 3], 8), "expected activation to be one of"),
    ],
)
def test_sizes_that_are_none(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_a_model_of_many_activations_and_rates():
    made = mf.mlp([4, 8, 6, 3], ["swish", mf.Activation("elu", 0.5)], dropout=np.array([0.1, 0.0]), seed=3)
    assert made.layers == (mf.Dense(8, "silu", dropout=0.1), mf.Dense(6, mf.Activation("elu", 0.5)), mf.Dense(3))
    same = mf.mlp([4, 8, 6, 3], ["tanh", "tanh"], dropout=[0.1, 0.1])
    assert same.layers == mf.mlp([4, 8, 6, 3], "tanh", dropout=0.1).layers
    assert mf.mlp([4, 3], activation=[]).layers == (mf.Dense(3),)
    with pytest.raises(ValueError, match="expected one activation for each of the 2 hidden layers, got 3"):
        mf.mlp([4, 8, 6, 3], ["tanh", "relu", "softmax"])
    with pytest.raises(ValueError, match="expected one dropout for each of the 2 hidden layers, got 1"):
        mf.mlp([4, 8, 6, 3], dropout=[0.1])
    with pytest.raises(ValueError, match="unknown activation 'rleu'; did you mean 'relu'"):
        mf.mlp([4, 8, 3], ["rleu"])
