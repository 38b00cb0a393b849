"""From the optimizers' hyper-parameters to the constants of one fused update."""

import numpy as np

from libc.math cimport pow, sqrt
from .memory import aligned_zeros
from .table cimport MF_ADAM
from .table import OPTIMIZERS


def state_slots(optimizer):
    """The number of parameter-shaped state arrays that an optimizer keeps."""
    if optimizer.update == "sgd":
        return 1 if optimizer.momentum else 0
    if optimizer.update == "rmsprop":
        return 2 if optimizer.momentum else 1
    return 3 if optimizer.amsgrad else 2


def new_state(optimizer, Py_ssize_t n, dtype):
    """Zeros (slots, n), each slot beginning on a cache line as the parameters do."""
    cdef Py_ssize_t line = 64 // np.dtype(dtype).itemsize, stride = (n + line - 1) // line * line
    slots = state_slots(optimizer)
    return aligned_zeros(slots * stride, dtype).reshape(slots, stride)[:, :n]


cdef Rule rule_of(object optimizer) except *:
    cdef Rule rule
    rule.base.nesterov = rule.base.amsgrad = rule.epsilon_hat = False
    rule.base.momentum = rule.base.decay = rule.base.epsilon = 0
    rule.base.optimizer, rule.weight_decay = OPTIMIZERS[optimizer.update], optimizer.weight_decay
    if optimizer.update == "sgd":
        rule.base.momentum, rule.base.nesterov = optimizer.momentum, optimizer.nesterov
    elif optimizer.update == "rmsprop":
        rule.base.momentum, rule.base.decay, rule.base.epsilon = optimizer.momentum, optimizer.rho, optimizer.epsilon
    else:
        rule.base.momentum, rule.base.decay = optimizer.beta_1, optimizer.beta_2
        rule.base.epsilon, rule.base.amsgrad = optimizer.epsilon, optimizer.amsgrad
        rule.epsilon_hat = optimizer.epsilon_hat
    return rule


cdef mf_update at_step(const Rule *rule, int64_t step, double learning_rate) noexcept nogil:
    """The constants of step number `step`, from 1, but for penalties and decay."""
    cdef mf_update u = rule.base
    cdef double correction
    u.rate, u.l1, u.l2, u.shrink = learning_rate, 0, 0, 1
    if u.optimizer == MF_ADAM:
        # lr m_hat / (sqrt(v_hat) + eps) = lr c / (1 - beta_1^t) m / (sqrt(v) + c eps), with c = sqrt(1 - beta_2^t)
        correction = sqrt(1 - pow(u.decay, step))
        u.rate = learning_rate * correction / (1 - pow(u.momentum, step))
        if not rule.epsilon_hat:
            u.epsilon *= correction
    return u
