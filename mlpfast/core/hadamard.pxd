from libc.stdint cimport int64_t
from .table cimport mf_kernels, mf_matrix


cdef void activate(const mf_kernels *kernels, int activation, double alpha, mf_matrix z, mf_matrix h, int64_t rows,
                   int64_t cols) noexcept nogil
cdef void propagate(const mf_kernels *kernels, int activation, double alpha, mf_matrix dh, mf_matrix saved,
                    mf_matrix delta, int64_t rows, int64_t cols) noexcept nogil
