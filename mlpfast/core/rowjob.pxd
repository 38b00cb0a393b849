from libc.stdint cimport int64_t
from .rows.job cimport Job


cdef int run_job(Job *job, int64_t rows, double work) noexcept nogil
