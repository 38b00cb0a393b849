# What is put out of a block once it has been forward and back: values, deltas, gradients, or their norms.

from libc.math cimport sqrt
from libc.stdint cimport int64_t
from libc.string cimport memset
from ..layers.block cimport first_row, of_block, output
from ..memory cimport row_major
from ..plan cimport TILE_BYTES, Plan, rule_number
from ..table cimport (
    MF_FLOAT32, MF_IDENTITY, MF_MOST_TENSORS, mf_block, mf_kernels, mf_layer, mf_matrix, mf_tile, mf_value,
)
from .job cimport DELTAS, GRADIENTS, INPUTS, NORMS, VALUES, Job
from .squares cimport square_operands
from .view cimport RowView, row_gradient, view_row

cdef enum:
    MOST_ROWS = 64              # of a block


cdef inline void put_out(const Job *job, const mf_block *block, int64_t first, int seed) noexcept nogil:
    """Of the rows from `first` on of the caller's."""
    cdef const mf_value *data = job.step.plan.values
    cdef int64_t size = data.columns * block.kernels.itemsize
    if job.wanted == INPUTS:
        block.kernels.unpack(of_block(data.delta, block), block.rows, data.columns,
                             job.out + (first * job.n_seeds + seed) * size, job.n_seeds * data.columns)
    elif job.wanted == VALUES or job.wanted == DELTAS:
        put_values(job, block, first)
    elif job.wanted == GRADIENTS:
        put_gradients(job, block, first)
    elif job.wanted == NORMS:
        put_norms(job, block, first)
    else:
        square_operands(job, block)


cdef inline void inputs_back(const Job *job, const mf_block *block, int64_t first, int seed) noexcept nogil:
    """Through the first layer, whose product is what is put out."""
    cdef const mf_kernels *kernels = block.kernels
    cdef const mf_layer *layer = &job.step.schedule.layers[job.step.phase.back[job.step.phase.n_back - 1]]
    cdef mf_matrix delta = of_block(layer.makes.delta, block)
    cdef int64_t columns = layer.reads.columns
    cdef char *to = job.out + (first * job.n_seeds + seed) * columns * kernels.itemsize
    kernels.propagate_delta(delta, layer.wt, delta, row_major(kernels, to, job.n_seeds * columns), block.rows,
                            layer.makes.columns, columns, MF_IDENTITY, 0, True)


cdef inline void put_values(const Job *job, const mf_block *block, int64_t first) noexcept nogil:
    """Of each value z and then h, or its delta."""
    cdef const mf_value *value
    cdef int k
    for k in range(job.n_outs):
        value = &job.step.plan.values[job.values[k]]
        if job.wanted == DELTAS:
            put_rows(block, value, value.delta, first, job.outs[k])
        else:
            put_rows(block, value, value.z if value.z.data != NULL else value.h, first, job.outs[2 * k])
            put_rows(block, value, value.h, first, job.outs[2 * k + 1])


cdef inline void put_rows(const mf_block *block, const mf_value *value, mf_matrix m, int64_t first,
                          char *out) noexcept nogil:
    block.kernels.unpack(of_block(m, block), block.rows, value.columns,
                         out + first * value.columns * block.kernels.itemsize, value.columns)


cdef inline void put_gradients(const Job *job, const mf_block *block, int64_t first) noexcept nogil:
    """Row by row, tensor by tensor, as they lie in memory."""
    cdef const Plan *plan = job.step.plan
    cdef const mf_tile *tensor
    cdef RowView view
    cdef int64_t item = plan.kernels.itemsize, r
    cdef char *to
    cdef int t
    for r in range(block.rows):
        for t in range(plan.n_tensors):
            tensor = &plan.tensors[t]
            to = job.out + ((first + r) * plan.n_parameters + tensor.offset) * item
            if not plan.rules[rule_number(plan, tensor)].trainable:
                memset(to, 0, tensor.ni * tensor.nj * item)
            elif job.past_caches and tensor.tensor == 0 and is_product(job, tensor):
                view_row(job, tensor.layer, first_row(block) + r, &view)
                plan.kernels.outer_product(output(&view.reads, &view.chunk), view.makes.delta, tensor.ni, tensor.nj, to)
            else:
                row_gradient(job, tensor.layer, tensor.tensor, first_row(block) + r, 0, tensor.ni, 0, tensor.nj, to,
                             tensor.ld)


cdef inline bint is_product(const Job *job, const mf_tile *tile) noexcept nogil:
    return job.products[tile.layer * MF_MOST_TENSORS + tile.tensor]


cdef inline void put_norms(const Job *job, const mf_block *block, int64_t first) noexcept nogil:
    """Of an outer product, the product of the norms: nothing is formed (Goodfellow, 2015)."""
    cdef const Plan *plan = job.step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef const mf_tile *tile
    cdef double total[MOST_ROWS]
    cdef int64_t r, t
    memset(total, 0, sizeof(total))
    for t in range(plan.n_tensors):
        tile = &plan.tensors[t]
        if plan.rules[rule_number(plan, tile)].trainable and is_product(job, tile):
            add_products(job, block, tile, total)
    for t in range(plan.n_tiles):
        if not is_product(job, &plan.tiles[t]):
            add_tile(job, block, &plan.tiles[t], total)
    for r in range(block.rows):
        if kernels.dtype == MF_FLOAT32:
            (<float *> job.out)[first + r] = <float> sqrt(total[r])
        else:
            (<double *> job.out)[first + r] = sqrt(total[r])


cdef inline void add_products(const Job *job, const mf_block *block, const mf_tile *tensor,
                              double *total) noexcept nogil:
    """Squares of a weight's gradient, or of a bias's, which is delta."""
    cdef const mf_layer *layer = &job.step.schedule.layers[tensor.layer]
    cdef double x[MOST_ROWS]
    cdef double delta[MOST_ROWS]
    cdef int64_t r
    block.kernels.row_squares(of_block(layer.makes.delta, block), block.rows, layer.makes.columns, delta)
    if tensor.tensor == 0:
        block.kernels.row_squares(output(layer.reads, block), block.rows, layer.reads.columns, x)
    for r in range(block.rows):
        total[r] += x[r] * delta[r] if tensor.tensor == 0 else delta[r]


cdef inline void add_tile(const Job *job, const mf_block *block, const mf_tile *tile, double *total) noexcept nogil:
    """Squares of a tile's gradient, which is formed for each row."""
    cdef char scratch[TILE_BYTES + 64]
    cdef char *g = scratch + (-<Py_ssize_t> scratch & 63)
    cdef int64_t r, i
    for r in range(block.rows):
        row_gradient(job, tile.layer, tile.tensor, first_row(block) + r, tile.i0, tile.ni, tile.j0, tile.nj, g, tile.nj)
        for i in range(tile.ni * tile.nj):
            if block.kernels.dtype == MF_FLOAT32:
                total[r] += <double> (<float *> g)[i] * (<float *> g)[i]
            else:
                total[r] += (<double *> g)[i] * (<double *> g)[i]
