"""Damped least squares."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from .base import explained
from .full_batch import FullBatchOptimizer

__all__ = ["LevenbergMarquardt"]


@explained
@dataclass(frozen=True)
class LevenbergMarquardt(FullBatchOptimizer):
    """Levenberg-Marquardt (1944, 1963): damped Gauss-Newton steps, for squared error, small nets, fits to many digits.

    An epoch is an iteration. ``J`` is the Jacobian of the residuals by the parameters, row by row and output by output;
    ``A = J'J`` has the weights of rows and the penalties in it, as the gradient ``g`` has. A step solves
    ``(A + mu D) d = -g``, where ``D`` is the diagonal of ``A`` with no element below a hundredth of the largest. ``mu``
    grows until the loss is lower, and then follows how far the step kept its promise (Nielsen, 1999; Madsen, Nielsen
    and Tingleff, 2004, algorithm 3.16). It needs SciPy: ``pip install 'mlpfast[scipy]'``.

    ``J`` is never whole: it comes in blocks of rows, in the model's dtype; sums and the system are float64. That takes
    two float64 matrices of the parameters squared, and time that grows with rows times parameters squared, and with
    parameters cubed. `Trainer.fit` records the loss after the iteration, and stops before its epochs are done where the
    tolerances say so, as with `LBFGS`.

    Parameters
    ----------
    learning_rate : float > 0, default 1.0
        A factor of each step.
    damping : float > 0, default 1e-3
        The first ``mu``.
    damping_factor : float > 1, default 2.0
        What ``mu`` grows by where a step is refused; the next time by twice as much, and so on.
    max_damping : float > 0, default 1e10
        Training ends where it is passed.
    tolerance_grad : float >= 0, default 1e-10
        Stop when no element of the gradient is larger.
    tolerance_change : float >= 0, default 1e-9
        Stop when an iteration lowers the loss by no more, in relation to the loss.

    Raises
    ------
    ValueError
        For ``weight_decay`` and ``ema``. A `Trainer` refuses it with other losses than "mse", with
        `learning_rate_scale`, and with whatever it refuses with `LBFGS`.
    MemoryError
        By a `Trainer`, where the matrices take more than the machine has.
    ImportError
        By a `Trainer`, where SciPy is missing.

    Notes
    -----
    With fewer rows than parameters, or units that are dead, ``A`` is singular; damped, it is not. The same bits come
    from the same BLAS with the same number of threads. In float32, it ends where rounding hides from the loss what is
    left.

    Examples
    --------
    >>> import numpy as np, mlpfast as mf
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = mf.mlp([1, 8, 1], "tanh", dtype="float64", seed=0)
    >>> trainer = mf.Trainer(model, "mse", mf.LevenbergMarquardt(), batch_size=None)
    >>> trainer.fit(X, np.sin(3 * X), epochs=300, verbose=0)["loss"][-1] < 1e-6
    True
    """

    _: KW_ONLY
    damping: float = 1e-3
    damping_factor: float = 2.0
    max_damping: float = 1e10
    tolerance_grad: float = 1e-10
    name: ClassVar[str] = "levenberg_marquardt"
    update: ClassVar[str] = "levenberg_marquardt"
    judge: ClassVar[str] = "damping"
    in_vain: ClassVar[str] = "however much damping there is (max_damping)"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("damping", "max_damping", above=0.0)
        self._check("damping_factor", above=1.0)
