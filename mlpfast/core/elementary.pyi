from typing import Any

from numpy.typing import NDArray

FUNCTIONS: dict[str, int]

def elementary(name: str, x: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]: ...
