# What tangents of layers have in common. `along` is the twin of a layer or value: see mf_layer_kind in mlpfast.h.

from libc.stdint cimport int64_t
from ..hadamard cimport propagate
from ..memory cimport from_column
from ..table cimport MF_ADDS, MF_IDENTITY, MF_MORE, MF_SOFTMAX, mf_block, mf_kernels, mf_layer, mf_matrix, mf_value
from .block cimport of_block, place_of_z, saved


cdef inline mf_matrix tangent_of(const mf_value *along, const mf_block *block) noexcept nogil:
    """The tangent of h; of the data too, which is no value of a block's own."""
    return of_block(along.h, block)


cdef inline mf_matrix scratch(const mf_layer *along, const mf_block *block, int which) noexcept nogil:
    """One of MF_SCRATCHES matrices as wide as what the layer reads or makes."""
    cdef int64_t nr = block.kernels.nr, columns = max(along.reads.columns, along.makes.columns)
    return from_column(block.kernels, of_block(along.saved, block), which * ((columns + nr - 1) // nr * nr))


cdef inline void finish_tangent(const mf_value *value, const mf_value *along, const mf_block *block) noexcept nogil:
    """dh = g'(z) dz, both being tangents; softmax's Jacobian is symmetric, so that it goes forward as it goes back."""
    propagate(block.kernels, value.activation, value.alpha, place_of_z(along, block), saved(value, block),
              of_block(along.h, block), block.rows, value.columns)


cdef inline void add_parts(const mf_value *value, const mf_value *along, int edge, const mf_block *block,
                           mf_matrix part, mf_matrix along_part) noexcept nogil:
    """`block.add_part`, of a layer's part of dL/dh and of the tangent of that part.

    The last reader finishes both: delta = dL/dh * g'(z), and its tangent d(dL/dh) * g'(z) + dL/dh * g''(z) dz.
    """
    cdef mf_matrix delta = of_block(value.delta, block), tangent = of_block(along.delta, block)
    cdef const mf_kernels *kernels = block.kernels
    cdef int64_t rows = block.rows, columns = value.columns
    if delta.data == NULL:
        return
    if edge & MF_ADDS:
        kernels.add(delta, part, delta, rows, columns)
        kernels.add(tangent, along_part, tangent, rows, columns)
        part, along_part = delta, tangent
    if edge & MF_MORE:
        propagate(kernels, MF_IDENTITY, 0, part, part, delta, rows, columns)    # copies, if need be
        propagate(kernels, MF_IDENTITY, 0, along_part, along_part, tangent, rows, columns)
        return
    propagate(kernels, value.activation, value.alpha, along_part, saved(value, block), tangent, rows, columns)
    if value.activation == MF_SOFTMAX:
        kernels.softmax_curve(of_block(value.h, block), part, of_block(along.h, block), tangent, rows, columns)
    elif value.activation != MF_IDENTITY:
        kernels.curve(value.activation, value.alpha, part, saved(value, block), of_block(along.z, block), tangent,
                      rows, columns)
    propagate(kernels, value.activation, value.alpha, part, saved(value, block), delta, rows, columns)
