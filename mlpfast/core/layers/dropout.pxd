# h with elements zeroed at random, the others divided by 1 - rate (the number). No tensors.

from ..table cimport MF_LAYER_KIND_VERSION, MF_RELU, mf_block, mf_layer, mf_layer_kind, mf_matrix
from .block cimport add_part, of_block, output


cdef inline mf_layer_kind dropout() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"dropout", False, forward, backward, NULL, NULL, NULL, NULL, NULL,
                         NULL, NULL, NULL)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    mask(layer, block, output(layer.reads, block), of_block(layer.makes.h, block))


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """The same elements of delta; those that a ReLU will take away need not be told from them."""
    cdef mf_matrix delta = of_block(layer.makes.delta, block)
    if delta.data == NULL:
        return
    if layer.reads.activation == MF_RELU:
        block.kernels.dropout_back(delta, of_block(layer.makes.h, block), delta, block.rows, layer.makes.columns,
                                   rate(layer, block))
    else:
        mask(layer, block, delta, delta)
    add_part(layer.reads, layer.edge, block, delta)


cdef inline void mask(const mf_layer *layer, const mf_block *block, mf_matrix x, mf_matrix out) noexcept nogil:
    block.kernels.dropout(x, out, block.first, block.rows, layer.makes.columns, rate(layer, block), block.seed,
                          layer.stream, block.step)


cdef inline double rate(const mf_layer *layer, const mf_block *block) noexcept nogil:
    return layer.numbers[0] * block.dropout_scale
