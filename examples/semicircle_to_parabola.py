"""5. Two layers, from a semicircle to a parabola
==============================================

Sigmoid hidden units and squared error bend a semicircle into a parabola: seen point by point, unit by unit, step by
step, and then by other optimizers.

::

    python examples/semicircle_to_parabola.py [--quick]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

import mlpfast as mf

quick = "--quick" in sys.argv

# %%
# The task
# --------
# Points :math:`(\cos\varphi, \sin\varphi)` of the upper semicircle go to :math:`(t, t^2)` on a parabola, with t from
# -1 to 1. The network is 2-4-2: four sigmoid units, two linear outputs. Its loss is
# :math:`\frac1n \sum \tfrac12 \lVert f(x) - y \rVert^2`.

angles = np.linspace(np.pi, 0, 25)
X = np.stack([np.cos(angles), np.sin(angles)], axis=1)
t = np.linspace(-1, 1, len(angles))
Y = np.stack([t, t**2], axis=1)


def network():
    """Weights and biases wide enough that each unit's line crosses the semicircle somewhere."""
    weights, biases = mf.initializers.Normal(2.0), mf.initializers.Normal(0.5)
    return mf.Model(2, [mf.Dense(4, "sigmoid", weights, biases), mf.Dense(2)], dtype="float64", seed=3)


def draw(axes, model, title):
    """The points, where they are sent, the residual vectors, and each unit's line w x + b = 0."""
    outputs = model.predict(X)
    axes.plot(*X.T, "o", color="silver", markersize=3)
    axes.plot(*Y.T, "o", color="tab:green", markersize=3)
    axes.plot(*outputs.T, "o-", color="tab:blue", markersize=3, linewidth=1)
    axes.quiver(*outputs.T, *(Y - outputs).T, angles="xy", scale_units="xy", scale=1, width=0.004, color="tab:red")
    along = np.array([-3.0, 3.0])
    for w, b in zip(model.weights[0].T, model.biases[0], strict=True):
        foot, direction = -b * w / (w @ w), np.array([-w[1], w[0]]) / np.linalg.norm(w)
        axes.plot(*(foot[:, None] + direction[:, None] * along), color="tab:orange", linewidth=0.8)
    axes.set(xlim=(-1.6, 1.6), ylim=(-0.8, 1.6), title=title, aspect="equal")


# %%
# Descent at a rate of 0.02
# -------------------------
# Grey: the semicircle. Green: where its points should go; blue: where they go; red: the residuals :math:`y - f(x)`,
# which are minus the deltas of the outputs. Orange: the line on which each hidden unit is 1/2.

steps = 4_000 if quick else 100_000
shots = [0, 100, steps // 10, steps // 2, steps]
model = network()
trainer = mf.Trainer(model, loss="mse", optimizer=mf.SGD(0.02), batch_size=None, shuffle=False)
figure, panels = plt.subplots(2, 3, figsize=(9, 5.5), layout="constrained")
panels = panels.ravel()
losses = []
for axes, until in zip(panels, shots, strict=False):
    if until > trainer.steps:
        losses += trainer.fit(X, Y, epochs=until - trainer.steps, verbose=0)["loss"]
    loss = trainer.evaluate(X, Y)["loss"]
    draw(axes, model, f"step {until:,}: loss {loss:.5f}")
    print(f"step {until:6}: loss {loss:.6f}, largest residual {abs(Y - model.predict(X)).max():.3f}")
panels[-1].loglog(np.arange(1, len(losses) + 1), losses)
panels[-1].set(xlabel="step", title="loss")

# %%
# The same as an animation, with a frame for each fifth more steps.

frames = np.unique(np.geomspace(1, steps, 6 if quick else 40).astype(int))
model = network()
trainer = mf.Trainer(model, loss="mse", optimizer=mf.SGD(0.02), batch_size=None, shuffle=False)
figure, axes = plt.subplots(figsize=(5, 4), layout="constrained", dpi=70)


def frame(until):
    """Train up to there, and draw."""
    if until > trainer.steps:
        trainer.fit(X, Y, epochs=int(until) - trainer.steps, verbose=0)
    axes.clear()
    draw(axes, model, f"step {trainer.steps:,}")


animation = FuncAnimation(figure, frame, frames, init_func=lambda: None)
if quick or "sphinx_gallery" not in sys.modules:
    animation.save("semicircle_to_parabola.gif", writer="pillow", fps=8)

# %%
# Other optimizers
# ----------------
# From the same start, with rates that are about the best of each. Momentum and Adam take as many steps as descent.
# L-BFGS learns the curvature from how the gradient changes, and one of its steps may take several evaluations of the
# loss.


def descend(optimizer, epochs):
    """Losses by step, and the seconds that they took."""
    trainer = mf.Trainer(network(), loss="mse", optimizer=optimizer, batch_size=None, shuffle=False)
    history = trainer.fit(X, Y, epochs=epochs, verbose=0)
    return history["loss"], np.cumsum(history.seconds)


paths = {
    "descent, 0.02": descend(mf.SGD(0.02), steps // 5),
    "descent, 0.5": descend(mf.SGD(0.5), steps // 5),
    "momentum 0.9, 0.5": descend(mf.SGD(0.5, momentum=0.9), steps // 5),
    "Adam, 0.01": descend(mf.Adam(0.01), steps // 5),
    "L-BFGS": descend(mf.LBFGS(tolerance_change=1e-14), 300 if quick else 1_000),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained", sharey=True)
for name, (losses, times) in paths.items():
    left.loglog(range(1, len(losses) + 1), losses, label=name, linewidth=1)
    right.loglog(times, losses, linewidth=1)
    print(f"{name:18} loss {losses[-1]:.1e} after {len(losses)} steps, {times[-1] * 1e3:.0f} ms")
left.set(xlabel="step", title="loss against steps")
right.set(xlabel="seconds", title="loss against time")
left.legend()

# %%
# Total and partial derivatives
# -----------------------------
# The *partial* derivative of an output with respect to a hidden unit holds everything else still: it is one weight. The
# *total* derivative of the loss with respect to an input follows every path through the graph and adds them up: through
# four units and two outputs there are eight. Backpropagation finds it without listing them.

model, graph = network(), mf.graph
x, y = X[6], Y[6]
(W0, W1), (b0, b1) = model.weights, model.biases
inputs = [graph.leaf(f"x{i}", x[i]) for i in range(2)]
hidden = [graph.sigmoid(W0[0, k] * inputs[0] + W0[1, k] * inputs[1] + b0[k]).named(f"h{k}") for k in range(len(b0))]
outputs = [sum((W1[k, j] * h for k, h in enumerate(hidden)), b1[j]).named(f"f{j}") for j in range(2)]
squares = graph.Graph((0.5 * (outputs[0] - y[0]) ** 2 + 0.5 * (outputs[1] - y[1]) ** 2).named("L"))
total = float(squares.backward()["x0"])
paths = squares.paths("x0")
for path in paths:
    through = [str(node) for node in path.nodes if str(node)[0] in "xhfL"]
    print(f"{' -> '.join(through)}: {float(path.derivative):+.6f}")
step = 1e-6
moved = [model.loss_and_gradient([[x[0] + side, x[1]]], y[None], "mse")[0] for side in (step, -step)]
print(f"{len(paths)} paths, whose sum is {sum(float(path.derivative) for path in paths):.8f}")
print(f"backward {total:.8f}, by differences of the engine's loss {(moved[0] - moved[1]) / (2 * step):.8f}")

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"semicircle_to_parabola_{number}.png")
