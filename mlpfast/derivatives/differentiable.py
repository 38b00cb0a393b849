"""The methods of `mlpfast.Model` that differentiate: what they take and return, by the functions beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from ..losses import Loss
from . import fisher, forward, input_hessian, jacobian, per_sample, reverse, second_order
from .net import Net
from .objective import Objective, Trainable

__all__ = ["Differentiable"]


class Differentiable:
    """What a model is differentiated by: its data, its rows' losses, and its parameters, to second order."""

    def activations(
        self: Net,
        X: Any,
        *,
        out: tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]] | None = None,
        n_threads: int | None = None,
    ) -> reverse.Activations:
        """Pre-activations and outputs of every layer, without dropout and with running statistics, as in `predict`.

        Parameters
        ----------
        X : array-like (n, inputs) or SciPy sparse
        out : pair of sequences of ndarray, optional
            Receives the result, such as that of an earlier call on as many rows.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        Activations
            A named tuple ``(z, h)`` of tuples with an array (n, columns) for each value that the layers make, in the
            order of ``print(model.program)``: in a stack of dense layers ``h[l] = g(z[l])`` is layer l's, and ``h[-1]``
            is what `predict` returns, to the bit. Without an activation, z and h are equal.

        Raises
        ------
        TypeError, ValueError
            If X is not numeric, has the wrong rank or width, is empty, or holds NaN or infinity; if `out` does not fit.

        Examples
        --------
        >>> import mlpfast as mf
        >>> import numpy as np
        >>> model = mf.mlp([4, 8, 3], "tanh", "softmax", seed=0)
        >>> z, h = model.activations(np.ones((2, 4)))
        >>> [array.shape for array in h], bool(np.allclose(h[0], np.tanh(z[0])))
        ([(2, 8), (2, 3)], True)
        """
        return reverse.activations(self, X, out, n_threads)

    def deltas(
        self: Net,
        X: Any,
        y: Any,
        loss: str | Loss,
        *,
        out: Sequence[NDArray[Any]] | None = None,
        n_threads: int | None = None,
    ) -> tuple[NDArray[Any], ...]:
        """What backpropagation makes of every layer: dL/dz, z being its pre-activations, of each row's own loss L.

        Parameters
        ----------
        X, y, loss
            As for `loss_and_gradient`. Layers that are not trainable have deltas here, too.
        out : sequence of ndarray, optional
            Receives the result, such as that of an earlier call on as many rows.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        tuple of ndarray (n, columns)
            One for each of the arrays of `activations`. Row i is of row i's loss, not of the mean: divided by n, the
            gradient of a dense layer's weights is ``h.T @ delta``, h being what it reads.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type, or does not fit the model or the other arguments.

        Examples
        --------
        >>> import mlpfast as mf
        >>> import numpy as np
        >>> model = mf.mlp([4, 8, 3], output_activation="softmax", seed=0)
        >>> X, y = np.ones((2, 4)), [0, 2]
        >>> hidden, output = model.deltas(X, y, "cross_entropy")
        >>> bool(np.allclose(output, model.predict(X) - np.eye(3)[y], atol=1e-6))
        True
        """
        return reverse.deltas(self, X, y, loss, out, n_threads)

    def input_gradient(
        self: Net, X: Any, y: Any, loss: str | Loss, *, out: NDArray[Any] | None = None, n_threads: int | None = None
    ) -> NDArray[Any]:
        """The gradient of each row's own loss by its features, as saliency maps and adversarial examples take it.

        Parameters
        ----------
        X, y, loss
            As for `loss_and_gradient`.
        out : ndarray (n, inputs), optional
            Receives the result; of the model's dtype. May share memory with the other arrays, or `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n, inputs)
            Row i is dL_i/dx_i, which no other row has a part in; of the mean loss it is n times as much. Zero in
            columns that hold codes of categories, of which there is no derivative. Where an activation or a loss has a
            kink, such as relu at 0, the convention is that of training.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type, or does not fit the model or the other arguments.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(2, [mf.Dense(1)], dtype="float64")
        >>> model.parameters = [1.0, 1.0, 0.0]
        >>> model.input_gradient([[1.0, 2.0], [3.0, 4.0]], [1.0, 5.0], "mse")
        array([[2., 2.],
               [2., 2.]])
        """
        return reverse.input_gradient(self, X, y, loss, out, n_threads)

    def input_hessian(
        self: input_hessian.Layered,
        X: Any,
        y: Any = None,
        loss: str | Loss | None = None,
        *,
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]:
        """The second derivatives of each row by its own inputs, of its loss or of each output, for few inputs.

        By as many passes as there are inputs, of each output where there is no loss; the tangent of backpropagation,
        without finite differences, as for `hvp`, whose conventions it shares.

        Parameters
        ----------
        X : array-like (n, inputs) or SciPy sparse
        y : array-like, optional
            Targets, as for `loss_and_gradient`.
        loss : str or Loss, optional
            See `mlpfast.losses`; without y and loss, outputs are differentiated.
        out : ndarray, optional
            C-contiguous, of the model's dtype, and as large as the result, which it receives. May share memory with the
            other arrays.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n, inputs, inputs), or (n, outputs, inputs, inputs) without a loss
            Of row i, the derivatives of `input_gradient`, or of `jacobian`, by the inputs once more; no other row has a
            part in them. Symmetric but for rounding, and the same bits for every number of threads.

        Raises
        ------
        MemoryError
            If it is larger than the machine's memory; the message says how many bytes it takes.
        TypeError, ValueError
            If an argument is of another type, or does not fit the model or the other arguments; if the loss or a layer
            has no second derivatives, such as the encoders of a table's columns.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(2, [mf.Dense(1, "exponential")], dtype="float64")
        >>> model.parameters = [1.0, 2.0, 0.0]
        >>> model.input_hessian([[0.0, 0.0]])
        array([[[[1., 2.],
                 [2., 4.]]]])
        """
        return input_hessian.input_hessian(self, X, y, loss, out, n_threads)

    def vjp(
        self: Net, X: Any, U: Any, *, out: NDArray[Any] | None = None, n_threads: int | None = None
    ) -> NDArray[Any]:
        """Vector-Jacobian products: each row of U times the Jacobian of the outputs by that row's features.

        Parameters
        ----------
        X : array-like (n, inputs) or SciPy sparse
        U : array-like (n, outputs)
            Finite numbers.
        out : ndarray (n, inputs), optional
            Receives the result; of the model's dtype. May share memory with the other arrays, or `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n, inputs)
            Row i is ``U[i] @ J[i]``, J being `jacobian`, which is not formed: the cost is that of one way back.

        Raises
        ------
        TypeError, ValueError
            If an argument is not numeric, has another shape, or holds NaN or infinity; if `out` does not fit.

        Examples
        --------
        >>> import mlpfast as mf
        >>> import numpy as np
        >>> model = mf.mlp([4, 8, 3], "tanh", seed=0, dtype="float64")
        >>> X, U = np.ones((2, 4)), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -1.0]])
        >>> J = model.jacobian(X)
        >>> bool(np.allclose(model.vjp(X, U), np.einsum("no,noi->ni", U, J)))
        True
        """
        return reverse.vjp(self, X, U, out, n_threads)

    def jvp(
        self: Net, X: Any, V: Any, *, out: NDArray[Any] | None = None, n_threads: int | None = None
    ) -> NDArray[Any]:
        """The Jacobian of each row's outputs by its inputs, times a direction: how outputs change as inputs do.

        By forward mode, in one pass; the Jacobian is never formed. At a kink, such as that of relu at 0, the derivative
        is the one that backpropagation takes. Dropout takes no part; batch normalisation has its running statistics.

        Parameters
        ----------
        X : array-like (n, inputs) or SciPy sparse
        V : array-like (n, inputs)
            A direction for each row; in columns of codes it counts for nothing. Rounded to the model's dtype.
        out : ndarray (n, outputs), optional
            C-contiguous and of the model's dtype; receives the result. May share memory with the other arrays.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n, outputs)
            The same bits for every number of threads. In float32, about as exact as the predictions.

        Raises
        ------
        TypeError, ValueError
            If an argument is not numeric or finite, or has another shape; if a layer has no tangents.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(2, [mf.Dense(1, bias_initializer="zeros")], dtype="float64")
        >>> model.weights[0][:] = [[3.0], [4.0]]
        >>> model.jvp([[0.0, 0.0]], [[1.0, 2.0]])
        array([[11.]])
        """
        return forward.jvp(self, X, V, out, n_threads)

    def jacobian(self: Net, X: Any, *, out: NDArray[Any] | None = None, n_threads: int | None = None) -> NDArray[Any]:
        """The Jacobian of the outputs by the features, for each row.

        Parameters
        ----------
        X : array-like (n, inputs) or SciPy sparse
        out : ndarray (n, outputs, inputs), optional
            Receives the result; C-contiguous and of the model's dtype. May share memory with X, or with `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n, outputs, inputs)
            ``J[i, o, j]`` is the derivative of output o of row i, behind its activation, by feature j of that row. Zero
            for columns that hold codes of categories. By forward mode, a pass for each input, where there are less of
            these than outputs; else by reverse mode, a way back for each output.

        Raises
        ------
        TypeError, ValueError
            If X is not numeric, has the wrong rank or width, is empty, or holds NaN or infinity; if `out` does not fit.
        MemoryError
            If there is no room for the result.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(3, [mf.Dense(2)], dtype="float64", seed=0)
        >>> J = model.jacobian([[1.0, 2.0, 3.0]])
        >>> J.shape, bool((J[0] == model.weights[0].T).all())
        ((1, 2, 3), True)
        """
        return jacobian.jacobian(self, X, out, n_threads)

    def per_sample_gradients(
        self: Net, X: Any, y: Any, loss: str | Loss, *, out: NDArray[Any] | None = None, n_threads: int | None = None
    ) -> NDArray[Any]:
        """The gradient of each row's own loss by the parameters.

        Parameters
        ----------
        X, y, loss
            As for `loss_and_gradient`, which gives the mean of these gradients. Penalties, a layer's own too, are no
            part of them.
        out : ndarray (n, n_parameters), optional
            Receives the result; of the model's dtype. May share memory with the other arrays, or `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n, n_parameters)
            Row i in the order of `parameters`; zero for those of layers that are not trainable.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type, or does not fit the model or the other arguments.
        MemoryError
            If there is no room for the result.

        See Also
        --------
        per_sample_gradient_norms : Their norms, without storing them.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(1, [mf.Dense(1, kernel_initializer="zeros")], dtype="float64")
        >>> model.per_sample_gradients([[1.0], [2.0]], [1.0, 3.0], "mse")
        array([[-1., -1.],
               [-6., -3.]])
        """
        return per_sample.per_sample_gradients(self, X, y, loss, out, n_threads)

    def per_sample_gradient_norms(
        self: Net, X: Any, y: Any, loss: str | Loss, *, out: NDArray[Any] | None = None, n_threads: int | None = None
    ) -> NDArray[Any]:
        """The Euclidean norms of `per_sample_gradients`, without storing these.

        The gradient of a dense layer by row i is ``outer(h_i, delta_i)`` and, of its bias, ``delta_i``, so its squared
        norm is ``|delta_i|^2 (|h_i|^2 + 1)`` (Goodfellow, "Efficient per-example gradient computations", 2015). Other
        layers' gradients are formed a part at a time.

        Parameters
        ----------
        X, y, loss
            As for `loss_and_gradient`.
        out : ndarray (n,), optional
            Receives the result; of the model's dtype. May share memory with the other arrays, or `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n,)
            Summed in float64. Parameters of layers that are not trainable count as zero.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type, or does not fit the model or the other arguments.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(1, [mf.Dense(1, kernel_initializer="zeros")], dtype="float64")
        >>> model.per_sample_gradient_norms([[1.0], [2.0]], [1.0, 3.0], "mse") ** 2
        array([ 2., 45.])
        """
        return per_sample.per_sample_gradient_norms(self, X, y, loss, out, n_threads)

    def fisher_diagonal(
        self: Net,
        X: Any,
        y: Any = None,
        *,
        labels: Literal["given", "model"] = "given",
        loss: str | Loss,
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]:
        """The diagonal of the Fisher information of the parameters: the mean of squares of each row's gradient.

        Parameters
        ----------
        X : array-like (n, inputs) or SciPy sparse
        y : array-like, optional
            Targets, with the labels that are given.
        labels : {"given", "model"}, default "given"
            Of the empirical Fisher information, those in y. Of the true one, those that the model expects: the mean is
            exact, over all classes, or both of each output, or a normal distribution of variance 1 around the outputs.
            (The two differ: Kunstner, Balles and Hennig, "Limitations of the empirical Fisher approximation", 2019.)
        loss : str or Loss
            See `mlpfast.losses`. With the model's labels it has to be a negative log-likelihood: "cross_entropy" or
            "binary_cross_entropy", without options, or "mse".
        out : ndarray (n_parameters,), optional
            Receives the result; of the model's dtype. May share memory with the other arrays, or `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n_parameters,)
            In the order of `parameters`; zero for those of layers that are not trainable. Summed in float64 over chunks
            of rows.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type, or does not fit the model or the other arguments; if targets are missing
            with ``labels="given"``, or there are some with "model".

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(1, [mf.Dense(1, kernel_initializer="zeros")], dtype="float64")
        >>> model.fisher_diagonal([[1.0], [2.0]], [1.0, 3.0], loss="mse")
        array([18.5,  5. ])
        >>> model.fisher_diagonal([[1.0], [2.0]], labels="model", loss="mse")
        array([2.5, 1. ])
        """
        return fisher.fisher_diagonal(self, X, y, labels, loss, out, n_threads)

    def hvp(
        self: Net,
        X: Any,
        y: Any,
        v: Any,
        loss: str | Loss,
        *,
        sample_weight: Any = None,
        l2: float = 0.0,
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]:
        """The Hessian of a loss by the parameters, times a vector.

        By the tangent of backpropagation (the R-operator; Pearlmutter, "Fast exact multiplication by the Hessian",
        1994): no finite differences, and the Hessian is never formed. At a kink of an activation or a loss, the second
        derivative is 0. Dropout takes no part, and batch normalisation has its running statistics.

        Parameters
        ----------
        X : array-like (n, inputs) or SciPy sparse
        y : array-like
            Targets, as for `loss_and_gradient`.
        v : array-like (n_parameters,)
            In the order of `parameters`; rounded to the model's dtype. What belongs to layers that are not trainable
            counts for nothing.
        loss : str or Loss
            See `mlpfast.losses`; one of the user's own has no second derivatives.
        sample_weight : array-like (n,), optional
            The loss is then ``sum(w_i loss_i) / sum(w_i)``.
        l2 : float >= 0, default 0.0
            Penalty ``l2/2 sum W^2`` on the weights, not on the biases: it adds ``l2 v`` there.
        out : ndarray (n_parameters,), optional
            Of the model's dtype; receives the result. May share memory with the other arrays, or `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n_parameters,)
            The same bits for every number of threads; zero for those of layers that are not trainable. In float32,
            about as exact as a gradient.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, of another type, or does not fit the model or the other arguments; if the
            loss or a layer has no second derivatives.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(1, [mf.Dense(1)], dtype="float64")
        >>> model.hvp([[1.0], [2.0]], [1.0, 3.0], [1.0, 0.0], "mse")
        array([2.5, 1.5])
        """
        return second_order.product(self, "hvp", "hessian", X, y, v, loss, sample_weight, l2, out, n_threads)

    def gauss_newton_product(
        self: Net,
        X: Any,
        y: Any,
        v: Any,
        loss: str | Loss,
        *,
        sample_weight: Any = None,
        l2: float = 0.0,
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]:
        """The Gauss-Newton matrix of a loss by the parameters, times a vector.

        It is the mean over rows of ``J^T H J``, with the Jacobian J by the parameters of what the loss reads, and the
        loss's own Hessian H there; the Hessian less what comes of the model's curvature, and positive semidefinite for
        a convex loss (Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent", 2002).
        Losses that name z in `mlpfast.losses`, such as the cross-entropies, read pre-activations; others outputs.

        Parameters
        ----------
        X, y, v, loss, sample_weight, l2, out, n_threads
            As for `hvp`.

        Returns
        -------
        ndarray (n_parameters,)
            As `hvp`.

        Raises
        ------
        TypeError, ValueError
            As `hvp`.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(1, [mf.Dense(1)], dtype="float64")
        >>> model.gauss_newton_product([[1.0], [2.0]], [1.0, 3.0], [1.0, 0.0], "mse")
        array([2.5, 1.5])
        """
        name = "gauss_newton_product"
        return second_order.product(self, name, "gauss_newton", X, y, v, loss, sample_weight, l2, out, n_threads)

    def hessian(
        self: Net,
        X: Any,
        y: Any,
        loss: str | Loss,
        *,
        sample_weight: Any = None,
        l2: float = 0.0,
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]:
        """The Hessian of a loss by the parameters, for small models: `hvp` for each parameter.

        Parameters
        ----------
        X, y, loss, sample_weight, l2, n_threads
            As for `hvp`.
        out : ndarray (n_parameters, n_parameters), optional
            C-contiguous and of the model's dtype; receives the result.

        Returns
        -------
        ndarray (n_parameters, n_parameters)
            Symmetric but for rounding.

        Raises
        ------
        MemoryError
            If it is larger than the machine's memory; the message says how many bytes it takes.
        TypeError, ValueError
            As `hvp`.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(1, [mf.Dense(1)], dtype="float64")
        >>> model.hessian([[1.0], [2.0]], [1.0, 3.0], "mse")
        array([[2.5, 1.5],
               [1.5, 1. ]])
        """
        return second_order.hessian(self, X, y, loss, sample_weight, l2, out, n_threads)

    def objective(
        self: Trainable,
        X: Any,
        y: Any,
        loss: str | Loss,
        l2: float = 0.0,
        *,
        sample_weight: Any = None,
        n_threads: int | None = None,
    ) -> Objective:
        """The loss over all rows as a function of the parameters, made for `scipy.optimize.minimize`.

        Parameters
        ----------
        X, y, loss, sample_weight, n_threads
            As for `loss_and_gradient`. Arrays are not copied: they are read at each call.
        l2 : float >= 0, default 0.0
            Penalty ``l2/2 sum W^2`` on the weights, not on the biases.

        Returns
        -------
        Objective
            A callable: ``f(parameters)`` is ``(value, gradient)``; with methods ``value``, ``gradient``, ``hvp`` and
            ``gauss_newton_product``. The model itself does not change.

        Raises
        ------
        TypeError, ValueError
            As `loss_and_gradient`.

        Examples
        --------
        >>> import mlpfast as mf
        >>> from scipy.optimize import minimize
        >>> model = mf.Model(1, [mf.Dense(1)], dtype="float64")
        >>> f = model.objective([[1.0], [2.0]], [1.0, 3.0], "mse")
        >>> found = minimize(f, f.parameters, jac=True, hessp=f.hvp, method="trust-ncg")
        >>> found.x.round(6) + 0.0
        array([ 2., -1.])
        """
        return Objective(self.copy(), X, y, loss, l2, sample_weight, n_threads)
