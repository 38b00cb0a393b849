"""Fitting derivatives: a surrogate from values and gradients
============================================================

A simulator that knows its derivatives, by an adjoint or by automatic differentiation, says more at each point than a
value. A net that is fitted to both needs fewer points.

::

    python examples/sobolev.py [--quick]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf

quick = "--quick" in sys.argv
joints, seeds, steps = 6, range(2 if quick else 4), 1_000 if quick else 4_000

# %%
# What is to be learnt
# --------------------
# An arm of six links, each a sixth long, whose joints turn by :math:`x_1, \ldots, x_6`, and the height of its end. Link
# i has the angle :math:`a_i = x_1 + \ldots + x_i`, so that
#
# .. math:: y = \frac16 \sum_i \sin a_i, \qquad \frac{\partial y}{\partial x_j} = \frac16 \sum_{i \ge j} \cos a_i.
#
# It stands for a simulator, whose gradient by an adjoint costs about as much as another run or two, however many inputs
# there are.


def height(x):
    return np.sin(np.cumsum(x, axis=1)).mean(axis=1)


def gradient(x):
    return np.cumsum(np.cos(np.cumsum(x, axis=1))[:, ::-1], axis=1)[:, ::-1] / joints


fresh = np.random.default_rng(1_000).uniform(-1, 1, (5_000, joints))

# %%
# Values alone, and values with gradients
# ---------------------------------------
# The same net, the same number of steps of as many rows, the same rates. ``jacobian=`` has the gradients; with several
# outputs it would be of shape (n, outputs, inputs). They add
#
# .. math:: \frac{1}{2 n} \sum_r \lVert \nabla f(x_r) - \nabla y_r \rVert^2
#
# to the loss (Czarnecki et al., 2017). Errors are root mean squares over 5,000 other points.


def errors(points, with_gradients, seed):
    """Of a surrogate's values and of its gradients."""
    x = np.random.default_rng([seed, points]).uniform(-1, 1, (points, joints))
    model = mf.mlp([joints, 32, 32, 1], "tanh", seed=seed)
    rate = mf.schedules.Cosine(5e-3)
    trainer = mf.Trainer(model, "mse", mf.Adam(rate), batch_size=50, n_threads=1, seed=seed)
    trainer.fit(x, height(x), steps=steps, jacobian=gradient(x) if with_gradients else None, verbose=0)
    of_values = model.predict(fresh)[:, 0] - height(fresh)
    of_gradients = model.jacobian(fresh)[:, 0] - gradient(fresh)
    return np.sqrt(np.mean(of_values**2)), np.sqrt(np.mean(of_gradients**2))


fits = [(200, False), (1_000, False), (200, True)]
if not quick:
    fits += [(50, False), (100, False), (500, False), (50, True), (100, True)]
found = {fit: np.array([errors(*fit, seed) for seed in seeds]) for fit in fits}
for points, with_gradients in fits[:3]:
    values, gradients = np.median(found[points, with_gradients], axis=0)
    what = "values and gradients" if with_gradients else "values alone"
    print(f"{points:5,} points, {what:>20}: error {values:.4f}, of the gradient {gradients:.4f}")

# %%
# On every seed, 200 points with their gradients make a better surrogate than 1,000 without.

better = found[1_000, False] / found[200, True]
print(f"the error of 1,000 points is at least {better[:, 0].min():.2f} times that of 200 with gradients,")
print(f"that of their gradients at least {better[:, 1].min():.2f} times")

# %%
# Both fall with more points; those of fits that see gradients from lower down. (Small dots are single seeds, large ones
# their medians.)

figure, both = plt.subplots(1, 2, figsize=(8, 3.2), sharex=True, layout="constrained")
for axes, which, name in zip(both, (0, 1), ("value", "gradient"), strict=True):
    for with_gradients, label in ((False, "values alone"), (True, "values and gradients")):
        points = sorted(n for n, with_them in fits if with_them == with_gradients)
        each = np.array([found[n, with_gradients][:, which] for n in points])
        (line,) = axes.loglog(points, np.median(each, axis=1), "o-", label=label)
        axes.loglog(points, each, ".", color=line.get_color(), alpha=0.4)
    axes.set(xlabel="points", title=f"error of the {name}")
both[0].legend()

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"sobolev_{number}.png")
