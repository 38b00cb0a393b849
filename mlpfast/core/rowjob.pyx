"""A job of derivatives of each row by itself, chunk by chunk, block by block."""

from .call cimport BAD_DATA, DONE, INTERRUPTED, Step
from .called cimport call_loss
from .compare cimport compare
from .interrupts cimport in_pieces, listen, look_up
from .rows.job cimport INPUTS, OF_LOSS, SQUARES, VALUES
from .plan cimport CALL, ROWS, TILES, WORTH_A_THREAD, Plan
from .rows.out cimport inputs_back, put_out
from .rows.seeds cimport begin_delta, column_back, join_weights, joined_back, note_outputs, note_slopes
from .rows.squares cimport square_tile
from .step cimport begin_block, go_back, go_forward
from .table cimport MF_INFINITE_DELTA, MF_OK, flush_denormals, mf_block, mf_layer, mf_raised, set_float_mode
from .tile cimport refresh_all


cdef int run_job(Job *job, int64_t rows, double work) noexcept nogil:
    """All rows. work: of one of them, in multiply-adds."""
    cdef Step *step = &job.step
    cdef const Plan *plan = step.plan
    cdef int threads = plan.threads if rows * work > WORTH_A_THREAD else 1, seed, status = DONE
    listen(step)
    if job.wanted != VALUES:    # these are the bits of a prediction
        flush_denormals()
    refresh_all(step)
    if job.joined != NULL:
        join_weights(job)
    step.first = 0
    while step.error == NULL and step.first < rows and status == DONE:
        step.rows = min(plan.capacity, rows - step.first)
        step.first_row, step.known, step.scale = step.first, rows - step.first, 1
        # Where nothing is multiplied by deltas, nobody has to look whether they are finite.
        step.findings = MF_INFINITE_DELTA if job.wanted == INPUTS else 0
        if job.wanted == SQUARES:
            for seed in range(job.n_seeds):
                job.first_seed, job.end_seed = seed, seed + 1
                take_phases(job, threads, step.rows * work / job.n_seeds)
                look_up(step)
        else:
            job.first_seed, job.end_seed = 0, job.n_seeds
            take_phases(job, threads, step.rows * work)
        status = BAD_DATA if mf_raised(&step.bad) != MF_OK else look_up(step)
        step.first += step.rows
    set_float_mode(step.float_mode)
    return INTERRUPTED if step.error != NULL else status


cdef void take_phases(Job *job, int threads, double work) noexcept nogil:
    cdef Step *step = &job.step
    cdef int64_t blocks = (step.rows + step.plan.block_rows - 1) // step.plan.block_rows
    cdef int p
    for p in range(step.schedule.n_phases):
        step.phase = &step.schedule.phases[p]
        if step.error != NULL or mf_raised(&step.bad) != MF_OK:
            return
        if step.phase.direction == ROWS:
            in_pieces(step, blocks, threads, take_rows, work)
        elif step.phase.direction == CALL:
            call_loss(step)
        elif step.phase.direction == TILES and job.wanted == SQUARES:
            in_pieces(step, step.plan.n_tiles, threads, square_tile, work)


cdef void take_rows(void *context, int64_t i) noexcept nogil:
    """A block through a phase along rows and, where that has the outputs, back as often as there are deltas."""
    cdef Job *job = <Job *> context
    cdef Step *step = &job.step
    cdef mf_block block
    cdef int64_t r0 = begin_block(step, i, &block)
    cdef int seed, first, end
    if job.first_seed == 0:
        go_forward(step, &block)
    if not step.phase.compares:
        return
    if job.first_seed == 0:
        note_outputs(job, &block)
        note_slopes(job, &block)
    for seed in range(job.first_seed, job.end_seed):
        if seed > 0:
            go_again(job, &block)
        if job.wanted == VALUES:
            pass
        elif job.seed == OF_LOSS:
            compare(step, &block, r0)
        elif job.slopes.data == NULL:
            begin_delta(job, &block, step.first + r0, seed)
        first, end = 0, step.phase.n_back
        if job.joins:
            joined_back(job, &block, seed)
            first = 2
        elif job.one_column:
            column_back(job, &block, seed)
            first = 1
        if job.in_place and first < end and block.rows % block.kernels.mr == 0:
            go_back(step, &block, first, end - 1)
            inputs_back(job, &block, step.first + r0, seed)
        else:
            go_back(step, &block, first, end)
            put_out(job, &block, step.first + r0, seed)


cdef void go_again(const Job *job, const mf_block *block) noexcept nogil:
    cdef const mf_layer *layer
    cdef int k
    for k in range(job.n_again):
        layer = &job.step.schedule.layers[job.again[k]]
        layer.kind.forward(layer, block)
