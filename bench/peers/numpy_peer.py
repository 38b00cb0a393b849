"""NumPy as a careful user writes it: buffers reused for prediction, in-place updates, one flat parameter vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import unflatten
from bench.peers.base import Layers, Peer
from bench.workloads import LEARNING_RATE


class NumpyPeer(Peer):
    distribution = "numpy"

    def prepare(self) -> None:
        task = self.task
        self.rng = np.random.default_rng(0)
        self.y = np.eye(task.workload.sizes[-1], dtype=task.X.dtype)[task.y] if task.classifies else task.y

    def reset(self) -> None:
        self.p = self.task.initial.copy()
        self.g, self.m, self.v, self.work = (np.zeros_like(self.p) for _ in range(4))
        self.weights = unflatten(self.p, self.task.workload)
        self.gradients = unflatten(self.g, self.task.workload)
        self.t = 0

    def train(self, epochs: int) -> None:
        batch = self.task.workload.batch
        for _ in range(epochs):
            order = self.rng.permutation(len(self.task.X))
            for start in range(0, len(order), batch):
                rows = order[start : start + batch]
                self._backpropagate(self.task.X[rows], self.y[rows])
                self._adam()

    def _backpropagate(self, X: NDArray, y: NDArray) -> None:
        hidden = [X]
        for i, (W, b) in enumerate(self.weights):
            z = hidden[-1] @ W
            z += b
            if i < len(self.weights) - 1:
                np.maximum(z, 0, out=z)
            hidden.append(z)
        delta = hidden.pop()
        if self.task.classifies:
            delta -= delta.max(axis=1, keepdims=True)
            np.exp(delta, out=delta)
            delta /= delta.sum(axis=1, keepdims=True)
        delta -= y
        delta *= 1 / len(X)
        for i in reversed(range(len(self.weights))):
            dW, db = self.gradients[i]
            np.matmul(hidden[i].T, delta, out=dW)
            delta.sum(axis=0, out=db)
            if i:
                delta = delta @ self.weights[i][0].T
                delta *= hidden[i] > 0

    def _adam(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.t += 1
        correction = np.sqrt(1 - beta2**self.t)
        rate = LEARNING_RATE * correction / (1 - beta1**self.t)
        g, m, v, work = self.g, self.m, self.v, self.work
        m *= beta1
        m += np.multiply(g, 1 - beta1, out=work)
        v *= beta2
        np.multiply(g, g, out=work)
        work *= 1 - beta2
        v += work
        np.sqrt(v, out=work)
        work += epsilon * correction
        np.divide(m, work, out=work)
        work *= rate
        self.p -= work

    def layers(self) -> Layers:
        return self.weights

    def predictor(self) -> Callable[[NDArray], Any]:
        layers = self.task.layers
        buffers = [np.empty((self.task.workload.batch, len(b)), b.dtype) for _, b in layers]
        hidden = list(zip(layers, buffers, strict=True))[:-1]
        (W_out, b_out), out = layers[-1], buffers[-1]

        def predict(x: NDArray) -> NDArray:
            for (W, b), h in hidden:
                np.matmul(x, W, out=h)
                np.add(h, b, out=h)
                x = np.maximum(h, 0, out=h)
            np.matmul(x, W_out, out=out)
            np.add(out, b_out, out=out)
            np.subtract(out, out.max(axis=1, keepdims=True), out=out)
            np.exp(out, out=out)
            return np.divide(out, out.sum(axis=1, keepdims=True), out=out)

        return predict
