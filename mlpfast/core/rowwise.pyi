from collections.abc import Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from .network import Network

class Rowwise:
    size: int
    columns: tuple[int, ...]
    def __init__(
        self,
        network: Network,
        wanted: Literal["values", "deltas", "inputs", "gradients", "norms", "squares"],
        loss: Any = None,
        *,
        seed: Literal["loss", "given", "units", "classes", "yes_or_no"] = "loss",
        n_threads: int | None = None,
    ) -> None: ...
    def run(
        self,
        X: NDArray[Any] | tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
        y: NDArray[Any] | None = None,
        given: NDArray[Any] | None = None,
        out: NDArray[Any] | Sequence[NDArray[Any]] | None = None,
    ) -> None: ...
