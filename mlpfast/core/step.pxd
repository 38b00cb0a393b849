from libc.stdint cimport int64_t
from .call cimport Step, Totals
from .table cimport mf_block


cdef int run_epoch(Step *step, int64_t batch, int64_t rows, int64_t max_steps, Totals *totals) noexcept nogil
cdef int run_rows(Step *step, int64_t rows, Totals *totals) noexcept nogil
cdef int64_t begin_block(Step *step, int64_t i, mf_block *block) noexcept nogil
cdef void go_forward(const Step *step, const mf_block *block) noexcept nogil
cdef void go_back(const Step *step, const mf_block *block, int first, int end) noexcept nogil
