"""From a program, which knows every shape, to a plan: structs, and a place in one arena for each matrix."""

cimport numpy as cnp
import numpy as np

from math import gcd
from .memory cimport panels, panels_size, row_major
from .memory import aligned_zeros
from .kinds cimport kind_of
from .table cimport MF_IDENTITY, MF_MOST_TENSORS, reads_logits, saves_z
from .table import ACTIVATIONS

cnp.import_array()

cdef enum:
    CHUNK_ROWS = 1024           # rows that an arena holds at most
    KEPT_PARAMETERS = 131072    # bytes of them that stay in L2 from step to step, with their state and packed copies
    DELTA_BYTES = 262144        # of the deltas that tiles in a row share: they stay in L2, beside what streams through


cdef Planned plan_training(object program, const mf_kernels *kernels, char *parameters, bint reads_csr, int loss,
                           double loss_parameter, double label_smoothing, int64_t batch_rows, int threads,
                           uint64_t seed):
    cdef Planned planned = Planned.__new__(Planned)
    cdef Plan *plan = &planned.plan
    planned.held = []
    plan.kernels, plan.inputs = kernels, program.values[0].columns
    plan.batch_rows, plan.threads, plan.seed, plan.reads_csr = batch_rows, threads, seed, reads_csr
    plan.loss, plan.loss_parameter, plan.label_smoothing = loss, loss_parameter, label_smoothing
    plan.fused = reads_logits(loss)
    plan.block_rows = 64 if batch_rows >= 128 else 32
    plan.capacity = (min(batch_rows, <int64_t> CHUNK_ROWS) + plan.block_rows - 1) // plan.block_rows
    plan.capacity = (plan.capacity | 1) * plan.block_rows  # odd: panels of a row then spread over a cache's sets
    plan.n_values = len(program.values)
    plan.values = <mf_value *> room(planned, plan.n_values * sizeof(mf_value))
    set_values(plan.values, program)
    plan_output(plan, &plan.values[plan.n_values - 1])
    for layer in program.layers:
        if layer.packs:
            plan.flops += <double> program.values[layer.reads].columns * program.values[layer.makes].columns
    plan.looks_ahead = (program.n_parameters * kernels.itemsize > KEPT_PARAMETERS
                        or threads_for(plan, batch_rows) > 1)
    plan_tiles(planned, program)
    plan_schedule(planned, &plan.step, parameters, program, program.schedule("step"))
    plan_schedule(planned, &plan.gradient, parameters, program, program.schedule("gradient"))
    plan_schedule(planned, &plan.evaluation, parameters, program, program.schedule("evaluation"))
    if reads_csr:
        plan_bands(plan, parameters)
    # One vector for everything a step touches besides parameters and state.
    packs, in_place = [layer.packs for layer in program.layers], [layer.in_place for layer in program.layers]
    arena = aligned_zeros(lay_out(plan, packs, in_place, NULL), np.uint8)
    planned.held.append(arena)
    lay_out(plan, packs, in_place, <char *> cnp.PyArray_DATA(arena))
    return planned


cdef void *room(Planned planned, size_t size):
    buffer = np.zeros(size, np.uint8)
    planned.held.append(buffer)
    return cnp.PyArray_DATA(buffer)


cdef void set_values(mf_value *values, object program) except *:
    for i, value in enumerate(program.values):
        values[i].columns = value.columns
        values[i].activation, values[i].alpha = ACTIVATIONS[value.activation.name], value.activation.alpha
        values[i].saves_z = saves_z(values[i].activation)


cdef void set_layers(mf_layer *layers, const mf_value *values, const char *parameters, int64_t itemsize, object program,
                     object schedule) except *:
    cdef int reads, makes
    cdef int64_t offset
    for i, layer in enumerate(program.layers):
        reads, makes = schedule.reads[i], layer.makes
        layers[i].kind, layers[i].number, layers[i].stream = kind_of(layer.kind), layer.number, layer.stream
        layers[i].reads, layers[i].makes = &values[reads], &values[makes]
        for k, tensor in enumerate(layer.tensors):
            offset = program.tensors[tensor].offset
            layers[i].tensors[k] = parameters + offset * itemsize
        if layer.tensors and layers[i].kind.gradient == NULL:
            raise ValueError(f"expected a kind of layer with a gradient for its tensors, got {layer.kind!r}")


cdef void plan_output(Plan *plan, mf_value *output) noexcept:
    """A loss that reads logits leaves the output's activation out, but for metrics."""
    plan.output_activation, plan.output_alpha = output.activation, output.alpha
    if plan.fused:
        output.activation, output.saves_z = MF_IDENTITY, False


cdef void plan_tiles(Planned planned, object program) except *:
    cdef Plan *plan = &planned.plan
    cdef int64_t panel = plan.kernels.nr
    cdef int64_t most = TILE_BYTES // (panel * plan.kernels.itemsize) // panel * panel
    cdef int64_t rows = min(plan.batch_rows, plan.capacity)
    cdef int64_t together = max(most, DELTA_BYTES // (rows * plan.kernels.itemsize) // most * most)
    cdef int64_t t = 0
    plan.rules = <int32_t *> room(planned, len(program.layers) * MF_MOST_TENSORS * sizeof(int32_t))
    plan.tensors = <mf_tile *> room(planned, len(program.tensors) * sizeof(mf_tile))
    for number, layer in enumerate(program.layers):
        for k, index in enumerate(layer.tensors):
            tensor = program.tensors[index]
            height, width = tensor.matrix
            plan.rules[number * MF_MOST_TENSORS + <int> k] = WEIGHT_RULE if tensor.role == "weight" else OTHER_RULE
            set_tile(&plan.tensors[plan.n_tensors], (number, k, (0, height), (0, width)), tensor)
            plan.n_tensors += 1
    tiles = list(program.tiles(panel, most, together))
    plan.n_tiles = len(tiles)
    plan.tiles = <mf_tile *> room(planned, plan.n_tiles * sizeof(mf_tile))
    for t in range(plan.n_tiles):
        set_tile(&plan.tiles[t], tiles[t], program.tensors[program.layers[tiles[t].layer].tensors[tiles[t].tensor]])


cdef void set_tile(mf_tile *to, tile, tensor) except *:
    to.layer, to.tensor, (to.i0, to.ni), (to.j0, to.nj) = tile
    to.ld = tensor.matrix[1]
    to.offset = tensor.offset + to.i0 * to.ld + to.j0


cdef bint takes_csr(object program, schedule) except -1:
    """Whether all layers that read the data take CSR rows as they are; else, rows are gathered."""
    return all(kind_of(program.layers[n].kind).reads_csr for n in schedule.phases[0].forward if schedule.reads[n] == 0)


cdef void plan_bands(Plan *plan, char *parameters) except *:
    """Bands of the data's columns, of which each tile has whole ones; and its readers' weights, read where they lie."""
    cdef const mf_tile *tensor
    cdef mf_layer *layer
    cdef int t
    for t in range(plan.n_tiles):
        if reads_data(plan, &plan.tiles[t]) and plan.tiles[t].i0 == 0:
            plan.bands.width = gcd(plan.bands.width, plan.tiles[t].ni)
    plan.n_bands = (plan.inputs + plan.bands.width - 1) // plan.bands.width
    for t in range(plan.n_tensors):
        tensor = &plan.tensors[t]
        if reads_data(plan, tensor):
            layer = &plan.step.layers[tensor.layer]
            layer.w = row_major(plan.kernels, parameters + tensor.offset * plan.kernels.itemsize, tensor.ld)


cdef bint reads_data(const Plan *plan, const mf_tile *tile) noexcept:
    """Whether it is one of a matrix that the data are multiplied by."""
    return tile.tensor == 0 and plan.step.layers[tile.layer].reads == plan.values


cdef void plan_schedule(Planned planned, Schedule *to, const char *parameters, object program,
                        object schedule) except *:
    cdef Phase *phase
    to.n_layers = len(program.layers)
    to.layers = <mf_layer *> room(planned, to.n_layers * sizeof(mf_layer))
    set_layers(to.layers, planned.plan.values, parameters, planned.plan.kernels.itemsize, program, schedule)
    cdef int output = schedule.output
    to.output = &planned.plan.values[output]
    to.n_phases = len(schedule.phases)
    to.phases = <Phase *> room(planned, to.n_phases * sizeof(Phase))
    for i, given in enumerate(schedule.phases):
        phase = &to.phases[i]
        phase.along_tiles = given.direction == "tiles"
        phase.n_forward, phase.forward = len(given.forward), numbers(planned, given.forward)
        phase.n_back, phase.back = len(given.back), numbers(planned, given.back)
        phase.gathers, phase.compares, phase.updates = given.gathers, given.compares, given.updates
        to.goes_back |= phase.n_back > 0


cdef const int32_t *numbers(Planned planned, layers):
    array = np.array(layers, np.int32)
    planned.held.append(array)
    return <const int32_t *> cnp.PyArray_DATA(array)


cdef size_t lay_out(Plan *plan, list packs, list in_place, char *base) except? 0:
    """Give every matrix its place from `base` on; returns the bytes used."""
    cdef const mf_kernels *kernels = plan.kernels
    cdef int64_t capacity = plan.capacity
    cdef size_t used = 0
    cdef mf_layer *layer
    cdef mf_value *value
    cdef mf_value *output = &plan.values[plan.n_values - 1]
    cdef int i
    if plan.reads_csr:
        plan.bands.starts = <int64_t *> reserve(base, &used, (plan.n_bands + 1) * sizeof(int64_t))
        plan.bands.ends = <int64_t *> reserve(base, &used, plan.n_bands * sizeof(int64_t))
    else:
        plan.x = place(kernels, base, &used, capacity, plan.inputs)
    for i in range(plan.step.n_layers):
        layer = &plan.step.layers[i]
        value = &plan.values[layer.makes - plan.values]
        if packs[i] and not (plan.reads_csr and layer.reads == plan.values):
            layer.w = place(kernels, base, &used, layer.reads.columns + 1, value.columns)
        value.h = place(kernels, base, &used, capacity, value.columns)
        if in_place[i]:
            value.delta = layer.reads.delta
        elif value == output and plan.fused:
            value.delta = value.h           # p - t replaces the logits
        else:
            value.delta = place(kernels, base, &used, capacity, value.columns)
        if value.saves_z:
            value.z = place(kernels, base, &used, capacity, value.columns)
        if packs[i] and layer.reads != plan.values:
            layer.wt = place(kernels, base, &used, value.columns, layer.reads.columns)
        plan.gradient.layers[i].w = plan.evaluation.layers[i].w = layer.w
        plan.gradient.layers[i].wt = plan.evaluation.layers[i].wt = layer.wt
    if plan.fused and plan.output_activation != MF_IDENTITY:
        plan.predictions = place(kernels, base, &used, capacity, output.columns)
    plan.row_loss = <double *> reserve(base, &used, capacity * sizeof(double))
    plan.row_metric = <double *> reserve(base, &used, MAX_METRICS * capacity * sizeof(double))
    plan.labels = <int32_t *> reserve(base, &used, capacity * sizeof(int32_t))
    cdef int64_t listed = capacity // plan.block_rows * (plan.block_rows + AHEAD)
    plan.rows = <int64_t *> reserve(base, &used, listed * sizeof(int64_t))
    return used


cdef mf_matrix place(const mf_kernels *kernels, char *base, size_t *used, int64_t rows, int64_t cols) noexcept:
    return panels(kernels, reserve(base, used, panels_size(kernels, rows, cols) * kernels.itemsize), rows)
