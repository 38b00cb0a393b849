from libc.stdint cimport int64_t
from .table cimport mf_update

# An optimizer's hyper-parameters, as the steps resolve them.
ctypedef struct Rule:
    mf_update base
    double weight_decay
    bint epsilon_hat


cdef Rule rule_of(object optimizer) except *
cdef mf_update at_step(const Rule *rule, int64_t step, double learning_rate) noexcept nogil
