from libc.stdint cimport int64_t
from .call cimport Step


cdef void take_tile(void *step, int64_t tile) noexcept nogil
cdef void refresh_all(Step *step) noexcept nogil
