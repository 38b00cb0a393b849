from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .network import Network
from .results import EpochResult

_Features = NDArray[Any] | tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

LAST_BATCHES: dict[str, int]

N_TOTALS: int

class Engine:
    network: Network
    batch_rows: int
    def __init__(
        self,
        network: Network,
        loss: Any,
        *,
        batch_rows: int = 32,
        n_threads: int | None = None,
        seed: int = 0,
        penalty_over_weights: bool = False,
        program: Any = None,
        last_batch: str = "keep",
    ) -> None: ...
    def run_epoch(
        self,
        X: _Features,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
        optimizer: Any,
        state: NDArray[Any],
        counts: NDArray[np.int64],
        weighed: NDArray[np.float64],
        learning_rate: float,
        *,
        order: NDArray[np.int64] | None = None,
        epochs: int = 1,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_value: float = ...,
        clip_norm: float = ...,
        metrics: Sequence[tuple[str, float]] = (),
        first_step: int = 0,
        max_steps: int = -1,
        deadline: float = 0.0,
        series: Mapping[str, NDArray[np.float64]] | None = None,
        totals: NDArray[np.float64] | None = None,
        term: Any = None,
    ) -> EpochResult: ...
    def n_batches(self, rows: int) -> int: ...
    def loss_and_gradient(
        self,
        X: _Features,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None = None,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        gradient: NDArray[Any] | None = None,
        dropout_step: int = -1,
        training: bool = False,
    ) -> tuple[float, NDArray[Any]]: ...
    def evaluate(
        self,
        X: _Features,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None = None,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        metrics: Sequence[tuple[str, float]] = (),
        outputs: NDArray[Any] | None = None,
    ) -> tuple[float, dict[tuple[str, float], float]]: ...
