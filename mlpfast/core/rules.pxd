from .call cimport Step


cdef void penalise(Step *step) noexcept nogil
cdef void set_rules(Step *step) noexcept nogil
cdef double add_penalties(Step *step, bint into_gradient) noexcept nogil
