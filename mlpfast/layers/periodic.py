"""Numbers as waves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..errors import integer, real
from ..hints import PERIODIC_ARGUMENTS, explain_arguments
from ..initializers import Normal, Uniform
from ..program import Program
from .base import Layer
from .encoder import Encoder

__all__ = ["Periodic"]

_MOST_UNITS = 256  # MF_MOST_UNITS of csrc/mlpfast.h
_KEPT_TOGETHER = 16  # frequencies: what is kept of them fills vectors (csrc/kernels/periodic.inl)


@dataclass(frozen=True, init=False, repr=False)
class Periodic(Encoder):
    """Each number as waves of learnt frequencies, for numeric columns of a table.

    Of each column x by itself, nothing is shared between columns:

    - with `units`, a linear map of cosines, then the number as it is: ``e = cos(2 pi x f + p) W + b`` and x, with f, p
      (frequencies,), W (frequencies, units), b (units,). This is the PBLD embedding of RealMLP;
    - without, the plain ``cos(2 pi x f)`` and ``sin(2 pi x f)``, 2 * frequencies columns.

    Numbers should be scaled, to about 1: see `Standardize`.

    Parameters
    ----------
    frequencies : int, default 16
        Of each column.
    units : int or None, default 3
        Outputs of each column's linear map, at most 256; a further one is the number itself. None: the plain form.
    sigma : float > 0, default 0.1
        Standard deviation of the initial frequencies. It matters: data that ask for sharper edges take more.
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`. RealMLP trains all of it with ``learning_rate_scale=0.1``. The tensors are ``frequency`` (columns,
        frequencies), ``phase`` (the same), ``W`` (columns * frequencies, units) and ``b`` (columns, units), of the
        roles "frequency", "bias", "weight", "bias".

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; when a model is made of it, if it does not come first.

    Notes
    -----
    The initial values are normal with `sigma` for frequencies, uniform in [-pi, pi) for phases, and uniform in
    [-1, 1) / sqrt(frequencies) for W and b. The outputs of all columns come first, then the numbers.

    References
    ----------
    Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning" (2022);
    Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data"
    (2024).

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.Periodic(frequencies=16, units=3), mf.Dense(1)])
    >>> {name: tensor.shape for name, tensor in model.tensors.items()}
    {'frequency0': (2, 16), 'phase0': (2, 16), 'W0': (32, 3), 'b0': (2, 3), 'W1': (8, 1), 'b1': (1,)}
    """

    frequencies: int = 16
    units: int | None = 3
    sigma: float = 0.1
    name: ClassVar[str] = "periodic"

    @explain_arguments(PERIODIC_ARGUMENTS)
    def __init__(
        self,
        frequencies: int = 16,
        units: int | None = 3,
        sigma: float = 0.1,
        *,
        trainable: bool = True,
        learning_rate_scale: float = 1.0,
        weight_decay_scale: float | None = None,
    ) -> None:
        units = None if units is None else integer("units", units, at_most=_MOST_UNITS)
        object.__setattr__(self, "frequencies", integer("frequencies", frequencies))
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "sigma", real("sigma", sigma, above=0.0))
        self._set_training(trainable, learning_rate_scale, weight_decay_scale)

    def width(self, n_columns: int) -> int:
        return n_columns * (2 * self.frequencies if self.units is None else self.units + 1)

    def encode(
        self, program: Program, reads: int, makes: int, part: tuple[int, int], columns: tuple[int, ...], place: str
    ) -> None:
        n, count = len(columns) or program.values[reads].columns, self.frequencies
        kept = 2 * n * (-(-count // _KEPT_TOGETHER) * _KEPT_TOGETHER)
        fans = (count, self.units or 1)
        tensors = [program.tensor(f"frequency{place}", (n, count), "frequency", Normal(self.sigma), (1, count))]
        first, width = part
        if self.units is not None:
            width = n * self.units
            limit = Uniform(1 / math.sqrt(count))
            tensors += [
                program.tensor(f"phase{place}", (n, count), "bias", Uniform(math.pi), (1, count)),
                program.tensor(f"W{place}", (n * count, self.units), "weight", limit, fans),
                program.tensor(f"b{place}", (n, self.units), "bias", limit, fans),
            ]
            program.layer("copy_columns", reads, makes, columns=columns, part=(first + width, n))
        program.layer(
            "periodic", reads, makes, columns=columns, part=(first, width), tensors=tuple(tensors), numbers=(count,),
            saves=kept,
        )  # fmt: skip

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 1, cls()
        yield 7, cls(5, units=33, sigma=0.5)
        yield 6, cls(37, units=2, learning_rate_scale=0.1)
        yield 5, cls(21, units=None, sigma=0.3)
