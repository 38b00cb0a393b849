"""What ends an epoch: a signal, whose handler is a Python function, and the deadline.

They are looked for between steps and, as a step of a large network may last for seconds, signals between pieces of its
phases too. Once something has been updated, what their handlers raise waits for the end of the step.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject, Py_INCREF
from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from .call cimport DEADLINE, DONE, INTERRUPTED
from .plan cimport Phase, threads_for
from .table cimport flush_denormals, mf_layer, parallel_for, set_float_mode

cdef enum:
    PIECES_AT_ONCE = 4      # that a block may take in one go through all layers, or an update after an early look;
                            # and an update with its gradient:
    PIECES_OF_UPDATE = 10
    ROWS_APART = 256
    COPIED_AT_ONCE = 1 << 24     # bytes

cdef double SECONDS_BETWEEN_SIGNAL_CHECKS = 0.05
# Of a piece, in multiply-adds for each thread and each column of a register tile: a few milliseconds with vectors, less
# than 0.1 s without.
cdef double PIECE = 1e7


def set_pieces(double seconds=0.05, double work=1e7):
    """How often to look for signals, and after how much work: for tests, which have small networks."""
    global SECONDS_BETWEEN_SIGNAL_CHECKS, PIECE
    SECONDS_BETWEEN_SIGNAL_CHECKS, PIECE = seconds, work


cdef void listen(Step *step) noexcept nogil:
    """From now on, unless it has been done before. Handlers will have the float mode that there is now."""
    if step.next_signal_check == 0:
        step.next_signal_check = now() + SECONDS_BETWEEN_SIGNAL_CHECKS
        step.float_mode = flush_denormals()
        set_float_mode(step.float_mode)


cdef int look_up(Step *step) noexcept nogil:
    """Whether to go on: signals every now and then, until a handler raises something, and the deadline."""
    cdef double time = now()
    cdef uint64_t mode
    if time > step.next_signal_check and step.error == NULL:
        step.next_signal_check = time + SECONDS_BETWEEN_SIGNAL_CHECKS
        mode = flush_denormals()
        set_float_mode(step.float_mode)
        with gil:
            try:
                PyErr_CheckSignals()
            except BaseException as error:
                Py_INCREF(error)
                step.error = <PyObject *> error
        set_float_mode(mode)
    if step.error != NULL:
        return INTERRUPTED
    return DEADLINE if 0 < step.deadline < time else DONE


cdef void bind(Step *step, int threads, double work) noexcept nogil:
    """Before the first tile is updated: the last chance to leave the step, which is taken where much follows."""
    if work > PIECES_AT_ONCE * piece(step.plan, threads):
        step.next_signal_check = 0
        look_up(step)
    step.bound = step.error == NULL


cdef double now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec + 1e-9 * t.tv_nsec


cdef inline double piece(const Plan *plan, int threads) noexcept nogil:
    return PIECE * plan.kernels.nr * threads


cdef bint update_takes_long(const Plan *plan) noexcept nogil:
    """Whether a batch's gradient should be there before the first tile is updated, so that it may be interrupted.

    It goes to memory and back then, which costs a step of few rows too much.
    """
    cdef int64_t rows = min(plan.batching.rows, plan.capacity)
    return rows >= ROWS_APART and rows * plan.flops > PIECES_OF_UPDATE * piece(plan, threads_for(plan, rows))


cdef void in_pieces(Step *step, int64_t n, int threads, mf_task take, double work) noexcept nogil:
    """All n tasks and, where they take long, a look at signals between pieces of them.

    Where a handler raises something, `step.error` is set, and the rest is left out unless the step is bound.
    """
    cdef double at_once = piece(step.plan, threads)
    cdef int64_t most = n if work <= at_once else max(<int64_t> threads, <int64_t> (n / (work / at_once)))
    while (step.error == NULL or step.bound) and step.first_task < n:
        most = min(most, n - step.first_task)
        parallel_for(most, threads, take, step, work * most / n)
        step.first_task += most
        if step.first_task < n:
            look_up(step)
    step.first_task = 0


cdef void blocks_in_pieces(Step *step, int64_t n, int threads, mf_task take, double work) noexcept nogil:
    """A phase along rows in pieces of its n blocks. Where one of these takes long, all go through a layer at a time."""
    cdef const Phase *phase = step.phase
    cdef const Phase *part
    cdef const mf_layer *layer
    cdef int k
    if phase.n_parts < 2 or work <= n * PIECES_AT_ONCE * piece(step.plan, 1):
        in_pieces(step, n, threads, take, work)
        return
    for k in range(phase.n_parts):
        step.phase = part = &phase.parts[k]
        layer = &step.schedule.layers[part.forward[0] if part.n_forward else part.back[0]]
        work = step.rows * (<double> layer.reads.columns * layer.makes.columns if layer.w.data != NULL else 1)
        in_pieces(step, n, threads, take, work)


cdef bint copy_in_pieces(Step *step, char *to, const char *source, int64_t size) noexcept nogil:
    """Whether all bytes were copied: a signal's handler may have raised something."""
    cdef int64_t first = 0
    while step.error == NULL and first < size:
        memcpy(to + first, source + first, min(<int64_t> COPIED_AT_ONCE, size - first))
        first += COPIED_AT_ONCE
        if first < size:
            look_up(step)
    return step.error == NULL
