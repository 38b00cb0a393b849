"""The two phases of a training step.

Phase 1 takes a panel of rows forward through all layers, through the loss, and back through all deltas. Phase 2 takes a
tile of the weights: its gradient over all rows, its penalty, its optimizer update, and the packed forms that the next
step reads. Panels and tiles are independent of each other, so any thread may take any of them.
"""

from .data cimport from_column, from_row
from .hadamard cimport activate, propagate
from .linear cimport bias_gradient, forward, input_delta, weight_gradient
from .table cimport MF_IDENTITY, mf_soon


cdef void forward_backward(void *context, int64_t panel) noexcept nogil:
    """Rows [panel panel_rows, ...) of the chunk: gather, forward, loss, delta of every layer."""
    cdef Plan *plan = <Plan *> context
    cdef const mf_kernels *kernels = plan.kernels
    cdef int64_t r0 = panel * plan.panel_rows
    cdef int64_t n = min(plan.panel_rows, plan.chunk_rows - r0)
    cdef Layer *layer
    cdef mf_matrix h = from_row(kernels, plan.x, r0)
    cdef int l
    gather(plan, r0, n, h)
    for l in range(plan.n_layers):
        layer = &plan.layers[l]
        forward(kernels, &layer.linear, h, from_row(kernels, layer.z, r0), from_row(kernels, layer.h, r0), n)
        h = from_row(kernels, layer.h, r0)
        if plan.drops and layer.dropout > 0:
            h = from_row(kernels, layer.fed, r0)
            kernels.activation(MF_IDENTITY, 0, from_row(kernels, layer.h, r0), h, n, layer.linear.units)
            kernels.dropout(h, plan.first_row + r0, n, layer.linear.units, layer.dropout, plan.seed, l, plan.step)
    compare(plan, r0, n, h)
    if plan.backward:
        look_at_delta(plan, plan.n_layers - 1, r0, n)
        for l in range(plan.n_layers - 1, 0, -1):
            backward(plan, l, r0, n)
            look_at_delta(plan, l - 1, r0, n)


cdef void gather(Plan *plan, int64_t r0, int64_t n, mf_matrix x) noexcept nogil:
    cdef const Source *source = &plan.source
    cdef const int64_t *rows = plan.rows + r0
    cdef int64_t inputs = plan.layers[0].linear.fan_in
    cdef int finite
    if source.dense != NULL:
        finite = plan.kernels.gather(source.dense, source.dtype, source.ld, rows, n, plan.known_rows - r0, inputs, x)
    else:
        finite = plan.kernels.gather_csr(source.values, source.dtype, source.columns, source.offsets, source.index64,
                                         rows, n, inputs, x)
    if not finite:
        plan.finite = False


cdef void compare(Plan *plan, int64_t r0, int64_t n, mf_matrix h) noexcept nogil:
    """Metrics and loss of the rows, and the delta of the last layer."""
    cdef const mf_kernels *kernels = plan.kernels
    cdef const Layer *last = &plan.layers[plan.n_layers - 1]
    cdef int64_t units = last.linear.units
    cdef mf_matrix delta = from_row(kernels, last.delta, r0)
    cdef mf_matrix outputs = h
    cdef mf_targets targets = plan.targets
    cdef double threshold = 0 if plan.fused else 0.5
    cdef int m
    targets.rows = plan.rows + r0
    if plan.outputs.data != NULL and plan.n_metrics > 0:
        outputs = from_row(kernels, plan.outputs, r0)
        activate(kernels, plan.output_activation, plan.output_alpha, h, outputs, n, units)
        threshold = 0.5
    for m in range(plan.n_metrics):
        kernels.metric(plan.metrics[m], threshold, outputs, &targets, n, units,
                       plan.row_metric + m * plan.capacity + r0)
    if not plan.backward:
        delta.data = NULL
    kernels.loss(plan.loss, plan.loss_parameter, h, &targets, n, units, plan.scale, delta, plan.row_loss + r0)
    if plan.backward and not plan.fused:
        propagate(kernels, last.linear.activation, last.linear.alpha, delta,
                  from_row(kernels, last.z if last.saves_z else last.h, r0), delta, n, units)


cdef void backward(Plan *plan, int l, int64_t r0, int64_t n) noexcept nogil:
    """The delta of layer l - 1 from that of layer l."""
    cdef const mf_kernels *kernels = plan.kernels
    cdef const Layer *layer = &plan.layers[l]
    cdef const Layer *below = &plan.layers[l - 1]
    cdef mf_matrix delta = from_row(kernels, below.delta, r0)
    cdef mf_matrix saved = from_row(kernels, below.z if below.saves_z else below.h, r0)
    cdef int64_t units = below.linear.units
    if plan.drops and below.dropout > 0:
        input_delta(kernels, &layer.linear, from_row(kernels, layer.delta, r0), MF_IDENTITY, 0, saved, delta, n)
        kernels.dropout(delta, plan.first_row + r0, n, units, below.dropout, plan.seed, l - 1, plan.step)
        propagate(kernels, below.linear.activation, below.linear.alpha, delta, saved, delta, n, units)
    else:
        input_delta(kernels, &layer.linear, from_row(kernels, layer.delta, r0), below.linear.activation,
                    below.linear.alpha, saved, delta, n)


cdef void look_at_delta(Plan *plan, int l, int64_t r0, int64_t n) noexcept nogil:
    """Whether the weight gradient may skip zeros of h: beside an infinite delta that would show."""
    cdef const mf_kernels *kernels = plan.kernels
    cdef const Layer *layer = &plan.layers[l]
    cdef mf_matrix delta = from_row(kernels, layer.delta, r0)
    cdef int64_t j = 0
    while layer.linear.units >= kernels.skips_from and j < layer.linear.units:
        if not kernels.all_finite(from_column(kernels, delta, j).data, n * kernels.nr):
            plan.finite_deltas = False
        j += kernels.nr


cdef void weight_tile(void *context, int64_t index) noexcept nogil:
    """A tile's gradient over the chunk's rows and, where this chunk is the batch's last, its update."""
    cdef Plan *plan = <Plan *> context
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
    if plan.gradient != NULL:
        g, ld = plan.gradient + offset * kernels.itemsize, units
    if tile.layer > 0:
        h = plan.layers[tile.layer - 1].fed if plan.drops else plan.layers[tile.layer - 1].h
    if tile.bias:
        bias_gradient(kernels, layer.delta, g, plan.chunk_rows, tile.j0, tile.nj, plan.accumulate)
    else:
        if plan.looks_ahead:
            count = look_ahead(plan, tile, h, soon)
        weight_gradient(kernels, h, layer.delta, g, ld, plan.chunk_rows, tile.i0, tile.ni, tile.j0, tile.nj,
                        plan.accumulate, plan.finite_deltas, soon, count)
    if plan.updates:
        update(plan, tile, g, ld, offset)


cdef mf_matrix packed(const mf_kernels *kernels, const Layer *layer, const Tile *tile) noexcept nogil:
    """The tile in the panels of W."""
    return from_column(kernels, from_row(kernels, layer.linear.w, tile.i0), tile.j0)


cdef mf_matrix packed_transposed(const mf_kernels *kernels, const Layer *layer, const Tile *tile) noexcept nogil:
    """The tile in the panels of the transpose."""
    return from_column(kernels, from_row(kernels, layer.linear.wt, tile.j0), tile.i0)


cdef int64_t look_ahead(const Plan *plan, const Tile *tile, mf_matrix h, mf_soon *soon) noexcept nogil:
    """What the next tile's product and this tile's update will touch. Returns the number of blocks."""
    cdef const mf_kernels *kernels = plan.kernels
    cdef const Layer *layer = &plan.layers[tile.layer]
    cdef int64_t item = kernels.itemsize, panel = kernels.nr * item, units = layer.linear.units
    cdef int64_t at = (layer.offset + tile.i0 * units + tile.j0) * item, count = 0
    cdef int64_t high = (tile.ni + kernels.nr - 1) // kernels.nr, wide = (tile.nj + kernels.nr - 1) // kernels.nr
    cdef bint apart = tile.nj < units       # the hardware does not foresee where the next of the tile's rows begins
    cdef mf_matrix w = packed(kernels, layer, tile), wt
    cdef const Tile *next = tile + 1        # there is one: biases come last
    cdef int slot
    if apart and not next.bias and next.i0 != tile.i0:
        count = add(soon, count, False, from_column(kernels, h, next.i0).data, high, plan.chunk_rows * panel,
                    h.panel_stride * item)
    if not plan.updates:
        return count
    if apart:
        count = add(soon, count, True, plan.parameters + at, tile.ni, tile.nj * item, units * item)
        for slot in range(3):
            if plan.slots[slot] != plan.parameters:
                count = add(soon, count, True, plan.slots[slot] + at, tile.ni, tile.nj * item, units * item)
    count = add(soon, count, True, w.data, wide, tile.ni * panel, w.panel_stride * item)
    if tile.layer > 0:
        wt = packed_transposed(kernels, layer, tile)
        count = add(soon, count, True, wt.data, high, tile.nj * panel, wt.panel_stride * item)
    return count


cdef int64_t add(mf_soon *soon, int64_t count, bint written, const void *data, int64_t rows, int64_t bytes,
                 Py_ssize_t stride) noexcept nogil:
    soon[count] = mf_soon(data, rows, bytes, stride, written)
    return count + 1


cdef void update(Plan *plan, const Tile *tile, const char *g, int64_t ld, int64_t offset) noexcept nogil:
    """Parameters and state of a tile, and the packed weights of the next step."""
    cdef const mf_kernels *kernels = plan.kernels
    cdef const Layer *layer = &plan.layers[tile.layer]
    cdef const mf_update *rule = &plan.bias_rule if tile.bias else &plan.weight_rule
    cdef int64_t units = layer.linear.units, at = offset * kernels.itemsize
    cdef char *p = plan.parameters + at
    kernels.update(rule, p, g, ld, plan.slots[0] + at, plan.slots[1] + at, plan.slots[2] + at, tile.ni, tile.nj, units)
    kernels.pack(p, units, tile.ni, tile.nj, packed(kernels, layer, tile))
    if tile.layer > 0 and not tile.bias:
        kernels.pack_transposed(p, units, tile.ni, tile.nj, packed_transposed(kernels, layer, tile))
