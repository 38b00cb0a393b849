# h = g(a + b) of two values of equal width. No tensors.

from libc.stdint cimport int64_t
from ..memory cimport row_major
from ..table cimport MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix
from .along cimport add_parts, finish_tangent, tangent_of
from .block cimport add_part, finish, finish_row, of_block, output, place_of_z


cdef inline mf_layer_kind add() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"add", False, forward, backward, NULL, NULL, one_row, NULL, NULL,
                         tangent, tangent_back, NULL)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    block.kernels.add(output(layer.reads, block), output(layer.also, block), place_of_z(layer.makes, block),
                      block.rows, layer.makes.columns)
    finish(layer.makes, block)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """delta, for both."""
    cdef mf_matrix delta = of_block(layer.makes.delta, block)
    add_part(layer.reads, layer.edge, block, delta)
    add_part(layer.also, layer.also_edge, block, delta)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef int64_t n = layer.makes.columns
    kernels.add(row_major(kernels, <void *> x, n), row_major(kernels, <void *> also, n), row_major(kernels, h, n), 1, n)
    finish_row(layer.makes, kernels, h)


cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    block.kernels.add(tangent_of(along.reads, block), tangent_of(along.also, block), place_of_z(along.makes, block),
                      block.rows, layer.makes.columns)
    finish_tangent(layer.makes, along.makes, block)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_matrix delta = of_block(layer.makes.delta, block), change = of_block(along.makes.delta, block)
    add_parts(layer.reads, along.reads, layer.edge, block, delta, change)
    add_parts(layer.also, along.also, layer.also_edge, block, delta, change)
