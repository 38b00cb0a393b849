cimport numpy as cnp

from libc.stdint cimport int32_t, int64_t
from .table cimport mf_csr, mf_kernels, mf_layer, mf_tile, mf_value

# One call of predict on many rows.
ctypedef struct Rows:
    const mf_kernels *kernels
    int n_layers
    const mf_layer *layers
    const mf_value *output
    const char *x             # or NULL for CSR rows
    int x_dtype
    int64_t x_ld
    mf_csr csr
    double work               # multiply-adds of all rows
    char *out
    int64_t rows, inputs
    int64_t first             # row of the piece at hand; it ends before `end`
    int64_t end
    int64_t share             # rows of a share
    int64_t block_rows
    bint reads_csr            # the first layer reads CSR rows where they lie
    bint in_place             # the first layer reads dense rows where they lie, but for the last ones
    int64_t x_rows            # of a block, at most
    char *scratch             # (shares, scratch_size)
    int64_t scratch_size
    char *x_scratch           # (shares, x_size), or (1, x_size) if in place
    int64_t x_size            # 0 for CSR rows that are read where they lie
    int32_t bad               # flags of mf_status


cdef class Network:
    cdef readonly object state, parameters, program   # the parameters are the state's first part
    cdef const mf_kernels *kernels
    cdef char *flat
    cdef int typenum
    cdef bint takes_csr       # the layers that read the data do
    cdef list held
    cdef mf_value *values
    cdef const mf_value *output_value
    cdef int n_layers, n_tensors
    cdef mf_layer *layers     # of a prediction, in their order
    cdef bint row_by_row      # all of them can take a single row
    cdef bint reads_rows      # those that read the data can read rows where they lie
    cdef bint lacks_bias      # one of them: it can't be read behind the weights
    cdef mf_tile *tensors     # each as one tile
    cdef char **rows          # what each layer makes of a single row,
    cdef char **sources       # and of which it makes it, or NULL: the row itself,
    cdef char **others        # and also reads
    cdef int n_codes          # columns of the data that hold codes of categories:
    cdef const int32_t *code_columns
    cdef const double *categories
    cdef int n_taught         # numbers of the state that are NaN until `Model.adapt` has run: a buffer's first one each
    cdef const char **taught
    cdef list taught_layers   # of which layer each is: its kind and place
    cdef double row_work      # multiply-adds of a row, about
    cdef int64_t n_parameters, n_state, inputs, outputs, block_rows, scratch_size

    cdef void *room(self, size_t size)
    cdef int place_values(self, program, schedule) except -1
    cdef int make_layers(self, program, schedule) except -1
    cdef int note_codes(self, codes) except -1
    cdef int note_taught(self, program, schedule) except -1
    cpdef int check_adapted(self) except -1
    cdef bint has_bad_code(self, const void *x) noexcept nogil
    cdef int predict_row(self, const void *x, void *out) noexcept nogil
    cdef cnp.ndarray output(self, object out, int64_t rows)
    cdef object predict_many(self, cnp.ndarray X, int64_t rows, cnp.ndarray out, n_threads)
    cdef object predict_rows(self, Rows *job, int64_t rows, object out, tuple read, object n_threads)
    cdef object packed_layers(self, bint reads_csr)
