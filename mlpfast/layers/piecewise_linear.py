"""Numbers as places on a scale of bins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import integer, real
from ..hints import PIECEWISE_LINEAR_ARGUMENTS, explain_arguments
from ..initializers import Uniform, Zeros
from ..program import Program
from .base import Layer
from .encoder import Encoder

__all__ = ["PiecewiseLinear"]

_MOST_BINS, _MOST_UNITS = 256, 256  # MF_MOST_BINS, MF_MOST_UNITS of csrc/mlpfast.h
_BINS = 48  # as TabM has them

#: Of a column, or, as a tuple of them, of each.
_Edges: TypeAlias = tuple[float, ...] | tuple[tuple[float, ...], ...]


@dataclass(frozen=True, init=False, repr=False)
class PiecewiseLinear(Encoder):
    """Each number by its place on a scale of bins, for numeric columns of a table.

    With the edges ``e_0 < e_1 < ... < e_bins`` of a column, ``p_j = (x - e_j) / (e_{j+1} - e_j)``, cut to [0, 1], but
    below only in the last bin, and above only in the first: bins below x have 1, those above it 0. Of each column by
    itself:

    - with `units`, ``out = p W + x V + b``, W (bins, units), V, b (units,): a curve of straight pieces for each unit;
    - without, p itself: `bins` columns.

    The edges are quantiles of what `Model.adapt` is given, or are given. They are a buffer of the model, ``edges``
    (columns, bins + 1). Where quantiles coincide, a column has fewer bins, and those that are left over stay at zero.

    Parameters
    ----------
    bins : int, default 48
        Of each column, at most 256.
    units : int or None, default 16
        Outputs of each column, at most 256. None: the encoding p.
    edges : sequence of float, or a sequence of such for each column, optional
        Strictly ascending. `bins` then follows from it.
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`. The tensors are ``W`` (columns * bins, units), ``V`` and ``b`` (columns, units), of the roles
        "weight", "weight" and "bias".

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type, edges coincide or descend; when a model is made of it, if it
        does not come first, or the edges are not those of as many columns; by the model, if `Model.adapt` was not
        called before.

    Notes
    -----
    W is zero at the beginning, V and b are uniform in [-1, 1) / sqrt(units). Prefix sums of W make the product cost one
    bin of each number, in place of all.

    References
    ----------
    Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning" (2022); Gorishniy,
    Kotelnikov and Babenko, "TabM" (2024), whose embedding ("version B") this is.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(1, [mf.PiecewiseLinear(units=None, edges=[0, 1, 3])])
    >>> model([[-1.0], [0.5], [2.0], [5.0]])
    array([[-1. ,  0. ],
           [ 0.5,  0. ],
           [ 1. ,  0.5],
           [ 1. ,  2. ]], dtype=float32)
    """

    bins: int
    units: int | None
    edges: _Edges | None
    name: ClassVar[str] = "piecewise_linear"

    @explain_arguments(PIECEWISE_LINEAR_ARGUMENTS)
    def __init__(
        self,
        bins: int = _BINS,
        units: int | None = 16,
        edges: Sequence[float] | Sequence[Sequence[float]] | None = None,
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        bins = integer("bins", bins, at_most=_MOST_BINS)
        units = None if units is None else integer("units", units, at_most=_MOST_UNITS)
        if edges is not None:
            edges = _checked_edges(edges)
            widest = max(map(len, _by_column(edges))) - 1
            if bins not in (_BINS, widest):
                raise ValueError(
                    f"PiecewiseLinear: expected bins to be left out or {widest} beside the edges, got {bins}"
                )
            bins = integer("bins", widest, at_most=_MOST_BINS)
        object.__setattr__(self, "bins", bins)
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "edges", edges)
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    @property
    def adapts(self) -> bool:
        return self.edges is None

    def width(self, n_columns: int) -> int:
        return n_columns * (self.bins if self.units is None else self.units)

    def encode(
        self, program: Program, reads: int, makes: int, part: tuple[int, int], columns: tuple[int, ...], place: str
    ) -> None:
        n, tensors = len(columns) or program.values[reads].columns, []
        initial: float | tuple[float, ...] = np.nan
        if self.edges is not None:
            initial = tuple(_padded(self._edges_of(n, place), self.bins).ravel().tolist())
        edges = program.buffer(f"edges{place}", (n, self.bins + 1), initial, ascends=True)
        if self.units is not None:
            limit, fans = Uniform(1 / math.sqrt(self.units)), (1, self.units)
            tensors = [
                program.tensor(f"W{place}", (n * self.bins, self.units), "weight", Zeros(), (self.bins, self.units)),
                program.tensor(f"V{place}", (n, self.units), "weight", limit, fans),
                program.tensor(f"b{place}", (n, self.units), "bias", limit, fans),
            ]
        program.layer(
            "piecewise_linear", reads, makes, columns=columns, part=part, tensors=tuple(tensors), buffers=(edges,),
            numbers=(self.bins,),
        )  # fmt: skip

    def _edges_of(self, n: int, place: str) -> Sequence[Sequence[float]]:
        """The edges of n columns."""
        assert self.edges is not None
        edges = _by_column(self.edges)
        if edges is not self.edges:  # the same for all
            return edges * n
        if len(edges) != n:
            raise ValueError(
                f"PiecewiseLinear: expected edges for {n} columns, got them for {len(edges)} (layer {place})"
            )
        return edges

    def adapt(self, X: NDArray[Any], place: str) -> Mapping[str, NDArray[Any]]:
        if self.edges is not None:
            return {}
        shares = np.linspace(0.0, 1.0, self.bins + 1)
        edges = []
        for column in range(X.shape[1]):
            # Edges that differ by less than the dtype tells apart are one.
            found = np.unique(np.quantile(X[:, column].astype(np.float64), shares).astype(X.dtype))
            if len(found) < 2:
                raise ValueError(
                    f"adapt: PiecewiseLinear expected at least two different numbers in each column, got {found[0]:g} "
                    f"alone in column {column} of those that it reads"
                )
            edges.append(found.tolist())
        return {f"edges{place}": _padded(edges, self.bins)}

    def check_dtype(self, dtype: np.dtype[Any]) -> None:
        for edges in () if self.edges is None else _by_column(self.edges):
            rounded = np.asarray(edges, dtype)
            if not (np.isfinite(rounded).all() and (np.diff(rounded) >= np.finfo(dtype).tiny).all()):
                raise ValueError(f"PiecewiseLinear: expected edges that differ in {dtype.name}, got {list(edges)}")

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 1, cls(units=1)
        yield 4, cls(12, units=35)
        yield 3, cls(units=5, edges=[[-1.0, 0.0, 0.5], [-2.0, 2.0], [-1.5, -1.0, 0.0, 1.0, 1.5]])
        yield 5, cls(21, units=None)
        yield 2, cls(units=None, edges=[-1.0, 0.25, 1.0])


def _by_column(edges: _Edges) -> tuple[tuple[float, ...], ...]:
    """One tuple for each column, or a single one for all."""
    return edges if isinstance(edges[0], tuple) else (edges,)


def _padded(edges: Sequence[Sequence[float]], bins: int) -> NDArray[Any]:
    """(columns, bins + 1), the last edge of a column again as often as needed."""
    return np.array([[*each, *[each[-1]] * (bins + 1 - len(each))] for each in edges])


def _checked_edges(edges: Any) -> _Edges:
    try:
        items = list(edges)
    except TypeError:
        items = []
    if len(items) < 1 or isinstance(edges, str):
        raise TypeError(
            f"PiecewiseLinear: expected edges to be a sequence of numbers, or one for each column, got {edges!r}"
        )
    if all(np.ndim(item) == 0 for item in items):
        return _ascending(items, "edges")
    return tuple(_ascending(item, f"edges of column {i}") for i, item in enumerate(items))


def _ascending(edges: Any, what: str) -> tuple[float, ...]:
    if np.ndim(edges) != 1 or len(edges) < 2:
        raise ValueError(f"PiecewiseLinear: expected {what} to be at least two numbers, got {edges!r}")
    found = tuple(real(f"{what}, {i}", edge) for i, edge in enumerate(edges))
    for i, (low, high) in enumerate(itertools.pairwise(found)):
        if not low < high:
            fault = "coincide" if low == high else "descend"
            raise ValueError(
                f"PiecewiseLinear: expected {what} that ascend, got {i} and {i + 1} that {fault}: {low:g}, {high:g}"
            )
    return found
