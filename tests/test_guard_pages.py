"""Predictions touch nothing beyond the caller's arrays, although they read rows where they lie, a vector at a time.

Run as a script, this file predicts between pages that may not be touched; what strays ends the process.
"""

import ctypes
import itertools
import mmap
import sys

import numpy as np
import pytest
from isas import run_under

import mlpfast as mf
from mlpfast.core.table import available_isas

PAGE, PROT_NONE = mmap.PAGESIZE, 0


def guarded(shape, dtype, at_the_end):
    """An array that ends, or begins, at a page that may not be touched."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    pages = -(-size // PAGE) * PAGE
    memory = mmap.mmap(-1, pages + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for guard in (start, start + PAGE + pages):
        if libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), PROT_NONE) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE + (pages - size if at_the_end else 0)
    return np.frombuffer(memory, dtype, size // np.dtype(dtype).itemsize, offset).reshape(shape)


def predict_between_guards():
    rng = np.random.default_rng(0)
    for dtype, inputs, units in itertools.product((np.float32, np.float64), (3, 33, 50, 63, 64, 100), (33, 64, 130)):
        model = mf.mlp([inputs, units, 3], "relu", dtype=dtype, seed=0)
        for rows, zeros, at_the_end in itertools.product((64, 65, 128, 129), (0, 0.7), (False, True)):
            X = guarded((rows, inputs), dtype, at_the_end)
            out = guarded((rows, 3), dtype, at_the_end)
            X[:] = rng.normal(size=X.shape) * (rng.random(X.shape) >= zeros)
            model.predict(X, out=out)


@pytest.mark.skipif(sys.platform != "linux", reason="calls mprotect()")
@pytest.mark.parametrize("isa", available_isas())
def test_predictions_stay_inside(isa):
    run_under(isa, __file__)


if __name__ == "__main__":
    predict_between_guards()
