"""Prediction: one row without packing, many rows in blocks."""

cimport numpy as cnp
import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport floor
from libc.string cimport memcpy
from .memory cimport csr_of, dtype_of, panels, panels_size, row_major
from .memory import aligned_zeros, has_slack
from .plan cimport check_room, reserve, set_layers, set_tile, set_values, takes_csr
from .table cimport (
    MF_BAD_CODE, MF_FLOAT32, MF_INT16, MF_NOT_FINITE, MF_OK, MF_OUT_OF_RANGE, MF_UINT8, kernels_of, mf_block, mf_csr,
    mf_matrix, mf_raise, mf_raised, parallel_for, thread_limit,
)
from .results import BadCodeError, NotAdaptedError, NotFiniteError

cnp.import_array()

cdef enum:
    BLOCK_ROWS = 64         # at most: their activations stay in L1 and L2 through all layers
    LEAST_ROWS = 16         # a multiple of every kernel's mr
    LINE = 64
    FEW_ROWS = 48           # up to here, reading W where it lies costs less than packing it
    SHARES = 4              # pieces of the rows for each thread, so that an early one can take more
    BLOCK_BYTES = 4194304   # of a block's rows of one value, about
    SCRATCH_BYTES = 67108864    # of all shares, about; wide rows have fewer shares
    LARGE = 1048576         # parameters of a tensor, whose packing takes milliseconds

# Work that a second thread has to have before it is asked, in multiply-adds; about 25 us.
cdef double WORTH_A_THREAD = 2e6
# A thread's work between two looks at signals: a few milliseconds with vectors, some 0.1 s without.
cdef double PIECE = 2e8


cdef void predict_share(void *context, int64_t i) noexcept nogil:
    """Rows [i share, (i + 1) share) of the piece, a block at a time, through the share's own memory."""
    cdef Rows *job = <Rows *> context
    cdef const mf_kernels *kernels = job.kernels
    cdef const mf_layer *layer
    cdef int64_t row = job.first + i * job.share, end = min(row + job.share, job.end)
    cdef mf_matrix h = job.output.h     # an offset
    cdef mf_block block
    cdef mf_csr csr
    cdef int l
    block.kernels, block.first, block.bad = kernels, 0, &job.bad
    block.csr, block.index = &csr if job.reads_csr else NULL, NULL
    block.shift = <Py_ssize_t> (job.scratch + i * job.scratch_size)
    h.data = <char *> h.data + block.shift
    while row < end:
        block.rows = min(job.block_rows, end - row)
        if job.reads_csr:
            csr = csr_from(job, row)
        else:
            block.x = panels(kernels, job.x_scratch + (0 if job.in_place else i * job.x_size), job.x_rows)
            mf_raise(&job.bad, take_rows(job, row, block.rows, &block.x))
        for l in range(job.n_layers):
            layer = &job.layers[l]
            layer.kind.forward(layer, &block)
        kernels.unpack(h, block.rows, job.output.columns, job.out + row * job.output.columns * kernels.itemsize,
                       job.output.columns)
        row += block.rows


cdef int take_rows(const Rows *job, int64_t row, int64_t n, mf_matrix *x) noexcept nogil:
    """Rows [row, row + n): where they lie or, copied, in the panels `x`. Returns an mf_status."""
    cdef const mf_kernels *kernels = job.kernels
    cdef const char *source
    cdef mf_csr csr
    if job.x == NULL:
        csr = csr_from(job, row)
        return kernels.gather_csr(&csr, NULL, n, job.inputs, x[0])
    source = job.x + row * job.x_ld * itemsize(job.x_dtype)
    if job.in_place and n == job.block_rows and row + n < job.rows:     # else vectors might be read beyond the last row
        x[0] = row_major(kernels, <void *> source, job.x_ld)
        return MF_OK if kernels.all_finite(source, n * job.inputs) else MF_NOT_FINITE
    return kernels.gather(source, job.x_dtype, job.x_ld, NULL, n, job.rows - row, job.inputs, x[0])


cdef mf_csr csr_from(const Rows *job, int64_t row) noexcept nogil:
    """The rows from `row` on."""
    cdef mf_csr csr = job.csr
    csr.offsets = <const char *> csr.offsets + row * (8 if csr.index64 else 4)
    return csr


cdef int64_t itemsize(int dtype) noexcept nogil:
    return 1 if dtype == MF_UINT8 else 2 if dtype == MF_INT16 else 4 if dtype == MF_FLOAT32 else 8


cdef cnp.ndarray quiet_cast(cnp.ndarray row, dtype):
    """The row in the parameters' dtype: for one, less work than a copy into panels, which are of several rows."""
    with np.errstate(all="ignore"):
        return row.astype(dtype)


cdef class Network:
    """A program over a flat vector of state, which it does not own.

    Parameters
    ----------
    program : mlpfast.program.Program
    state : parameters, then buffers: a vector of `aligned_zeros`, float32 or float64
    """

    def __init__(self, program, state):
        self.program, self.n_parameters = program, program.n_parameters
        self.n_state = self.n_parameters + program.n_buffered
        self.kernels = kernels_of(dtype_of(state))
        self.flat, self.typenum = <char *> cnp.PyArray_DATA(state), cnp.PyArray_TYPE(state)
        if state.shape != (self.n_state,) or not has_slack(state):
            raise ValueError(f"state: expected aligned_zeros({self.n_state}), got an array of shape {state.shape}")
        self.state, self.parameters = state, state[:self.n_parameters]
        schedule = program.schedule("prediction")
        self.takes_csr = takes_csr(program, schedule)
        self.inputs, self.outputs = program.values[0].columns, program.values[schedule.output].columns
        # Of a table, a row reads a few entries.
        self.row_work = sum([tensor.size for tensor in program.tensors if tensor.role != "table"])
        self.row_work += max(value.columns for value in program.values)
        self.held = []
        self.place_values(program, schedule)
        self.make_layers(program, schedule)
        self.note_codes(program.codes)
        self.note_taught(program, schedule)

    cdef void *room(self, size_t size):
        buffer = aligned_zeros(size, np.uint8)
        self.held.append(buffer)
        return cnp.PyArray_DATA(buffer)

    cdef int place_values(self, program, schedule) except -1:
        """Each value's slot, as an offset from a share's memory, which a block's shift leads to."""
        cdef const mf_kernels *kernels = self.kernels
        cdef int64_t widest = max(value.columns for value in program.values)
        cdef int64_t fitting = BLOCK_BYTES // (widest * kernels.itemsize) // LEAST_ROWS * LEAST_ROWS
        cdef size_t end = LINE
        self.block_rows = max(<int64_t> LEAST_ROWS, min(<int64_t> BLOCK_ROWS, fitting))
        self.values = <mf_value *> self.room(len(program.values) * sizeof(mf_value))
        set_values(self.values, program)
        self.output_value = &self.values[<int> schedule.output]
        slots = program.slots(schedule)
        for slot in range(max(slots) + 1):
            columns = max(value.columns for value, s in zip(program.values, slots) if s == slot)
            for i, s in enumerate(slots):
                if s == slot:
                    self.values[i].h = panels(kernels, <void *> end, self.block_rows)
            reserve(NULL, &end, panels_size(kernels, self.block_rows, columns) * kernels.itemsize)
        self.scratch_size = end
        return 0

    cdef int make_layers(self, program, schedule) except -1:
        """The layers of a prediction in their order, reading W where it lies; and the single rows between them."""
        cdef const mf_kernels *kernels = self.kernels
        cdef mf_layer *all_layers = <mf_layer *> self.room(len(program.layers) * sizeof(mf_layer))
        cdef mf_tile *tensor
        cdef int k = 0
        for layer in program.layers:
            check_room(layer)
        set_layers(all_layers, self.values, self.flat, kernels.itemsize, program, schedule, self.held)
        run = schedule.phases[0].forward
        self.n_layers, self.n_tensors = len(run), sum([len(program.layers[number].tensors) for number in run])
        self.layers = <mf_layer *> self.room(self.n_layers * sizeof(mf_layer))
        self.rows = <char **> self.room(self.n_layers * sizeof(void *))
        self.sources = <char **> self.room(self.n_layers * sizeof(void *))
        self.others = <char **> self.room(self.n_layers * sizeof(void *))
        self.tensors = <mf_tile *> self.room(self.n_tensors * sizeof(mf_tile))
        buffers = {}
        slots = program.slots(schedule)
        self.row_by_row = self.reads_rows = True
        self.lacks_bias = any([layer.packs and len(layer.tensors) < 2 for layer in program.layers])
        for i, number in enumerate(run):
            self.layers[i] = all_layers[<int> number]
            self.row_by_row &= self.layers[i].kind.one_row != NULL
            if 0 in (schedule.reads[number], schedule.also[number]):
                # A layer of less than a panel gains nothing by it.
                self.reads_rows &= program.layers[number].packs and self.layers[i].makes.columns >= kernels.nr
            layer = program.layers[number]
            slot = slots[layer.makes]
            widest = max(value.columns for value, s in zip(program.values, slots) if s == slot)
            if slot not in buffers:
                buffers[slot] = <size_t> self.room(panels_size(kernels, 1, widest) * kernels.itemsize)
            self.rows[i] = <char *> <size_t> buffers[slot]
            self.sources[i] = <char *> <size_t> buffers.get(slots[<int> schedule.reads[number]], 0)
            if schedule.also[number] is not None:
                self.others[i] = <char *> <size_t> buffers.get(slots[<int> schedule.also[number]], 0)
            for j, index in enumerate(layer.tensors):
                given = program.tensors[index]
                height, width = given.matrix
                tensor = &self.tensors[k]
                set_tile(tensor, (i, j, (0, height), (0, width)), given)
                if j == 0 and layer.packs:
                    self.layers[i].w = row_major(kernels, self.flat + tensor.offset * kernels.itemsize, width)
                k += 1
        return 0

    cdef int note_codes(self, codes) except -1:
        columns = np.array([column for column, _ in codes], np.int32)
        categories = np.array([categories for _, categories in codes], np.float64)
        self.held += [columns, categories]
        self.n_codes, self.code_columns = len(codes), <const int32_t *> cnp.PyArray_DATA(columns)
        self.categories = <const double *> cnp.PyArray_DATA(categories)
        return 0

    cdef int note_taught(self, program, schedule) except -1:
        self.taught_layers = []
        offsets = []
        for number in schedule.phases[0].forward:
            layer = program.layers[number]
            for buffer in [program.buffers[b] for b in layer.buffers]:
                if buffer.adapts:
                    offsets.append(self.n_parameters + buffer.offset)
                    self.taught_layers.append((layer.kind, program.places[number]))
        self.n_taught = len(offsets)
        self.taught = <const char **> self.room(self.n_taught * sizeof(void *))
        for i, offset in enumerate(offsets):
            self.taught[<int> i] = self.flat + <int64_t> offset * self.kernels.itemsize
        return 0

    cpdef int check_adapted(self) except -1:
        """See that layers which learn from data once have done so: not every kind makes NaN of NaN."""
        cdef double first
        cdef int i
        for i in range(self.n_taught):
            first = (<const float *> self.taught[i])[0] if self.typenum == cnp.NPY_FLOAT32 else (
                <const double *> self.taught[i])[0]
            if first != first:
                raise NotAdaptedError(*self.taught_layers[i])
        return 0

    cdef bint has_bad_code(self, const void *x) noexcept nogil:
        """Whether a row of the parameters' dtype holds what is no code; many rows' kernels tell so themselves."""
        cdef double code
        cdef int i
        for i in range(self.n_codes):
            if self.kernels.dtype == MF_FLOAT32:
                code = (<const float *> x)[self.code_columns[i]]
            else:
                code = (<const double *> x)[self.code_columns[i]]
            if not (0 <= code < self.categories[i]) or code != floor(code):
                return True
        return False

    cdef int predict_row(self, const void *x, void *out) noexcept nogil:
        cdef const mf_kernels *kernels = self.kernels
        cdef const mf_layer *layer
        cdef const void *source
        cdef const void *other
        cdef int l
        if not kernels.all_finite(x, self.inputs):
            return MF_NOT_FINITE
        if self.has_bad_code(x):
            return MF_BAD_CODE
        for l in range(self.n_layers):
            layer = &self.layers[l]
            source = x if self.sources[l] == NULL else self.sources[l]
            other = x if self.others[l] == NULL else self.others[l]
            layer.kind.one_row(layer, kernels, source, other, self.rows[l])
        memcpy(out, self.rows[self.n_layers - 1], self.outputs * kernels.itemsize)
        return MF_OK

    def predict(self, X, out=None, n_threads=None):
        """Outputs (n, outputs) for X (n, inputs) or one row (inputs,), or None where X is not an array for it.

        For it is a C-contiguous, aligned NumPy array of float32, float64, uint8 or int16. An `out` is C-contiguous, of
        the parameters' dtype and of the result's shape, or one row for one row.
        """
        cdef int64_t rows
        if not (cnp.PyArray_CheckExact(X) and cnp.PyArray_ISCARRAY_RO(X)):
            return None
        cdef cnp.ndarray x = <cnp.ndarray> X, result
        cdef int ndim = cnp.PyArray_NDIM(x), typenum = cnp.PyArray_TYPE(x), status
        if ndim == 1:
            rows = 1
        elif ndim == 2:
            rows = cnp.PyArray_DIM(x, 0)
        else:
            return None
        if cnp.PyArray_DIM(x, ndim - 1) != self.inputs or rows == 0:
            return None
        if typenum != self.typenum and typenum not in (cnp.NPY_FLOAT32, cnp.NPY_FLOAT64, cnp.NPY_UINT8, cnp.NPY_INT16):
            return None
        if self.n_taught > 0:
            self.check_adapted()
        result = self.output(out, rows)
        if rows == 1 and self.row_by_row:
            if typenum != self.typenum:
                x = quiet_cast(x, self.parameters.dtype)
            status = self.predict_row(cnp.PyArray_DATA(x), cnp.PyArray_DATA(result))
            if status != MF_OK:
                raise NotFiniteError if status == MF_NOT_FINITE else BadCodeError
            return result
        return self.predict_many(x, rows, result, n_threads)

    cdef object predict_many(self, cnp.ndarray X, int64_t rows, cnp.ndarray out, n_threads):
        cdef Rows job
        job.x, job.x_dtype, job.x_ld = <const char *> cnp.PyArray_DATA(X), dtype_of(X), self.inputs
        job.reads_csr, job.work = False, rows * self.row_work
        return self.predict_rows(&job, rows, out, (X,), n_threads)

    def predict_csr(self, triple, out=None, n_threads=None):
        """Outputs for a CSR triple (values, columns, offsets)."""
        values, columns, offsets = triple
        cdef Rows job
        cdef int64_t rows = offsets.shape[0] - 1
        self.check_adapted()
        out = self.output(out, rows)
        job.x, job.x_dtype, job.x_ld, job.csr = NULL, 0, 0, csr_of(values, columns, offsets)
        job.reads_csr, job.work = self.takes_csr, rows * self.row_work
        cdef double units = self.layers[0].makes.columns
        if job.reads_csr and self.layers[0].w.data != NULL:     # else no product has a row's zeros in it
            job.work += (job.csr.stored - rows * <double> self.inputs) * units
        return self.predict_rows(&job, rows, out, tuple(triple), n_threads)

    cdef cnp.ndarray output(self, object out, int64_t rows):
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

    cdef object predict_rows(self, Rows *job, int64_t rows, object out, tuple read, object n_threads):
        """Rows by blocks; the layers' parameters are packed first where there are enough rows to pay for it.

        `read` are the arrays of X. Where `out` shares memory with them, or with the parameters, it is written at last.
        """
        cdef const mf_kernels *kernels = self.kernels
        cdef int threads = thread_limit(n_threads)
        cdef int64_t piece, blocks, shares, x_areas, size
        if job.work < 2 * WORTH_A_THREAD:
            threads = 1
        # A piece at a time, with a look at signals after each.
        piece = max(threads, <int64_t> (threads * PIECE / (job.work / rows)) // self.block_rows) * self.block_rows
        piece = min(rows, piece)
        blocks = (piece + self.block_rows - 1) // self.block_rows
        job.kernels, job.layers, job.n_layers, job.output = kernels, self.layers, self.n_layers, self.output_value
        result = out
        if any([overlap(out, array) for array in (*read, self.state)]):
            result = np.empty_like(out)
        job.out, job.rows, job.inputs = <char *> cnp.PyArray_DATA(result), rows, self.inputs
        job.block_rows, job.scratch_size, job.bad = self.block_rows, self.scratch_size, MF_OK
        job.in_place = job.x != NULL and job.x_dtype == kernels.dtype and self.reads_rows
        job.x_rows = min(self.block_rows, (rows + kernels.mr - 1) // kernels.mr * kernels.mr)
        job.x_size = 0 if job.reads_csr else panels_size(kernels, job.x_rows, self.inputs) * kernels.itemsize
        size = self.scratch_size + (0 if job.in_place else job.x_size)
        shares = 1 if threads == 1 else min(blocks, <int64_t> threads * SHARES, max(1, SCRATCH_BYTES // size))
        x_areas = 1 if job.in_place else shares
        scratch = aligned_zeros(shares * self.scratch_size + x_areas * job.x_size, np.uint8)
        job.scratch = <char *> cnp.PyArray_DATA(scratch)
        job.x_scratch = job.scratch + shares * self.scratch_size
        packed = self.packed_layers(job.reads_csr) if rows > FEW_ROWS or self.lacks_bias else None
        if packed is not None:
            job.layers = <const mf_layer *> cnp.PyArray_DATA(packed[0])
        job.end = 0
        while job.end < rows:
            job.first, job.end = job.end, min(job.end + piece, rows)
            blocks = (job.end - job.first + self.block_rows - 1) // self.block_rows
            job.share = (blocks + shares - 1) // shares * self.block_rows
            with nogil:
                parallel_for((job.end - job.first + job.share - 1) // job.share, threads, predict_share, job,
                             (job.end - job.first) * (job.work / rows))
            if job.end < rows:
                PyErr_CheckSignals()
        if mf_raised(&job.bad) & MF_OUT_OF_RANGE:
            raise ValueError(f"X: expected a CSR matrix of {self.inputs} columns that nobody changes while it is read")
        if mf_raised(&job.bad) & MF_NOT_FINITE:
            raise NotFiniteError
        if mf_raised(&job.bad):
            raise BadCodeError
        if result is not out:
            out[...] = result
        return out

    cdef object packed_layers(self, bint reads_csr):
        """A copy of the layers that reads packed weights, save beside CSR rows, and the memory of these."""
        cdef const mf_kernels *kernels = self.kernels
        cdef const mf_tile *tensor
        cdef mf_layer *layer
        cdef size_t used = 0
        cdef int l, t
        copy = np.empty(self.n_layers * sizeof(mf_layer), np.uint8)
        cdef mf_layer *layers = <mf_layer *> cnp.PyArray_DATA(copy)
        memcpy(layers, self.layers, self.n_layers * sizeof(mf_layer))
        for l in range(self.n_layers):
            if packs(&layers[l], self.values, reads_csr):
                reserve(NULL, &used, packed_size(kernels, &layers[l]))
        memory = aligned_zeros(used, np.uint8)
        cdef char *base = <char *> cnp.PyArray_DATA(memory)
        with nogil:
            used = 0
            for l in range(self.n_layers):
                layer = &layers[l]
                if packs(layer, self.values, reads_csr):
                    layer.w = panels(kernels, base + used, layer.reads.columns + 1)
                    used += (packed_size(kernels, layer) + LINE - 1) // LINE * LINE
            for t in range(self.n_tensors):
                tensor = &self.tensors[t]
                layer = &layers[tensor.layer]
                if layer.kind.refresh != NULL:
                    layer.kind.refresh(layer, kernels, tensor, self.flat + tensor.offset * kernels.itemsize)
                if tensor.ni * tensor.nj > LARGE:
                    with gil:
                        PyErr_CheckSignals()
        return copy, memory


cdef bint overlap(a, b):
    """Whether two C-contiguous arrays share memory."""
    cdef const char *first = <const char *> cnp.PyArray_DATA(a)
    cdef const char *second = <const char *> cnp.PyArray_DATA(b)
    return first < second + cnp.PyArray_NBYTES(b) and second < first + cnp.PyArray_NBYTES(a)


cdef bint packs(const mf_layer *layer, const mf_value *data, bint reads_csr) noexcept nogil:
    return layer.w.data != NULL and not (reads_csr and layer.reads == data)


cdef size_t packed_size(const mf_kernels *kernels, const mf_layer *layer) noexcept nogil:
    return panels_size(kernels, layer.reads.columns + 1, layer.makes.columns) * kernels.itemsize
