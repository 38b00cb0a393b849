"""Phase 2 of a step: a tile of the weights, its gradient, its update, and the packed forms that the next step reads."""

from .data cimport from_column, from_row
from .linear cimport Linear, bias_gradient, weight_gradient
from .plan cimport TILE_BYTES, Layer, Plan, Tile
from .table cimport mf_kernels, mf_matrix, mf_raised, mf_soon, mf_update

cdef enum:
    MOST_SOON = 8            # pieces of memory that a tile asks for ahead of their use


cdef void take_tile(void *context, int64_t index) noexcept nogil:
    """A tile's gradient over the chunk's rows and, where this chunk is the batch's last, its update."""
    cdef Step *step = <Step *> context
    cdef const Plan *plan = step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef const Tile *tile = &plan.tiles[index]
    cdef const Layer *layer = &plan.layers[tile.layer]
    cdef int64_t units = layer.linear.units
    cdef int64_t offset = layer.offset + tile.i0 * units + tile.j0   # a bias is row fan_in
    cdef int64_t ld = tile.nj
    cdef mf_matrix h = plan.x
    cdef mf_soon soon[MOST_SOON]
    cdef int64_t count = 0
    cdef char scratch[TILE_BYTES + 64]
    cdef char *g = scratch + (-<Py_ssize_t> scratch & 63)
    if step.gradient != NULL:
        g, ld = step.gradient + offset * kernels.itemsize, units
    if tile.layer > 0:
        h = plan.layers[tile.layer - 1].fed if step.drops else plan.layers[tile.layer - 1].h
    if tile.bias:
        bias_gradient(kernels, layer.delta, g, step.rows, tile.j0, tile.nj, step.accumulate)
    else:
        if plan.looks_ahead:
            count = look_ahead(step, tile, h, soon)
        weight_gradient(kernels, h, layer.delta, g, ld, step.rows, tile.i0, tile.ni, tile.j0, tile.nj,
                        step.accumulate, not mf_raised(&step.infinite_deltas), soon, count)
    if step.updates:
        update(step, tile, g, ld, offset)


cdef mf_matrix packed(const mf_kernels *kernels, const Layer *layer, const Tile *tile) noexcept nogil:
    """The tile in the panels of W."""
    return from_column(kernels, from_row(kernels, layer.linear.w, tile.i0), tile.j0)


cdef mf_matrix packed_transposed(const mf_kernels *kernels, const Layer *layer, const Tile *tile) noexcept nogil:
    """The tile in the panels of the transpose."""
    return from_column(kernels, from_row(kernels, layer.linear.wt, tile.j0), tile.i0)


cdef int64_t look_ahead(const Step *step, const Tile *tile, mf_matrix h, mf_soon *soon) noexcept nogil:
    """What the next tile's product and this tile's update will touch. Returns the number of pieces."""
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef const Layer *layer = &step.plan.layers[tile.layer]
    cdef int64_t item = kernels.itemsize, panel = kernels.nr * item, units = layer.linear.units
    cdef int64_t at = (layer.offset + tile.i0 * units + tile.j0) * item, count = 0
    cdef int64_t high = (tile.ni + kernels.nr - 1) // kernels.nr, wide = (tile.nj + kernels.nr - 1) // kernels.nr
    cdef bint apart = tile.nj < units       # the hardware does not foresee where the next of the tile's rows begins
    cdef mf_matrix w = packed(kernels, layer, tile), wt
    cdef const Tile *next = tile + 1        # there is one: biases come last
    cdef int slot
    if apart and not next.bias and next.i0 != tile.i0:
        count = add(soon, count, False, from_column(kernels, h, next.i0).data, high, step.rows * panel,
                    h.panel_stride * item)
    if not step.updates:
        return count
    if apart:
        count = add(soon, count, True, step.parameters + at, tile.ni, tile.nj * item, units * item)
        for slot in range(3):
            if step.slots[slot] != step.parameters:
                count = add(soon, count, True, step.slots[slot] + at, tile.ni, tile.nj * item, units * item)
    count = add(soon, count, True, w.data, wide, tile.ni * panel, w.panel_stride * item)
    if tile.layer > 0:
        wt = packed_transposed(kernels, layer, tile)
        count = add(soon, count, True, wt.data, high, tile.nj * panel, wt.panel_stride * item)
    return count


cdef int64_t add(mf_soon *soon, int64_t count, bint written, const void *data, int64_t rows, int64_t bytes,
                 Py_ssize_t stride) noexcept nogil:
    soon[count] = mf_soon(data, rows, bytes, stride, written)
    return count + 1


cdef void update(Step *step, const Tile *tile, const char *g, int64_t ld, int64_t offset) noexcept nogil:
    """Parameters and state of a tile, and the packed weights of the next step."""
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef const Layer *layer = &step.plan.layers[tile.layer]
    cdef const mf_update *rule = &step.bias_rule if tile.bias else &step.weight_rule
    cdef int64_t units = layer.linear.units, at = offset * kernels.itemsize
    cdef char *p = step.parameters + at
    kernels.update(rule, p, g, ld, step.slots[0] + at, step.slots[1] + at, step.slots[2] + at, tile.ni, tile.nj, units)
    kernels.pack(p, units, tile.ni, tile.nj, packed(kernels, layer, tile))
    if tile.layer > 0 and not tile.bias:
        kernels.pack_transposed(p, units, tile.ni, tile.nj, packed_transposed(kernels, layer, tile))


cdef double add_penalties(Step *step, double l1, double l2, bint into_gradient) noexcept nogil:
    """l1 |W| + l2/2 |W|^2 over the weights of all layers; their gradient is added to the step's, if asked."""
    cdef const Plan *plan = step.plan
    cdef double total = 0
    cdef int64_t at, size
    cdef int l
    if l1 == 0 and l2 == 0:
        return 0
    for l in range(plan.n_layers):
        at = plan.layers[l].offset * plan.kernels.itemsize
        size = plan.layers[l].linear.fan_in * plan.layers[l].linear.units
        total += plan.kernels.penalty(l1, l2, step.parameters + at, size)
        if into_gradient:
            plan.kernels.add_penalty(l1, l2, step.parameters + at, step.gradient + at, size)
    return total


cdef void pack_weights(Step *step) noexcept nogil:
    """Bring the panels of all weights up to date with the flat vector, which is the caller's to change."""
    cdef const mf_kernels *kernels = step.plan.kernels
    cdef const Linear *linear
    cdef const char *w
    cdef int l
    for l in range(step.plan.n_layers):
        linear = &step.plan.layers[l].linear
        w = step.parameters + step.plan.layers[l].offset * kernels.itemsize
        kernels.pack(w, linear.units, linear.fan_in + 1, linear.units, linear.w)
        if l > 0:
            kernels.pack_transposed(w, linear.units, linear.fan_in, linear.units, linear.wt)
