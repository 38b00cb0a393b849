from libc.stdint cimport int64_t
from .call cimport Step

cdef enum:
    SPAN = 1024     # elements of the gradient whose squares are summed up together


cdef void clip_norm(Step *step, int threads, double work) noexcept nogil


cdef inline int64_t n_spans(int64_t n_parameters) noexcept nogil:
    return (n_parameters + SPAN - 1) // SPAN
