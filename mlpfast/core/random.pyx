"""Random numbers by counter: each depends on its seed, purpose, step and place alone, not on who draws it."""

cimport numpy as cnp
import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t
from . cimport table
from .table cimport MF_RNG_INITIALIZE, MF_RNG_RUNS, MF_RNG_SHUFFLE, MF_RNG_SPLIT

cnp.import_array()

# What they are drawn for: numbers of different purposes are independent.
SHUFFLE = MF_RNG_SHUFFLE
INITIALIZE = MF_RNG_INITIALIZE
SPLIT = MF_RNG_SPLIT
RUNS = MF_RNG_RUNS


def permutation(uint64_t seed, uint32_t purpose, uint64_t step, Py_ssize_t n):
    """A random permutation of ``range(n)``, the same for the same arguments: int64 (n,)."""
    cdef cnp.ndarray[cnp.int64_t] out = np.empty(n, dtype=np.int64)
    with nogil:
        table.permutation(seed, purpose, step, n, <int64_t *> cnp.PyArray_DATA(out))
    return out


def uniform(uint64_t seed, uint32_t purpose, uint64_t step, Py_ssize_t n, Py_ssize_t start=0):
    """Numbers [start, start + n) of a sequence of uniform ones in [0, 1), start even: float64 (n,)."""
    cdef cnp.ndarray[cnp.float64_t] out = np.empty(n, dtype=np.float64)
    with nogil:
        table.uniform(seed, purpose, step, start, n, <double *> cnp.PyArray_DATA(out))
    return out


def normal(uint64_t seed, uint32_t purpose, uint64_t step, Py_ssize_t n, Py_ssize_t start=0):
    """Numbers [start, start + n) of a sequence of standard normal ones, start even: float64 (n,)."""
    cdef cnp.ndarray[cnp.float64_t] out = np.empty(n, dtype=np.float64)
    with nogil:
        table.normal(seed, purpose, step, start, n, <double *> cnp.PyArray_DATA(out))
    return out
