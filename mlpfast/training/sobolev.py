"""Fitting derivatives: the term of the loss that compares the Jacobian of the outputs by the inputs with a given one.

With J(x) of row x and J* beside it, a batch's term is the (weighted) mean over its rows of 1/2 |J(x) - J*|^2, squared
Frobenius norms, times the weight (Czarnecki et al., "Sobolev Training for Neural Networks", NeurIPS 2017). Its gradient
is that of R . J(x) with the residual R = J(x) - J* held fast: a sum of products s J d, over outputs with the unit
vectors as s and the rows of R as d, or over inputs with the columns of R as s and the unit vectors as d, whichever are
fewer. Each product is differentiated by the parameters by one way forward and back, with tangents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..core.network import Network
from ..core.pieces import rows_at_once
from ..core.rowwise import Rowwise
from ..core.tangents import Tangents
from ..derivatives.net import check_tangents
from ..errors import real
from ..losses import MeanSquaredError
from ..model import Model
from ..optimizers import Optimizer
from ..program import Program

__all__ = ["METRIC", "JacobianTerm", "check_jacobian"]

#: What the mean of the squared errors is called in results and histories.
METRIC = "jacobian_loss", 0.0


def check_jacobian(
    model: Model, program: Program, optimizer: Optimizer, n: int, jacobian: Any, weight: float
) -> tuple[NDArray[Any], float]:
    """The Jacobians (n, outputs, inputs) in the model's dtype, and their weight, checked.

    Parameters
    ----------
    model : Model
    program : Program
        With the rules of the trainer's groups.
    optimizer : Optimizer
    n : int
        Rows of X.
    jacobian, weight
        As for `Trainer.fit`.

    Raises
    ------
    TypeError, ValueError
        For what does not fit, or parts of the model or the trainer for which there is no such term, by name.
    """
    if optimizer.full_batch:
        raise ValueError(
            f"expected an optimizer that takes batches with jacobian, got {type(optimizer).__name__}, "
            "which measures its steps by the loss alone"
        )
    dropout = [layer.numbers[0] for layer in program.layers if layer.kind == "dropout" and layer.numbers[0]]
    refused = [
        ("Dropout", dropout, "which draws another network for each step: its Jacobian is not that of predictions"),
        ("BatchNorm", program.over_batch, "whose statistics make each row's outputs depend on the others' inputs"),
        ("Embedding(update='rows')", program.by_rows, "whose steps update what a batch reads alone; 'all' does not"),
        ("PiecewiseLinear", _moves(program), "whose weights have no mixed derivatives; with trainable=False it can be"),
    ]
    for what, given, why in refused:
        if given:
            raise ValueError(f"expected no {what} in a model that is fitted to a jacobian, {why}")
    check_tangents("jacobian", program, back=True)
    weight = real("jacobian_weight", weight, at_least=0.0)
    shape = n, model.outputs, model.inputs
    if model.outputs == 1 and np.ndim(jacobian) == 2:
        return validation.as_array(jacobian, (n, model.inputs), model.dtype, "jacobian").reshape(shape), weight
    return validation.as_array(jacobian, shape, model.dtype, "jacobian"), weight


def _moves(program: Program) -> bool:
    """Whether there are encoders with tensors to train whose gradient leaves out that the data change."""
    tensors = (t for layer in program.layers if layer.kind == "piecewise_linear" for t in layer.tensors)
    return any(program.tensors[t].rule.trainable for t in tensors)


class JacobianTerm:
    """A term of the loss, for `mlpfast.core.engine.Engine.run_epoch`.

    Parameters
    ----------
    network : Network
    program : Program
        With the rules of the trainer's groups.
    X : Features
    jacobian : ndarray (n, outputs, inputs)
        Of the model's dtype.
    sample_weight : ndarray of float64 (n,) or None
    weight : float
    batch_rows : int
        Rows of a batch, about.
    n_threads : int or None
    """

    metric = METRIC

    def __init__(
        self,
        network: Network,
        program: Program,
        X: validation.Features,
        jacobian: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
        weight: float,
        *,
        batch_rows: int,
        n_threads: int | None,
    ) -> None:
        self.jacobian, self.weight = jacobian, weight
        self._X, self._sample_weight = X, sample_weight
        _, outputs, inputs = jacobian.shape
        # The loss plays no part; this one leaves the output activation where it is.
        loss = MeanSquaredError()
        columns = [value.columns for value in program.values]
        rows = rows_at_once(batch_rows * min(inputs, outputs), columns, network.parameters.itemsize)
        self._mixed = Tangents(network, loss, "mixed", batch_rows=rows, n_threads=n_threads, program=program)
        self._forward = self._back = None
        if inputs < outputs:
            self._forward = Tangents(network, loss, "data", batch_rows=min(batch_rows, rows), n_threads=n_threads)
        else:
            self._back = Rowwise(network, "inputs", None, seed="units", n_threads=n_threads)
        self._gradient = np.empty_like(network.parameters)

    def add(self, rows: NDArray[np.int64], scale: float, gradient: NDArray[Any]) -> float:
        """The sum over these rows; `scale` and the weight times its gradient is added to that of the other terms."""
        if self._sample_weight is not None:
            rows = rows[self._sample_weight[rows] > 0]
        weights = np.ones(len(rows)) if self._sample_weight is None else self._sample_weight[rows]
        X, target = validation.take_rows(self._X, rows), self.jacobian[rows]
        residual = np.empty_like(target)
        if self._forward is not None:
            self._forward.jvp(X, None, residual)
        elif self._back is not None:
            self._back.run(X, None, None, residual)
        with np.errstate(all="ignore"):  # the engine sees what is not finite, and says more
            residual -= target
            squares = np.square(residual, dtype=np.float64).reshape(len(rows), -1) * (weights / 2)[:, None]
            residual *= (weights * (scale * self.weight))[:, None, None].astype(residual.dtype)
            self._differentiate(X, residual)
            gradient += self._gradient
            return float(np.cumsum(squares)[-1])  # one after the other: the same bits wherever

    def _differentiate(self, X: validation.Features, residual: NDArray[Any]) -> None:
        """The gradient of residual . J(x), the residual being constant: a row for each product of each row of X."""
        n, outputs, inputs = residual.shape
        count = min(outputs, inputs)
        units = np.tile(np.eye(count, dtype=residual.dtype), (n, 1))
        if inputs < outputs:
            D, S = units, np.ascontiguousarray(residual.transpose(0, 2, 1)).reshape(-1, outputs)
        else:
            D, S = residual.reshape(-1, inputs), units
        self._mixed.mixed(X, D, S, self._gradient, None if count == 1 else np.repeat(np.arange(n), count))
