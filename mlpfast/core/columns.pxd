from .call cimport Step


cdef void take_panels(Step *step, int threads, double work) noexcept nogil
