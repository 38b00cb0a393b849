from libc.stdint cimport int64_t
from .memory cimport row_major
from .hadamard cimport activate
from .table cimport MF_IDENTITY, MF_SOFTMAX, mf_bands, mf_csr, mf_kernels, mf_matrix, mf_soon


cdef void matmul_bias(const mf_kernels *kernels, mf_matrix h_in, mf_matrix w, mf_matrix z, mf_matrix h, int64_t rows,
                      int64_t fan_in, int64_t units, int activation, double alpha, bint skip_zeros) noexcept nogil
cdef void propagate_delta(const mf_kernels *kernels, mf_matrix delta, mf_matrix wt, mf_matrix saved, mf_matrix out,
                          int64_t rows, int64_t units, int64_t fan_in, int activation, double alpha,
                          bint skip_zeros) noexcept nogil
cdef void weight_gradient(const mf_kernels *kernels, mf_matrix h_in, mf_matrix delta, void *dw, int64_t ld,
                          int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, bint accumulate,
                          bint skip_zeros, const mf_soon *soon, int64_t count) noexcept nogil
cdef int matmul_bias_csr(const mf_kernels *kernels, const mf_csr *x, const int64_t *index, const void *w, const void *b,
                         mf_matrix z, mf_matrix h, int64_t rows, int64_t fan_in, int64_t units, int activation,
                         double alpha) noexcept nogil
cdef void weight_gradient_csr(const mf_kernels *kernels, const mf_bands *x, mf_matrix delta, void *dw, int64_t ld,
                              int64_t i0, int64_t ni, int64_t j0, int64_t nj, bint accumulate, const mf_soon *soon,
                              int64_t count) noexcept nogil
cdef void bias_gradient(const mf_kernels *kernels, mf_matrix delta, void *db, int64_t rows, int64_t j0, int64_t nj,
                        bint accumulate) noexcept nogil


cdef inline void row_forward(const mf_kernels *kernels, const void *x, const void *w, const void *b, void *h,
                             int64_t fan_in, int64_t units, int activation, double alpha) noexcept nogil:
    """h = g(x W + b) for one row, with w row-major; b may be NULL."""
    cdef mf_matrix s
    if activation == MF_SOFTMAX:
        kernels.row_forward(x, w, b, h, fan_in, units, MF_IDENTITY, 0)
        s = row_major(kernels, h, units)
        activate(kernels, MF_SOFTMAX, 0, s, s, 1, units)
    else:
        kernels.row_forward(x, w, b, h, fan_in, units, activation, alpha)
