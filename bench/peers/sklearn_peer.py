"""scikit-learn: one `partial_fit` is one epoch that keeps the optimizer's state; finiteness checks are switched off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier, MLPRegressor

from bench.peers.base import Layers, Peer
from bench.workloads import LEARNING_RATE


class SklearnPeer(Peer):
    distribution = "scikit-learn"

    def prepare(self) -> None:
        sklearn.set_config(assume_finite=True)
        workload, task = self.task.workload, self.task
        self.estimator = (MLPClassifier if task.classifies else MLPRegressor)(
            hidden_layer_sizes=workload.sizes[1:-1],
            batch_size=workload.batch,
            learning_rate_init=LEARNING_RATE,
            alpha=0.0,
            random_state=np.random.RandomState(0),  # an integer would shuffle every epoch alike
        )
        self.y = task.y if task.classifies else task.y.ravel()
        first = min(len(task.X), workload.batch)
        if task.classifies:
            self.estimator.partial_fit(task.X[:first], self.y[:first], classes=np.arange(workload.sizes[-1]))
        else:
            self.estimator.partial_fit(task.X[:first], self.y[:first])
        self._assign()

    def _assign(self) -> None:
        for i, (W, b) in enumerate(self.task.layers):
            self.estimator.coefs_[i][...] = W
            self.estimator.intercepts_[i][...] = b

    def reset(self) -> None:
        self._assign()
        del self.estimator._optimizer
        self.estimator.best_loss_, self.estimator._no_improvement_count = np.inf, 0

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.estimator.partial_fit(self.task.X, self.y)

    def layers(self) -> Layers:
        return list(zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True))

    def predictor(self) -> Callable[[NDArray], Any]:
        return self.estimator.predict_proba
