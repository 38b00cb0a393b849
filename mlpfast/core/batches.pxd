# Where the batches of an epoch begin and end, said once.

from libc.stdint cimport int64_t

# What becomes of the last rows, which do not fill a batch.
cdef enum LastBatch:
    KEEP                     # they are a shorter one
    DROP                     # they are left out
    SPREAD                   # all batches are as long as each other, but for one row

# How any number of rows is divided.
ctypedef struct Batching:
    LastBatch last
    int64_t rows             # of a batch
    int64_t longest          # one more where a batch of a single row is not allowed: it goes with the one before it

# Some rows, divided.
ctypedef struct Batches:
    int64_t n
    int64_t rows             # of each, but for the last, and
    int64_t longer           # the first so many, which have one more
    int64_t end              # of the last


cdef inline Batches divide(const Batching *by, int64_t rows) noexcept nogil:
    """At least one batch, whatever becomes of the last one."""
    cdef Batches batches = Batches(max(rows // by.rows, 1), by.rows, 0, rows)
    cdef int64_t left = rows - batches.n * by.rows
    if left > 0 and by.last == DROP:
        batches.end = batches.n * by.rows
    elif left > (by.longest > by.rows and by.last == KEEP):
        batches.n += 1
    if by.last == SPREAD:
        batches.n = min(batches.n, max(rows // 2, 1)) if by.longest > by.rows else batches.n
        batches.rows, batches.longer = rows // batches.n, rows % batches.n
    return batches


cdef inline int64_t batch_start(const Batches *batches, int64_t k) noexcept nogil:
    """The first row of batch k; the end of the last one, where k is their number."""
    return batches.end if k == batches.n else k * batches.rows + min(k, batches.longer)
