"""Which losses are fused with the output activation."""

from .table cimport MF_BINARY_CROSS_ENTROPY, MF_CROSS_ENTROPY, MF_POISSON


cdef bint reads_logits(int loss) noexcept nogil:
    """Whether the loss takes the output layer's pre-activations, and gives their delta, p - t, directly.

    Then the output activation (softmax, sigmoid, exponential) never runs in training: its derivative cancels against
    the loss's, and a probability that rounds to zero does no harm.
    """
    return loss == MF_CROSS_ENTROPY or loss == MF_BINARY_CROSS_ENTROPY or loss == MF_POISSON
