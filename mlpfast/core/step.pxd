from libc.stdint cimport int64_t
from .call cimport Step, Totals
from .layers.block cimport of_block
from .plan cimport AHEAD, Plan
from .table cimport mf_block


cdef int run_epoch(Step *step, int64_t batch, int64_t rows, int64_t max_steps, Totals *totals) noexcept nogil
cdef int run_rows(Step *step, int64_t rows, Totals *totals) noexcept nogil
cdef int64_t begin_block(Step *step, int64_t i, mf_block *block) noexcept nogil
cdef void go_forward(const Step *step, const mf_block *block) noexcept nogil
cdef void go_back(const Step *step, const mf_block *block, int first, int end) noexcept nogil


cdef inline int64_t set_block(Step *step, int64_t i, mf_block *block) noexcept nogil:
    """Block i of the piece at hand, before its rows are gathered; returns the first of its rows in the chunk."""
    cdef const Plan *plan = step.plan
    i += step.first_task
    cdef int64_t r0 = i * plan.block_rows
    block.kernels, block.rows, block.first = plan.kernels, min(plan.block_rows, step.rows - r0), step.first_row + r0
    block.shift = r0 * plan.kernels.nr * plan.kernels.itemsize
    block.x = plan.x
    block.x.data = of_block(plan.x, block).data
    block.csr, block.index = &step.source.csr if plan.reads_csr else NULL, plan.rows + i * (plan.block_rows + AHEAD)
    block.dropout_scale = step.dropout_scale
    block.seed, block.step, block.findings, block.bad = plan.seed, step.number, &step.findings, &step.bad
    block.soon = NULL
    return r0
