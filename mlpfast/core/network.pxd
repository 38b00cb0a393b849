from libc.stdint cimport int32_t, int64_t
from .linear cimport Linear
from .table cimport mf_kernels

ctypedef struct NetworkLayer:
    Linear linear        # w and wt are set by those who pack
    int64_t offset       # of W in the flat vector; b follows W

# One call of predict on many rows.
ctypedef struct Rows:
    const mf_kernels *kernels
    const NetworkLayer *layers
    int n_layers
    const char *x
    int x_dtype
    int64_t x_ld
    const void *values        # of CSR rows, in place of x
    const void *columns
    const void *offsets
    int64_t stored
    int index64
    char *out
    int64_t first             # row of the piece at hand; it ends before `end`
    int64_t end
    int64_t rows, inputs, outputs, share, scratch_size
    char *scratch
    int32_t bad               # flags of mf_status


cdef class Network:
    cdef readonly object parameters
    cdef readonly tuple sizes, activations
    cdef const mf_kernels *kernels
    cdef char *flat
    cdef int typenum
    cdef int n_layers
    cdef object layer_buffer, row_buffer
    cdef NetworkLayer *layers
    cdef char *row[2]
    cdef int64_t n_parameters, inputs, outputs, widest

    cdef int predict_row(self, const void *x, void *out) noexcept nogil
    cdef void pack(self, NetworkLayer *layer, bint transposed) noexcept nogil
    cdef object output(self, object out, int64_t rows)
    cdef int predict_rows(self, Rows *job, int64_t rows, object out, object n_threads) except -1
