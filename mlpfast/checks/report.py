"""What a check has found: for each tensor, or whole result, the largest error and where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tables import text_table

__all__ = ["GradientReport", "TensorReport"]


@dataclass(frozen=True)
class TensorReport:
    """How well the derivatives by one parameter tensor agree; or a whole result, where none is by parameters.

    Attributes
    ----------
    name : str
        The tensor's, or that of the method.
    shape : tuple of int
        Of the tensor, after the axes that are named.
    checked : int
        How many elements were compared.
    max_relative_error : float
    worst_index : tuple of int
        Where that is.
    ok : bool
    axes : tuple of str
        What the first indices count: ``("row", "output", "input")`` of a Jacobian.

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> report = mf.gradcheck(mf.mlp([3, 4, 1], "tanh", seed=0), X, X.sum(axis=1), "mse")
    >>> [(tensor.name, tensor.shape, tensor.ok) for tensor in report.tensors]
    [('W0', (3, 4), True), ('b0', (4,), True), ('W1', (4, 1), True), ('b1', (1,), True)]
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    max_relative_error: float
    worst_index: tuple[int, ...]
    ok: bool
    axes: tuple[str, ...] = ()

    @property
    def worst(self) -> str:
        """Where the largest error is, in words."""
        named = [f"{axis} {index}" for axis, index in zip(self.axes, self.worst_index, strict=False)]
        inner = self.worst_index[len(self.axes) :]
        return ", ".join([*named, "[" + ", ".join(map(str, inner)) + "]"] if inner else named)


@dataclass(frozen=True)
class GradientReport:
    """The outcome of `gradcheck`; printed, a table with a row for each parameter tensor, or for the whole result.

    Attributes
    ----------
    ok : bool
        Whether every checked derivative is within `tolerance`.
    max_relative_error : float
        The largest relative error of all.
    worst : TensorReport
        The tensor that has it; ``report.worst.worst`` says where.
    tolerance : float
    tensors : tuple of TensorReport
        W0, b0, W1, b1, ...; one of the method's name, where the derivatives are not by parameters.
    of : str
        The method that was checked; "gradient": `Model.loss_and_gradient`.
    steps : ndarray
        Lengths of steps, relative to what is changed, or to 1 where that is less; from the longest on.
    errors : ndarray
        For each, how far all that was checked is from differences with that step, relative to the norm: first less and
        less, by the error of the formula, then more and more, by that of rounding. For the gradient, the derivative
        along one random direction.

    Examples
    --------
    >>> import mlpfast as mf, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> report = mf.gradcheck(mf.mlp([3, 4, 1], "tanh", seed=0), X, X.sum(axis=1), "mse")
    >>> report.ok, report.max_relative_error < report.tolerance
    (True, True)
    """

    tolerance: float
    tensors: tuple[TensorReport, ...]
    of: str = "gradient"
    steps: NDArray[Any] = field(default_factory=lambda: np.zeros(0), compare=False)
    errors: NDArray[Any] = field(default_factory=lambda: np.zeros(0), compare=False)

    @property
    def ok(self) -> bool:
        """Whether every checked derivative is within the tolerance."""
        return all(tensor.ok for tensor in self.tensors)

    @property
    def max_relative_error(self) -> float:
        """The largest relative error of all checked derivatives."""
        return self.worst.max_relative_error

    @property
    def worst(self) -> TensorReport:
        """The tensor with the largest relative error."""
        return max(self.tensors, key=lambda tensor: tensor.max_relative_error)

    def __str__(self) -> str:
        rows = [
            ("tensor" if self.tensors[0].name != self.of else "", "shape", "checked", "max relative error", "at", "")
        ]
        for t in self.tensors:
            error, checked = f"{t.max_relative_error:.2e}", f"{t.checked} of {int(np.prod(t.shape))}"
            rows.append((t.name, str(t.shape), checked, error, t.worst, "ok" if t.ok else "WRONG"))
        verdict = "ok" if self.ok else "WRONG"
        return f"{text_table(rows)}\n{verdict}: {self.max_relative_error:.2e}, tolerance {self.tolerance:g}"

    __repr__ = __str__
