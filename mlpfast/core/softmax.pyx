"""Softmax and its Jacobian-vector product.

s_i = exp(z_i) / sum_j exp(z_j) has the Jacobian J = diag(s) - s st, which is symmetric. Its product with a vector,
J v = s * (v - <v, s>), costs O(N), so that J is never formed.
"""

cimport numpy as cnp

from .memory cimport dtype_of, row_major
from .table cimport kernels_of

cnp.import_array()


cdef void softmax_rows(const mf_kernels *kernels, mf_matrix z, mf_matrix s, int64_t rows, int64_t cols) noexcept nogil:
    """s = softmax(z) of each row, by exp(z - max z); s may be z."""
    kernels.softmax(z, s, rows, cols)


cdef void jacobian_vector_product(const mf_kernels *kernels, mf_matrix s, mf_matrix v, mf_matrix out, int64_t rows,
                                  int64_t cols) noexcept nogil:
    """out = s * (v - <v, s>) of each row; out may be v."""
    kernels.softmax_jvp(s, v, out, rows, cols)


def softmax(z, out):
    """softmax of each row of a C-contiguous z (n, m), into `out`, which may be z."""
    cdef const mf_kernels *kernels = kernels_of(dtype_of(z))
    cdef int64_t rows = z.shape[0], cols = z.shape[1]
    softmax_rows(kernels, row_major(kernels, cnp.PyArray_DATA(z), cols),
                 row_major(kernels, cnp.PyArray_DATA(out), cols), rows, cols)
    return out


def log_softmax(z, out):
    """z - log(sum(exp(z))) of each row of a C-contiguous z (n, m), into `out`, which may be z."""
    cdef const mf_kernels *kernels = kernels_of(dtype_of(z))
    cdef int64_t rows = z.shape[0], cols = z.shape[1]
    kernels.log_softmax(row_major(kernels, cnp.PyArray_DATA(z), cols),
                        row_major(kernels, cnp.PyArray_DATA(out), cols), rows, cols)
    return out


def softmax_jvp(s, v, out):
    """s * (v - <v, s>) of each row of C-contiguous s and v (n, m), into `out`, which may be v."""
    cdef const mf_kernels *kernels = kernels_of(dtype_of(s))
    cdef int64_t rows = s.shape[0], cols = s.shape[1]
    jacobian_vector_product(kernels, row_major(kernels, cnp.PyArray_DATA(s), cols),
                            row_major(kernels, cnp.PyArray_DATA(v), cols),
                            row_major(kernels, cnp.PyArray_DATA(out), cols), rows, cols)
    return out
