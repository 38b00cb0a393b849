"""Matmul with bias: forward, delta of the input, gradient of the weights.

For a layer z = x W + b with x (n, fan_in), W (fan_in, units), b (units,) and delta = dL/dz (n, units), the chain rule
gives dL/dx = delta Wt, dL/dW = xt delta, and dL/db = the column sums of delta.
"""

cimport numpy as cnp
import numpy as np

from .data cimport Panels
from .hadamard cimport activate, propagate
from .table cimport MF_IDENTITY, MF_SOFTMAX
from .table import ACTIVATIONS

cnp.import_array()


cdef void forward(const mf_kernels *kernels, const Linear *layer, mf_matrix h_in, mf_matrix z, mf_matrix h,
                  int64_t rows) noexcept nogil:
    """z = h_in W + b, h = g(z); z may have no memory where nobody reads it."""
    if layer.activation == MF_SOFTMAX:  # needs whole rows, so it can't be applied to tiles
        kernels.matmul_bias(h_in, layer.w, z, h, rows, layer.fan_in, layer.units, MF_IDENTITY, 0,
                            layer.skip_zeros)
        activate(kernels, MF_SOFTMAX, 0, h, h, rows, layer.units)
    else:
        kernels.matmul_bias(h_in, layer.w, z, h, rows, layer.fan_in, layer.units, layer.activation, layer.alpha,
                            layer.skip_zeros)


cdef void input_delta(const mf_kernels *kernels, const Linear *layer, mf_matrix delta, int activation, double alpha,
                      mf_matrix saved, mf_matrix out, int64_t rows) noexcept nogil:
    """out = (delta Wt) * g'(saved), g being the activation of the layer below."""
    if activation == MF_SOFTMAX:
        kernels.propagate_delta(delta, layer.wt, saved, out, rows, layer.units, layer.fan_in, MF_IDENTITY, 0,
                                layer.skip_zeros)
        propagate(kernels, MF_SOFTMAX, 0, out, saved, out, rows, layer.fan_in)
    else:
        kernels.propagate_delta(delta, layer.wt, saved, out, rows, layer.units, layer.fan_in, activation, alpha,
                                layer.skip_zeros)


cdef void weight_gradient(const mf_kernels *kernels, mf_matrix h_in, mf_matrix delta, void *dw, int64_t ld,
                          int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, bint accumulate,
                          bint skip_zeros, const mf_soon *soon, int64_t count) noexcept nogil:
    """dw[i0:i0+ni, j0:j0+nj] = h_in^T delta, or += where batches are summed; `soon` may come into the caches meanwhile."""
    kernels.weight_gradient(h_in, delta, dw, ld, rows, i0, ni, j0, nj, accumulate, skip_zeros, soon, count)


cdef void bias_gradient(const mf_kernels *kernels, mf_matrix delta, void *db, int64_t rows, int64_t j0, int64_t nj,
                        bint accumulate) noexcept nogil:
    """db[j0:j0+nj] = the column sums of delta, or += where batches are summed."""
    kernels.bias_gradient(delta, db, rows, j0, nj, accumulate)


def matmul_bias(X, W, b, str activation, double alpha, out):
    """g(X W + b) for C-contiguous X (n, k), W (k, m), b (m,) of one dtype, into `out` (n, m)."""
    cdef Panels x = Panels(X), w = Panels(np.vstack([W, b]))
    cdef Panels h = Panels(None, X.shape[0], W.shape[1], X.dtype)
    cdef Linear layer
    cdef mf_matrix nowhere
    nowhere.data = NULL
    layer.fan_in, layer.units, layer.activation, layer.alpha = W.shape[0], W.shape[1], ACTIVATIONS[activation], alpha
    layer.w, layer.skip_zeros = w.matrix, False
    with nogil:
        forward(x.kernels, &layer, x.matrix, nowhere, h.matrix, x.rows)
    return h.unpack(out)


def matmul_bias_backward(X, W, delta):
    """(delta Wt, Xt delta, column sums of delta) for C-contiguous X (n, k), W (k, m), delta (n, m) of one dtype."""
    cdef Panels x = Panels(X), d = Panels(delta), wt = Panels(np.ascontiguousarray(W.T))
    cdef Panels dx = Panels(None, X.shape[0], X.shape[1], X.dtype)
    cdef Linear layer
    cdef mf_matrix nowhere
    nowhere.data = NULL
    layer.fan_in, layer.units, layer.wt, layer.skip_zeros = W.shape[0], W.shape[1], wt.matrix, False
    dw, db = np.empty(W.shape, dtype=W.dtype), np.empty(W.shape[1], dtype=W.dtype)
    cdef void *dw_data = cnp.PyArray_DATA(dw)
    cdef void *db_data = cnp.PyArray_DATA(db)
    with nogil:
        input_delta(x.kernels, &layer, d.matrix, MF_IDENTITY, 0, nowhere, dx.matrix, x.rows)
        weight_gradient(x.kernels, x.matrix, d.matrix, dw_data, layer.units, x.rows, 0, layer.fan_in, 0, layer.units,
                        False, False, NULL, 0)
        bias_gradient(x.kernels, d.matrix, db_data, x.rows, 0, layer.units, False)
    return dx.unpack(), dw, db
