"""Learning rates: where to begin, and where to go
===============================================

A search for the rate to begin with, the schedules that lead on from there, and what they are worth.

::

    python examples/learning_rates.py [--quick]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf
from mlpfast import schedules

quick = "--quick" in sys.argv
X, y = mf.datasets.load_digits()
X = X / 16
test = np.arange(len(y)) % 4 == 0

# %%
# Where to begin
# --------------
# ``lr_finder`` lets the rate rise from step to step, on a copy of the trainer. Small rates change nothing, large ones
# throw the net out; in between the loss falls, and where it falls steepest is a rate to begin with.


def trainer(rate, seed=0):
    model = mf.mlp([64, 64, 10], activation="relu", output_activation="softmax", seed=seed)
    return mf.Trainer(model, optimizer=mf.SGD(rate, momentum=0.9), batch_size=32, seed=seed)


found = mf.lr_finder(trainer(0.01), X[~test], y[~test])
print(found)

figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
found.plot(axes)

# %%
# Where to go
# -----------
# Each schedule is a function of the step. Those that are given no length end where the training ends.

steps = np.arange(400)
families = {
    "step": schedules.Step(1, 0.5, steps=100),
    "exponential": schedules.Exponential(1, 0.5, steps=100),
    "inverse scaling": schedules.InverseScaling(1, steps=20),
    "polynomial": schedules.Polynomial(1, exponent=2),
    "cosine": schedules.Cosine(1),
    "warm restarts": schedules.Cosine(1, cycles=3, growth=2),
    "one cycle": schedules.OneCycle(1),
    "coslog4": schedules.CosLog4(1),
    "flat_cos": schedules.FlatCos(1),
    "warm-up, then cosine": schedules.Warmup(schedules.Cosine(1), steps=50),
}
figure, grid = plt.subplots(2, 5, figsize=(10, 4), sharex=True, sharey=True, layout="constrained")
for axes, (name, schedule) in zip(grid.flat, families.items(), strict=True):
    axes.plot(steps, schedule.values(steps, total_steps=len(steps)))
    axes.set_title(name, fontsize=10)

# %%
# What it is worth
# ----------------
# At the suggested rate, little; but a constant rate has to be right, and one that falls forgives twice of it.

factors = np.array([1.0, 2.0] if quick else [0.5, 1.0, 2.0, 4.0])
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
for name, schedule in (("constant", float), ("cosine", schedules.Cosine), ("one cycle", schedules.OneCycle)):
    losses = np.zeros((3, len(factors)))
    for seed in range(len(losses)):
        for i, factor in enumerate(factors):
            one = trainer(schedule(factor * found.suggestion), seed)
            one.fit(X[~test], y[~test], epochs=20, verbose=0)
            losses[seed, i] = one.evaluate(X[test], y[test])["loss"]
    medians = np.median(losses, axis=0)
    print(f"{name}: test losses {np.round(medians, 3)} at {factors} times the suggestion")
    axes.plot(factors * found.suggestion, medians, marker=".", label=name)
axes.set(xscale="log", xlabel="largest learning rate", ylabel="test loss, median of three seeds")
axes.legend()

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"learning_rates_{number}.png")
