from libc.stdint cimport int64_t
from .call cimport Step


cdef void take_tiles(Step *step, int threads, double work) noexcept nogil
cdef void refresh_all(Step *step) noexcept nogil
cdef void limit_norms(Step *step, int threads, double work) noexcept nogil
