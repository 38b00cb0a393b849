"""Batch normalisation and dropout
===============================

Batch normalisation and dropout, 784-512-512-10 on Fashion-MNIST: the test accuracy of several seeds.

::

    python examples/batch_norm.py PATH

PATH as for fashion_mnist.py.
"""

import argparse
import statistics
from pathlib import Path

from fashion_mnist import LinearDecay, read

import mlpfast as mf


def network(seed):
    """The norms come between product and activation; they have a shift, so what is before them needs no bias."""
    hidden = [mf.Dense(512, use_bias=False), mf.BatchNorm(), mf.Activate("relu"), mf.Dropout(0.3)]
    return mf.Model(784, [*hidden, *hidden, mf.Dense(10, "softmax")], seed=seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()

    X, y = read(options.path, "train")
    X_test, y_test = read(options.path, "t10k")

    print(network(0))
    accuracies = []
    for seed in range(options.seeds):
        trainer = mf.Trainer(
            network(seed),
            loss="cross_entropy",
            optimizer=mf.Adam(learning_rate=2e-3),
            batch_size=128,
            metrics=["accuracy"],
            seed=seed,
            callbacks=[LinearDecay(options.epochs)],
        )
        trainer.fit(X, y, epochs=options.epochs)
        accuracies.append(trainer.evaluate(X_test, y_test)["accuracy"])
        print(f"seed {seed}: test accuracy {accuracies[-1]:.4f}")
    print(f"median of {options.seeds}: {statistics.median(accuracies):.4f}")


if __name__ == "__main__":
    main()
