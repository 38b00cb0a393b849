"""Mutants of trainers' files: every one loads and trains on, or is refused by an error with a fit message."""

import copy
import random
import warnings

import numpy as np
import pytest
from test_fuzz_files import VALUES, archive_mutant, members_of, random_place

import mlpfast as mf

MUTANTS = 3000
X = np.linspace(-1, 1, 36).reshape(12, 3)
Y = X[:, :1]


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "trainer.npz"
    callbacks = [mf.callbacks.EarlyStopping("loss"), mf.callbacks.ReduceLROnPlateau("loss")]
    optimizer = mf.AdamW(0.01, weight_decay=mf.schedules.Cosine(0.1, steps=50), ema=0.9)
    model = mf.mlp([3, 4, 1], "tanh", dtype="float64", seed=0)
    trainer = mf.Trainer(
        model, "mse", optimizer, 5, metrics=["mae"], callbacks=callbacks, groups={"biases": mf.Group(l2=0.1)}
    )
    trainer.fit(X, Y, epochs=2.5, verbose=0)
    trainer.save(path)
    return members_of(path)


def mutant(rng, members):
    return archive_mutant(rng, rng.randrange(3), members, change)


def change(rng, header):
    node, key = random_place(rng, header["trainer"])
    if isinstance(node, dict) and rng.randrange(4) == 0:
        node.pop(key)
    else:
        node[key] = copy.deepcopy(rng.choice(VALUES))


def test_mutants(members, tmp_path):
    path, refused = tmp_path / "mutant.npz", 0
    for number in range(MUTANTS):
        path.write_bytes(mutant(random.Random(number), members))
        try:
            trainer = mf.Trainer.load(path)
        except mf.ModelFileError as error:
            refused += 1
            assert str(error).isprintable() and len(str(error)) <= 300, number
            continue
        except ValueError as error:  # what is in it is not of this model
            refused += 1
            assert "this model" in str(error) or "given again" in str(error), (number, error)
            continue
        except Exception as error:
            raise AssertionError(f"mutant {number}") from error
        assert isinstance(repr(trainer), str) and np.isfinite(trainer.model.state).all()
    assert MUTANTS // 3 < refused < MUTANTS


def test_mutants_that_load_train_or_say_why_not(members, tmp_path):
    path, trained = tmp_path / "mutant.npz", 0
    for number in range(MUTANTS // 10):
        path.write_bytes(mutant(random.Random(number), members))
        try:
            trainer = mf.Trainer.load(path, n_threads=1)
        except (ValueError, TypeError):
            continue
        trainer.batch_size = 5
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                trainer.fit(X, Y, steps=4, verbose=0)
                trained += 1
            except (ValueError, TypeError, mf.DivergenceError):
                pass
        assert np.isfinite(trainer.model.state).all(), number
    assert trained > 10
