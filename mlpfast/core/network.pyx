"""The forward pass of a network: one row without packing, many rows in panels."""

cimport numpy as cnp
import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memcpy
from .data cimport dtype_of, panels, panels_size, row_major
from .data import aligned_zeros, has_slack
from .hadamard cimport activate
from .linear cimport forward
from .table cimport (
    MF_FLOAT32, MF_IDENTITY, MF_NOT_FINITE, MF_OK, MF_OUT_OF_RANGE, MF_SOFTMAX, MF_UINT8, kernels_of, mf_matrix,
    mf_raise, mf_raised, parallel_for, thread_limit,
)
from .results import NotFiniteError
from .table import ACTIVATIONS

cnp.import_array()

cdef enum:
    PANEL_ROWS = 64     # their activations stay in L1 and L2 through all layers
    FEW_ROWS = 48       # up to here, reading W where it lies costs less than packing it
    SHARES = 4          # pieces of the rows for each thread, so that an early one can take more

# Work that a second thread has to have before it is asked, in multiply-adds; about 25 us.
cdef double WORTH_A_THREAD = 2e6
# Work between two looks at signals: a few milliseconds with vectors, less than 0.1 s without.
cdef double PIECE = 2e8


cdef void predict_share(void *context, int64_t i) noexcept nogil:
    """Rows [i share, (i + 1) share) of the piece, a panel at a time, through two buffers of the share's own."""
    cdef Rows *job = <Rows *> context
    cdef const mf_kernels *kernels = job.kernels
    cdef char *scratch = job.scratch + i * 2 * job.scratch_size
    cdef mf_matrix buffers[2]
    cdef mf_matrix h, nowhere
    cdef int64_t row = job.first + i * job.share, end = min(row + job.share, job.end), n
    cdef int l, side
    nowhere.data = NULL
    for side in range(2):
        buffers[side] = panels(kernels, scratch + side * job.scratch_size, PANEL_ROWS)
    while row < end:
        n = min(<int64_t> PANEL_ROWS, end - row)
        h = buffers[0]
        mf_raise(&job.bad, take_rows(job, row, n, &h))
        for l in range(job.n_layers):
            side = (l + 1) & 1
            forward(kernels, &job.layers[l].linear, h, nowhere, buffers[side], n)
            h = buffers[side]
        kernels.unpack(h, n, job.outputs, job.out + row * job.outputs * kernels.itemsize, job.outputs)
        row += n


cdef int take_rows(const Rows *job, int64_t row, int64_t n, mf_matrix *h) noexcept nogil:
    """Rows [row, row + n): where they lie or, copied, in the panels `h`. Returns an mf_status."""
    cdef const mf_kernels *kernels = job.kernels
    cdef const char *x
    if job.offsets != NULL:
        return kernels.gather_csr(job.values, job.x_dtype, job.columns,
                                  <const char *> job.offsets + row * (8 if job.index64 else 4), job.index64,
                                  job.stored, NULL, n, job.inputs, h[0])
    x = job.x + row * job.x_ld * itemsize(job.x_dtype)
    # In place only before another row, since vectors are read beyond the last column; a layer of less than a panel
    # gains nothing.
    if (job.x_dtype == kernels.dtype and n == PANEL_ROWS and row + n < job.rows
            and job.layers[0].linear.units >= kernels.nr):
        h[0] = row_major(kernels, <void *> x, job.x_ld)
        return MF_OK if kernels.all_finite(x, n * job.inputs) else MF_NOT_FINITE
    return kernels.gather(x, job.x_dtype, job.x_ld, NULL, n, job.rows - row, job.inputs, h[0])


cdef int64_t itemsize(int dtype) noexcept nogil:
    return 1 if dtype == MF_UINT8 else 4 if dtype == MF_FLOAT32 else 8


cdef class Network:
    """Layer sizes and activations over a flat parameter vector, which it does not own.

    Parameters
    ----------
    sizes : (inputs, units of the first layer, ...)
    activations : one (name, alpha) for each layer
    parameters : a vector of `aligned_zeros`, float32 or float64
    """

    def __init__(self, sizes, activations, parameters):
        self.sizes, self.activations = tuple(sizes), tuple(activations)
        self.n_layers = len(self.sizes) - 1
        self.kernels = kernels_of(dtype_of(parameters))
        self.parameters, self.flat = parameters, <char *> cnp.PyArray_DATA(parameters)
        self.typenum = cnp.PyArray_TYPE(parameters)
        self.layer_buffer = np.zeros(self.n_layers * sizeof(NetworkLayer), dtype=np.uint8)
        self.layers = <NetworkLayer *> cnp.PyArray_DATA(self.layer_buffer)
        self.inputs, self.outputs, self.widest = self.sizes[0], self.sizes[self.n_layers], max(self.sizes)
        cdef int64_t offset = 0
        cdef NetworkLayer *layer
        for l, (name, alpha) in enumerate(self.activations):
            layer = &self.layers[l]
            layer.linear.fan_in, layer.linear.units = self.sizes[l], self.sizes[l + 1]
            layer.linear.activation, layer.linear.alpha = ACTIVATIONS[name], alpha
            layer.linear.w = row_major(self.kernels, self.flat + offset * self.kernels.itemsize, layer.linear.units)
            layer.linear.skip_zeros = True
            layer.offset = offset
            offset += (layer.linear.fan_in + 1) * layer.linear.units
        self.n_parameters = offset
        if parameters.shape != (offset,) or not has_slack(parameters):
            raise ValueError(f"parameters: expected aligned_zeros({offset}), got an array of shape {parameters.shape}")
        cdef int64_t width = panels_size(self.kernels, 1, self.widest)
        self.row_buffer = aligned_zeros(2 * width, parameters.dtype)
        self.row[0] = <char *> cnp.PyArray_DATA(self.row_buffer)
        self.row[1] = self.row[0] + width * self.kernels.itemsize

    cdef void pack(self, NetworkLayer *layer, bint transposed) noexcept nogil:
        """Bring the layer's panels up to date with the flat vector."""
        cdef Linear *linear = &layer.linear
        cdef const char *w = self.flat + layer.offset * self.kernels.itemsize
        self.kernels.pack(w, linear.units, linear.fan_in + 1, linear.units, linear.w)
        if transposed:
            self.kernels.pack_transposed(w, linear.units, linear.fan_in, linear.units, linear.wt)

    cdef int predict_row(self, const void *x, void *out) noexcept nogil:
        cdef const mf_kernels *kernels = self.kernels
        cdef const Linear *linear
        cdef const void *h = x
        cdef mf_matrix s
        cdef int l
        if not kernels.all_finite(x, self.inputs):
            return MF_NOT_FINITE
        for l in range(self.n_layers):
            linear = &self.layers[l].linear
            if linear.activation == MF_SOFTMAX:
                kernels.row_forward(h, linear.w.data, self.row[l & 1], linear.fan_in, linear.units, MF_IDENTITY, 0)
                s = row_major(kernels, self.row[l & 1], linear.units)
                activate(kernels, MF_SOFTMAX, 0, s, s, 1, linear.units)
            else:
                kernels.row_forward(h, linear.w.data, self.row[l & 1], linear.fan_in, linear.units, linear.activation,
                                    linear.alpha)
            h = self.row[l & 1]
        memcpy(out, h, self.outputs * kernels.itemsize)
        return MF_OK

    def predict(self, X, out=None, n_threads=None):
        """Outputs (n, outputs) for X (n, inputs) or one row (inputs,), or None where X is not an array for it.

        For it is a C-contiguous, aligned NumPy array of float32, float64 or uint8. An `out` is C-contiguous, of the
        parameters' dtype and of the result's shape, or one row for one row.
        """
        cdef int64_t rows
        cdef int status
        if not (cnp.PyArray_CheckExact(X) and cnp.PyArray_ISCARRAY_RO(X)):
            return None
        cdef int ndim = cnp.PyArray_NDIM(X), typenum = cnp.PyArray_TYPE(X)
        if ndim == 1:
            rows = 1
        elif ndim == 2:
            rows = cnp.PyArray_DIM(X, 0)
        else:
            return None
        if cnp.PyArray_DIM(X, ndim - 1) != self.inputs or rows == 0:
            return None
        if typenum != self.typenum and typenum not in (cnp.NPY_FLOAT32, cnp.NPY_FLOAT64, cnp.NPY_UINT8):
            return None
        out = self.output(out, rows)
        if rows == 1 and typenum == self.typenum:
            status = self.predict_row(cnp.PyArray_DATA(X), cnp.PyArray_DATA(out))
            if status == MF_NOT_FINITE:
                raise NotFiniteError
            return out
        cdef Rows job
        job.offsets = NULL
        job.x, job.x_dtype, job.x_ld = <const char *> cnp.PyArray_DATA(X), dtype_of(X), self.inputs
        self.predict_rows(&job, rows, out, n_threads)
        return out

    def predict_csr(self, triple, out=None, n_threads=None):
        """Outputs for a CSR triple (values, columns, offsets)."""
        values, columns, offsets = triple
        cdef Rows job
        cdef int64_t rows = offsets.shape[0] - 1
        out = self.output(out, rows)
        job.x_dtype, job.x, job.x_ld = dtype_of(values), NULL, 0
        job.values, job.columns = cnp.PyArray_DATA(values), cnp.PyArray_DATA(columns)
        job.offsets, job.index64 = cnp.PyArray_DATA(offsets), offsets.dtype.itemsize == 8
        job.stored = min(values.shape[0], columns.shape[0])
        self.predict_rows(&job, rows, out, n_threads)
        return out

    cdef object output(self, object out, int64_t rows):
        cdef cnp.npy_intp shape[2]
        shape[0], shape[1] = rows, self.outputs
        if out is None:
            return cnp.PyArray_EMPTY(2, shape, self.typenum, 0)
        if not (cnp.PyArray_Check(out) and cnp.PyArray_ISCARRAY(out) and cnp.PyArray_TYPE(out) == self.typenum
                and (cnp.PyArray_NDIM(out) == 2 or (cnp.PyArray_NDIM(out) == 1 and rows == 1))
                and cnp.PyArray_DIM(out, cnp.PyArray_NDIM(out) - 1) == self.outputs
                and cnp.PyArray_SIZE(out) == rows * self.outputs):
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ValueError(
                f"out: expected a writable C-contiguous {self.parameters.dtype} array of shape "
                f"({rows}, {self.outputs}), got {got}"
            )
        return out

    cdef int predict_rows(self, Rows *job, int64_t rows, object out, object n_threads) except -1:
        """Rows by panels; W is packed first where there are enough rows to pay for it."""
        cdef const mf_kernels *kernels = self.kernels
        cdef int threads = thread_limit(n_threads), l
        cdef int64_t shares, piece, panel, packed = 0
        layer_buffer = self.layer_buffer.copy()
        cdef NetworkLayer *layers = <NetworkLayer *> cnp.PyArray_DATA(layer_buffer)
        if rows * <double> self.n_parameters < 2 * WORTH_A_THREAD:
            threads = 1
        # A piece at a time, with a look at signals after each.
        piece = min(rows, max(1, <int64_t> (PIECE / self.n_parameters) // PANEL_ROWS) * PANEL_ROWS)
        panel = (piece + PANEL_ROWS - 1) // PANEL_ROWS
        shares = 1 if threads == 1 else min(panel, <int64_t> threads * SHARES)
        job.kernels, job.layers, job.n_layers = kernels, layers, self.n_layers
        job.out, job.rows, job.inputs, job.outputs = <char *> cnp.PyArray_DATA(out), rows, self.inputs, self.outputs
        job.bad = MF_OK
        job.scratch_size = panels_size(kernels, PANEL_ROWS, self.widest) * kernels.itemsize
        if rows > FEW_ROWS:
            for l in range(self.n_layers):
                packed += panels_size(kernels, layers[l].linear.fan_in + 1, layers[l].linear.units)
        scratch = aligned_zeros(shares * 2 * job.scratch_size + packed * kernels.itemsize, np.uint8)
        job.scratch = <char *> cnp.PyArray_DATA(scratch)
        cdef char *room = job.scratch + shares * 2 * job.scratch_size
        with nogil:
            if rows > FEW_ROWS:
                for l in range(self.n_layers):
                    layers[l].linear.w = panels(kernels, room, layers[l].linear.fan_in + 1)
                    room += (panels_size(kernels, layers[l].linear.fan_in + 1, layers[l].linear.units)
                             * kernels.itemsize)
                    self.pack(&layers[l], False)
        job.end = 0
        while job.end < rows:
            job.first, job.end = job.end, min(job.end + piece, rows)
            panel = (job.end - job.first + PANEL_ROWS - 1) // PANEL_ROWS
            job.share = (panel + shares - 1) // shares * PANEL_ROWS
            with nogil:
                parallel_for((job.end - job.first + job.share - 1) // job.share, threads, predict_share, job,
                             (job.end - job.first) * <double> self.n_parameters)
            if job.end < rows:
                PyErr_CheckSignals()
        if mf_raised(&job.bad) & MF_OUT_OF_RANGE:
            raise ValueError(f"X: expected a CSR matrix of {self.inputs} columns that nobody changes while it is read")
        if mf_raised(&job.bad):
            raise NotFiniteError
        return 0
