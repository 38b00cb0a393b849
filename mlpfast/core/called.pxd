from .call cimport Step


cdef void call_loss(Step *step) noexcept nogil
