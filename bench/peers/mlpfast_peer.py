"""mlpfast, through its public API only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mlpfast as mf
from bench.data import unflatten
from bench.peers.base import Layers, Peer
from bench.workloads import LEARNING_RATE


class MlpfastPeer(Peer):
    distribution = "mlpfast"

    def prepare(self) -> None:
        workload = self.task.workload
        output = "softmax" if self.task.classifies else "identity"
        sizes = list(workload.sizes)
        self.model = mf.mlp(sizes, activation="relu", output_activation=output, dtype=workload.dtype, seed=0)
        self.model.parameters[:] = self.task.initial
        self.shuffles = 0

    def reset(self) -> None:
        workload = self.task.workload
        self.model.parameters[:] = self.task.initial
        self.trainer = mf.Trainer(
            self.model,
            loss=workload.loss,
            optimizer=mf.Adam(learning_rate=LEARNING_RATE),
            batch_size=workload.batch,
            n_threads=self.task.threads,
            seed=self.shuffles,
        )
        self.shuffles += 1  # as the peers, whose generators go on

    def train(self, epochs: int) -> None:
        self.trainer.fit(self.task.X, self.task.y, epochs=epochs, verbose=0)

    def layers(self) -> Layers:
        return unflatten(np.asarray(self.model.parameters), self.task.workload.sizes)

    def predictor(self) -> Callable[[NDArray], Any]:
        out = np.empty((self.task.workload.batch, self.task.workload.sizes[-1]), self.task.workload.dtype)
        return partial(self.model.predict, out=out)
