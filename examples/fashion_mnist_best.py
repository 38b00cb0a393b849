"""A recipe for Fashion-MNIST
==========================

784-512-512-10 with what training has to offer: batch normalisation, dropout, decoupled weight decay, a learning rate
that falls along a cosine, and an average of the parameters. Several seeds; the picture shows all of them.

::

    python examples/fashion_mnist_best.py PATH [--picture PICTURE] [--quick]

PATH as for fashion_mnist.py. It needs matplotlib: pip install mlpfast[plot].
"""

import argparse
import statistics
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from fashion_mnist import read

import mlpfast as mf


def trainer(seed, n_threads):
    """The recipe; `fit` says how many epochs the cosine lasts."""
    hidden = [mf.Dense(512, use_bias=False), mf.BatchNorm(), mf.Activate("relu"), mf.Dropout(0.4)]
    return mf.Trainer(
        mf.Model(784, [*hidden, *hidden, mf.Dense(10, "softmax")], seed=seed),
        loss="cross_entropy",
        optimizer=mf.AdamW(mf.schedules.Cosine(2e-3), weight_decay=0.05, ema=0.999),
        batch_size=128,
        metrics=["accuracy"],
        n_threads=n_threads,
        seed=seed,
    )


def draw(histories, picture):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    epochs = np.arange(1, len(histories[0]["loss"]) + 1)
    for axes, quantity in ((left, "loss"), (right, "accuracy")):
        for name, label in ((quantity, "training rows, with dropout"), (f"val_{quantity}", "test rows")):
            curves = np.array([history[name] for history in histories])
            (line,) = axes.plot(epochs, np.median(curves, axis=0), label=label)
            axes.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=line.get_color(), alpha=0.3)
        axes.set(xlabel="epoch", title=f"{quantity} of {len(histories)} seeds")
        axes.grid(alpha=0.3)
    right.set_ylim(0.84, 0.96)
    right.legend(loc="lower right")
    figure.savefig(picture, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--picture", default="fashion_mnist_best.png")
    parser.add_argument("--quick", action="store_true", help="fewer rows, epochs and seeds, to see that it runs")
    options = parser.parse_args()

    X, y = read(options.path, "train")
    test = read(options.path, "t10k")
    epochs, seeds = (15, 2) if options.quick else (options.epochs, options.seeds)
    if options.quick:
        X, y = X[:6400], y[:6400]

    histories = []
    for seed in range(seeds):
        one = trainer(seed, options.threads)
        histories.append(one.fit(X, y, epochs=epochs, validation_data=test))
        print(f"seed {seed}: test accuracy {histories[-1]['val_accuracy'][-1]:.4f}")
    draw(histories, options.picture)
    print(f"the picture is {options.picture}")
    print(f"median of {seeds}: {statistics.median(history['val_accuracy'][-1] for history in histories):.4f}")


if __name__ == "__main__":
    main()
