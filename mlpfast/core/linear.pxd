from libc.stdint cimport int64_t
from .table cimport mf_kernels, mf_matrix, mf_soon

# A layer's weights as the products see them.
ctypedef struct Linear:
    int64_t fan_in
    int64_t units
    int activation       # g
    double alpha         # its parameter
    mf_matrix w          # (fan_in + 1, units): the weights, and the bias as the last row
    mf_matrix wt         # (units, fan_in)
    bint skip_zeros      # leave out terms whose left factor is zero: the weights are finite


cdef void forward(const mf_kernels *kernels, const Linear *layer, mf_matrix h_in, mf_matrix z, mf_matrix h,
                  int64_t rows) noexcept nogil
cdef void input_delta(const mf_kernels *kernels, const Linear *layer, mf_matrix delta, int activation, double alpha,
                      mf_matrix saved, mf_matrix out, int64_t rows) noexcept nogil
cdef void weight_gradient(const mf_kernels *kernels, mf_matrix h_in, mf_matrix delta, void *dw, int64_t ld,
                          int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, bint accumulate,
                          bint skip_zeros, const mf_soon *soon, int64_t count) noexcept nogil
cdef void bias_gradient(const mf_kernels *kernels, mf_matrix delta, void *db, int64_t rows, int64_t j0, int64_t nj,
                        bint accumulate) noexcept nogil
