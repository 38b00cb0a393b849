# Derivatives of each row by itself, in terms of a step's parts: forward, a delta to begin with, back, and something is
# put out. Rows do not meet, so any thread may take any block, and nothing is reduced.

from libc.stdint cimport int32_t, int64_t
from ..call cimport Step
from ..table cimport mf_layer, mf_matrix

cdef enum Wanted:
    VALUES                   # z and h of every value
    DELTAS                   # of every value
    INPUTS                   # the delta of the data
    GRADIENTS                # by the parameters
    NORMS                    # of these
    SQUARES                  # of these, summed over rows

cdef enum Seed:
    OF_LOSS                  # the delta that goes back from the output: of the row's own loss
    GIVEN                    # what the caller gives
    UNITS                    # one output after the other
    CLASSES                  # one class after the other, as likely as the softmax of the outputs says
    YES_OR_NO                # the same of independent outputs, by their sigmoid

ctypedef struct Job:
    Step step                # the first: tasks are given its address
    Wanted wanted
    Seed seed
    int n_seeds              # ways back for one way forward
    int first_seed           # of the ways back at hand, and the one behind the last
    int end_seed
    bint one_column          # the last layer is dense, and one output at a time goes back
    mf_matrix slopes         # (capacity, columns): g' of what the last layer reads, for all ways back; or data NULL
    mf_matrix ones           # (1, columns)
    const mf_layer *last     # which the outputs come from,
    const mf_layer *below    # and the one that makes what it reads
    char *joined             # for each way back, the weights of the one below times those of the output; or NULL
    int64_t joined_size      # elements of those of one output
    char *joining            # (fan-in, units) of the one below: room to make them
    bint joins               # they are finite, and take the place of both layers' own
    bint in_place            # the first layer is dense, and its product may go to where it is put out
    int n_again              # layers that change on the way back what they have saved: they go forward before each
    const int32_t *again
    const int32_t *row_notes # of each layer
    const char *given        # (rows, outputs): where the delta is given
    char *probabilities      # (capacity, outputs): of classes
    char *seeds              # the same
    int n_outs
    const int32_t *values    # those that are put out
    char **outs              # a matrix (rows, columns) for each
    char *out                # (rows, ways back, columns), or (rows,)
    bint past_caches         # it is larger than these
    const char *products     # (layers, MF_MOST_TENSORS): whether the gradient by a row is an outer product, or delta
    mf_matrix *squared_x     # (layers,): of these the squares of both sides
    mf_matrix *squared_delta
    double *sums             # (parameters,)
