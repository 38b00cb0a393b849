# h = g(z + alpha (f(z) - z)), or, where the number is not zero, h = g(f(z) + alpha (z - f(z))): an alpha for each
# column, and f the layer's own activation, element by element. Tensors: alpha. Saved: f(z).

from libc.stdint cimport int64_t
from ..memory cimport row_major
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix, mf_soon, mf_tile, saves_z,
)
from .block cimport add_part, finish, finish_row, of_block, output, place_of_part, place_of_z


cdef inline mf_layer_kind parametric() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"parametric", False, forward, backward, gradient, NULL, one_row,
                         NULL, NULL)


cdef inline mf_layer_kind prelu() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"prelu", False, forward, backward, gradient, NULL, one_row, NULL, NULL)


cdef inline void blend(const mf_layer *layer, const mf_kernels *kernels, mf_matrix z, mf_matrix f, mf_matrix out,
                       int64_t rows) noexcept nogil:
    cdef int64_t columns = layer.makes.columns
    kernels.activation(layer.activation, layer.alpha, z, f, rows, columns)
    if layer.numbers[0]:
        kernels.blend(f, z, layer.tensors[0], out, rows, columns)
    else:
        kernels.blend(z, f, layer.tensors[0], out, rows, columns)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix out = place_of_z(layer.makes, block), f = of_block(layer.saved, block)
    blend(layer, block.kernels, output(layer.reads, block), out if f.data == NULL else f, out, block.rows)
    finish(layer.makes, block)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block), delta = of_block(layer.makes.delta, block)
    cdef mf_matrix kept = of_block(layer.saved, block)
    cdef int64_t columns = layer.makes.columns
    if part.data == NULL:
        return
    if saves_z(layer.activation):
        kept = output(layer.reads, block)
    kernels.hadamard(layer.activation, layer.alpha, delta, kept, part, block.rows, columns)
    if layer.numbers[0]:
        kernels.blend_back(part, delta, layer.tensors[0], part, block.rows, columns)
    else:
        kernels.blend_back(delta, part, layer.tensors[0], part, block.rows, columns)
    add_part(layer.reads, layer.edge, block, part)


cdef inline void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                          void *g, int64_t ld, int accumulate, int updates, mf_soon *soon,
                          int64_t count) noexcept nogil:
    """dL/dalpha = the column sums of (f(z) - z) * delta, or of the contrary."""
    cdef mf_matrix z = output(layer.reads, chunk), f = layer.saved
    if layer.numbers[0]:
        z, f = f, z
    chunk.kernels.blend_gradient(z, f, layer.makes.delta, g, chunk.rows, tile.j0, tile.nj, accumulate)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef int64_t n = layer.makes.columns
    cdef mf_matrix row = row_major(kernels, h, n)
    blend(layer, kernels, row_major(kernels, <void *> x, n), row, row, 1)
    finish_row(layer.makes, kernels, h)
