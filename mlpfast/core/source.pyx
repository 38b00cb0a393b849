"""Where rows come from: the caller's memory, which others may change.

What tells where to read, a row's number or a label, is read once and looked at.
"""

from libc.stdint cimport int32_t, uint64_t
from .call cimport Source
from .plan cimport AHEAD, Plan
from .table cimport MF_OK, MF_OUT_OF_RANGE, mf_raise


cdef void gather(Step *step, int64_t block, int64_t r0, int64_t n, mf_matrix x) noexcept nogil:
    """The block's rows of X into `x`, unless they stay CSR; their numbers and labels into the arena."""
    cdef const Plan *plan = step.plan
    cdef const Source *source = &step.source
    cdef int64_t *rows = plan.rows + block * (plan.block_rows + AHEAD)
    cdef int32_t *labels = plan.labels + r0
    cdef int64_t known = min(step.known - r0, n + AHEAD), first = step.first + r0, r, row
    cdef int64_t label
    cdef int status = MF_OK
    for r in range(known):
        row = source.order[first + r] if source.order != NULL else first + r
        if <uint64_t> row >= <uint64_t> source.rows:
            row, status = 0, MF_OUT_OF_RANGE
        rows[r] = row
    if source.labels != NULL or source.wide_labels != NULL:
        for r in range(n):
            label = source.labels[rows[r]] if source.labels != NULL else source.wide_labels[rows[r]]
            if <uint64_t> label >= <uint64_t> source.classes:
                label, status = 0, MF_OUT_OF_RANGE
            labels[r] = <int32_t> label
    if source.dense != NULL:
        status |= plan.kernels.gather(source.dense, source.dtype, plan.inputs, rows, n, known, plan.inputs, x)
    elif not plan.reads_csr:
        status |= plan.kernels.gather_csr(&source.csr, rows, n, plan.inputs, x)
    mf_raise(&step.bad, status)


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
