"""What the derivatives need of a model, and what they have in common."""

from __future__ import annotations

import math
import os
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..activations import Activation
from ..core import kinds
from ..core.network import Network
from ..core.pieces import rows_at_once
from ..core.results import BadCodeError, NotFiniteError
from ..core.rowwise import Rowwise
from ..core.tangents import Tangents
from ..errors import integer
from ..losses import Loss
from ..program import Program

__all__ = [
    "Kept",
    "Mode",
    "Net",
    "check_fits",
    "check_tangents",
    "engine",
    "explained",
    "lacking_tangents",
    "result_array",
    "returned",
]

Mode: TypeAlias = Literal["data", "gauss_newton", "hessian"]
Kept: TypeAlias = tuple[tuple[Loss, int | None], Tangents]  # an engine, with its loss and number of threads


class Net(Protocol):
    """A model, as far as its derivatives are concerned."""

    program: Program
    network: Network
    dtype: np.dtype[Any]
    _tangents: dict[str, Kept]  # the last engine of each mode, while nobody has it
    _rowwise: dict[Any, Rowwise]  # plans of derivatives of rows, by what is wanted, while nobody has them

    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def state(self) -> NDArray[Any]: ...
    @property
    def output_activation(self) -> Activation: ...
    def check_custom(self, loss: Loss, y: NDArray[Any]) -> None: ...


def lacking_tangents(program: Program, *, back: bool) -> int | None:
    """The first layer whose kind has no tangents or, if `back`, no way back of them."""
    run = program.schedule("gradient").phases[0].forward
    return next((number for number in run if kinds.lacks_tangents(program.layers[number].kind, back)), None)


def check_tangents(name: str, program: Program, *, back: bool) -> None:
    """Raise a ValueError that names the layer which lacks tangents."""
    number = lacking_tangents(program, back=back)
    if number is not None:
        what, kind = "second derivatives" if back else "tangents", program.layers[number].kind
        raise ValueError(f"{name}: expected layers that have {what}, got {kind!r} (layer {number} of model.program)")


def engine(net: Net, mode: Mode, loss: Loss, rows: int, n_threads: int | None) -> Kept:
    """An engine for so many rows: the model's last one of the mode if it fits and nobody has it; else a new one.

    Who is done with it puts it back into ``net._tangents``.
    """
    if n_threads is not None:
        n_threads = integer("n_threads", n_threads)
    rows = rows_at_once(rows, [value.columns for value in net.program.values], net.dtype.itemsize)
    settings = loss, n_threads
    kept = net._tangents.pop(mode, None)  # who comes meanwhile makes another
    if kept is None or kept[0] != settings or kept[1].batch_rows < rows:
        kept = settings, Tangents(net.network, loss, mode, batch_rows=rows, n_threads=n_threads)
    return kept


def explained(error: NotFiniteError | BadCodeError, net: Net, X: validation.Features, given: object) -> ValueError:
    """What the loops find wrong with X, as an error that says where."""
    if isinstance(error, BadCodeError):
        return validation.code_error(X, net.program.codes, given) or error
    assert not isinstance(X, validation.CSR), "as_features looks at what is stored"
    return validation.finite_error(X, net.dtype, "X", given=given) or error


def result_array(net: Net, out: NDArray[Any] | None, shape: tuple[int, ...], *read: object) -> NDArray[Any]:
    """Where the loops may write a result: `out`, unless it shares memory with what they read; see `returned`."""
    if out is not None:
        validation.check_out(out, shape, net.dtype)
        if not validation.shares_memory(out, *read, net.state):
            return out
    check_fits("result", shape, net.dtype)
    return np.empty(shape, net.dtype)


def check_fits(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise a MemoryError that says what the array would take, where that is more than the machine has.

    Systems that promise more memory than they have would end the process where it is written.
    """
    size = math.prod(shape) * dtype.itemsize
    if size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise MemoryError(f"{name}: an array of shape {shape} takes {size:,} bytes, more than this machine has")


def returned(result: NDArray[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    """The result, in `out` where that is given."""
    if out is None or result is out:
        return result
    out[...] = result
    return out
