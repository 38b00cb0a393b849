# Some columns of what it reads, as they are. No tensors.

from ..table cimport MF_LAYER_KIND_VERSION, mf_block, mf_columns, mf_kernels, mf_layer, mf_layer_kind, mf_matrix
from .along cimport tangent_of
from .block cimport of_block, output
from .part cimport begin_inputs, end_inputs, no_tangent_back, part_of, row_made, row_read


cdef inline mf_layer_kind copy_columns() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"copy_columns", False, forward, backward, NULL, NULL, one_row,
                         NULL, NULL, tangent, no_tangent_back, NULL)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    block.kernels.copy_columns(&part, output(layer.reads, block), of_block(layer.makes.h, block), block.rows)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    cdef mf_matrix inputs = begin_inputs(layer, block)
    if inputs.data != NULL:
        block.kernels.copy_columns_back(&part, of_block(layer.makes.delta, block), inputs, block.rows)
        end_inputs(layer, block, inputs)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    kernels.copy_columns(&part, row_read(layer, kernels, x), row_made(layer, kernels, h), 1)


cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_columns part = part_of(layer)
    block.kernels.copy_columns(&part, tangent_of(along.reads, block), of_block(along.makes.h, block), block.rows)
