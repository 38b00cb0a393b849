"""A training step, from top to bottom: an epoch's batches, a batch's chunks, a chunk's two phases.

Phase 1, `take_block`, takes a block of rows forward through all layers, through the loss, and back through all deltas. Phase
2, `tile.take_tile`, takes a tile of the weights: its gradient over all rows, its penalty, its update. Blocks and tiles
are independent of each other, so any thread may take any of them; a barrier stands after each phase, and nothing is
reduced across threads. A batch of more rows than the arena holds goes through both phases chunk by chunk; its gradient
is then summed in a flat vector, element by element in the order of the rows, which gives the bits of one large arena.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_INCREF
from libc.math cimport isfinite
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from .data cimport from_column, from_row
from .hadamard cimport activate, propagate
from .linear cimport forward, input_delta
from .optimizers cimport at_step
from .plan cimport AHEAD, Layer, threads_for
from .table cimport (
    MF_IDENTITY, MF_OK, MF_OUT_OF_RANGE, flush_denormals, mf_kernels, mf_matrix, mf_raise, mf_raised, parallel_for,
    set_float_mode,
)
from .tile cimport add_penalties, pack_weights, take_tile

cdef double SECONDS_BETWEEN_SIGNAL_CHECKS = 0.05


cdef int run_epoch(Step *step, int64_t first, int64_t rows, int64_t max_steps, Totals *totals) noexcept nogil:
    """An optimizer step for each batch of the rows [first, rows), at most `max_steps` if that is not negative."""
    cdef const Plan *plan = step.plan
    cdef int64_t n
    cdef double penalty, strength
    cdef int status = DONE
    begin(step, totals)
    while first < rows and totals.steps != max_steps and status == DONE:
        n = min(plan.batch_rows, rows - first)
        weigh(step, first, n)
        strength = step.scale if step.penalty_over_weights else 1.0
        penalty = add_penalties(step, step.l1 * strength, step.l2 * strength, False)
        step.weight_rule = at_step(&step.rule, step.number - step.state_from + 1, step.learning_rate, step.l1 * strength,
                                   step.l2 * strength)
        step.bias_rule = step.weight_rule
        step.bias_rule.l1, step.bias_rule.l2, step.bias_rule.shrink = 0, 0, 1
        status = run_batch(step, first, n, rows - first, step.scale > 0, totals)
        if status == DONE:
            totals.penalty += n * penalty
            totals.steps += 1
            step.number += 1
            first += n
            if (totals.steps & 15) == 0 or n * plan.flops > 1e6:
                status = look_up(step)
    set_float_mode(step.float_mode)
    return status


cdef int run_rows(Step *step, int64_t rows, Totals *totals) noexcept nogil:
    """Loss and penalties of all rows as one batch and, on the way back, their gradient; no update."""
    cdef double strength
    cdef int status
    begin(step, totals)
    weigh(step, 0, rows)
    status = run_batch(step, 0, rows, rows, False, totals)
    strength = step.scale if step.penalty_over_weights else 1.0
    totals.penalty = rows * add_penalties(step, step.l1 * strength, step.l2 * strength, step.backward)
    set_float_mode(step.float_mode)
    return status


cdef void begin(Step *step, Totals *totals) noexcept nogil:
    cdef int m
    step.float_mode = flush_denormals()
    if step.next_signal_check == 0:
        step.next_signal_check = now() + SECONDS_BETWEEN_SIGNAL_CHECKS
    totals.steps = totals.rows = 0
    totals.weight = totals.loss = totals.batch_losses = totals.penalty = 0
    for m in range(MAX_METRICS):
        totals.metrics[m] = 0
    pack_weights(step)


cdef int run_batch(Step *step, int64_t first, int64_t rows, int64_t known, bint updates, Totals *totals) noexcept nogil:
    """Rows [first, first + rows) of the order, chunk by chunk. The order may be read up to `first + known`.

    Where rows or their loss are not as they should be, or a signal comes, the parameters are untouched: no tile is
    updated before the loss of all rows is known.
    """
    cdef const Plan *plan = step.plan
    cdef int threads = threads_for(plan, rows)
    cdef int64_t chunk = 0, n, r
    cdef double loss = 0, work
    cdef double metrics[MAX_METRICS]
    cdef int m, status
    for m in range(MAX_METRICS):
        metrics[m] = 0
    while chunk < rows:
        n = min(plan.capacity, rows - chunk)
        step.first, step.first_row, step.rows, step.known = first + chunk, chunk, n, known - chunk
        step.infinite_deltas = False
        work = n * plan.flops * (1.5 if step.backward else 1)     # of each phase; together, three products a layer
        parallel_for((n + plan.block_rows - 1) // plan.block_rows, threads, take_block, step, work)
        for r in range(n):
            loss += plan.row_loss[r]
        for m in range(step.n_metrics):
            for r in range(n):
                metrics[m] += plan.row_metric[m * plan.capacity + r]
        if mf_raised(&step.bad) != MF_OK:
            return BAD_DATA
        chunk += n
        if chunk < rows:
            status = look_up(step)
            if status == INTERRUPTED:
                return status
        if step.backward:
            if updates and not isfinite(loss):
                return DIVERGED
            step.accumulate, step.updates = chunk > n, updates and chunk == rows
            parallel_for(plan.n_tiles, threads, take_tile, step, work)
    totals.rows += rows
    totals.loss += loss
    totals.batch_losses += rows * loss * step.scale
    totals.weight += step.weight
    for m in range(MAX_METRICS):
        totals.metrics[m] += metrics[m]
    return DONE


cdef void take_block(void *context, int64_t block) noexcept nogil:
    """Rows [block block_rows, ...) of the chunk: gather, forward, loss, delta of every layer."""
    cdef Step *step = <Step *> context
    cdef const Plan *plan = step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef int64_t r0 = block * plan.block_rows
    cdef int64_t n = min(plan.block_rows, step.rows - r0)
    cdef const int64_t *rows = plan.rows + block * (plan.block_rows + AHEAD)
    cdef const Layer *layer
    cdef mf_matrix h = from_row(kernels, plan.x, r0)
    cdef int l
    gather(step, block, r0, n, h)
    for l in range(plan.n_layers):
        layer = &plan.layers[l]
        forward(kernels, &layer.linear, h, from_row(kernels, layer.z, r0), from_row(kernels, layer.h, r0), n)
        h = from_row(kernels, layer.h, r0)
        if step.drops and layer.dropout > 0:
            h = from_row(kernels, layer.fed, r0)
            kernels.activation(MF_IDENTITY, 0, from_row(kernels, layer.h, r0), h, n, layer.linear.units)
            kernels.dropout(h, step.first_row + r0, n, layer.linear.units, layer.dropout, plan.seed, l, step.number)
    compare(step, rows, r0, n, h)
    if step.backward:
        look_at_delta(step, plan.n_layers - 1, r0, n)
        for l in range(plan.n_layers - 1, 0, -1):
            backward(step, l, r0, n)
            look_at_delta(step, l - 1, r0, n)


cdef void gather(Step *step, int64_t block, int64_t r0, int64_t n, mf_matrix x) noexcept nogil:
    """The block's rows of X into `x`; their numbers and labels into the arena, each read once and looked at."""
    cdef const Plan *plan = step.plan
    cdef const Source *source = &step.source
    cdef int64_t *rows = plan.rows + block * (plan.block_rows + AHEAD)
    cdef int32_t *labels = plan.labels + r0
    cdef int64_t known = min(step.known - r0, n + AHEAD), first = step.first + r0, r, row
    cdef int32_t label
    cdef int status = MF_OK
    for r in range(known):
        row = source.order[first + r] if source.order != NULL else first + r
        if <uint64_t> row >= <uint64_t> source.rows:
            row, status = 0, MF_OUT_OF_RANGE
        rows[r] = row
    if source.labels != NULL:
        for r in range(n):
            label = source.labels[rows[r]]
            if <uint64_t> label >= <uint64_t> source.classes:
                label, status = 0, MF_OUT_OF_RANGE
            labels[r] = label
    if source.dense != NULL:
        status |= plan.kernels.gather(source.dense, source.dtype, plan.inputs, rows, n, known, plan.inputs, x)
    else:
        status |= plan.kernels.gather_csr(source.values, source.dtype, source.columns, source.offsets, source.index64,
                                          source.stored, rows, n, plan.inputs, x)
    mf_raise(&step.bad, status)


cdef void compare(Step *step, const int64_t *rows, int64_t r0, int64_t n, mf_matrix h) noexcept nogil:
    """Metrics and loss of the rows, and the delta of the last layer."""
    cdef const Plan *plan = step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef const Layer *last = &plan.layers[plan.n_layers - 1]
    cdef int64_t units = last.linear.units
    cdef mf_matrix delta = from_row(kernels, last.delta, r0)
    cdef mf_matrix predictions = h
    cdef mf_targets targets = step.targets
    cdef double threshold = 0 if plan.fused else 0.5
    cdef int m
    targets.rows = rows
    if targets.dense == NULL:
        targets.labels = plan.labels + r0
    if plan.predictions.data != NULL and step.n_metrics > 0:
        predictions = from_row(kernels, plan.predictions, r0)
        activate(kernels, plan.output_activation, plan.output_alpha, h, predictions, n, units)
        threshold = 0.5
    for m in range(step.n_metrics):
        kernels.metric(step.metrics[m], threshold, predictions, &targets, n, units,
                       plan.row_metric + m * plan.capacity + r0)
    if not step.backward:
        delta.data = NULL
    kernels.loss(plan.loss, plan.loss_parameter, h, &targets, n, units, step.scale, delta, plan.row_loss + r0)
    if step.backward and not plan.fused:
        propagate(kernels, last.linear.activation, last.linear.alpha, delta,
                  from_row(kernels, last.z if last.saves_z else last.h, r0), delta, n, units)


cdef void backward(Step *step, int l, int64_t r0, int64_t n) noexcept nogil:
    """The delta of layer l - 1 from that of layer l."""
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef const Layer *layer = &step.plan.layers[l]
    cdef const Layer *below = &step.plan.layers[l - 1]
    cdef mf_matrix delta = from_row(kernels, below.delta, r0)
    cdef mf_matrix saved = from_row(kernels, below.z if below.saves_z else below.h, r0)
    cdef int64_t units = below.linear.units
    if step.drops and below.dropout > 0:
        input_delta(kernels, &layer.linear, from_row(kernels, layer.delta, r0), MF_IDENTITY, 0, saved, delta, n)
        kernels.dropout(delta, step.first_row + r0, n, units, below.dropout, step.plan.seed, l - 1, step.number)
        propagate(kernels, below.linear.activation, below.linear.alpha, delta, saved, delta, n, units)
    else:
        input_delta(kernels, &layer.linear, from_row(kernels, layer.delta, r0), below.linear.activation,
                    below.linear.alpha, saved, delta, n)


cdef void look_at_delta(Step *step, int l, int64_t r0, int64_t n) noexcept nogil:
    """Whether the weight gradient may skip zeros of h: beside an infinite delta that would show."""
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef const Layer *layer = &step.plan.layers[l]
    cdef mf_matrix delta = from_row(kernels, layer.delta, r0)
    cdef int64_t j = 0
    while layer.linear.units >= kernels.skips_from and j < layer.linear.units:
        if not kernels.all_finite(from_column(kernels, delta, j).data, n * kernels.nr):
            mf_raise(&step.infinite_deltas, True)
        j += kernels.nr


cdef void weigh(Step *step, int64_t first, int64_t rows) noexcept nogil:
    """The sum of the sample weights of a batch, and the scale of its mean."""
    cdef const double *weights = step.targets.weights
    cdef int64_t r, row
    step.weight = rows
    if weights != NULL:
        step.weight = 0
        for r in range(first, first + rows):
            row = step.source.order[r] if step.source.order != NULL else r
            if <uint64_t> row < <uint64_t> step.source.rows:     # else `gather` will report it
                step.weight += weights[row]
    step.scale = 1 / step.weight if step.weight > 0 else 0


cdef int look_up(Step *step) noexcept nogil:
    """Whether to go on: signals every now and then, and the deadline."""
    cdef double time = now()
    if time > step.next_signal_check:
        step.next_signal_check = time + SECONDS_BETWEEN_SIGNAL_CHECKS
        set_float_mode(step.float_mode)
        with gil:
            try:
                PyErr_CheckSignals()
            except BaseException as error:
                Py_INCREF(error)
                step.error = <PyObject *> error
        flush_denormals()
        if step.error != NULL:
            return INTERRUPTED
    return DEADLINE if 0 < step.deadline < time else DONE


cdef double now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec + 1e-9 * t.tv_nsec
