# What a step works on, as plain structs. Made once, constant from then on.

from libc.stdint cimport int32_t, int64_t, uint64_t
from .batches cimport Batching
from .table cimport MF_MOST_TENSORS, mf_bands, mf_kernels, mf_layer, mf_loss_options, mf_matrix, mf_tile, mf_value

cdef enum:
    MAX_METRICS = 32         # that are computed natively
    AHEAD = 16               # rows beyond a block that the gathering of it may ask for
    WORTH_A_THREAD = 200000  # multiply-adds of rows in one product of each layer, for a second thread to pay
    NEAR_BYTES = 16384       # of a tile's gradient: with the operands of its product, it stays in L1
    TILE_BYTES = 65536       # of one of whole rows, whose parameters and state lie in one piece

    MOST_RULES = 32

# Which rate, decay and penalties the update of a tensor takes, beside those of the step.
ctypedef struct TensorRule:
    bint trainable
    double learning_rate_scale, epsilon_scale
    double multiplier           # the tensor is this times what is trained
    double weight_decay_scale   # 0 where it does not reach
    bint by_rows                # only the rows of it that a batch reads
    bint takes_l1, takes_l2     # the step's; else its own:
    double l1, l2
    double max_norm             # of each column; or infinity

cdef enum Direction:
    ROWS
    COLUMNS
    TILES
    SPANS
    UNITS
    CALL                     # of a loss in Python

# Work in one direction, with a barrier after it. Layers are given by number, in the order in which they run.
ctypedef struct Phase:
    Direction direction
    int64_t n_panels         # along columns: of the widest layer
    double work              # of a row, in multiply-adds
    int n_forward
    const int32_t *forward
    int n_back
    const int32_t *back
    bint gathers
    bint compares
    bint updates
    int n_parts              # along rows: the same a layer at a time, for blocks that take long
    Phase *parts

# Somebody else's loss of some rows, all row-major doubles: each row's value and its derivative by the outputs.
ctypedef void (*mf_c_loss)(int64_t rows, int64_t outputs, int64_t targets, const double *y, const double *h,
                           double *values, double *gradient) noexcept nogil

ctypedef struct Schedule:
    int n_layers
    mf_layer *layers
    const mf_value *output   # what is compared
    int n_phases
    Phase *phases
    bint goes_back
    bint over_batch          # has phases along columns: a batch is one chunk, and has at least two rows

ctypedef struct Plan:
    const mf_kernels *kernels
    int n_values
    mf_value *values
    int n_tensors
    mf_tile *tensors         # each as one tile, by the number of its layer and its place there
    int64_t n_packed         # those that layers read in other forms, in bands of rows
    mf_tile *packed
    int32_t *rules_of        # (layers, MF_MOST_TENSORS): numbers of their rules
    int32_t *next_use        # (layers, MF_MOST_TENSORS): where else in this list the same tensor is used, or -1
    int n_rules
    TensorRule rules[MOST_RULES]
    int64_t n_tiles
    mf_tile *tiles           # those of tensors that are updated by rows are the last; before these:
    int64_t n_dense
    int64_t n_shares
    mf_tile *shares          # the same tensors in fewer parts, for their update
    int64_t n_strips
    mf_tile *strips          # whole columns of tensors whose norms are limited
    Schedule step, gradient, training_gradient, evaluation
    int64_t inputs
    int64_t n_parameters
    Batching batching
    int64_t capacity         # rows of a chunk: a batch is one chunk, unless it is large
    int64_t block_rows       # that go through all layers together
    double flops             # multiply-adds of a row in one product of each layer
    int threads              # at most
    bint reads_csr           # rows come as CSR, and the layers that read value 0 take them so: there is no x
    bint keeps               # z of each value, and the output, which else the delta may replace
    bint looks_ahead         # what a step touches is more than the core's caches keep, or other threads' caches have it
    uint64_t seed            # of dropout
    # the loss
    int loss
    mf_loss_options loss_options
    double label_smoothing
    int32_t each             # outputs that a target has
    int64_t classes          # labels are less
    bint calls               # it is a Python function, or
    mf_c_loss c_loss         # a C function
    double *doubles          # (capacity, 2 outputs + targets), for that one
    bint fused               # it reads logits: see table.reads_logits
    int output_activation    # the model's own, where the loss reads logits
    double output_alpha
    # the arena
    mf_matrix x              # (capacity, inputs), the gathered rows: value 0; or, where CSR is read:
    int64_t n_bands
    mf_bands bands           # but for the entries, which the call brings
    mf_matrix predictions    # (capacity, outputs) for metrics, where the loss reads logits
    double *row_loss         # (capacity,)
    int32_t *labels          # (capacity,): of the chunk's rows
    int64_t *rows            # (blocks, block_rows + AHEAD): of each block's rows, in the caller's data


# A plan and the memory that it points into.
cdef class Planned:
    cdef Plan plan
    cdef list held


cdef Planned plan_training(object program, const mf_kernels *kernels, char *state, bint reads_csr, object loss,
                           Batching batching, int threads, uint64_t seed)

# For plans of other things than training.
cdef void *room(Planned planned, size_t size)
cdef void plan_loss(Planned planned, object loss, int64_t outputs) except *
cdef void plan_output(Plan *plan, mf_value *output) noexcept
cdef void plan_tiles(Planned planned, object program) except *
cdef void plan_schedule(Planned planned, Schedule *to, const char *state, object program, object schedule) except *
cdef size_t lay_out(Plan *plan, list layers, object schedule, set shared, char *base) except? 0
cdef mf_matrix place(const mf_kernels *kernels, char *base, size_t *used, int64_t rows, int64_t cols) noexcept

cdef int check_room(layer) except -1
cdef bint takes_csr(object program, schedule) except -1

cdef void set_values(mf_value *values, object program) except *
cdef void set_tile(mf_tile *to, tile, tensor) except *
cdef void set_layers(mf_layer *layers, const mf_value *values, const char *state, int64_t itemsize, object program,
                     object schedule, list held) except *


cdef inline int rule_number(const Plan *plan, const mf_tile *tile) noexcept nogil:
    """Of the tensor that a tile is a part of, in the plan's list."""
    return plan.rules_of[tile.layer * MF_MOST_TENSORS + tile.tensor]


cdef inline int threads_for(const Plan *plan, int64_t rows) noexcept nogil:
    return plan.threads if rows * plan.flops > WORTH_A_THREAD else 1


cdef inline char *reserve(char *base, size_t *used, size_t size) noexcept:
    """Whole cache lines for so many bytes, after those used."""
    cdef size_t start = used[0]
    used[0] = (start + size + 63) // 64 * 64
    return base + start
