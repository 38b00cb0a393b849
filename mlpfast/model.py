"""The model: layers over one flat parameter vector."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import adapting, drawing, kernels, validation
from .activations import Activation
from .core.engine import Engine
from .core.memory import aligned_zeros
from .core.network import Network
from .core.results import BadCodeError, NotFiniteError
from .core.rowwise import Rowwise
from .core.tangents import Tangents
from .derivatives.differentiable import Differentiable
from .errors import boolean, integer, real
from .hints import (
    MLP_ARGUMENTS,
    MODEL_ARGUMENTS,
    MODEL_ATTRIBUTES,
    explain_arguments,
    explain_attributes,
    refuse_without_effect,
)
from .initializers import Initializer
from .layers import Dense, Layer, as_layers, lower, one_for_each
from .losses import Loss, as_loss
from .losses.custom import check_gradient
from .parts import DECAYING
from .program import Program
from .tables import html_table

if TYPE_CHECKING:
    from .files.modelfile import ModelFile

__all__ = ["Model", "mlp"]

_Self = TypeVar("_Self", bound="Model")

#: Assigned once: another value would change nothing, or only half of the model.
_READ_ONLY = frozenset(
    ("layers", "sizes", "dtype", "seed", "tensors", "buffers", "weights", "biases", "program", "network")
)

#: What a model has that may be written, or looks as if it might.
_NAMES = _READ_ONLY | {"parameters", "state"}

#: What is made anew from the rest.
_DERIVED = (
    *("sizes", "tensors", "buffers", "weights", "biases"),
    *("program", "network", "_state", "_parameters", "_engines", "_tangents", "_rowwise"),
)

_CHUNK_ROWS = 1024  # at once, where a model has layers for which an engine would hold all of them, but does not need to
_FEW_ROWS = 64  # of a call of `loss_and_gradient`: to make its engine would take longer than the call


@explain_attributes(MODEL_ATTRIBUTES)
class Model(Differentiable):
    """A multilayer perceptron.

    Parameters
    ----------
    inputs : int
        Number of features.
    layers : sequence of Layer
        At least one; the last is the output. A model with one layer is a linear (or logistic, softmax) regression.
    dtype : {"float32", "float64"}, default "float32"
        Of the parameters, and of all computation.
    seed : int in [0, 2**64), default 0
        Seed of the initial parameters. The same seed gives the same parameters on every machine.

    Attributes
    ----------
    parameters : ndarray (n_parameters,)
        All parameters in one writable vector: ``W0 (fan_in, fan_out) row-major, b0, W1, b1, ...``. Assigning copies the
        values into it.
    tensors : mapping from str to ndarray
        Views into `parameters` by name, in their order: ``W0`` (fan_in, fan_out), ``b0`` (fan_out,), ``W1``, ... The
        arrays may be written, as in ``model.tensors["b0"][:] = 0``, the mapping not.
    state : ndarray (n_parameters + size of all buffers,)
        Parameters, then buffers, in one writable vector: all that a model has learnt. Assigning copies the values into
        it.
    buffers : mapping from str to ndarray
        Views into `state` of what is learnt otherwise than by gradients, such as the running statistics of a norm.
    weights, biases : tuple of ndarray
        The views of the dense layers: (fan_in, fan_out) and (fan_out,). One that has no bias has no place in `biases`.
    layers : tuple of Layer
    sizes : tuple of int
        ``(inputs, units of dense layer 0, units of dense layer 1, ...)``.
    inputs, outputs, n_parameters : int
    dtype : numpy.dtype
    seed : int
    program : mlpfast.program.Program
        What the layers lower to: values, tensors and layers; it prints.
    network : mlpfast.core.network.Network
        The compiled forward pass over `parameters`.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or of another type, or the last layer has dropout.

    Examples
    --------
    >>> model = Model(4, [Dense(8, activation="tanh"), Dense(3, activation="softmax")])
    >>> model.predict(np.zeros((2, 4), dtype=np.float32)).shape
    (2, 3)
    >>> {name: tensor.shape for name, tensor in model.tensors.items()}
    {'W0': (4, 8), 'b0': (8,), 'W1': (8, 3), 'b1': (3,)}
    """

    layers: tuple[Layer, ...]
    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    seed: int
    tensors: Mapping[str, NDArray[Any]]
    buffers: Mapping[str, NDArray[Any]]
    weights: tuple[NDArray[Any], ...]
    biases: tuple[NDArray[Any], ...]
    program: Program
    network: Network
    _state: NDArray[Any]
    _parameters: NDArray[Any]  # its first part
    _engines: list[tuple[tuple[Any, ...], Engine]]  # that of the last `loss_and_gradient`, while nobody has it
    _tangents: dict[str, tuple[Any, Tangents]]  # and the last one of each mode of `derivatives`
    _rowwise: dict[Any, Rowwise]  # plans of derivatives, by what is wanted, while nobody has them

    @explain_arguments(MODEL_ARGUMENTS)
    def __init__(self, inputs: int, layers: Sequence[Layer], *, dtype: DTypeLike = "float32", seed: int = 0) -> None:
        self._build(inputs, layers, dtype, seed)
        with np.errstate(all="ignore"):  # small values may round to zero, whatever the user has set
            self._initialize()

    def _build(self, inputs: int, layers: Sequence[Layer], dtype: DTypeLike, seed: int) -> None:
        """Everything but the values: the parameters, all zero, and the views into them."""
        self.layers, self.dtype = as_layers(layers, hint="; write Model(inputs, layers)"), validation.as_dtype(dtype)
        self.seed = integer("seed", seed, at_least=0, at_most=2**64 - 1)
        for layer in self.layers:
            layer.check_dtype(self.dtype)
        program = self.program = lower(integer("inputs", inputs), self.layers)
        if not program.layers:
            raise ValueError(f"expected layers that make something of the data, got {list(self.layers)}")
        if program.layers[-1].trains_only:
            raise ValueError(f"expected no dropout after the last layer, got {program.layers[-1].numbers[0]:g}")
        dense = [layer for layer in program.layers if layer.kind == "dense"]
        self.sizes = (program.values[0].columns, *(program.values[layer.makes].columns for layer in dense))
        size = program.n_parameters + program.n_buffered
        if size * self.dtype.itemsize > sys.maxsize // 2:
            raise MemoryError(f"a model of {size:,} parameters does not fit into memory")
        self._state = aligned_zeros(size, self.dtype)
        self._parameters, buffers = self._state[: program.n_parameters], self._state[program.n_parameters :]
        self.tensors, self.buffers = _views(self._parameters, program.tensors), _views(buffers, program.buffers)
        self.weights, self.biases = (
            tuple(
                self.tensors[tensor.name]
                for layer in dense
                for tensor in (program.tensors[t] for t in layer.tensors)
                if tensor.role == role
            )
            for role in ("weight", "bias")
        )
        self.network = Network(program, self._state)
        self._engines, self._tangents, self._rowwise = [], {}, {}

    def _initialize(self) -> None:
        """Draw the initial parameters: each tensor from a stream of its own, so that it depends on nothing else."""
        for buffer in self.program.buffers:
            self.buffers[buffer.name].reshape(-1)[:] = buffer.initial
        for tensor in self.program.tensors:
            distribution = tensor.initializer.distribution(*tensor.fans)
            drawing.fill(self.tensors[tensor.name], distribution, self.seed, tensor.stream)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _READ_ONLY and hasattr(self, name):  # to ask for __dict__ would slow down every access to come
            hint = "; write into its arrays, or assign parameters" if name in ("tensors", "weights", "biases") else ""
            raise AttributeError(f"{name!r} of a model is read-only{hint}")
        if name[0] != "_" and name not in _NAMES and type(self) is Model and not hasattr(Model, name):
            refuse_without_effect("'Model' object", name, _NAMES, MODEL_ATTRIBUTES)
        super().__setattr__(name, value)

    @property
    def parameters(self) -> NDArray[Any]:
        """All parameters in one writable vector (n_parameters,)."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        self._parameters[...] = validation.as_parameters(values, self.n_parameters, self.dtype)

    @property
    def state(self) -> NDArray[Any]:
        """Parameters, then buffers, in one writable vector: all that the model has learnt."""
        return self._state

    @state.setter
    def state(self, values: ArrayLike) -> None:
        state = validation.as_parameters(values, self._state.size, self.dtype, name="state")
        validation.check_buffers(_views(state[self.n_parameters :], self.program.buffers), self.program.buffers)
        self._state[...] = state

    @property
    def n_parameters(self) -> int:
        """Number of parameters: weights, biases and what else is trained."""
        return int(self._parameters.size)

    @property
    def inputs(self) -> int:
        """Number of features."""
        return self.sizes[0]

    @property
    def output_activation(self) -> Activation:
        """Activation of the outputs."""
        return self.program.values[-1].activation

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.program.values[-1].columns

    def predict(self, X: Any, out: NDArray[Any] | None = None, n_threads: int | None = None) -> NDArray[Any]:
        """Outputs of the model.

        Parameters
        ----------
        X : array-like (n, inputs) or (inputs,), or SciPy sparse (n, inputs)
            A 1-D X is one row. C-contiguous float32, float64, uint8 and int16, and CSR rows whose columns ascend, are
            read where they are; anything else is converted first.
        out : ndarray (n, outputs), optional
            C-contiguous and of the model's dtype; receives the result. May share memory with X, or with `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        ndarray (n, outputs)
            `out`, or a new array of the model's dtype. A row's values depend neither on other rows nor on `n_threads`.

        Raises
        ------
        TypeError, ValueError
            If X is not numeric, has the wrong rank or width, is empty, or holds NaN or infinity; if `out` does not fit;
            if there are layers that `adapt` has yet to teach.

        Examples
        --------
        >>> model = Model(2, [Dense(1, kernel_initializer="zeros", bias_initializer="zeros")])
        >>> model.predict([[1.0, 2.0], [3.0, 4.0]])
        array([[0.],
               [0.]], dtype=float32)
        """
        try:
            result = self.network.predict(X, out, n_threads)
        except NotFiniteError as error:
            raise validation.finite_error(X, self.dtype, "X", given=X) or error from None  # says where
        except BadCodeError as error:
            raise validation.code_error(X, self.program.codes, given=X) or error from None
        if result is None:  # X is not an array that it reads as it is
            given, X = X, validation.as_features(X, self.inputs, self.dtype, one_row=True)
            try:
                if isinstance(X, tuple):
                    return self.network.predict_csr(X, out, n_threads)
                result = self.network.predict(X, out, n_threads)
            except BadCodeError as error:
                raise validation.code_error(X, self.program.codes, given) or error from None
            assert result is not None, "as_features leaves nothing to refuse"
        return result

    def __call__(self, X: Any) -> NDArray[Any]:
        """The same as `predict`, as in Keras and PyTorch."""
        return self.predict(X)

    def loss_and_gradient(
        self,
        X: Any,
        y: Any,
        loss: str | Loss,
        *,
        sample_weight: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        training: bool = False,
        out: NDArray[Any] | None = None,
        n_threads: int | None = None,
    ) -> tuple[float, NDArray[Any]]:
        """The loss over all rows of X, and its gradient by backpropagation. Dropout takes no part.

        Parameters
        ----------
        X : array-like (n, inputs) or SciPy sparse
        y : array-like
            Targets, (n, outputs); (n,) class indices for "cross_entropy".
        loss : str or Loss
            See `mlpfast.losses`.
        sample_weight : array-like (n,), optional
            The loss is then ``sum(w_i loss_i) / sum(w_i)``. Rows of weight zero count for nothing.
        l1, l2 : float >= 0, default 0.0
            Penalties ``l1 sum|W| + l2/2 sum W^2`` on the weights, not on the biases.
        training : bool, default False
            Whether batch normalisation takes the statistics of these rows, as in training; the running ones, which it
            takes otherwise, stay as they are.
        out : ndarray (n_parameters,), optional
            Receives the gradient; of the model's dtype. May share memory with the other arrays, or `parameters`.
        n_threads : int, optional
            At most so many threads; by default as many as pay.

        Returns
        -------
        loss : float
            Summed in float64.
        gradient : ndarray (n_parameters,)
            In the order of `parameters`; zero for those of layers that are not trainable.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, of another type, or does not fit the model or the other arguments.

        Examples
        --------
        >>> model = Model(1, [Dense(1, kernel_initializer="zeros")], dtype="float64")
        >>> model.loss_and_gradient([[1.0], [2.0]], [1.0, 3.0], "mse")
        (2.5, array([-3.5, -2. ]))
        """
        loss = as_loss(loss)
        loss.check_output(self.output_activation, self.outputs)
        if out is not None:
            validation.check_out(out, (self.n_parameters,), self.dtype)
        l1, l2 = real("l1", l1, at_least=0.0), real("l2", l2, at_least=0.0)
        training = boolean("training", training)
        quick = validation.as_they_are(X, y, loss, self.inputs, self.outputs, self.dtype)
        if quick is not None and sample_weight is None and out is None:
            try:
                value, gradient = self._loss_and_gradient(*quick, None, loss, l1, l2, training, None, n_threads)
            except ValueError:
                value = math.nan
            if math.isfinite(value):
                return value, gradient
        given, X = X, validation.as_features(X, self.inputs, self.dtype)
        n = validation.n_rows(X)
        y = validation.as_targets(y, loss, self.outputs, self.dtype, n)
        self.check_custom(loss, y)
        sample_weight = validation.as_sample_weight(sample_weight, n)
        if training and self.program.over_batch:
            X, y, sample_weight = validation.without_weightless(X, y, sample_weight)
        X, y = validation.blank_weightless(X, y, sample_weight)
        overlaps = validation.shares_memory(out, X, y, sample_weight, self._parameters)
        into = None if overlaps else out
        try:
            value, gradient = self._loss_and_gradient(X, y, sample_weight, loss, l1, l2, training, into, n_threads)
        except BadCodeError as error:
            raise validation.code_error(X, self.program.codes, given) or error from None
        if out is not None and overlaps:
            out[...] = gradient
            return value, out
        return value, gradient

    def _of_one_input(self, layers: Sequence[Layer]) -> Model:
        """A model of other layers, all of whose values are zero."""
        model = Model.__new__(Model)
        model._build(1, layers, self.dtype, 0)
        return model

    def check_custom(self, loss: Loss, y: NDArray[Any]) -> None:
        """Compare the gradient of a `mlpfast.losses.Custom` with differences, the first time."""
        if not loss.checked:
            z = np.random.default_rng(0).normal(size=(min(len(y), 16), self.outputs))
            check_gradient(loss, y, kernels.activation(z, self.output_activation))
            loss.checked = True  # type: ignore[misc]

    def _loss_and_gradient(
        self,
        X: validation.Features,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
        loss: Loss,
        l1: float,
        l2: float,
        training: bool,
        out: NDArray[Any] | None,
        n_threads: int | None,
    ) -> tuple[float, NDArray[Any]]:
        """Of checked input, by the engine of the last call if that fits and nobody has it at the moment."""
        settings, rows = (loss, n_threads), len(y)
        if self.program.over_batch and not training:
            rows = min(rows, _CHUNK_ROWS)
        kept: tuple[tuple[Any, ...], Engine] | None
        try:
            kept = self._engines.pop()  # who comes now makes another
        except IndexError:
            kept = None
        if kept is None or kept[0] != settings or kept[1].batch_rows < rows:
            engine = Engine(
                self.network,
                loss,
                batch_rows=rows,
                n_threads=n_threads,
            )
            kept = settings, engine
        result = kept[1].loss_and_gradient(X, y, sample_weight, l1=l1, l2=l2, gradient=out, training=training)
        if kept[1].batch_rows <= _FEW_ROWS:
            self._engines[:] = [kept]
        return result

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, which `mlpfast.load` reads; an ``.npz`` of arrays and a JSON header, no pickle.

        Parameters
        ----------
        path : str or path-like
            A regular file, or a link to one, is replaced as a whole: a failure leaves the old file as it was. The new
            one has its mode and owner. It is written beside the old one under a name that begins with ``.mlpfast-``,
            and what a killed process left under such names in the folder is removed.

        Raises
        ------
        OSError
            If the file can't be written, its owner can't be kept, or there is something else than a regular file: a
            folder, a device, a FIFO, a socket.
        TypeError
            If `path` is not a path, or the model has layers or initializers that mlpfast does not know.
        ValueError
            If the model has so many layers, thousands, or blocks so deep in each other, more than 16, that
            `mlpfast.load` would refuse the file.

        Notes
        -----
        Parameters and buffers are written as they are, NaN and infinity too; `mlpfast.load` wants to be asked for
        these.
        """
        # Here, since a program that saves nothing need not import zipfile and json.
        from .files.modelfile import Header, write
        from .files.replacing import as_path

        header = Header(self.inputs, self.layers, self.dtype.name, self.seed)
        write(as_path(path, in_memory="pickle.dumps(model)"), header, self._arrays())

    def adapt(self, X: Any) -> None:
        """Let the layers that learn from their input once, such as `Standardize`, learn from X.

        Initial values that follow data, by `mlpfast.initializers.DataDriven` and `HePlus`, are drawn anew, whatever
        training has made of them: call it before.

        Parameters
        ----------
        X : array-like (n, inputs)
            Of the training data: what is learnt is kept as it is from then on. Layer after layer, each learns from what
            those before it make of X.

        Raises
        ------
        TypeError, ValueError
            If X is not numeric, does not fit the model, is sparse or empty, or holds NaN or infinity; or what would be
            learnt is too large for the model's dtype. The model is unchanged then.

        Examples
        --------
        >>> import mlpfast as mf
        >>> model = mf.Model(1, [mf.Standardize(), mf.Dense(1)])
        >>> model.adapt([[0.0], [10.0]])
        >>> model.buffers["factor0"]
        array([0.2], dtype=float32)
        """
        features = validation.as_features(X, self.inputs, self.dtype)
        if isinstance(features, validation.CSR):
            raise TypeError("adapt: expected dense X, got sparse rows; a part of them, made dense, is enough")
        before = self._state.copy()
        try:
            first = 0
            for number, (layer, end) in enumerate(zip(self.layers, self.program.ends, strict=True)):
                if layer.adapts:
                    self._teach(number, layer, self._value(self.program.layers[first].reads, features))
                self._draw_from(range(first, end), features)
                first = end
        except BaseException:
            self._state[...] = before  # nothing is half done
            raise

    def _teach(self, number: int, layer: Layer, X: NDArray[Any]) -> None:
        """Let a layer learn from what it reads."""
        with np.errstate(all="ignore"):
            for name, values in layer.adapt(X, str(number)).items():
                error = validation.finite_error(values, self.dtype, name)
                if error is not None:
                    raise ValueError(f"adapt: {layer!r} can't learn this from X: {error}")
                self.buffers[name][...] = values

    def _draw_from(self, numbers: range, features: NDArray[Any]) -> None:
        """Draw the initial values anew that follow data, of some of the program's layers."""
        program = self.program
        for layer in program.layers[numbers.start : numbers.stop]:
            tensors = tuple(program.tensors[t] for t in layer.tensors)
            if layer.kind == "dense" and any(tensor.initializer.follows for tensor in tensors):
                arrays = [self.tensors[tensor.name] for tensor in tensors]
                with np.errstate(all="ignore"):
                    X = np.ascontiguousarray(self._value(layer.reads, features), self.dtype)
                    adapting.draw_from(X, arrays, tensors, self.seed)

    def _value(self, number: int, X: NDArray[Any]) -> NDArray[Any]:
        """A value of the program for some rows of data."""
        program = self.program.up_to(number)
        if not program.schedule("prediction").phases[0].forward:  # the data, or what dropout makes of it in training
            return X
        try:
            outputs = Network(program, self._state).predict(np.ascontiguousarray(X))
        except BadCodeError as error:
            raise validation.code_error(X, self.program.codes) or error from None
        assert outputs is not None, "as_features leaves nothing to refuse"
        return outputs

    def load_tensors(self, other: Model | Mapping[str, ArrayLike], *, strict: bool = True) -> dict[str, str]:
        """Copy tensors and buffers from another model by name: for a part of a network that is trained already.

        Parameters
        ----------
        other : Model or mapping from str to array-like
            Values of another dtype are rounded to this model's. May be this model, or have views of its arrays.
        strict : bool, default True
            Whether both have to have the same names and shapes. If not, those that agree in both are copied.

        Returns
        -------
        dict from str to str
            Which names were left out, and why: those that only one of them has, and those of different shapes. Empty if
            everything was copied.

        Raises
        ------
        ValueError
            If names or shapes differ and `strict` is true, which says how; or a value to copy is not finite in this
            model's dtype, or a negative variance. Nothing is changed then.
        TypeError
            If `other` is something else, or has an array to copy that is not numeric.

        Examples
        --------
        >>> model, other = mlp([4, 8, 3]), mlp([4, 8, 2], seed=1)
        >>> model.load_tensors(other, strict=False)
        {'W1': 'has shape (8, 2), expected (8, 3)', 'b1': 'has shape (2,), expected (3,)'}
        >>> bool((model.tensors["W0"] == other.tensors["W0"]).all())
        True
        """
        ours = self._arrays()
        theirs = other._arrays() if isinstance(other, Model) else other
        values, left_out = validation.as_tensors(theirs, ours, self.dtype, strict=boolean("strict", strict))
        validation.check_buffers(values, self.program.buffers)
        for name, array in values.items():
            ours[name][...] = array
        return left_out

    @classmethod
    def _read(cls: type[_Self], file: ModelFile, *, allow_non_finite: bool = False) -> _Self:
        """The model of a file that is open."""
        model = cls.__new__(cls)
        model._build(*file.header)
        unlearnt = [buffer.name for buffer in model.program.buffers if buffer.adapts]
        file.read_into(model._arrays(), allow_non_finite=allow_non_finite, unlearnt=unlearnt)
        validation.check_buffers(model.buffers, model.program.buffers)
        return model

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """All that the model has learnt, by name."""
        return {**self.tensors, **self.buffers}

    def copy(self: _Self) -> _Self:
        """An independent model with the same layers and parameters."""
        twin = type(self).__new__(type(self))
        twin.__setstate__(self.__getstate__())
        return twin

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.__dict__.items() if name not in _DERIVED}
        return {**kept, "inputs": self.inputs, "state": np.array(self._state)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = dict(state)
        values = kept.pop("state") if "state" in kept else kept.pop("parameters")  # of an older version
        self._build(*(kept.pop(name) for name in ("inputs", "layers", "dtype", "seed")))
        self._state[...] = values
        self.__dict__.update(kept)

    def __repr__(self) -> str:
        layers = ", ".join(repr(layer) for layer in self.layers)
        return f"Model({self.inputs}, [{layers}], dtype={self.dtype.name!r}, seed={self.seed})"

    def __str__(self) -> str:
        title, rows, total = self._table()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for *cells, count in rows:
            left = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
            lines.append("  ".join([*left, count.rjust(widths[-1])]))
        rule = "-" * len(lines[0])
        return "\n".join([title, lines[0], rule, *lines[1:], rule, total.rjust(len(rule))])

    def _repr_html_(self) -> str:
        """The same table for notebooks."""
        title, rows, total = self._table()
        return html_table(f"{title}; {total}", rows)

    def _table(self) -> tuple[str, list[tuple[str, ...]], str]:
        """Title, rows with their head, and total."""
        rows: list[tuple[str, ...]] = [("layer", "activation", "weights", "biases", "dropout", "parameters")]
        program = self.program
        for number, (layer, place) in enumerate(zip(program.layers, program.places, strict=True)):
            tensors = [program.tensors[t] for t in layer.tensors]
            rate = f"{layer.numbers[0]:g}" if layer.trains_only else "-"
            before = program.layers[number - 1]
            if layer.trains_only and before.kind == "dense" and before.makes == layer.reads not in program.kept:
                rows[-1] = (*rows[-1][:4], rate, rows[-1][5])
                continue
            weights, biases = (
                ", ".join(str(tensor.shape) for tensor in tensors if tensor.role in roles) or "-"
                for roles in (DECAYING, ("bias",))
            )
            name = place if layer.kind == "dense" else f"{place} {layer.kind}"
            count = sum(tensor.size for tensor in tensors)
            rows.append((name, str(program.values[layer.makes].activation), weights, biases, rate, f"{count:,}"))
        if not any(layer.trains_only for layer in program.layers):
            rows = [row[:4] + row[5:] for row in rows]
        size = self.n_parameters * self.dtype.itemsize / 1024
        title = f"Model: {self.inputs:,} inputs, {self.outputs:,} outputs, {self.dtype.name}"
        return title, rows, f"{self.n_parameters:,} parameters, {size:,.1f} KiB"


@explain_arguments(MLP_ARGUMENTS)
def mlp(
    sizes: Sequence[int],
    activation: str | Activation | Sequence[str | Activation] = "relu",
    output_activation: str | Activation = "identity",
    *,
    dropout: float | Sequence[float] = 0.0,
    kernel_initializer: str | Initializer | None = None,
    bias_initializer: str | Initializer = "zeros",
    dtype: DTypeLike = "float32",
    seed: int = 0,
) -> Model:
    """A `Model` from its sizes.

    Parameters
    ----------
    sizes : sequence of int
        ``[inputs, units of hidden layer 0, ..., outputs]``; at least two.
    activation : str or Activation, or a sequence of them, default "relu"
        Of the hidden layers: of all, or one for each.
    output_activation : str or Activation, default "identity"
        Of the last layer.
    dropout : float in [0, 1), or a sequence of them, default 0.0
        After the hidden layers: after all, or one for each.
    kernel_initializer, bias_initializer
        Of all layers, as for `Dense`.
    dtype, seed
        As for `Model`.

    Returns
    -------
    Model

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or of another type, or a sequence has not one value for each hidden layer.

    Examples
    --------
    >>> mlp([784, 128, 10], activation="relu", output_activation="softmax").sizes
    (784, 128, 10)
    >>> print(*mlp([4, 8, 8, 3], activation=["tanh", "relu"], dropout=[0.1, 0.5]).layers[:2])
    Dense(8, activation='tanh', dropout=0.1) Dense(8, activation='relu', dropout=0.5)
    """
    sizes = _checked_sizes(sizes, activation, output_activation)
    if len(sizes) < 2:
        raise ValueError(f"expected at least two sizes, inputs and outputs, got {sizes}")
    hidden = sizes[1:-1]
    activations = one_for_each("activation", activation, (str, Activation), len(hidden))
    rates = one_for_each("dropout", dropout, (Real, str), len(hidden))
    layers = [
        Dense(units, each, kernel_initializer, bias_initializer, rate)
        for units, each, rate in zip(hidden, activations, rates, strict=True)
    ]
    layers.append(Dense(sizes[-1], output_activation, kernel_initializer, bias_initializer))
    return Model(sizes[0], layers, dtype=dtype, seed=seed)


def _views(flat: NDArray[Any], spans: Sequence[Any]) -> Mapping[str, NDArray[Any]]:
    """Views into a flat vector by name."""
    return MappingProxyType(
        {span.name: flat[span.offset : span.offset + span.size].reshape(span.shape) for span in spans}
    )


def _checked_sizes(sizes: Any, *after: Any) -> list[int]:
    """The sizes as a list; `after` are the arguments after them, where one may have written more sizes."""
    try:
        if not isinstance(sizes, str):
            return list(sizes)
    except TypeError:
        pass
    meant = [sizes]
    for each in after:
        several = isinstance(each, (list, tuple)) and all(isinstance(size, Integral) for size in each)
        meant += each if several else [each] if isinstance(each, Integral) else []
    hint = f"; write mlp({meant})" if len(meant) > 1 else ""
    raise TypeError(
        f"expected sizes to be a sequence [inputs, ..., outputs], got {sizes!r} ({type(sizes).__name__}){hint}"
    )
