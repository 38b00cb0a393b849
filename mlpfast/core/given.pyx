"""The caller's arrays, as a step reads them.

Shapes and dtypes are looked at here. What the arrays say about each other is looked at as they are read.
"""

cimport numpy as cnp

from libc.stdint cimport int32_t

from .memory cimport csr_of, dtype_of
from .results import BadCodeError, NotFiniteError
from .table cimport MF_NOT_FINITE, MF_OUT_OF_RANGE, mf_raised

cnp.import_array()


cdef int64_t point_at_rows(Step *step, X, int64_t inputs) except -1:
    """Rows of data, which the caller holds; returns how many there are."""
    cdef int64_t rows
    cdef cnp.ndarray dense
    if isinstance(X, tuple):
        values, columns, offsets = X
        rows = offsets.shape[0] - 1
        step.source.csr = csr_of(values, columns, offsets)
    else:
        dense = X
        if dense.ndim != 2 or dense.shape[1] != inputs or not cnp.PyArray_ISCARRAY_RO(dense):
            raise ValueError(f"X: expected a C-contiguous, aligned, native array (rows, {inputs}), got {described(X)}")
        rows = dense.shape[0]
        step.source.dtype, step.source.dense = dtype_of(dense), <const char *> cnp.PyArray_DATA(dense)
    if rows < 1:
        raise ValueError("X: expected at least one row, got none")
    step.source.rows = rows
    return rows


cdef int point_at_targets(Step *step, cnp.ndarray y, int64_t rows, int64_t targets, int kind) except -1:
    """Targets of so many rows, which the caller holds, for the loss of the step's plan; `kind` is the parameters'."""
    cdef int kind_of_y = cnp.PyArray_TYPE(y)
    if y.ndim == 1 and kind_of_y in (cnp.NPY_INT32, cnp.NPY_INT64):
        step.source.classes = step.plan.classes
        if kind_of_y == cnp.NPY_INT32:
            step.source.labels = <const int32_t *> cnp.PyArray_DATA(y)
        else:
            step.source.wide_labels = <const int64_t *> cnp.PyArray_DATA(y)
    elif kind_of_y != kind or y.ndim != 2 or y.shape[1] != targets:
        raise ValueError(f"y: expected shape {(rows, targets)}, got {described(y)}")
    else:
        step.targets.dense = cnp.PyArray_DATA(y)
    if y.shape[0] != rows or not cnp.PyArray_ISCARRAY_RO(y):
        raise ValueError(f"y: expected a C-contiguous, aligned, native array of {rows} rows, got {described(y)}")
    step.targets.smoothing, step.targets.each = step.plan.label_smoothing, step.plan.each
    return 0


cdef object bad_data(const Step *step, X, y, order, int64_t inputs):
    """The error for what was found in them; y may be None."""
    if mf_raised(&step.bad) & MF_OUT_OF_RANGE:
        return ValueError(out_of_range(X, y, order, inputs, step.source.classes))
    return NotFiniteError() if mf_raised(&step.bad) & MF_NOT_FINITE else BadCodeError()


cdef object described(array):
    """For errors: kind, shape, and what keeps compiled code from reading it."""
    faults = [
        name
        for name, well in (("not contiguous", array.flags.c_contiguous), ("not aligned", array.flags.aligned))
        if not well
    ]
    return ", ".join([f"{array.dtype} of shape {array.shape}", *faults])


cdef object out_of_range(X, y, order, int64_t inputs, int64_t classes):
    """What is wrong with arrays that a step found to lead beyond each other."""
    rows = X[2].shape[0] - 1 if isinstance(X, tuple) else X.shape[0]
    if order is not None and (order.min() < 0 or order.max() >= rows):
        return f"order: expected row indices from 0 to {rows - 1}, got {order.min()} to {order.max()}"
    if y is not None and y.ndim == 1 and (y.min() < 0 or y.max() >= classes):
        return f"y: expected class indices from 0 to {classes - 1}, got {y.min()} to {y.max()}"
    if isinstance(X, tuple):
        return (
            f"X: expected the rows of a CSR matrix with {inputs} columns, got column or row indices beyond its shape, "
            "or out of order"
        )
    return "X, y and order: expected arrays that nobody changes while they are read"
