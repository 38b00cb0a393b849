# h = g(n * scale + shift) with a row's n = (x - mean) / sqrt(variance + epsilon), or x / sqrt(mean square + epsilon).
# Tensors: scale, and of a layer norm shift. Numbers: epsilon, whether the mean is taken off. Saved: n; of each row,
# 1 / sqrt(...).

from libc.stdint cimport int64_t
from ..linear cimport bias_gradient
from ..memory cimport row_major
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix, mf_soon, mf_tile,
)
from .block cimport add_part, finish, finish_row, first_row, of_block, output, place_of_part, place_of_z


cdef inline mf_layer_kind layer_norm() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"layer_norm", False, forward, backward, gradient, NULL, one_row,
                         NULL, NULL)


cdef inline mf_layer_kind rms_norm() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"rms_norm", False, forward, backward, gradient, NULL, one_row, NULL,
                         NULL)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix z = place_of_z(layer.makes, block), n = of_block(layer.saved, block)
    cdef double *factors = NULL
    if n.data == NULL:
        n = z
    if layer.notes != NULL:
        factors = layer.notes + first_row(block)
    block.kernels.normalise_rows(output(layer.reads, block), layer.numbers[0], layer.numbers[1] != 0, n, factors,
                                 block.rows, layer.makes.columns)
    block.kernels.scale_shift(n, layer.tensors[0], layer.tensors[1], z, block.rows, layer.makes.columns)
    finish(layer.makes, block)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """dL/dn = delta * scale, and from there to x."""
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    cdef int64_t columns = layer.makes.columns
    if part.data == NULL:
        return
    block.kernels.scale_shift(of_block(layer.makes.delta, block), layer.tensors[0], NULL, part, block.rows, columns)
    block.kernels.normalise_rows_back(part, of_block(layer.saved, block), layer.notes + first_row(block),
                                      layer.numbers[1] != 0, part, block.rows, columns)
    add_part(layer.reads, layer.edge, block, part)


cdef inline void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                          void *g, int64_t ld, int accumulate, int updates, mf_soon *soon,
                          int64_t count) noexcept nogil:
    """dL/dscale = the column sums of n * delta, dL/dshift those of delta; of a batch norm, too."""
    if tile.tensor == 0:
        chunk.kernels.scale_gradient(layer.saved, layer.makes.delta, g, chunk.rows, tile.j0, tile.nj, accumulate)
    else:
        bias_gradient(chunk.kernels, layer.makes.delta, g, chunk.rows, tile.j0, tile.nj, accumulate)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef int64_t n = layer.makes.columns
    cdef mf_matrix row = row_major(kernels, h, n)
    kernels.normalise_rows(row_major(kernels, <void *> x, n), layer.numbers[0], layer.numbers[1] != 0, row, NULL, 1, n)
    kernels.scale_shift(row, layer.tensors[0], layer.tensors[1], row, 1, n)
    finish_row(layer.makes, kernels, h)
