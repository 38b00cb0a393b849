"""Matmul with bias: forward, delta of the input, gradient of the weights.

For a layer z = x W + b with x (n, fan_in), W (fan_in, units), b (units,) and delta = dL/dz (n, units), the chain rule
gives dL/dx = delta Wt, dL/dW = xt delta, and dL/db = the column sums of delta.
"""

cimport numpy as cnp
import numpy as np

from .memory cimport Panels
from .hadamard cimport activate, propagate
from .table cimport MF_IDENTITY, MF_SOFTMAX
from .table import ACTIVATIONS

cnp.import_array()


cdef void matmul_bias(const mf_kernels *kernels, mf_matrix h_in, mf_matrix w, mf_matrix z, mf_matrix h, int64_t rows,
                      int64_t fan_in, int64_t units, int activation, double alpha, bint skip_zeros) noexcept nogil:
    """z = h_in W + b, h = g(z); w has b as its last row; z may have no memory where nobody reads it.

    skip_zeros: leave out terms whose left factor is zero; the weights are finite.
    """
    if activation == MF_SOFTMAX:  # needs whole rows, so it can't be applied to tiles
        kernels.matmul_bias(h_in, w, z, h, rows, fan_in, units, MF_IDENTITY, 0, skip_zeros)
        activate(kernels, MF_SOFTMAX, 0, h, h, rows, units)
    else:
        kernels.matmul_bias(h_in, w, z, h, rows, fan_in, units, activation, alpha, skip_zeros)


cdef void propagate_delta(const mf_kernels *kernels, mf_matrix delta, mf_matrix wt, mf_matrix saved, mf_matrix out,
                          int64_t rows, int64_t units, int64_t fan_in, int activation, double alpha,
                          bint skip_zeros) noexcept nogil:
    """out = (delta Wt) * g'(saved), g being the activation of the value that the layer reads."""
    if activation == MF_SOFTMAX:
        kernels.propagate_delta(delta, wt, saved, out, rows, units, fan_in, MF_IDENTITY, 0, skip_zeros)
        propagate(kernels, MF_SOFTMAX, 0, out, saved, out, rows, fan_in)
    else:
        kernels.propagate_delta(delta, wt, saved, out, rows, units, fan_in, activation, alpha, skip_zeros)


cdef void weight_gradient(const mf_kernels *kernels, mf_matrix h_in, mf_matrix delta, void *dw, int64_t ld,
                          int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, bint accumulate,
                          bint skip_zeros, const mf_soon *soon, int64_t count) noexcept nogil:
    """dw[i0:i0+ni, j0:j0+nj] = h_in^T delta, or += where chunks are summed; `soon` may come into caches meanwhile."""
    kernels.weight_gradient(h_in, delta, dw, ld, rows, i0, ni, j0, nj, accumulate, skip_zeros, soon, count)


cdef int matmul_bias_csr(const mf_kernels *kernels, const mf_csr *x, const int64_t *index, const void *w, const void *b,
                         mf_matrix z, mf_matrix h, int64_t rows, int64_t fan_in, int64_t units, int activation,
                         double alpha) noexcept nogil:
    """z = x W + b for rows `index` of x, h = g(z); w is row-major, b may be NULL. Returns an mf_status."""
    if z.data == NULL:
        z = h
    cdef int status = kernels.matmul_bias_csr(x, index, rows, fan_in, w, b, z, units)
    if activation != MF_IDENTITY or z.data != h.data:
        activate(kernels, activation, alpha, z, h, rows, units)
    return status


cdef void weight_gradient_csr(const mf_kernels *kernels, const mf_bands *x, mf_matrix delta, void *dw, int64_t ld,
                              int64_t i0, int64_t ni, int64_t j0, int64_t nj, bint accumulate, const mf_soon *soon,
                              int64_t count) noexcept nogil:
    """dw[i0:i0+ni, j0:j0+nj] = x^T delta, or += where batches are summed, over the stored entries in bands."""
    kernels.weight_gradient_csr(x, delta, dw, ld, i0, ni, j0, nj, accumulate, soon, count)


cdef void bias_gradient(const mf_kernels *kernels, mf_matrix delta, void *db, int64_t rows, int64_t j0, int64_t nj,
                        bint accumulate) noexcept nogil:
    """db[j0:j0+nj] = the column sums of delta, or += where batches are summed."""
    kernels.bias_gradient(delta, db, rows, j0, nj, accumulate)


def matmul_bias_arrays(X, W, b, str activation, double alpha, out):
    """g(X W + b) for C-contiguous X (n, k), W (k, m), b (m,) of one dtype, into `out` (n, m)."""
    cdef Panels x = Panels(X), w = Panels(np.vstack([W, b]))
    cdef Panels h = Panels(None, X.shape[0], W.shape[1], X.dtype)
    cdef int g = ACTIVATIONS[activation]
    cdef mf_matrix nowhere
    nowhere.data = NULL
    with nogil:
        matmul_bias(x.kernels, x.matrix, w.matrix, nowhere, h.matrix, x.rows, x.cols, w.cols, g, alpha, False)
    return h.unpack(out)


def matmul_bias_backward(X, W, delta, dX, dW, db):
    """delta Wt into dX; to dW and db, Xt delta and the column sums of delta are added.

    All are C-contiguous and of one dtype: X and dX (n, k), W and dW (k, m), delta (n, m), db (m,).
    """
    cdef Panels x = Panels(X), d = Panels(delta), wt = Panels(np.ascontiguousarray(W.T))
    cdef Panels dx = Panels(None, X.shape[0], X.shape[1], X.dtype)
    cdef mf_matrix nowhere
    nowhere.data = NULL
    cdef void *dw_data = cnp.PyArray_DATA(dW)
    cdef void *db_data = cnp.PyArray_DATA(db)
    with nogil:
        propagate_delta(x.kernels, d.matrix, wt.matrix, nowhere, dx.matrix, x.rows, d.cols, x.cols, MF_IDENTITY, 0,
                        False)
        weight_gradient(x.kernels, x.matrix, d.matrix, dw_data, d.cols, x.rows, 0, x.cols, 0, d.cols, True, False,
                        NULL, 0)
        bias_gradient(x.kernels, d.matrix, db_data, x.rows, 0, d.cols, True)
    dx.unpack(dX)
