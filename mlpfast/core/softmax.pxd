from libc.stdint cimport int64_t
from .table cimport mf_kernels, mf_matrix


cdef void softmax_rows(const mf_kernels *kernels, mf_matrix z, mf_matrix s, int64_t rows, int64_t cols) noexcept nogil
cdef void jacobian_vector_product(const mf_kernels *kernels, mf_matrix s, mf_matrix v, mf_matrix out, int64_t rows,
                                  int64_t cols) noexcept nogil
