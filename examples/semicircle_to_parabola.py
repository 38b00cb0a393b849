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

steps = 4_000 if quick else 50_000
shots = [0, 100, steps // 10, steps // 2, steps]
frames = np.unique(np.geomspace(1, steps, 6 if quick else 30).astype(int))
model = network()
trainer = mf.Trainer(model, loss="mse", optimizer=mf.SGD(0.02), batch_size=None, shuffle=False)
on_the_way, losses = {0: model.copy()}, []
for until in sorted({*shots[1:], *frames.tolist()}):
    losses += trainer.fit(X, Y, epochs=until - trainer.steps, verbose=0)["loss"]
    on_the_way[until] = model.copy()

figure, panels = plt.subplots(2, 3, figsize=(9, 5.5), layout="constrained")
panels = panels.ravel()
for axes, until in zip(panels, shots, strict=False):
    then = on_the_way[until]
    loss, _ = then.loss_and_gradient(X, Y, loss="mse")
    draw(axes, then, f"step {until:,}: loss {loss:.5f}")
    print(f"step {until:6}: loss {loss:.6f}, largest residual {abs(Y - then.predict(X)).max():.3f}")
panels[-1].loglog(np.arange(1, len(losses) + 1), losses)
panels[-1].set(xlabel="step", title="loss")

# %%
# The same as an animation, with a frame for each third more steps.

figure, axes = plt.subplots(figsize=(5, 4), layout="constrained", dpi=70)


def frame(until):
    """Draw the model as it was."""
    axes.clear()
    draw(axes, on_the_way[int(until)], f"step {until:,}")


animation = FuncAnimation(figure, frame, frames, init_func=lambda: None)
if quick or "sphinx_gallery" not in sys.modules:
    animation.save("semicircle_to_parabola.gif", writer="pillow", fps=8)

# %%
# Other optimizers
# ----------------
# From the same start, with rates that are about the best of each. Momentum and Adam take as many steps as descent.
# The others know of the curvature, and their steps cost more. L-BFGS learns it from how the gradient changes, and may
# evaluate the loss several times in a step. Newton-CG minimises a quadratic model with the true Hessian H, of which it
# needs products H v alone. Levenberg-Marquardt takes :math:`J^\top J` for the Hessian, where J holds the derivatives of
# the residuals: right where these are small, which is where it is going.


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
    "Newton-CG": descend(mf.NewtonCG(tolerance_change=1e-14), 100 if quick else 300),
    "Levenberg-Marquardt": descend(mf.LevenbergMarquardt(tolerance_change=1e-14), 100 if quick else 300),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained", sharey=True)
for name, (losses, times) in paths.items():
    left.loglog(range(1, len(losses) + 1), losses, label=name, linewidth=1)
    right.loglog(times, losses, linewidth=1)
    print(f"{name:19} loss {losses[-1]:.1e} after {len(losses)} steps, {times[-1] * 1e3:.0f} ms")
left.set(xlabel="step", title="loss against steps")
right.set(xlabel="seconds", title="loss against time")
figure.legend(loc="outside right upper")

# %%
# Total and partial derivatives
# -----------------------------
# The *partial* derivative of an output with respect to a hidden unit holds everything else still: it is one weight. The
# *total* derivative of the loss with respect to an input follows every path through the graph and adds them up: through
# four units and two outputs there are eight. Backpropagation finds it without listing them: what a unit hands on is the
# sum of what it was handed by both outputs.

model, graph = network(), mf.graph
x, y = X[6], Y[6]
(W0, W1), (b0, b1) = model.weights, model.biases
inputs = [graph.leaf(f"x{i}", x[i]) for i in range(2)]
hidden = [graph.sigmoid(W0[0, k] * inputs[0] + W0[1, k] * inputs[1] + b0[k]).named(f"h{k}") for k in range(len(b0))]
outputs = [sum((W1[k, j] * h for k, h in enumerate(hidden)), b1[j]).named(f"f{j}") for j in range(2)]
squares = graph.Graph((0.5 * (outputs[0] - y[0]) ** 2 + 0.5 * (outputs[1] - y[1]) ** 2).named("L"))
total = float(squares.backward()["x0"])
for k, h in enumerate(hidden):
    print(f"h{k}: partial df0/dh{k} = {W1[k, 0]:+.4f}, df1/dh{k} = {W1[k, 1]:+.4f}; total dL/dh{k} = {h.gradient:+.4f}")
paths = squares.paths("x0")
for path in paths:
    through = [str(node) for node in path.nodes if str(node)[0] in "xhfL"]
    print(f"{' -> '.join(through)}: {float(path.derivative):+.6f}")
step = 1e-6
moved = [model.loss_and_gradient([[x[0] + side, x[1]]], y[None], "mse")[0] for side in (step, -step)]
print(f"{len(paths)} paths, whose sum is {sum(float(path.derivative) for path in paths):.8f}")
print(f"backward {total:.8f}, by differences of the engine's loss {(moved[0] - moved[1]) / (2 * step):.8f}")

# %%
# The graph of one unit's part, :math:`f_0` of :math:`h_0`, with local derivatives on the arrows and total ones below
# the values. What else adds to its pre-activation is b here, and what the other units add to the output is c.

numbers = {"x0": x[0], "w": W0[0, 0], "b": W0[1, 0] * x[1] + b0[0], "v": W1[0, 0], "y0": y[0]}
numbers["c"] = W1[1:, 0] @ [float(h.value) for h in hidden[1:]] + b1[0]
x0, w, b, v, y0, c = (graph.leaf(name, value) for name, value in numbers.items())
h0 = graph.sigmoid((w * x0 + b).named("z0")).named("h0")
part = graph.Graph((0.5 * ((v * h0 + c).named("f0") - y0) ** 2).named("L"))
print(f"through h0 and f0 alone, dL/dx0 = {float(part.backward()['x0']):+.6f}")
mf.plot.flow_graph(part)

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"semicircle_to_parabola_{number}.png")
