# A row of a block as a chunk of its own, so that a kind's gradient over a chunk is the gradient by that row.

from libc.stdint cimport int64_t
from libc.string cimport memset
from ..memory cimport from_row
from ..plan cimport Plan
from ..table cimport MF_MOST_TENSORS, mf_block, mf_kernels, mf_layer, mf_matrix, mf_tile, mf_value
from .job cimport Job

# A layer as it is for one row.
ctypedef struct RowView:
    mf_layer layer
    mf_value reads, also, makes
    mf_block chunk


cdef inline mf_matrix of_row(const mf_kernels *kernels, mf_matrix m, int64_t r) noexcept nogil:
    return from_row(kernels, m, r) if m.data != NULL else m


cdef inline void move_value(const mf_kernels *kernels, const mf_value *value, int64_t r, mf_value *to) noexcept nogil:
    to[0] = value[0]
    to.z, to.h = of_row(kernels, value.z, r), of_row(kernels, value.h, r)
    to.delta, to.part = of_row(kernels, value.delta, r), of_row(kernels, value.part, r)


cdef inline void view_row(const Job *job, int number, int64_t r, RowView *view) noexcept nogil:
    """A layer whose matrices begin with row r of the arena, and a chunk that is this row alone."""
    cdef const Plan *plan = job.step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef const mf_layer *layer = &job.step.schedule.layers[number]
    view.layer = layer[0]
    move_value(kernels, layer.reads, r, &view.reads)
    move_value(kernels, layer.makes, r, &view.makes)
    view.layer.reads, view.layer.makes = &view.reads, &view.makes
    if layer.also != NULL:
        move_value(kernels, layer.also, r, &view.also)
        view.layer.also = &view.also
    view.layer.saved = of_row(kernels, layer.saved, r)
    if job.row_notes[number] > 0:
        view.layer.notes = layer.notes + r
    memset(&view.chunk, 0, sizeof(mf_block))
    view.chunk.kernels, view.chunk.rows, view.chunk.first = kernels, 1, job.step.first_row + r
    view.chunk.x, view.chunk.step = of_row(kernels, plan.x, r), job.step.number
    view.chunk.findings, view.chunk.bad = &(<Job *> job).step.findings, &(<Job *> job).step.bad


cdef inline void row_gradient(const Job *job, int layer, int tensor, int64_t r, int64_t i0, int64_t ni, int64_t j0,
                              int64_t nj, void *g, int64_t ld) noexcept nogil:
    """g (ni, nj; ld) = the gradient of a tile of a tensor by row r of the arena, of all layers that use it."""
    cdef const Plan *plan = job.step.plan
    cdef RowView view
    cdef mf_tile tile
    cdef int place = layer * MF_MOST_TENSORS + tensor
    cdef bint accumulates = False
    tile.i0, tile.ni, tile.j0, tile.nj, tile.ld, tile.offset = i0, ni, j0, nj, ld, 0
    while place >= 0:
        tile.layer, tile.tensor = place // MF_MOST_TENSORS, place % MF_MOST_TENSORS
        view_row(job, tile.layer, r, &view)
        view.layer.kind.gradient(&view.layer, &view.chunk, &tile, NULL, g, ld, accumulates, False, NULL, 0)
        accumulates = True
        place = plan.next_use[place]
