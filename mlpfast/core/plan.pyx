"""Planning a step: the layers as its loops see them, the tiles of their weights, and a place in one arena for each matrix."""

cimport numpy as cnp
import numpy as np

from .data cimport panels, panels_size
from .data import aligned_zeros
from .losses cimport reads_logits
from .table cimport MF_IDENTITY, saves_z

cnp.import_array()

cdef enum:
    CHUNK_ROWS = 1024           # rows that an arena holds at most
    LINE = 64
    KEPT_PARAMETERS = 131072    # bytes of them that stay in L2 from step to step, with their state and packed copies
    DELTA_BYTES = 262144        # of the deltas that tiles in a row share: they stay in L2, beside what streams through


cdef Planned plan_training(Network network, int loss, double loss_parameter, double label_smoothing, dropout,
                           int64_t batch_rows, int threads, uint64_t seed):
    cdef Planned planned = Planned.__new__(Planned)
    cdef Plan *plan = &planned.plan
    plan.kernels, plan.n_layers = network.kernels, network.n_layers
    plan.inputs, plan.outputs = network.inputs, network.outputs
    plan.batch_rows, plan.threads, plan.seed = batch_rows, threads, seed
    plan.loss, plan.loss_parameter, plan.label_smoothing = loss, loss_parameter, label_smoothing
    plan.fused = reads_logits(loss)
    plan.block_rows = 64 if batch_rows >= 128 else 32
    plan.capacity = (min(batch_rows, <int64_t> CHUNK_ROWS) + plan.block_rows - 1) // plan.block_rows
    plan.capacity = (plan.capacity | 1) * plan.block_rows  # odd: panels of a row then spread over a cache's sets
    planned.layers = np.zeros(plan.n_layers * sizeof(Layer), dtype=np.uint8)
    plan.layers = <Layer *> cnp.PyArray_DATA(planned.layers)
    plan_layers(plan, network, dropout)
    plan.looks_ahead = (network.n_parameters * plan.kernels.itemsize > KEPT_PARAMETERS
                        or threads_for(plan, batch_rows) > 1)
    tiles = list(tiles_of(plan))
    plan.n_tiles = len(tiles)
    planned.tiles = np.zeros(plan.n_tiles * sizeof(Tile), dtype=np.uint8)
    plan.tiles = <Tile *> cnp.PyArray_DATA(planned.tiles)
    for t in range(plan.n_tiles):
        tile = &plan.tiles[t]
        tile.layer, tile.bias, tile.i0, tile.ni, tile.j0, tile.nj = tiles[t]
    # One vector for everything a step touches besides parameters and state.
    planned.arena = aligned_zeros(lay_out(plan, NULL), np.uint8)
    lay_out(plan, <char *> cnp.PyArray_DATA(planned.arena))
    return planned


cdef int plan_layers(Plan *plan, Network network, dropout) except -1:
    cdef Layer *layer
    for l in range(plan.n_layers):
        layer = &plan.layers[l]
        layer.linear, layer.offset = network.layers[l].linear, network.layers[l].offset
        layer.saves_z = saves_z(layer.linear.activation)
        layer.dropout = dropout[l] if dropout else 0.0
        plan.flops += <double> layer.linear.fan_in * layer.linear.units
    layer = &plan.layers[plan.n_layers - 1]
    plan.output_activation, plan.output_alpha = layer.linear.activation, layer.linear.alpha
    if plan.fused:
        layer.linear.activation, layer.saves_z = MF_IDENTITY, False
    return 0


cdef object tiles_of(const Plan *plan):
    """Tiles of at most TILE_BYTES: whole panels of inputs, and whole rows of W where they fit."""
    cdef int64_t nr = plan.kernels.nr, columns = TILE_BYTES // (nr * plan.kernels.itemsize) // nr * nr
    cdef int64_t rows = min(plan.batch_rows, plan.capacity)
    cdef int64_t together = max(columns, DELTA_BYTES // (rows * plan.kernels.itemsize) // columns * columns)
    tiles = []
    for l in range(plan.n_layers):
        fan_in, units = plan.layers[l].linear.fan_in, plan.layers[l].linear.units
        height = nr * max(1, columns // units)
        for first in range(0, units, together):
            last = min(first + together, units)
            for i0 in range(0, fan_in, height):
                for j0 in range(first, last, columns):
                    tiles.append((l, False, i0, min(height, fan_in - i0), j0, min(columns, last - j0)))
        for j0 in range(0, units, columns):
            tiles.append((l, True, fan_in, 1, j0, min(columns, units - j0)))
    return tiles


cdef size_t lay_out(Plan *plan, char *base) noexcept:
    """Give every matrix its place from `base` on; returns the bytes used."""
    cdef const mf_kernels *kernels = plan.kernels
    cdef int64_t capacity = plan.capacity
    cdef size_t used = 0
    cdef Layer *layer
    cdef int l
    plan.x = place(kernels, base, &used, capacity, plan.inputs)
    for l in range(plan.n_layers):
        layer = &plan.layers[l]
        layer.linear.w = place(kernels, base, &used, layer.linear.fan_in + 1, layer.linear.units)
        layer.h = place(kernels, base, &used, capacity, layer.linear.units)
        layer.fed = place(kernels, base, &used, capacity, layer.linear.units) if layer.dropout > 0 else layer.h
        layer.delta = layer.h
        if l < plan.n_layers - 1 or not plan.fused:     # else p - t replaces the logits
            layer.delta = place(kernels, base, &used, capacity, layer.linear.units)
        layer.z.data = NULL
        if layer.saves_z:
            layer.z = place(kernels, base, &used, capacity, layer.linear.units)
        if l > 0:
            layer.linear.wt = place(kernels, base, &used, layer.linear.units, layer.linear.fan_in)
    plan.predictions.data = NULL
    if plan.fused and plan.output_activation != MF_IDENTITY:
        plan.predictions = place(kernels, base, &used, capacity, plan.outputs)
    plan.row_loss = <double *> reserve(base, &used, capacity * sizeof(double))
    plan.row_metric = <double *> reserve(base, &used, MAX_METRICS * capacity * sizeof(double))
    plan.labels = <int32_t *> reserve(base, &used, capacity * sizeof(int32_t))
    plan.rows = <int64_t *> reserve(base, &used, (capacity // plan.block_rows) * (plan.block_rows + AHEAD) * sizeof(int64_t))
    return used


cdef mf_matrix place(const mf_kernels *kernels, char *base, size_t *used, int64_t rows, int64_t cols) noexcept:
    return panels(kernels, reserve(base, used, panels_size(kernels, rows, cols) * kernels.itemsize), rows)


cdef char *reserve(char *base, size_t *used, size_t size) noexcept:
    """Whole cache lines for so many bytes, after those used."""
    cdef size_t start = used[0]
    used[0] = (start + size + LINE - 1) // LINE * LINE
    return base + start
