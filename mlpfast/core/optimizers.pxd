from libc.stdint cimport int64_t
from .table cimport mf_update

# An optimizer's hyper-parameters, as the steps resolve them.
ctypedef struct Rule:
    mf_update base
    double weight_decay
    bint epsilon_hat
    double ema               # the average's; or 0
    double momentum_decay    # NAdam's, and the product of its momenta up to a step:
    double product
    int64_t multiplied
    double power             # schedule-free: of a step's number in its weight,
    double weight            # that of the step at hand,
    double weights           # and the sum of those before it; the largest rate before it
    double largest


cdef Rule rule_of(object optimizer) except *
cdef double share_at_step(const Rule *rule, int64_t step) noexcept nogil
cdef mf_update at_step(Rule *rule, int64_t step, double learning_rate) noexcept nogil
