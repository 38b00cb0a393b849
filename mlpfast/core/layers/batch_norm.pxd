# h = g(n * scale + shift) with a column's n = (x - mean) / sqrt(variance + epsilon): over the batch where the layer is
# told so, else running ones. Tensors: scale, shift. Buffers: running mean and variance. Numbers: epsilon, momentum.
# Saved: n; of each column, mean, variance, the means over the batch of delta and of delta * n, and the gradients of
# scale and shift.

from libc.stdint cimport int64_t
from libc.string cimport memcpy
from ..linear cimport bias_gradient
from ..memory cimport from_column, row_major
from ..table cimport (
    MF_FLOAT32, MF_LAYER_KIND_VERSION, MF_STATISTICS, MF_SUMS, mf_block, mf_kernels, mf_layer, mf_layer_kind,
    mf_matrix, mf_soon, mf_tile,
)
from .along cimport add_parts, scratch, tangent_of
from .block cimport (
    add_part, by_columns, finish, finish_columns, finish_row, of_block, output, place_of_part, place_of_z,
)
from .row_norm cimport gradient as gradient_of_rows, scale_tangent, tangent_gradient

cdef enum:
    AT_ONCE = 128       # columns whose running statistics are brought to float64 at a time; whole panels


cdef inline mf_layer_kind batch_norm() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"batch_norm", False, forward, backward, gradient, NULL, one_row,
                         columns, NULL, tangent, tangent_back, tangent_gradient)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """A panel at a time, which stays in L1 from one pass over it to the next."""
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix z = place_of_z(layer.makes, block), n = of_block(layer.saved, block)
    cdef int64_t columns = layer.makes.columns, j = 0, width
    if n.data == NULL:
        n = z
    while j < columns:
        width = min(kernels.nr, columns - j)
        normalise(layer, kernels, output(layer.reads, block), n, z, block.rows, j, width)
        if by_columns(layer.makes):
            finish_columns(layer.makes, block, j, width)
        j += width
    if not by_columns(layer.makes):
        finish(layer.makes, block)


cdef inline void normalise(const mf_layer *layer, const mf_kernels *kernels, mf_matrix x, mf_matrix n, mf_matrix z,
                           int64_t rows, int64_t j, int64_t width) noexcept nogil:
    """Columns [j, j + width) of n and of z, at most AT_ONCE."""
    cdef double found[2][AT_ONCE]
    cdef const double *mean
    cdef const double *variance
    cdef int64_t first = j * kernels.itemsize
    if layer.over_batch:
        mean, variance = layer.notes + j, layer.notes + layer.makes.columns + j
    else:
        running(layer, kernels, 0, j, width, found[0])
        running(layer, kernels, 1, j, width, found[1])
        mean, variance = found[0], found[1]
    n, z = from_column(kernels, n, j), from_column(kernels, z, j)
    kernels.normalise_columns(from_column(kernels, x, j), mean, variance, layer.numbers[0], n, rows, width)
    kernels.scale_shift(n, <const char *> layer.tensors[0] + first, <const char *> layer.tensors[1] + first, z, rows,
                        width)


cdef inline void running(const mf_layer *layer, const mf_kernels *kernels, int which, int64_t first, int64_t n,
                         double *out) noexcept nogil:
    """Columns of a running statistic in float64."""
    cdef int64_t j
    for j in range(n):
        if kernels.dtype == MF_FLOAT32:
            out[j] = (<const float *> layer.buffers[which])[first + j]
        else:
            out[j] = (<const double *> layer.buffers[which])[first + j]


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    """dL/dx; the statistics of a batch depend on x, too."""
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block), delta = of_block(layer.makes.delta, block)
    cdef mf_matrix n = of_block(layer.saved, block)
    cdef int64_t columns = layer.makes.columns
    if part.data == NULL:
        return
    if layer.over_batch:
        kernels.normalise_columns_back(delta, n, layer.tensors[0], layer.notes + columns, layer.numbers[0],
                                       layer.notes + 2 * columns, layer.notes + 3 * columns, 1, part, block.rows,
                                       columns)
    else:
        back_from_running(layer, block, delta, layer.tensors[0], part)
    add_part(layer.reads, layer.edge, block, part)


cdef inline void back_from_running(const mf_layer *layer, const mf_block *block, mf_matrix delta, const void *scale,
                                   mf_matrix out) noexcept nogil:
    """delta * scale / sqrt(running variance + epsilon); the tangent of n goes forward so, too, with a scale of NULL."""
    cdef const mf_kernels *kernels = block.kernels
    cdef int64_t columns = layer.makes.columns, j = 0, width
    cdef double variance[AT_ONCE]
    cdef mf_matrix from_j
    cdef const char *scale_j = NULL
    while j < columns:
        width = min(<int64_t> AT_ONCE, columns - j)
        running(layer, kernels, 1, j, width, variance)
        from_j = from_column(kernels, delta, j)
        if scale != NULL:
            scale_j = <const char *> scale + j * kernels.itemsize
        kernels.normalise_columns_back(from_j, from_j, scale_j, variance, layer.numbers[0], NULL, NULL, 1,
                                       from_column(kernels, out, j), block.rows, width)
        j += width


cdef inline void columns(const mf_layer *layer, const mf_block *batch, int kind_pass, int64_t j0,
                         int64_t nj) noexcept nogil:
    cdef int64_t width = layer.makes.columns, j
    cdef double *mean = layer.notes + j0
    cdef double *variance = mean + width
    cdef double *delta = variance + width
    cdef double *product = delta + width
    if kind_pass == MF_STATISTICS:
        batch.kernels.column_moments(output(layer.reads, batch), batch.rows, j0, nj, mean, variance)
    elif kind_pass == MF_SUMS:
        batch.kernels.column_sums(layer.makes.delta, layer.saved, batch.rows, j0, nj, delta, product)
        for j in range(nj):
            delta[j] /= batch.rows
            product[j] /= batch.rows
        batch.kernels.scale_gradient(layer.saved, layer.makes.delta, found_gradient(layer, batch.kernels, 0, j0),
                                     batch.rows, j0, nj, False)
        bias_gradient(batch.kernels, layer.makes.delta, found_gradient(layer, batch.kernels, 1, j0), batch.rows, j0,
                      nj, False)
    else:
        for j in range(nj):
            keep(layer, batch.kernels, 0, j0 + j, mean[j])
            keep(layer, batch.kernels, 1, j0 + j, variance[j] * batch.rows / (batch.rows - 1))


cdef inline char *found_gradient(const mf_layer *layer, const mf_kernels *kernels, int tensor,
                                 int64_t j) noexcept nogil:
    """Where the gradients of scale and shift are left, from column j on."""
    return <char *> (layer.notes + (4 + tensor) * layer.makes.columns) + j * kernels.itemsize


cdef inline void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                          void *g, int64_t ld, int accumulate, int updates, mf_soon *soon,
                          int64_t count) noexcept nogil:
    """What the pass along columns has left: by now, delta and n may be far away."""
    if layer.over_batch and layer.reads.delta.data != NULL and not accumulate:
        memcpy(g, found_gradient(layer, chunk.kernels, tile.tensor, tile.j0), tile.nj * chunk.kernels.itemsize)
    else:
        gradient_of_rows(layer, chunk, tile, next, g, ld, accumulate, updates, soon, count)


cdef inline void keep(const mf_layer *layer, const mf_kernels *kernels, int which, int64_t j,
                      double found) noexcept nogil:
    """running <- momentum running + (1 - momentum) found."""
    cdef double old
    running(layer, kernels, which, j, 1, &old)
    old = layer.numbers[1] * old + (1 - layer.numbers[1]) * found
    if kernels.dtype == MF_FLOAT32:
        (<float *> layer.buffers[which])[j] = <float> old
    else:
        (<double *> layer.buffers[which])[j] = old


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef int64_t n = layer.makes.columns
    cdef int64_t j = 0
    cdef mf_matrix row = row_major(kernels, h, n)
    while j < n:
        normalise(layer, kernels, row_major(kernels, <void *> x, n), row, row, 1, j, min(<int64_t> AT_ONCE, n - j))
        j += AT_ONCE
    finish_row(layer.makes, kernels, h)


# --- tangents, with running statistics; scratch 0: that of n ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_matrix dn = scratch(along, block, 0)
    back_from_running(layer, block, tangent_of(along.reads, block), NULL, dn)
    scale_tangent(layer, along, block, dn)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    cdef mf_matrix delta = of_block(layer.makes.delta, block), change = scratch(along, block, 1)
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    cdef mf_matrix along_part = place_of_part(along.reads, layer.edge, block)
    if part.data == NULL:
        return
    back_from_running(layer, block, of_block(along.makes.delta, block), layer.tensors[0], along_part)
    back_from_running(layer, block, delta, along.tensors[0], change)
    block.kernels.add(along_part, change, along_part, block.rows, layer.makes.columns)
    back_from_running(layer, block, delta, layer.tensors[0], part)
    add_parts(layer.reads, along.reads, layer.edge, block, part, along_part)
