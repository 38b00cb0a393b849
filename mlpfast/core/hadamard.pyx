"""Activations, and the delta's way back through them.

For h = g(z), element by element, the chain rule is a Hadamard product: dL/dz = dL/dh * g'(z). The derivative is
computed from z or from h, whichever is cheaper (`table.saves`). Softmax is the one activation whose outputs depend on
the whole row; its Jacobian-vector product takes the Hadamard product's place.
"""

cimport numpy as cnp

from .memory cimport dtype_of, row_major
from .softmax cimport jacobian_vector_product, softmax_rows
from .table cimport MF_IDENTITY, MF_SOFTMAX, kernels_of
from .table import ACTIVATIONS

cnp.import_array()


cdef void activate(const mf_kernels *kernels, int activation, double alpha, mf_matrix z, mf_matrix h, int64_t rows,
                   int64_t cols) noexcept nogil:
    """h = g(z)."""
    if activation == MF_SOFTMAX:
        softmax_rows(kernels, z, h, rows, cols)
    else:
        kernels.activation(activation, alpha, z, h, rows, cols)


cdef void propagate(const mf_kernels *kernels, int activation, double alpha, mf_matrix dh, mf_matrix saved,
                    mf_matrix delta, int64_t rows, int64_t cols) noexcept nogil:
    """delta = dh * g'(saved); delta may be dh."""
    if activation == MF_SOFTMAX:
        jacobian_vector_product(kernels, saved, dh, delta, rows, cols)
    elif activation != MF_IDENTITY or delta.data != dh.data:
        kernels.hadamard(activation, alpha, dh, saved, delta, rows, cols)


def activation(z, str name, double alpha, out):
    """g(z) for a C-contiguous z (n, m), into `out`."""
    cdef const mf_kernels *kernels = kernels_of(dtype_of(z))
    cdef int64_t rows = z.shape[0], cols = z.shape[1]
    activate(kernels, ACTIVATIONS[name], alpha, row_major(kernels, cnp.PyArray_DATA(z), cols),
             row_major(kernels, cnp.PyArray_DATA(out), cols), rows, cols)
    return out


def hadamard_delta(dh, saved, str name, double alpha, out):
    """dh * g'(saved) for C-contiguous (n, m) arrays of one dtype, into `out`, which may be dh."""
    cdef const mf_kernels *kernels = kernels_of(dtype_of(dh))
    cdef int64_t rows = dh.shape[0], cols = dh.shape[1]
    propagate(kernels, ACTIVATIONS[name], alpha, row_major(kernels, cnp.PyArray_DATA(dh), cols),
              row_major(kernels, cnp.PyArray_DATA(saved), cols), row_major(kernels, cnp.PyArray_DATA(out), cols),
              rows, cols)
    return out
