from libc.stdint cimport int64_t
from libc.string cimport memset
from .table cimport MF_FLOAT32, mf_csr, mf_kernels, mf_matrix


cdef mf_matrix panels(const mf_kernels *kernels, void *data, int64_t rows) noexcept nogil
cdef int64_t panel_stride(const mf_kernels *kernels, int64_t rows) noexcept nogil
cdef int64_t panels_size(const mf_kernels *kernels, int64_t rows, int64_t cols) noexcept nogil
cdef int dtype_of(object array) except -1
cdef mf_csr csr_of(values, columns, offsets) except *


cdef inline mf_matrix row_major(const mf_kernels *kernels, void *data, int64_t ld) noexcept nogil:
    """A NumPy array."""
    return mf_matrix(ld, kernels.nr, data)


cdef inline mf_matrix from_row(const mf_kernels *kernels, mf_matrix m, int64_t row) noexcept nogil:
    """The matrix that starts at a row."""
    m.data = <char *> m.data + row * m.row_stride * kernels.itemsize
    return m


cdef inline mf_matrix from_column(const mf_kernels *kernels, mf_matrix m, int64_t col) noexcept nogil:
    """The matrix that starts at a column that begins a panel."""
    m.data = <char *> m.data + col // kernels.nr * m.panel_stride * kernels.itemsize
    return m


cdef inline void clear(const mf_kernels *kernels, mf_matrix m, int64_t rows, int64_t columns) noexcept nogil:
    """Zeros in all panels of these columns."""
    cdef int64_t j = 0
    while j < columns:
        memset(from_column(kernels, m, j).data, 0, rows * kernels.nr * kernels.itemsize)
        j += kernels.nr


cdef inline void set_column(const mf_kernels *kernels, mf_matrix m, int64_t rows, int64_t j,
                            double value) noexcept nogil:
    cdef int64_t first = j // kernels.nr * m.panel_stride + j % kernels.nr, r
    for r in range(rows):
        if kernels.dtype == MF_FLOAT32:
            (<float *> m.data)[first + r * m.row_stride] = <float> value
        else:
            (<double *> m.data)[first + r * m.row_stride] = value


cdef class Panels:
    """A panelled copy of a 2-D array, for the functions that take NumPy arrays."""
    cdef object buffer
    cdef mf_matrix matrix
    cdef const mf_kernels *kernels
    cdef readonly int64_t rows, cols
