"""JAX: a whole epoch is one jitted `lax.scan` with donated state.

It comes twice: with the shuffle inside the jitted function, as JAX programs have it, and with NumPy's permutation
handed in, which is much faster on a CPU: XLA shuffles by sorting, more than once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from bench.peers.base import Layers, Peer
from bench.workloads import LEARNING_RATE, NORM_EPSILON, Workload


def normalised(z: Any, axis: int, scale: Any, shift: Any) -> Any:
    """And the mean and variance along the axis."""
    mean, variance = jnp.mean(z, axis, keepdims=True), jnp.var(z, axis, keepdims=True)
    return (z - mean) * (jax.lax.rsqrt(variance + NORM_EPSILON) * scale) + shift, (mean, variance)


def encoded(parameters: Any, x: Any) -> Any:
    """What the encoders make of numbers and codes. One product is faster here than einsum or a sum of products, and
    rows of tables than products with one-hot codes."""
    frequency, phase, W, b, table = parameters
    numbers, codes = jnp.split(x, [len(frequency)], axis=1)
    waves = jnp.cos(2 * jnp.pi * numbers[:, :, None] * frequency + phase)
    first = len(table) // codes.shape[1] * jnp.arange(codes.shape[1])
    embedded = waves.reshape(len(x), -1) @ jax.scipy.linalg.block_diag(*W) + b.ravel()
    parts = embedded, numbers, take(table, codes.astype(jnp.int32) + first)
    return jnp.concatenate([part.reshape(len(x), -1) for part in parts], axis=1)


def forward(parameters: Any, x: Any, workload: Workload) -> Any:
    """Logits, and the mean and variance of the batch for each norm of columns."""
    statistics = []
    if workload.encoders:
        first, *parameters = parameters
        x = encoded(first, x)
    for W, b, *norm in parameters[:-1]:
        z = x @ W + b
        if workload.hidden == "batch_norm":
            z, moments = normalised(z, 0, *norm)
            statistics.append(moments)
        elif workload.hidden == "layer_norm":
            z, _ = normalised(z, 1, *norm)
        h = jax.nn.relu(z)
        x = x + h if workload.hidden == "residual" and x.shape == h.shape else h
    W, b = parameters[-1]
    return x @ W + b, statistics


def take(array: Any, rows: Any) -> Any:
    return array.at[rows].get(mode="promise_in_bounds")


def cross_entropy(z: Any, y: Any) -> Any:
    return (
        jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y[:, None], axis=1, mode="promise_in_bounds")[:, 0]
    ).mean()


def mse(z: Any, y: Any) -> Any:
    return 0.5 * jnp.square(z - y).sum(axis=1).mean()


def adam(state: Any, gradient: Any, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Any:
    p, m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, gradient)
    rate, correction = LEARNING_RATE / (1 - beta1**t), 1 / (1 - beta2**t)
    p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v * correction) + epsilon), p, m, v)
    return p, m, v, t


class JaxPeer(Peer):
    distribution = "jax"
    shuffles_inside = False

    def prepare(self) -> None:
        task, batch = self.task, self.task.workload.batch
        jax.config.update("jax_enable_x64", task.workload.dtype == "float64")
        self.rng = np.random.default_rng(0)
        self.X, self.y = jnp.asarray(task.X), jnp.asarray(task.y.astype(np.int32) if task.classifies else task.y)
        criterion = cross_entropy if task.classifies else mse
        whole = len(task.X) // batch * batch

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            z, statistics = forward(parameters, x, task.workload)
            return criterion(z, y), statistics

        gradient = jax.grad(loss, has_aux=True)

        def step(state: Any, x: Any, y: Any) -> Any:
            *optimized, running = state
            g, statistics = gradient(state[0], x, y)
            return *adam(optimized, g), jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, running, statistics)

        def epoch(state: Any, X: Any, y: Any, order: Any) -> Any:
            def body(state: Any, rows: Any) -> Any:
                return step(state, take(X, rows), take(y, rows)), None

            state, _ = jax.lax.scan(body, state, order[:whole].reshape(-1, batch))
            last = order[whole:]
            return step(state, take(X, last), take(y, last)) if len(last) else state

        def shuffled_epoch(state: Any, X: Any, y: Any, key: Any) -> Any:
            return epoch(state, X, y, jax.random.permutation(key, len(X)))

        self.key = jax.random.key(0)
        self.epoch_function = jax.jit(shuffled_epoch if self.shuffles_inside else epoch, donate_argnums=0)

    def reset(self) -> None:
        p = [tuple(map(jnp.array, layer)) for layer in self.task.layers]
        m, v = (jax.tree.map(jnp.zeros_like, p) for _ in range(2))
        units = self.task.workload.sizes[1:-1] if self.task.workload.hidden == "batch_norm" else ()
        running = [(jnp.zeros((1, n), self.X.dtype), jnp.ones((1, n), self.X.dtype)) for n in units]
        self.state = (p, m, v, jnp.zeros((), self.X.dtype), running)

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            if self.shuffles_inside:
                self.key, order = jax.random.split(self.key)
            else:
                order = self.rng.permutation(len(self.X)).astype(np.int32)
            self.state = self.epoch_function(self.state, self.X, self.y, order)
        jax.block_until_ready(self.state)

    def layers(self) -> Layers:
        return [tuple(map(np.asarray, layer)) for layer in self.state[0]]

    def predictor(self) -> Callable[[NDArray], Any]:
        parameters = [(jnp.array(W), jnp.array(b)) for W, b in self.task.layers]
        jitted = jax.jit(lambda x: jax.nn.softmax(forward(parameters, x, self.task.workload)[0]))
        return lambda x: np.asarray(jitted(x))


class JaxShufflePeer(JaxPeer):
    shuffles_inside = True
