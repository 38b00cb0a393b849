"""Rules: which rate, decay and penalties each group of parameters has in a step."""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint64_t
from .call cimport DROPOUT_SCALE, LABEL_SMOOTHING, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY
from .optimizers cimport at_step, share_at_step
from .plan cimport Plan, TensorRule, rule_number
from .table cimport MF_SGD, mf_kernels, mf_tile, mf_update

# In place of 0, with which an update keeps no velocity for the next step.
cdef double NO_MOMENTUM = 1e-30


cdef void penalise(Step *step) noexcept nogil:
    """The penalties of each rule for the batch at hand."""
    cdef const TensorRule *rule
    cdef double strength = step.scale if step.penalty_over_weights else 1.0
    cdef int r
    for r in range(step.plan.n_rules):
        rule = &step.plan.rules[r]
        step.rules[r].l1 = (step.l1 if rule.takes_l1 else rule.l1) * strength
        step.rules[r].l2 = (step.l2 if rule.takes_l2 else rule.l2) * strength


cdef void set_rules(Step *step) noexcept nogil:
    """The constants of the step at hand for each rule."""
    follow(step)
    cdef mf_update base = at_step(&step.rule, step.number - step.state_from + 1, step.learning_rate)
    cdef mf_update u
    cdef const TensorRule *rule
    cdef double rate
    cdef int r
    step.share = share_at_step(&step.rule, step.number - step.state_from + 1)
    penalise(step)
    for r in range(step.plan.n_rules):
        rule = &step.plan.rules[r]
        u = base
        rate = step.learning_rate * rule.learning_rate_scale
        u.rate *= rule.learning_rate_scale * rule.multiplier
        if u.optimizer == MF_SGD:
            u.rate *= rule.multiplier  # which is in its gradient, too; the others divide by the gradient's size
        u.epsilon *= rule.epsilon_scale / rule.multiplier
        u.shrink = 1 - rate * step.rule.weight_decay * rule.weight_decay_scale
        u.l1, u.l2 = step.rules[r].l1, step.rules[r].l2
        u.clips, u.most = step.clip_value < INFINITY, step.clip_value
        step.rules[r] = u


cdef void follow(Step *step) noexcept nogil:
    """What the call has for the step at hand alone."""
    cdef uint64_t k = step.number - step.begins
    if step.series[LEARNING_RATE] != NULL:
        step.learning_rate = step.series[LEARNING_RATE][k]
    if step.series[WEIGHT_DECAY] != NULL:
        step.rule.weight_decay = step.series[WEIGHT_DECAY][k]
    if step.series[MOMENTUM] != NULL:
        step.rule.base.momentum = max(step.series[MOMENTUM][k], NO_MOMENTUM)
    if step.series[LABEL_SMOOTHING] != NULL:
        step.targets.smoothing = step.series[LABEL_SMOOTHING][k]
    if step.series[DROPOUT_SCALE] != NULL:
        step.dropout_scale = step.series[DROPOUT_SCALE][k]


cdef double add_penalties(Step *step, bint into_gradient) noexcept nogil:
    """l1 |W| + l2/2 |W|^2 over all tensors that have them; their gradient is added to the step's, if asked."""
    cdef const Plan *plan = step.plan
    cdef const mf_kernels *kernels = plan.kernels
    cdef const mf_tile *tensor
    cdef const mf_update *rule
    cdef double total = 0
    cdef int64_t at
    cdef int t, r
    for t in range(plan.n_tensors):
        tensor = &plan.tensors[t]
        r = rule_number(plan, tensor)
        rule = &step.rules[r]
        if rule.l1 == 0 and rule.l2 == 0:
            continue
        at = tensor.offset * kernels.itemsize
        total += kernels.penalty(rule.l1, rule.l2, step.parameters + at, tensor.ni * tensor.nj)
        if into_gradient and plan.rules[r].trainable:
            kernels.add_penalty(rule.l1, rule.l2, step.parameters + at, step.gradient + at, tensor.ni * tensor.nj)
    return total
