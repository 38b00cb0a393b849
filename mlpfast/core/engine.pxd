cimport numpy as cnp

from libc.stdint cimport int64_t

from .batches cimport Batching
from .call cimport Step, Totals
from .network cimport Network
from .optimizers cimport Rule
from .plan cimport Planned


cdef class Engine:
    cdef readonly Network network
    cdef readonly int64_t batch_rows
    cdef Batching batching
    cdef Planned dense, csr     # plans for such rows, each made when it is needed
    cdef tuple settings         # of both
    cdef object program
    cdef bint takes_csr
    cdef bint all_trainable     # else the gradient of what is frozen is zero
    cdef object entries         # memory for those of a chunk of CSR rows,
    cdef cnp.ndarray row_metrics    # and for the metrics of each row of a chunk
    cdef bint penalty_over_weights
    cdef cnp.ndarray kept       # parameters and state, as they were at the beginning of the epoch
    cdef Rule kept_rule
    cdef object optimizer       # of the last epoch, and what follows from it:
    cdef Rule rule
    cdef int64_t slots, own_slots

    cdef Planned planned(self, bint csr)
    cdef int64_t begin(self, Step *step, X, y, sample_weight, order, double l1, double l2, metrics) except -1
    cdef int take_metrics(self, Step *step, metrics) except -1
    cdef int take_optimizer(self, optimizer) except -1
    cdef int take_series(self, Step *step, series, int64_t steps) except -1
    cdef object sums_of(self, Step *step, int64_t rows)
    cdef object error_of(self, int status, Step *step, X, y, order)
    cdef double data_loss(self, const Totals *totals) noexcept nogil
    cdef int guarded(self, Step *step, int64_t first, int64_t rows, int64_t max_steps, char *kept,
                     int64_t slots, Totals *totals) noexcept nogil
    cdef bint sound(self, const Step *step, int64_t slots) noexcept nogil
    cdef bint keep(self, Step *step, char *kept, int64_t slots) noexcept nogil
    cdef void put_back(self, Step *step, const char *kept, int64_t slots) noexcept nogil
    cdef void take_up(self, Step *step, bint shown) noexcept nogil
    cdef void show_average(self, Step *step) noexcept nogil
