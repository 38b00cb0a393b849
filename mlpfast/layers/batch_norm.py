"""Normalisation of columns over a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..activations import Activation
from ..errors import real_field
from ..hints import BATCH_NORM_ARGUMENTS, explain_constructor
from ..initializers import Constant
from ..program import Program
from .base import Layer, refuse_width

__all__ = ["BatchNorm"]


@explain_constructor(BATCH_NORM_ARGUMENTS)
@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Normalise each column: h = (x - mean) / sqrt(variance + epsilon) * scale + shift (Ioffe and Szegedy, 2015).

    x and h are (n, columns). In training, mean and variance are those of the batch, by two passes in float64 sums;
    everywhere else they are running averages of these, which each step moves on. Sample weights take no part in them,
    but that rows of weight zero are left out of batches. Scale and shift are (columns,), ones and zeros to begin with.
    A batch then has to have two rows at least: a last one of a single row goes with the batch before it. With
    ``trainable=False`` the running averages are used in training, too, and stay as they are.

    Parameters
    ----------
    momentum : float in [0, 1), default 0.9
        ``running = momentum * running + (1 - momentum) * batch``, as in Keras; PyTorch's momentum is 1 minus this one.
        Keras's 0.99 would take hundreds of steps to forget the start, which small data do not have.
    epsilon : float > 0, default 1e-5
    trainable, learning_rate_scale, weight_decay_scale
        See `Layer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; by training, if there are batches of a single row.

    Notes
    -----
    The running averages are the model's buffers ``mean`` and ``variance``, zeros and ones to begin with; the variance
    in them is the unbiased one, as in PyTorch.

    Examples
    --------
    >>> import mlpfast as mf
    >>> model = mf.Model(2, [mf.BatchNorm()], dtype="float64")
    >>> model([[1.0, 5.0]]).round(3)  # nothing learnt yet
    array([[1., 5.]])
    >>> list(model.tensors), list(model.buffers)
    (['scale0', 'shift0'], ['mean0', 'variance0'])
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    name: ClassVar[str] = "batch_norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_width(self, "momentum", 0.9)
        real_field(self, "momentum", at_least=0.0, below=1.0)
        real_field(self, "epsilon", above=0.0)

    def lower(self, program: Program, reads: int, place: str) -> int:
        columns = program.values[reads].columns
        fans = columns, columns
        scale = program.tensor(f"scale{place}", (columns,), "scale", Constant(1.0), fans)
        shift = program.tensor(f"shift{place}", (columns,), "shift", Constant(0.0), fans)
        mean, variance = (
            program.buffer(f"mean{place}", (columns,), 0.0),
            program.buffer(f"variance{place}", (columns,), 1.0, at_least=0.0),
        )
        made = program.value(columns, Activation("identity"))
        program.layer(
            "batch_norm",
            reads,
            made,
            tensors=(scale, shift),
            buffers=(mean, variance),
            numbers=(self.epsilon, self.momentum),
            over_batch=True,
            saves=columns,
            saves_in_place=True,
            column_notes=6,
        )
        return made

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        yield 1, cls(0.5)
        yield 33, cls()
        yield 130, cls(epsilon=0.01)
        yield 7, cls(trainable=False)
