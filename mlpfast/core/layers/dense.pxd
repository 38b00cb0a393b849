# z = x W + b with x (n, fan_in), W (fan_in, units), b (units,). Tensors: W, b.

from libc.stdint cimport int64_t
from ..memory cimport from_column, from_row
from ..linear cimport (
    bias_gradient, matmul_bias, matmul_bias_csr, propagate_delta, row_forward, weight_gradient, weight_gradient_csr,
)
from ..table cimport (
    MF_IDENTITY, MF_INFINITE_DELTA, MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix,
    mf_raise, mf_raised, mf_soon, mf_tile, mf_value,
)
from .along cimport add_parts, finish_tangent, scratch, tangent_of
from .block cimport add_part, is_csr, of_block, output, place_of_part, place_of_z, saved


cdef inline mf_layer_kind dense() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"dense", True, forward, backward, gradient, refresh, one_row, NULL,
                         NULL, tangent, tangent_back, tangent_gradient)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef const mf_value *out = layer.makes
    if is_csr(layer.reads, block):
        mf_raise(block.bad, matmul_bias_csr(block.kernels, block.csr, block.index, layer.w.data, layer.tensors[1],
                                            of_block(out.z, block), of_block(out.h, block), block.rows,
                                            layer.reads.columns, out.columns, out.activation, out.alpha))
        return
    matmul_bias(block.kernels, output(layer.reads, block), layer.w, of_block(out.z, block), of_block(out.h, block),
                block.rows, layer.reads.columns, out.columns, out.activation, out.alpha, True)


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """dL/dx = delta Wt."""
    cdef const mf_value *into = layer.reads
    cdef mf_matrix delta = of_block(layer.makes.delta, block)
    look_at(layer, block, delta)
    if into.delta.data == NULL:
        return
    cdef const mf_kernels *kernels = block.kernels
    cdef int64_t first = into.delta_first // kernels.nr * kernels.nr
    if layer.edge == 0:
        propagate_delta(kernels, delta, from_column(kernels, layer.wt, first),
                        from_column(kernels, saved(into, block), first),
                        from_column(kernels, of_block(into.delta, block), first), block.rows, layer.makes.columns,
                        into.delta_end - first, into.activation, into.alpha, True)
        return
    cdef mf_matrix part = place_of_part(into, layer.edge, block)
    propagate_delta(block.kernels, delta, layer.wt, part, part, block.rows, layer.makes.columns, into.columns,
                    MF_IDENTITY, 0, True)
    add_part(into, layer.edge, block, part)


cdef inline void look_at(const mf_layer *layer, const mf_block *block, mf_matrix delta) noexcept nogil:
    """Whether the weight gradient may skip zeros of x: beside an infinite delta that would show."""
    cdef const mf_kernels *kernels = block.kernels
    cdef int64_t units = layer.makes.columns, j = 0
    while units >= kernels.skips_from and j < units and not mf_raised(block.findings):
        if not kernels.all_finite(from_column(kernels, delta, j).data, block.rows * kernels.nr):
            mf_raise(block.findings, MF_INFINITE_DELTA)
        j += kernels.nr


cdef inline void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                          void *g, int64_t ld, int accumulate, int updates, mf_soon *soon,
                          int64_t count) noexcept nogil:
    """dL/dW = xt delta, dL/db = the column sums of delta."""
    cdef mf_matrix x = output(layer.reads, chunk)
    if tile.tensor == 0 and is_csr(layer.reads, chunk):
        weight_gradient_csr(chunk.kernels, chunk.bands, layer.makes.delta, g, ld, tile.i0, tile.ni, tile.j0, tile.nj,
                            accumulate, soon, count)
        return
    if tile.tensor == 1:
        bias_gradient(chunk.kernels, layer.makes.delta, g, chunk.rows, tile.j0, tile.nj, accumulate)
        return
    if soon != NULL:
        count = look_ahead(layer, chunk, tile, next, x, updates, soon, count)
    weight_gradient(chunk.kernels, x, layer.makes.delta, g, ld, chunk.rows, tile.i0, tile.ni, tile.j0, tile.nj,
                    accumulate, not mf_raised(chunk.findings), soon, count)


cdef inline int64_t look_ahead(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                               mf_matrix x, int updates, mf_soon *soon, int64_t count) noexcept nogil:
    """What the next tile's product and this tile's refreshment will touch. Returns the number of pieces."""
    cdef const mf_kernels *kernels = chunk.kernels
    cdef int64_t item = kernels.itemsize, panel = kernels.nr * item
    cdef int64_t high = (tile.ni + kernels.nr - 1) // kernels.nr, wide = (tile.nj + kernels.nr - 1) // kernels.nr
    cdef mf_matrix w = packed(kernels, layer, tile), wt
    if tile.nj < tile.ld and next != NULL and next.tensor == 0 and next.i0 != tile.i0:
        # The hardware does not foresee where the next of the tile's rows begins.
        soon[count] = mf_soon(from_column(kernels, x, next.i0).data, high, chunk.rows * panel, x.panel_stride * item,
                              False)
        count += 1
    if updates:
        soon[count] = mf_soon(w.data, wide, tile.ni * panel, w.panel_stride * item, True)
        count += 1
        if layer.wt.data != NULL:
            wt = packed_transposed(kernels, layer, tile)
            soon[count] = mf_soon(wt.data, high, tile.nj * panel, wt.panel_stride * item, True)
            count += 1
    return count


cdef inline void refresh(const mf_layer *layer, const mf_kernels *kernels, const mf_tile *tile,
                         const void *p) noexcept nogil:
    if layer.w.panel_stride == kernels.nr:      # it is read where it lies
        return
    kernels.pack(p, tile.ld, tile.ni, tile.nj, packed(kernels, layer, tile))
    if tile.tensor == 0 and layer.wt.data != NULL:
        kernels.pack_transposed(p, tile.ld, tile.ni, tile.nj, packed_transposed(kernels, layer, tile))


cdef inline mf_matrix packed(const mf_kernels *kernels, const mf_layer *layer, const mf_tile *tile) noexcept nogil:
    """The tile in the panels of W, whose last row is b."""
    cdef int64_t row = layer.reads.columns if tile.tensor == 1 else tile.i0
    return from_column(kernels, from_row(kernels, layer.w, row), tile.j0)


cdef inline mf_matrix packed_transposed(const mf_kernels *kernels, const mf_layer *layer,
                                        const mf_tile *tile) noexcept nogil:
    """The tile in the panels of the transpose."""
    return from_column(kernels, from_row(kernels, layer.wt, tile.j0), tile.i0)


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    row_forward(kernels, x, layer.w.data, layer.tensors[1], h, layer.reads.columns, layer.makes.columns,
                layer.makes.activation, layer.makes.alpha)


# --- tangents ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """dz = dx W + x dW + db, as far as each of these changes."""
    cdef const mf_kernels *kernels = block.kernels
    cdef const mf_value *out = layer.makes
    cdef mf_matrix dx = tangent_of(along.reads, block), dz = place_of_z(along.makes, block), part = dz
    cdef mf_matrix nowhere = mf_matrix(0, 0, NULL)
    cdef int64_t fan_in = layer.reads.columns
    if along.w.data == NULL and along.makes.z.data == NULL:
        propagate_delta(kernels, dx, layer.w, saved(out, block), dz, block.rows, fan_in, out.columns, out.activation,
                        out.alpha, True)
        return
    if along.w.data != NULL:
        matmul_bias(kernels, output(layer.reads, block), along.w, nowhere, dz, block.rows, fan_in, out.columns,
                    MF_IDENTITY, 0, True)
        part = scratch(along, block, 0)
    if dx.data != NULL:
        propagate_delta(kernels, dx, layer.w, part, part, block.rows, fan_in, out.columns, MF_IDENTITY, 0, True)
        if along.w.data != NULL:
            kernels.add(dz, part, dz, block.rows, out.columns)
    finish_tangent(out, along.makes, block)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """dL/dx = delta Wt, and its tangent: that of delta times Wt, and delta times dWt."""
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix delta = of_block(layer.makes.delta, block), change = scratch(along, block, 0)
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    cdef mf_matrix along_part = place_of_part(along.reads, layer.edge, block)
    cdef int64_t units = layer.makes.columns, fan_in = layer.reads.columns
    look_at(layer, block, delta)
    look_at(layer, block, of_block(along.makes.delta, block))
    if part.data == NULL:
        return
    propagate_delta(kernels, of_block(along.makes.delta, block), layer.wt, part, along_part, block.rows, units, fan_in,
                    MF_IDENTITY, 0, True)
    if along.wt.data != NULL:
        propagate_delta(kernels, delta, along.wt, part, change, block.rows, units, fan_in, MF_IDENTITY, 0, True)
        kernels.add(along_part, change, along_part, block.rows, fan_in)
    propagate_delta(kernels, delta, layer.wt, part, part, block.rows, units, fan_in, MF_IDENTITY, 0, True)
    add_parts(layer.reads, along.reads, layer.edge, block, part, along_part)


cdef inline void tangent_gradient(const mf_layer *layer, const mf_layer *along, const mf_block *chunk,
                                  const mf_tile *tile, void *g, int64_t ld, int accumulate) noexcept nogil:
    """Of xt delta: xt times the tangent of delta, and dxt delta."""
    cdef const mf_kernels *kernels = chunk.kernels
    cdef mf_matrix dx = tangent_of(along.reads, chunk)
    cdef bint skips = not mf_raised(chunk.findings)
    if tile.tensor == 1:
        bias_gradient(kernels, along.makes.delta, g, chunk.rows, tile.j0, tile.nj, accumulate)
        return
    weight_gradient(kernels, output(layer.reads, chunk), along.makes.delta, g, ld, chunk.rows, tile.i0, tile.ni,
                    tile.j0, tile.nj, accumulate, skips, NULL, 0)
    if dx.data != NULL:
        weight_gradient(kernels, dx, layer.makes.delta, g, ld, chunk.rows, tile.i0, tile.ni, tile.j0, tile.nj, True,
                        skips, NULL, 0)
