"""Whose a trainer is: one thread's at a time, which may do one piece of work at a time."""

from .table cimport begin_work, disown, end_work, mf_owner, own


class Refused(RuntimeError):
    """Another thread has it, or is at work with it; or this thread is, and we are below a signal handler of it."""

    def __init__(self):
        super().__init__(
            "this trainer is at work, in another thread or below a signal handler; use one of your own"
        )


cdef class Owner:
    """``with owner:`` a piece of work; ``with owner.held:`` several in a row, which other threads do not come between.

    Neither waits: who comes second is refused by a RuntimeError. Both end whatever happens, and a forked child is free.
    `at_work` is the trainer's: it is set twice in each step, and what is assigned to a trainer is looked at by its
    name.
    """

    cdef mf_owner owner
    cdef public bint at_work

    def __enter__(self):
        if not begin_work(&self.owner):
            raise Refused

    def __exit__(self, *_):
        end_work(&self.owner)

    @property
    def held(self):
        """The context in which other threads are refused; it may be entered again within."""
        return Held(self)


cdef class Held:
    cdef Owner whose

    def __init__(self, Owner whose):
        self.whose = whose

    def __enter__(self):
        if not own(&self.whose.owner):
            raise Refused

    def __exit__(self, *_):
        disown(&self.whose.owner)
