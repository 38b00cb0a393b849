from libc.stdint cimport int64_t
from .call cimport Step
from .plan cimport Plan
from .table cimport mf_task


cdef void listen(Step *step) noexcept nogil
cdef int look_up(Step *step) noexcept nogil
cdef void bind(Step *step, int threads, double work) noexcept nogil
cdef bint update_takes_long(const Plan *plan) noexcept nogil
cdef void in_pieces(Step *step, int64_t n, int threads, mf_task take, double work) noexcept nogil
cdef void blocks_in_pieces(Step *step, int64_t n, int threads, mf_task take, double work) noexcept nogil
cdef bint copy_in_pieces(Step *step, char *to, const char *source, int64_t size) noexcept nogil
