"""The boundary of what is computed for each row by itself: derivatives by its inputs, or of its own loss.

As in training: NumPy arrays in, one crossing out of Python. What is put out of a row depends neither on the other rows
nor on the number of threads.
"""

cimport numpy as cnp
import numpy as np

from cpython.ref cimport PyObject, Py_XDECREF
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from .call cimport BAD_DATA, Step
from .given cimport bad_data, point_at_rows, point_at_targets
from .rows.job cimport CLASSES, DELTAS, GIVEN, GRADIENTS, INPUTS, NORMS, OF_LOSS, SQUARES, UNITS, VALUES, YES_OR_NO, Job
from .memory cimport panels, panels_size, set_column
from .memory import aligned_zeros
from .network cimport Network
from .plan cimport Plan, Planned, lay_out, place, plan_loss, plan_output, plan_schedule, plan_tiles, set_values
from .plan cimport room as bytes_of_plan
from .rowjob cimport run_job
from .table cimport MF_IDENTITY, MF_MOST_TENSORS, MF_SOFTMAX, mf_kernels, mf_matrix, mf_value, thread_limit

cnp.import_array()

cdef enum:
    BLOCK_ROWS = 48         # whole register tiles; on the way they stay near, beside the weights of a 64-wide layer
    SHARES = 4              # blocks for each thread in a chunk, so that an early one can take more
    CHUNK_ROWS = 256        # about, where sums over rows are products
    CACHED = 1 << 22        # bytes that are written through the caches
    SCRATCH = 1 << 26       # bytes of a chunk's values, and of what is written of a block: page faults take time
    FEW_ROWS = 8            # of a block, where more would take more than that
    JOINED = 1 << 18        # bytes of weights that L2 keeps beside all else

WANTED = {"values": VALUES, "deltas": DELTAS, "inputs": INPUTS, "gradients": GRADIENTS, "norms": NORMS,
          "squares": SQUARES}
SEEDS = {"loss": OF_LOSS, "given": GIVEN, "units": UNITS, "classes": CLASSES, "yes_or_no": YES_OR_NO}
SCHEDULES = {"values": "evaluation", "deltas": "input_gradient", "inputs": "input_gradient"}   # others: "gradient"


cdef class Rowwise:
    """Goes forward and back with rows, and puts out something of each.

    Parameters
    ----------
    network : Network
    wanted : "values" (z and h of each), "deltas" (of each), "inputs" (the delta of the data); "gradients" by the
        parameters, "norms" of these, "squares" of these, summed over the rows
    loss : Loss, as in `mlpfast.losses`, or None where no targets are compared with
    seed : the delta that goes back from the output: that of the "loss", or one that is "given", or those of the outputs
        one after the other, "units", or of the labels that the model expects, "classes" or "yes_or_no"
    n_threads : at most so many; None: as many as the process may use
    """

    cdef readonly int64_t size      # bytes of what it keeps
    cdef readonly tuple columns     # of the values that are put out
    cdef Network network
    cdef Planned planned
    cdef object loss
    cdef Job job                    # what is the same for all calls
    cdef double work                # of a row

    def __init__(self, Network network, str wanted, loss=None, *, str seed="loss", n_threads=None):
        self.network, self.loss, self.planned = network, loss, Planned.__new__(Planned)
        self.planned.held = []
        program = network.program.with_loss(calls=loss is not None and loss.called is not None)
        schedule = program.schedule(SCHEDULES.get(wanted, "gradient"))
        cdef Plan *plan = &self.planned.plan
        memset(&self.job, 0, sizeof(Job))
        self.job.wanted, self.job.seed = WANTED[wanted], SEEDS[seed]
        self.job.n_seeds = 1 if seed in ("loss", "given") else network.outputs
        plan.keeps = wanted == "values" or seed != "loss"
        self.plan_rows(program, schedule, thread_limit(n_threads))
        self.note_values(program, schedule)
        self.note_layers(program, schedule)
        if wanted == "squares":
            self.place_squares(program)
        if seed in ("classes", "yes_or_no"):
            self.job.probabilities = self.room(plan.capacity * network.outputs)
            self.job.seeds = self.room(plan.capacity * network.outputs)

    cdef int plan_rows(self, program, schedule, int threads) except -1:
        cdef Plan *plan = &self.planned.plan
        cdef const mf_kernels *kernels = self.network.kernels
        cdef int64_t blocks = 1 if threads == 1 else SHARES * threads
        if self.job.wanted == SQUARES:
            blocks = (CHUNK_ROWS + BLOCK_ROWS - 1) // BLOCK_ROWS
        # Of a row: z, h and delta of each value.
        cdef int64_t size = 3 * kernels.itemsize * sum([value.columns for value in program.values])
        cdef int64_t written = kernels.itemsize * program.n_parameters if self.job.wanted == GRADIENTS else 0
        cdef int64_t block_rows = BLOCK_ROWS if BLOCK_ROWS * max(size, written) <= SCRATCH else FEW_ROWS
        blocks = min(blocks, SCRATCH // (block_rows * size))
        plan.kernels, plan.inputs, plan.n_parameters = kernels, self.network.inputs, program.n_parameters
        plan.threads, plan.block_rows, plan.each, plan.classes = threads, block_rows, 1, 2
        plan.batching.rows = plan.batching.longest = plan.capacity = (blocks | 1) * block_rows
        plan.n_values = len(program.values)
        plan.values = <mf_value *> bytes_of_plan(self.planned, plan.n_values * sizeof(mf_value))
        set_values(plan.values, program)
        if schedule.wanted[0]:      # also of the columns that come from parts which are not trained
            for i in range(plan.n_values):
                plan.values[<int> i].delta_first, plan.values[<int> i].delta_end = 0, plan.values[<int> i].columns
        if self.loss is not None:
            plan_loss(self.planned, self.loss, self.network.outputs)
        plan_output(plan, &plan.values[plan.n_values - 1])
        for layer in program.layers:
            if layer.packs:
                plan.flops += <double> program.values[layer.reads].columns * program.values[layer.makes].columns
        self.work = plan.flops * (1 + (self.job.n_seeds if self.job.wanted != VALUES else 0))
        self.work += program.n_parameters if self.job.wanted == GRADIENTS else 0
        plan_tiles(self.planned, program)
        plan_schedule(self.planned, &plan.step, self.network.flat, program, schedule)
        cdef size_t room = lay_out(plan, program.layers, schedule, schedule.shared, NULL)
        lay_out(plan, program.layers, schedule, schedule.shared, self.room(room // kernels.itemsize + 1))
        return 0

    cdef char *room(self, int64_t n) except NULL:
        """For so many numbers of the parameters' dtype."""
        try:
            memory = aligned_zeros(n, self.network.parameters.dtype)
        except MemoryError:
            raise MemoryError(f"the memory of a block of rows, {n * self.network.kernels.itemsize:,} bytes, "
                              "is not there") from None
        self.planned.held.append(memory)
        self.size += memory.nbytes
        return <char *> cnp.PyArray_DATA(memory)

    cdef const int32_t *numbers(self, values):
        array = np.array(list(values), np.int32)
        self.planned.held.append(array)
        return <const int32_t *> cnp.PyArray_DATA(array)

    cdef int note_values(self, program, schedule) except -1:
        """Those that the layers make, in their order."""
        makers = [number for phase in schedule.phases for number in phase.forward]
        made = list(dict.fromkeys([program.layers[number].makes for number in makers]))
        self.job.values = self.numbers(made)
        self.columns = tuple([program.values[value].columns for value in made])
        return 0

    cdef int note_layers(self, program, schedule) except -1:
        """Which are dense with weights of their own, and which put something else in the place of what they saved."""
        cdef Plan *plan = &self.planned.plan
        run = {number for phase in schedule.phases for number in phase.forward}
        again = [n for n in sorted(run) if program.layers[n].part is not None and program.layers[n].saves]
        self.job.n_again, self.job.again = len(again), self.numbers(again)
        back = [number for phase in schedule.phases for number in phase.back if phase.direction == "rows"]
        last = program.layers[back[0]] if back else None
        self.job.one_column = (
            self.job.seed in (UNITS, YES_OR_NO) and last is not None and last.kind == "dense"
            and plan.step.output.activation != MF_SOFTMAX and not any(schedule.edges[back[0]][0])
        )
        if self.job.one_column and self.job.seed == UNITS and self.job.wanted == INPUTS and len(back) > 1:
            self.job.last, self.job.below = &plan.step.layers[<int> back[0]], &plan.step.layers[<int> back[1]]
            self.place_slopes(self.job.last.reads)
            if len(back) > 2 and program.layers[back[1]].kind == "dense":
                self.place_joined()
        first = next(reversed(back), None)
        self.job.in_place = (
            self.job.wanted == INPUTS and first is not None and program.layers[first].kind == "dense"
            and schedule.reads[first] == 0 and not any(schedule.edges[first][0])
            and plan.inputs % plan.kernels.nr == 0
        )
        self.job.row_notes = self.numbers([layer.row_notes for layer in program.layers])
        products = np.zeros((len(program.layers), MF_MOST_TENSORS), np.uint8)
        for uses in program.uses.values():
            number, k = uses[0]
            trained = program.tensors[program.layers[number].tensors[k]].rule.trainable
            products[number, k] = trained and len(uses) == 1 and program.layers[number].kind == "dense"
        self.planned.held.append(products)
        self.job.products = <const char *> cnp.PyArray_DATA(products)
        return 0

    cdef int place_slopes(self, const mf_value *into) except -1:
        """Room for g', where each way back begins with 1 and the activation acts on each element by itself."""
        cdef Plan *plan = &self.planned.plan
        cdef int64_t j
        if plan.step.output.activation != MF_IDENTITY or into.activation == MF_SOFTMAX:
            return 0
        self.job.slopes = panels(plan.kernels, self.room(panels_size(plan.kernels, plan.capacity, into.columns)),
                                 plan.capacity)
        self.job.ones = panels(plan.kernels, self.room(panels_size(plan.kernels, 1, into.columns)), 1)
        for j in range(into.columns):
            set_column(plan.kernels, self.job.ones, 1, j, 1)
        return 0

    cdef int place_joined(self) except -1:
        """Room for what the weights of the last two layers make for each output, where it is not much."""
        cdef const mf_kernels *kernels = self.planned.plan.kernels
        cdef int64_t units = self.job.below.makes.columns, fan_in = self.job.below.reads.columns
        cdef int64_t size = panels_size(kernels, units, fan_in)
        if (self.job.slopes.data == NULL or self.job.below.makes != self.job.last.reads
                or self.job.n_seeds * size * kernels.itemsize > JOINED):
            return 0
        self.job.joined_size, self.job.joined = size, self.room(self.job.n_seeds * size)
        self.job.joining = self.room(fan_in * ((units + kernels.nr - 1) // kernels.nr * kernels.nr))
        return 0

    cdef int place_squares(self, program) except -1:
        """Room for the squares of both sides of the products."""
        cdef Plan *plan = &self.planned.plan
        cdef size_t size = len(program.layers) * sizeof(mf_matrix)
        self.job.squared_x = <mf_matrix *> bytes_of_plan(self.planned, size)
        self.job.squared_delta = <mf_matrix *> bytes_of_plan(self.planned, size)
        cdef size_t used = self.lay_squares(program, NULL)
        self.lay_squares(program, self.room(used // plan.kernels.itemsize + 1))
        return 0

    cdef size_t lay_squares(self, program, char *base) except? 0:
        cdef Plan *plan = &self.planned.plan
        cdef size_t used = 0
        cdef int64_t columns
        cdef int number
        for number, layer in enumerate(program.layers):
            if self.job.products[number * MF_MOST_TENSORS] or self.job.products[number * MF_MOST_TENSORS + 1]:
                columns = program.values[layer.reads].columns
                self.job.squared_x[number] = place(plan.kernels, base, &used, plan.capacity, columns)
                columns = program.values[layer.makes].columns
                self.job.squared_delta[number] = place(plan.kernels, base, &used, plan.capacity, columns)
        return used

    def run(self, X, y=None, given=None, out=None):
        """Puts out what is wanted of all rows.

        Parameters
        ----------
        X : (n, inputs) C-contiguous float32, float64 or uint8, or a CSR triple (values, columns, offsets)
        y : targets as for `Engine.run_epoch`, where there is a loss
        given : (n, outputs) of the parameters' dtype, where the delta is given
        out : an array of the parameters' dtype, or of float64 and zeros for sums of squares; of values, a list of z and
            h of each, and of deltas of one for each. C-contiguous.

        Raises
        ------
        NotFiniteError, BadCodeError, NotAdaptedError, ValueError
            If data are not as they should be.
        """
        self.network.check_adapted()
        cdef Job job = self.job
        cdef Step *step = &job.step
        step.plan, step.schedule, step.parameters = &self.planned.plan, &self.planned.plan.step, self.network.flat
        cdef int64_t rows = point_at_rows(step, X, self.network.inputs)
        if y is not None:
            point_at_targets(step, y, rows, self.network.outputs // step.plan.each, self.network.typenum)
            step.called = <PyObject *> self.loss
        if (y is None) == (self.job.seed == OF_LOSS and self.job.wanted != VALUES):
            raise ValueError("y: expected targets where a loss is compared with them, and only there")
        if given is not None:
            self.check(given, (rows, self.network.outputs))
            job.given = <const char *> cnp.PyArray_DATA(given)
        self.check_outs(out, rows)
        if job.wanted in (VALUES, DELTAS):
            places = np.array([array.ctypes.data for array in out], np.uintp)
            job.n_outs, job.outs = len(self.columns), <char **> cnp.PyArray_DATA(places)
        else:
            job.out, job.past_caches = <char *> cnp.PyArray_DATA(out), cnp.PyArray_NBYTES(out) > CACHED
        if job.wanted == SQUARES:
            job.sums = <double *> job.out
        cdef int status
        # A number that goes to memory takes as long as half a row of a register tile, and a whole one where new pages
        # are most of it.
        cdef double written = self.network.n_parameters * <double> self.network.kernels.nr
        if step.plan.block_rows > FEW_ROWS:
            written /= 2
        cdef double work = self.work + (written if job.wanted == GRADIENTS and job.past_caches else 0)
        with nogil:
            status = run_job(&job, rows, work)
        if step.error != NULL:
            error = <object> step.error
            Py_XDECREF(step.error)
            raise error
        if status == BAD_DATA:
            raise bad_data(step, X, y, None, self.network.inputs)

    cdef int check_outs(self, out, int64_t rows) except -1:
        """What is written into has to be there, whoever asks."""
        cdef int64_t n = self.job.n_seeds
        if self.job.wanted == SQUARES:
            assert out.shape == (self.network.n_parameters,) and out.dtype == np.float64
        elif self.job.wanted in (VALUES, DELTAS):
            each = 2 if self.job.wanted == VALUES else 1
            for array, columns in zip(out, [c for c in self.columns for _ in range(each)], strict=True):
                self.check(array, (rows, columns))
        else:
            columns = {INPUTS: n * self.network.inputs, GRADIENTS: self.network.n_parameters}.get(self.job.wanted, 1)
            self.check(out.reshape(-1), (rows * columns,))
        return 0

    cdef int check(self, array, tuple shape) except -1:
        if array.shape != shape or array.dtype != self.network.parameters.dtype or not cnp.PyArray_ISCARRAY_RO(array):
            raise ValueError(f"expected a C-contiguous {self.network.parameters.dtype} array of shape {shape}, got "
                             f"{array.dtype} {array.shape}")
        return 0
