from libc.stdint cimport int64_t
from .call cimport Step


cdef object room_for_entries(Step *step, int64_t rows, bint in_batches, object kept)
cdef int sort_entries(Step *step) noexcept nogil
