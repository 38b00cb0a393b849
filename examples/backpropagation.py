"""2. Backpropagation in L layers
==============================

The algorithm for any number of layers, three ways to take its steps, and why depth makes gradients vanish.

::

    python examples/backpropagation.py [--quick]
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf

quick = "--quick" in sys.argv
X, y = mf.datasets.load_digits()
X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-6)
test = np.arange(len(y)) % 4 == 0
X_train, y_train, X_test, y_test = X[~test], y[~test], X[test], y[test]

# %%
# The algorithm
# -------------
# With :math:`h^{(0)} = x`, forward for k = 1 ... L: :math:`a^{(k)} = h^{(k-1)} W^{(k)} + b^{(k)}` and
# :math:`h^{(k)} = g(a^{(k)})`, the last g being the softmax. The loss is the negative log-likelihood with a penalty,
# :math:`-\frac1n \sum \log f(x)_y + \frac\lambda2 \sum_k \lVert W^{(k)} \rVert^2`. Backward, from
# :math:`\delta^{(L)} = (f(x) - e(y)) / n`, for k = L ... 1: the gradients
# :math:`h^{(k-1)\top} \delta^{(k)} + \lambda W^{(k)}` and :math:`\sum_{rows} \delta^{(k)}`, then
# :math:`\delta^{(k-1)} = \delta^{(k)} W^{(k)\top} \odot g'(a^{(k-1)})`.


def backpropagation(Ws, bs, X, y, decay):
    """The loss and the gradient of each W and b, for tanh and a softmax at the end."""
    hs = [X]
    for W, b in zip(Ws[:-1], bs[:-1], strict=True):
        hs.append(np.tanh(hs[-1] @ W + b))
    f = mf.kernels.softmax(hs[-1] @ Ws[-1] + bs[-1])
    rows = np.arange(len(y))
    loss = -np.log(f[rows, y]).mean() + decay / 2 * sum((W**2).sum() for W in Ws)
    f[rows, y] -= 1
    delta, gradients = f / len(y), []
    for W, h in zip(reversed(Ws), reversed(hs), strict=True):
        gradients[:0] = [h.T @ delta + decay * W, delta.sum(axis=0)]
        delta = delta @ W.T * (1 - h**2)
    return loss, gradients


model = mf.mlp([64, 32, 32, 32, 10], "tanh", "softmax", dtype="float64", seed=0)
X64 = X_train.astype(np.float64)
loss, gradients = backpropagation(model.weights, model.biases, X64, y_train, decay=0.01)
ours, gradient = model.loss_and_gradient(X64, y_train, loss="cross_entropy", l2=0.01)
difference = abs(np.concatenate([g.ravel() for g in gradients]) - gradient).max()
print(f"4 layers: loss {loss:.10f}, by the engine {ours:.10f}; the gradients differ by {difference:.1e}")

# %%
# Three ways to take the step
# ---------------------------
# Plain SGD follows the gradient, momentum its running sum, and weight decay pulls the weights towards zero on the way.

epochs = 10 if quick else 40
ways = {
    "SGD": mf.SGD(0.02),
    "momentum 0.9": mf.SGD(0.02, momentum=0.9),
    "momentum 0.9, weight decay": mf.SGD(0.02, momentum=0.9, weight_decay=0.02),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for name, optimizer in ways.items():
    model = mf.mlp([64, 64, 64, 10], "tanh", "softmax", seed=0)
    trainer = mf.Trainer(model, optimizer=optimizer, batch_size=64, metrics=["accuracy"], seed=0)
    history = trainer.fit(X_train, y_train, epochs=epochs, validation_data=(X_test, y_test), verbose=0)
    norm = np.sqrt(sum((W.astype(np.float64) ** 2).sum() for W in model.weights))
    left.semilogy(range(1, epochs + 1), history["loss"], label=name)
    right.semilogy(range(1, epochs + 1), history["val_loss"], label=name)
    print(
        f"{name}: loss {history['loss'][-1]:.4f}, held out {history['val_loss'][-1]:.4f}, "
        f"accuracy {history['val_accuracy'][-1]:.3f}, norm of the weights {norm:.1f}"
    )
left.set(title="loss in training", xlabel="epoch")
right.set(title="loss on the held-out quarter", xlabel="epoch")
left.legend()

# %%
# The gradient vanishes with depth
# --------------------------------
# :math:`\delta` is multiplied by :math:`g'(a)` and :math:`W^\top` at every layer. The sigmoid's slope is at most 1/4:
# through ten layers little is left, and the first ones stand still. tanh has a slope of up to 1, ReLU of 1 wherever
# it is active; the initial weights decide whether the product of the W shrinks (where they are small, the values
# shrink on their way forward as well, and the gradients of all layers are tiny). Batch normalisation gives each unit
# mean 0 and variance 1 over the rows, and the identity beside a residual block takes the gradient through whole.
# Layer normalisation does not save the sigmoid: its units are all near 1/2, which is the same for every row, and what
# differs between rows stays as small beside it as it was.

depth = 10


def stack(activation, initializer, kind="plain"):
    """Ten hidden layers of 64."""
    dense = mf.Dense(64, activation, initializer)
    between = {"layer norm": mf.LayerNorm(), "batch norm": mf.BatchNorm()}
    if kind == "residual":
        hidden = [mf.Residual([dense])] * depth
    elif kind in between:
        hidden = [mf.Dense(64, "identity", initializer, use_bias=False), between[kind], mf.Activate(activation)] * depth
    else:
        hidden = [dense] * depth
    return mf.Model(64, [*hidden, mf.Dense(10, "softmax")], seed=0)


stacks = {
    "sigmoid, Glorot": ("sigmoid", "glorot_uniform"),
    "tanh, small weights": ("tanh", mf.initializers.Normal(0.05)),
    "tanh, Glorot": ("tanh", "glorot_uniform"),
    "relu, Glorot": ("relu", "glorot_uniform"),
    "relu, He": ("relu", "he_normal"),
    "sigmoid, layer norm": ("sigmoid", "glorot_uniform", "layer norm"),
    "sigmoid, batch norm": ("sigmoid", "glorot_uniform", "batch norm"),
    "sigmoid, residual": ("sigmoid", "glorot_uniform", "residual"),
}
figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
for name, arguments in stacks.items():
    model = stack(*arguments)
    _, gradient = model.loss_and_gradient(X_train, y_train, loss="cross_entropy", training=True)
    ends = np.cumsum([tensor.size for tensor in model.tensors.values()])
    by_name = dict(zip(model.tensors, np.split(gradient, ends[:-1]), strict=True))
    sizes = [np.sqrt(np.mean(by_name[key].astype(np.float64) ** 2)) for key in by_name if key.startswith("W")]
    axes.semilogy(range(1, depth + 2), sizes, marker=".", label=name)

    trainer = mf.Trainer(model, optimizer=mf.SGD(0.05, momentum=0.9), metrics=["accuracy"], seed=0)
    trainer.fit(X_train, y_train, epochs=5 if quick else 20, verbose=0)
    accuracy = trainer.evaluate(X_test, y_test)["accuracy"]
    print(f"{name:20} dL/dW of the first layer {sizes[0]:.0e}, of the last {sizes[-1]:.0e}; accuracy {accuracy:.3f}")
axes.set(xlabel="layer", ylabel="root mean square of dL/dW", title="Before training, by layer")
axes.legend(ncols=2)

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"backpropagation_{number}.png")
