"""From the optimizers' hyper-parameters to the constants of one fused update."""

import numpy as np

from libc.math cimport INFINITY, pow, sqrt
from .memory import aligned_zeros
from .table cimport MF_ADAM, MF_NADAM, MF_SCHEDULE_FREE
from .table import OPTIMIZERS


def state_slots(optimizer):
    """The number of parameter-shaped state arrays that a trainer keeps.

    Where there is an average, that and the parameters in whose place it stands between epochs are the last two.
    """
    return own_slots(optimizer) + 2 * optimizer.averages


def own_slots(optimizer):
    """How many of them the update has."""
    if optimizer.update == "sgd":
        return 1 if optimizer.momentum else 0
    if optimizer.update == "rmsprop":
        return 2 if optimizer.momentum else 1
    if optimizer.update == "adam":
        return 3 if optimizer.amsgrad else 2
    return {"adagrad": 1, "nadam": 2, "lion": 1, "schedule_free": 2}[optimizer.update]


def new_state(optimizer, program, dtype):
    """Where training begins: (slots, n_parameters), each slot beginning on a cache line as the parameters do."""
    cdef Py_ssize_t n = program.n_parameters, line = 64 // np.dtype(dtype).itemsize
    cdef Py_ssize_t stride = (n + line - 1) // line * line
    slots = state_slots(optimizer)
    state = aligned_zeros(slots * stride, dtype).reshape(slots, stride)[:, :n]
    if optimizer.update == "adagrad":
        for tensor in program.tensors:  # squares of gradients of what is trained
            squares = optimizer.initial_accumulator_value / tensor.rule.multiplier**2
            state[0, tensor.offset:tensor.offset + tensor.size] = squares
    return state


cdef double constant(value):
    """A number; 0 for a schedule, whose values come with the steps."""
    return value if isinstance(value, (int, float)) else 0.0


cdef Rule rule_of(object optimizer) except *:
    cdef Rule rule
    rule.base.nesterov = rule.base.amsgrad = rule.base.clips = rule.epsilon_hat = False
    rule.base.momentum = rule.base.decay = rule.base.ahead = rule.base.epsilon = 0
    rule.base.share = rule.power = rule.weights = rule.weight = rule.largest = 0
    rule.momentum_decay, rule.product, rule.multiplied = 0, 1, 0
    rule.ema = optimizer.ema or 0.0
    rule.base.optimizer, rule.weight_decay = OPTIMIZERS[optimizer.update], constant(optimizer.weight_decay)
    if optimizer.update == "sgd":
        rule.base.momentum, rule.base.nesterov = constant(optimizer.momentum), optimizer.nesterov
    elif optimizer.update == "rmsprop":
        rule.base.momentum = constant(optimizer.momentum)
        rule.base.decay, rule.base.epsilon = optimizer.rho, optimizer.epsilon
    elif optimizer.update == "adagrad":
        rule.base.epsilon = optimizer.epsilon
    else:
        rule.base.momentum, rule.base.decay = optimizer.beta_1, optimizer.beta_2
        if optimizer.update == "adam":
            rule.base.epsilon, rule.base.amsgrad = optimizer.epsilon, optimizer.amsgrad
            rule.epsilon_hat = optimizer.epsilon_hat
        elif optimizer.update == "nadam":
            rule.base.epsilon, rule.momentum_decay = optimizer.epsilon, optimizer.momentum_decay
        elif optimizer.update == "schedule_free":
            rule.base.epsilon, rule.power = optimizer.epsilon, optimizer.r
    return rule


cdef double share_at_step(const Rule *rule, int64_t step) noexcept nogil:
    """The share of the parameters in their average, which begins with the first step."""
    return (1 - rule.ema) / one_less(rule.ema, step) if rule.ema > 0 else 0


cdef inline double one_less(double beta, int64_t step) noexcept nogil:
    """1 - beta^step, which is 1 once the power is less than 2^-54: beta^t <= exp(-t (1 - beta)).

    A power takes as long as 2 % of the smallest step, and more where it underflows.
    """
    return 1.0 if step * (1 - beta) > 40 else 1 - pow(beta, step)


cdef mf_update at_step(Rule *rule, int64_t step, double learning_rate) noexcept nogil:
    """The constants of step number `step`, from 1, but for penalties, clipping and decay."""
    cdef mf_update u = rule.base
    cdef double correction, largest
    u.rate, u.l1, u.l2, u.factor, u.most, u.shrink = learning_rate, 0, 0, 1, INFINITY, 1
    if u.optimizer == MF_ADAM or u.optimizer == MF_NADAM or u.optimizer == MF_SCHEDULE_FREE:
        # lr m_hat / (sqrt(v_hat) + eps) = lr c / (1 - beta_1^t) m / (sqrt(v) + c eps), with c = sqrt(1 - beta_2^t)
        correction = sqrt(one_less(u.decay, step))
        u.rate *= correction
        if not rule.epsilon_hat:
            u.epsilon *= correction
    if u.optimizer == MF_ADAM:
        u.rate /= one_less(u.momentum, step)
    elif u.optimizer == MF_NADAM:
        look_ahead(rule, step, &u)
    elif u.optimizer == MF_SCHEDULE_FREE:
        largest = max(rule.largest, learning_rate)
        rule.weight = largest * largest * pow(step, rule.power)
        u.share = rule.weight / (rule.weights + rule.weight) if rule.weight > 0 else 0  # no step was of any size yet
    return u


cdef void look_ahead(Rule *rule, int64_t step, mf_update *u) noexcept nogil:
    """NAdam's weights of the gradient and of its mean, the former as a factor of the rate."""
    cdef double now = momentum_of(rule, step), following = momentum_of(rule, step + 1), of_gradient
    if rule.multiplied != step - 1:
        rule.multiplied, rule.product = 0, 1
    while rule.multiplied < step:
        rule.multiplied += 1
        rule.product *= momentum_of(rule, rule.multiplied)
        if rule.product < 1e-17:
            rule.multiplied = step      # 1 less the product is 1 from here on
    of_gradient = (1 - now) / (1 - rule.product)
    u.rate *= of_gradient
    u.ahead = following / (1 - rule.product * following) / of_gradient


cdef double momentum_of(const Rule *rule, int64_t step) noexcept nogil:
    return rule.base.momentum * (1 - 0.5 * pow(0.96, step * rule.momentum_decay))
