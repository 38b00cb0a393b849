"""What `fit` evaluates: named validation sets, and rows that it holds out itself."""

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.training.holdout import hold_out

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = np.repeat([0, 1, 2], [40, 14, 6])
WEIGHTS = RNG.uniform(0.5, 2, 60)


def make(**keywords):
    keywords = {"batch_size": 8, "metrics": ["accuracy"]} | keywords
    return mf.Trainer(mf.mlp([4, 8, 3], "tanh", "softmax", dtype="float64", seed=0), seed=5, **keywords)


def test_each_set_has_its_name():
    trainer = make()
    sets = {"val": (X[:20], Y[:20]), "late": [X[20:], Y[20:], WEIGHTS[20:]]}
    history = trainer.fit(X, Y, epochs=2, validation_data=sets, verbose=0)
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy", "late_loss", "late_accuracy"]
    for name, data in sets.items():
        found = trainer.evaluate(*data)
        assert (history[f"{name}_loss"][-1], history[f"{name}_accuracy"][-1]) == (found["loss"], found["accuracy"])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"late": (X,)}, ValueError, r"expected validation_data\['late'\] to be \(X, y\) or .*, got tuple of length 1"),
        ({"late": (X[:, :3], Y)}, ValueError, r"expected 4 features, got 3 \(X of validation_data\['late'\] has shape"),
        ({3: (X, Y)}, TypeError, "expected names of validation sets to be strings, got 3"),
        ({"": (X, Y)}, TypeError, "expected names of validation sets to be strings, got ''"),
        (
            (X,),
            ValueError,
            r"expected validation_data to be \(X, y\) or \(X, y, sample_weight\), got tuple of length 1",
        ),
        (
            lambda: [(X, Y)],
            ValueError,
            "sample_weight., got function; evaluate chunks in a callback, by trainer.evaluate",
        ),
        (iter([(X, Y)]), ValueError, "got list_iterator; evaluate chunks in a callback"),
        ((len, None), TypeError, r"X of validation_data to be an array of numbers, got builtin_function_or_method;"),
    ],
)
def test_bad_sets(given, error, message):
    trainer = make()
    with pytest.raises(error, match=message):
        trainer.fit(X, Y, validation_data=given, verbose=0)
    assert trainer.steps == 0


def test_names_that_clash():
    def late_loss(y, p):
        return 0.0

    with pytest.raises(ValueError, match="got two values for 'late_loss' in the history"):
        make(metrics=[late_loss]).fit(X, Y, validation_data={"late": (X, Y)}, verbose=0)

    def rate(y, p):
        return 0.0

    with pytest.raises(ValueError, match="got two values for 'learning_rate' in the history"):
        make(metrics=[rate]).fit(X, Y, validation_data={"learning": (X, Y)}, verbose=0)
    with pytest.raises(ValueError, match="expected another name than 'val' beside validation_fraction"):
        make().fit(X, Y, validation_data={"val": (X, Y)}, validation_fraction=0.1, verbose=0)


def held_out_rows(fraction, seed=5, strata=None):
    return hold_out(60, fraction, seed, strata)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_rest_is_trained_on_as_if_it_were_all(shuffle, weights):
    kept, held = held_out_rows(0.25)
    one, other = make(shuffle=shuffle, class_weight="balanced"), make(shuffle=shuffle, class_weight="balanced")
    history = one.fit(X, Y, epochs=3, validation_fraction=0.25, sample_weight=weights, verbose=0)
    some = [None if weights is None else weights[rows] for rows in (kept, held)]
    expected = other.fit(
        X[kept], Y[kept], 3, sample_weight=some[0], validation_data=(X[held], Y[held], some[1]), verbose=0
    )
    if weights is None:
        np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
        assert history == expected
    else:
        np.testing.assert_allclose(one.model.parameters, other.model.parameters, rtol=1e-9)
        assert history["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-9)


def test_functions_see_the_rows_of_each_side():
    def count(y, p):
        assert len(y) == len(p)
        return len(y)

    history = make(metrics=[count]).fit(X, Y, validation_fraction=0.2, verbose=0)
    assert (history["count"], history["val_count"]) == ([48], [12])


def test_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    X_sparse = np.where(np.abs(X) > 0.7, X, 0)

    def mean(y, p):
        return float(np.mean(p))

    histories = [
        make(metrics=["accuracy", mean]).fit(data, Y, epochs=2, validation_fraction=0.25, verbose=0)
        for data in (X_sparse, sparse.csr_matrix(X_sparse))
    ]
    assert histories[0] == histories[1]


def test_the_rows_are_the_same_in_each_call_and_depend_on_the_seed():
    kept, held = held_out_rows(0.25)
    assert len(held) == 15 and sorted([*kept, *held]) == list(range(60))
    assert (held_out_rows(0.25)[1] == held).all()
    assert (held_out_rows(0.25, seed=6)[1] != held).any()
    one, many = make(), make()
    one.fit(X, Y, epochs=2, validation_fraction=0.25, verbose=0)
    for _ in range(4):
        many.fit(X, Y, epochs=0.5, validation_fraction=0.25, verbose=0)
    np.testing.assert_array_equal(one.model.parameters, many.model.parameters)


@pytest.mark.parametrize("fraction", [0.05, 0.25, 0.5, 0.9])
def test_strata_have_the_same_share(fraction):
    _, held = held_out_rows(fraction, strata=Y)
    counts = np.bincount(Y[held], minlength=3)
    assert counts.sum() == np.ceil(fraction * 60)
    assert (np.abs(counts - fraction * np.array([40, 14, 6])) <= 1).all()


def test_stratify():
    kept, _ = held_out_rows(0.25, strata=Y)
    one, two, other = make(), make(), make()
    one.fit(X, Y, validation_fraction=0.25, stratify=True, verbose=0)
    two.fit(X, Y, validation_fraction=0.25, stratify=Y.astype(str), verbose=0)
    other.fit(X[kept], Y[kept], verbose=0)
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    np.testing.assert_array_equal(two.model.parameters, other.model.parameters)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"validation_fraction": 0}, "validation_fraction"),
        ({"validation_fraction": 0.999}, "expected validation_fraction to leave rows on both sides, got 0.999 of 60"),
        ({"validation_fraction": 0.1, "stratify": [0, 1]}, "stratify: expected a value for each of 60 rows"),
        ({"validation_fraction": 0.1, "stratify": np.arange(60)}, "stratify: expected at least 2 rows of each value"),
        ({"stratify": True}, "expected stratify with validation_fraction alone"),
    ],
)
def test_bad_fractions(keywords, message):
    trainer = make()
    with pytest.raises(ValueError, match=message):
        trainer.fit(X, Y, verbose=0, **keywords)
    assert trainer.steps == 0
    trainer = mf.Trainer(mf.mlp([4, 1]), "mse")
    with pytest.raises(ValueError, match="stratify=True: expected classes in y, got .* numbers; .* give stratify=y"):
        trainer.fit(X, X[:, 0], validation_fraction=0.1, stratify=True, verbose=0)
