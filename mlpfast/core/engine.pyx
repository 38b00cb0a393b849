"""The boundary of training: NumPy arrays in, one crossing out of Python for a whole epoch, totals back.

Whatever happens in a crossing, the parameters are finite afterwards, and the optimizer's state and the counts belong to
the same step: no signal handler runs, and no exception is raised, between a step and its count.
"""

cimport numpy as cnp
import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from cpython.ref cimport PyObject, Py_XDECREF

from .batches cimport DROP, KEEP, SPREAD, Batching, LastBatch, divide
from .clip cimport n_spans
from .call cimport (
    BAD_DATA, DEADLINE, DIVERGED, DONE, DROPOUT_SCALE, INTERRUPTED, LABEL_SMOOTHING, LEARNING_RATE, MOMENTUM,
    WEIGHT_DECAY, Step, Totals,
)
from .given cimport bad_data, described, point_at_rows, point_at_targets
from .interrupts cimport copy_in_pieces, listen, look_up, update_takes_long
from .network cimport Network
from .optimizers cimport rule_of
from .optimizers import own_slots, state_slots
from .plan cimport MAX_METRICS, Planned, plan_training, takes_csr
from .results import EpochResult, NotFiniteParametersError
from .sparse cimport room_for_entries
from .step cimport run_epoch, run_rows
from .table cimport MF_FLOAT32, MF_OK, MF_SCHEDULE_FREE, mf_kernels, mf_raised, thread_limit
from .table import METRICS

cnp.import_array()

cdef enum:
    RUNNING_SUM_ROWS = 4096     # in one float32 sum

LAST_BATCHES = {"keep": KEEP, "drop": DROP, "spread": SPREAD}
SERIES = {
    "learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY, "momentum": MOMENTUM,
    "label_smoothing": LABEL_SMOOTHING, "dropout_scale": DROPOUT_SCALE,
}
#: Numbers that are kept of an epoch so far.
N_TOTALS = 6 + MAX_METRICS
STATUS = {DONE: "ok", INTERRUPTED: "interrupted", DIVERGED: "diverged", DEADLINE: "deadline"}


cdef class Engine:
    """Trains a network by mini-batches.

    Parameters
    ----------
    network : Network
    loss : Loss, as in `mlpfast.losses`
    batch_rows : rows of a batch
    n_threads : at most so many; None: as many as the process may use
    seed : of dropout
    penalty_over_weights : divide the penalties by the batch's sum of sample weights, as scikit-learn does
    program : the network's program, by default, or the same with other rules for its tensors
    last_batch : "keep", "drop" or "spread", for an epoch's last rows, which do not fill a batch
    """

    def __init__(self, Network network, loss, *, int64_t batch_rows=32, n_threads=None, uint64_t seed=0,
                 bint penalty_over_weights=False, program=None, str last_batch="keep"):
        if batch_rows < 1:
            raise ValueError(f"batch_rows: expected a positive number, got {batch_rows}")
        self.network, self.batch_rows, self.penalty_over_weights = network, batch_rows, penalty_over_weights
        self.settings = loss, thread_limit(n_threads), seed
        self.program = (network.program if program is None else program).with_loss(calls=loss.called is not None)
        step = self.program.schedule("step")
        cdef LastBatch last = LAST_BATCHES[last_batch]
        self.batching = Batching(last, batch_rows, batch_rows + 1 if step.over_batch else batch_rows)
        self.all_trainable = all([tensor.rule.trainable for tensor in self.program.tensors])
        self.takes_csr = all([takes_csr(self.program, s) for s in (step, self.program.schedule("evaluation"))])

    def run_epoch(self, X, y, sample_weight, optimizer, cnp.ndarray state not None, counts, weighed,
                  double learning_rate, *, order=None, int epochs=1, double l1=0.0, double l2=0.0,
                  double clip_value=INFINITY, double clip_norm=INFINITY, metrics=(), int64_t first_step=0,
                  int64_t max_steps=-1, double deadline=0.0, series=None, totals=None, term=None):
        """One pass over the rows `order` (or all), an optimizer step for each batch.

        Parameters
        ----------
        X : (n, inputs) C-contiguous float32, float64, uint8 or int16, or a CSR triple (values, columns, offsets)
        y : int32 or int64 (n,) class indices, or (n, outputs) of the parameters' dtype
        sample_weight : float64 (n,), or None
        optimizer : Optimizer
        state : (slots, n_parameters) of the parameters' dtype, as from `new_state`; changed in place
        counts : int64 (5,), optimizer steps made, epochs begun, the steps made when `state` was new, whether the
            parameters are an average that `state` has too, and the epoch that `totals` are of; changed in place
        weighed : float64 (2,), of schedule-free steps: the sum of their weights, their largest rate; changed in place
        epochs : to add to these
        order : int64 row indices, of any length, or None
        clip_value : what the gradient's elements are clipped to
        clip_norm : what the norm of the whole gradient is clipped to, where the program says that it is
        metrics : names, each with the number that it takes
        first_step : the number of the batch to begin with
        max_steps : stop after so many steps; -1: all
        deadline : `time.monotonic()` to stop at; 0: none
        series : mapping from names in `SERIES` to float64 numbers, one for each step, in place of one for all
        totals : float64 (N_TOTALS,), of the epoch that was begun last, so far: its steps, their rows and sums; changed
            in place, and then counts[4] is that epoch's number, from 1. With ``epochs=0`` the call adds to them: an
            epoch in pieces has the totals of a whole one to the bit.
        term : what is added to the loss, or None: ``term.add(rows, scale, gradient)`` adds to the gradient `scale` and
            its `weight` times that of its sum over these rows of X, and returns the sum; `metric` is its name among the
            metrics of the result, where it stands for the mean, without the weight

        Returns
        -------
        EpochResult
            "diverged": the parameters are those after `steps` steps, the last that are known to be finite.

        Raises
        ------
        NotFiniteError, BadCodeError, NotFiniteParametersError, ValueError
            If data or parameters are not as they should be; parameters, state and counts are as before.
        """
        cdef Step step
        cdef Totals found
        cdef int64_t rows = self.begin(&step, X, y, sample_weight, order, l1, l2, metrics), slot, slots
        cdef int64_t *count = <int64_t *> changed(counts, cnp.NPY_INT64, 5, "counts")
        cdef double *weights = <double *> changed(weighed, cnp.NPY_FLOAT64, 2, "weighed")
        cdef double *of_epoch = NULL if totals is None else <double *> changed(
            totals, cnp.NPY_FLOAT64, N_TOTALS, "totals"
        )
        self.take_optimizer(optimizer)
        slots = self.slots
        if not (state.ndim == 2 and state.shape[0] == slots and state.shape[1] == self.network.n_parameters
                and cnp.PyArray_TYPE(state) == self.network.typenum):
            raise ValueError(f"state: expected shape {(slots, self.network.n_parameters)}, got {described(state)}")
        step.state, step.state_stride = <char *> cnp.PyArray_DATA(state), state.strides[0]
        for slot in range(3):
            step.slots[slot] = row(&step, slot) if slot < self.own_slots else step.parameters
        if slots > self.own_slots:  # it averages
            slots -= 1              # the last one does not change meanwhile
            step.average = row(&step, slots - 1)
            if self.rule.base.optimizer == MF_SCHEDULE_FREE:
                step.slots[2] = step.average
        sums = self.sums_of(&step, self.batch_rows)
        gradient = None
        step.apart = update_takes_long(step.plan) or self.program.clips or term is not None
        if term is not None:
            step.term, step.term_weight = <PyObject *> term, term.weight
            if step.n_metrics == MAX_METRICS:
                raise ValueError(f"metrics: expected at most {MAX_METRICS - 1} beside {term.metric[0]}")
            metrics = (*metrics, term.metric)
        step.by_rows = step.plan.n_shares > 0
        if step.apart or sums is None and self.batch_rows > step.plan.capacity:
            gradient = np.empty_like(self.network.parameters)
            step.gradient = <char *> cnp.PyArray_DATA(gradient)
        if self.program.clips:
            gradient[:] = 0         # of what is frozen
            squares = np.empty(n_spans(self.network.n_parameters))
            step.squares = <double *> cnp.PyArray_DATA(squares)
        step.clip_value, step.clip_norm = clip_value, clip_norm
        cdef int64_t size = self.network.n_state + slots * self.network.n_parameters
        if self.kept is None or self.kept.shape[0] != size:
            self.kept = np.empty(size, self.network.parameters.dtype)
        step.rule, step.learning_rate, step.deadline = self.rule, learning_rate, deadline
        step.schedule, step.number, step.state_from = &step.plan.step, count[0], count[2]
        if count[0] > count[2]:
            step.rule.weights, step.rule.largest = weights[0], weights[1]
        memset(&found, 0, sizeof(Totals))
        if of_epoch != NULL and epochs == 0:
            load(of_epoch, &found)
        cdef int64_t steps = self.n_batches(rows) - first_step
        if first_step < 0 or steps < 1:
            raise ValueError(f"first_step: expected one of {self.n_batches(rows)} steps, got {first_step}")
        step.begins = step.number
        if series:
            self.take_series(&step, series, steps if max_steps < 0 else min(steps, max_steps))
        if step.schedule.over_batch:
            self.check_batch(rows, min(rows, self.batch_rows))
        if step.plan.n_bands > 0:
            self.entries = room_for_entries(&step, rows, True, self.entries)
        cdef char *kept = <char *> cnp.PyArray_DATA(self.kept)
        cdef int status
        with nogil:
            if step.average != NULL:
                self.take_up(&step, count[3])
            status = self.guarded(&step, first_step, rows, max_steps, kept, slots, &found)
            if step.average != NULL:
                self.show_average(&step)
                count[3] = 1
            weights[0], weights[1] = step.rule.weights, step.rule.largest
            if status != BAD_DATA:
                count[0] += found.steps
                count[1] += epochs
                if of_epoch != NULL:
                    store(&found, of_epoch, found.steps + (0 if epochs else <int64_t> of_epoch[0]))
                    count[4] = count[1]
        error = self.error_of(status, &step, X, y, order)
        cdef double penalty = found.penalty / max(found.rows, 1), data = self.data_loss(&found)
        return EpochResult(STATUS[status], found.steps, found.rows, data + penalty, data, penalty,
                           means(&found, metrics), error, found.last)

    def n_batches(self, int64_t rows):
        """How many steps an epoch of so many rows has."""
        return divide(&self.batching, rows).n

    def loss_and_gradient(self, X, y, sample_weight=None, *, double l1=0.0, double l2=0.0, gradient=None,
                          int64_t dropout_step=-1, bint training=False):
        """Loss, with penalties, over all rows, and its gradient.

        Arguments as in `run_epoch`. `gradient` is a vector like the parameters to write into. `training` takes
        statistics of the batch in place of the running ones, which stay as they are. `dropout_step` does so too, and
        applies the dropout masks of that step; -1 applies none.

        Returns
        -------
        loss : float
        gradient : (n_parameters,)
        """
        cdef Step step
        cdef Totals totals
        cdef int64_t rows = self.begin(&step, X, y, sample_weight, None, l1, l2, ())
        cdef int status
        cdef cnp.npy_intp size = self.network.n_parameters
        if gradient is None:
            gradient = cnp.PyArray_EMPTY(1, &size, self.network.typenum, 0)
        if not self.all_trainable:
            gradient.fill(0)
        step.gradient = <char *> cnp.PyArray_DATA(gradient)
        _sums = self.sums_of(&step, rows)     # lives until the step is done
        step.schedule = &step.plan.training_gradient if training else &step.plan.gradient
        if dropout_step >= 0:
            step.schedule, step.number = &step.plan.step, dropout_step
        if step.schedule.over_batch:
            self.check_batch(rows, rows)
        if step.plan.n_bands > 0:
            self.entries = room_for_entries(&step, rows, False, self.entries)
        with nogil:
            status = run_rows(&step, rows, &totals)
        error = self.error_of(status, &step, X, y, None)
        if error is not None:
            raise error
        return self.data_loss(&totals) + totals.penalty / max(totals.rows, 1), gradient

    def evaluate(self, X, y, sample_weight=None, *, double l1=0.0, double l2=0.0, metrics=(), outputs=None):
        """Loss, with penalties, and metrics over all rows, without dropout: ``(loss, {metric: value})``.

        The model's outputs are left in `outputs` (rows, outputs), where it is given.
        """
        cdef Step step
        cdef Totals totals
        cdef int64_t rows = self.begin(&step, X, y, sample_weight, None, l1, l2, metrics)
        cdef int status
        step.schedule = &step.plan.evaluation
        if outputs is not None:
            if not (outputs.shape == (rows, self.network.outputs) and cnp.PyArray_ISCARRAY(outputs)
                    and outputs.dtype == self.network.parameters.dtype):
                raise ValueError(
                    f"outputs: expected contiguous {self.network.parameters.dtype} ({rows}, {self.network.outputs}), "
                    f"got {described(outputs)}"
                )
            step.kept = <char *> cnp.PyArray_DATA(outputs)
        with nogil:
            status = run_rows(&step, rows, &totals)
        error = self.error_of(status, &step, X, y, None)
        if error is not None:
            raise error
        return self.data_loss(&totals) + totals.penalty / max(totals.rows, 1), means(&totals, metrics)

    def check_batch(self, int64_t rows, int64_t batch_rows):
        """Whether statistics over so many rows, in batches of so many, can be had."""
        if batch_rows < 2:
            raise ValueError(f"BatchNorm in training: expected batches of at least 2 rows, got {batch_rows}")
        if batch_rows > self.batch_rows:
            raise ValueError(f"BatchNorm in training: expected at most {self.batch_rows} rows, got {batch_rows}")

    # --- from arrays to a step ---

    cdef Planned planned(self, bint csr):
        """The plan for CSR rows, or for dense ones."""
        cdef Planned planned = self.csr if csr else self.dense
        if planned is None:
            loss, threads, seed = self.settings
            planned = plan_training(self.program, self.network.kernels, self.network.flat, csr, loss, self.batching,
                                    threads, seed)
            if csr:
                self.csr = planned
            else:
                self.dense = planned
        return planned

    cdef int64_t begin(self, Step *step, X, y, sample_weight, order, double l1, double l2, metrics) except -1:
        """Point the step at the caller's arrays, which the caller holds. Returns how many rows it goes through.

        A y of None is for what goes forward only.
        """
        self.network.check_adapted()
        memset(step, 0, sizeof(Step))
        cdef Planned planned = self.planned(self.takes_csr and isinstance(X, tuple))
        cdef int64_t rows
        step.plan = &planned.plan
        step.parameters, step.l1, step.l2 = self.network.flat, l1, l2
        step.penalty_over_weights = self.penalty_over_weights
        rows = point_at_rows(step, X, self.network.inputs)
        if y is not None:
            point_at_targets(step, y, rows, self.network.outputs // step.plan.each, self.network.typenum)
        if sample_weight is not None:
            if not (sample_weight.shape == (rows,) and sample_weight.dtype == np.float64
                    and cnp.PyArray_ISCARRAY_RO(sample_weight)):
                raise ValueError(
                    f"sample_weight: expected contiguous, aligned float64 ({rows},), got {described(sample_weight)}"
                )
            step.targets.weights = <const double *> cnp.PyArray_DATA(sample_weight)
        step.called, step.dropout_scale = <PyObject *> self.settings[0], 1
        if metrics:
            self.take_metrics(step, metrics)
        if order is None:
            return rows
        if order.dtype != np.int64 or not cnp.PyArray_ISCARRAY_RO(order) or order.ndim != 1 or order.shape[0] == 0:
            raise ValueError(f"order: expected contiguous, aligned int64 row indices, got {described(order)}")
        step.source.order = <const int64_t *> cnp.PyArray_DATA(order)
        return order.shape[0]

    cdef int take_metrics(self, Step *step, metrics) except -1:
        step.n_metrics = len(metrics)
        if step.n_metrics > MAX_METRICS:
            raise ValueError(f"metrics: expected at most {MAX_METRICS}, got {step.n_metrics}")
        for m, (name, number) in enumerate(metrics):
            step.metrics[m], step.metric_numbers[m] = METRICS[name], number
        cdef int64_t size = step.n_metrics * step.plan.capacity
        if self.row_metrics is None or self.row_metrics.shape[0] < size:
            self.row_metrics = np.empty(size)
        step.row_metric = <double *> cnp.PyArray_DATA(self.row_metrics)
        return 0

    cdef int take_optimizer(self, optimizer) except -1:
        """What follows from an optimizer, which does not change: looked at where it is another than the last."""
        if optimizer is not self.optimizer:
            self.rule, self.slots, self.own_slots = rule_of(optimizer), state_slots(optimizer), own_slots(optimizer)
            self.optimizer = optimizer
        return 0

    cdef int take_series(self, Step *step, series, int64_t steps) except -1:
        """Point the step at the numbers of each step, which the caller holds."""
        cdef int of
        for name, values in series.items():
            of = SERIES[name]
            if not (values.dtype == np.float64 and values.ndim == 1 and values.shape[0] >= steps
                    and cnp.PyArray_ISCARRAY_RO(values)):
                raise ValueError(f"{name}: expected contiguous float64 of {steps} steps, got {described(values)}")
            step.series[of] = <const double *> cnp.PyArray_DATA(values)
        return 0

    cdef object sums_of(self, Step *step, int64_t rows):
        """In float32, the gradient of many rows is summed up in float64, chunk by chunk: the memory for it, or None."""
        if rows <= RUNNING_SUM_ROWS or self.network.kernels.dtype != MF_FLOAT32:
            return None
        sums = np.empty(self.network.n_parameters, np.float64)
        step.sums = <double *> cnp.PyArray_DATA(sums)
        return sums

    cdef object error_of(self, int status, Step *step, X, y, order):
        """What a signal's handler raised, or None; data and parameters that are not as they should be are an error."""
        error = None
        if step.error != NULL:
            error = <object> step.error
            Py_XDECREF(step.error)
        if status == BAD_DATA:
            if mf_raised(&step.bad) == MF_OK:
                raise NotFiniteParametersError
            raise bad_data(step, X, y, order, self.network.inputs)
        return error

    cdef double data_loss(self, const Totals *totals) noexcept nogil:
        """The mean over rows, without the penalty."""
        return totals.batch_losses / max(totals.rows, 1) if self.penalty_over_weights else totals.loss / weight(totals)

    # --- an epoch that leaves nothing half done, without the interpreter ---

    cdef int guarded(self, Step *step, int64_t first, int64_t rows, int64_t max_steps, char *kept, int64_t slots,
                     Totals *totals) noexcept nogil:
        """An epoch, added to the totals; afterwards the parameters are finite, if they were before."""
        cdef int64_t steps = 0
        cdef Totals before = totals[0]
        cdef uint64_t number = step.number
        cdef int status
        listen(step)
        if not self.keep(step, kept, slots):
            return INTERRUPTED
        status = run_epoch(step, first, rows, max_steps, totals)
        if status == BAD_DATA:
            self.put_back(step, kept, slots)
            totals[0] = before
            return status
        # Where the loss is not finite, the parameters are as they were before that step. They may have gone bad
        # earlier, though, behind a saturated activation, or the square of a gradient has overflowed, and a parameter
        # would never move again; from then on they stay bad.
        if self.sound(step, slots):
            return status
        self.put_back(step, kept, slots)
        step.number, totals[0] = number, before
        status = DONE
        while status == DONE:       # again, deterministic as it is, with a look after each step
            if not self.keep(step, kept, slots):
                status = INTERRUPTED
                break
            before = totals[0]
            status = run_epoch(step, first + steps, rows, 1, totals)
            if totals.steps == 1 and not self.sound(step, slots):
                self.put_back(step, kept, slots)
                totals[0] = before
                status = DIVERGED if step.error == NULL else INTERRUPTED
            elif totals.steps == 1:
                steps += 1
                status = look_up(step) if status == DONE else status
        totals.steps = steps
        if steps == 0 and not step.plan.kernels.all_finite(step.parameters, self.network.n_state):
            return BAD_DATA         # from the beginning
        return status if status == INTERRUPTED else DIVERGED

    cdef bint sound(self, const Step *step, int64_t slots) noexcept nogil:
        """Whether parameters, buffers and the optimizer's state are finite."""
        cdef const mf_kernels *kernels = step.plan.kernels
        cdef bint finite = kernels.all_finite(step.parameters, self.network.n_state)
        cdef int64_t slot
        for slot in range(slots):
            finite = finite and kernels.all_finite(row(step, slot), self.network.n_parameters)
        return finite

    cdef bint keep(self, Step *step, char *kept, int64_t slots) noexcept nogil:
        """Whether all was copied, before a signal's handler raised something."""
        cdef int64_t item = self.network.kernels.itemsize, slot
        cdef int64_t state = self.network.n_state * item, size = self.network.n_parameters * item
        cdef bint done = copy_in_pieces(step, kept, step.parameters, state)
        self.kept_rule = step.rule
        for slot in range(slots):
            done = done and copy_in_pieces(step, kept + state + slot * size, row(step, slot), size)
        return done

    cdef void put_back(self, Step *step, const char *kept, int64_t slots) noexcept nogil:
        cdef int64_t item = self.network.kernels.itemsize, slot
        cdef int64_t state = self.network.n_state * item, size = self.network.n_parameters * item
        step.rule = self.kept_rule
        memcpy(step.parameters, kept, state)
        for slot in range(slots):
            memcpy(row(step, slot), kept + state + slot * size, size)

    # --- between epochs, the parameters are their average ---

    cdef void take_up(self, Step *step, bint shown) noexcept nogil:
        """Put the parameters back that training goes on from. Where others were written, these are the average too."""
        cdef int64_t size = self.network.n_parameters * self.network.kernels.itemsize
        if shown and memcmp(step.parameters, step.average, size) == 0:
            memcpy(step.parameters, step.average + step.state_stride, size)
        else:
            memcpy(step.average, step.parameters, size)
            if step.slots[2] == step.average:       # schedule-free: what steps begins there, too
                memcpy(step.slots[0], step.parameters, size)

    cdef void show_average(self, Step *step) noexcept nogil:
        cdef int64_t size = self.network.n_parameters * self.network.kernels.itemsize
        memcpy(step.average + step.state_stride, step.parameters, size)
        memcpy(step.parameters, step.average, size)


cdef void *changed(cnp.ndarray array, int kind, int64_t size, str name) except NULL:
    """The numbers of a vector that a crossing changes."""
    if not (array is not None and array.ndim == 1 and array.shape[0] == size and cnp.PyArray_TYPE(array) == kind
            and cnp.PyArray_ISCARRAY(array)):
        raise ValueError(f"{name}: expected a writable vector of {size} numbers, got {array!r}")
    return cnp.PyArray_DATA(array)


cdef inline double weight(const Totals *totals) noexcept nogil:
    return totals.weight if totals.weight > 0 else 1.0


cdef dict means(const Totals *totals, metrics):
    return {metric: totals.metrics[m] / weight(totals) for m, metric in enumerate(metrics)}


cdef void load(const double *totals, Totals *to) noexcept nogil:
    """What earlier calls have made of the epoch; the steps are those of this call."""
    cdef int m
    to.rows, to.weight, to.loss = <int64_t> totals[1], totals[2], totals[3]
    to.batch_losses, to.penalty = totals[4], totals[5]
    for m in range(MAX_METRICS):
        to.metrics[m] = totals[6 + m]


cdef void store(const Totals *totals, double *to, int64_t steps) noexcept nogil:
    cdef int m
    to[0], to[1], to[2], to[3] = steps, totals.rows, totals.weight, totals.loss
    to[4], to[5] = totals.batch_losses, totals.penalty
    for m in range(MAX_METRICS):
        to[6 + m] = totals.metrics[m]


cdef inline char *row(const Step *step, int64_t slot) noexcept nogil:
    """Of the optimizer's state."""
    return step.state + slot * step.state_stride
