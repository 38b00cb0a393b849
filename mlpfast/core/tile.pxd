from libc.stdint cimport int64_t
from .call cimport Step
from .table cimport mf_block, mf_tile


cdef void take_tiles(Step *step, int threads, double work) noexcept nogil
cdef void set_chunk(Step *step, mf_block *chunk) noexcept nogil
cdef void sum_up(Step *step, const mf_tile *tile, float *g) noexcept nogil
cdef void refresh_all(Step *step) noexcept nogil
cdef void limit_norms(Step *step, int threads, double work) noexcept nogil
