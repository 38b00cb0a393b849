"""A training step, from top to bottom: an epoch's batches, a batch's chunks, a chunk's phases.

A phase goes along rows, `take_block`, along columns, `columns.take_panel`, or along tiles of the parameters,
`tile.take_tile`. Blocks, panels and tiles are independent of each other, so any thread may take any of them; a barrier
stands after each phase, and nothing is reduced across threads. A batch of more rows than the arena holds goes through
its phases chunk by chunk; its gradient is then summed in a flat vector, element by element in the order of the rows,
which gives the bits of one large arena.
"""

from libc.math cimport isfinite
from libc.stdint cimport int64_t
from libc.string cimport memset

from .batches cimport Batches, batch_start, divide
from .call cimport BAD_DATA, DIVERGED, DONE, INTERRUPTED
from .called cimport call_loss
from .clip cimport clip_norm
from .columns cimport take_panels
from .compare cimport compare
from .interrupts cimport blocks_in_pieces, listen, look_up
from .layers.block cimport of_block
from .plan cimport AHEAD, CALL, COLUMNS, MAX_METRICS, SPANS, TILES, UNITS, Phase, Plan, threads_for
from .rules cimport add_penalties, penalise, set_rules
from .source cimport gather, weigh
from .table cimport MF_OK, flush_denormals, mf_block, mf_layer, mf_raised, set_float_mode
from .tile cimport limit_norms, refresh_all, take_tiles


cdef int run_epoch(Step *step, int64_t batch, int64_t rows, int64_t max_steps, Totals *totals) noexcept nogil:
    """An optimizer step for each batch of the rows, from number `batch` on; at most `max_steps`, if not negative."""
    cdef const Plan *plan = step.plan
    cdef Batches batches = divide(&plan.batching, rows)
    cdef int64_t first = batch_start(&batches, batch), n
    cdef double penalty
    cdef int status = begin(step)
    totals.steps = 0
    while batch < batches.n and totals.steps != max_steps and status == DONE:
        n = batch_start(&batches, batch + 1) - first
        weigh(step, first, n)
        set_rules(step)
        penalty = add_penalties(step, False)
        step.refreshes = batch + 1 < batches.n and totals.steps + 1 != max_steps
        status = run_batch(step, first, n, rows - first, step.scale > 0, totals)
        if status == DONE:
            totals.penalty += n * penalty
            totals.last += penalty
            totals.steps += 1
            step.number += 1
            step.rule.weights += step.rule.weight
            step.rule.largest = max(step.rule.largest, step.learning_rate)
            first += n
            batch += 1
            if (totals.steps & 15) == 0 or n * plan.flops > 1e6 or step.error != NULL:
                status = look_up(step)
    set_float_mode(step.float_mode)
    return status


cdef int run_rows(Step *step, int64_t rows, Totals *totals) noexcept nogil:
    """Loss and penalties of all rows as one batch and, on the way back, their gradient; no update."""
    cdef int status = begin(step)
    memset(totals, 0, sizeof(Totals))
    weigh(step, 0, rows)
    penalise(step)
    if status == DONE:
        status = run_batch(step, 0, rows, rows, False, totals)
    totals.penalty = rows * add_penalties(step, step.schedule.goes_back)
    set_float_mode(step.float_mode)
    return status


cdef int begin(Step *step) noexcept nogil:
    listen(step)
    flush_denormals()
    refresh_all(step)
    return DONE if step.error == NULL else INTERRUPTED


cdef int run_batch(Step *step, int64_t first, int64_t rows, int64_t known, bint updates, Totals *totals) noexcept nogil:
    """Rows [first, first + rows) of the order, chunk by chunk. The order may be read up to `first + known`.

    Where rows or their loss are not as they should be, or a signal comes, the parameters are untouched: no tile is
    updated before the loss of all rows is known.
    """
    cdef const Plan *plan = step.plan
    cdef const Phase *phase
    cdef int threads = threads_for(plan, rows)
    cdef int64_t chunk = 0, n
    cdef double loss = 0, work
    cdef double metrics[MAX_METRICS]
    cdef int m, p
    step.norm = step.term_loss = 0
    for m in range(step.n_metrics):
        metrics[m] = 0
    while chunk < rows:
        n = min(plan.capacity, rows - chunk)
        step.first, step.first_row, step.rows, step.known = first + chunk, chunk, n, known - chunk
        step.accumulate, step.completes = chunk > 0, chunk + n == rows
        step.updates = updates and step.completes
        step.findings, step.bound = 0, False
        for p in range(step.schedule.n_phases):
            step.phase = phase = &step.schedule.phases[p]
            work = n * phase.work
            if phase.direction == TILES:
                take_tiles(step, threads, work)
            elif phase.direction == SPANS:
                clip_norm(step, threads, work)
            elif phase.direction == UNITS:
                limit_norms(step, threads, work)
            elif phase.direction == CALL:
                call_loss(step)
            elif phase.direction == COLUMNS:
                take_panels(step, threads, work)
            else:
                blocks_in_pieces(step, (n + plan.block_rows - 1) // plan.block_rows, threads, take_block, work)
            if step.error != NULL and not step.bound:
                return INTERRUPTED
            if mf_raised(&step.bad) != MF_OK:
                return BAD_DATA
            if phase.compares:
                loss = sum_up(step, loss, metrics)
            if updates and not (isfinite(loss) and isfinite(step.norm) and isfinite(step.term_loss)):
                return DIVERGED
        chunk += n
        if chunk < rows and look_up(step) == INTERRUPTED:
            return INTERRUPTED
    if step.term != NULL:
        loss += step.term_weight * step.term_loss
        totals.metrics[step.n_metrics] += step.term_loss
    totals.rows += rows
    totals.loss += loss
    totals.batch_losses += rows * loss * step.scale
    totals.weight += step.weight
    totals.last = loss / step.weight if step.weight > 0 else 0
    for m in range(step.n_metrics):
        totals.metrics[m] += metrics[m]
    return DONE


cdef double sum_up(const Step *step, double loss, double *metrics) noexcept nogil:
    """Add the chunk's rows, in their order; returns the loss."""
    cdef const Plan *plan = step.plan
    cdef int64_t r
    cdef int m
    for r in range(step.rows):
        loss += plan.row_loss[r]
    for m in range(step.n_metrics):
        for r in range(step.rows):
            metrics[m] += step.row_metric[m * plan.capacity + r]
    return loss


cdef void take_block(void *context, int64_t i) noexcept nogil:
    """Rows [i block_rows, ...) of the chunk, through a phase that goes along rows."""
    cdef Step *step = <Step *> context
    cdef mf_block block
    cdef int64_t r0 = begin_block(step, i, &block)
    go_forward(step, &block)
    if step.phase.compares:
        compare(step, &block, r0)
    go_back(step, &block, 0, step.phase.n_back)


cdef int64_t begin_block(Step *step, int64_t i, mf_block *block) noexcept nogil:
    """Block i of the piece at hand, its rows in place if the phase gathers; returns its first row in the chunk."""
    cdef const Plan *plan = step.plan
    i += step.first_task
    cdef int64_t r0 = i * plan.block_rows
    block.kernels, block.rows, block.first = plan.kernels, min(plan.block_rows, step.rows - r0), step.first_row + r0
    block.shift = r0 * plan.kernels.nr * plan.kernels.itemsize
    block.x = plan.x
    block.x.data = of_block(plan.x, block).data
    block.csr, block.index = &step.source.csr if plan.reads_csr else NULL, plan.rows + i * (plan.block_rows + AHEAD)
    block.bands, block.dropout_scale = NULL, step.dropout_scale
    block.seed, block.step, block.findings, block.bad = plan.seed, step.number, &step.findings, &step.bad
    if step.phase.gathers:
        gather(step, i, r0, block.rows, block.x)
    return r0


cdef void go_forward(const Step *step, const mf_block *block) noexcept nogil:
    cdef const Phase *phase = step.phase
    cdef const mf_layer *layers = step.schedule.layers
    cdef const mf_layer *layer
    cdef int k
    for k in range(phase.n_forward):
        layer = &layers[phase.forward[k]]
        layer.kind.forward(layer, block)


cdef void go_back(const Step *step, const mf_block *block, int first, int end) noexcept nogil:
    """Through some of the phase's layers."""
    cdef const Phase *phase = step.phase
    cdef const mf_layer *layers = step.schedule.layers
    cdef const mf_layer *layer
    cdef int k
    for k in range(first, end):
        layer = &layers[phase.back[k]]
        layer.kind.backward(layer, block)
