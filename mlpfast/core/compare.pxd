from libc.stdint cimport int64_t
from .call cimport Step
from .table cimport mf_block


cdef void compare(Step *step, const mf_block *block, int64_t r0) noexcept nogil
