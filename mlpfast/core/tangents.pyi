from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .engine import Engine
from .network import Network

_Features = NDArray[Any] | tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

class Tangents(Engine):
    def __init__(
        self,
        network: Network,
        loss: Any,
        mode: Literal["data", "gauss_newton", "hessian", "mixed"],
        *,
        batch_rows: int,
        n_threads: int | None = None,
        program: Any = None,
    ) -> None: ...
    def jvp(self, X: _Features, V: NDArray[Any] | None, out: NDArray[Any]) -> NDArray[Any]: ...
    def product(
        self,
        X: _Features,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
        l2: float,
        v: NDArray[Any],
        out: NDArray[Any],
    ) -> NDArray[Any]: ...
    def mixed(
        self,
        X: _Features,
        D: NDArray[Any],
        S: NDArray[Any],
        out: NDArray[Any],
        order: NDArray[np.int64] | None = None,
    ) -> NDArray[Any]: ...
