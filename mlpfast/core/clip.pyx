"""Clipping by the norm of the whole gradient, between its tiles and those of the update.

The norm is of float64 sums of squares over spans of the flat vector, and of these in their order: neither tiles nor
threads show in it.
"""

from libc.math cimport sqrt
from libc.stdint cimport int64_t
from .table cimport mf_kernels, parallel_for


cdef void clip_norm(Step *step, int threads, double work) noexcept nogil:
    """The norm, and with it what the update multiplies the gradient by. Penalties are in it already."""
    cdef int64_t spans = n_spans(step.plan.n_parameters), i
    cdef double total = 0
    cdef int r
    if not step.updates:
        return
    parallel_for(spans, threads, sum_squares, step, work)
    for i in range(spans):
        total += step.squares[i]
    step.norm = sqrt(total)
    for r in range(step.plan.n_rules):
        step.rules[r].l1 = step.rules[r].l2 = 0
        if step.norm > step.clip_norm:
            step.rules[r].clips, step.rules[r].factor = True, step.clip_norm / step.norm


cdef void sum_squares(void *context, int64_t i) noexcept nogil:
    cdef Step *step = <Step *> context
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef int64_t first = i * SPAN
    step.squares[i] = kernels.penalty(0, 2, step.gradient + first * kernels.itemsize,   # 2/2 of the squares' sum
                                      min(<int64_t> SPAN, step.plan.n_parameters - first))
