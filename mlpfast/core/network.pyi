from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

class Network:
    parameters: NDArray[Any]
    sizes: tuple[int, ...]
    activations: tuple[tuple[str, float], ...]
    def __init__(
        self, sizes: Sequence[int], activations: Sequence[tuple[str, float]], parameters: NDArray[Any]
    ) -> None: ...
    def predict(self, X: Any, out: NDArray[Any] | None = None, n_threads: int | None = None) -> NDArray[Any] | None: ...
    def predict_csr(
        self,
        triple: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]: ...
