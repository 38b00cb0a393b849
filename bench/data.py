"""The data of a workload, made once by the runner and read by every peer, so that all see the same bytes."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.workloads import NORM_EPSILON, Encoders, Workload

Layers = list[
    tuple[NDArray, ...]
]  # W (fan_in, fan_out) and b of each product, and a norm's scale and shift behind them

FASHION_MNIST = Path(os.environ.get("MLPFAST_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of bytes, gzipped: two zeros, type 8, the rank, big-endian sizes, then the elements."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def fashion_mnist(part: str = "train") -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (n, 784) scaled to [0, 1] and labels (n,); part is "train" (60,000) or "t10k" (10,000)."""
    if not FASHION_MNIST.is_dir():
        raise FileNotFoundError(
            f"no Fashion-MNIST at {FASHION_MNIST}: install Debian's dataset-fashion-mnist or set MLPFAST_FASHION_MNIST"
        )
    images = read_idx(FASHION_MNIST / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(FASHION_MNIST / f"{part}-labels-idx1-ubyte.gz")
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int64)


def initial_weights(sizes: tuple[int, ...], rng: np.random.Generator) -> Layers:
    """Glorot-uniform weights (fan_in, fan_out) and zero biases, layer by layer, in float64."""
    return [(rng.uniform(-1, 1, (k, n)) * np.sqrt(6 / (k + n)), np.zeros(n)) for k, n in pairwise(sizes)]


def with_norms(layers: Layers) -> Layers:
    """Each hidden layer with its norm's scale, ones, and shift, zeros."""
    return [*((W, b, np.ones_like(b), np.zeros_like(b)) for W, b in layers[:-1]), layers[-1]]


def initial_encoders(encoders: Encoders, rng: np.random.Generator) -> tuple[NDArray, ...]:
    frequency, phase, W, b, table = encoders.shapes
    limit = encoders.frequencies**-0.5
    return (
        rng.normal(0, 0.1, frequency),
        rng.uniform(-np.pi, np.pi, phase),
        rng.uniform(-limit, limit, W),
        rng.uniform(-limit, limit, b),
        rng.normal(0, 1, table),
    )


def encoded(parameters: tuple[NDArray, ...], X: NDArray) -> NDArray:
    """What the encoders make of rows of numbers, then codes."""
    frequency, phase, W, b, table = parameters
    numbers, codes = np.split(X, [len(frequency)], axis=1)
    waves = np.cos(2 * np.pi * numbers[:, :, None] * frequency + phase)
    first = len(table) // codes.shape[1] * np.arange(codes.shape[1])
    parts = np.einsum("ncf,cfu->ncu", waves, W) + b, numbers, table[codes.astype(int) + first]
    return np.concatenate([part.reshape(len(X), -1) for part in parts], axis=1)


def flatten(layers: Layers) -> NDArray:
    return np.concatenate([a.ravel() for layer in layers for a in layer])


def unflatten(flat: NDArray, workload: Workload) -> Layers:
    """Views into W0 (fan_in, fan_out) row-major, b0, W1, b1, ...; a hidden layer's scale and shift follow its bias, and
    what encoders have comes first."""
    layers: Layers = []
    start = 0
    if workload.encoders:
        shapes = workload.encoders.shapes
        *parts, rest = np.split(flat, np.cumsum([prod(shape) for shape in shapes]))
        layers.append(tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))
        start = len(flat) - len(rest)
    for i, (k, n) in enumerate(pairwise(workload.sizes)):
        vectors = 3 if workload.norm and i < len(workload.sizes) - 2 else 1
        stop = start + (k + vectors) * n
        W, *others = np.split(flat[start:stop], np.arange(k, k + vectors) * n)
        layers.append((W.reshape(k, n), *others))
        start = stop
    return layers


def logits(layers: Layers, X: NDArray, workload: Workload) -> NDArray:
    """Pre-activations of the output layer (n, outputs).

    Statistics of columns are those of X itself. By one thread: NumPy's others would go on spinning for a tenth of a
    second, beside the next sample of a peer.
    """
    with threadpool_limits(1, user_api="blas"):
        if workload.encoders:
            X, layers = encoded(layers[0], X), layers[1:]
        for W, b, *norm in layers[:-1]:
            z = X @ W + b
            if norm:
                scale, shift = norm
                axis = 0 if workload.hidden == "batch_norm" else 1
                deviation = np.sqrt(z.var(axis=axis, keepdims=True) + NORM_EPSILON)
                z = (z - z.mean(axis=axis, keepdims=True)) / deviation * scale + shift
            h = np.maximum(z, 0)
            X = X + h if workload.hidden == "residual" and X.shape == h.shape else h
        W, b = layers[-1]
        return X @ W + b


def make(workload: Workload) -> dict[str, NDArray]:
    """X (rows, inputs), y (labels, or (rows, outputs) for mse) and the initial parameters, in the workload's dtype.

    Random data come from a teacher network of the same shape: there is something to learn, and a loss to compare.
    """
    rng = np.random.default_rng(0)
    encoders = [initial_encoders(workload.encoders, rng)] if workload.encoders else []
    if workload.data == "random":
        X = rng.standard_normal((workload.rows, workload.inputs), dtype=np.float32)
        if workload.encoders:
            codes = X[:, workload.encoders.numbers :]
            codes[...] = rng.integers(workload.encoders.categories, size=codes.shape)
        teacher = encoders + [(W * 2, b) for W, b in initial_weights(workload.sizes, rng)]
        y = logits(teacher, X, replace(workload, hidden="plain"))
        y = y + 0.1 * rng.standard_normal(y.shape) if workload.loss == "mse" else y.argmax(axis=1)
    else:
        X, y = (a[: workload.rows] for a in fashion_mnist())
        if workload.data == "standardized Fashion-MNIST":
            X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-3)
    layers = initial_weights(workload.sizes, rng)
    initial = flatten(encoders + (with_norms(layers) if workload.norm else layers))
    dtype = np.dtype(workload.dtype)
    test = dict(zip(("X_test", "y_test"), fashion_mnist("t10k"), strict=True)) if workload.name == "accuracy" else {}
    return {
        **test,
        "X": np.ascontiguousarray(X, dtype),
        "y": np.ascontiguousarray(y, dtype if workload.loss == "mse" else np.int64),
        "initial": initial.astype(dtype),
    }
