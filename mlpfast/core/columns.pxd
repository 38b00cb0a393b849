from libc.stdint cimport int64_t


cdef void take_panel(void *step, int64_t panel) noexcept nogil
