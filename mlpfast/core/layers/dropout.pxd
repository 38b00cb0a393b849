# h with elements zeroed at random, the others divided by 1 - rate (the number). No tensors.

from ..hadamard cimport propagate
from ..table cimport MF_IDENTITY, MF_LAYER_KIND_VERSION, mf_block, mf_layer, mf_layer_kind, mf_matrix, mf_value
from .block cimport of_block, output, saved


cdef inline mf_layer_kind dropout() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"dropout", False, forward, backward, NULL, NULL, NULL, NULL)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix h = of_block(layer.makes.h, block)
    block.kernels.activation(MF_IDENTITY, 0, output(layer.reads, block), h, block.rows, layer.makes.columns)
    mask(layer, block, h)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """The same elements of delta; then it is finished as the value's below."""
    cdef const mf_value *into = layer.reads
    cdef mf_matrix delta = of_block(layer.makes.delta, block)
    mask(layer, block, delta)
    propagate(block.kernels, into.activation, into.alpha, delta, saved(into, block), of_block(into.delta, block),
              block.rows, into.columns)


cdef inline void mask(const mf_layer *layer, const mf_block *block, mf_matrix m) noexcept nogil:
    block.kernels.dropout(m, block.first, block.rows, layer.makes.columns, layer.numbers[0], block.seed, layer.stream,
                          block.step)
