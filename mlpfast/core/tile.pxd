from libc.stdint cimport int64_t
from .call cimport Step


cdef void take_tile(void *step, int64_t tile) noexcept nogil
cdef double add_penalties(Step *step, double l1, double l2, bint into_gradient) noexcept nogil
cdef void refresh_all(Step *step) noexcept nogil
