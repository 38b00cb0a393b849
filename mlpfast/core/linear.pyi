from typing import Any

from numpy.typing import NDArray

def matmul_bias_arrays(
    X: NDArray[Any], W: NDArray[Any], b: NDArray[Any], activation: str, alpha: float, out: NDArray[Any] | None
) -> NDArray[Any]: ...
def matmul_bias_backward(
    X: NDArray[Any], W: NDArray[Any], delta: NDArray[Any], dX: NDArray[Any], dW: NDArray[Any], db: NDArray[Any]
) -> None: ...
