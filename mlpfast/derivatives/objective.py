"""A loss over data as a function of the flat vector of parameters, for other people's optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import validation
from ..errors import integer, real
from ..losses import Loss, as_loss
from .net import Net, returned
from .second_order import Products

__all__ = ["Objective", "Trainable"]


class Trainable(Net, Protocol):
    """A model whose parameters can be set, and that differentiates a loss."""

    def copy(self) -> Trainable: ...

    @property
    def parameters(self) -> NDArray[Any]: ...
    @parameters.setter
    def parameters(self, values: ArrayLike) -> None: ...
    def loss_and_gradient(
        self,
        X: Any,
        y: Any,
        loss: str | Loss,
        *,
        sample_weight: Any = None,
        l2: float = 0.0,
        n_threads: int | None = None,
    ) -> tuple[float, NDArray[Any]]: ...


class _Bench(NamedTuple):
    """A model that is one call's alone, and the products that were made for it, each when it was needed."""

    model: Trainable
    products: dict[str, Products]


class Objective:
    """What `mlpfast.Model.objective` returns: f(parameters) is the loss over all rows, with its gradient.

    Parameters are vectors of the model's size and order; results are float64, whatever the model's dtype. Each call
    sets the parameters of a copy of the model; the model itself stays as it is. Calls of several threads at once have a
    copy each. Data that need no conversion are not copied: they are not to change. ``out=``, of float64, may share
    memory with anything else.

    Attributes
    ----------
    parameters : ndarray (n_parameters,)
        Those of the model when the objective was made, in float64: where an optimizer may begin.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.mlp([1, 1], dtype="float64")
    >>> f = model.objective([[1.0], [2.0]], [[1.0], [3.0]], "mse")
    >>> f([0.0, 0.0])
    (2.5, array([-3.5, -2. ]))
    >>> f.hvp([0.0, 0.0], [1.0, 0.0])
    array([2.5, 1.5])
    """

    def __init__(
        self, model: Trainable, X: Any, y: Any, loss: str | Loss, l2: float, sample_weight: Any, n_threads: int | None
    ) -> None:
        self._model, self._loss = model, as_loss(loss)
        self._loss.check_output(model.output_activation, model.outputs)
        features = validation.as_features(X, model.inputs, model.dtype)
        self._X = X if isinstance(features, validation.CSR) else features
        n = validation.n_rows(features)
        self._y = validation.as_targets(y, self._loss, model.outputs, model.dtype, n)
        self._sample_weight = validation.as_sample_weight(sample_weight, n)
        self._l2 = real("l2", l2, at_least=0.0)
        self._n_threads = None if n_threads is None else integer("n_threads", n_threads)
        # Those that no call has. (There is no lock: a forked child could find it taken.)
        self._benches = [_Bench(model, {})]
        self.parameters = model.parameters.astype(np.float64)

    def __call__(self, parameters: ArrayLike) -> tuple[float, NDArray[np.float64]]:
        """The loss with its penalty, and the gradient (n_parameters,)."""
        with self._bench() as bench:
            bench.model.parameters = parameters
            value, gradient = bench.model.loss_and_gradient(
                self._X,
                self._y,
                self._loss,
                sample_weight=self._sample_weight,
                l2=self._l2,
                n_threads=self._n_threads,
            )
        return value, gradient.astype(np.float64)

    def value(self, parameters: ArrayLike) -> float:
        """The loss with its penalty."""
        return self(parameters)[0]

    def gradient(self, parameters: ArrayLike, *, out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """The gradient (n_parameters,), in `out` where that is given."""
        self._check_out(out)
        return returned(self(parameters)[1], out)

    def hvp(
        self, parameters: ArrayLike, v: ArrayLike, *, out: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """The Hessian at the parameters, times v: (n_parameters,), in `out` where that is given."""
        return self._multiply("hessian", parameters, v, out)

    def gauss_newton_product(
        self, parameters: ArrayLike, v: ArrayLike, *, out: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """The Gauss-Newton matrix at the parameters, times v: (n_parameters,), in `out` where that is given."""
        return self._multiply("gauss_newton", parameters, v, out)

    @contextmanager
    def _bench(self) -> Iterator[_Bench]:
        """From setting the parameters to the result that belongs to them."""
        try:
            bench = self._benches.pop()
        except IndexError:
            bench = _Bench(self._model.copy(), {})
        try:
            yield bench
        finally:
            self._benches.append(bench)

    def _check_out(self, out: NDArray[np.float64] | None) -> None:
        """A result is float64, whatever the model's dtype."""
        if out is not None:
            validation.check_out(out, (self._model.n_parameters,), np.dtype(np.float64))

    def _multiply(
        self, mode: Any, parameters: ArrayLike, v: ArrayLike, out: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        self._check_out(out)
        model = self._model
        direction = validation.as_array(v, (model.n_parameters,), model.dtype, "v")
        result = np.empty(model.n_parameters, model.dtype)
        with self._bench() as bench:
            if mode not in bench.products:
                name = "hvp" if mode == "hessian" else "gauss_newton_product"
                of = self._X, self._y, self._loss, self._sample_weight, self._l2, self._n_threads
                bench.products[mode] = Products(bench.model, name, mode, *of)
            bench.model.parameters = parameters
            bench.products[mode].multiply(direction, result)
        return returned(result.astype(np.float64, copy=False), out)
