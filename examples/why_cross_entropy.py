"""6. Why cross-entropy
====================

What squared error estimates, why it does not get a saturated sigmoid moving, and what the cross-entropy learns: the
probabilities themselves.

::

    python examples/why_cross_entropy.py [--quick]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf

quick = "--quick" in sys.argv
rng = np.random.default_rng(0)

# %%
# Squared error finds the mean
# ----------------------------
# The function f that makes :math:`E[(f(x) - y)^2]` smallest is :math:`f(x) = E[y|x]`: for every x, the sum of squares
# is smallest at the mean. With skewed noise, which is sin 3x plus an exponential here, that is neither the peak nor
# the median; the absolute error finds the median.

n = 4_000 if quick else 20_000
x = rng.uniform(-1, 1, (n, 1))
y = np.sin(3 * x[:, 0]) + rng.exponential(1.0, n)
mean, median = (lambda x: np.sin(3 * x) + 1), (lambda x: np.sin(3 * x) + np.log(2))
grid = np.linspace(-0.95, 0.95, 101)

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.scatter(x[:600], y[:600], s=3, color="lightgrey")
for loss, truth, name in (("mse", mean, "mean, sin 3x + 1"), ("mae", median, "median, sin 3x + ln 2")):
    model = mf.mlp([1, 32, 32, 1], "tanh", seed=0)
    trainer = mf.Trainer(model, loss=loss, optimizer=mf.Adam(1e-2), batch_size=128, seed=0)
    trainer.fit(x, y, epochs=30, verbose=0)
    trainer.learning_rate = 5e-4
    trainer.fit(x, y, epochs=10, verbose=0)
    error = np.sqrt(np.mean((model.predict(grid[:, None])[:, 0] - truth(grid)) ** 2))
    print(f"{loss}: {error:.3f} (rms) from the conditional {name}")
    axes.plot(grid, model.predict(grid[:, None]), label=f"fitted by {loss}")
    axes.plot(grid, truth(grid), "k:", linewidth=1)
axes.set(xlabel="x", ylim=(-2, 4), title="Skewed noise; dotted: the true mean and median")
axes.legend()

# %%
# Through a saturated sigmoid
# ---------------------------
# For a target of 1, the pre-activation z gets the gradient :math:`(p - 1)\, p\, (1 - p)` from squared error and
# :math:`p - 1` from the cross-entropy, with :math:`p = \sigma(z)`. Far on the wrong side, p is near 0: squared error
# is as wrong as can be, and its gradient vanishes; the cross-entropy's is -1.

z = np.linspace(-10, 10, 201)
p = mf.kernels.activation(z, "sigmoid")
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.plot(z, (p - 1) * p * (1 - p), label="squared error")
left.plot(z, p - 1, label="cross-entropy")
left.set(xlabel="z", title="gradient for a target of 1")
left.legend()
print(f"at z = -10: squared error {((p - 1) * p * (1 - p))[0]:.1e}, cross-entropy {(p - 1)[0]:.5f}")

# %%
# One unit starts at z = -10 for all rows, which should all be 1. By gradient descent at the same rate:

steps = 2_000
for loss in ("mse", "binary_cross_entropy"):
    model = mf.Model(1, [mf.Dense(1, "sigmoid", "zeros", mf.initializers.Constant(-10.0))], dtype="float64")
    trainer = mf.Trainer(model, loss=loss, optimizer=mf.SGD(1.0), batch_size=None, seed=0)
    probabilities = []
    for _ in range(steps):
        probabilities.append(float(model.predict([[0.0]])[0, 0]))
        trainer.train_on_batch(np.zeros((1, 1)), np.ones((1, 1)))
    learnt = np.flatnonzero(np.array(probabilities) > 0.5)
    print(f"{loss}: p > 1/2 after {learnt[0] if learnt.size else f'more than {steps}'} steps")
    right.semilogx(range(1, steps + 1), probabilities, label=loss)
right.set(xlabel="step", title="p, which should be 1")
right.legend()

# %%
# Cross-entropy estimates probabilities
# -------------------------------------
# :math:`E[-\log f(x)_y]` is smallest where f(x) is the distribution of y given x: what is left there is the noise's
# entropy. Three overlapping Gaussians, whose :math:`P(y|x)` Bayes' rule gives:

n = 10_000 if quick else 60_000
centres = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.5]])
y = rng.integers(3, size=n)
X = centres[y] + rng.standard_normal((n, 2))


def posterior(X):
    squares = ((X[:, None] - centres) ** 2).sum(axis=2)
    return mf.kernels.softmax(-squares / 2)


model = mf.mlp([2, 32, 32, 3], "tanh", "softmax", seed=0)
trainer = mf.Trainer(model, loss="cross_entropy", optimizer=mf.Adam(2e-3), batch_size=256, metrics=["ece"], seed=0)
trainer.fit(X, y, epochs=6 if quick else 10, verbose=0)
trainer.learning_rate = 2e-4
trainer.fit(X, y, epochs=4 if quick else 10, verbose=0)
fresh = centres[rng.integers(3, size=5_000)] + rng.standard_normal((5_000, 2))
true, found = posterior(fresh), model.predict(fresh)
print(f"probabilities differ from Bayes' by {abs(true - found).mean():.4f} on average")
entropy = -(true * np.log(true)).sum(axis=1).mean()
print(f"the loss is {trainer.evaluate(X, y)['loss']:.4f}, the entropy of y given x {entropy:.4f}")

figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
axes.scatter(true[:1500].ravel(), found[:1500].ravel(), s=2)
axes.plot([0, 1], [0, 1], "k:", linewidth=1)
axes.set(xlabel="P(y | x) by Bayes' rule", ylabel="the network's", title="Probabilities, learnt", aspect="equal")

# %%
# Two classes: softmax is a sigmoid
# ---------------------------------
# :math:`e^{z_1} / (e^{z_0} + e^{z_1}) = \sigma(z_1 - z_0)`: of two weight vectors only the difference counts. A softmax
# layer for two classes and a sigmoid of the difference of its weights are the same model.

X, y = X[y < 2], y[y < 2]
two = mf.Model(2, [mf.Dense(2, "softmax")], dtype="float64", seed=0)
mf.Trainer(two, loss="cross_entropy", batch_size=256, seed=0).fit(X, y, epochs=3, verbose=0)
one = mf.Model(2, [mf.Dense(1, "sigmoid")], dtype="float64")
one.weights[0][:, 0] = two.weights[0][:, 1] - two.weights[0][:, 0]
one.biases[0][0] = two.biases[0][1] - two.biases[0][0]
difference = abs(two.predict(X)[:, 1] - one.predict(X)[:, 0]).max()
print(f"softmax of two and sigmoid of the difference are within {difference:.1e}")
losses = [
    two.loss_and_gradient(X, y, "cross_entropy")[0],
    one.loss_and_gradient(X, y.astype(float), "binary_cross_entropy")[0],
]
print(f"cross-entropy {losses[0]:.12f}, binary cross-entropy {losses[1]:.12f}")

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"why_cross_entropy_{number}.png")
