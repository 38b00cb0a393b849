"""What the rules look at: rows of data, and what a model makes of them layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from ..activations import Activation
from ..losses import Loss, as_loss
from ..model import Model
from ..validation import CSR, Features, as_features, as_targets, n_rows, take_rows
from .inputs import Values, first_reads

__all__ = ["LEARNT", "PROBE_ROWS", "Evidence", "LayerFacts", "gather", "moved"]

#: Rows for what is asked of the data: enough to see one in a hundred.
_SAMPLE_ROWS = 4096
#: Rows for what is asked of the layers: their shares are known to a few percent.
PROBE_ROWS = 512
#: Beneath this part of the loss of one who has learnt nothing, a model has learnt: nothing keeps it from that.
LEARNT = 0.1
_MOST_ELEMENTS = 1 << 24  # of the sample: sparse rows are made dense

#: Activations with two flat ends, and their steepest slope: a unit there is saturated.
_STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "smooth_clip": 1.0}
#: A slope below this part of the steepest one passes on next to nothing: of tanh, where it is beyond 0.99.
_FLAT = 0.02
#: Activations with one flat end: a unit that is there for every row learns nothing.
_ONE_FLAT_END = frozenset(("relu", "gelu", "gelu_tanh", "silu", "mish", "softplus", "elu", "selu", "exponential"))
_DEAD_SLOPE = 1e-3


@dataclass(frozen=True)
class LayerFacts:
    """What was measured of a layer of the program.

    Attributes
    ----------
    name, what : str
        "layer 2", counted as in `Model.program`, and "dense 64 relu".
    kind : str
    output_rms : float
        Root mean square of its outputs.
    delta_norm : float
        Euclidean norm of a row's deltas, dL/dz of the row's own loss; root mean square over the rows.
    weight : str
        The name of its first tensor that decays, such as "W2"; "" where it has none.
    weight_rms, gradient_rms : float or None
        Root mean squares of that tensor, and of the gradient by it.
    dead : float or None
        The share of units whose activation is flat for every row; None of activations that are flat nowhere, or at both
        ends.
    saturated : float or None
        The share of (row, unit) where an activation with two flat ends is in one of these.
    hidden : bool
        Whether it is not the last.
    repeated : float
        Of a hidden dense layer, the share of units that repeat another one: the same weights, bias and deltas.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> report = mf.diagnose(mf.mlp([64, 32, 10], "relu", "softmax", seed=0), X / 16, y)
    >>> [(facts.name, facts.what, facts.weight) for facts in report.layers]
    [('layer 0', 'dense 32 relu', 'W0'), ('layer 1', 'dense 10 softmax', 'W1')]
    """

    name: str
    what: str
    kind: str
    output_rms: float
    delta_norm: float
    weight: str
    weight_rms: float | None
    gradient_rms: float | None
    dead: float | None
    saturated: float | None
    hidden: bool
    repeated: float


@dataclass(frozen=True)
class Evidence:
    """What is known of a model at some rows.

    Attributes
    ----------
    model : Model
    loss : Loss
    X, y : ndarray (n, inputs), ndarray
        A sample of the rows, and their targets.
    targets : ndarray
        Those of all rows.
    first_reads : ndarray (n, columns)
        What the first dense layer reads, for some of the rows: the data, or what a normalisation made of them; of a
        table, what its encoders read.
    first_columns : ndarray of int (columns,)
        Which columns these are, of X, or of a layer that mixes its columns.
    outputs : ndarray (n, outputs)
        For the same rows.
    layers : tuple of LayerFacts
    value : float
        The loss of these rows.
    unlearnt : float
        That of one who has learnt nothing of them: their targets stand in another order.
    weighed : bool
        Whether rare classes have weights already.
    """

    model: Model
    loss: Loss
    X: NDArray[Any]
    y: NDArray[Any]
    targets: NDArray[Any]
    first_reads: NDArray[Any]
    first_columns: NDArray[np.int64]
    outputs: NDArray[Any]
    layers: tuple[LayerFacts, ...]
    value: float
    unlearnt: float
    weighed: bool

    @property
    def learnt(self) -> bool:
        """Whether the loss is less than a tenth of that of one who has learnt nothing."""
        return self.value < LEARNT * self.unlearnt


def gather(
    model: Model, X: Any, y: Any, loss: str | Loss, probe_rows: int = PROBE_ROWS, *, weighed: bool = False
) -> Evidence:
    """Measure a model.

    Parameters
    ----------
    model : Model
        It is not changed.
    X : array-like (n, inputs) or SciPy sparse
    y : array-like
        Targets, as the loss takes them.
    loss : str or Loss
    probe_rows : int, default 512
        Rows that go through the layers.
    weighed : bool, default False
        Whether classes have weights; those that the loss has count, too.

    Returns
    -------
    Evidence

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit the model or the others.
    """
    loss = as_loss(loss)
    loss.check_output(model.output_activation, model.outputs)
    features = as_features(X, model.inputs, model.dtype, cast=True)
    of_all = as_targets(y, loss, model.outputs, model.dtype, n_rows(features))
    model.check_custom(loss, of_all)
    rows = max(1, min(_SAMPLE_ROWS, _MOST_ELEMENTS // model.inputs))
    taken = np.random.default_rng(0).permutation(len(of_all))[:rows]
    X, y = _dense_rows(features, taken, model), np.ascontiguousarray(of_all[taken])
    probe, targets = X[:probe_rows], y[:probe_rows]
    program = model.program
    shuffled = np.roll(targets, max(1, len(targets) // 2), axis=0)
    with np.errstate(all="ignore"):  # what overflows is what a rule will say
        value, gradient = model.loss_and_gradient(probe, targets, loss)
        unlearnt, _ = model.loss_and_gradient(probe, shuffled, loss)
        z, h = model.activations(probe)
        deltas = model.deltas(probe, targets, loss)
        values = dict(zip(program.made, zip(z, h, deltas, strict=True), strict=True))
        layers = tuple(_facts(model, values, gradient, loss))
    reads, columns = first_reads(program, values, probe)
    return Evidence(
        model=model,
        loss=loss,
        X=X,
        y=y,
        targets=of_all,
        first_reads=reads,
        first_columns=columns,
        outputs=h[-1],
        layers=layers,
        value=value,
        unlearnt=unlearnt,
        weighed=weighed or any(getattr(loss, field, None) is not None for field in ("pos_weight", "alpha")),
    )


def _dense_rows(X: Features, taken: NDArray[np.int64], model: Model) -> NDArray[Any]:
    X = take_rows(X, taken)
    if not isinstance(X, CSR):
        return np.ascontiguousarray(X, model.dtype)
    rows = np.zeros((len(taken), model.inputs), model.dtype)
    rows[np.repeat(np.arange(len(taken)), np.diff(X.offsets)), X.columns] = X.values
    return rows


def _facts(model: Model, values: Values, gradient: NDArray[Any], loss: Loss) -> Iterator[LayerFacts]:
    program, seen = model.program, set()
    output = program.schedule("gradient").output
    before_output = next(layer.reads for layer in reversed(program.layers) if layer.makes == output)
    for number, layer in enumerate(program.layers):
        if layer.makes not in values or layer.makes in seen:
            continue
        seen.add(layer.makes)
        z, h, delta = values[layer.makes]
        value, hidden = program.values[layer.makes], layer.makes != output
        tensors = [program.tensors[t] for maker in program.layers if maker.makes == layer.makes for t in maker.tensors]
        weight = next((tensor for tensor in tensors if tensor.decays), None)
        slopes = None if not hidden and loss.reads != "outputs" else _slopes(z, h, value.activation)
        name, steepest = value.activation.name, _STEEPEST.get(value.activation.name)
        dead = saturated = None
        if slopes is not None and name in _ONE_FLAT_END:
            dead = float((slopes.max(axis=0) < _DEAD_SLOPE).mean())
        elif slopes is not None and steepest is not None:
            saturated = float((slopes < _FLAT * steepest).mean())
        yield LayerFacts(
            name=f"layer {program.places[number]}",
            what=f"{layer.kind} {value.columns}" + (f" {value.activation}" if name != "identity" else ""),
            kind=layer.kind,
            output_rms=_rms(h),
            delta_norm=float(np.sqrt(np.square(delta, dtype=np.float64).sum() / len(delta))),
            weight="" if weight is None else weight.name,
            weight_rms=None if weight is None else _rms(model.tensors[weight.name]),
            gradient_rms=None if weight is None else _rms(gradient[weight.offset : weight.offset + weight.size]),
            dead=dead,
            saturated=saturated,
            hidden=hidden,
            repeated=_repeated([model.tensors[tensor.name] for tensor in tensors], delta, values.get(before_output))
            if hidden and layer.kind == "dense"
            else 0.0,
        )


def _repeated(tensors: Sequence[NDArray[Any]], delta: NDArray[Any], last: tuple[NDArray[Any], ...] | None) -> float:
    """The share of units that repeat another one, and always will.

    Where the output's weights are zero, so are all deltas, and units are told apart in later steps by what it reads.
    """
    if not delta.any() and last is not None and (last[1] != last[1][:, :1]).any():
        return 0.0
    units = np.vstack([*tensors, delta]).T
    if len(set(units.sum(axis=1).tolist())) == len(units):  # those that are the same have the same sum
        return 0.0
    return 1.0 - len(np.unique(units, axis=0)) / len(units)


def _slopes(z: NDArray[Any], h: NDArray[Any], activation: Activation) -> NDArray[Any] | None:
    """The size of g'(z); None where it is no matter of one unit."""
    if activation.name in ("softmax", "identity"):
        return None
    saved = z if kernels.saves(activation) == "z" else h
    return np.abs(kernels.hadamard_delta(np.ones_like(h), saved, activation))


def _rms(values: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def moved(now: NDArray[Any], before: NDArray[Any]) -> float:
    """By what part of itself a tensor has changed, in Euclidean norms; without a BLAS, whose threads would wake up."""
    return _rms(now - before) / max(_rms(before), 1e-30)
