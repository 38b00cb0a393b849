# What a step works on: its layers, its tiles and the places of its matrices. Made once, constant from then on.

from libc.stdint cimport int32_t, int64_t, uint64_t
from .linear cimport Linear
from .network cimport Network
from .table cimport mf_kernels, mf_matrix

cdef enum:
    MAX_METRICS = 4
    AHEAD = 16               # rows beyond a block that the gathering of it may ask for
    WORTH_A_THREAD = 200000  # multiply-adds of rows in one product of each layer, for a second thread to pay: some microseconds
    TILE_BYTES = 16384       # of a tile's gradient: with the operands of its product, it stays in L1

# One layer in training. Matrices are (capacity, units), panelled.
ctypedef struct Layer:
    Linear linear
    int64_t offset       # of W in the flat vectors; b follows W
    bint saves_z         # the derivative is computed from z, not from h
    double dropout       # rate, after the activation
    mf_matrix z          # pre-activations, where the derivative needs them
    mf_matrix h          # activations
    mf_matrix fed        # what the next layer reads: h, or a copy with elements dropped
    mf_matrix delta      # dL/dz

# A tile of the weights (or, with `bias`, of the biases) of a layer: rows i0..i0+ni, columns j0..j0+nj.
ctypedef struct Tile:
    int32_t layer
    bint bias
    int64_t i0, ni, j0, nj

ctypedef struct Plan:
    const mf_kernels *kernels
    int n_layers
    Layer *layers
    int64_t n_tiles
    Tile *tiles
    int64_t inputs, outputs
    int64_t batch_rows
    int64_t capacity         # rows of a chunk: a batch is one chunk, unless it is large
    int64_t block_rows       # that go through all layers together
    double flops             # multiply-adds of a row in one product of each layer
    int threads              # at most
    bint looks_ahead         # what a step touches is more than the core's caches keep, or other threads' caches have it
    uint64_t seed            # of dropout
    # the loss
    int loss
    double loss_parameter
    double label_smoothing
    bint fused               # the loss reads logits: see losses.reads_logits
    int output_activation
    double output_alpha
    # the arena
    mf_matrix x              # (capacity, inputs), the gathered rows
    mf_matrix predictions    # (capacity, outputs) for metrics, where the loss reads logits
    double *row_loss         # (capacity,)
    double *row_metric       # (MAX_METRICS, capacity)
    int32_t *labels          # (capacity,): of the chunk's rows
    int64_t *rows            # (blocks, block_rows + AHEAD): of each block's rows, in the caller's data


# A plan and the memory that it points into.
cdef class Planned:
    cdef Plan plan
    cdef object layers, tiles, arena


cdef Planned plan_training(Network network, int loss, double loss_parameter, double label_smoothing, dropout,
                           int64_t batch_rows, int threads, uint64_t seed)


cdef inline int threads_for(const Plan *plan, int64_t rows) noexcept nogil:
    return plan.threads if rows * plan.flops > WORTH_A_THREAD else 1
