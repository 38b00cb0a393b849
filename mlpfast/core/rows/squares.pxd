# Sums over rows of the squares of each row's gradient, tile by tile.
#
# Of a dense layer, the gradient by row r is x_ri delta_rj, so the sum of squares is a product like that of the gradient
# itself, of squared matrices. Of other layers, each row's gradient is formed. Either way the rows of a chunk come in
# their order, and chunks add up in float64.

from libc.stdint cimport int64_t
from ..layers.block cimport first_row, of_block, output
from ..memory cimport from_column
from ..plan cimport TILE_BYTES, Plan
from ..table cimport MF_FLOAT32, MF_MOST_TENSORS, mf_block, mf_kernels, mf_layer, mf_matrix, mf_tile
from .job cimport Job
from .view cimport row_gradient


cdef inline void square_operands(const Job *job, const mf_block *block) noexcept nogil:
    """What a block's rows have in the products of their squares."""
    cdef const mf_layer *layer
    cdef int number
    for number in range(job.step.schedule.n_layers):
        if job.products[number * MF_MOST_TENSORS] or job.products[number * MF_MOST_TENSORS + 1]:
            layer = &job.step.schedule.layers[number]
            square(block, output(layer.reads, block), of_block(job.squared_x[number], block), layer.reads.columns)
            square(block, of_block(layer.makes.delta, block), of_block(job.squared_delta[number], block),
                   layer.makes.columns)


cdef inline void square(const mf_block *block, mf_matrix m, mf_matrix to, int64_t columns) noexcept nogil:
    cdef const mf_kernels *kernels = block.kernels
    cdef int64_t n = block.rows * kernels.nr, j = 0
    while j < columns:
        if kernels.dtype == MF_FLOAT32:
            square_all(<const float *> from_column(kernels, m, j).data, <float *> from_column(kernels, to, j).data, n)
        else:
            square_all(<const double *> from_column(kernels, m, j).data, <double *> from_column(kernels, to, j).data, n)
        j += kernels.nr


ctypedef fused real:
    float
    double


cdef inline void square_all(const real *x, real *to, int64_t n) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        to[i] = x[i] * x[i]


cdef inline void add_all(const real *g, double *sums, int64_t n, bint squares) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        sums[i] += <double> g[i] * g[i] if squares else g[i]


cdef inline void square_tile(void *context, int64_t index) noexcept nogil:
    cdef Job *job = <Job *> context
    cdef const Plan *plan = job.step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef const mf_tile *tile = &plan.tiles[job.step.first_task + index]
    cdef char scratch[TILE_BYTES + 64]
    cdef char *g = scratch + (-<Py_ssize_t> scratch & 63)
    cdef int64_t r
    if not job.products[tile.layer * MF_MOST_TENSORS + tile.tensor]:
        for r in range(job.step.rows):
            row_gradient(job, tile.layer, tile.tensor, r, tile.i0, tile.ni, tile.j0, tile.nj, g, tile.nj)
            add(job, tile, g, True)
        return
    cdef mf_matrix x = job.squared_x[tile.layer], delta = job.squared_delta[tile.layer]
    if tile.tensor == 0:
        kernels.weight_gradient(x, delta, g, tile.nj, job.step.rows, tile.i0, tile.ni, tile.j0, tile.nj, False, False,
                                NULL, 0)
    else:
        kernels.bias_gradient(delta, g, job.step.rows, tile.j0, tile.nj, False)
    add(job, tile, g, False)


cdef inline void add(const Job *job, const mf_tile *tile, const char *g, bint squares) noexcept nogil:
    """A tile, or its squares, to the sums."""
    cdef int64_t i
    for i in range(tile.ni):
        if job.step.plan.kernels.dtype == MF_FLOAT32:
            add_all(<const float *> g + i * tile.nj, job.sums + tile.offset + i * tile.ld, tile.nj, squares)
        else:
            add_all(<const double *> g + i * tile.nj, job.sums + tile.offset + i * tile.ld, tile.nj, squares)
