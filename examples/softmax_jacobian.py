"""4. The softmax Jacobian
=======================

A chain of two weights by hand; the Jacobian of the softmax, and why nobody should form it; the gradient of the
cross-entropy, and what happens at a probability of zero without the fused form.

::

    python examples/softmax_jacobian.py [--quick]
"""

import sys
import time

import matplotlib.pyplot as plt
import numpy as np

import mlpfast as mf

quick = "--quick" in sys.argv

# %%
# Two weights by hand
# -------------------
# :math:`h = \sigma(w_1 x)`, :math:`f = w_2 h`, :math:`L = \tfrac12 (f - y)^2`. The chain rule multiplies what lies on
# the path from L to each weight: :math:`dL/dw_2 = (f - y)\, h` and :math:`dL/dw_1 = (f - y)\, w_2\, h (1 - h)\, x`.
# The factor :math:`f - y` is computed once and handed down: that is backpropagation.

x, y, w1, w2 = 1.5, 1.0, 0.8, -0.6
h = 1 / (1 + np.exp(-w1 * x))
f = w2 * h
by_hand = np.array([(f - y) * w2 * h * (1 - h) * x, (f - y) * h])

layers = [mf.Dense(1, "sigmoid", use_bias=False), mf.Dense(1, use_bias=False)]
model = mf.Model(1, layers, dtype="float64")
model.parameters = [w1, w2]
loss, gradient = model.loss_and_gradient([[x]], [y], loss="mse")
print(f"h = {h:.6f}, f = {f:.6f}, L = {loss:.6f}")
print(f"dL/dw1, dL/dw2 by hand {by_hand.round(6)}, by the engine {gradient.round(6)}")
print(f"they differ by {abs(by_hand - gradient).max():.1e}")

# %%
# Diagonal and off-diagonal
# -------------------------
# Raising one input of a softmax raises its own output and lowers all others:
# :math:`\partial s_i / \partial z_i = s_i (1 - s_i)` on the diagonal, :math:`\partial s_i / \partial z_j = -s_i s_j`
# off it, so :math:`J = \mathrm{diag}(s) - s s^\top`. It is symmetric, and its rows sum to zero, as probabilities that
# sum to 1 must.

s = mf.kernels.softmax(np.array([2.0, 1.0, 0.1]))
J = mf.kernels.softmax_jacobian(s)
print("s =", s.round(4))
print("J =", str(J.round(4)).replace("\n", "\n    "))
print(f"diagonal off s (1 - s) by {abs(np.diag(J) - s * (1 - s)).max():.1e}, rows sum to {abs(J.sum(1)).max():.1e}")

# %%
# J v without J
# -------------
# Backpropagation needs J only times a vector: :math:`J v = s \odot (v - \langle s, v \rangle)`, which takes one pass
# over s and v where J has N x N entries. At N = 100,000 these would be 80 GB.

largest = 2_000 if quick else 5_000
sizes = [10, 30, 100, 300, 1_000, 2_000, 5_000, 10_000, 30_000, 100_000]
rng = np.random.default_rng(0)


def seconds(function, *arguments):
    """The fastest of some calls."""
    times = []
    while len(times) < 3 or sum(times) < (0.005 if quick else 0.1):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


direct, formed = [], []
for size in sizes:
    s, v = mf.kernels.softmax(rng.standard_normal(size)), rng.standard_normal(size)
    direct.append(seconds(mf.kernels.softmax_jvp, s, v))
    if size <= largest:
        formed.append(seconds(lambda s, v: mf.kernels.softmax_jacobian(s) @ v, s, v))
        error = abs(mf.kernels.softmax_jacobian(s) @ v - mf.kernels.softmax_jvp(s, v)).max()
at = sizes.index(largest)
print(f"N = {largest}: J v in {direct[at] * 1e6:.1f} us, with J formed in {formed[at] * 1e6:.0f} us")
print(f"they differ by {error:.0e}")
print(f"N = 100000: J v in {direct[-1] * 1e6:.0f} us; J would have 80 GB")

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.loglog(sizes, direct, marker=".", label="s * (v - <s, v>)")
axes.loglog(sizes[: len(formed)], formed, marker=".", label="J formed, then J v")
axes.set(xlabel="N", ylabel="seconds", title="The softmax's Jacobian times a vector")
axes.legend(loc="upper left")

# %%
# The cross-entropy, and a probability of zero
# --------------------------------------------
# :math:`L = -\sum_i t_i \log s_i` has :math:`dL/ds = -t / s`, and :math:`J (-t/s) = s - t`. Computed in two steps, that
# fails where a probability rounds to zero: the loss is infinite and its gradient 0 times infinity. Fused, the loss is
# :math:`\log \sum_j \exp z_j - z_y`, which is exact, and the gradient is :math:`s - t` without a division.

z = np.array([[-600.0, 0.0, 200.0]])
t = np.array([[1.0, 0.0, 0.0]])
s = mf.kernels.softmax(z)
with np.errstate(divide="ignore", invalid="ignore"):
    loss_in_two = -(t * np.log(s)).sum()
    gradient_in_two = mf.kernels.softmax_jvp(s, -t / s)
print("s =", s[0], "and the class is the first")
print("in two steps: loss", loss_in_two, "gradient", gradient_in_two[0])

model = mf.Model(3, [mf.Dense(3, "softmax", use_bias=False)], dtype="float64")
model.parameters = np.eye(3).ravel()  # so that the pre-activations are the inputs
loss, gradient = model.loss_and_gradient(z, t, loss="cross_entropy")
delta = gradient.reshape(3, 3)[0] / z[0, 0]  # dL/dW = z^T delta
print(f"fused: loss {loss}, gradient {delta}")

# %%
# How fast it goes wrong in float32: the loss of a true class whose logit is d below the other's.

d = np.linspace(0, 150, 301, dtype=np.float32)
z = np.stack([-d, np.zeros_like(d)], axis=1)
with np.errstate(divide="ignore"):
    in_two = -np.log(mf.kernels.softmax(z)[:, 0])
fused = -mf.kernels.log_softmax(z)[:, 0]
print(f"float32: in two steps the loss is infinite from d = {d[np.isinf(in_two)][0]:.0f} on")
print(f"fused, it is {fused[-1]:.0f} at d = 150")

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(d, fused, label="fused")
axes.plot(d, in_two, "--", label="softmax, then logarithm")
axes.set(xlabel="d", ylabel="loss", title="The true class's logit is d below the other's (float32)")
axes.legend()

# %%
# Run as a script, it leaves its pictures in files.
for number in plt.get_fignums():
    plt.figure(number).savefig(f"softmax_jacobian_{number}.png")
