"""mlpfast, through its public API only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mlpfast as mf
from bench.data import unflatten
from bench.peers.base import Layers, Peer
from bench.workloads import (
    LEARNING_RATE,
    NORM_EPSILON,
    RECIPE_DECAY,
    RECIPE_DROPOUT,
    RECIPE_EMA,
    RECIPE_RATE,
    Workload,
)


def layers(workload: Workload, output: str) -> list[mf.layers.Layer]:
    stack: list[mf.layers.Layer] = []
    if encoders := workload.encoders:
        numbers, codes = range(encoders.numbers), range(encoders.numbers, workload.inputs)
        periodic = mf.Periodic(encoders.frequencies, encoders.units)
        stack.append(mf.Columns([(numbers, periodic), (codes, mf.Embedding(encoders.categories, encoders.entry))]))
    for fan_in, units in pairwise(workload.sizes[:-1]):
        match workload.hidden:
            case "batch_norm":
                stack += [mf.Dense(units), mf.BatchNorm(epsilon=NORM_EPSILON), mf.Activate("relu")]
            case "layer_norm":
                stack += [mf.Dense(units), mf.LayerNorm(epsilon=NORM_EPSILON), mf.Activate("relu")]
            case "residual" if fan_in == units:
                stack.append(mf.Residual([mf.Dense(units, "relu")]))
            case _:
                stack.append(mf.Dense(units, "relu"))
        stack += [mf.Dropout(RECIPE_DROPOUT)] * workload.recipe
    return [*stack, mf.Dense(workload.sizes[-1], output)]


def optimizer(workload: Workload) -> mf.optimizers.Optimizer:
    if workload.recipe:
        return mf.AdamW(mf.schedules.Cosine(RECIPE_RATE), weight_decay=RECIPE_DECAY, ema=RECIPE_EMA)
    return mf.Adam(learning_rate=LEARNING_RATE)


class MlpfastPeer(Peer):
    distribution = "mlpfast"

    def prepare(self) -> None:
        workload = self.task.workload
        output = "softmax" if self.task.classifies else "identity"
        self.model = mf.Model(workload.inputs, layers(workload, output), dtype=workload.dtype, seed=0)
        self.model.parameters[:] = self.task.initial
        self.initial = self.model.state.copy()
        self.shuffles = 0

    def reset(self) -> None:
        workload = self.task.workload
        self.model.state[:] = self.initial
        self.trainer = mf.Trainer(
            self.model,
            loss=workload.loss,
            optimizer=optimizer(workload),
            batch_size=workload.batch,
            n_threads=self.task.threads,
            seed=self.shuffles,
        )
        self.shuffles += 1  # as the peers, whose generators go on

    def train(self, epochs: int) -> None:
        self.trainer.fit(self.task.X, self.task.y, epochs=epochs, verbose=0)

    def layers(self) -> Layers:
        return unflatten(np.asarray(self.model.parameters), self.task.workload)

    def predictor(self) -> Callable[[NDArray], Any]:
        out = np.empty((self.task.workload.batch, self.task.workload.sizes[-1]), self.task.workload.dtype)
        return partial(self.model.predict, out=out)
