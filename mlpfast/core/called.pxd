from .call cimport Step


cdef void call_loss(Step *step) noexcept nogil
cdef void call_term(Step *step) noexcept nogil
