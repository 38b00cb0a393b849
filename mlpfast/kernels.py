"""The loops that the package is made of, on NumPy arrays: for study, for tests, and for use in other code.

All work on one row (1-D) or on rows (2-D), in float32 if every argument is float32 and in float64 otherwise, and give
the same bits as training does (which flushes denormal numbers to zero). `out` must have the result's shape and dtype
and be C-contiguous; it is returned.

Notation, here and in training: inputs ``X`` (n, fan_in), weights ``W`` (fan_in, fan_out), biases ``b`` (fan_out,),
pre-activation ``z = X W + b``, output ``h = g(z)``, excitation gradient ``delta = dL/dz``.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .activations import Activation, as_activation
from .core import elementary as _elementary
from .core import hadamard as _hadamard
from .core import linear as _linear
from .core import softmax as _softmax
from .core import table as _table
from .core.pieces import pieces
from .errors import known_name

__all__ = [
    "activation",
    "elementary",
    "hadamard_delta",
    "log_softmax",
    "matmul_bias",
    "matmul_bias_backward",
    "saves",
    "softmax",
    "softmax_jacobian",
    "softmax_jvp",
]

Floats: TypeAlias = NDArray[np.floating[Any]]


def matmul_bias(
    X: ArrayLike,
    W: ArrayLike,
    b: ArrayLike,
    activation: str | Activation = "identity",
    out: Floats | None = None,
) -> Floats:
    """A dense layer forward: ``g(X W + b)``.

    Parameters
    ----------
    X : array_like of shape (n, fan_in) or (fan_in,)
    W : array_like of shape (fan_in, fan_out)
    b : array_like of shape (fan_out,)
    activation : str or Activation, default "identity"
        The function g; also "softmax".
    out : ndarray of shape (n, fan_out) or (fan_out,), optional
        Where to put the result.

    Returns
    -------
    ndarray of shape (n, fan_out) or (fan_out,)

    Raises
    ------
    ValueError
        If shapes do not fit, or the activation is unknown.

    Notes
    -----
    Each element is one accumulator that starts at the bias and runs over fan_in in order, by fused multiply-add.

    Examples
    --------
    >>> import numpy as np
    >>> from mlpfast import kernels
    >>> kernels.matmul_bias([[1.0, -2.0]], np.eye(2), [0.5, 0.5], activation="relu")
    array([[1.5, 0. ]])
    """
    g = as_activation(activation)
    X, W, b = _same_dtype(X=X, W=W, b=b)
    rows = _rows("X", X)
    _expect_shape("W", W, (rows.shape[1], None))
    _expect_shape("b", b, (W.shape[1],))
    result = _result(out, (*X.shape[:-1], W.shape[1]), X.dtype)
    to = _rows("out", result)
    if len(parts := list(pieces(len(rows), W.size))) > 1:  # else all is read before anything is written
        rows, W, b = _apart(rows, result), _apart(W, result), _apart(b, result)
    for part in parts:
        _linear.matmul_bias_arrays(rows[part], W, b, g.name, g.alpha, to[part])
    return result


def matmul_bias_backward(X: ArrayLike, W: ArrayLike, delta: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """A dense layer backward: from ``delta = dL/d(X W + b)`` to the gradients of its three arguments.

    Parameters
    ----------
    X : array_like of shape (n, fan_in)
    W : array_like of shape (fan_in, fan_out)
    delta : array_like of shape (n, fan_out)

    Returns
    -------
    dX : ndarray of shape (n, fan_in)
        ``delta W^T``.
    dW : ndarray of shape (fan_in, fan_out)
        ``X^T delta``.
    db : ndarray of shape (fan_out,)
        The column sums of delta.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> from mlpfast import kernels
    >>> dX, dW, db = kernels.matmul_bias_backward([[1.0, 2.0]], [[3.0], [4.0]], [[10.0]])
    >>> dX, dW.ravel(), db
    (array([[30., 40.]]), array([10., 20.]), array([10.]))
    """
    X, W, delta = _same_dtype(X=X, W=W, delta=delta)
    _expect_shape("X", X, (None, None))
    _expect_shape("W", W, (X.shape[1], None))
    _expect_shape("delta", delta, (X.shape[0], W.shape[1]))
    dX, dW, db = np.empty_like(X), np.zeros_like(W), np.zeros(W.shape[1], W.dtype)
    for part in pieces(len(X), 2 * W.size):
        _linear.matmul_bias_backward(X[part], W, delta[part], dX[part], dW, db)
    return dX, dW, db


def activation(z: ArrayLike, name: str | Activation, out: Floats | None = None) -> Floats:
    """An activation function: ``g(z)``, element by element, or row by row for softmax.

    Parameters
    ----------
    z : array_like of shape (n, m) or (m,)
    name : str or Activation
        See `mlpfast.activations`.
    out : ndarray of the shape of z, optional
        Where to put the result; may be z itself.

    Returns
    -------
    ndarray of the shape of z

    Raises
    ------
    ValueError
        If the activation is unknown, or `out` does not fit.

    Examples
    --------
    >>> from mlpfast import kernels
    >>> kernels.activation([-1.0, 2.0], "relu")
    array([0., 2.])
    """
    g = as_activation(name)
    if g.name == "softmax":
        return softmax(z, out)
    (z,) = _same_dtype(z=z)
    result = _result(out, z.shape, z.dtype)
    z = _apart(z, result, in_place=True)
    _hadamard.activation(_rows("z", z), g.name, g.alpha, _rows("out", result))
    return result


def elementary(x: ArrayLike, name: str, out: Floats | None = None) -> Floats:
    """A function that activations and losses are made of: exp, log, sin and their kin.

    At most 2 ulp from the exact value over the whole range, denormal numbers included, with the same bits on every
    instruction set: polynomials by the Remez algorithm after the usual range reductions.

    Parameters
    ----------
    x : array_like
    name : {"exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "cos"}
    out : ndarray of the shape of x, optional
        Where to put the result; may be x itself.

    Returns
    -------
    ndarray of the shape of x

    Raises
    ------
    ValueError
        If the name is unknown, or `out` does not fit.

    Examples
    --------
    >>> from mlpfast import kernels
    >>> kernels.elementary([0.0, 1.0], "exp")
    array([1.        , 2.71828183])
    """
    name = known_name("function", name, _table.FUNCTIONS)
    (x,) = _same_dtype(x=x)
    result = _result(out, x.shape, x.dtype)
    return _elementary.elementary(str(name), _apart(x, result, in_place=True), result)


def saves(activation: str | Activation) -> Literal["z", "h"]:
    """Which of the pre-activation ``z`` and the output ``h`` the activation's derivative is computed from.

    Examples
    --------
    >>> from mlpfast import kernels
    >>> kernels.saves("sigmoid"), kernels.saves("gelu")
    ('h', 'z')
    """
    return "z" if _table.saves(as_activation(activation).name) == "z" else "h"


def hadamard_delta(dh: ArrayLike, z_or_h: ArrayLike, activation: str | Activation, out: Floats | None = None) -> Floats:
    """Delta through an activation: ``delta = dh * g'(z)``, the Hadamard product.

    Parameters
    ----------
    dh : array_like of shape (n, m) or (m,)
        dL/dh.
    z_or_h : array_like of the shape of dh
        Whichever of z and h = g(z) is named by ``saves(activation)``.
    activation : str or Activation
        Any but "softmax", whose Jacobian is not diagonal: see `softmax_jvp`.
    out : ndarray of the shape of dh, optional
        Where to put the result; may be dh itself.

    Returns
    -------
    ndarray of the shape of dh

    Raises
    ------
    ValueError
        If shapes do not fit, or for softmax.

    Examples
    --------
    >>> from mlpfast import kernels
    >>> h = kernels.activation([0.0, 2.0], "sigmoid")
    >>> kernels.hadamard_delta([1.0, 1.0], h, "sigmoid").round(4)
    array([0.25 , 0.105])
    """
    g = as_activation(activation)
    if g.name == "softmax":
        raise ValueError("expected an elementwise activation, got 'softmax'; its derivative is softmax_jvp(s, v)")
    dh, saved = _same_dtype(dh=dh, z_or_h=z_or_h)
    _expect_shape("z_or_h", saved, dh.shape)
    result = _result(out, dh.shape, dh.dtype)
    dh, saved = _apart(dh, result, in_place=True), _apart(saved, result)
    _hadamard.hadamard_delta(_rows("dh", dh), _rows("z_or_h", saved), g.name, g.alpha, _rows("out", result))
    return result


def softmax(z: ArrayLike, out: Floats | None = None) -> Floats:
    """Softmax of each row: ``exp(z_j - max z) / sum_k exp(z_k - max z)``.

    Parameters
    ----------
    z : array_like of shape (n, m) or (m,)
    out : ndarray of the shape of z, optional
        Where to put the result; may be z itself.

    Returns
    -------
    ndarray of the shape of z

    Raises
    ------
    ValueError
        If a row has no element, or `out` does not fit.

    Examples
    --------
    >>> from mlpfast import kernels
    >>> kernels.softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    (z,) = _same_dtype(z=z)
    result = _result(out, z.shape, z.dtype)
    z = _apart(z, result, in_place=True)
    _softmax.softmax(_rows("z", z), _rows("out", result))
    return result


def log_softmax(z: ArrayLike, out: Floats | None = None) -> Floats:
    """Logarithm of the softmax of each row, without its underflow: ``z - max z - log sum_k exp(z_k - max z)``.

    Parameters, result and errors are those of `softmax`.

    Examples
    --------
    >>> from mlpfast import kernels
    >>> kernels.log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    (z,) = _same_dtype(z=z)
    result = _result(out, z.shape, z.dtype)
    z = _apart(z, result, in_place=True)
    _softmax.log_softmax(_rows("z", z), _rows("out", result))
    return result


def softmax_jvp(s: ArrayLike, v: ArrayLike, out: Floats | None = None) -> Floats:
    """The softmax Jacobian times a vector, in O(m) for each row: ``s * (v - <v, s>)``.

    The Jacobian ``diag(s) - s s^T`` is symmetric, so that this is both the forward and the backward derivative.

    Parameters
    ----------
    s : array_like of shape (n, m) or (m,)
        Outputs of `softmax`.
    v : array_like of the shape of s
    out : ndarray of the shape of s, optional
        Where to put the result; may be v itself.

    Returns
    -------
    ndarray of the shape of s

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> from mlpfast import kernels
    >>> kernels.softmax_jvp([0.5, 0.5], [1.0, 0.0])
    array([ 0.25, -0.25])
    """
    s, v = _same_dtype(s=s, v=v)
    _expect_shape("v", v, s.shape)
    result = _result(out, s.shape, s.dtype)
    s, v = _apart(s, result), _apart(v, result, in_place=True)
    _softmax.softmax_jvp(_rows("s", s), _rows("v", v), _rows("out", result))
    return result


def softmax_jacobian(s: ArrayLike) -> Floats:
    """The Jacobian of softmax, formed: ``J[..., i, j] = s_i (1[i = j] - s_j)``.

    For study and for tests: it takes O(m^2) memory for each row; training uses `softmax_jvp`.

    Parameters
    ----------
    s : array_like of shape (n, m) or (m,)
        Outputs of `softmax`.

    Returns
    -------
    ndarray of shape (n, m, m) or (m, m)

    Examples
    --------
    >>> from mlpfast import kernels
    >>> kernels.softmax_jacobian([0.5, 0.5])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    (s,) = _same_dtype(s=s)
    _rows("s", s)
    with np.errstate(under="ignore"):
        jacobian: Floats = s[..., :, None] * (np.eye(s.shape[-1], dtype=s.dtype) - s[..., None, :])
    return jacobian


def _same_dtype(**arrays: ArrayLike) -> tuple[Floats, ...]:
    """The arguments as C-contiguous, aligned arrays of one dtype: float32 where all are, else float64."""
    converted = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in converted.items():
        if array.dtype.kind not in "fiub":
            raise TypeError(f"expected {name} to be real numbers, got dtype {array.dtype}")
    float32 = all(array.dtype.newbyteorder("=") == np.float32 for array in converted.values())
    dtype = np.float32 if float32 else np.float64
    with np.errstate(all="ignore"):  # a cast rounds as it does, whatever the user has set
        return tuple(np.require(array, dtype, ("C", "ALIGNED")) for array in converted.values())


def _apart(array: Floats, result: Floats, in_place: bool = False) -> Floats:
    """`array`, or a copy where it shares memory with the result; `in_place`: unless it is the very same memory."""
    if not np.may_share_memory(array, result):  # exact, as both are contiguous
        return array
    same = array.size == result.size and array.ctypes.data == result.ctypes.data
    return array if in_place and same else array.copy()


def _rows(name: str, array: Floats) -> Floats:
    """A view of a 1-D or 2-D array as rows."""
    if array.ndim not in (1, 2) or array.shape[-1] == 0:
        raise ValueError(f"expected {name} to be one row (1-D) or rows (2-D), not empty; got shape {array.shape}")
    return array.reshape(-1, array.shape[-1])


def _expect_shape(name: str, array: Floats, shape: tuple[int | None, ...]) -> None:
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"expected {name} to have shape ({wanted}), got {array.shape}")


def _result(out: Floats | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"expected out to be a {dtype} array of shape {shape}, got {got}")
    if not out.flags.carray:
        raise ValueError("expected out to be C-contiguous, aligned and writable, got an array that is not")
    return out
