"""1. Log-loss and the output gradient
===================================

From the likelihood of a coin to the gradient that every classifier starts backpropagation with: :math:`f(x) - e(y)`.

::

    python examples/log_loss.py [--quick]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf

quick = "--quick" in sys.argv

# %%
# The likelihood of a coin
# ------------------------
# A coin that shows heads with probability p gives the sequence y of heads (1) and tails (0) with probability
# :math:`\prod_t p^{y_t} (1-p)^{1-y_t}`. Its negative logarithm, the *log-loss*
# :math:`-\sum_t y_t \log p + (1-y_t) \log(1-p)`, is smallest where p is the share of heads.

throws = np.array([1, 1, 0, 1, 0, 1, 1, 1, 0, 1])
p = np.linspace(0.01, 0.99, 99)
log_loss = -(throws.sum() * np.log(p) + (1 - throws).sum() * np.log(1 - p)) / len(throws)
print(f"{throws.sum()} heads in {len(throws)} throws; the log-loss is smallest at p = {p[log_loss.argmin()]:.2f}")

figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.plot(p, log_loss)
axes.axvline(throws.mean(), color="grey", linestyle=":")
axes.set(xlabel="p", ylabel="log-loss of a throw", title="Seven heads, three tails")

# %%
# Through the softmax
# -------------------
# With several classes, f(x) = softmax(a) are their probabilities, and the loss is :math:`-\log f(x)_y`. It depends on
# one output alone: its gradient with respect to f is :math:`-e(y) / f(x)_y`, where e(y) is 1 at y and 0 elsewhere.
# The softmax has the Jacobian :math:`\partial f_i / \partial a_j = f_i (1_{i=j} - f_j)`. Their product is
# :math:`f(x) - e(y)`: the division and the multiplication by :math:`f(x)_y` are gone.

a = np.array([0.5, 2.0, -1.0, 0.1])
y = 1
f = mf.kernels.softmax(a)
e_y = np.eye(len(a))[y]
through_the_jacobian = mf.kernels.softmax_jacobian(f) @ ((0 - e_y) / f[y])
print("f(x)         ", np.round(f, 4))
print("-e(y)/f(x)_y ", np.round((0 - e_y) / f[y], 4))
print("f(x) - e(y)  ", np.round(f - e_y, 4))
print(f"they differ by {abs(through_the_jacobian - (f - e_y)).max():.1e} after the Jacobian")

# %%
# The modular flow graph
# ----------------------
# A network and its loss are a graph of nodes. Each knows two things: how to compute its value from those of its
# inputs (``forward``), and how to turn the derivative of the loss by its own value into derivatives by its inputs
# (``backward``). Nothing else is needed for networks of any depth. Here the softmax and the logarithm of one row are
# nodes of their own. Forward goes through them in order, each after its inputs; backward in reverse order, and there
# each line says what a node adds to its inputs' derivatives.

graph = mf.graph
scores = graph.leaf("a", a)
f = graph.softmax(scores).named("f")
L = (-graph.log(f[y])).named("L")
walk = graph.Graph(L)
for node in walk.nodes:
    print(f"{node!s:3} is {node.formula:10} and has the value", np.round(node.value, 4))
for node, parts in walk.steps():
    for of, part in parts:
        print(f"{node!s:3} is {node.formula:10} and adds to dL/d{of!s:2}", np.round(part, 4))
mf.plot.flow_graph(walk)
print("dL/da is f(x) - e(y):", np.allclose(walk.leaves["a"].gradient, f.value - e_y, atol=1e-15))

# %%
# A whole network, at 64 rows of the digits: products, sums, activations, and the loss in its fused form, which is one
# node behind the scores. The gradient that the graph finds is that of the engine, to rounding.

X, labels = mf.datasets.load_digits()
X, labels = X[:64].astype(np.float64) / 16, labels[:64]
model = mf.mlp([64, 16, 10], activation="tanh", output_activation="softmax", dtype="float64", seed=0)
network = graph.of(model, X, labels, loss="cross_entropy")
derivatives = network.backward()
print(network)

loss, gradient = model.loss_and_gradient(X, labels, loss="cross_entropy")
by_nodes = np.concatenate([derivatives[name].ravel() for name in model.tensors])
print(f"loss by the nodes {network.output.value:.12f}, by the engine {loss:.12f}")
print(f"their gradients differ by {abs(by_nodes - gradient).max():.1e}")

# %%
# Is it right? Finite differences
# -------------------------------
# A derivative is what :math:`(L(p + \epsilon) - L(p - \epsilon)) / 2\epsilon` tends to. A large step bends away with
# its square, a small one drowns in rounding: the error is a V, lowest near the cube root of the machine's precision.

steps = 10.0 ** np.arange(-12, 0, 1.0 if quick else 0.25)
checked = np.arange(0, model.n_parameters, 97)
errors = []
for step in steps:
    differences = []
    for index in checked:
        saved = model.parameters[index]
        sides = []
        for moved in (saved + step, saved - step):
            model.parameters[index] = moved
            sides.append(model.loss_and_gradient(X, labels, loss="cross_entropy")[0])
        model.parameters[index] = saved
        differences.append((sides[0] - sides[1]) / (2 * step))
    errors.append(np.linalg.norm(differences - gradient[checked]) / np.linalg.norm(gradient[checked]))
best = int(np.argmin(errors))
print(f"the best step is {steps[best]:.0e}, its relative error {errors[best]:.1e}")

figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.loglog(steps, errors, marker=".")
axes.axvline(np.cbrt(np.finfo(float).eps), color="grey", linestyle=":", label="cube root of the precision")
axes.set(xlabel="step", ylabel="relative error", title="Central differences against backpropagation")
axes.legend()

# %%
# ``mf.gradcheck`` does so for a whole model, with the step and the tolerance that rounding asks for:

report = mf.gradcheck(model, X, labels, loss="cross_entropy", max_parameters=32 if quick else 256)
print(report)

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"log_loss_{number}.png")
