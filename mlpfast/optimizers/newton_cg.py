"""Newton's steps within a radius."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from .base import explained
from .full_batch import FullBatchOptimizer

__all__ = ["NewtonCG"]


@explained
@dataclass(frozen=True)
class NewtonCG(FullBatchOptimizer):
    """Newton's method by conjugate gradients in a trust region, for small nets and smooth losses: SciPy's "trust-ncg".

    An epoch is an iteration: the quadratic model of the loss, with its true Hessian, is minimised within a radius
    (Steihaug, 1983; Nocedal and Wright, 2006, algorithms 7.2 and 4.1), from products with the Hessian alone
    (`Model.hvp`). Where the curvature is negative, the step follows it to the edge: saddles don't hold it up. The
    radius shrinks until the loss is lower, and follows how far the model was right. `Trainer.fit` records the loss
    after the iteration, and stops before its epochs are done where the tolerances say so, as with `LBFGS`. It needs
    SciPy: ``pip install 'mlpfast[scipy]'``.

    Parameters
    ----------
    learning_rate : float > 0, default 1.0
        A factor of the radius.
    initial_trust_radius, max_trust_radius : float > 0, default 1.0 and 1000.0
        The radius of the first step (Euclidean, of all parameters), and of any.
    eta : float in [0, 0.25), default 0.15
        A step is taken that lowers the loss by more than this times what the model promises.
    tolerance_grad : float >= 0, default 1e-7
        Stop when no element of the gradient is larger.
    tolerance_change : float >= 0, default 1e-9
        Stop when an iteration lowers the loss by no more, in relation to the loss.

    Raises
    ------
    ValueError
        For ``weight_decay`` and ``ema``. A `Trainer` refuses it with losses and layers that have no second derivatives,
        with `learning_rate_scale`, and with whatever it refuses with `LBFGS`.

    Notes
    -----
    Defaults are SciPy's, but for the tolerances. Each step takes as many products with the Hessian as its conjugate
    gradients need, each of about two gradients' time. Inner products are those of NumPy's and SciPy's BLAS: the bits
    are repeatable with one BLAS, and don't depend on the threads of `Trainer`.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> model = mf.mlp([64, 10], output_activation="softmax", dtype="float64", seed=0)
    >>> trainer = mf.Trainer(model, optimizer=mf.NewtonCG(tolerance_grad=1e-6), batch_size=None, l2=1e-3)
    >>> history = trainer.fit(X / 16, y, epochs=100, verbose=0)
    >>> history.stopped_by, history.epochs < 20
    ('convergence', True)
    """

    _: KW_ONLY
    initial_trust_radius: float = 1.0
    max_trust_radius: float = 1000.0
    eta: float = 0.15
    name: ClassVar[str] = "newton_cg"
    update: ClassVar[str] = "newton_cg"
    judge: ClassVar[str] = "trust region"
    in_vain: ClassVar[str] = "in any trust region"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("max_trust_radius", above=0.0)
        self._check("initial_trust_radius", above=0.0, at_most=self.max_trust_radius)
        self._check("eta", at_least=0.0, below=0.25)
