"""Learning curves
===============

Draw how loss and accuracy develop on the handwritten digits: the picture beside the README's ten lines.

::

    python examples/learning_curve.py [PICTURE]

It needs matplotlib: pip install mlpfast[plot].
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf

X, y = mf.datasets.load_digits()
X /= 16
test = np.arange(len(y)) % 4 == 0

model = mf.mlp([64, 64, 64, 10], activation="relu", output_activation="softmax", seed=0)
trainer = mf.Trainer(model, loss="cross_entropy", optimizer=mf.Adam(1e-3), metrics=["accuracy"], seed=0)
history = trainer.fit(X[~test], y[~test], epochs=40, validation_data=(X[test], y[test]))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
epochs = np.arange(1, len(history["loss"]) + 1)
for axes, quantity in ((left, "loss"), (right, "accuracy")):
    axes.plot(epochs, history[quantity], label="training")
    axes.plot(epochs, history[f"val_{quantity}"], label="held-out quarter")
    axes.set(xlabel="epoch", title=quantity)
    axes.grid(alpha=0.3)
left.set_yscale("log")
right.set_ylim(0.8, 1.005)
right.legend(loc="lower right")

picture = sys.argv[1] if len(sys.argv) > 1 else "learning_curve.png"
reached = f"accuracy on the held-out quarter: {history['val_accuracy'][-1]}"
figure.savefig(picture, dpi=120, metadata={"Title": reached})  # tests/test_readme.py reads it from the README's picture
print(f"{reached}; the picture is {picture}")
