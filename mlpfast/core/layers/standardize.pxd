# h = g((x + offset) * factor), both of each column and fixed. Buffers: offset, factor.

from libc.stdint cimport int64_t
from ..memory cimport row_major
from ..table cimport MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix
from .along cimport add_parts, finish_tangent, tangent_of
from .block cimport finish, finish_row, of_block, output, place_of_part, place_of_z
from .scale cimport multiply_back


cdef inline mf_layer_kind standardize() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"standardize", False, forward, backward, NULL, NULL, one_row, NULL,
                         NULL, tangent, tangent_back, NULL)


cdef inline void scale(const mf_layer *layer, const mf_kernels *kernels, mf_matrix x, mf_matrix out,
                       int64_t rows) noexcept nogil:
    """In two steps: x * factor + offset * factor would lose the digits of an x that is far from zero."""
    kernels.scale_shift(x, NULL, layer.buffers[0], out, rows, layer.makes.columns)
    kernels.scale_shift(out, layer.buffers[1], NULL, out, rows, layer.makes.columns)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    scale(layer, block.kernels, output(layer.reads, block), place_of_z(layer.makes, block), block.rows)
    finish(layer.makes, block)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    multiply_back(layer, block, layer.buffers[1])


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef int64_t n = layer.makes.columns
    scale(layer, kernels, row_major(kernels, <void *> x, n), row_major(kernels, h, n), 1)
    finish_row(layer.makes, kernels, h)


cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    block.kernels.scale_shift(tangent_of(along.reads, block), layer.buffers[1], NULL, place_of_z(along.makes, block),
                              block.rows, layer.makes.columns)
    finish_tangent(layer.makes, along.makes, block)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    cdef mf_matrix along_part = place_of_part(along.reads, layer.edge, block)
    cdef int64_t columns = layer.makes.columns
    if part.data == NULL:
        return
    block.kernels.scale_shift(of_block(along.makes.delta, block), layer.buffers[1], NULL, along_part, block.rows,
                              columns)
    block.kernels.scale_shift(of_block(layer.makes.delta, block), layer.buffers[1], NULL, part, block.rows, columns)
    add_parts(layer.reads, along.reads, layer.edge, block, part, along_part)
