"""Work along columns of a batch: what a layer needs to know of all its rows before any of them goes on."""

from libc.stdint cimport int64_t

from .interrupts cimport in_pieces
from .plan cimport Phase, Plan
from .table cimport MF_KEEP, MF_STATISTICS, MF_SUMS, mf_block, mf_layer, parallel_for
from .tile cimport set_chunk


cdef enum:
    WORK_OF_SUMS = 16   # an element's, read from memory and added in float64, beside a multiply-add of a product


cdef void take_panels(Step *step, int threads, double work) noexcept nogil:
    """All panels of a phase. What is kept of a step belongs to its update, and is not interrupted."""
    if step.phase.updates and step.updates:
        parallel_for(step.phase.n_panels, threads, take_panel, step, WORK_OF_SUMS * work)
    elif not step.phase.updates:
        in_pieces(step, step.phase.n_panels, threads, take_panel, WORK_OF_SUMS * work)


cdef void take_panel(void *context, int64_t index) noexcept nogil:
    """A panel of columns of what the phase's layers read."""
    cdef Step *step = <Step *> context
    cdef const Plan *plan = step.plan
    cdef const Phase *phase = step.phase
    cdef const mf_layer *layer
    cdef mf_block batch
    cdef int64_t j0 = (step.first_task + index) * plan.kernels.nr
    cdef int k, kind_pass = MF_KEEP if phase.updates else MF_STATISTICS
    set_chunk(step, &batch)
    for k in range(phase.n_forward):
        layer = &step.schedule.layers[phase.forward[k]]
        if j0 < layer.reads.columns:
            layer.kind.columns(layer, &batch, kind_pass, j0, min(<int64_t> plan.kernels.nr, layer.reads.columns - j0))
    for k in range(phase.n_back):
        layer = &step.schedule.layers[phase.back[k]]
        if j0 < layer.reads.columns:
            layer.kind.columns(layer, &batch, MF_SUMS, j0, min(<int64_t> plan.kernels.nr, layer.reads.columns - j0))
