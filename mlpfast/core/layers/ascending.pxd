# h = g(z): of each group of columns, z_0 = x_0 and z_j = z_(j-1) + f(x_j), f being softplus. No tensors.
# Numbers: columns of a group.

from libc.stdint cimport int64_t
from ..memory cimport row_major
from ..table cimport MF_LAYER_KIND_VERSION, mf_block, mf_kernels, mf_layer, mf_layer_kind, mf_matrix
from .along cimport add_parts, finish_tangent, scratch, tangent_of
from .block cimport add_part, finish, finish_row, of_block, output, place_of_part, place_of_z

ctypedef fused real:
    float
    double


cdef inline mf_layer_kind ascending() noexcept nogil:
    return mf_layer_kind(MF_LAYER_KIND_VERSION, b"ascending", False, forward, backward, NULL, NULL, one_row, NULL,
                         NULL, tangent, tangent_back, NULL)


cdef inline void forward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    climb(layer, block.kernels, output(layer.reads, block), place_of_z(layer.makes, block), block.rows)
    finish(layer.makes, block)


cdef inline void climb(const mf_layer *layer, const mf_kernels *kernels, mf_matrix x, mf_matrix out,
                       int64_t rows) noexcept nogil:
    kernels.activation(layer.activation, layer.alpha, x, out, rows, layer.makes.columns)
    sum_up(layer, kernels, x, out, rows)


cdef inline void sum_up(const mf_layer *layer, const mf_kernels *kernels, mf_matrix x, mf_matrix out,
                        int64_t rows) noexcept nogil:
    if kernels.itemsize == sizeof(float):
        add_up(layer, <const float *> x.data, x, <float *> out.data, out, kernels.nr, rows)
    else:
        add_up(layer, <const double *> x.data, x, <double *> out.data, out, kernels.nr, rows)


cdef inline void add_up(const mf_layer *layer, const real *x, mf_matrix of_x, real *out, mf_matrix of_out, int64_t nr,
                        int64_t rows) noexcept nogil:
    """From rises to heights, in place; each group begins with its own x."""
    cdef int64_t group = <int64_t> layer.numbers[0], r, c
    cdef real height = 0
    cdef real *z
    for r in range(rows):
        for c in range(layer.makes.columns):
            z = out + r * of_out.row_stride + c // nr * of_out.panel_stride + c % nr
            if c % group == 0:
                height = x[r * of_x.row_stride + c // nr * of_x.panel_stride + c % nr]
            else:
                height += z[0]
            z[0] = height


cdef inline void backward(const mf_layer *layer, const mf_block *block) noexcept nogil:
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    if part.data != NULL:
        descend(layer, block, of_block(layer.makes.delta, block), part)
        add_part(layer.reads, layer.edge, block, part)


cdef inline void descend(const mf_layer *layer, const mf_block *block, mf_matrix delta, mf_matrix out) noexcept nogil:
    """dL/dx_j is the sum of delta from j to the end of the group, for j > 0 times f'(x_j)."""
    cdef const mf_kernels *kernels = block.kernels
    sums_of_delta(layer, kernels, delta, out, block.rows, 1)
    kernels.hadamard(layer.activation, layer.alpha, out, output(layer.reads, block), out, block.rows,
                     layer.makes.columns)
    sums_of_delta(layer, kernels, delta, out, block.rows, <int64_t> layer.numbers[0])


cdef inline void sums_of_delta(const mf_layer *layer, const mf_kernels *kernels, mf_matrix delta, mf_matrix out,
                               int64_t rows, int64_t each) noexcept nogil:
    if kernels.itemsize == sizeof(float):
        add_back(layer, <const float *> delta.data, delta, <float *> out.data, out, kernels.nr, rows, each)
    else:
        add_back(layer, <const double *> delta.data, delta, <double *> out.data, out, kernels.nr, rows, each)


cdef inline void add_back(const mf_layer *layer, const real *delta, mf_matrix of_delta, real *out, mf_matrix of_out,
                          int64_t nr, int64_t rows, int64_t each) noexcept nogil:
    """Sums from the end of each group on; only those of every so many columns are written."""
    cdef int64_t columns = layer.makes.columns, group = <int64_t> layer.numbers[0], r, c
    cdef real total = 0
    for r in range(rows):
        for c in range(columns - 1, -1, -1):
            if (c + 1) % group == 0:
                total = 0
            total += delta[r * of_delta.row_stride + c // nr * of_delta.panel_stride + c % nr]
            if c % each == 0:
                out[r * of_out.row_stride + c // nr * of_out.panel_stride + c % nr] = total


cdef inline void one_row(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                         void *h) noexcept nogil:
    cdef int64_t n = layer.makes.columns
    climb(layer, kernels, row_major(kernels, <void *> x, n), row_major(kernels, h, n), 1)
    finish_row(layer.makes, kernels, h)


# --- tangents ---

cdef inline void tangent(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """The sums of f'(x_j) dx_j."""
    cdef mf_matrix dx = tangent_of(along.reads, block), dz = place_of_z(along.makes, block)
    block.kernels.hadamard(layer.activation, layer.alpha, dx, output(layer.reads, block), dz, block.rows,
                           layer.makes.columns)
    sum_up(layer, block.kernels, dx, dz, block.rows)
    finish_tangent(layer.makes, along.makes, block)


cdef inline void tangent_back(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil:
    """As the sums of delta change, and f'(x_j)."""
    cdef const mf_kernels *kernels = block.kernels
    cdef mf_matrix delta = of_block(layer.makes.delta, block), sums = scratch(along, block, 0)
    cdef mf_matrix part = place_of_part(layer.reads, layer.edge, block)
    cdef mf_matrix along_part = place_of_part(along.reads, layer.edge, block), x = output(layer.reads, block)
    if part.data == NULL:
        return
    descend(layer, block, of_block(along.makes.delta, block), along_part)
    sums_of_delta(layer, kernels, delta, sums, block.rows, 1)
    kernels.curve(layer.activation, layer.alpha, sums, x, tangent_of(along.reads, block), along_part, block.rows,
                  layer.makes.columns)
    sums_of_delta(layer, kernels, of_block(along.makes.delta, block), along_part, block.rows,
                  <int64_t> layer.numbers[0])
    descend(layer, block, delta, part)
    add_parts(layer.reads, along.reads, layer.edge, block, part, along_part)
