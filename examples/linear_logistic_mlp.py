"""3. Linear regression, logistic regression, MLP
==============================================

The chain rule on the smallest models; the loop over samples, the vectorised form and the engine: the same numbers at
three speeds. Then a ReLU net from scratch.

::

    python examples/linear_logistic_mlp.py [--quick]
"""

import math
import sys
import time

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf

quick = "--quick" in sys.argv
rng = np.random.default_rng(0)

# %%
# The computation graph of one sample
# -----------------------------------
# Linear regression with one input: :math:`z = w x + b`, :math:`L = \tfrac12 (z - y)^2`. Backward from L, each edge
# multiplies by its local derivative: :math:`dL/dz = z - y`, then :math:`dL/dw = dL/dz \cdot x` and
# :math:`dL/db = dL/dz \cdot 1`. Logistic regression puts :math:`p = \sigma(z)` and
# :math:`L = -y \log p - (1-y) \log(1-p)` on top: :math:`dL/dp = (p - y) / (p (1 - p))` and
# :math:`dp/dz = p (1 - p)`, whose product is again the plain difference :math:`p - y`.

graph = mf.graph


def line():
    """z and y, from leaves with numbers."""
    w, b, x, y = (graph.leaf(name, value) for name, value in (("w", 0.5), ("b", -0.2), ("x", 2.0), ("y", 1.0)))
    return (w * x + b).named("z"), y


z, t = line()
linear = graph.Graph((0.5 * (z - t) ** 2).named("L"))
linear.backward()
mf.plot.flow_graph(linear)
print(linear)

# %%
# The same with a sigmoid and the log-loss. The chain rule goes through p, and comes out at p - y:

z, t = line()
p = graph.sigmoid(z).named("p")
logistic_graph = graph.Graph((-(t * graph.log(p) + (1 - t) * graph.log(1 - p))).named("L"))
logistic_graph.backward()
print(logistic_graph)
mf.plot.flow_graph(logistic_graph)
print(f"dL/dz = {float(z.gradient):.6f}, p - y = {float(p.value - t.value):.6f}")

# %%
# Three forms of the same gradient
# --------------------------------
# First as it is read, sample by sample and unit by unit; then as products of matrices; then by the engine. All three
# models are stacks of dense layers, so one function of each form does for all.
#
# The vectorised form needs two rules. A gradient has the shape of what it belongs to: :math:`dL/dW = h^\top \delta` is
# (fan_in, n) times (n, fan_out). And a bias is added to every row of the batch, so it takes the blame of every row:
# :math:`dL/db` is the *sum* of :math:`\delta` over them, the transpose of the broadcast.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def loop(model, X, y):
    """The gradient sample by sample, in plain Python; tanh between the layers."""
    layers = [(W.tolist(), b.tolist()) for W, b in zip(model.weights, model.biases, strict=True)]
    gradients = [([[0.0] * len(b) for _ in W], [0.0] * len(b)) for W, b in layers]
    for x, t in zip(X.tolist(), y.tolist(), strict=True):
        hs = [x]
        for number, (W, b) in enumerate(layers):
            z = [b[j] + sum(hs[-1][i] * W[i][j] for i in range(len(W))) for j in range(len(b))]
            last = number == len(layers) - 1
            hs.append(z if last else [math.tanh(value) for value in z])
        f = hs.pop()[0]
        delta = [((1 / (1 + math.exp(-f)) if logistic(model) else f) - t) / len(y)]
        for (W, _), (dW, db), h in zip(reversed(layers), reversed(gradients), reversed(hs), strict=True):
            for j, d in enumerate(delta):
                db[j] += d
                for i, value in enumerate(h):
                    dW[i][j] += value * d
            delta = [sum(d * w for d, w in zip(delta, W[i], strict=True)) * (1 - h[i] ** 2) for i in range(len(h))]
    return np.concatenate([np.ravel(part) for pair in gradients for part in pair])


def vectorised(model, X, y):
    """The gradient by products of matrices."""
    hs = [X]
    for W, b in zip(model.weights[:-1], model.biases[:-1], strict=True):
        hs.append(np.tanh(hs[-1] @ W + b))
    f = hs[-1] @ model.weights[-1] + model.biases[-1]
    delta, gradients = ((sigmoid(f) if logistic(model) else f) - y[:, None]) / len(y), []
    for W, h in zip(reversed(model.weights), reversed(hs), strict=True):
        gradients[:0] = [(h.T @ delta).ravel(), delta.sum(axis=0)]
        delta = delta @ W.T * (1 - h**2)
    return np.concatenate(gradients)


def engine(model, X, y):
    """The gradient by the package; the trainer keeps what was planned for the call before."""
    return trainers[model].loss_and_gradient(X, y[:, None])[1]


def logistic(model):
    return model.output_activation.name == "sigmoid"


def seconds(function, *arguments):
    """The fastest of some calls."""
    times = []
    while len(times) < 3 or sum(times) < (0.02 if quick else 0.3):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


rows, inputs = (200, 20) if quick else (2000, 20)
X = rng.standard_normal((rows, inputs))
y = (X[:, 0] + 0.5 * rng.standard_normal(rows) > 0).astype(np.float64)
models = {
    "linear regression": mf.mlp([inputs, 1], dtype="float64"),
    "logistic regression": mf.mlp([inputs, 1], output_activation="sigmoid", dtype="float64"),
    "MLP, 20-32-1": mf.mlp([inputs, 32, 1], "tanh", "sigmoid", dtype="float64"),
}
trainers = {
    model: mf.Trainer(model, loss="binary_cross_entropy" if logistic(model) else "mse") for model in models.values()
}
forms = {"loop": loop, "vectorised": vectorised, "engine": engine}
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
largest = 0.0
for number, (name, model) in enumerate(models.items()):
    found = {form: function(model, X, y) for form, function in forms.items()}
    largest = max(largest, *(abs(found[form] - found["engine"]).max() for form in forms))
    times = [seconds(function, model, X, y) for function in forms.values()]
    axes.bar(np.arange(3) + number / 4 - 0.25, times, width=0.25, label=name)
    print(f"{name:20}" + ", ".join(f"{form} {t * 1e6:.1f} us" for form, t in zip(forms, times, strict=True)))
print(f"{rows} rows; the three gradients differ by at most {largest:.1e}")
axes.set(yscale="log", ylabel="seconds", title=f"One gradient of {rows} rows")
axes.set_xticks(range(3), forms)
axes.legend()

# %%
# The shapes, for the MLP: each gradient has the shape of its tensor.

for name, tensor in models["MLP, 20-32-1"].tensors.items():
    print(f"d loss / d {name}: {tensor.shape}")

# %%
# A ReLU net from scratch
# -----------------------
# 1-32-32-1 with squared error, in NumPy. Forward keeps every pre-activation z, since backward needs the slope of the
# ReLU there: 1 where z > 0. The engine fuses that into the product; the parameters agree to rounding all the way.


def relu_net_step(parameters, x, y, rate):
    """One step of gradient descent on 1/2 (f - y)^2, in place; the loss before it."""
    (W0, b0, W1, b1, W2, b2), n = parameters, len(x)
    z0 = x @ W0 + b0  # (n, 32), kept
    h0 = np.maximum(z0, 0)
    z1 = h0 @ W1 + b1  # (n, 32), kept
    h1 = np.maximum(z1, 0)
    f = h1 @ W2 + b2  # (n, 1)
    d2 = (f - y) / n  # (n, 1)
    d1 = d2 @ W2.T * (z1 > 0)  # (n, 32)
    d0 = d1 @ W1.T * (z0 > 0)  # (n, 32)
    gradients = [x.T @ d0, d0.sum(0), h0.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0)]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter -= rate * gradient
    return ((f - y) ** 2).sum() / 2 / n


steps = 500 if quick else 5000
x = np.linspace(-3, 3, 128)[:, None]
target = np.sin(2 * x)
model = mf.mlp([1, 32, 32, 1], activation="relu", dtype="float64", seed=0)
by_hand = [tensor.copy() for tensor in model.tensors.values()]

start = time.perf_counter()
for _ in range(steps):
    loss = relu_net_step(by_hand, x, target, rate=0.02)
middle = time.perf_counter()
trainer = mf.Trainer(model, loss="mse", optimizer=mf.SGD(0.02), batch_size=None, shuffle=False)
history = trainer.fit(x, target, epochs=steps, verbose=0)
end = time.perf_counter()

difference = max(abs(a - b).max() for a, b in zip(by_hand, model.tensors.values(), strict=True))
print(f"{steps} steps: loss {loss:.6f} in NumPy, {history['loss'][-1]:.6f} in the engine")
print(f"their parameters differ by at most {difference:.1e}")
print(f"NumPy {(middle - start) / steps * 1e6:.0f} us a step, the engine {sum(history.seconds) / steps * 1e6:.0f} us")

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(x, target, "k:", label="sin 2x")
axes.plot(x, model.predict(x), label="mf.Model")
axes.plot(x[::8], (np.maximum(np.maximum(x @ by_hand[0] + by_hand[1], 0) @ by_hand[2] + by_hand[3], 0)
                   @ by_hand[4] + by_hand[5])[::8], "o", label="NumPy")  # fmt: skip
axes.set(xlabel="x", title=f"After {steps} steps")
axes.legend()

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"linear_logistic_mlp_{number}.png")
