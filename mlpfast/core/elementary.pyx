"""exp, log and the others that activations and losses are made of, on arrays."""

cimport numpy as cnp

from libc.stdint cimport int64_t
from .memory cimport dtype_of
from .table cimport kernels_of, mf_kernels
from .table import FUNCTIONS

cnp.import_array()


def elementary(str name, x, out):
    """The function of each element of a C-contiguous float32 or float64 array, into `out`, which may be x."""
    cdef const mf_kernels *kernels = kernels_of(dtype_of(x))
    cdef int64_t n = x.size
    kernels.elementary(FUNCTIONS[name], cnp.PyArray_DATA(x), cnp.PyArray_DATA(out), n)
    return out
