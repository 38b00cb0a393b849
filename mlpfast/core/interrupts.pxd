from .call cimport Step


cdef void listen(Step *step) noexcept nogil
cdef int look_up(Step *step) noexcept nogil
