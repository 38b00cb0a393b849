"""Pictures of data, models and training
======================================

Every picture of ``mlpfast.plot``, on the digits and on two moons. Each function takes ``ax`` and returns its axes, so
that they stand in figures of yours, too.

::

    python examples/pictures.py [--quick]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf

quick = "--quick" in sys.argv
X, y = mf.datasets.load_digits()
X = X / 16
test = np.arange(len(y)) % 4 == 0

# %%
# The network
# -----------
# What goes forward, and the deltas that come back, with their shapes.

model = mf.Model(
    64,
    [mf.Dense(32, "relu"), mf.Residual([mf.LayerNorm(), mf.Dense(32, "relu")]), mf.Dense(10, "softmax")],
    seed=1,
)
mf.plot.network(model)
print(mf.plot.network_text(model))

# %%
# Training
# --------
# A ``Doctor`` looks at the layers, and ``Snapshots`` keep the parameters on the way.

doctor, snapshots = mf.callbacks.Doctor(X[~test], y[~test]), mf.callbacks.Snapshots()
trainer = mf.Trainer(model, metrics=["accuracy"], callbacks=[doctor, snapshots], seed=1)
history = trainer.fit(X[~test], y[~test], epochs=4 if quick else 32, validation_data=(X[test], y[test]), verbose=0)
mf.plot.learning_curves(history)

# %%
# Several histories, with names, are drawn beside each other.

histories = {}
for rate in (0.02, 0.1, 0.5):
    other = mf.Trainer(mf.mlp([64, 32, 10], "relu", "softmax", seed=1), optimizer=mf.SGD(rate), metrics=["accuracy"])
    histories[f"SGD, rate {rate:g}"] = other.fit(
        X[~test], y[~test], epochs=4 if quick else 32, validation_data=(X[test], y[test]), verbose=0
    )
mf.plot.learning_curves(histories, "accuracy")

# %%
# Where the gradient vanishes
# ---------------------------
# A deep net of sigmoids, before training: each layer hands back a fifth or so of what it gets.

deep = mf.Model(64, [*[mf.Dense(32, "sigmoid")] * 6, mf.Dense(10, "softmax")])
mf.plot.gradient_flow(deep, X[~test], y[~test])

# %%
# And the residual net above, as the doctor saw it in the course of training.

mf.plot.gradient_flow(doctor)

# %%
# What the first layer looks for
# ------------------------------

mf.plot.first_layer(model)

# %%
# What is taken for what, and how sure the model is
# -------------------------------------------------

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
mf.plot.confusion_matrix(y[test], model.predict(X[test]), ax=left)
mf.plot.calibration(y[test], model.predict(X[test]), ax=right)
print(f"accuracy on the held-out quarter: {history['val_accuracy'][-1]:.3f}")

# %%
# The way down
# ------------
# The loss in the plane of the path's two principal components, with the model at the end of it.

mf.plot.loss_surface(model, X[:400], y[:400], path=snapshots, resolution=5 if quick else 41)

# %%
# The step of a gradient check
# ----------------------------
# Differences are off by the formula where the step is long, and by rounding where it is short.

smooth = mf.mlp([64, 16, 10], "tanh", "softmax")
mf.plot.gradient_check(smooth, X[:50], y[:50])

# %%
# A flow graph
# ------------
# One sigmoid unit and its squared error: values in blue, total derivatives in orange, local ones on the arrows.

w, x, b, t = (mf.graph.leaf(name, value) for name, value in [("w", 0.5), ("x", 2.0), ("b", -0.5), ("t", 0.0)])
h = mf.graph.sigmoid(w * x + b).named("h")
flow = mf.graph.Graph((0.5 * (h - t) ** 2).named("L"))
flow.backward()
mf.plot.flow_graph(flow)

# %%
# A decision boundary, and how it came about
# ------------------------------------------
# Two moons; colours are paler where the model is less sure.

rng = np.random.default_rng(0)
angle, moon = rng.uniform(0, np.pi, 200), np.arange(200) % 2
points = np.stack([np.cos(angle) * (1 - 2 * moon) + moon, (np.sin(angle) - 0.5 * moon) * (1 - 2 * moon)], axis=1)
points += rng.normal(scale=0.12, size=points.shape)
steps = mf.callbacks.Snapshots(every=4)
net = mf.mlp([2, 16, 16, 1], "tanh", "sigmoid", seed=2)
fit = mf.Trainer(net, "binary_cross_entropy", mf.Adam(0.01), batch_size=32, callbacks=[steps])
fit.fit(points, moon, epochs=8 if quick else 80, verbose=0)
mf.plot.decision_boundary(net, points, moon)


# %%
# ``animate`` draws a picture for each snapshot; with a path it saves a GIF, or a page that plays by itself.


def draw(model, ax):
    mf.plot.decision_boundary(model, points, moon, resolution=20 if quick else 100, ax=ax)


saved = None if "sphinx_gallery" in sys.modules else "pictures.gif"
movie = mf.plot.animate(steps, draw, saved, fps=5)

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"pictures_{number}.png")
