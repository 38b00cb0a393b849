# h = g(x). No tensors. (Mostly there is no such layer: whoever makes x applies g.)

from libc.stdint cimport int64_t
from libc.string cimport memcpy
from ..hadamard cimport activate as apply
from ..table cimport MF_IDENTITY, MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix
from .along cimport add_parts, finish_tangent, tangent_of
from .block cimport add_part, finish_row, of_block, output, place_of_z


cdef inline mf_layer_kind activate() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"activate", False, forward, backward, NULL, NULL, one_row, NULL,
                         NULL, tangent, tangent_back, NULL)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix x = output(layer.reads, block), z = of_block(layer.makes.z, block)
    cdef int64_t columns = layer.makes.columns
    if z.data != NULL:
        block.kernels.activation(MF_IDENTITY, 0, x, z, block.rows, columns)
    apply(block.kernels, layer.makes.activation, layer.makes.alpha, x, of_block(layer.makes.h, block), block.rows,
          columns)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    add_part(layer.reads, layer.edge, block, of_block(layer.makes.delta, block))


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    memcpy(h, x, layer.makes.columns * kernels.itemsize)
    finish_row(layer.makes, kernels, h)


cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    block.kernels.activation(MF_IDENTITY, 0, tangent_of(along.reads, block), place_of_z(along.makes, block),
                             block.rows, layer.makes.columns)
    finish_tangent(layer.makes, along.makes, block)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    add_parts(layer.reads, along.reads, layer.edge, block, of_block(layer.makes.delta, block),
              of_block(along.makes.delta, block))
