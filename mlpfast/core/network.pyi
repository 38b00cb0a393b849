from typing import Any

from numpy.typing import NDArray

class Network:
    state: NDArray[Any]
    parameters: NDArray[Any]
    program: Any
    def __init__(self, program: Any, state: NDArray[Any]) -> None: ...
    def check_adapted(self) -> int: ...
    def predict(self, X: Any, out: NDArray[Any] | None = None, n_threads: int | None = None) -> NDArray[Any] | None: ...
    def predict_csr(
        self,
        triple: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]: ...
