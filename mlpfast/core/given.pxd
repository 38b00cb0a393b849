cimport numpy as cnp

from libc.stdint cimport int64_t
from .call cimport Step


cdef int64_t point_at_rows(Step *step, X, int64_t inputs) except -1
cdef int point_at_targets(Step *step, cnp.ndarray y, int64_t rows, int64_t targets, int kind) except -1
cdef object bad_data(const Step *step, X, y, order, int64_t inputs)
cdef object described(array)
