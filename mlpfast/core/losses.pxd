cdef bint reads_logits(int loss) noexcept nogil
