"""Fashion-MNIST
=============

Train 784-256-128-10 on Fashion-MNIST: 60,000 pictures of clothes.

::

    python examples/fashion_mnist.py PATH

PATH is the folder with the four files, gzipped or not; Debian's package dataset-fashion-mnist puts them into
/usr/share/datasets/fashion-mnist.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import mlpfast as mf


def read(folder, kind):
    """Images of `kind` (train or t10k) as rows of pixels in [0, 1], and labels."""
    found = {path.name.removesuffix(".gz"): path for path in folder.glob(f"{kind}-*-ubyte*")}
    try:
        images = mf.datasets.read_idx(found[f"{kind}-images-idx3-ubyte"])
        labels = mf.datasets.read_idx(found[f"{kind}-labels-idx1-ubyte"])
    except KeyError as missing:
        raise SystemExit(f"{folder} has no file {missing.args[0]}, nor {missing.args[0]}.gz") from None
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels


class LinearDecay(mf.callbacks.Callback):
    """Lower the learning rate from epoch to epoch, in equal steps towards zero: the last epochs settle."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_begin(self, trainer, logs):
        trainer.learning_rate = trainer.optimizer.learning_rate * (1 - trainer.epochs / self.epochs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    X, y = read(options.path, "train")
    X_test, y_test = read(options.path, "t10k")

    model = mf.mlp([784, 256, 128, 10], activation="relu", output_activation="softmax", seed=options.seed)
    print(model)
    trainer = mf.Trainer(
        model,
        loss="cross_entropy",
        optimizer=mf.Adam(learning_rate=2e-3),
        batch_size=128,
        metrics=["accuracy"],
        seed=options.seed,
        callbacks=[LinearDecay(options.epochs)],
    )
    start = time.perf_counter()
    history = trainer.fit(X, y, epochs=options.epochs, validation_data=(X_test, y_test))
    seconds = time.perf_counter() - start
    print(f"{options.epochs} epochs of {len(X)} rows in {seconds:.1f} s")
    print(f"test accuracy: {history['val_accuracy'][-1]:.4f}")


if __name__ == "__main__":
    main()
