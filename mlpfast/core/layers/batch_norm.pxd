# h = g(n * scale + shift) with a column's n = (x - mean) / sqrt(variance + epsilon): over the batch where the layer is
# told so, else running ones. Tensors: scale, shift. Buffers: running mean and variance. Numbers: epsilon, momentum.
# Saved: n; of each column, mean, variance, and the means over the batch of delta and of delta * n.

from libc.stdint cimport int64_t
from ..memory cimport from_column, row_major
from ..table cimport (
    MF_FLOAT32, MF_LAYER_KIND_VERSION, MF_STATISTICS, MF_SUMS, mf_block, mf_kernels, mf_layer, mf_layer_kind,
    mf_matrix,
)
from .along cimport add_parts, scratch, tangent_of
from .block cimport add_part, finish, finish_row, of_block, output, place_of_part, place_of_z
from .row_norm cimport gradient, scale_tangent, tangent_gradient

cdef enum:
    AT_ONCE = 128       # columns whose running statistics are brought to float64 at a time; whole panels


cdef inline mf_layer_kind batch_norm() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"batch_norm", False, forward, backward, gradient, NULL, one_row,
                         columns, NULL, tangent, tangent_back, tangent_gradient)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix z = place_of_z(layer.makes, block), n = of_block(layer.saved, block)
    cdef int64_t width = layer.makes.columns
    if n.data == NULL:
        n = z
    if layer.over_batch:
        block.kernels.normalise_columns(output(layer.reads, block), layer.notes, layer.notes + width,
                                        layer.numbers[0], n, block.rows, width)
    else:
        normalise_running(layer, block.kernels, output(layer.reads, block), n, block.rows)
    block.kernels.scale_shift(n, layer.tensors[0], layer.tensors[1], z, block.rows, width)
    finish(layer.makes, block)


cdef inline void normalise_running(const mf_layer *layer, const mf_kernels *kernels, mf_matrix x, mf_matrix n,
                                   int64_t rows) noexcept nogil:
    cdef double mean[AT_ONCE]
    cdef double variance[AT_ONCE]
    cdef int64_t j = 0, width
    while j < layer.makes.columns:
        width = min(<int64_t> AT_ONCE, layer.makes.columns - j)
        running(layer, kernels, 0, j, width, mean)
        running(layer, kernels, 1, j, width, variance)
        kernels.normalise_columns(from_column(kernels, x, j), mean, variance, layer.numbers[0],
                                  from_column(kernels, n, j), rows, width)
        j += width


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
    else:
        for j in range(nj):
            keep(layer, batch.kernels, 0, j0 + j, mean[j])
            keep(layer, batch.kernels, 1, j0 + j, variance[j] * batch.rows / (batch.rows - 1))


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
    cdef mf_matrix row = row_major(kernels, h, n)
    normalise_running(layer, kernels, row_major(kernels, <void *> x, n), row, 1)
    kernels.scale_shift(row, layer.tensors[0], layer.tensors[1], row, 1, n)
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
