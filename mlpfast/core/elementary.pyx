"""exp, log and the others that activations and losses are made of, on arrays."""

cimport numpy as cnp

from libc.stdint cimport int64_t
from .data cimport dtype_of
from .table cimport (
    MF_ERF, MF_EXP, MF_EXPM1, MF_LOG, MF_LOG1P, MF_SIGMOID_FUNCTION, MF_TANH_FUNCTION, kernels_of, mf_kernels,
)

cnp.import_array()

FUNCTIONS = {
    "exp": MF_EXP,
    "expm1": MF_EXPM1,
    "log": MF_LOG,
    "log1p": MF_LOG1P,
    "tanh": MF_TANH_FUNCTION,
    "sigmoid": MF_SIGMOID_FUNCTION,
    "erf": MF_ERF,
}


def elementary(str name, x, out):
    """The function of each element of a C-contiguous float32 or float64 array, into `out`, which may be x."""
    cdef const mf_kernels *kernels = kernels_of(dtype_of(x))
    cdef int64_t n = x.size
    kernels.elementary(FUNCTIONS[name], cnp.PyArray_DATA(x), cnp.PyArray_DATA(out), n)
    return out
