"""Training: an arena sized once, and a whole epoch in one crossing out of Python.

A step has two phases with a barrier after each: `plan.forward_backward` by panels of rows, `plan.weight_tile` by tiles of
weights. Nothing is reduced across threads, so results do not depend on their number. A batch of more rows than the
arena holds goes through both phases chunk by chunk; its gradient is then summed in a flat vector, element by element in
the order of the rows, which gives the same bits as one large arena would.
"""

cimport numpy as cnp
import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from .data cimport dtype_of, panels, panels_size
from .data import aligned_zeros
from .losses cimport reads_logits
from .network cimport Network, NetworkLayer
from .optimizers cimport Rule, at_step, rule_of
from .optimizers import state_slots
from .plan cimport MAX_METRICS, TILE_BYTES, Layer, Plan, Tile, forward_backward, weight_tile
from .results import EpochResult, NotFiniteError
from .table cimport (
    MF_IDENTITY, flush_denormals, mf_kernels, mf_matrix, parallel_for, saves_z, set_float_mode, thread_limit,
)
from .table import LOSSES, METRICS

cnp.import_array()

cdef enum:
    CHUNK_ROWS = 1024           # rows that an arena holds at most
    LINE = 64
    KEPT_PARAMETERS = 131072    # bytes of them that stay in L2 from step to step, with their state and packed copies
    DELTA_BYTES = 262144        # of the deltas that tiles in a row share: they stay in L2, beside what streams through

cdef enum Status:
    OK
    INTERRUPTED
    DIVERGED
    DEADLINE

STATUS = ("ok", "interrupted", "diverged", "deadline")

# Multiply-adds of a step for which a second thread pays: a few microseconds of work, many times the hand-over.
cdef double WORTH_A_THREAD = 2e5
cdef double SECONDS_BETWEEN_SIGNAL_CHECKS = 0.05


# Totals of an epoch, or of an evaluation.
cdef struct Totals:
    int64_t steps
    int64_t rows
    double weight            # sum of sample weights
    double loss              # sum of weighted row losses
    double batch_losses      # sum of rows * the batch's own mean loss
    double penalty           # sum of rows * the step's penalty
    double metrics[MAX_METRICS]


cdef double now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec + 1e-9 * t.tv_nsec


cdef class Engine:
    """Trains a network by mini-batches.

    Parameters
    ----------
    network : Network
    loss : name of the loss
    loss_parameter : delta of huber, q of quantile
    label_smoothing : of the cross-entropies
    dropout : one rate for each layer
    batch_rows : rows of a batch
    n_threads : at most so many; None: as many as the process may use
    seed : of dropout
    penalty_over_weights : divide the penalties by the batch's sum of sample weights, as scikit-learn does
    """

    cdef readonly Network network
    cdef readonly int64_t batch_rows
    cdef Plan plan
    cdef object arena, layer_buffer, tile_buffer, held
    cdef int threads
    cdef bint penalty_over_weights
    cdef double label_smoothing, flops
    cdef object error
    cdef bint busy              # in an epoch or an evaluation: the plan is taken
    cdef double weight          # sum of the sample weights of the batch at hand
    cdef uint64_t float_mode    # the caller's
    cdef double next_signal_check
    cdef int64_t *index         # (capacity,): row numbers, where the caller gives no order

    def __init__(self, Network network, str loss, *, double loss_parameter=0.0, double label_smoothing=0.0, dropout=(),
                 int64_t batch_rows=32, n_threads=None, uint64_t seed=0, bint penalty_over_weights=False):
        self.network, self.batch_rows = network, batch_rows
        if batch_rows < 1:
            raise ValueError(f"batch_rows: expected a positive number, got {batch_rows}")
        self.threads = thread_limit(n_threads)
        self.label_smoothing, self.penalty_over_weights = label_smoothing, penalty_over_weights
        cdef Plan *plan = &self.plan
        plan.kernels, plan.n_layers, plan.seed = network.kernels, network.n_layers, seed
        plan.loss, plan.loss_parameter = LOSSES[loss], loss_parameter
        plan.fused = reads_logits(plan.loss)
        plan.panel_rows = 64 if batch_rows >= 128 else 32
        plan.capacity = (min(batch_rows, <int64_t> CHUNK_ROWS) + plan.panel_rows - 1) // plan.panel_rows
        plan.capacity = (plan.capacity | 1) * plan.panel_rows  # odd: panels of a row then spread over a cache's sets
        self.plan_layers(dropout)
        plan.looks_ahead = (network.n_parameters * plan.kernels.itemsize > KEPT_PARAMETERS
                            or self.threads_for(batch_rows) > 1)
        self.plan_tiles()
        # One vector for everything a step touches besides parameters and state.
        cdef size_t size = self.lay_out(NULL)
        self.arena = aligned_zeros(size, np.uint8)
        self.lay_out(<char *> cnp.PyArray_DATA(self.arena))

    cdef int plan_layers(self, dropout) except -1:
        cdef Plan *plan = &self.plan
        cdef Layer *layer
        self.layer_buffer = np.zeros(plan.n_layers * sizeof(Layer), dtype=np.uint8)
        plan.layers = <Layer *> cnp.PyArray_DATA(self.layer_buffer)
        self.flops = 0
        for l in range(plan.n_layers):
            layer = &plan.layers[l]
            layer.linear, layer.offset = self.network.layers[l].linear, self.network.layers[l].offset
            layer.saves_z = saves_z(layer.linear.activation)
            layer.dropout = dropout[l] if dropout else 0.0
            self.flops += <double> layer.linear.fan_in * layer.linear.units
        plan.output_activation, plan.output_alpha = layer.linear.activation, layer.linear.alpha
        if plan.fused:
            layer.linear.activation, layer.saves_z = MF_IDENTITY, False
        return 0

    cdef int plan_tiles(self) except -1:
        """Tiles of at most TILE_BYTES: whole panels of inputs, and whole rows of W where they fit."""
        cdef Plan *plan = &self.plan
        cdef int64_t nr = plan.kernels.nr, columns = TILE_BYTES // (nr * plan.kernels.itemsize) // nr * nr
        cdef int64_t rows = min(self.batch_rows, plan.capacity)
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
        plan.n_tiles = len(tiles)
        self.tile_buffer = np.zeros(plan.n_tiles * sizeof(Tile), dtype=np.uint8)
        plan.tiles = <Tile *> cnp.PyArray_DATA(self.tile_buffer)
        for t in range(plan.n_tiles):
            tile = &plan.tiles[t]
            tile.layer, tile.bias, tile.i0, tile.ni, tile.j0, tile.nj = tiles[t]
        return 0

    cdef size_t lay_out(self, char *base) noexcept:
        """Give every matrix its place from `base` on; returns the bytes used."""
        cdef Plan *plan = &self.plan
        cdef size_t used = 0
        cdef Layer *layer
        cdef int l
        plan.x = self.place(base, &used, plan.capacity, plan.layers[0].linear.fan_in)
        for l in range(plan.n_layers):
            layer = &plan.layers[l]
            layer.linear.w = self.place(base, &used, layer.linear.fan_in + 1, layer.linear.units)
            layer.h = self.place(base, &used, plan.capacity, layer.linear.units)
            layer.fed = self.place(base, &used, plan.capacity, layer.linear.units) if layer.dropout > 0 else layer.h
            layer.delta = layer.h
            if l < plan.n_layers - 1 or not plan.fused:     # else p - t replaces the logits
                layer.delta = self.place(base, &used, plan.capacity, layer.linear.units)
            layer.z.data = NULL
            if layer.saves_z:
                layer.z = self.place(base, &used, plan.capacity, layer.linear.units)
            if l > 0:
                layer.linear.wt = self.place(base, &used, layer.linear.units, layer.linear.fan_in)
        plan.outputs.data = NULL
        if plan.fused and plan.output_activation != MF_IDENTITY:
            plan.outputs = self.place(base, &used, plan.capacity, layer.linear.units)
        plan.row_loss = <double *> (base + used)
        plan.row_metric = plan.row_loss + plan.capacity
        self.index = <int64_t *> (plan.row_metric + MAX_METRICS * plan.capacity)
        return used + (1 + MAX_METRICS) * plan.capacity * sizeof(double) + plan.capacity * sizeof(int64_t)

    cdef mf_matrix place(self, char *base, size_t *used, int64_t rows, int64_t cols) noexcept:
        cdef const mf_kernels *kernels = self.plan.kernels
        cdef size_t start = used[0]
        used[0] = (start + panels_size(kernels, rows, cols) * kernels.itemsize + LINE - 1) // LINE * LINE
        return panels(kernels, base + start, rows)

    # --- Python's side ---

    def run_epoch(self, X, y, sample_weight, optimizer, state, learning_rates, *, int64_t step, order=None,
                  double l1=0.0, double l2=0.0, metrics=(), int64_t max_steps=-1, double deadline=0.0):
        """One pass over the rows `order` (or all), an optimizer step for each batch.

        Parameters
        ----------
        X : (n, inputs) C-contiguous float32, float64 or uint8, or a CSR triple (values, columns, offsets)
        y : int32 (n,) class indices, or (n, outputs) of the parameters' dtype
        sample_weight : float64 (n,), or None
        optimizer : SGD, RMSprop, Adam or AdamW
        state : (slots, n_parameters) of the parameters' dtype, as from `new_state`; changed in place
        learning_rates : float64, one for each batch
        step : optimizer steps made before this epoch
        order : int64 row indices, of any length, or None
        metrics : names
        max_steps : stop after so many steps; -1: all
        deadline : `time.monotonic()` to stop at; 0: none

        Returns
        -------
        EpochResult
        """
        cdef Plan *plan = &self.plan
        cdef Rule rule = rule_of(optimizer)
        cdef int64_t rows = self.check(X, y, sample_weight)
        cdef const int64_t *order_data = NULL
        cdef double[::1] rates = learning_rates
        cdef Totals totals
        cdef int status, slot
        cdef char *state_data = <char *> cnp.PyArray_DATA(state)
        cdef int64_t slot_bytes = state.strides[0]
        if order is not None:
            if order.dtype != np.int64 or not order.flags.c_contiguous or order.shape[0] == 0:
                raise ValueError(f"order: expected int64 row indices, got {order.dtype} of shape {order.shape}")
            if order.min() < 0 or order.max() >= rows:
                raise ValueError(f"order: expected row indices from 0 to {rows - 1}")
            rows, order_data = order.shape[0], <const int64_t *> cnp.PyArray_DATA(order)
        if rates.shape[0] < (rows + self.batch_rows - 1) // self.batch_rows:
            raise ValueError(f"learning_rates: expected one for each batch, got {rates.shape[0]}")
        cdef int64_t slots = state_slots(optimizer)
        if state.shape != (slots, self.network.n_parameters) or state.dtype != self.network.parameters.dtype:
            raise ValueError(f"state: expected shape {(slots, self.network.n_parameters)}, got {state.shape}")
        self.attach(X, y, sample_weight, metrics)
        for slot in range(3):
            plan.slots[slot] = plan.parameters
            if slot < slots:
                plan.slots[slot] = state_data + slot * slot_bytes
        gradient = None
        if self.batch_rows > plan.capacity:
            gradient = np.empty_like(self.network.parameters)
        plan.gradient = NULL if gradient is None else <char *> cnp.PyArray_DATA(gradient)
        plan.backward, plan.drops = True, True
        self.error = None
        with nogil:
            self.float_mode = flush_denormals()
            status = self.epoch(&rule, &rates[0], order_data, rows, step, l1, l2, max_steps, deadline, &totals)
            set_float_mode(self.float_mode)
        self.detach()
        return self.result(STATUS[status], &totals, metrics)

    def loss_and_gradient(self, X, y, sample_weight=None, *, double l1=0.0, double l2=0.0, gradient=None,
                          int64_t dropout_step=-1):
        """Loss, with penalties, over all rows, and its gradient.

        Arguments as in `run_epoch`. `gradient` is a vector like the parameters to write into. `dropout_step` applies the
        dropout masks of that step; -1 applies none.

        Returns
        -------
        loss : float
        gradient : (n_parameters,)
        """
        cdef Plan *plan = &self.plan
        cdef int64_t rows = self.check(X, y, sample_weight)
        cdef Totals totals
        if gradient is None:
            gradient = np.empty_like(self.network.parameters)
        self.attach(X, y, sample_weight, ())
        plan.gradient = <char *> cnp.PyArray_DATA(gradient)
        plan.backward, plan.drops, plan.step = True, dropout_step >= 0, max(dropout_step, 0)
        with nogil:
            self.all_rows(rows, l1, l2, &totals)
        self.detach()
        result = self.result("ok", &totals, ())
        return result.loss, gradient

    def evaluate(self, X, y, sample_weight=None, *, double l1=0.0, double l2=0.0, metrics=()):
        """Loss, with penalties, and metrics over all rows, without dropout: ``(loss, {name: value})``."""
        cdef Plan *plan = &self.plan
        cdef int64_t rows = self.check(X, y, sample_weight)
        cdef Totals totals
        self.attach(X, y, sample_weight, metrics)
        plan.backward, plan.drops = False, False
        with nogil:
            self.all_rows(rows, l1, l2, &totals)
        self.detach()
        result = self.result("ok", &totals, metrics)
        return result.loss, result.metrics

    cdef int64_t check(self, X, y, sample_weight) except -1:
        """The number of rows, if the arrays fit: what costs no time, so that nothing is read beyond their ends."""
        cdef int64_t inputs = self.network.sizes[0], outputs = self.network.outputs, rows
        if self.busy:
            raise RuntimeError("this trainer is at work, in another thread or below a signal handler; use one of your own")
        if isinstance(X, tuple):
            rows = X[2].shape[0] - 1
        elif X.ndim != 2 or X.shape[1] != inputs or not X.flags.c_contiguous:
            raise ValueError(f"X: expected a C-contiguous array (rows, {inputs}), got shape {X.shape}")
        else:
            rows = X.shape[0]
        if rows < 1:
            raise ValueError("X: expected at least one row, got none")
        if y.ndim == 1 and y.dtype == np.int32:
            if y.shape[0] == rows and (y.min() < 0 or y.max() >= max(outputs, 2)):
                raise ValueError(f"y: expected class indices from 0 to {outputs - 1}, got {y.min()} to {y.max()}")
        elif y.dtype != self.network.parameters.dtype or y.ndim != 2 or y.shape[1] != outputs:
            raise ValueError(f"y: expected shape {(rows, outputs)}, got {y.dtype} {y.shape}")
        if y.shape[0] != rows or not y.flags.c_contiguous:
            raise ValueError(f"y: expected a C-contiguous array of {rows} rows, got shape {y.shape}")
        if sample_weight is not None and not (sample_weight.shape == (rows,) and sample_weight.dtype == np.float64
                                              and sample_weight.flags.c_contiguous):
            raise ValueError(f"sample_weight: expected float64 ({rows},), got {sample_weight.dtype} {sample_weight.shape}")
        return rows

    cdef int attach(self, X, y, sample_weight, metrics) except -1:
        """Point the plan at the caller's arrays, which `check` has seen, and hold them until `detach`."""
        cdef Plan *plan = &self.plan
        plan.n_metrics = len(metrics)
        if plan.n_metrics > MAX_METRICS:
            raise ValueError(f"metrics: expected at most {MAX_METRICS}, got {plan.n_metrics}")
        for m, name in enumerate(metrics):
            plan.metrics[m] = METRICS[name]
        plan.source.dense = NULL
        if isinstance(X, tuple):
            values, columns, offsets = X
            plan.source.dtype, plan.source.values = dtype_of(values), cnp.PyArray_DATA(values)
            plan.source.columns, plan.source.offsets = cnp.PyArray_DATA(columns), cnp.PyArray_DATA(offsets)
            plan.source.index64 = offsets.dtype.itemsize == 8
        else:
            plan.source.dtype, plan.source.ld = dtype_of(X), X.shape[1]
            plan.source.dense = <const char *> cnp.PyArray_DATA(X)
        plan.targets.smoothing = self.label_smoothing
        plan.targets.labels, plan.targets.dense, plan.targets.weights = NULL, NULL, NULL
        if y.ndim == 1:
            plan.targets.labels = <const int32_t *> cnp.PyArray_DATA(y)
        else:
            plan.targets.dense = cnp.PyArray_DATA(y)
        if sample_weight is not None:
            plan.targets.weights = <const double *> cnp.PyArray_DATA(sample_weight)
        plan.parameters, plan.finite = self.network.flat, True
        self.held, self.busy = (X, y, sample_weight), True
        return 0

    cdef void detach(self) noexcept:
        self.held, self.busy = None, False

    cdef object result(self, status, const Totals *totals, metrics):
        if not self.plan.finite:
            raise NotFiniteError
        cdef double rows = max(totals.rows, 1), weight = totals.weight if totals.weight > 0 else 1.0
        cdef double data = totals.batch_losses / rows if self.penalty_over_weights else totals.loss / weight
        cdef double penalty = totals.penalty / rows
        values = {name: totals.metrics[m] / weight for m, name in enumerate(metrics)}
        return EpochResult(status, totals.steps, totals.rows, data + penalty, data, penalty, values, self.error)

    # --- one epoch, without the interpreter ---

    cdef int epoch(self, const Rule *rule, const double *rates, const int64_t *order, int64_t rows, int64_t step,
                   double l1, double l2, int64_t max_steps, double deadline, Totals *totals) noexcept nogil:
        cdef Plan *plan = &self.plan
        cdef int64_t first = 0, n, batch = 0
        cdef double penalty, strength
        cdef int status
        self.pack()
        clear(totals)
        self.next_signal_check = now() + SECONDS_BETWEEN_SIGNAL_CHECKS
        while first < rows and batch != max_steps:
            n = min(self.batch_rows, rows - first)
            self.weigh(order, first, n)
            strength = plan.scale if self.penalty_over_weights else 1.0
            penalty = self.penalty(l1 * strength, l2 * strength, False)
            plan.step = step + batch
            plan.weight_rule = at_step(rule, step + batch + 1, rates[batch], l1 * strength, l2 * strength)
            plan.bias_rule = plan.weight_rule
            plan.bias_rule.l1, plan.bias_rule.l2, plan.bias_rule.shrink = 0, 0, 1
            plan.updates = plan.scale > 0
            if not self.batch(order, first, n, rows - first, totals):
                return DIVERGED
            totals.penalty += n * penalty
            totals.steps += 1
            first += n
            batch += 1
            if (batch & 15) == 0 or n * self.flops > 1e6:
                status = self.look_up(deadline)
                if status != OK:
                    return status
        return OK

    cdef void all_rows(self, int64_t rows, double l1, double l2, Totals *totals) noexcept nogil:
        """Loss and penalties of all rows as one batch and, on the way back, their gradient; no step."""
        cdef Plan *plan = &self.plan
        cdef double strength
        self.float_mode = flush_denormals()
        self.pack()
        clear(totals)
        plan.updates = False
        self.weigh(NULL, 0, rows)
        self.batch(NULL, 0, rows, rows, totals)
        strength = plan.scale if self.penalty_over_weights else 1.0
        totals.penalty = rows * self.penalty(l1 * strength, l2 * strength, plan.backward)
        set_float_mode(self.float_mode)

    cdef bint batch(self, const int64_t *order, int64_t first, int64_t rows, int64_t known,
                    Totals *totals) noexcept nogil:
        """Rows [first, first + rows) of the order, chunk by chunk; False where they or their loss are not finite.

        The order may be read up to `first + known`.

        Then the parameters are untouched: no tile is updated before the loss of all rows is known.
        """
        cdef Plan *plan = &self.plan
        cdef bint updates = plan.updates
        cdef int64_t chunk = 0, n, r
        cdef double loss = 0, work
        cdef double metrics[MAX_METRICS]
        cdef int threads = self.threads_for(rows)
        cdef int m
        for m in range(MAX_METRICS):
            metrics[m] = 0
        while chunk < rows:
            n = min(plan.capacity, rows - chunk)
            plan.rows = self.rows_of(order, first + chunk, n)
            plan.known_rows = known - chunk if order != NULL else n
            plan.first_row, plan.chunk_rows = chunk, n
            plan.finite_deltas = True
            work = n * self.flops * (1.5 if plan.backward else 1)     # of each phase; together, three products a layer
            parallel_for((n + plan.panel_rows - 1) // plan.panel_rows, threads, forward_backward, plan, work)
            for r in range(n):
                loss += plan.row_loss[r]
            for m in range(plan.n_metrics):
                for r in range(n):
                    metrics[m] += plan.row_metric[m * plan.capacity + r]
            if plan.backward:
                if updates and not (plan.finite and isfinite(loss)):
                    return False
                plan.accumulate = chunk > 0
                plan.updates = updates and chunk + n == rows
                parallel_for(plan.n_tiles, threads, weight_tile, plan, work)
            chunk += n
        plan.updates = updates
        totals.rows += rows
        totals.loss += loss
        totals.batch_losses += rows * loss * plan.scale
        totals.weight += self.weight
        for m in range(MAX_METRICS):
            totals.metrics[m] += metrics[m]
        return True

    cdef int threads_for(self, int64_t rows) noexcept nogil:
        return self.threads if rows * self.flops > WORTH_A_THREAD else 1

    cdef void weigh(self, const int64_t *order, int64_t first, int64_t rows) noexcept nogil:
        """The sum of the sample weights of a batch, and the scale of its mean."""
        cdef const double *weights = self.plan.targets.weights
        cdef int64_t r
        self.weight = rows
        if weights != NULL:
            self.weight = 0
            for r in range(first, first + rows):
                self.weight += weights[order[r] if order != NULL else r]
        self.plan.scale = 1 / self.weight if self.weight > 0 else 0

    cdef const int64_t *rows_of(self, const int64_t *order, int64_t first, int64_t rows) noexcept nogil:
        cdef int64_t r
        if order != NULL:
            return order + first
        for r in range(rows):
            self.index[r] = first + r
        return self.index

    cdef double penalty(self, double l1, double l2, bint into_gradient) noexcept nogil:
        """l1 |W| + l2/2 |W|^2 over the weights of all layers; its gradient is added to the plan's, if asked."""
        cdef Plan *plan = &self.plan
        cdef double total = 0
        cdef int64_t at, size
        cdef int l
        if l1 == 0 and l2 == 0:
            return 0
        for l in range(plan.n_layers):
            at = plan.layers[l].offset * plan.kernels.itemsize
            size = plan.layers[l].linear.fan_in * plan.layers[l].linear.units
            total += plan.kernels.penalty(l1, l2, plan.parameters + at, size)
            if into_gradient:
                plan.kernels.add_penalty(l1, l2, plan.parameters + at, plan.gradient + at, size)
        return total

    cdef void pack(self) noexcept nogil:
        """Bring the panels of all weights up to date with the flat vector, which is the caller's to change."""
        cdef NetworkLayer layer
        cdef int l
        for l in range(self.plan.n_layers):
            layer.linear, layer.offset = self.plan.layers[l].linear, self.plan.layers[l].offset
            self.network.pack(&layer, l > 0)

    cdef int look_up(self, double deadline) noexcept nogil:
        """Whether to go on: signals every now and then, and the deadline."""
        cdef double time = now()
        cdef int status = OK
        if time > self.next_signal_check:
            self.next_signal_check = time + SECONDS_BETWEEN_SIGNAL_CHECKS
            set_float_mode(self.float_mode)
            with gil:
                try:
                    PyErr_CheckSignals()
                except BaseException as error:
                    self.error = error
                    status = INTERRUPTED
            flush_denormals()
        if status == OK and deadline > 0 and time > deadline:
            status = DEADLINE
        return status


cdef void clear(Totals *totals) noexcept nogil:
    cdef int m
    totals.steps = totals.rows = 0
    totals.weight = totals.loss = totals.batch_losses = totals.penalty = 0
    for m in range(MAX_METRICS):
        totals.metrics[m] = 0
