"""Activation functions, as names with a parameter. The functions themselves are compiled.

=========== ============================================================================================
identity    z
sigmoid     1 / (1 + exp(-z))
tanh        tanh(z)
relu        max(z, 0)
leaky_relu  z for z > 0, alpha z elsewhere (alpha 0.01; Maas et al., 2013)
elu         z for z > 0, alpha (exp(z) - 1) elsewhere (alpha 1; Clevert et al., 2015)
selu        elu with the two constants of Klambauer et al., 2017, that keep mean 0 and variance 1
softplus    log(1 + exp(z))
gelu        z Phi(z), with the normal distribution function Phi (Hendrycks and Gimpel, 2016)
gelu_tanh   the approximation of gelu by tanh, from the same paper
silu        z sigmoid(z), also called swish (Elfwing et al., 2018)
mish        z tanh(softplus(z)) (Misra, 2019)
smooth_clip z / sqrt(1 + (z / alpha)^2), between -alpha and alpha (alpha 3; Holzmüller et al., 2024)
exponential exp(z), for log-rates (poisson loss)
softmax     exp(z_j) / sum_k exp(z_k), over a row
=========== ============================================================================================

Other libraries' names for them are taken too: see `mlpfast.names`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import known_name, real

__all__ = ["ACTIVATIONS", "Activation", "as_activation"]

#: Every name, with the default of its parameter `alpha` (0 where there is none). The compiled functions are listed in
#: csrc/lists.h; tests/test_lists.py holds the two equal.
ACTIVATIONS: dict[str, float] = {
    "identity": 0.0,
    "sigmoid": 0.0,
    "tanh": 0.0,
    "relu": 0.0,
    "leaky_relu": 0.01,
    "elu": 1.0,
    "selu": 0.0,
    "softplus": 0.0,
    "gelu": 0.0,
    "gelu_tanh": 0.0,
    "silu": 0.0,
    "mish": 0.0,
    "smooth_clip": 3.0,
    "exponential": 0.0,
    "softmax": 0.0,
}


@dataclass(frozen=True, init=False)
class Activation:
    """An activation function with its parameter.

    Parameters
    ----------
    name : str
        One of `mlpfast.activations.ACTIVATIONS`, or what another library calls it (``"swish"``, ``"linear"``,
        ``"logistic"`` ...); the attribute is our name.
    alpha : float, optional
        Slope of the negative side of ``leaky_relu`` (default 0.01), or minus the limit of the negative side of ``elu``
        (default 1.0), or the limit of ``smooth_clip`` (default 3.0), which is not 0. The other activations take none.

    Raises
    ------
    ValueError
        If the name is unknown (the right one or the nearest is offered), `alpha` is negative, or the activation takes
        none.

    Examples
    --------
    >>> Activation("leaky_relu", alpha=0.2)
    Activation(name='leaky_relu', alpha=0.2)
    """

    name: str
    alpha: float

    def __init__(self, name: str, alpha: float | None = None) -> None:
        name = known_name("activation", name, ACTIVATIONS)
        value = ACTIVATIONS[name] if alpha is None else real("alpha", alpha, at_least=0.0)
        if name == "smooth_clip":
            value = real("alpha", value, above=0.0)
        if not ACTIVATIONS[name] and value != 0.0:
            parametric = " and ".join(each for each, default in ACTIVATIONS.items() if default)
            raise ValueError(f"expected no alpha for activation {name!r}, got {alpha!r}; it is for {parametric}")
        object.__setattr__(self, "name", str(name))  # not a subclass, such as numpy.str_
        object.__setattr__(self, "alpha", value)

    def __str__(self) -> str:
        return self.name if self.alpha == ACTIVATIONS[self.name] else f"{self.name}({self.alpha:g})"


def as_activation(activation: str | Activation) -> Activation:
    """An `Activation` from itself or from its name, or from another library's name of it.

    Examples
    --------
    >>> import mlpfast as mf
    >>> mf.activations.as_activation("swish")
    Activation(name='silu', alpha=0.0)
    """
    return activation if isinstance(activation, Activation) else Activation(activation)
