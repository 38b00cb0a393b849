"""CSR rows on their way to the gradient: a chunk's stored entries, sorted by the bands of columns that its tiles are.

The way forward reads the caller's arrays where they are. What is kept is in proportion to the entries of a chunk; how
many these can be is known before an epoch begins, so that nothing is allocated within it.
"""

cimport numpy as cnp
import numpy as np

from libc.stdint cimport int32_t
from libc.string cimport memset
from .batches cimport Batches, batch_start, divide
from .plan cimport AHEAD, Plan
from .call cimport Source
from .table cimport MF_OK, MF_OUT_OF_RANGE, mf_bands, mf_csr

cnp.import_array()


cdef object room_for_entries(Step *step, int64_t rows, bint in_batches, object kept):
    """Memory for the entries of any chunk of the step's `rows`: `kept`, if that is large enough."""
    cdef int64_t room
    with nogil:
        room = most_entries(step.plan, &step.source, rows, in_batches)
    cdef int64_t size = room * (2 * sizeof(int32_t) + step.plan.kernels.itemsize)
    if kept is None or kept.nbytes < size:
        kept = np.empty(size, np.uint8)
    cdef char *memory = <char *> cnp.PyArray_DATA(kept)
    step.room, step.bands = room, step.plan.bands
    step.bands.values = memory      # first, as the widest
    step.bands.rows = <int32_t *> (memory + room * step.plan.kernels.itemsize)
    step.bands.columns = step.bands.rows + room
    return kept


cdef int64_t most_entries(const Plan *plan, const Source *source, int64_t rows, bint in_batches) noexcept nogil:
    """The most entries of a chunk, of `rows` in batches, as far as the arrays make sense: chunks will look at that."""
    cdef int64_t most = 0, entries, first = 0, batch_end, chunk_end, row, k
    cdef Batches batches = divide(&plan.batching, rows) if in_batches else Batches(1, rows, 0, rows)
    for k in range(batches.n):
        batch_end = batch_start(&batches, k + 1)
        while first < batch_end:
            chunk_end = min(first + plan.capacity, batch_end)
            entries = 0
            while first < chunk_end:
                row = source.order[first] if source.order != NULL else first
                if 0 <= row < source.rows:
                    entries += length(&source.csr, row)
                first += 1
            most = max(most, entries)
    return most


cdef int64_t length(const mf_csr *x, int64_t row) noexcept nogil:
    cdef int64_t begin, end
    if x.index64:
        begin, end = (<const int64_t *> x.offsets)[row], (<const int64_t *> x.offsets)[row + 1]
    else:
        begin, end = (<const int32_t *> x.offsets)[row], (<const int32_t *> x.offsets)[row + 1]
    return end - begin if 0 <= begin <= end <= x.stored else 0


cdef int sort_entries(Step *step) noexcept nogil:
    """Put the entries of the chunk's rows in order. Returns an mf_status: whether they are as they were counted."""
    cdef const Plan *plan = step.plan
    cdef mf_bands *bands = &step.bands
    cdef int64_t b, r, n, entries = 0
    cdef const int64_t *index
    cdef int status = MF_OK
    memset(bands.ends, 0, plan.n_bands * sizeof(int64_t))
    for b in range(blocks(step)):
        index = block_rows(step, b, &r, &n)
        status |= plan.kernels.count_csr(&step.source.csr, index, n, plan.inputs, bands)
    for b in range(plan.n_bands):
        bands.starts[b] = entries
        entries += bands.ends[b]
        bands.ends[b] = bands.starts[b]
    bands.starts[plan.n_bands] = entries
    if entries > step.room:
        return MF_OUT_OF_RANGE
    for b in range(blocks(step)):
        index = block_rows(step, b, &r, &n)
        status |= plan.kernels.place_csr(&step.source.csr, index, r, n, plan.inputs, bands)
    for b in range(plan.n_bands):
        if bands.ends[b] != bands.starts[b + 1]:
            status |= MF_OUT_OF_RANGE
    return status


cdef int64_t blocks(const Step *step) noexcept nogil:
    return (step.rows + step.plan.block_rows - 1) // step.plan.block_rows


cdef const int64_t *block_rows(const Step *step, int64_t block, int64_t *first, int64_t *n) noexcept nogil:
    """A block's rows by their numbers in the caller's data, as `gather` left them; the first in the chunk; how many."""
    first[0] = block * step.plan.block_rows
    n[0] = min(step.plan.block_rows, step.rows - first[0])
    return step.plan.rows + block * (step.plan.block_rows + AHEAD)
