# Numbers as waves, e = cos(2 pi x f + p) W + b, or the cosines and sines. Number: frequencies. Tensors: f, and p, W, b.

from libc.stdint cimport int64_t
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_columns, mf_kernels, mf_layer, mf_layer_kind, mf_matrix, mf_soon, mf_tile,
)
from .along cimport tangent_of
from .block cimport of_block, output
from .part cimport begin_inputs, end_inputs, part_of, row_made, row_read


cdef inline mf_layer_kind periodic() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"periodic", False, forward, backward, gradient, NULL, one_row, NULL,
                         NULL, tangent, tangent_back, tangent_gradient)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    block.kernels.periodic(&part, <int64_t> layer.numbers[0], layer.tensors, output(layer.reads, block),
                           of_block(layer.saved, block), of_block(layer.makes.h, block), block.rows)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """What the gradients of frequencies, phases and inputs need, while the weights are as they were."""
    cdef mf_columns part = part_of(layer)
    cdef mf_matrix inputs = begin_inputs(layer, block), saved = of_block(layer.saved, block)
    block.kernels.periodic_back(&part, <int64_t> layer.numbers[0], layer.tensors, saved,
                                of_block(layer.makes.delta, block), block.rows)
    if inputs.data != NULL:
        block.kernels.periodic_inputs(&part, <int64_t> layer.numbers[0], layer.tensors, saved, inputs, block.rows)
        end_inputs(layer, block, inputs)


cdef inline void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                          void *g, int64_t ld, int accumulate, int updates, mf_soon *soon,
                          int64_t count) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    chunk.kernels.periodic_gradient(&part, <int64_t> layer.numbers[0], tile.tensor, output(layer.reads, chunk),
                                    layer.saved, layer.makes.delta, chunk.rows, tile.i0, tile.ni, tile.j0, tile.nj, g,
                                    ld, accumulate)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    cdef mf_matrix nothing_kept = mf_matrix(0, 0, NULL)
    kernels.periodic(&part, <int64_t> layer.numbers[0], layer.tensors, row_read(layer, kernels, x), nothing_kept,
                     row_made(layer, kernels, h), 1)


# --- tangents; saved of the twin: those of what is kept ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    block.kernels.periodic_tangent(&part, <int64_t> layer.numbers[0], layer.tensors, along.tensors,
                                   output(layer.reads, block), tangent_of(along.reads, block),
                                   of_block(layer.saved, block), of_block(along.saved, block),
                                   of_block(along.makes.h, block), block.rows)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    block.kernels.periodic_tangent_back(&part, <int64_t> layer.numbers[0], layer.tensors, along.tensors,
                                        of_block(layer.saved, block), of_block(along.saved, block),
                                        of_block(layer.makes.delta, block), of_block(along.makes.delta, block),
                                        block.rows)


cdef inline void tangent_gradient(const mf_layer *layer, const mf_layer *along, const mf_block *chunk,
                                  const mf_tile *tile, void *g, int64_t ld, int accumulate) noexcept nogil:
    """The sums of `gradient`, of tangents; those of W, and of frequencies where the data change, have two factors that
    do."""
    cdef mf_columns part = part_of(layer)
    cdef mf_matrix x = output(layer.reads, chunk), kept = layer.saved if tile.tensor == 2 else along.saved
    chunk.kernels.periodic_gradient(&part, <int64_t> layer.numbers[0], tile.tensor, x, kept, along.makes.delta,
                                    chunk.rows, tile.i0, tile.ni, tile.j0, tile.nj, g, ld, accumulate)
    if tile.tensor == 0:
        chunk.kernels.periodic_gradient(&part, <int64_t> layer.numbers[0], tile.tensor, tangent_of(along.reads, chunk),
                                        layer.saved, layer.makes.delta, chunk.rows, tile.i0, tile.ni, tile.j0, tile.nj,
                                        g, ld, True)
    if tile.tensor == 2:
        chunk.kernels.periodic_gradient(&part, <int64_t> layer.numbers[0], tile.tensor, x, along.saved,
                                        layer.makes.delta, chunk.rows, tile.i0, tile.ni, tile.j0, tile.nj, g, ld, True)
