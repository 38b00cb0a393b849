# Codes of categories as rows of a table (columns * categories, units). Numbers: categories, what other codes are taken
# for. Tensors: the table. Where its entries are updated by themselves, it keeps their sums, and where it saw each.

from libc.stdint cimport int32_t, int64_t
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_columns, mf_kernels, mf_layer, mf_layer_kind, mf_raise, mf_soon, mf_tile,
    mf_update,
)
from .block cimport of_block, output
from .part cimport no_tangent_back, no_way_back, part_of, row_made, row_read


cdef inline mf_layer_kind embedding() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"embedding", False, forward, no_way_back, gradient, NULL, one_row,
                         NULL, update_entries, tangent, no_tangent_back, tangent_gradient)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    mf_raise(block.bad, block.kernels.look_up(&part, <int64_t> layer.numbers[0], <int64_t> layer.numbers[1],
                                              layer.tensors[0], output(layer.reads, block),
                                              of_block(layer.makes.h, block), block.rows))


cdef inline void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                          void *g, int64_t ld, int accumulate, int updates, mf_soon *soon,
                          int64_t count) noexcept nogil:
    """Each entry's row: the sum of delta over the rows that have its code."""
    cdef mf_columns part = part_of(layer)
    chunk.kernels.look_up_gradient(&part, <int64_t> layer.numbers[0], <int64_t> layer.numbers[1],
                                   output(layer.reads, chunk), layer.makes.delta, chunk.rows, tile.i0, tile.ni,
                                   tile.j0, tile.nj, g, ld, accumulate)


cdef inline void update_entries(const mf_layer *layer, const mf_block *batch, const mf_tile *tile,
                                const mf_update *rule, void *p, void *s0, void *s1, void *s2) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    batch.kernels.look_up_update(&part, <int64_t> layer.numbers[0], <int64_t> layer.numbers[1],
                                 output(layer.reads, batch), layer.makes.delta, layer.saved, <int32_t *> layer.notes,
                                 batch.rows, tile.i0, tile.ni, rule, p, s0, s1, s2)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    kernels.look_up(&part, <int64_t> layer.numbers[0], <int64_t> layer.numbers[1], layer.tensors[0],
                    row_read(layer, kernels, x), row_made(layer, kernels, h), 1)


# --- tangents; codes do not change ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    block.kernels.look_up(&part, <int64_t> layer.numbers[0], <int64_t> layer.numbers[1], along.tensors[0],
                          output(layer.reads, block), of_block(along.makes.h, block), block.rows)


cdef inline void tangent_gradient(const mf_layer *layer, const mf_layer *along, const mf_block *chunk,
                                  const mf_tile *tile, void *g, int64_t ld, int accumulate) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    chunk.kernels.look_up_gradient(&part, <int64_t> layer.numbers[0], <int64_t> layer.numbers[1],
                                   output(layer.reads, chunk), along.makes.delta, chunk.rows, tile.i0, tile.ni,
                                   tile.j0, tile.nj, g, ld, accumulate)
