# The delta of the output that goes back where it is not a loss's: given, of one output, or of a class.
#
# Of a class c with probability p_c, the gradient of -log p_c by the logits is p - e_c. The sum over c of p_c times the
# squares of what comes of it is an expectation over the model's own labels, so sqrt(p_c) (p - e_c) goes back for each
# c; and of an output that says yes or no, sqrt(p (1 - p)).

from libc.math cimport sqrt
from libc.stdint cimport int64_t
from ..hadamard cimport activate, propagate
from ..layers.block cimport first_row, of_block, output, saved
from ..linear cimport propagate_delta
from ..memory cimport clear, from_column, from_row, panels, row_major, set_column
from ..table cimport MF_FLOAT32, MF_SIGMOID, MF_SOFTMAX, mf_block, mf_kernels, mf_layer, mf_matrix, mf_value
from .job cimport CLASSES, GIVEN, INPUTS, UNITS, YES_OR_NO, Job


cdef inline void note_outputs(const Job *job, const mf_block *block) noexcept nogil:
    """The probabilities of classes, from logits."""
    cdef const mf_kernels *kernels = block.kernels
    cdef const mf_value *out = job.step.schedule.output
    cdef char *to = job.probabilities + first_row(block) * out.columns * kernels.itemsize
    if job.seed == CLASSES or job.seed == YES_OR_NO:
        activate(kernels, MF_SOFTMAX if job.seed == CLASSES else MF_SIGMOID, 0, output(out, block),
                 row_major(kernels, to, out.columns), block.rows, out.columns)


cdef inline void begin_delta(const Job *job, const mf_block *block, int64_t first, int seed) noexcept nogil:
    """That of the block's rows, `first` and on of the caller's."""
    cdef const mf_kernels *kernels = block.kernels
    cdef const mf_value *out = job.step.schedule.output
    cdef mf_matrix delta = of_block(out.delta, block)
    cdef int64_t n = out.columns, item = kernels.itemsize
    cdef char *seeds = job.seeds + first_row(block) * n * item
    if job.seed == GIVEN:
        kernels.pack(job.given + first * n * item, n, block.rows, n, delta)
    elif job.seed == UNITS:
        if not (job.one_column and job.wanted == INPUTS):   # else it is read alone
            clear(kernels, delta, block.rows, n)
        set_column(kernels, delta, block.rows, seed, 1)
    else:
        if kernels.dtype == MF_FLOAT32:
            draw(job.seed == CLASSES, <const float *> job.probabilities + first_row(block) * n, <float *> seeds,
                 block.rows, n, seed)
        else:
            draw(job.seed == CLASSES, <const double *> job.probabilities + first_row(block) * n, <double *> seeds,
                 block.rows, n, seed)
        kernels.pack(seeds, n, block.rows, n, delta)
        return                  # it is that of logits
    propagate(kernels, out.activation, out.alpha, delta, saved(out, block), delta, block.rows, n)


cdef inline void note_slopes(const Job *job, const mf_block *block) noexcept nogil:
    """g' of what the last layer reads."""
    cdef const mf_kernels *kernels = block.kernels
    cdef const mf_value *into
    cdef mf_matrix one = of_block(job.step.schedule.output.delta, block)
    if job.slopes.data == NULL:
        return
    into = job.step.schedule.layers[job.step.phase.back[0]].reads
    set_column(kernels, one, block.rows, 0, 1)
    propagate_delta(kernels, one, job.ones, saved(into, block), of_block(job.slopes, block), block.rows, 1,
                    into.columns, into.activation, into.alpha, False)


cdef inline void scale_slopes(const mf_block *block, mf_matrix slopes, mf_matrix weights, mf_matrix delta,
                              int64_t columns) noexcept nogil:
    """delta = g' times a row of weights: the output's own delta is 1."""
    cdef const mf_kernels *kernels = block.kernels
    cdef int64_t j = 0
    while j < columns:
        kernels.scale_shift(from_column(kernels, slopes, j), from_column(kernels, weights, j).data, NULL,
                            from_column(kernels, delta, j), block.rows, min(kernels.nr, columns - j))
        j += kernels.nr


cdef inline void column_back(const Job *job, const mf_block *block, int64_t c) noexcept nogil:
    """Through the last layer, which is dense, where column c alone is not zero: the others' terms are left out."""
    cdef const mf_kernels *kernels = block.kernels
    cdef const mf_layer *layer = &job.step.schedule.layers[job.step.phase.back[0]]
    cdef const mf_value *into = layer.reads
    cdef mf_matrix delta = from_column(kernels, of_block(layer.makes.delta, block), c)
    if job.slopes.data != NULL:
        scale_slopes(block, of_block(job.slopes, block), from_row(kernels, layer.wt, c), of_block(into.delta, block),
                     into.columns)
    elif into.delta.data != NULL:
        delta.data = <char *> delta.data + c % kernels.nr * kernels.itemsize
        propagate_delta(kernels, delta, from_row(kernels, layer.wt, c), saved(into, block),
                        of_block(into.delta, block), block.rows, 1, into.columns, into.activation, into.alpha, False)


cdef inline void join_weights(Job *job) noexcept nogil:
    """For each output: the weights of the layer below the last one, each column times what the output takes of it."""
    cdef const mf_kernels *kernels = job.step.plan.kernels
    cdef int64_t units = job.below.makes.columns, fan_in = job.below.reads.columns, j
    cdef int64_t padded = (units + kernels.nr - 1) // kernels.nr * kernels.nr
    cdef mf_matrix weights = row_major(kernels, <void *> job.below.tensors[0], units), row
    cdef mf_matrix scaled = row_major(kernels, job.joining, padded)
    cdef int c
    for c in range(job.n_seeds):
        row = from_row(kernels, job.last.wt, c)
        j = 0
        while j < units:
            kernels.scale_shift(from_column(kernels, weights, j), from_column(kernels, row, j).data, NULL,
                                from_column(kernels, scaled, j), fan_in, min(kernels.nr, units - j))
            j += kernels.nr
        kernels.pack_transposed(job.joining, padded, fan_in, units, of_output(job, kernels, c))
    job.joins = kernels.all_finite(job.joined, job.n_seeds * job.joined_size)


cdef inline mf_matrix of_output(const Job *job, const mf_kernels *kernels, int64_t c) noexcept nogil:
    return panels(kernels, job.joined + c * job.joined_size * kernels.itemsize, job.below.makes.columns)


cdef inline void joined_back(const Job *job, const mf_block *block, int64_t c) noexcept nogil:
    """Through the last layer and the one below it at once: between them, g' is all that differs from row to row."""
    cdef mf_layer layer = job.below[0]
    cdef mf_value made = layer.makes[0]
    made.delta, layer.makes, layer.wt = job.slopes, &made, of_output(job, block.kernels, c)
    layer.kind.backward(&layer, block)


ctypedef fused real:
    float
    double


cdef inline void draw(bint of_classes, const real *p, real *to, int64_t rows, int64_t n, int64_t c) noexcept nogil:
    """What goes back for class c, or for output c."""
    cdef int64_t r, j
    cdef real root
    for r in range(rows):
        root = <real> sqrt(p[r * n + c] if of_classes else p[r * n + c] * (1 - p[r * n + c]))
        for j in range(n):
            if of_classes:
                to[r * n + j] = root * (p[r * n + j] - (j == c))
            else:
                to[r * n + j] = root if j == c else 0
