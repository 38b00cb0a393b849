"""Dropout as a layer, and as Dense's: the same plan and bits; any other has masks of its own."""

import numpy as np
import pytest

import mlpfast as mf

X = np.random.default_rng(0).normal(size=(90, 6))
Y = X[:, :2] ** 2


def trained(layers):
    model = mf.Model(6, layers, seed=3)
    mf.Trainer(model, "mse", batch_size=32, seed=5).fit(X, Y, epochs=3, verbose=0)
    return model


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([mf.Dense(9, "tanh", dropout=0.3)], [mf.Dense(9, "tanh"), mf.Dropout(0.3)]),
        ([mf.Dense(9, "tanh", dropout=0.3)], [mf.Dense(9), mf.Activate("tanh"), mf.Dropout(0.3)]),
        (
            [mf.Dense(9, "tanh", dropout=0.3), mf.Dense(8, "tanh", dropout=0.5)],
            [mf.Dense(9, "tanh"), mf.Dropout(0.3), mf.Dense(8, "tanh"), mf.Dropout(0.5)],
        ),
        (
            [mf.Dense(9, "tanh", dropout=0.3), mf.Residual([mf.Dense(9, "tanh", dropout=0.5)])],
            [mf.Dense(9, "tanh"), mf.Dropout(0.3), mf.Residual([mf.Dense(9, "tanh"), mf.Dropout(0.5)])],
        ),
        ([mf.Dense(9, "tanh")], [mf.Dropout(0.0), mf.Dense(9, "tanh"), mf.Dropout(0.0)]),
    ],
)
def test_the_same_plan_and_the_same_bits(one, other):
    models = [trained([*layers, mf.Dense(2)]) for layers in (one, other)]
    plans = [(model.program.values, model.program.layers) for model in models]
    assert plans[0] == plans[1]
    assert [t.shape for t in models[0].tensors.values()] == [t.shape for t in models[1].tensors.values()]
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


def kept(*layers, n=20_000, step=0):
    """Which of n elements get through some layers in a step: the gradient of a factor before them shows it."""
    model = mf.Model(n, [mf.Scale(), *layers, mf.Scale(trainable=False)], dtype="float64")
    trainer = mf.Trainer(model, "mse", mf.SGD(1.0), seed=1)
    trainer.steps = step
    trainer.train_on_batch(np.ones((1, n)), np.zeros((1, n)))
    return model.tensors["scale0"] != 1.0


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_mask_keeps_as_much_as_it_says_and_makes_up_for_the_rest(rate):
    n = 20_000
    mask = kept(mf.Dropout(rate))
    assert mask.mean() == pytest.approx(1 - rate, abs=4 * np.sqrt(rate * (1 - rate) / n))
    model = mf.Model(n, [mf.Scale(), mf.Dropout(rate), mf.Scale(trainable=False)], dtype="float64")
    loss = mf.Trainer(model, "mse", mf.SGD(1.0), seed=1).train_on_batch(np.ones((1, n)), np.zeros((1, n)))
    assert loss == pytest.approx(mask.sum() / (1 - rate) ** 2 / 2, rel=1e-12)


@pytest.mark.parametrize(
    "layers",
    [
        [mf.Dropout(0.5), mf.Dropout(0.5)],
        [mf.Dropout(0.5), mf.Activate("tanh"), mf.Dropout(0.5)],
        [mf.Dropout(0.5), mf.Scale(), mf.Dropout(0.5)],
    ],
    ids=lambda layers: ", ".join(layer.name for layer in layers),
)
def test_two_share_no_mask(layers):
    n = 20_000
    assert kept(*layers).mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / n))


def test_each_has_a_stream_of_its_own():
    layers = [
        *(mf.Dropout(0.1), mf.Dropout(0.1), mf.Dense(6, dropout=0.1), mf.Dropout(0.1)),
        *(mf.Residual([mf.Dropout(0.1), mf.Dense(6, dropout=0.1)]), mf.Dropout(0.1), mf.LayerNorm()),
        *(mf.Dropout(0.1), mf.Dense(6), mf.LayerNorm(), mf.Dropout(0.1), mf.Dense(2)),
    ]
    streams = [layer.stream for layer in mf.Model(6, layers).program.layers if layer.kind == "dropout"]
    assert len(set(streams)) == len(streams) == 9
    assert [stream for stream in streams if stream < 1 << 16] == [0, 1]  # as these always were


def test_each_step_and_each_row_has_its_own():
    masks = [kept(mf.Dropout(0.5), step=step) for step in (0, 1)]
    assert (masks[0] & masks[1]).mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(masks[0], kept(mf.Dropout(0.5)))


def test_what_stands_beside_it_leaves_its_masks_alone():
    plain = mf.Model(6, [mf.Dense(9, dropout=0.3), mf.Dense(9, dropout=0.3), mf.Dense(2)])
    layers = [mf.Scale(), mf.Dense(9, dropout=0.3), mf.LayerNorm(), mf.Dense(9, dropout=0.3), mf.PReLU(), mf.Dense(2)]
    streams = [
        [layer.stream for layer in model.program.layers if layer.kind == "dropout"]
        for model in (plain, mf.Model(6, layers))
    ]
    assert streams[0] == streams[1]


def test_only_steps_have_masks():
    layers = [mf.Dropout(0.5), mf.Dense(9, "tanh"), mf.Dropout(0.5), mf.Dropout(0.25), mf.Dense(2)]
    model, plain = mf.Model(6, layers, seed=1), mf.Model(6, [mf.Dense(9, "tanh"), mf.Dense(2)], seed=1)
    np.testing.assert_array_equal(model.parameters, plain.parameters)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    np.testing.assert_array_equal(model.predict(X[:1]), plain.predict(X[:1]))
    for training in (False, True):
        found = [each.loss_and_gradient(X, Y, "mse", training=training) for each in (model, plain)]
        assert found[0][0] == found[1][0]
        np.testing.assert_array_equal(found[0][1], found[1][1])
    assert mf.Trainer(model, "mse").evaluate(X, Y) == mf.Trainer(plain, "mse").evaluate(X, Y)


def test_a_file_keeps_the_masks(tmp_path):
    layers = [mf.Dropout(0.2), mf.Dense(9, "relu", dropout=0.3), mf.Dropout(0.4), mf.Dense(2)]
    model = mf.Model(6, layers, seed=2)
    model.save(tmp_path / "model.npz")
    loaded = mf.load(tmp_path / "model.npz")
    for each in (model, loaded):
        mf.Trainer(each, "mse", seed=4).fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(loaded.parameters, model.parameters)


@pytest.mark.parametrize(
    "layers",
    [[mf.Dense(2), mf.Dropout(0.5)], [mf.Dense(2, dropout=0.5)], [mf.Dense(2), mf.Dropout(0.5), mf.Dropout(0.1)]],
)
def test_not_after_the_last_layer(layers):
    with pytest.raises(ValueError, match="expected no dropout after the last layer"):
        mf.Model(6, layers)
