"""Memory and its layouts: aligned vectors, row-major arrays, panels; columns of tables, and rows of these."""

cimport numpy as cnp
import numpy as np

from cpython.dict cimport PyDict_GetItemWithError
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLong
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.math cimport isnan
from libc.string cimport memset
from .table cimport (
    MF_FLOAT32, MF_FLOAT64, MF_INT16, MF_UINT8, encode, kernels_of, mf_table_column, thread_limit,
)

cnp.import_array()

# A register tile's panel may be read beyond the last parameter: the widest is 4 x 64 bytes.
# Inner products take float64 sums of spans, as the norm of a gradient does (clip.pyx).
cdef enum:
    ALIGNMENT = 64
    SLACK = 256
    SPAN = 1024
    CHAINS = 16
    KNOWN = 256     # objects whose codes are at hand


def aligned_zeros(Py_ssize_t n, dtype):
    """A 1-D array of zeros that starts on a cache line and is readable for 256 bytes beyond its end."""
    cdef Py_ssize_t size = n * np.dtype(dtype).itemsize
    # NumPy asks the system for huge pages for what empty() returns, not for what zeros() returns.
    buffer = np.empty(size + ALIGNMENT + SLACK, dtype=np.uint8)
    buffer.fill(0)
    cdef Py_ssize_t start = -(<Py_ssize_t> cnp.PyArray_DATA(buffer)) & (ALIGNMENT - 1)
    return buffer[start:start + size].view(dtype)


def has_slack(array):
    """Whether `array` is a whole vector of :func:`aligned_zeros`, which kernels may read beyond its end."""
    base = array.base
    if not (isinstance(base, np.ndarray) and base.dtype == np.uint8 and array.ndim == 1 and array.flags.c_contiguous):
        return False
    end = array.ctypes.data + array.nbytes
    return base.ctypes.data + base.nbytes >= end + SLACK


cdef int dtype_of(object array) except -1:
    cdef int kind = cnp.PyArray_TYPE(array)
    if kind == cnp.NPY_FLOAT32:
        return MF_FLOAT32
    if kind == cnp.NPY_FLOAT64:
        return MF_FLOAT64
    if kind == cnp.NPY_UINT8:
        return MF_UINT8
    if kind == cnp.NPY_INT16:
        return MF_INT16
    raise TypeError(f"expected an array of float32, float64, uint8 or int16, got {array.dtype}")


cdef mf_csr csr_of(values, columns, offsets) except *:
    """A CSR triple of arrays, which the caller holds; columns and offsets are int32 or int64."""
    cdef mf_csr x
    for name, array in (("values", values), ("columns", columns), ("offsets", offsets)):
        if array.ndim != 1 or not cnp.PyArray_ISCARRAY_RO(array):
            raise ValueError(
                f"X: expected {name} of CSR rows as a contiguous vector, aligned and native, "
                f"got {array.dtype} {array.shape}"
            )
    if columns.dtype != offsets.dtype or columns.dtype not in (np.int32, np.int64):
        raise ValueError(
            f"X: expected columns and offsets both int32 or both int64, got {columns.dtype} and {offsets.dtype}"
        )
    x.values, x.columns, x.offsets = cnp.PyArray_DATA(values), cnp.PyArray_DATA(columns), cnp.PyArray_DATA(offsets)
    x.stored = min(values.shape[0], columns.shape[0])
    x.dtype, x.index64 = dtype_of(values), offsets.dtype.itemsize == 8
    return x


cdef mf_matrix panels(const mf_kernels *kernels, void *data, int64_t rows) noexcept nogil:
    cdef mf_matrix m
    m.data, m.row_stride, m.panel_stride = data, kernels.nr, panel_stride(kernels, rows)
    return m


cdef int64_t panel_stride(const mf_kernels *kernels, int64_t rows) noexcept nogil:
    """One cache line more than the rows need: the panels of a row would share a few cache sets otherwise."""
    return rows * kernels.nr + ALIGNMENT // kernels.itemsize


cdef int64_t panels_size(const mf_kernels *kernels, int64_t rows, int64_t cols) noexcept nogil:
    """Elements of a panelled matrix."""
    return (cols + kernels.nr - 1) // kernels.nr * panel_stride(kernels, rows)


cdef class Panels:
    def __init__(self, array, Py_ssize_t rows=-1, Py_ssize_t cols=-1, dtype=None):
        """Copy a 2-D C-contiguous `array`, or, if it is None, make room for (rows, cols) of `dtype`."""
        if array is not None:
            rows, cols, dtype = array.shape[0], array.shape[1], array.dtype
        self.kernels = kernels_of(MF_FLOAT32 if dtype == np.float32 else MF_FLOAT64)
        self.rows, self.cols = rows, cols
        cdef int64_t capacity = (rows + self.kernels.mr - 1) // self.kernels.mr * self.kernels.mr
        self.buffer = aligned_zeros(panels_size(self.kernels, capacity, cols), dtype)
        self.matrix = panels(self.kernels, cnp.PyArray_DATA(self.buffer), capacity)
        if array is not None:
            self.kernels.pack(cnp.PyArray_DATA(array), cols, rows, cols, self.matrix)

    def unpack(self, out=None):
        """The matrix as a row-major array."""
        if out is None:
            out = np.empty((self.rows, self.cols), dtype=self.buffer.dtype)
        self.kernels.unpack(self.matrix, self.rows, self.cols, cnp.PyArray_DATA(out), self.cols)
        return out


def all_finite(array):
    """Whether a C-contiguous float32 or float64 array holds neither NaN nor infinity."""
    cdef const mf_kernels *kernels = kernels_of(dtype_of(array))
    cdef int64_t n = array.size
    cdef const void *p = cnp.PyArray_DATA(array)
    cdef int finite
    with nogil:
        finite = kernels.all_finite(p, n)
    return bool(finite)


def dot(a, b):
    """The inner product of two C-contiguous float64 vectors.

    Sums of spans of 1,024 products are added in their order, so that it has the same bits on every machine.
    """
    for array in (a, b):
        if cnp.PyArray_TYPE(array) != cnp.NPY_FLOAT64 or array.ndim != 1 or not cnp.PyArray_ISCARRAY_RO(array):
            raise ValueError(f"dot: expected a contiguous float64 vector, got {array.dtype} {array.shape}")
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"dot: expected two vectors of one length, got {a.shape[0]} and {b.shape[0]} elements")
    cdef int64_t n = a.shape[0], first = 0
    cdef const double *x = <const double *> cnp.PyArray_DATA(a)
    cdef const double *y = <const double *> cnp.PyArray_DATA(b)
    cdef double total = 0
    with nogil:
        while first < n:
            total += sum_products(x + first, y + first, min(<int64_t> SPAN, n - first))
            first += SPAN
    return total


cdef double sum_products(const double *x, const double *y, int64_t n) noexcept nogil:
    cdef double sums[CHAINS]    # of every 16th product: enough to hide an addition's latency
    cdef int64_t i = 0, whole = n - n % CHAINS
    cdef int c, half = CHAINS // 2
    for c in range(CHAINS):
        sums[c] = 0
    while i < whole:
        for c in range(CHAINS):
            sums[c] += x[i + c] * y[i + c]
        i += CHAINS
    for c in range(n - whole):
        sums[c] += x[whole + c] * y[whole + c]
    while half > 0:
        for c in range(half):
            sums[c] += sums[c + half]
        half //= 2
    return sums[0]


def codes_of_strings(cnp.ndarray values not None):
    """The strings that occur among objects (n,), in their order, and which of them each is: int64 (n,), -1 for None and
    NaN. None in place of both where there is anything else.

    Of a table that was read from a file, many rows share an object: for these no hash is computed.
    """
    cdef int64_t i, code
    cdef const char *data = <const char *> cnp.PyArray_DATA(values)
    cdef cnp.ndarray codes = np.empty(cnp.PyArray_DIM(values, 0), np.int64)
    cdef int64_t *out = <int64_t *> cnp.PyArray_DATA(codes)
    cdef PyObject *known[KNOWN]
    cdef int64_t known_codes[KNOWN]
    cdef PyObject *item
    cdef PyObject *found
    cdef dict numbered = {}
    cdef int slot
    memset(known, 0, sizeof(known))
    for i in range(cnp.PyArray_DIM(values, 0)):
        item = (<PyObject **> (data + i * cnp.PyArray_STRIDE(values, 0)))[0]
        slot = (<size_t> item >> 4) % KNOWN
        if item == NULL:    # NumPy's None
            known[slot], known_codes[slot] = NULL, -1
        elif item != known[slot]:
            code = -1
            if PyUnicode_CheckExact(<object> item):
                found = PyDict_GetItemWithError(numbered, <object> item)
                code = len(numbered) if found == NULL else PyLong_AsLongLong(<object> found)
                if found == NULL:
                    numbered[<object> item] = code
            elif <object> item is not None and not (PyFloat_CheckExact(<object> item)
                                                    and isnan(PyFloat_AS_DOUBLE(<object> item))):
                return None
            known[slot], known_codes[slot] = item, code
        out[i] = known_codes[slot]
    return tuple(numbered), codes


def encode_columns(cnp.ndarray columns not None, cnp.ndarray out not None, n_threads=None):
    """Write rows (rows, columns that they become) of float32, C-contiguous, of columns that are described as
    mf_table_column."""
    cdef int threads = thread_limit(n_threads)
    with nogil:
        encode(<const mf_table_column *> cnp.PyArray_DATA(columns), cnp.PyArray_DIM(columns, 0),
               cnp.PyArray_DIM(out, 0), <float *> cnp.PyArray_DATA(out), threads)
