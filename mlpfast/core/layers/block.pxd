# A block's part of what the values keep, and what layers have in common.

from libc.stdint cimport int64_t
from ..hadamard cimport activate, propagate
from ..memory cimport from_column, from_row, row_major
from ..table cimport MF_ADDS, MF_IDENTITY, MF_MORE, MF_SOFTMAX, mf_block, mf_kernels, mf_matrix, mf_value

cdef enum:
    NEAR_ROWS = 16      # whose matrices stay in L1 from one pass over them to the next


cdef inline mf_matrix of_block(mf_matrix m, const mf_block *block) noexcept nogil:
    """The block's rows of a matrix (where it exists)."""
    if m.data != NULL:
        m.data = <char *> m.data + block.shift
    return m


cdef inline int64_t first_row(const mf_block *block) noexcept nogil:
    """The number of the block's first row in its chunk."""
    return block.shift // (block.kernels.nr * block.kernels.itemsize)


cdef inline mf_block near_rows(const mf_block *block, int64_t first) noexcept nogil:
    """Some of a block's rows, for passes over values."""
    cdef mf_block near = block[0]
    near.rows, near.first = min(<int64_t> NEAR_ROWS, block.rows - first), block.first + first
    near.shift += first * block.kernels.nr * block.kernels.itemsize
    if near.x.data != NULL:
        near.x = from_row(block.kernels, near.x, first)
    return near


cdef inline mf_matrix output(const mf_value *value, const mf_block *block) noexcept nogil:
    """h."""
    return block.x if value.h.data == NULL else of_block(value.h, block)


cdef inline bint is_csr(const mf_value *value, const mf_block *block) noexcept nogil:
    """Whether the value is the data, and that comes as CSR rows."""
    return value.h.data == NULL and block.csr != NULL


cdef inline mf_matrix saved(const mf_value *value, const mf_block *block) noexcept nogil:
    """What g' is computed from."""
    return of_block(value.z, block) if value.saves_z else output(value, block)


# --- the way forward: a layer writes z, then h = g(z) ---

cdef inline mf_matrix place_of_z(const mf_value *value, const mf_block *block) noexcept nogil:
    """z where that is kept, else h."""
    return of_block(value.z if value.z.data != NULL else value.h, block)


cdef inline void finish(const mf_value *value, const mf_block *block) noexcept nogil:
    """h = g(z)."""
    if value.activation != MF_IDENTITY or value.z.data != NULL:
        activate(block.kernels, value.activation, value.alpha, place_of_z(value, block), of_block(value.h, block),
                 block.rows, value.columns)


cdef inline bint by_columns(const mf_value *value) noexcept nogil:
    """Whether some columns of h can be made without the others."""
    return value.activation != MF_SOFTMAX


cdef inline void finish_columns(const mf_value *value, const mf_block *block, int64_t j, int64_t nj) noexcept nogil:
    """The same for whole panels of columns."""
    cdef const mf_kernels *kernels = block.kernels
    if value.activation != MF_IDENTITY or value.z.data != NULL:
        kernels.activation(value.activation, value.alpha, from_column(kernels, place_of_z(value, block), j),
                           from_column(kernels, of_block(value.h, block), j), block.rows, nj)


cdef inline void finish_row(const mf_value *value, const mf_kernels *kernels, void *h) noexcept nogil:
    """The same for one row, in place."""
    cdef mf_matrix row = row_major(kernels, h, value.columns)
    if value.activation != MF_IDENTITY:
        activate(kernels, value.activation, value.alpha, row, row, 1, value.columns)


# --- the way back: a layer writes its part of dL/dh of what it reads; the first one's is delta itself, others add to
# it, and the last one of all finishes delta = dL/dh * g' ---

cdef inline mf_matrix place_of_part(const mf_value *value, int edge, const mf_block *block) noexcept nogil:
    """Where a layer may write its part, before `add_part`."""
    return of_block(value.part if edge & MF_ADDS else value.delta, block)


cdef inline void add_part(const mf_value *value, int edge, const mf_block *block, mf_matrix part) noexcept nogil:
    """Add a layer's part, wherever it is, to the delta of what it reads."""
    cdef int64_t j = 0, step = block.kernels.nr if by_columns(value) else value.columns
    while j < value.columns and value.delta.data != NULL:
        add_columns(value, edge, block, from_column(block.kernels, part, j), j, min(step, value.columns - j))
        j += step


cdef inline void add_columns(const mf_value *value, int edge, const mf_block *block, mf_matrix part, int64_t j,
                             int64_t nj) noexcept nogil:
    """The same for whole panels of columns, which stay in L1 from the sum to the product."""
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix delta = from_column(kernels, of_block(value.delta, block), j)
    if edge & MF_ADDS:
        kernels.add(delta, part, delta, block.rows, nj)
        part = delta
    if edge & MF_MORE:
        propagate(kernels, MF_IDENTITY, 0, part, part, delta, block.rows, nj)     # a copy, if need be
    else:
        propagate(kernels, value.activation, value.alpha, part, from_column(kernels, saved(value, block), j), delta,
                  block.rows, nj)
