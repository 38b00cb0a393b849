"""From a program, which knows every shape, to a plan: structs, and a place in one arena for each matrix."""

cimport numpy as cnp
import numpy as np

from math import gcd
from .memory cimport panels, panels_size, row_major
from .memory import aligned_zeros
from .kinds cimport kind_of
from .table cimport (
    MF_ADDS, MF_IDENTITY, MF_MORE, MF_MOST_BUFFERS, MF_MOST_NUMBERS, MF_MOST_TENSORS, reads_logits, saves_z,
)
from .table import ACTIVATIONS, LOSSES

cnp.import_array()

cdef enum:
    CHUNK_ROWS = 1024           # rows that an arena holds at most
    KEPT_PARAMETERS = 131072    # bytes of them that stay in L2 from step to step, with their state and packed copies
    BAND = 1048576              # parameters that are packed in one go, about
    SHARES = 4                  # parts for each thread, so that an early one can take more
    DELTA_BYTES = 262144        # of the deltas that tiles in a row share: they stay in L2, beside what streams through


DIRECTIONS = {"rows": ROWS, "columns": COLUMNS, "tiles": TILES, "spans": SPANS, "units": UNITS, "call": CALL}


cdef Planned plan_training(object program, const mf_kernels *kernels, char *state, bint reads_csr, object loss,
                           Batching batching, int threads, uint64_t seed):
    cdef Planned planned = Planned.__new__(Planned)
    cdef Plan *plan = &planned.plan
    cdef int64_t batch_rows = batching.rows
    planned.held = []
    plan.kernels, plan.inputs, plan.n_parameters = kernels, program.values[0].columns, program.n_parameters
    plan.batching, plan.threads, plan.seed, plan.reads_csr = batching, threads, seed, reads_csr
    plan.block_rows = 64 if batch_rows >= 128 else 32
    step = program.schedule("step")
    plan.capacity = min(batch_rows, <int64_t> CHUNK_ROWS)
    if step.over_batch or program.by_rows:      # a batch is one chunk
        plan.capacity = batching.longest
    plan.capacity = (plan.capacity + plan.block_rows - 1) // plan.block_rows
    plan.capacity = (plan.capacity | 1) * plan.block_rows  # odd: panels of a row then spread over a cache's sets
    plan.n_values = len(program.values)
    plan.values = <mf_value *> room(planned, plan.n_values * sizeof(mf_value))
    set_values(plan.values, program)
    plan_loss(planned, loss, plan.values[plan.n_values - 1].columns)
    plan_output(plan, &plan.values[plan.n_values - 1])
    for layer in program.layers:
        if layer.packs:
            plan.flops += <double> program.values[layer.reads].columns * program.values[layer.makes].columns
    plan.looks_ahead = (program.n_parameters * kernels.itemsize > KEPT_PARAMETERS
                        or threads_for(plan, batch_rows) > 1)
    plan_tiles(planned, program)
    others = [program.schedule(name) for name in ("gradient", "training_gradient", "evaluation")]
    plan_schedule(planned, &plan.step, state, program, step)
    plan_schedule(planned, &plan.gradient, state, program, others[0])
    plan.training_gradient = plan.gradient
    if others[1].over_batch:
        plan_schedule(planned, &plan.training_gradient, state, program, others[1])
    plan_schedule(planned, &plan.evaluation, state, program, others[2])
    if reads_csr:
        plan_bands(plan, state)
    # One vector for everything a step touches besides parameters and state.
    shared = step.shared.union(*[schedule.shared for schedule in others])
    cdef size_t size = lay_out(plan, program.layers, step, shared, NULL)
    try:
        arena = aligned_zeros(size, np.uint8)
    except MemoryError:
        raise MemoryError(f"the memory of a batch of {batch_rows:,} rows, {size:,} bytes, is not there") from None
    planned.held.append(arena)
    lay_out(plan, program.layers, step, shared, <char *> cnp.PyArray_DATA(arena))
    return planned


cdef void plan_loss(Planned planned, object loss, int64_t outputs) except *:
    cdef Plan *plan = &planned.plan
    plan.label_smoothing, plan.each = loss.smoothing, loss.outputs_per_target
    plan.classes = max(2, loss.classes(outputs))
    plan.calls = loss.called is not None
    plan.c_loss = <mf_c_loss> <size_t> loss.address
    if plan.calls or plan.c_loss != NULL:
        return
    plan.loss = LOSSES[loss.compiled]
    plan.fused = reads_logits(plan.loss)
    for k, number in enumerate(loss.numbers):
        plan.loss_options.numbers[k] = number
    of_outputs = loss.of_outputs(outputs)
    if of_outputs is not None:
        array = np.array(of_outputs, np.float64)
        if array.shape != (outputs,):
            raise ValueError(f"loss {loss.name!r}: expected a number for each of {outputs} outputs, got {array.size}")
        planned.held.append(array)
        plan.loss_options.of_outputs = <const double *> cnp.PyArray_DATA(array)


cdef void *room(Planned planned, size_t size):
    buffer = np.zeros(size, np.uint8)
    planned.held.append(buffer)
    return cnp.PyArray_DATA(buffer)


cdef void set_values(mf_value *values, object program) except *:
    for i, value in enumerate(program.values):
        values[i].columns = value.columns
        values[i].activation, values[i].alpha = ACTIVATIONS[value.activation.name], value.activation.alpha
        values[i].saves_z = saves_z(values[i].activation)
        values[i].delta_first, values[i].delta_end = program.delta_columns(i)


cdef void set_layers(mf_layer *layers, const mf_value *values, const char *state, int64_t itemsize, object program,
                     object schedule, list held) except *:
    cdef mf_layer *to
    cdef int value
    cdef int64_t offset
    for i, layer in enumerate(program.layers):
        to = &layers[i]
        to.kind, to.stream, to.over_batch = kind_of(layer.kind), layer.stream, i in schedule.over_batch
        value = layer.makes
        to.makes = &values[value]
        value = schedule.reads[i]
        to.reads = &values[value]
        if schedule.also[i] is not None:
            value = schedule.also[i]
            to.also = &values[value]
        to.edge, to.also_edge = [edge.adds * MF_ADDS | edge.more * MF_MORE for edge in schedule.edges[i]]
        for k, number in enumerate(layer.numbers):
            to.numbers[k] = number
        if layer.activation is not None:
            to.activation, to.alpha = ACTIVATIONS[layer.activation.name], layer.activation.alpha
        for k, tensor in enumerate(layer.tensors):
            offset = program.tensors[tensor].offset
            to.tensors[k] = state + offset * itemsize
        for k, buffer in enumerate(layer.buffers):
            offset = program.n_parameters + program.buffers[buffer].offset
            to.buffers[k] = <char *> state + offset * itemsize
        to.first, to.width = (0, to.makes.columns) if layer.part is None else layer.part
        to.n_columns = to.reads.columns
        if layer.columns:
            to.n_columns, to.columns = len(layer.columns), numbers(held, layer.columns)
        if layer.tensors and to.kind.gradient == NULL:
            raise ValueError(f"expected a kind of layer with a gradient for its tensors, got {layer.kind!r}")
        by_rows = any([program.tensors[tensor].rule.by_rows for tensor in layer.tensors])
        if by_rows and to.kind.update_entries == NULL:
            raise ValueError(f"expected a kind of layer that updates by rows, got {layer.kind!r}")
        if layer.over_batch and to.kind.columns == NULL:
            raise ValueError(f"expected a kind of layer with passes along columns, got {layer.kind!r}")


cdef int check_room(layer) except -1:
    for what, given, most in (("tensors", layer.tensors, MF_MOST_TENSORS), ("buffers", layer.buffers, MF_MOST_BUFFERS),
                              ("numbers", layer.numbers, MF_MOST_NUMBERS)):
        if len(given) > most:
            raise ValueError(f"expected at most {most} {what} of a layer of kind {layer.kind!r}, got {len(given)}")


cdef void plan_output(Plan *plan, mf_value *output) noexcept:
    """A loss that reads logits leaves the output's activation out, but for metrics."""
    plan.output_activation, plan.output_alpha = output.activation, output.alpha
    if plan.fused:
        output.activation, output.saves_z = MF_IDENTITY, False


cdef void plan_tiles(Planned planned, object program) except *:
    cdef Plan *plan = &planned.plan
    cdef int64_t panel = plan.kernels.nr
    cdef int64_t column = panel * plan.kernels.itemsize
    cdef int64_t most = NEAR_BYTES // column // panel * panel, whole = TILE_BYTES // column
    cdef int64_t rows = min(plan.batching.rows, plan.capacity)
    cdef int64_t together = max(most, DELTA_BYTES // (rows * plan.kernels.itemsize) // most * most)
    cdef size_t places = len(program.layers) * MF_MOST_TENSORS
    cdef int place, following
    plan.rules_of = <int32_t *> room(planned, places * sizeof(int32_t))
    plan.next_use = <int32_t *> room(planned, places * sizeof(int32_t))
    plan.tensors = <mf_tile *> room(planned, len(program.tensors) * sizeof(mf_tile))
    rules = set_rules(plan, program)
    for index, uses in program.uses.items():
        height, width = program.tensors[index].matrix
        set_tile(&plan.tensors[plan.n_tensors], (*uses[0], (0, height), (0, width)), program.tensors[index])
        plan.n_tensors += 1
        following = -1
        for number, k in reversed(uses):
            place = number * MF_MOST_TENSORS + k
            plan.rules_of[place], plan.next_use[place] = rules[index], following
            following = place
    tiles = list(program.tiles(panel, most, min(whole, together), together, SHARES * plan.threads))
    plan.tiles, plan.n_tiles = set_tiles(planned, program, tiles)
    plan.n_dense = sum([not program.tensor_of(tile).rule.by_rows for tile in tiles])
    most = SHARES * plan.threads if plan.threads > 1 else 1
    plan.shares, plan.n_shares = set_tiles(planned, program, list(program.shares(most)))
    plan.strips, plan.n_strips = set_tiles(planned, program, list(program.strips(panel)))
    plan_packing(planned, program)


cdef (mf_tile *, int64_t) set_tiles(Planned planned, object program, list tiles) except *:
    cdef mf_tile *to = <mf_tile *> room(planned, len(tiles) * sizeof(mf_tile))
    cdef int64_t t
    for t in range(len(tiles)):
        set_tile(&to[t], tiles[t], program.tensor_of(tiles[t]))
    return to, len(tiles)


cdef void plan_packing(Planned planned, object program) except *:
    cdef Plan *plan = &planned.plan
    cdef int64_t panel = plan.kernels.nr, b = 0
    bands = []
    for number, layer in enumerate(program.layers):
        if kind_of(layer.kind).refresh != NULL:
            for k, tensor in enumerate([program.tensors[index] for index in layer.tensors]):
                height, width = tensor.matrix
                rows = max(panel, BAND // width // panel * panel)
                bands += [((number, k, (i, min(rows, height - i)), (0, width)), tensor) for i in range(0, height, rows)]
    plan.n_packed = len(bands)
    plan.packed = <mf_tile *> room(planned, plan.n_packed * sizeof(mf_tile))
    for b in range(plan.n_packed):
        set_tile(&plan.packed[b], bands[b][0], bands[b][1])


cdef list set_rules(Plan *plan, object program):
    """The different rules of the tensors; returns the number of each tensor's."""
    numbers = {}
    for tensor in program.tensors:
        numbers.setdefault((tensor.rule, tensor.decays), len(numbers))
    if len(numbers) > MOST_RULES:
        raise ValueError(f"expected at most {MOST_RULES} different rules for groups of parameters, got {len(numbers)}")
    cdef TensorRule *to
    for (rule, decays), number in numbers.items():
        to = &plan.rules[<int> number]
        to.trainable = rule.trainable
        to.learning_rate_scale, to.epsilon_scale = rule.learning_rate_scale, rule.epsilon_scale
        to.multiplier = rule.multiplier
        to.weight_decay_scale = float(decays) if rule.weight_decay_scale is None else rule.weight_decay_scale
        to.takes_l1, to.takes_l2 = rule.l1 is None and decays, rule.l2 is None and decays
        to.l1, to.l2 = rule.l1 or 0.0, rule.l2 or 0.0
        to.by_rows = rule.by_rows
        to.max_norm = float("inf") if rule.max_norm is None else rule.max_norm
    plan.n_rules = len(numbers)
    return [numbers[tensor.rule, tensor.decays] for tensor in program.tensors]


cdef void set_tile(mf_tile *to, tile, tensor) except *:
    to.layer, to.tensor, (to.i0, to.ni), (to.j0, to.nj) = tile
    to.ld = tensor.matrix[1]
    to.offset = tensor.offset + to.i0 * to.ld + to.j0


cdef bint takes_csr(object program, schedule) except -1:
    """Whether all layers that read the data take CSR rows as they are; else, rows are gathered."""
    run = {number for phase in schedule.phases for number in phase.forward}
    if any(schedule.also[n] == 0 for n in run):
        return False                            # what a layer reads beside its input is always gathered
    return all(kind_of(program.layers[n].kind).reads_csr for n in run if schedule.reads[n] == 0)


cdef void plan_bands(Plan *plan, char *state) except *:
    """Bands of the data's columns, of which each tile has whole ones; and its readers' weights, read where they lie."""
    cdef const mf_tile *tensor
    cdef mf_layer *layer
    cdef int t
    for t in range(plan.n_tiles):
        if reads_data(plan, &plan.tiles[t]) and plan.tiles[t].i0 == 0:
            plan.bands.width = gcd(plan.bands.width, plan.tiles[t].ni)
    if plan.bands.width > 0:    # else what reads the data is frozen, or has no tensors
        plan.n_bands = (plan.inputs + plan.bands.width - 1) // plan.bands.width
    for t in range(plan.n_tensors):
        tensor = &plan.tensors[t]
        if reads_data(plan, tensor):
            layer = &plan.step.layers[tensor.layer]
            layer.w = row_major(plan.kernels, state + tensor.offset * plan.kernels.itemsize, tensor.ld)


cdef bint reads_data(const Plan *plan, const mf_tile *tile) noexcept:
    """Whether it is one of a matrix that the data are multiplied by."""
    return tile.tensor == 0 and plan.step.layers[tile.layer].reads == plan.values


cdef void plan_schedule(Planned planned, Schedule *to, const char *state, object program, object schedule) except *:
    cdef Plan *plan = &planned.plan
    cdef Phase *phase
    to.n_layers = len(program.layers)
    to.layers = <mf_layer *> room(planned, to.n_layers * sizeof(mf_layer))
    set_layers(to.layers, plan.values, state, plan.kernels.itemsize, program, schedule, planned.held)
    cdef int output = schedule.output
    to.output = &plan.values[output]
    to.n_phases = len(schedule.phases)
    to.phases = <Phase *> room(planned, to.n_phases * sizeof(Phase))
    along_rows = [given for given in schedule.phases if given.direction == "rows"]
    cdef double visits = sum([len(given.forward) + len(given.back) for given in along_rows])
    for i, given in enumerate(schedule.phases):
        phase = &to.phases[i]
        phase.direction = DIRECTIONS[given.direction]
        phase.n_forward, phase.forward = len(given.forward), numbers(planned.held, given.forward)
        phase.n_back, phase.back = len(given.back), numbers(planned.held, given.back)
        phase.gathers, phase.compares, phase.updates = given.gathers, given.compares, given.updates
        to.goes_back |= phase.n_back > 0
    for i, given in enumerate(schedule.phases):
        phase = &to.phases[i]
        # Rows and tiles each have half of the three products of a layer.
        phase.work = plan.flops * (1.5 if to.goes_back else 1)
        if phase.direction == ROWS and len(along_rows) > 1:
            phase.work *= (phase.n_forward + phase.n_back) / visits
        elif phase.direction in (SPANS, UNITS) or phase.direction == TILES and phase.n_back == 0:
            phase.work = plan.flops / plan.batching.rows
        elif phase.direction == COLUMNS:
            to.over_batch = True
            columns = max(program.values[schedule.reads[n]].columns for n in given.forward + given.back)
            phase.work = 2 * columns
            phase.n_panels = (columns + plan.kernels.nr - 1) // plan.kernels.nr
        if phase.direction == ROWS:
            plan_parts(planned, phase)


cdef void plan_parts(Planned planned, Phase *phase) except *:
    """A phase's layers, each as a phase of its own. What it compares is compared at the end of the way forward."""
    cdef Phase *part
    cdef int k
    phase.n_parts = phase.n_forward + phase.n_back
    phase.parts = <Phase *> room(planned, phase.n_parts * sizeof(Phase))
    for k in range(phase.n_parts):
        part = &phase.parts[k]
        part.direction, part.gathers = ROWS, phase.gathers and k == 0
        part.compares = phase.compares and k == min(phase.n_forward, phase.n_parts - 1)
        if k < phase.n_forward:
            part.n_forward, part.forward = 1, phase.forward + k
        else:
            part.n_back, part.back = 1, phase.back + (k - phase.n_forward)


cdef const int32_t *numbers(list held, layers):
    array = np.array(layers, np.int32)
    held.append(array)
    return <const int32_t *> cnp.PyArray_DATA(array)


cdef size_t lay_out(Plan *plan, list layers, object schedule, set shared, char *base) except? 0:
    """Give every matrix its place from `base` on; returns the bytes used."""
    cdef const mf_kernels *kernels = plan.kernels
    cdef int64_t capacity = plan.capacity, columns
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
    placed = set()
    if schedule.wanted[0]:
        place_inputs(plan, base, &used, 0 in shared)
    for i, given in enumerate(layers):
        layer = &plan.step.layers[i]
        value = &plan.values[layer.makes - plan.values]
        if given.packs and not (plan.reads_csr and layer.reads == plan.values):
            layer.w = place(kernels, base, &used, layer.reads.columns + 1, value.columns)
        if given.makes not in placed:
            placed.add(given.makes)
            value.h = place(kernels, base, &used, capacity, value.columns)
            if not (schedule.wanted[given.makes] or value == output):
                pass                            # no delta flows there
            elif given.in_place and layer.reads.delta.data != NULL and schedule.reads[i] not in shared:
                value.delta = layer.reads.delta
            elif given.passes_on and value != output and begins(schedule, i):
                value.delta = layer.also.delta
            elif value == output and plan.fused and not plan.keeps:
                value.delta = value.h           # p - t replaces the logits
            else:
                value.delta = place(kernels, base, &used, capacity, value.columns)
            if given.makes in shared:
                value.part = place(kernels, base, &used, capacity, value.columns)
            if value.saves_z or plan.keeps and value.activation != MF_IDENTITY:
                value.z = place(kernels, base, &used, capacity, value.columns)
        if given.packs and layer.reads.delta.data != NULL:
            layer.wt = place(kernels, base, &used, value.columns, layer.reads.columns)
        if given.saves_in_place and not plan.keeps and read_once(plan, layers, schedule, schedule.reads[i]):
            layer.saved = layer.reads.h
        elif given.saves:
            columns = given.saves
            layer.saved = place(kernels, base, &used, capacity, columns)
        if given.row_notes or given.column_notes or given.notes:
            columns = given.row_notes * capacity + given.column_notes * layer.reads.columns + given.notes
            layer.notes = <double *> reserve(base, &used, columns * sizeof(double))
        if plan.gradient.layers != NULL:
            share_places(&plan.gradient.layers[i], layer, True)
            share_places(&plan.training_gradient.layers[i], layer, True)
            share_places(&plan.evaluation.layers[i], layer, False)
    if plan.fused and plan.output_activation != MF_IDENTITY:
        plan.predictions = place(kernels, base, &used, capacity, output.columns)
    plan.row_loss = <double *> reserve(base, &used, capacity * sizeof(double))
    if plan.c_loss != NULL:
        plan.doubles = <double *> reserve(base, &used, capacity * 3 * output.columns * sizeof(double))
    plan.labels = <int32_t *> reserve(base, &used, capacity * sizeof(int32_t))
    cdef int64_t listed = capacity // plan.block_rows * (plan.block_rows + AHEAD)
    plan.rows = <int64_t *> reserve(base, &used, listed * sizeof(int64_t))
    return used


cdef bint read_once(const Plan *plan, list layers, object schedule, int value) except -1:
    """Whether a single layer reads h = z of a dense one: nobody looks at it again on the way back."""
    makers = [layer for layer in layers if layer.makes == value]
    if len(makers) != 1 or not makers[0].packs or plan.values[value].activation != MF_IDENTITY:
        return False
    return [*schedule.reads, *schedule.also].count(value) == 1


cdef bint begins(object schedule, int i) except -1:
    """Whether a layer is the first on the way back of those that also read a value, and that has a delta."""
    return schedule.also[i] != 0 and schedule.wanted[schedule.also[i]] and not schedule.edges[i][1].adds


cdef void place_inputs(Plan *plan, char *base, size_t *used, bint shared) noexcept:
    """Where the delta goes on to the data: these are a value like the others then."""
    cdef mf_value *data = &plan.values[0]
    data.h, data.delta = plan.x, place(plan.kernels, base, used, plan.capacity, plan.inputs)
    if shared:
        data.part = place(plan.kernels, base, used, plan.capacity, plan.inputs)


cdef void share_places(mf_layer *to, const mf_layer *layer, bint goes_back) noexcept:
    """The same layer in another schedule: what it keeps for the way back is not needed without one."""
    to.w, to.wt = layer.w, layer.wt
    if goes_back:
        to.saved, to.notes = layer.saved, layer.notes


cdef mf_matrix place(const mf_kernels *kernels, char *base, size_t *used, int64_t rows, int64_t cols) noexcept:
    return panels(kernels, reserve(base, used, panels_size(kernels, rows, cols) * kernels.itemsize), rows)
