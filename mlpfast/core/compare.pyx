"""The output of a block of rows against its targets: metrics, loss and delta."""

from libc.stdint cimport int64_t
from .hadamard cimport activate, propagate
from .layers.block cimport of_block, saved
from .plan cimport Plan
from .table cimport MF_FLOAT32, mf_kernels, mf_matrix, mf_targets, mf_value


cdef void compare(Step *step, const mf_block *block, int64_t r0) noexcept nogil:
    """Metrics and loss of the rows and, on the way back, the output's delta."""
    cdef const Plan *plan = step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef const mf_value *output = step.schedule.output
    cdef mf_matrix h = of_block(output.h, block), delta = of_block(output.delta, block), predictions = h
    cdef mf_targets targets = step.targets
    cdef double threshold = 0 if plan.fused else 0.5
    cdef int m
    targets.rows = block.index
    if targets.dense == NULL:
        targets.labels = plan.labels + r0
    if plan.predictions.data != NULL and (step.n_metrics > 0 or step.kept != NULL):
        predictions = of_block(plan.predictions, block)
        activate(kernels, plan.output_activation, plan.output_alpha, h, predictions, block.rows, output.columns)
        threshold = 0.5
    for m in range(step.n_metrics):
        kernels.metric(step.metrics[m], threshold, step.metric_numbers[m], predictions, &targets, block.rows,
                       output.columns, step.row_metric + m * plan.capacity + r0)
    if step.kept != NULL:
        kernels.unpack(predictions, block.rows, output.columns,
                       step.kept + (step.first + r0) * output.columns * kernels.itemsize, output.columns)
    if not step.schedule.goes_back:
        delta.data = NULL
    if plan.c_loss != NULL:
        call_c_loss(step, block, r0, h, delta)
    elif not plan.calls:        # else `called.call_loss` has made both
        kernels.loss(plan.loss, &plan.loss_options, h, &targets, block.rows, output.columns, step.scale, delta,
                     plan.row_loss + r0)
    if delta.data != NULL and not plan.fused:
        propagate(kernels, output.activation, output.alpha, delta, saved(output, block), delta, block.rows,
                  output.columns)


cdef void call_c_loss(const Step *step, const mf_block *block, int64_t r0, mf_matrix h, mf_matrix delta) noexcept nogil:
    """The same by somebody else's function, which sees row-major doubles; weights and scale are ours."""
    cdef const Plan *plan = step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef int64_t n = block.rows, columns = step.schedule.output.columns, targets = 1, r, c, i, row
    cdef const char *dense = <const char *> step.targets.dense
    if dense != NULL:
        targets = columns // plan.each
    # The rows of the arena's that are the block's: outputs, gradient, targets.
    cdef double *outputs = plan.doubles + r0 * (2 * columns + targets)
    cdef double *gradient = outputs + n * columns
    cdef double *y = gradient + n * columns
    for r in range(n):
        for c in range(targets):
            row = block.index[r] * targets + c
            if dense == NULL:
                y[r] = plan.labels[r0 + r]
            else:
                y[r * targets + c] = number(kernels, dense, row)
    kernels.unpack(h, n, columns, gradient, columns)
    for i in range(n * columns):
        outputs[i] = number(kernels, <const char *> gradient, i)
    plan.c_loss(n, columns, targets, y, outputs, plan.row_loss + r0, gradient)
    cdef double weight
    for r in range(n):
        weight = step.targets.weights[block.index[r]] if step.targets.weights != NULL else 1
        plan.row_loss[r0 + r] *= weight
        for c in range(columns):
            i = r * columns + c
            if kernels.dtype == MF_FLOAT32:
                (<float *> outputs)[i] = <float> (weight * step.scale * gradient[i])
            else:
                outputs[i] = weight * step.scale * gradient[i]
    if delta.data != NULL:
        kernels.pack(outputs, columns, n, columns, delta)


cdef inline double number(const mf_kernels *kernels, const char *numbers, int64_t i) noexcept nogil:
    return (<const float *> numbers)[i] if kernels.dtype == MF_FLOAT32 else (<const double *> numbers)[i]
