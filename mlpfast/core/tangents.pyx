"""Forward mode and second order: what changes as data or parameters change in some direction.

Each value has a twin, which holds the tangent of its h, and each layer a twin that leads to those and to the direction
of its tensors (`mf_layer_kind.tangent`). Blocks of rows go forward through all layers and their tangents. Then they are
done, where the data changed (forward mode); or, where the parameters did, they go through the loss's Hessian and back,
and each tile of the parameters sums over the rows, in order, as in a step of training: for the Gauss-Newton product the
plain way back, for the product with the Hessian the way back and its tangent (Pearlmutter, "Fast exact multiplication
by the Hessian", 1994). The same way back, of tangents of the data, gives mixed derivatives: by data and by parameters.
"""

cimport numpy as cnp
import numpy as np

from libc.stdint cimport int64_t
from libc.string cimport memset
from .call cimport BAD_DATA, DONE, INTERRUPTED, Step, Totals
from .engine cimport Engine
from .hadamard cimport propagate
from .interrupts cimport in_pieces, listen, look_up
from .layers.along cimport add_parts, tangent_of
from .layers.block cimport of_block, saved
from .memory cimport clear, set_column
from .memory import aligned_zeros
from .network cimport Network
from .plan cimport TILE_BYTES, Phase, Plan, Planned, place, set_layers, threads_for
from .rules cimport add_penalties, penalise
from .source cimport weigh
from .step cimport begin_block, go_back, go_forward
from .table cimport (
    MF_FLOAT32, MF_IDENTITY, MF_MOST_TENSORS, MF_OK, MF_SCRATCHES, flush_denormals, mf_block, mf_kernels, mf_layer,
    mf_matrix, mf_raise, mf_raised, mf_targets, mf_tile, mf_value, set_float_mode,
)
from .tile cimport refresh_all, set_chunk, sum_up, take_tiles

cnp.import_array()

cdef enum Mode:
    DATA            # the data change: the outputs' tangents are wanted
    GAUSS_NEWTON    # the parameters do
    HESSIAN
    MIXED           # the data do, and how a product of the outputs changes is differentiated by the parameters

MODES = {"data": DATA, "gauss_newton": GAUSS_NEWTON, "hessian": HESSIAN, "mixed": MIXED}

# A step, which comes first, so that a pointer to one is a pointer to the other; and the tangents beside it.
ctypedef struct Course:
    Step step
    Mode mode
    const mf_layer *along
    const mf_value *values      # the twins; value 0 is the data
    int output
    const char *direction       # of the parameters, flat
    const char *data            # of the data, (rows, inputs); or NULL for unit vectors
    const char *seeds           # what the outputs are multiplied by, (rows, outputs), where no loss is
    char *out                   # (rows, outputs), or of unit vectors (rows, outputs, inputs)


cdef class Tangents(Engine):
    """An engine for tangents of one mode.

    Parameters
    ----------
    network : Network
    loss : Loss, as in `mlpfast.losses`; for the data's tangents any
    mode : {"data", "gauss_newton", "hessian", "mixed"}
    batch_rows : rows that the arena holds
    n_threads : at most so many; None: as many as the process may use
    program : the network's program, by default, or the same with other rules for its tensors
    """

    cdef object direction               # of the parameters, where it has to be copied
    cdef bint packs_all                 # directions are read once, and packed: they may be the caller's
    cdef list twins                     # memory
    cdef mf_value *values
    cdef mf_layer *along
    cdef Mode mode

    def __init__(self, Network network, loss, str mode, *, int64_t batch_rows, n_threads=None, program=None):
        Engine.__init__(self, network, loss, batch_rows=batch_rows, n_threads=n_threads, program=program)
        self.takes_csr = False          # rows are gathered: there is no sparse tangent
        self.mode = MODES[mode]
        self.direction = aligned_zeros(network.n_parameters, network.parameters.dtype)
        self.twins = []
        cdef Planned planned = self.planned(False)
        cdef Plan *plan = &planned.plan
        self.values = <mf_value *> self.room(plan.n_values * sizeof(mf_value))
        self.along = <mf_layer *> self.room(plan.gradient.n_layers * sizeof(mf_layer))
        cdef int i
        for i in range(plan.n_values):
            self.values[i].columns, self.values[i].activation = plan.values[i].columns, plan.values[i].activation
            self.values[i].alpha, self.values[i].saves_z = plan.values[i].alpha, plan.values[i].saves_z
        schedule = self.program.schedule("gradient")
        self.packs_all = self.all_trainable
        set_layers(self.along, self.values, <const char *> cnp.PyArray_DATA(self.direction), plan.kernels.itemsize,
                   self.program, schedule, self.twins)
        cdef size_t size = self.lay_out(plan, schedule, NULL)
        self.lay_out(plan, schedule, <char *> self.room(size))

    cdef void *room(self, size_t size) except NULL:
        array = aligned_zeros(size, np.uint8)
        self.twins.append(array)
        return cnp.PyArray_DATA(array)

    cdef size_t lay_out(self, const Plan *plan, schedule, char *base) except? 0:
        """Give the twins' matrices their places from `base` on; returns the bytes used."""
        cdef const mf_kernels *kernels = plan.kernels
        cdef const mf_layer *layer
        cdef mf_layer *along
        cdef mf_value *value
        cdef size_t used = 0
        cdef int64_t columns
        cdef int i, made
        cdef bint curves = self.mode in (HESSIAN, MIXED), of_data = self.mode in (DATA, MIXED)
        layers, placed = self.program.layers, {0}
        run = schedule.phases[0].forward
        if of_data or not all(layers[n].packs for n in run if 0 in (schedule.reads[n], schedule.also[n])):
            self.values[0].h = place(kernels, base, &used, plan.capacity, plan.inputs)
        for i in run:
            layer, along, given = &plan.gradient.layers[i], &self.along[i], layers[i]
            made = given.makes
            value = &self.values[made]
            if made not in placed:
                placed.add(made)
                value.h = place(kernels, base, &used, plan.capacity, value.columns)
                if curves and value.activation != MF_IDENTITY:
                    value.z = place(kernels, base, &used, plan.capacity, value.columns)
                if self.mode != DATA and (made == schedule.output or curves and schedule.wanted[made]):
                    value.delta = place(kernels, base, &used, plan.capacity, value.columns)
                if curves and made in schedule.shared:
                    value.part = place(kernels, base, &used, plan.capacity, value.columns)
            columns = max(layer.reads.columns, value.columns)
            if not given.packs:
                self.packs_all = self.packs_all and not given.tensors
                columns = max(MF_SCRATCHES * ((columns + kernels.nr - 1) // kernels.nr * kernels.nr),
                              <int64_t> given.saves)
            along.saved = place(kernels, base, &used, plan.capacity, columns)
            if given.packs and not of_data:
                along.w = place(kernels, base, &used, layer.reads.columns + 1, value.columns)
                if curves and layer.wt.data != NULL:
                    along.wt = place(kernels, base, &used, value.columns, layer.reads.columns)
        return used

    cdef int64_t begin_course(self, Course *course, X, y, sample_weight, double l2, order=None) except -1:
        """Point the course at the caller's arrays, which the caller holds. Returns how many rows it goes through."""
        memset(course, 0, sizeof(Course))
        cdef int64_t rows = self.begin(&course.step, X, y, sample_weight, order, 0, l2, ())
        course.step.schedule = &course.step.plan.gradient
        course.mode, course.along, course.values = self.mode, self.along, self.values
        course.output = course.step.schedule.output - course.step.plan.values
        course.direction = <const char *> cnp.PyArray_DATA(self.direction)
        return rows

    def jvp(self, X, V, out):
        """J V for rows X and V, (n, inputs) of the parameters' dtype, into `out` (n, outputs); a V of None stands for
        the unit vectors, whose products are columns of the Jacobians (n, outputs, inputs)."""
        cdef Course course
        cdef int64_t rows = self.begin_course(&course, X, None, None, 0)
        if V is not None:
            course.data = <const char *> cnp.PyArray_DATA(V)
        course.out = <char *> cnp.PyArray_DATA(out)
        self.go(&course, rows, X, None)
        return out

    def product(self, X, y, sample_weight, double l2, v, out):
        """The matrix of the mode, of the loss with penalties, times v, into `out`.

        Both are (n_parameters,) of the parameters' dtype, and share no memory; `out` is contiguous.
        """
        cdef Course course
        cdef int64_t rows = self.begin_course(&course, X, y, sample_weight, l2)
        assert v.shape == self.direction.shape and v.dtype == self.direction.dtype
        if self.packs_all and cnp.PyArray_ISCARRAY_RO(v):
            course.direction = <const char *> cnp.PyArray_DATA(v)
        else:
            self.direction[:] = v
            for tensor in self.program.tensors:
                if not tensor.rule.trainable:
                    self.direction[tensor.offset:tensor.offset + tensor.size] = 0
        return self.differentiate(&course, rows, X, y, out)

    def mixed(self, X, D, S, out, order=None):
        """The gradient of the sum over rows of s J d by the parameters, J being a row's Jacobian by the data.

        D (n, inputs) and S (n, outputs), of the parameters' dtype, are constants; `order` has the n rows of X, or None
        for all. The result goes into `out` (n_parameters,).
        """
        cdef Course course
        cdef int64_t rows = self.begin_course(&course, X, None, None, 0, order)
        course.data, course.seeds = <char *> cnp.PyArray_DATA(D), <char *> cnp.PyArray_DATA(S)
        return self.differentiate(&course, rows, X, None, out)

    cdef object differentiate(self, Course *course, int64_t rows, X, y, out):
        """Derivatives by the parameters, summed over the rows, into `out`."""
        if not self.all_trainable:
            out.fill(0)
        course.step.gradient = <char *> cnp.PyArray_DATA(out)
        _sums = self.sums_of(&course.step, rows)    # lives until the course is done
        self.go(course, rows, X, y)
        return out

    cdef int go(self, Course *course, int64_t rows, X, y) except -1:
        cdef Totals totals
        cdef int status
        with nogil:
            status = run(course, rows, &totals)
        error = self.error_of(status, &course.step, X, y, None)
        if error is not None:
            raise error
        return 0


cdef int run(Course *course, int64_t rows, Totals *totals) noexcept nogil:
    """All rows, chunk by chunk."""
    cdef Step *step = &course.step
    cdef const Plan *plan = step.plan
    cdef int threads = threads_for(plan, rows), r
    cdef int64_t n, blocks
    memset(totals, 0, sizeof(Totals))
    listen(step)
    flush_denormals()
    refresh_all(step)
    if course.mode in (GAUSS_NEWTON, HESSIAN):
        in_pieces(step, plan.n_packed, 1, refresh, plan.flops)
        weigh(step, 0, rows)
    penalise(step)
    while step.first_row < rows and step.error == NULL and mf_raised(&step.bad) == MF_OK:
        n = min(plan.capacity, rows - step.first_row)
        step.first, step.rows, step.known = step.first_row, n, rows - step.first_row
        step.accumulate, step.completes = step.first_row > 0, step.first_row + n == rows
        step.findings = 0
        step.phase = &step.schedule.phases[0]
        blocks = (n + plan.block_rows - 1) // plan.block_rows
        in_pieces(step, blocks, threads, take_block, n * work_of(course))
        if course.mode != DATA and step.error == NULL and mf_raised(&step.bad) == MF_OK:
            step.phase = &step.schedule.phases[step.schedule.n_phases - 1]
            if course.mode == GAUSS_NEWTON:
                take_tiles(step, threads, n * step.phase.work)
            else:
                in_pieces(step, plan.n_tiles, threads, take_tile, 2 * n * step.phase.work)
        step.first_row += n
        if step.first_row < rows and step.error == NULL:
            look_up(step)
    if course.mode in (GAUSS_NEWTON, HESSIAN) and step.error == NULL and mf_raised(&step.bad) == MF_OK:
        # l2 / 2 |W|^2 has the gradient of itself along the direction; that of l1 |W| does not change.
        for r in range(plan.n_rules):
            step.rules[r].l1 = 0
        step.parameters = <char *> course.direction
        add_penalties(step, True)
    set_float_mode(step.float_mode)
    return INTERRUPTED if step.error != NULL else BAD_DATA if mf_raised(&step.bad) != MF_OK else DONE


cdef double work_of(const Course *course) noexcept nogil:
    """Of a row, in multiply-adds."""
    cdef const Plan *plan = course.step.plan
    if course.mode == DATA:
        return plan.flops * (2 if course.data != NULL else 1 + plan.inputs)
    return 2 * course.step.phase.work


cdef void refresh(void *context, int64_t index) noexcept nogil:
    """The forms in which a layer's twin reads the direction of its tensors."""
    cdef Course *course = <Course *> context
    cdef const mf_kernels *kernels = course.step.plan.kernels
    cdef const mf_tile *band = &course.step.plan.packed[course.step.first_task + index]
    cdef const mf_layer *along = &course.along[band.layer]
    along.kind.refresh(along, kernels, band, course.direction + band.offset * kernels.itemsize)


cdef void take_block(void *context, int64_t i) noexcept nogil:
    """Rows of the chunk through all that goes along rows."""
    cdef Course *course = <Course *> context
    cdef Step *step = &course.step
    cdef const Phase *phase = step.phase
    cdef const mf_layer *layer
    cdef mf_block block
    cdef int64_t r0 = begin_block(step, i, &block)
    cdef int k
    go_forward(step, &block)
    if course.mode == DATA:
        follow(course, &block)
        return
    if course.mode == MIXED:
        read_direction(course, &block)
    go_along(course, &block)
    if course.mode == MIXED:
        multiply(course, &block)
    else:
        compare(course, &block, r0)
    if course.mode == GAUSS_NEWTON:
        go_back(step, &block, 0, phase.n_back)
        return
    for k in range(phase.n_back):
        layer = &step.schedule.layers[phase.back[k]]
        layer.kind.tangent_back(layer, &course.along[phase.back[k]], &block)


cdef void go_along(const Course *course, const mf_block *block) noexcept nogil:
    """The tangents of all values."""
    cdef const Phase *phase = course.step.phase
    cdef const mf_layer *layer
    cdef int k
    for k in range(phase.n_forward):
        layer = &course.step.schedule.layers[phase.forward[k]]
        layer.kind.tangent(layer, &course.along[phase.forward[k]], block)


cdef void follow(Course *course, const mf_block *block) noexcept nogil:
    """The outputs' tangents along the data's direction, or along each column of the data."""
    cdef const Plan *plan = course.step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef mf_matrix dx = tangent_of(&course.values[0], block), h = tangent_of(&course.values[course.output], block)
    cdef int64_t outputs = course.values[course.output].columns, size = kernels.itemsize, j
    if course.data != NULL:
        read_direction(course, block)
        go_along(course, block)
        kernels.unpack(h, block.rows, outputs, course.out + block.first * outputs * size, outputs)
        return
    clear(kernels, dx, block.rows, plan.inputs)     # a direction may be left here from a call before
    for j in range(plan.inputs):
        set_column(kernels, dx, block.rows, j, 1)
        go_along(course, block)
        set_column(kernels, dx, block.rows, j, 0)
        if kernels.dtype == MF_FLOAT32:
            scatter(h, <float *> course.out + block.first * outputs * plan.inputs + j, block.rows, outputs,
                    plan.inputs, kernels.nr)
        else:
            scatter(h, <double *> course.out + block.first * outputs * plan.inputs + j, block.rows, outputs,
                    plan.inputs, kernels.nr)


cdef void read_direction(const Course *course, const mf_block *block) noexcept nogil:
    """The data's, of the block's rows."""
    cdef const mf_kernels *kernels = course.step.plan.kernels
    cdef int64_t inputs = course.step.plan.inputs
    mf_raise(block.bad, kernels.gather(course.data + block.first * inputs * kernels.itemsize, kernels.dtype, inputs,
                                       NULL, block.rows, block.rows, inputs, tangent_of(&course.values[0], block)))


ctypedef fused real:
    float
    double


cdef void scatter(mf_matrix h, real *out, int64_t rows, int64_t columns, int64_t stride, int64_t nr) noexcept nogil:
    """Elements of h, row by row, `stride` apart."""
    cdef const real *row
    cdef int64_t r, c
    for r in range(rows):
        for c in range(columns):
            row = <const real *> h.data + r * h.row_stride + c // nr * h.panel_stride
            out[(r * columns + c) * stride] = row[c % nr]


cdef void compare(const Course *course, const mf_block *block, int64_t r0) noexcept nogil:
    """The loss's Hessian times the outputs' tangent: the delta of Gauss-Newton; or a part of the tangent of delta."""
    cdef const Step *step = &course.step
    cdef const Plan *plan = step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef const mf_value *output = step.schedule.output
    cdef const mf_value *along = &course.values[course.output]
    cdef mf_matrix h = of_block(output.h, block), delta = of_block(output.delta, block)
    cdef mf_matrix product = of_block(along.delta, block)
    cdef mf_targets targets = step.targets
    cdef int64_t rows = block.rows, columns = output.columns
    targets.rows = block.index
    if targets.dense == NULL:
        targets.labels = plan.labels + r0
    kernels.loss_product(plan.loss, &plan.loss_options, h, &targets, rows, columns, step.scale,
                         of_block(along.h, block), product)
    if course.mode == GAUSS_NEWTON:     # delta may be where the outputs are, that is why it is written now only
        propagate(kernels, MF_IDENTITY, 0, product, product, delta, rows, columns)
        if not plan.fused:
            propagate(kernels, output.activation, output.alpha, delta, saved(output, block), delta, rows, columns)
        return
    kernels.loss(plan.loss, &plan.loss_options, h, &targets, rows, columns, step.scale, delta, plan.row_loss + r0)
    if not plan.fused:
        add_parts(output, along, 0, block, delta, product)


cdef void multiply(const Course *course, const mf_block *block) noexcept nogil:
    """In place of a loss, what is linear in the outputs: the seeds are its derivative, which does not change."""
    cdef const mf_kernels *kernels = course.step.plan.kernels
    cdef const mf_value *output = course.step.schedule.output
    cdef const mf_value *along = &course.values[course.output]
    cdef mf_matrix delta = of_block(output.delta, block), change = of_block(along.delta, block)
    cdef int64_t columns = output.columns
    kernels.pack(course.seeds + block.first * columns * kernels.itemsize, columns, block.rows, columns, delta)
    clear(kernels, change, block.rows, columns)
    add_parts(output, along, 0, block, delta, change)


cdef void take_tile(void *context, int64_t index) noexcept nogil:
    """A tile of the tangent of the gradient, over the chunk's rows; further layers with the same tensor add to it."""
    cdef Course *course = <Course *> context
    cdef Step *step = &course.step
    cdef const Plan *plan = step.plan
    cdef mf_tile tile = plan.tiles[step.first_task + index]
    cdef const mf_layer *layer
    cdef int64_t ld = tile.nj
    cdef mf_block chunk
    cdef char room[TILE_BYTES + 64]
    cdef char *g = room + (-<Py_ssize_t> room & 63)
    cdef int use
    cdef bint accumulate = step.accumulate and step.sums == NULL
    set_chunk(step, &chunk)
    if step.sums == NULL:
        g, ld = step.gradient + tile.offset * plan.kernels.itemsize, tile.ld
    while True:
        layer = &step.schedule.layers[tile.layer]
        layer.kind.tangent_gradient(layer, &course.along[tile.layer], &chunk, &tile, g, ld, accumulate)
        use = plan.next_use[tile.layer * MF_MOST_TENSORS + tile.tensor]
        if use < 0:
            break
        tile.layer, tile.tensor, accumulate = use // MF_MOST_TENSORS, use % MF_MOST_TENSORS, True
    if step.sums != NULL:
        sum_up(step, &plan.tiles[step.first_task + index], <float *> g)
