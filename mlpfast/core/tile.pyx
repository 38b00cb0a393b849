"""Work along tiles of the parameters: a tile's gradient, penalty, update, and what the next step reads of it."""

from libc.math cimport isfinite
from libc.stdint cimport int64_t

from .called cimport call_term
from .interrupts cimport bind, in_pieces
from .plan cimport TILE_BYTES, Plan, rule_number
from .sparse cimport sort_entries
from .table cimport (
    MF_MOST_TENSORS, MF_OK, mf_block, mf_kernels, mf_layer, mf_raise, mf_raised, mf_soon, mf_tile, mf_update,
    parallel_for,
)

cdef enum:
    MOST_SOON = 8            # pieces of memory that a tile asks for ahead of their use
    WORK_OF_UPDATE = 50      # of a parameter, in multiply-adds: where it comes from memory, and goes back
    WORK_OF_PACKING = 50     # a parameter, in multiply-adds; a second thread is worth it from here on:
    WORTH_A_THREAD = 100000000


cdef void take_tiles(Step *step, int threads, double work) noexcept nogil:
    """All tiles of a phase. Once the first is updated, all are, whatever `step.error` says."""
    cdef bint updates = step.updates and step.phase.updates, differentiates = step.phase.n_back > 0
    cdef int64_t n_tiles = step.plan.n_dense if step.by_rows else step.plan.n_tiles
    if step.plan.n_bands > 0 and differentiates:
        mf_raise(&step.bad, sort_entries(step))
        if mf_raised(&step.bad) != MF_OK:
            return
    if differentiates and (step.apart or not updates):
        in_pieces(step, n_tiles, threads, take_tile, work)
    if differentiates and step.term != NULL and step.updates and step.error == NULL:
        call_term(step)
    if not updates or step.error != NULL or not isfinite(step.term_loss):
        return
    work += WORK_OF_UPDATE * step.plan.flops
    bind(step, threads, work)
    in_pieces(step, n_tiles, threads, update_tile if step.apart else take_tile, work)
    if step.by_rows and step.bound:
        parallel_for(step.plan.n_shares, threads, update_share, step, work)


cdef void take_tile(void *context, int64_t index) noexcept nogil:
    """A tile's gradient over the chunk's rows and, in the batch's last chunk, its update, unless that is apart."""
    cdef Step *step = <Step *> context
    cdef const Plan *plan = step.plan
    cdef const mf_tile *tile = &plan.tiles[step.first_task + index]
    cdef const mf_tile *next = tile + 1 if tile + 1 < plan.tiles + plan.n_tiles else NULL
    cdef const mf_layer *layer = &step.schedule.layers[tile.layer]
    cdef bint updates = step.updates and step.phase.updates and not step.apart
    cdef int64_t ld = tile.nj, count = 0
    cdef mf_block chunk
    cdef mf_soon soon[MOST_SOON]
    cdef char scratch[TILE_BYTES + 64]
    cdef char *g = scratch + (-<Py_ssize_t> scratch & 63)
    set_chunk(step, &chunk)
    if step.gradient != NULL and step.sums == NULL:
        g, ld = step.gradient + tile.offset * plan.kernels.itemsize, tile.ld
    if plan.looks_ahead and updates and tile.nj < tile.ld:
        count = look_ahead(step, tile, soon)
    layer.kind.gradient(layer, &chunk, tile, next, g, ld, step.accumulate and step.sums == NULL, updates,
                        soon if plan.looks_ahead else NULL, count)
    add_others(step, &chunk, tile, g, ld, updates)
    if step.sums != NULL:
        sum_up(step, tile, <float *> g)
    if step.squares != NULL and step.updates:
        add_penalty(step, tile)
    if updates:
        update(step, tile, g, ld)


cdef void add_others(Step *step, const mf_block *chunk, const mf_tile *tile, void *g, int64_t ld,
                     bint updates) noexcept nogil:
    """The gradients of further layers that use the same tensor, in the order of the layers."""
    cdef const Plan *plan = step.plan
    cdef const mf_layer *layer
    cdef mf_tile use
    cdef int place = plan.next_use[tile.layer * MF_MOST_TENSORS + tile.tensor]
    while place >= 0:
        use = tile[0]
        use.layer, use.tensor = place // MF_MOST_TENSORS, place % MF_MOST_TENSORS
        layer = &step.schedule.layers[use.layer]
        layer.kind.gradient(layer, chunk, &use, NULL, g, ld, True, updates, NULL, 0)
        place = plan.next_use[place]


cdef void sum_up(Step *step, const mf_tile *tile, float *g) noexcept nogil:
    """Add a chunk's gradient of a tile to the sums; the batch's last chunk makes the gradient of them.

    One running sum in float32 would lose digits over many rows.
    """
    cdef float *gradient = <float *> step.gradient
    cdef double *sums
    cdef int64_t i, j, at
    for i in range(tile.ni):
        at = tile.offset + i * tile.ld
        sums = step.sums + at
        for j in range(tile.nj):
            sums[j] = sums[j] + g[i * tile.nj + j] if step.accumulate else g[i * tile.nj + j]
            if step.completes:
                g[i * tile.nj + j] = <float> sums[j]
                if gradient != NULL:
                    gradient[at + j] = <float> sums[j]


cdef void add_penalty(Step *step, const mf_tile *tile) noexcept nogil:
    """Penalties' gradients in that of a tile, as the norm of all is wanted."""
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef const mf_update *rule = &step.rules[rule_number(step.plan, tile)]
    cdef int64_t at, i
    for i in range(tile.ni if rule.l1 != 0 or rule.l2 != 0 else 0):
        at = (tile.offset + i * tile.ld) * kernels.itemsize
        kernels.add_penalty(rule.l1, rule.l2, step.parameters + at, step.gradient + at, tile.nj)


cdef int64_t look_ahead(const Step *step, const mf_tile *tile, mf_soon *soon) noexcept nogil:
    """What the update will touch, where the hardware does not foresee it. Returns the number of pieces."""
    cdef int64_t item = step.plan.kernels.itemsize, at = tile.offset * item, count = 1
    cdef int slot
    soon[0] = mf_soon(step.parameters + at, tile.ni, tile.nj * item, tile.ld * item, True)
    for slot in range(3):
        if step.slots[slot] != step.parameters:
            soon[count] = mf_soon(step.slots[slot] + at, tile.ni, tile.nj * item, tile.ld * item, True)
            count += 1
    return count


cdef void update_share(void *context, int64_t index) noexcept nogil:
    """The rows of a part of a table that the batch has read: their gradient, and their update."""
    cdef Step *step = <Step *> context
    cdef const mf_tile *share = &step.plan.shares[index]
    cdef const mf_layer *layer = &step.schedule.layers[share.layer]
    cdef int64_t at = share.offset * step.plan.kernels.itemsize
    cdef mf_block batch
    set_chunk(step, &batch)
    layer.kind.update_entries(layer, &batch, share, &step.rules[rule_number(step.plan, share)], step.parameters + at,
                              step.slots[0] + at, step.slots[1] + at, step.slots[2] + at)


cdef void set_chunk(Step *step, mf_block *chunk) noexcept nogil:
    """All rows at hand."""
    cdef const Plan *plan = step.plan
    chunk.kernels, chunk.rows, chunk.first, chunk.shift, chunk.x = plan.kernels, step.rows, step.first_row, 0, plan.x
    chunk.csr, chunk.index = &step.source.csr if plan.reads_csr else NULL, NULL
    chunk.bands = &step.bands
    chunk.dropout_scale = step.dropout_scale
    chunk.seed, chunk.step, chunk.findings, chunk.bad = plan.seed, step.number, &step.findings, &step.bad


cdef void update_tile(void *context, int64_t index) noexcept nogil:
    """A tile's update by the gradient of the batch."""
    cdef Step *step = <Step *> context
    cdef const mf_tile *tile = &step.plan.tiles[step.first_task + index]
    update(step, tile, step.gradient + tile.offset * step.plan.kernels.itemsize, tile.ld)


cdef void update(Step *step, const mf_tile *tile, const char *g, int64_t ld) noexcept nogil:
    """Parameters and state of a tile, and the forms of it that the next step reads."""
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef int64_t at = tile.offset * kernels.itemsize
    cdef int rule = rule_number(step.plan, tile)
    kernels.update(&step.rules[rule], step.parameters + at, g, ld, step.slots[0] + at, step.slots[1] + at,
                   step.slots[2] + at, tile.ni, tile.nj, tile.ld)
    if step.share > 0 and not isfinite(step.plan.rules[rule].max_norm):
        average(step, tile)
    if step.refreshes:
        refresh_tile(step, tile, step.parameters + at)


cdef void average(Step *step, const mf_tile *tile) noexcept nogil:
    """Once the parameters of a tile are those after the step, their average."""
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef int64_t at = tile.offset * kernels.itemsize
    kernels.average(step.share, step.parameters + at, step.average + at, tile.ni, tile.nj, tile.ld)


cdef void refresh_tile(const Step *step, const mf_tile *tile, const char *p) noexcept nogil:
    """What the layers that use a tensor read of a tile of it."""
    cdef const mf_layer *layer = &step.schedule.layers[tile.layer]
    cdef mf_tile use
    cdef int place = step.plan.next_use[tile.layer * MF_MOST_TENSORS + tile.tensor]
    if layer.kind.refresh != NULL:
        layer.kind.refresh(layer, step.plan.kernels, tile, p)
    while place >= 0:
        use = tile[0]
        use.layer, use.tensor = place // MF_MOST_TENSORS, place % MF_MOST_TENSORS
        layer = &step.schedule.layers[use.layer]
        if layer.kind.refresh != NULL:
            layer.kind.refresh(layer, step.plan.kernels, &use, p)
        place = step.plan.next_use[place]


cdef void limit_norms(Step *step, int threads, double work) noexcept nogil:
    """All strips, where the batch has updated the parameters."""
    if step.updates:
        parallel_for(step.plan.n_strips, threads, limit_strip, step, work)


cdef void limit_strip(void *context, int64_t index) noexcept nogil:
    """Limits the norms of some units' weights, after their update."""
    cdef Step *step = <Step *> context
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef const mf_tile *strip = &step.plan.strips[index]
    cdef char *p = step.parameters + strip.offset * kernels.itemsize
    kernels.limit_columns(step.plan.rules[rule_number(step.plan, strip)].max_norm, p, strip.ni, strip.nj, strip.ld)
    if step.share > 0:
        average(step, strip)
    if step.refreshes:
        refresh_tile(step, strip, p)


cdef void refresh_all(Step *step) noexcept nogil:
    """Bring what the layers read up to date with the flat vector, which is the caller's to change."""
    cdef const Plan *plan = step.plan
    cdef double work = WORK_OF_PACKING * plan.flops
    in_pieces(step, plan.n_packed, plan.threads if work > WORTH_A_THREAD else 1, refresh, work)


cdef void refresh(void *context, int64_t index) noexcept nogil:
    cdef Step *step = <Step *> context
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef const mf_tile *band = &step.plan.packed[step.first_task + index]
    cdef const mf_layer *layer = &step.schedule.layers[band.layer]
    layer.kind.refresh(layer, kernels, band, step.parameters + band.offset * kernels.itemsize)
