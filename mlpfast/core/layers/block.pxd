# A block's part of what the values keep.

from ..table cimport mf_block, mf_matrix, mf_value


cdef inline mf_matrix of_block(mf_matrix m, const mf_block *block) noexcept nogil:
    """The block's rows of a matrix (where it exists)."""
    if m.data != NULL:
        m.data = <char *> m.data + block.shift
    return m


cdef inline mf_matrix output(const mf_value *value, const mf_block *block) noexcept nogil:
    """h."""
    return block.x if value.h.data == NULL else of_block(value.h, block)


cdef inline bint is_csr(const mf_value *value, const mf_block *block) noexcept nogil:
    """Whether the value is the data, and that comes as CSR rows."""
    return value.h.data == NULL and block.csr != NULL


cdef inline mf_matrix saved(const mf_value *value, const mf_block *block) noexcept nogil:
    """What g' is computed from."""
    return of_block(value.z, block) if value.saves_z else output(value, block)
