# Kinds that make a part of a value from some columns of what they read. What they read needs no delta.

from ..memory cimport row_major
from ..table cimport mf_block, mf_columns, mf_kernels, mf_layer, mf_matrix


cdef inline mf_columns part_of(const mf_layer *layer) noexcept nogil:
    return mf_columns(layer.columns, layer.n_columns, layer.first, layer.width // layer.n_columns)


cdef inline void no_way_back(const mf_layer *layer, const mf_block *block) noexcept nogil:
    pass


cdef inline mf_matrix row_read(const mf_layer *layer, const mf_kernels *kernels, const void *x) noexcept nogil:
    return row_major(kernels, <void *> x, layer.reads.columns)


cdef inline mf_matrix row_made(const mf_layer *layer, const mf_kernels *kernels, void *h) noexcept nogil:
    return row_major(kernels, h, layer.makes.columns)


cdef inline void no_tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    pass
