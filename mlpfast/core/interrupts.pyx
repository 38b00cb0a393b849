"""What ends an epoch between two steps: a signal, whose handler is a Python function, and the deadline."""

from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject, Py_INCREF
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from .call cimport DEADLINE, DONE, INTERRUPTED
from .table cimport flush_denormals, set_float_mode

cdef double SECONDS_BETWEEN_SIGNAL_CHECKS = 0.05


cdef void listen(Step *step) noexcept nogil:
    """From now on, unless it has been done before."""
    if step.next_signal_check == 0:
        step.next_signal_check = now() + SECONDS_BETWEEN_SIGNAL_CHECKS


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
