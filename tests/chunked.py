"""Rows in chunks, and what comes of training on them."""

import itertools
import threading

import numpy as np

import mlpfast as mf

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 7)).astype(np.float32)
Y = RNG.integers(3, size=300)
WEIGHTS = RNG.uniform(0.5, 2, 300) * (RNG.random(300) > 0.2)


def readers():
    """The threads that read ahead."""
    return [thread for thread in threading.enumerate() if thread.name == "mlpfast reader"]


def trainer(layers=(), dtype="float32", **arguments):
    layers = [mf.Dense(9, "relu", dropout=0.1), *layers, mf.Dense(3, "softmax")]
    model = mf.Model(7, layers, dtype=dtype, seed=1)
    given = {"batch_size": 32, "shuffle": False, "metrics": ["accuracy"], "l2": 0.01, "seed": 3}
    return mf.Trainer(model, **(given | arguments))


def results(data, epochs=2, arguments=None, **settings):
    """All that comes of a training: parameters, losses and metrics, counts."""
    made = trainer(**settings)
    history = made.fit(*data, epochs=epochs, verbose=0, **(arguments or {}))
    return made.model.state.tobytes(), dict(history), made.steps, made.epochs


def chunks(cuts, *arrays):
    """The arrays in pieces that begin and end at the cuts."""
    ends = sorted({0, *cuts, arrays[0].shape[0]})
    return [tuple(array[i:j] for array in arrays) for i, j in itertools.pairwise(ends)]
