"""Loss, gradient and curvature of all rows at any parameters: what optimizers of full batches ask for.

The curvature is that of the data's loss and of the l2 penalties, which are quadratic; rules are those of a trainer's
program, so what a group freezes has none.
"""

from __future__ import annotations

import operator
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.engine import Engine
from ..core.network import Network
from ..core.pieces import rows_at_once
from ..core.rowwise import Rowwise
from ..core.tangents import Tangents
from ..losses import Loss
from ..program import Program
from ..validation import take_rows
from .lbfgs import Point

__all__ = ["AllRows", "OutOfTime"]

_BLOCK_NUMBERS = 1 << 21  # of the Jacobian, at once


class OutOfTime(Exception):
    """The deadline has passed in the middle of an iteration."""


class AllRows:
    """The loss of a trainer over its rows.

    Parameters
    ----------
    engine : Engine
        Whose network's parameters are written at each call.
    X : ndarray (n, inputs) or CSR
    y : ndarray
    sample_weight : ndarray (n,) or None
    program : Program
        With the rules of the trainer's groups.
    loss : Loss
    l2 : float
    penalty_over_weights : bool
    n_threads : int or None
    """

    def __init__(
        self,
        engine: Engine,
        X: Any,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
        *,
        program: Program,
        loss: Loss,
        l2: float,
        penalty_over_weights: bool,
        n_threads: int | None,
    ) -> None:
        self._engine, self._X, self._y, self._sample_weight = engine, X, y, sample_weight
        self.program, self._loss, self._l2, self._n_threads = program, loss, l2, n_threads
        self._of = engine, X, y, sample_weight, program
        self.deadline = 0.0
        self.evaluations = 0.0  # passes over all rows, since somebody set it to 0
        self._n = len(y)
        # The same parameters under the trainer's rules; of penalties, all are added here.
        rules = [tensor.rule._replace(l1=0.0, l2=0.0) for tensor in program.tensors]
        self._network = Network(program.with_rules(rules), engine.network.state)
        self._tangents: Tangents | None = None  # each made when it is needed
        self._rowwise: Rowwise | None = None
        weight = float(self._n) if sample_weight is None else float(sample_weight.sum())
        self._row_scale = 1.0 / weight
        strength = self._row_scale if penalty_over_weights else 1.0
        self.trained = np.zeros(program.n_parameters, bool)
        self.penalty = np.zeros(program.n_parameters)  # what penalties add to the diagonal of the Hessian
        for tensor in program.tensors:
            span = slice(tensor.offset, tensor.offset + tensor.size)
            self.trained[span] = tensor.rule.trainable
            if tensor.rule.trainable:
                given = tensor.rule.l2
                self.penalty[span] = strength * ((l2 if tensor.decays else 0.0) if given is None else given)

    def are_of(self, objects: tuple[Any, ...], l2: float) -> bool:
        """Whether this is the loss of this engine, X, y, sample_weight and program: engines have one loss each."""
        return self._l2 == l2 and all(map(operator.is_, objects, self._of))

    def evaluate(self, at: NDArray[Any]) -> Point:
        """Loss and gradient; the network has these parameters then."""
        self._count()
        self._network.parameters[:] = at
        loss, gradient = self._engine.loss_and_gradient(self._X, self._y, self._sample_weight, l2=self._l2)
        return Point(at, loss, gradient.astype(np.float64))

    def hessian_product(self, at: NDArray[Any], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """The Hessian times v, by the R-operator, in the model's dtype."""
        self._count()
        if self._tangents is None:
            columns = [value.columns for value in self.program.values]
            rows = rows_at_once(self._n, columns, self._network.parameters.itemsize)
            self._tangents = Tangents(self._network, self._loss, "hessian", batch_rows=rows, n_threads=self._n_threads)
        self._network.parameters[:] = at
        product = np.empty_like(self._network.parameters)
        direction = v.astype(product.dtype, copy=False)
        self._tangents.product(self._X, self._y, self._sample_weight, 0.0, direction, product)
        return np.where(self.trained, product + self.penalty * v, 0.0)

    def normal_matrix(self, at: NDArray[Any], add: Any) -> NDArray[np.float64]:
        """J'J of the residuals, and the penalties, of what is trained: (trained, trained), the lower triangle.

        J comes in blocks of rows, of one output at a time, in the model's dtype; all sums are float64, block by block.

        Parameters
        ----------
        at : ndarray (n_parameters,)
        add : callable
            BLAS's dsyrk.
        """
        self._network.parameters[:] = at
        if self._rowwise is None:
            self._rowwise = Rowwise(self._network, "gradients", None, seed="given", n_threads=self._n_threads)
        parameters, outputs = self._network.parameters, self.program.values[-1].columns
        n_trained = int(self.trained.sum())
        length = min(self._n, max(16, _BLOCK_NUMBERS // len(parameters)))
        matrix = np.zeros((n_trained, n_trained), order="F")
        matrix.ravel("K")[:: n_trained + 1] = self.penalty[self.trained]
        gradients, block = np.empty((length, len(parameters)), parameters.dtype), np.empty((length, n_trained))
        for first in range(0, self._n, length):
            rows = slice(first, min(first + length, self._n))
            m = rows.stop - first
            X_block = take_rows(self._X, rows)
            scales = np.full(m, self._row_scale)
            if self._sample_weight is not None:
                scales *= self._sample_weight[rows]
            roots = np.sqrt(scales)[:, None]
            for k in range(outputs):
                self._count(m / self._n)
                seed = np.zeros((m, outputs), parameters.dtype)
                seed[:, k] = 1
                self._rowwise.run(X_block, None, seed, gradients[:m])
                np.multiply(gradients[:m] if self.trained.all() else gradients[:m, self.trained], roots, out=block[:m])
                matrix = add(1.0, block[:m].T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
        return matrix

    def _count(self, part: float = 1.0) -> None:
        if 0 < self.deadline <= time.monotonic():
            raise OutOfTime
        self.evaluations += part
