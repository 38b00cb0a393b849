# h = g(x * scale), a factor for each column. Tensors: scale.

from libc.stdint cimport int64_t
from ..memory cimport row_major
from ..table cimport (
    MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix, mf_soon, mf_tile,
)
from .along cimport add_parts, finish_tangent, scratch, tangent_of
from .block cimport add_part, finish, finish_row, of_block, output, place_of_part, place_of_z


cdef inline mf_layer_kind scale() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"scale", False, forward, backward, gradient, NULL, one_row, NULL, NULL,
                         tangent, tangent_back, tangent_gradient)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    block.kernels.scale_shift(output(layer.reads, block), layer.tensors[0], NULL, place_of_z(layer.makes, block),
                              block.rows, layer.makes.columns)
    finish(layer.makes, block)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    multiply_back(layer, block, layer.tensors[0])


cdef inline void multiply_back(const mf_layer *layer, const mf_block *block, const void *factors) noexcept nogil:
    """dL/dx = delta * factors."""
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    if part.data != NULL:
        block.kernels.scale_shift(of_block(layer.makes.delta, block), factors, NULL, part, block.rows,
                                  layer.makes.columns)
        add_part(layer.reads, layer.edge, block, part)


cdef inline void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                          void *g, int64_t ld, int accumulate, int updates, mf_soon *soon,
                          int64_t count) noexcept nogil:
    """dL/dscale = the column sums of x * delta."""
    chunk.kernels.scale_gradient(output(layer.reads, chunk), layer.makes.delta, g, chunk.rows, tile.j0, tile.nj,
                                 accumulate)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef int64_t n = layer.makes.columns
    kernels.scale_shift(row_major(kernels, <void *> x, n), layer.tensors[0], NULL, row_major(kernels, h, n), 1, n)
    finish_row(layer.makes, kernels, h)


# --- tangents ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """dx * scale + x * dscale."""
    cdef mf_matrix dz = place_of_z(along.makes, block), change = scratch(along, block, 0)
    cdef int64_t columns = layer.makes.columns
    block.kernels.scale_shift(tangent_of(along.reads, block), layer.tensors[0], NULL, dz, block.rows, columns)
    block.kernels.scale_shift(output(layer.reads, block), along.tensors[0], NULL, change, block.rows, columns)
    block.kernels.add(dz, change, dz, block.rows, columns)
    finish_tangent(layer.makes, along.makes, block)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_matrix delta = of_block(layer.makes.delta, block), change = scratch(along, block, 0)
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    cdef mf_matrix along_part = place_of_part(along.reads, layer.edge, block)
    cdef int64_t columns = layer.makes.columns
    if part.data == NULL:
        return
    block.kernels.scale_shift(of_block(along.makes.delta, block), layer.tensors[0], NULL, along_part, block.rows,
                              columns)
    block.kernels.scale_shift(delta, along.tensors[0], NULL, change, block.rows, columns)
    block.kernels.add(along_part, change, along_part, block.rows, columns)
    block.kernels.scale_shift(delta, layer.tensors[0], NULL, part, block.rows, columns)
    add_parts(layer.reads, along.reads, layer.edge, block, part, along_part)


cdef inline void tangent_gradient(const mf_layer *layer, const mf_layer *along, const mf_block *chunk,
                                  const mf_tile *tile, void *g, int64_t ld, int accumulate) noexcept nogil:
    chunk.kernels.scale_gradient(output(layer.reads, chunk), along.makes.delta, g, chunk.rows, tile.j0, tile.nj,
                                 accumulate)
    chunk.kernels.scale_gradient(tangent_of(along.reads, chunk), layer.makes.delta, g, chunk.rows, tile.j0, tile.nj,
                                 True)
