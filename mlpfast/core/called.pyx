"""A loss that is a Python function: called between two phases along rows, with all rows of the chunk at once.

A further term of the loss is called once a batch's gradient is there, and adds its own. Only who has such a loss, or
such a term, pays for the interpreter.
"""

cimport numpy as cnp
import numpy as np

from cpython.ref cimport PyObject, Py_INCREF
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy
from .plan cimport AHEAD, Plan
from .table cimport MF_FLOAT32, flush_denormals, mf_value, set_float_mode

cnp.import_array()


cdef void call_loss(Step *step) noexcept nogil:
    """Each row's loss, and the derivative by its outputs, weighted. What the function raises is the step's error."""
    call_python(step, call)


cdef void call_term(Step *step) noexcept nogil:
    """The term's sum over the batch's rows; the gradient of its mean is added to that of the step."""
    call_python(step, add_term)


cdef void call_python(Step *step, int (*function)(Step *) except -1) noexcept nogil:
    """In the caller's float mode."""
    cdef uint64_t mode = flush_denormals()
    set_float_mode(step.float_mode)
    with gil:
        try:
            function(step)
        except BaseException as error:
            Py_INCREF(error)
            step.error = <PyObject *> error
    set_float_mode(mode)


cdef int add_term(Step *step) except -1:
    cdef const Plan *plan = step.plan
    cdef int64_t n = step.first_row + step.rows, first = step.first - step.first_row, r
    cdef cnp.npy_intp size = plan.n_parameters
    rows = np.empty(n, np.int64)
    cdef int64_t *index = <int64_t *> cnp.PyArray_DATA(rows)
    for r in range(n):
        index[r] = step.source.order[first + r] if step.source.order != NULL else first + r
    kind = cnp.NPY_FLOAT32 if plan.kernels.dtype == MF_FLOAT32 else cnp.NPY_FLOAT64
    gradient = cnp.PyArray_SimpleNewFromData(1, &size, kind, step.gradient)
    step.term_loss = (<object> step.term).add(rows, step.scale, gradient)
    return 0


cdef int call(Step *step) except -1:
    cdef const Plan *plan = step.plan
    cdef const mf_value *value = step.schedule.output
    cdef int64_t n = step.rows, columns = value.columns, r
    loss = <object> step.called
    dtype = np.dtype(np.float32 if plan.kernels.dtype == MF_FLOAT32 else np.float64)
    rows = np.empty(n, np.int64)
    cdef int64_t *index = <int64_t *> cnp.PyArray_DATA(rows)
    for r in range(n):
        index[r] = plan.rows[r // plan.block_rows * (plan.block_rows + AHEAD) + r % plan.block_rows]
    outputs = np.empty((n, columns), dtype)
    plan.kernels.unpack(value.h, n, columns, cnp.PyArray_DATA(outputs), columns)
    values, gradient = loss.called(targets_of(step, index, dtype), outputs)
    weights = np.ones(n) if step.targets.weights == NULL else weights_of(step, index)
    values = values * weights
    memcpy(plan.row_loss, cnp.PyArray_DATA(values), n * sizeof(double))
    if step.schedule.goes_back and value.delta.data != NULL:
        gradient = np.ascontiguousarray((weights * step.scale)[:, None] * gradient, dtype)
        plan.kernels.pack(cnp.PyArray_DATA(gradient), columns, n, columns, value.delta)
    return 0


cdef object targets_of(const Step *step, const int64_t *index, object dtype):
    """Targets of the chunk's rows, as `mlpfast.validation.as_targets` has them."""
    cdef const Plan *plan = step.plan
    cdef int64_t n = step.rows, r, size
    if step.targets.dense == NULL:
        y = np.empty(n, np.int32)
        memcpy(cnp.PyArray_DATA(y), plan.labels, n * sizeof(int32_t))
        return y
    y = np.empty((n, step.schedule.output.columns // plan.each), dtype)
    size = y.strides[0]
    for r in range(n):
        memcpy(<char *> cnp.PyArray_DATA(y) + r * size, <const char *> step.targets.dense + index[r] * size, size)
    return y


cdef object weights_of(const Step *step, const int64_t *index):
    cdef int64_t r
    weights = np.empty(step.rows)
    cdef double *to = <double *> cnp.PyArray_DATA(weights)
    for r in range(step.rows):
        to[r] = step.targets.weights[index[r]]
    return weights
