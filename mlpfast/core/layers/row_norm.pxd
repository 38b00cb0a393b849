# h = g(n * scale + shift) with a row's n = (x - mean) / sqrt(variance + epsilon), or x / sqrt(mean square + epsilon).
# Tensors: scale, and of a layer norm shift. Numbers: epsilon, whether the mean is taken off. Saved: n; of each row,
# 1 / sqrt(...).

from libc.stdint cimport int64_t
from ..linear cimport bias_gradient
from ..memory cimport row_major
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix, mf_soon, mf_tile,
)
from .along cimport add_parts, finish_tangent, scratch, tangent_of
from .block cimport (
    NEAR_ROWS, add_part, finish, finish_row, first_row, near_rows, of_block, output, place_of_part, place_of_z,
)


cdef inline mf_layer_kind layer_norm() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"layer_norm", False, forward, backward, gradient, NULL, one_row,
                         NULL, NULL, tangent, tangent_back, tangent_gradient)


cdef inline mf_layer_kind rms_norm() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"rms_norm", False, forward, backward, gradient, NULL, one_row, NULL,
                         NULL, tangent, tangent_back, tangent_gradient)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_block near
    cdef int64_t r = 0
    while r < block.rows:
        near = near_rows(block, r)
        forward_near(layer, &near)
        r += NEAR_ROWS


cdef inline void forward_near(const mf_layer *layer, const mf_block *block) noexcept nogil:
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
    cdef mf_block near
    cdef int64_t r = 0
    while r < block.rows and layer.reads.delta.data != NULL:
        near = near_rows(block, r)
        backward_near(layer, &near)
        r += NEAR_ROWS


cdef inline void backward_near(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    cdef int64_t columns = layer.makes.columns
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


# --- tangents; scratch 0: that of n ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """The Jacobian of a row's normalisation is symmetric: the tangent of n is what the way back makes of that of x."""
    cdef mf_matrix dn = scratch(along, block, 0)
    block.kernels.normalise_rows_back(tangent_of(along.reads, block), of_block(layer.saved, block),
                                      layer.notes + first_row(block), layer.numbers[1] != 0, dn, block.rows,
                                      layer.makes.columns)
    scale_tangent(layer, along, block, dn)


cdef inline void scale_tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block,
                               mf_matrix dn) noexcept nogil:
    """dn * scale + n * dscale + dshift; of a batch norm, too."""
    cdef mf_matrix dz = place_of_z(along.makes, block), change = scratch(along, block, 1)
    cdef int64_t columns = layer.makes.columns
    block.kernels.scale_shift(dn, layer.tensors[0], NULL, dz, block.rows, columns)
    block.kernels.scale_shift(of_block(layer.saved, block), along.tensors[0], along.tensors[1], change, block.rows,
                              columns)
    block.kernels.add(dz, change, dz, block.rows, columns)
    finish_tangent(layer.makes, along.makes, block)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """The same way back for dL/dn = delta * scale and its tangent, and how it changes as n and 1 / sqrt(...) do."""
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block), delta = of_block(layer.makes.delta, block)
    cdef mf_matrix along_part = place_of_part(along.reads, layer.edge, block), n = of_block(layer.saved, block)
    cdef mf_matrix of_n = scratch(along, block, 1), change = scratch(along, block, 2)
    cdef const double *factors = layer.notes + first_row(block)
    cdef bint centres = layer.numbers[1] != 0
    cdef int64_t rows = block.rows, columns = layer.makes.columns
    if part.data == NULL:
        return
    kernels.scale_shift(of_block(along.makes.delta, block), layer.tensors[0], NULL, along_part, rows, columns)
    kernels.scale_shift(delta, along.tensors[0], NULL, change, rows, columns)
    kernels.add(along_part, change, along_part, rows, columns)
    kernels.normalise_rows_back(along_part, n, factors, centres, along_part, rows, columns)
    kernels.scale_shift(delta, layer.tensors[0], NULL, of_n, rows, columns)
    kernels.normalise_rows_curve(of_n, n, tangent_of(along.reads, block), scratch(along, block, 0), factors, centres,
                                 along_part, rows, columns)
    kernels.normalise_rows_back(of_n, n, factors, centres, part, rows, columns)
    add_parts(layer.reads, along.reads, layer.edge, block, part, along_part)


cdef inline void tangent_gradient(const mf_layer *layer, const mf_layer *along, const mf_block *chunk,
                                  const mf_tile *tile, void *g, int64_t ld, int accumulate) noexcept nogil:
    """Of a batch norm, too."""
    if tile.tensor == 1:
        bias_gradient(chunk.kernels, along.makes.delta, g, chunk.rows, tile.j0, tile.nj, accumulate)
        return
    chunk.kernels.scale_gradient(layer.saved, along.makes.delta, g, chunk.rows, tile.j0, tile.nj, accumulate)
    chunk.kernels.scale_gradient(scratch(along, chunk, 0), layer.makes.delta, g, chunk.rows, tile.j0, tile.nj, True)
