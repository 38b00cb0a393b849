from libc.stdint cimport int64_t
from .call cimport Step, Totals


cdef int run_epoch(Step *step, int64_t batch, int64_t rows, int64_t max_steps, Totals *totals) noexcept nogil
cdef int run_rows(Step *step, int64_t rows, Totals *totals) noexcept nogil
