# One call's way through the data: what it is given, what it is asked for, and the rows at hand.

from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t
from .optimizers cimport Rule
from .plan cimport MAX_METRICS, MOST_RULES, Phase, Plan, Schedule
from .table cimport mf_bands, mf_csr, mf_targets, mf_update

cdef enum Status:
    DONE
    INTERRUPTED
    DIVERGED
    DEADLINE
    BAD_DATA

# Where rows come from. All of it is the caller's, who may change it: nothing that it says is trusted.
ctypedef struct Source:
    int64_t rows
    const char *dense        # (rows, inputs) row-major; or NULL for CSR:
    int dtype
    mf_csr csr
    const int64_t *order     # rows to take, in this order; or NULL for all as they come
    const int32_t *labels    # (rows,), or these, or NULL for dense targets, or none
    const int64_t *wide_labels
    int64_t classes          # labels are less

# Totals of an epoch so far, or of an evaluation.
ctypedef struct Totals:
    int64_t steps            # of this call
    double last              # loss of the latest one, penalty included
    int64_t rows
    double weight            # sum of sample weights
    double loss              # sum of weighted row losses
    double batch_losses      # sum of rows * the batch's own mean loss
    double penalty           # sum of rows * the step's penalty
    double metrics[MAX_METRICS]

# What may change from step to step of a call.
cdef enum:
    LEARNING_RATE
    WEIGHT_DECAY
    MOMENTUM
    LABEL_SMOOTHING
    DROPOUT_SCALE
    N_DRIVEN

ctypedef struct Step:
    const Plan *plan
    const Schedule *schedule
    Source source
    mf_targets targets
    PyObject *called         # the loss, where it is a Python function; borrowed
    PyObject *term           # of the loss, beside that of the outputs: see called.call_term; borrowed; or NULL
    double term_weight
    int n_metrics
    int metrics[MAX_METRICS]
    double metric_numbers[MAX_METRICS]
    double *row_metric       # (n_metrics, the plan's capacity)
    char *parameters
    char *gradient           # flat; or NULL where the gradient never leaves its tile
    double *squares          # sums of the gradient's, span by span; or NULL where no norm is clipped
    double *sums             # flat, of the batch's chunks so far; or NULL where the gradient itself sums them up
    char *state              # the optimizer's: rows that begin so many bytes apart
    int64_t state_stride
    char *slots[3]           # those that the update itself has; an unused one points at the parameters
    char *average            # of the parameters; or NULL
    # training
    Rule rule
    double learning_rate, l1, l2
    double dropout_scale     # of the layers' rates
    const double *series[N_DRIVEN]  # a number for each step from `begins` on; or NULL, where one holds for all
    uint64_t begins
    double clip_value        # of the gradient's elements; or infinity
    double clip_norm         # of the whole gradient, where the program clips it
    bint penalty_over_weights   # divide the penalties by the batch's sum of sample weights
    uint64_t number          # of the step, from 0
    uint64_t state_from      # the step that the optimizer's state began with
    double deadline
    # the batch
    double weight            # sum of its sample weights
    double scale             # 1 / weight
    double norm              # of the gradient, where it is clipped; else 0
    double term_loss         # the sum over its rows of their part of the term
    char *kept               # (rows, outputs), C-contiguous: where an evaluation leaves the outputs, or NULL
    double share             # of the parameters after the step in their average; 0 where there is none
    mf_update rules[MOST_RULES]
    # the chunk of it at hand
    int64_t first            # row of the order that it begins with
    int64_t first_row        # row of the batch that it begins with
    int64_t rows
    int64_t known            # rows of the order from the chunk's first on
    const Phase *phase       # at hand, or a part of it
    int64_t first_task       # of the piece of it at hand
    int64_t room             # entries that a chunk of CSR rows may have
    mf_bands bands           # of those that it has
    bint accumulate          # onto the gradient of the batch's earlier chunks
    bint completes           # this is its last
    bint updates             # then: the optimizer steps while the gradient's tile is hot, or
    bint by_rows             # tensors that are updated by rows have no gradient of their own
    bint apart               # once the whole gradient is there, as the batch is long
    bint bound               # a tile is updated: the step has to be finished, whatever a signal's handler raises
    bint refreshes           # and another step follows, which reads packed forms
    # what threads report: flags
    int32_t bad              # mf_status
    int32_t findings         # mf_finding, of this chunk
    # signals
    uint64_t float_mode      # the caller's
    double next_signal_check
    PyObject *error          # what a signal's handler raised; owned
