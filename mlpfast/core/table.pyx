"""The one module that links csrc: the kernel tables, the thread pool and the random numbers."""

import numbers
import os

cdef extern from "mlpfast.h" nogil:
    const mf_kernels *mf_table(int dtype)
    const mf_kernels *mf_table_of(const char *isa, int dtype)
    int mf_available_isas(const char **names, int size)
    int mf_saves_z(int activation)
    uint64_t mf_flush_denormals()
    void mf_set_float_mode(uint64_t mode)
    void mf_parallel_for(int64_t n_tasks, int n_threads, mf_task task, void *context, double work)
    int mf_own(mf_owner *owner)
    int mf_begin_work(mf_owner *owner)
    void mf_disown(mf_owner *owner)
    void mf_end_work(mf_owner *owner)
    int mf_max_threads()
    void mf_set_max_threads(int n)
    void mf_permutation(uint64_t seed, uint32_t purpose, uint64_t step, int64_t n, int64_t *out)
    void mf_uniform(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n, double *out)
    void mf_normal(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n, double *out)

# Names as the public API has them; a new activation, loss or metric is one row here.
ACTIVATIONS = {
    "identity": MF_IDENTITY,
    "sigmoid": MF_SIGMOID,
    "tanh": MF_TANH,
    "relu": MF_RELU,
    "leaky_relu": MF_LEAKY_RELU,
    "elu": MF_ELU,
    "selu": MF_SELU,
    "softplus": MF_SOFTPLUS,
    "gelu": MF_GELU,
    "gelu_tanh": MF_GELU_TANH,
    "silu": MF_SILU,
    "mish": MF_MISH,
    "exponential": MF_EXPONENTIAL,
    "softmax": MF_SOFTMAX,
}
LOSSES = {
    "mse": MF_MSE,
    "mae": MF_MAE,
    "huber": MF_HUBER,
    "quantile": MF_QUANTILE,
    "poisson": MF_POISSON,
    "binary_cross_entropy": MF_BINARY_CROSS_ENTROPY,
    "cross_entropy": MF_CROSS_ENTROPY,
}
METRICS = {
    "accuracy": MF_ACCURACY,
    "binary_accuracy": MF_BINARY_ACCURACY,
    "mean_squared_error": MF_MEAN_SQUARED_ERROR,
    "mean_absolute_error": MF_MEAN_ABSOLUTE_ERROR,
}


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
    return mf_saves_z(activation)


cdef void parallel_for(int64_t n_tasks, int n_threads, mf_task task, void *context, double work) noexcept nogil:
    mf_parallel_for(n_tasks, n_threads, task, context, work)


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
    return "z" if mf_saves_z(ACTIVATIONS[activation]) else "h"


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
