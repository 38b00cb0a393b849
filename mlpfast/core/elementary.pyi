from typing import Any

from numpy.typing import NDArray

def elementary(name: str, x: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]: ...
