# The plan of a training step: plain structs, so that a whole epoch runs without a Python object.

from libc.stdint cimport int32_t, int64_t, uint64_t
from .linear cimport Linear
from .table cimport mf_kernels, mf_matrix, mf_targets, mf_update

cdef enum:
    MAX_METRICS = 4
    MOST_SOON = 8            # blocks of memory that a tile asks for ahead of their use
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

# Where rows come from.
ctypedef struct Source:
    int dtype
    const char *dense        # (n, ld) row-major; or NULL for CSR:
    int64_t ld
    const void *values
    const void *columns
    const void *offsets
    int index64

# What the two phases of a step read and write.
ctypedef struct Plan:
    const mf_kernels *kernels
    int n_layers
    Layer *layers
    int64_t n_tiles
    Tile *tiles
    mf_matrix x              # (capacity, inputs), the gathered rows
    mf_matrix outputs        # (capacity, outputs) for metrics, where the loss reads logits
    int64_t capacity         # rows of a chunk: a batch is one chunk, unless it is large
    int64_t panel_rows
    # loss and metrics
    int loss
    double loss_parameter
    bint fused               # the loss reads logits: see losses.reads_logits
    int output_activation
    double output_alpha
    int n_metrics
    int metrics[MAX_METRICS]
    double *row_loss         # (capacity,)
    double *row_metric       # (n_metrics, capacity)
    # the chunk at hand
    Source source
    mf_targets targets
    const int64_t *rows      # (chunk_rows,) indices into the source; or NULL for first_row + i
    int64_t known_rows       # that may be read of `rows`: those of later chunks follow
    int64_t first_row        # of the chunk in its batch
    int64_t chunk_rows
    bint finite              # as far as the rows have been read
    bint finite_deltas       # of the layers that skip zeros, in this chunk
    double scale             # 1 / sum of the batch's sample weights
    # the way back
    bint backward
    bint accumulate          # onto the gradient of the batch's earlier chunks
    bint updates             # the optimizer steps while the gradient's tile is hot
    bint drops               # dropout is active
    bint looks_ahead         # what a step touches is more than the core's caches keep, or other threads' caches have it
    uint64_t seed
    uint64_t step
    char *parameters
    char *gradient           # flat; or NULL where the gradient never leaves its tile
    char *slots[3]           # optimizer state; an unused one points at the parameters
    mf_update weight_rule
    mf_update bias_rule


cdef void forward_backward(void *plan, int64_t panel) noexcept nogil
cdef void weight_tile(void *plan, int64_t tile) noexcept nogil
