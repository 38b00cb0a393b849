from typing import Any

from numpy.typing import NDArray

def activation(z: NDArray[Any], name: str, alpha: float, out: NDArray[Any]) -> NDArray[Any]: ...
def hadamard_delta(
    dh: NDArray[Any], saved: NDArray[Any], name: str, alpha: float, out: NDArray[Any]
) -> NDArray[Any]: ...
