"""A model in float64 with data, and the ways along which either may move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..core.engine import Engine
from ..losses import Loss
from ..model import Model
from .reference import FLOAT64, in_float64, sample

__all__ = ["Case"]

_OF_INPUTS = 1 << 20  # which random sample; tensors have their own numbers


class Case:
    """What products are checked with: data as precise as the model sees them, targets, directions, all in float64.

    Parameters
    ----------
    model : Model
        Of any dtype.
    X, y, sample_weight : as for `Model.loss_and_gradient`; y may be None
    loss : Loss
    l2 : float
    most : int
        Of a tensor's parameters, or of inputs, so many are moved, at most.
    seed : int
        Of what is drawn: directions, and which those are.
    """

    def __init__(
        self, model: Model, X: Any, y: Any, loss: Loss, sample_weight: Any, l2: float, most: int, seed: int
    ) -> None:
        self.model, self.twin, self.loss, self.l2, self.most, self.seed = model, in_float64(model), loss, l2, most, seed
        features = validation.as_features(X, model.inputs, model.dtype, cast=True)
        n = validation.n_rows(features)
        self.X, self.codes = (
            validation.dense_rows(features, model.inputs, FLOAT64),
            [column for column, _ in model.program.codes],
        )
        self.sample_weight = validation.as_sample_weight(sample_weight, n)
        self.y: Any = None
        if y is not None:
            loss.check_output(model.output_activation, model.outputs)
            targets = validation.as_targets(y, loss, model.outputs, model.dtype, n)
            model.check_custom(loss, targets)
            self.y = targets if targets.dtype == np.int32 else targets.astype(FLOAT64)
        rng = np.random.default_rng(seed)
        self.V, self.U, self.v = (
            rng.normal(size=shape).astype(model.dtype).astype(FLOAT64)
            for shape in ((n, model.inputs), (n, model.outputs), (model.n_parameters,))
        )
        self.trained = np.ones(model.n_parameters, bool)
        for tensor in model.program.tensors:
            self.trained[tensor.offset : tensor.offset + tensor.size] = tensor.rule.trainable
        self._engine = Engine(self.twin.network, loss, batch_rows=1)

    def moving_data(self, f: Callable[[NDArray[Any]], Any], direction: NDArray[Any]) -> Callable[[float], NDArray[Any]]:
        """A function of the data, as one of their way along a direction."""
        return lambda way: np.array(f(self.X + way * direction))

    def moving_parameters(self, f: Callable[[], Any], direction: NDArray[Any]) -> Callable[[float], NDArray[Any]]:
        """A function that reads the twin, as one of the way of its parameters along a direction."""
        here = self.twin.parameters.copy()

        def at(way: float) -> NDArray[Any]:
            self.twin.parameters[:] = here + way * direction
            result = np.array(f())
            self.twin.parameters[:] = here
            return result

        return at

    def inputs(self) -> Iterator[tuple[int, NDArray[Any], float]]:
        """Columns of numbers: which, the direction in which it alone moves, its size."""
        numbers = np.setdiff1d(np.arange(self.model.inputs), self.codes)
        for j in numbers[sample(self.seed, _OF_INPUTS, len(numbers), self.most)]:
            unit = np.zeros_like(self.X)
            unit[:, j] = 1.0
            yield int(j), unit, max(1.0, float(np.abs(self.X[:, j]).max()))

    def parameters(self, copies: int = 1) -> Iterator[tuple[int, int, NDArray[Any], float]]:
        """Parameters that are trained, of so many copies of them: which copy, which parameter, direction, size."""
        for number, tensor in enumerate(self.model.program.tensors):
            if not tensor.rule.trainable:
                continue
            for chosen in sample(self.seed, number, copies * tensor.size, self.most):
                copy, inner = divmod(int(chosen), tensor.size)
                unit = np.zeros_like(self.v)
                unit[tensor.offset + inner] = 1.0
                yield (
                    copy,
                    tensor.offset + inner,
                    unit,
                    max(1.0, float(abs(self.twin.parameters[tensor.offset + inner]))),
                )

    def row_loss(self, row: int, X: NDArray[Any] | None = None) -> float:
        """The loss of one row, of the data, or of X; with penalties of the layers' own."""
        one = slice(row, row + 1)
        loss, _ = self._engine.evaluate((self.X if X is None else X)[one], self.y[one])
        return float(loss)

    def gradient(self) -> NDArray[Any]:
        """That of the loss over all rows."""
        _, gradient = self.twin.loss_and_gradient(
            self.X, self.y, self.loss, sample_weight=self.sample_weight, l2=self.l2
        )
        return gradient

    def read_by_loss(self) -> NDArray[Any]:
        """Pre-activations, or outputs, whichever the loss is a function of."""
        found = self.twin.activations(self.X)
        return found.h[-1] if self.loss.reads == "outputs" else found.z[-1]

    def penalties(self, l2: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Derivatives of first and of second order, by each parameter, of the layers' own penalties, or else of l2."""
        first, second = np.zeros((2, len(self.v)))
        for tensor in self.model.program.tensors:
            span, rule = slice(tensor.offset, tensor.offset + tensor.size), tensor.rule
            second[span] = rule.l2 if rule.l2 is not None else l2 * tensor.decays
            first[span] = (rule.l1 or 0.0) * np.sign(self.twin.parameters[span]) + second[span] * self.twin.parameters[
                span
            ]
        return first * self.trained, second * self.trained
