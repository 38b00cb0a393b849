# Kinds that make a part of a value from some columns of what they read: the data, or what layers without tensors make
# of it, so that no delta of it is needed in training. Where the derivative by the data is asked for, they add to it in
# their columns; a code has none.

from ..memory cimport clear, row_major
from ..table cimport mf_block, mf_columns, mf_kernels, mf_layer, mf_matrix
from .block cimport add_part, place_of_part


cdef inline mf_columns part_of(const mf_layer *layer) noexcept nogil:
    return mf_columns(layer.columns, layer.n_columns, layer.first, layer.width // layer.n_columns)


cdef inline mf_matrix begin_inputs(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """Zeros to add dL/dx to, the whole of what the layer reads; data is NULL where nobody wants it."""
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    if part.data != NULL:
        clear(block.kernels, part, block.rows, layer.reads.columns)
    return part


cdef inline void end_inputs(const mf_layer *layer, const mf_block *block, mf_matrix part) noexcept nogil:
    add_part(layer.reads, layer.edge, block, part)


cdef inline void no_way_back(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """Of codes."""
    cdef mf_matrix part = begin_inputs(layer, block)
    if part.data != NULL:
        end_inputs(layer, block, part)


cdef inline mf_matrix row_read(const mf_layer *layer, const mf_kernels *kernels, const void *x) noexcept nogil:
    return row_major(kernels, <void *> x, layer.reads.columns)


cdef inline mf_matrix row_made(const mf_layer *layer, const mf_kernels *kernels, void *h) noexcept nogil:
    return row_major(kernels, h, layer.makes.columns)


cdef inline void no_tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    pass
