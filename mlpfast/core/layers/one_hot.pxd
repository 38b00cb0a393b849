# Codes of categories as ones among zeros. Number: what codes of no category are taken for. No tensors.

from libc.stdint cimport int64_t
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_columns, mf_kernels, mf_layer, mf_layer_kind, mf_matrix, mf_raise,
)
from .block cimport is_csr, of_block, output
from .part cimport no_tangent_back, no_way_back, part_of, row_made, row_read


cdef inline mf_layer_kind one_hot() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"one_hot", True, forward, no_way_back, NULL, NULL, one_row, NULL, NULL,
                         tangent, no_tangent_back, NULL)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    cdef mf_matrix h = of_block(layer.makes.h, block)
    cdef int64_t unknown = <int64_t> layer.numbers[0]
    if is_csr(layer.reads, block):
        mf_raise(block.bad, block.kernels.one_hot_csr(&part, unknown, block.csr, block.index, h, block.rows,
                                                      layer.reads.columns))
        return
    mf_raise(block.bad, block.kernels.one_hot(&part, unknown, output(layer.reads, block), h, block.rows))


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    kernels.one_hot(&part, <int64_t> layer.numbers[0], row_read(layer, kernels, x), row_made(layer, kernels, h), 1)


cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """Zero, as the memory of tangents is where nobody writes."""
