# h = g(z + alpha (f(z) - z)), or, where the number is not zero, h = g(f(z) + alpha (z - f(z))): an alpha for each
# column, and f the layer's own activation, element by element. Tensors: alpha. Saved: f(z).

from libc.stdint cimport int64_t
from ..memory cimport from_column, row_major
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix, mf_soon, mf_tile, saves_z,
)
from .along cimport add_parts, finish_tangent, scratch, tangent_of
from .block cimport add_part, finish, finish_row, of_block, output, place_of_part, place_of_z


cdef inline mf_layer_kind parametric() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"parametric", False, forward, backward, gradient, NULL, one_row,
                         NULL, NULL, tangent, tangent_back, tangent_gradient)


cdef inline mf_layer_kind prelu() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"prelu", False, forward, backward, gradient, NULL, one_row, NULL, NULL,
                         tangent, tangent_back, tangent_gradient)


cdef inline void blend(const mf_layer *layer, const mf_kernels *kernels, mf_matrix z, mf_matrix f, mf_matrix out,
                       int64_t rows) noexcept nogil:
    """A panel of columns at a time: it stays in L1 from one pass to the next."""
    cdef int64_t columns = layer.makes.columns, j = 0, nj
    cdef mf_matrix z_j, f_j, out_j
    cdef const char *alpha = <const char *> layer.tensors[0]
    while j < columns:
        nj = min(<int64_t> kernels.nr, columns - j)
        z_j, f_j, out_j = from_column(kernels, z, j), from_column(kernels, f, j), from_column(kernels, out, j)
        kernels.activation(layer.activation, layer.alpha, z_j, f_j, rows, nj)
        if layer.numbers[0]:
            kernels.blend(f_j, z_j, alpha + j * kernels.itemsize, out_j, rows, nj)
        else:
            kernels.blend(z_j, f_j, alpha + j * kernels.itemsize, out_j, rows, nj)
        j += nj


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix out = place_of_z(layer.makes, block), f = of_block(layer.saved, block)
    blend(layer, block.kernels, output(layer.reads, block), out if f.data == NULL else f, out, block.rows)
    finish(layer.makes, block)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    if part.data != NULL:
        blend_parts(layer, block, of_block(layer.makes.delta, block), part)
        add_part(layer.reads, layer.edge, block, part)


cdef inline void blend_parts(const mf_layer *layer, const mf_block *block, mf_matrix delta,
                             mf_matrix out) noexcept nogil:
    """delta (1 - alpha) + f'(z) delta alpha, or the contrary."""
    cdef const mf_kernels *kernels = block.kernels
    cdef int64_t columns = layer.makes.columns
    kernels.hadamard(layer.activation, layer.alpha, delta, kept(layer, block), out, block.rows, columns)
    if layer.numbers[0]:
        kernels.blend_back(out, delta, layer.tensors[0], out, block.rows, columns)
    else:
        kernels.blend_back(delta, out, layer.tensors[0], out, block.rows, columns)


cdef inline mf_matrix kept(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """What f' is computed from."""
    return output(layer.reads, block) if saves_z(layer.activation) else of_block(layer.saved, block)


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


# --- tangents; scratch 0: that of f(z) ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """As z, f(z) and alpha change."""
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix out = place_of_z(along.makes, block), df = scratch(along, block, 0)
    cdef mf_matrix change = scratch(along, block, 1), f = of_block(layer.saved, block)
    cdef mf_matrix dz = tangent_of(along.reads, block), z = output(layer.reads, block)
    cdef int64_t columns = layer.makes.columns
    kernels.hadamard(layer.activation, layer.alpha, dz, kept(layer, block), df, block.rows, columns)
    if layer.numbers[0]:
        kernels.scale_difference(f, z, along.tensors[0], change, block.rows, columns)
        kernels.blend(df, dz, layer.tensors[0], out, block.rows, columns)
    else:
        kernels.scale_difference(z, f, along.tensors[0], change, block.rows, columns)
        kernels.blend(dz, df, layer.tensors[0], out, block.rows, columns)
    kernels.add(out, change, out, block.rows, columns)
    finish_tangent(layer.makes, along.makes, block)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """Of delta (1 - alpha) + f'(z) delta alpha: as delta, alpha and z change; or of the contrary."""
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix delta = of_block(layer.makes.delta, block), change = scratch(along, block, 1)
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block), of_f = scratch(along, block, 2)
    cdef mf_matrix along_part = place_of_part(along.reads, layer.edge, block)
    cdef int64_t rows = block.rows, columns = layer.makes.columns
    if part.data == NULL:
        return
    blend_parts(layer, block, of_block(along.makes.delta, block), along_part)
    kernels.hadamard(layer.activation, layer.alpha, delta, kept(layer, block), of_f, rows, columns)
    if layer.numbers[0]:
        kernels.scale_difference(of_f, delta, along.tensors[0], change, rows, columns)
    else:
        kernels.scale_difference(delta, of_f, along.tensors[0], change, rows, columns)
    kernels.add(along_part, change, along_part, rows, columns)
    if not layer.numbers[0]:    # else f is relu, which is straight
        kernels.scale_shift(delta, layer.tensors[0], NULL, change, rows, columns)
        kernels.curve(layer.activation, layer.alpha, change, kept(layer, block), tangent_of(along.reads, block),
                      along_part, rows, columns)
    blend_parts(layer, block, delta, part)
    add_parts(layer.reads, along.reads, layer.edge, block, part, along_part)


cdef inline void tangent_gradient(const mf_layer *layer, const mf_layer *along, const mf_block *chunk,
                                  const mf_tile *tile, void *g, int64_t ld, int accumulate) noexcept nogil:
    cdef mf_matrix dz = tangent_of(along.reads, chunk), df = scratch(along, chunk, 0)
    cdef mf_matrix z = output(layer.reads, chunk), f = layer.saved
    if layer.numbers[0]:
        z, f, dz, df = f, z, df, dz
    chunk.kernels.blend_gradient(z, f, along.makes.delta, g, chunk.rows, tile.j0, tile.nj, accumulate)
    chunk.kernels.blend_gradient(dz, df, layer.makes.delta, g, chunk.rows, tile.j0, tile.nj, True)
