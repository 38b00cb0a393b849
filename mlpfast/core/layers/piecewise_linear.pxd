# Numbers as places p on a scale of bins, out = p W + x s + b, or p itself. Number: bins. Tensors: W, s, b. Buffers: the
# edges of the bins.

from libc.stdint cimport int64_t
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_columns, mf_kernels, mf_layer, mf_layer_kind, mf_matrix, mf_soon, mf_tile,
)
from .along cimport tangent_of
from .block cimport of_block, output
from .part cimport begin_inputs, end_inputs, no_tangent_back, part_of, row_made, row_read


cdef inline mf_layer_kind piecewise_linear() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"piecewise_linear", False, forward, backward, gradient, NULL,
                         one_row, NULL, NULL, tangent, no_tangent_back, tangent_gradient)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    block.kernels.piecewise(&part, <int64_t> layer.numbers[0], layer.buffers[0], layer.tensors,
                            output(layer.reads, block), of_block(layer.makes.h, block), block.rows)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    cdef mf_matrix inputs = begin_inputs(layer, block)
    if inputs.data != NULL:
        block.kernels.piecewise_inputs(&part, <int64_t> layer.numbers[0], layer.buffers[0], layer.tensors,
                                       output(layer.reads, block), of_block(layer.makes.delta, block), inputs,
                                       block.rows)
        end_inputs(layer, block, inputs)


cdef inline void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                          void *g, int64_t ld, int accumulate, int updates, mf_soon *soon,
                          int64_t count) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    chunk.kernels.piecewise_gradient(&part, <int64_t> layer.numbers[0], layer.buffers[0], tile.tensor,
                                     output(layer.reads, chunk), layer.makes.delta, chunk.rows, tile.i0, tile.ni,
                                     tile.j0, tile.nj, g, ld, accumulate)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    kernels.piecewise(&part, <int64_t> layer.numbers[0], layer.buffers[0], layer.tensors, row_read(layer, kernels, x),
                      row_made(layer, kernels, h), 1)


# --- tangents ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    block.kernels.piecewise_tangent(&part, <int64_t> layer.numbers[0], layer.buffers[0], layer.tensors, along.tensors,
                                    output(layer.reads, block), tangent_of(along.reads, block),
                                    of_block(along.makes.h, block), block.rows)


cdef inline void tangent_gradient(const mf_layer *layer, const mf_layer *along, const mf_block *chunk,
                                  const mf_tile *tile, void *g, int64_t ld, int accumulate) noexcept nogil:
    """Of what is linear in its tensors."""
    cdef mf_columns part = part_of(layer)
    chunk.kernels.piecewise_gradient(&part, <int64_t> layer.numbers[0], layer.buffers[0], tile.tensor,
                                     output(layer.reads, chunk), along.makes.delta, chunk.rows, tile.i0, tile.ni,
                                     tile.j0, tile.nj, g, ld, accumulate)
