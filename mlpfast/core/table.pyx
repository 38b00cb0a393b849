"""The one module that links csrc: the kernel tables, the thread pool and the random numbers."""

import numbers
import os

cdef extern from "mlpfast.h" nogil:
    const mf_kernels *mf_table(int dtype)
    const mf_kernels *mf_table_of(const char *isa, int dtype)
    int mf_available_isas(const char **names, int size)
    ctypedef struct mf_activation_row:
        const char *name
        double alpha
        int saves_z
    ctypedef struct mf_loss_row:
        const char *name
        int reads_z
    cdef enum:
        MF_ACTIVATIONS
        MF_LOSSES
        MF_METRICS
        MF_OPTIMIZERS
        MF_FUNCTIONS
    const mf_activation_row mf_activations[]
    const mf_loss_row mf_losses[]
    const char *mf_metrics[]
    const char *mf_optimizers[]
    const char *mf_functions[]
    uint64_t mf_flush_denormals()
    void mf_set_float_mode(uint64_t mode)
    void mf_parallel_for(int64_t n_tasks, int n_threads, mf_task task, void *context, double work)
    void mf_encode(const mf_table_column *columns, int64_t n, int64_t rows, float *out, int n_threads)
    int mf_own(mf_owner *owner)
    int mf_begin_work(mf_owner *owner)
    void mf_disown(mf_owner *owner)
    void mf_end_work(mf_owner *owner)
    int mf_max_threads()
    void mf_set_max_threads(int n)
    void mf_permutation(uint64_t seed, uint32_t purpose, uint64_t step, int64_t n, int64_t *out)
    void mf_uniform(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n, double *out)
    void mf_normal(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n, double *out)

# The names of csrc/lists.h, and the ids of each.
ACTIVATIONS = {mf_activations[i].name.decode(): i for i in range(MF_ACTIVATIONS)}
LOSSES = {mf_losses[i].name.decode(): i for i in range(MF_LOSSES)}
METRICS = {mf_metrics[i].decode(): i for i in range(MF_METRICS)}
OPTIMIZERS = {mf_optimizers[i].decode(): i for i in range(MF_OPTIMIZERS)}
FUNCTIONS = {mf_functions[i].decode(): i for i in range(MF_FUNCTIONS)}


cdef const mf_kernels *kernels_of(int dtype) except NULL:
    cdef const mf_kernels *kernels = mf_table(dtype)
    if kernels == NULL:
        raise ImportError(
            f"MLPFAST_ISA={os.environ.get('MLPFAST_ISA', '')!r}: expected one of {', '.join(available_isas())}"
        )
    return kernels


cdef uint64_t flush_denormals() noexcept nogil:
    """Take denormal numbers for zero in this thread; returns the mode for `set_float_mode`."""
    return mf_flush_denormals()


cdef void set_float_mode(uint64_t mode) noexcept nogil:
    mf_set_float_mode(mode)


cdef bint saves_z(int activation) noexcept nogil:
    """Whether the activation's derivative is computed from z, else from h."""
    return mf_activations[activation].saves_z


cdef bint reads_logits(int loss) noexcept nogil:
    """Whether the loss takes the output layer's pre-activations, and gives their delta, p - t, directly.

    Then the output activation (softmax, sigmoid, exponential) never runs in training: its derivative cancels against
    the loss's, and a probability that rounds to zero does no harm.
    """
    return mf_losses[loss].reads_z


cdef void parallel_for(int64_t n_tasks, int n_threads, mf_task task, void *context, double work) noexcept nogil:
    mf_parallel_for(n_tasks, n_threads, task, context, work)


cdef void encode(const mf_table_column *columns, int64_t n, int64_t rows, float *out, int n_threads) noexcept nogil:
    mf_encode(columns, n, rows, out, n_threads)


cdef bint own(mf_owner *owner) noexcept nogil:
    return mf_own(owner)


cdef bint begin_work(mf_owner *owner) noexcept nogil:
    return mf_begin_work(owner)


cdef void disown(mf_owner *owner) noexcept nogil:
    mf_disown(owner)


cdef void end_work(mf_owner *owner) noexcept nogil:
    mf_end_work(owner)


cdef int thread_limit(object n_threads) except -1:
    """The number of threads that a call may use: `n_threads`, or all that the process may if it is None."""
    if n_threads is None:
        return mf_max_threads()
    if not isinstance(n_threads, numbers.Integral) or n_threads < 1:
        raise ValueError(f"n_threads: expected a positive integer or None, got {n_threads!r}")
    return min(n_threads, mf_max_threads())


cdef void permutation(uint64_t seed, uint32_t purpose, uint64_t step, int64_t n, int64_t *out) noexcept nogil:
    mf_permutation(seed, purpose, step, n, out)


cdef void uniform(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n,
                  double *out) noexcept nogil:
    mf_uniform(seed, purpose, step, start, n, out)


cdef void normal(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n,
                 double *out) noexcept nogil:
    mf_normal(seed, purpose, step, start, n, out)


def isa():
    """Name of the instruction set in use."""
    return kernels_of(MF_FLOAT32).isa.decode()


def available_isas():
    """Names of the instruction sets that this build has and this CPU can run, best first."""
    cdef const char *names[8]
    cdef int n = mf_available_isas(names, 8)
    return tuple(names[i].decode() for i in range(n))


def address(str isa, int dtype):
    """Where the kernel table of an instruction set and dtype lies, for callers in C; 0 if it can't run here."""
    return <size_t> mf_table_of(isa.encode(), dtype)


def saves(str activation):
    """``"z"`` where the derivative is computed from the pre-activation, ``"h"`` where it is from the output."""
    return "z" if saves_z(ACTIVATIONS[activation]) else "h"


def reads(str loss):
    """``"z"`` where the loss is computed from the pre-activations, ``"h"`` where it is from the outputs."""
    return "z" if reads_logits(LOSSES[loss]) else "h"


def alpha(str activation):
    """The default of the activation's parameter; 0 where it takes none."""
    return mf_activations[<int> ACTIVATIONS[activation]].alpha


def max_threads():
    """The number of threads that a call uses at most, whatever it asks for."""
    return mf_max_threads()


def set_max_threads(int n):
    """Limit the number of threads for the whole process; 0 restores the default."""
    if n < 0:
        raise ValueError(f"n: expected a number of threads, or 0 for the default, got {n}")
    mf_set_max_threads(n)


# What is wrong in the environment is an error of the import, not of the first call.
kernels_of(MF_FLOAT32)
_threads = os.environ.get("MLPFAST_NUM_THREADS", "")
if _threads and not (_threads.isdecimal() and int(_threads) > 0):
    raise ImportError(f"MLPFAST_NUM_THREADS={_threads!r}: expected a positive number of threads")
