from libc.stdint cimport int64_t
from .call cimport Step
from .table cimport mf_matrix


cdef void gather(Step *step, int64_t block, int64_t r0, int64_t n, mf_matrix x) noexcept nogil
cdef void weigh(Step *step, int64_t first, int64_t rows) noexcept nogil
